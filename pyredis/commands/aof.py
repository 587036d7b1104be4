"""The append-only file: BGREWRITEAOF."""

from __future__ import annotations

from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import CMD_ADMIN, CMD_NO_ASYNC_LOADING, CMD_NOSCRIPT, command
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import simple


@command(
    b"BGREWRITEAOF",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    summary="Write the append-only file anew in the background.",
    complexity="O(1)",
)
def bgrewriteaof_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    aof = server.aof
    if aof.rewriting:
        raise CommandError(b"ERR Background append only file rewriting already in progress")
    if server.background is not None or c.flags & CLIENT_DENY_BLOCKING:
        aof.rewrite_scheduled = True
        return simple(b"Background append only file rewriting scheduled")
    try:
        aof.rewrite()
    except OSError as e:
        aof.last_rewrite_ok = False
        server.log.warning(f"Can't rewrite append only file in background: {e.strerror or e}")
        raise CommandError(
            b"ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        ) from None
    return simple(b"Background append only file rewriting started")
