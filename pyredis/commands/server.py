"""The server as a whole: TIME, SHUTDOWN."""

from __future__ import annotations

from pyredis.core.args import syntax_error
from pyredis.core.blocked import BLOCKED_SHUTDOWN, block_for_keys
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
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
from pyredis.core.propagate import prevent
from pyredis.core.shutdown import shut_down, shutdown_flags
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, error


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
    seconds, usec = divmod(int(c.server.clock.time() * 1e6), 1_000_000)
    whole, rest = b"%d" % seconds, b"%d" % usec
    return b"*2\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n" % (len(whole), whole, len(rest), rest)


_FAILED = b"ERR Errors trying to SHUTDOWN. Check logs."
_SHUTDOWN_WORDS = frozenset(("nosave", "save", "now", "force", "abort"))


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
    """Without a reply: the connection ends with the server, unless what has to be saved cannot be."""
    words = [word.lower().decode("latin-1") for word in argv[1:]]
    if not set(words) <= _SHUTDOWN_WORDS or {"save", "nosave"} <= set(words):
        raise syntax_error()
    if c.server.scripts.busy_error and "nosave" not in words:
        raise CommandError(c.server.scripts.busy_error)
    if "abort" in words:
        if set(words) != {"abort"}:
            raise syntax_error()
        if not c.server.shutdown.abort():
            raise CommandError(b"ERR No shutdown in progress.")
        return OK
    if "now" not in words and c.flags & CLIENT_DENY_BLOCKING:
        raise CommandError(b"ERR SHUTDOWN without NOW or ABORT isn't allowed for DENY BLOCKING client")
    prevent(c)  # although a snapshot makes the count of changes begin anew
    if c.server.on_shutdown is None or not shut_down(c.server, shutdown_flags(words)):
        raise CommandError(_FAILED)
    if c.server.shutdown.deadline:
        block_for_keys(c, BLOCKED_SHUTDOWN, [], 0, argv, error(_FAILED))
    return None
