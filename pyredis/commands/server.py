"""The server as a whole: TIME, SHUTDOWN."""

from __future__ import annotations

from pyredis.core.args import syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_MULTI,
    CMD_NOSCRIPT,
    CMD_SENTINEL,
    CMD_STALE,
    command,
)
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import bulk_array


@command(
    b"TIME",
    1,
    CMD_LOADING | CMD_STALE | CMD_FAST,
    group="server",
    since="2.6.0",
    summary="Return the server's time.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def time_command(c: Client, argv: list[bytes]) -> bytes | None:
    usec = int(c.server.clock.time() * 1e6)
    return bulk_array([b"%d" % (usec // 1_000_000), b"%d" % (usec % 1_000_000)])


_SHUTDOWN_WORDS = frozenset((b"nosave", b"save", b"now", b"force", b"abort"))


@command(
    b"SHUTDOWN",
    -1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY | CMD_SENTINEL,
    group="server",
    since="1.0.0",
    summary="End the server.",
    complexity=(
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)"
    ),
    usage="[NOSAVE|SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0",
    history=(("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."),),
)
def shutdown_command(c: Client, argv: list[bytes]) -> bytes | None:
    """NOW and FORCE are about replicas that lag and saves that fail: there are none, so the end is at once."""
    words = {word.lower() for word in argv[1:]}
    if not words <= _SHUTDOWN_WORDS or words >= {b"save", b"nosave"} or (b"abort" in words and len(words) > 1):
        raise syntax_error()
    if b"abort" in words:
        raise CommandError(b"ERR No shutdown in progress.")
    if b"save" in words:
        raise CommandError(b"ERR SHUTDOWN SAVE needs persistence, which is not available yet")
    if c.server.on_shutdown is None:
        raise CommandError(b"ERR Errors trying to SHUTDOWN. Check logs.")
    c.server.on_shutdown(0)
    return None
