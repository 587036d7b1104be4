"""MONITOR: every command of every client, as it runs."""

from __future__ import annotations

from pyredis.core.client import CLIENT_MONITOR, Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command
from pyredis.core.dispatch import GATE_MONITOR, refresh_fast, set_gate
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
    if not c.flags & CLIENT_MONITOR:
        c.flags |= CLIENT_MONITOR
        c.server.monitors[c] = None
        set_gate(c.server, GATE_MONITOR, True)
        refresh_fast(c)
    return OK
