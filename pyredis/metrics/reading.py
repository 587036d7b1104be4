"""One look at a server, taken all at once: what its INFO, CONFIG, LATENCY and SLOWLOG commands would tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyredis.core.command import all_commands
from pyredis.core.info import info
from pyredis.lib.histogram import cumulative

if TYPE_CHECKING:
    from pyredis.core.server import Server


@dataclass(slots=True)
class Reading:
    """``info``: (section, field, value) in INFO's order. Durations are in the units of the commands they come from."""

    info: list[tuple[str, str, str]]
    maxclients: int
    maxmemory: int
    databases: int
    spikes: list[tuple[str, int, int]] = field(default_factory=list)
    """(event, Unix seconds, milliseconds) of each event's latest spike."""
    durations: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """Command → (microseconds, calls that took at most so long), rising."""
    slowlog_length: int = 0
    slowlog_last_id: int = 0
    slowlog_last_usec: int = 0

    def value(self, name: str) -> str:
        """INFO's field of that name; empty if there is none."""
        return next((value for _, found, value in self.info if found == name), "")


def parse_info(text: str) -> list[tuple[str, str, str]]:
    """The lines of INFO.

    >>> parse_info("# Clients\\r\\nconnected_clients:3\\r\\n")
    [('Clients', 'connected_clients', '3')]
    """
    found = []
    section = ""
    for line in text.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif ":" in line:
            name, _, value = line.partition(":")
            found.append((section, name, value))
    return found


def read_server(server: Server) -> Reading:
    """Look at a server of this process."""
    server.update_time()
    config = server.config
    entries = server.slowlog.entries
    last = entries[0] if entries else None
    return Reading(
        info=parse_info(info(server, {"all"}).decode("utf-8", "replace")),
        maxclients=config.maxclients,
        maxmemory=config.maxmemory,
        databases=config.databases,
        spikes=[(event.decode(), series[-1][0], series[-1][1]) for event, series in server.latency.events.items()],
        durations={
            cmd.fullname.decode("utf-8", "replace"): cumulative(cmd.recorded)
            for cmd in all_commands(server.commands)
            if cmd.recorded
        },
        slowlog_length=len(entries),
        slowlog_last_id=last.id if last is not None else 0,
        slowlog_last_usec=last.usec if last is not None else 0,
    )
