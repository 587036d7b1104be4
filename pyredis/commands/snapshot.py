"""Snapshots: SAVE, BGSAVE, LASTSAVE."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import syntax_error
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import (
    ACL_ADMIN,
    ACL_DANGEROUS,
    CMD_ADMIN,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_ASYNC_LOADING,
    CMD_NO_MULTI,
    CMD_NOSCRIPT,
    CMD_STALE,
    command,
)
from pyredis.core.propagate import prevent
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, integer, simple

_FAILED: Final = b"ERR"
"""The log says more."""
_IN_PROGRESS: Final = b"ERR Background save already in progress"


@command(
    b"SAVE",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
    group="server",
    since="1.0.0",
    summary="Write a snapshot while everybody waits.",
    complexity="O(N) where N is the total number of keys in all databases",
)
def save_command(c: Client, argv: list[bytes]) -> bytes | None:
    snapshots = c.server.snapshots
    if snapshots.saving:
        raise CommandError(_IN_PROGRESS)
    prevent(c)  # although the count of changes begins anew
    snapshots.saves += 1
    if not snapshots.save():
        raise CommandError(_FAILED)
    return OK


@command(
    b"BGSAVE",
    -1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    summary="Write a snapshot in the background.",
    complexity="O(1)",
    usage="[SCHEDULE]@3.2.2",
    history=(("3.2.2", "Added the `SCHEDULE` option."),),
)
def bgsave_command(c: Client, argv: list[bytes]) -> bytes | None:
    schedule = len(argv) == 2 and argv[1].upper() == b"SCHEDULE"
    if len(argv) > 1 and not schedule:
        raise syntax_error()
    server, snapshots = c.server, c.server.snapshots
    if snapshots.saving:
        raise CommandError(_IN_PROGRESS)
    if server.background is not None or c.flags & CLIENT_DENY_BLOCKING:
        if not schedule and not c.flags & CLIENT_DENY_BLOCKING:
            raise CommandError(
                b"ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                b"schedule a BGSAVE whenever possible."
            )
        snapshots.scheduled = True
        return simple(b"Background saving scheduled")
    try:
        snapshots.start()
    except OSError:
        raise CommandError(_FAILED) from None
    return simple(b"Background saving started")


@command(
    b"LASTSAVE",
    1,
    CMD_LOADING | CMD_STALE | CMD_FAST,
    group="server",
    since="1.0.0",
    summary="Return the Unix time of the last snapshot.",
    complexity="O(1)",
    acl=ACL_ADMIN | ACL_DANGEROUS,
    tips=(b"nondeterministic_output",),
)
def lastsave_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(c.server.snapshots.last_save)
