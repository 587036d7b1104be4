"""MONITOR: every command of every client, as it runs."""

from __future__ import annotations

from pyredis.core.client import CLIENT_DENY_BLOCKING, CLIENT_MONITOR, Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command
from pyredis.core.dispatch import GATE_MONITOR, set_gate
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK


@command(
    b"MONITOR",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="1.0.0",
    summary="Show every command the server runs.",
)
def monitor_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.flags & CLIENT_DENY_BLOCKING:
        raise CommandError(b"ERR MONITOR isn't allowed for DENY BLOCKING client")
    if c.flags & CLIENT_MONITOR:
        return None  # Redis does not answer the second MONITOR of a connection either
    c.flags |= CLIENT_MONITOR
    c.server.monitors[c] = None
    set_gate(c.server, GATE_MONITOR, True)
    return OK
