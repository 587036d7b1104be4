"""One look at a server, taken all at once: what its INFO, CONFIG, LATENCY and SLOWLOG commands would tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyredis.core.command import Command
from pyredis.core.info import database_fields, safe_name, sections, titles
from pyredis.lib.histogram import cumulative, percentiles

if TYPE_CHECKING:
    from pyredis.core.replication import Fields
    from pyredis.core.server import Server

_BY_THEMSELVES = frozenset(("Commandstats", "Errorstats", "Latencystats", "Keyspace", "Modules", "Threads", "Keysizes"))
"""Sections whose fields are not single values: they are read from where they come from, if at all."""


@dataclass(slots=True)
class Use:
    """A command's calls and how long they took."""

    name: str
    calls: int
    seconds: float
    rejected: int
    failed: int
    percentiles: list[tuple[float, float]]
    """(percent, microseconds), unless latency tracking is off."""
    durations: list[tuple[int, int]]
    """(microseconds, calls that took at most so long), rising."""


@dataclass(slots=True)
class Reading:
    """``info``: INFO's fields that are single values, in its order. Other durations are in their commands' units."""

    info: Fields
    uses: list[Use]
    errors: dict[str, int]
    databases: list[dict[str, int]]
    """For each database what :func:`~pyredis.core.info.database_fields` tells; an empty one tells nothing."""
    replicas: list[dict[str, object]]
    master: tuple[str, int] | None
    maxclients: int
    maxmemory: int
    io_threads: int
    spikes: list[tuple[str, int, int]]
    """(event, Unix seconds, milliseconds) of each event's latest spike."""
    slowlog_length: int
    slowlog_last_id: int
    slowlog_last_usec: int


def label(text: str | bytes) -> str:
    """Text that any encoding takes: what is not UTF-8 is spelled out.

    >>> label(b"caf\\xe9")
    'caf\\\\xe9'
    """
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


def _use(server: Server, cmd: Command) -> Use:
    config = server.config
    percents = list(config.latency_tracking_info_percentiles) if config.latency_tracking else []
    usec = percentiles(cmd.recorded, percents) if cmd.recorded and percents else []
    return Use(
        name=label(cmd.fullname),
        calls=cmd.calls,
        seconds=cmd.nsec / 1e9,
        rejected=cmd.rejected_calls,
        failed=cmd.failed_calls,
        percentiles=list(zip(percents, usec)),
        durations=cumulative(cmd.recorded) if cmd.recorded else [],
    )


def _errors(server: Server) -> dict[str, int]:
    """Code → count; codes that are told by the same name count together."""
    found: dict[str, int] = {}
    for code, count in server.stats.errors.items():
        name = label(safe_name(code))
        found[name] = found.get(name, 0) + count
    return found


def read_server(server: Server) -> Reading:
    """Look at a server of this process."""
    server.update_time()
    config = server.config
    entries = server.slowlog.entries
    last = entries[0] if entries else None
    wanted = {title.lower() for title in titles(server) if title not in _BY_THEMSELVES}
    return Reading(
        info=[field for _, fields in sections(server, wanted) for field in fields],
        uses=[_use(server, cmd) for cmd in server.counted if cmd.calls or cmd.rejected_calls or cmd.failed_calls],
        errors=_errors(server),
        databases=[dict(database_fields(server, db)) if len(db) else {} for db in server.dbs],
        replicas=[dict(fields) for fields in server.replication.describe_replicas()],
        master=server.replication.master,
        maxclients=config.maxclients,
        maxmemory=config.maxmemory,
        io_threads=config.io_threads,
        spikes=[(label(event), series[-1][0], series[-1][1]) for event, series in server.latency.events.items()],
        slowlog_length=len(entries),
        slowlog_last_id=last.id if last is not None else 0,
        slowlog_last_usec=last.usec if last is not None else 0,
    )
