"""INFO: sections as a table of functions, each giving ``field → value`` lines that are true."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis import __version__
from pyredis.core.command import Command

if TYPE_CHECKING:
    from pyredis.core.server import Server

Fields = list[tuple[str, object]]


def human(n: float) -> str:
    """Bytes with a unit, as ``used_memory_human`` has them."""
    if n < 1024:
        return f"{n:.0f}B"
    for unit in "KMGTP":
        n /= 1024
        if n < 1024:
            return f"{n:.2f}{unit}"
    return f"{n:.0f}P"


def rss() -> int:
    """Resident bytes of the process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _server(s: Server) -> Fields:
    up = int(monotonic() - s.started_monotonic)
    return [
        ("redis_version", "7.0.15"),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", 0),
        ("redis_build_id", f"pyredis-{__version__}"),
        ("redis_mode", "standalone"),
        ("os", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("arch_bits", 64 if sys.maxsize > 1 << 32 else 32),
        ("monotonic_clock", "python"),
        ("multiplexing_api", type(s.loop).__module__ if s.loop is not None else "none"),
        ("process_id", s.pid),
        ("process_supervised", s.config.supervised),
        ("run_id", s.run_id.decode()),
        ("tcp_port", s.tcp_port),
        ("server_time_usec", int(s.clock.time() * 1e6)),
        ("uptime_in_seconds", up),
        ("uptime_in_days", up // 86400),
        ("hz", s.config.hz),
        ("configured_hz", s.config.hz),
        ("executable", sys.executable),
        ("config_file", s.config_file or ""),
        ("python_version", platform.python_version()),
    ]


def _clients(s: Server) -> Fields:
    return [
        ("connected_clients", len(s.clients)),
        ("maxclients", s.config.maxclients),
        ("blocked_clients", len(s.blocked_clients)),
    ]


def _memory(s: Server) -> Fields:
    used = rss()
    s.stats.peak_memory = max(s.stats.peak_memory, used)
    peak = s.stats.peak_memory
    return [
        ("used_memory", used),
        ("used_memory_human", human(used)),
        ("used_memory_rss", used),
        ("used_memory_rss_human", human(used)),
        ("used_memory_peak", peak),
        ("used_memory_peak_human", human(peak)),
        ("maxmemory", 0),
        ("maxmemory_human", "0B"),
        ("maxmemory_policy", "noeviction"),
        ("mem_fragmentation_ratio", "1.00"),
        ("mem_allocator", "python"),
    ]


def _persistence(s: Server) -> Fields:
    return [
        ("loading", 0),
        ("async_loading", 0),
        ("rdb_changes_since_last_save", s.dirty),
        ("rdb_bgsave_in_progress", 0),
        ("aof_enabled", 0),
        ("aof_rewrite_in_progress", 0),
    ]


def _stats(s: Server) -> Fields:
    t = s.stats
    return [
        ("total_connections_received", t.connections_received),
        ("total_commands_processed", s.stat_numcommands),
        ("instantaneous_ops_per_sec", int(t.commands_rate.per_second())),
        ("total_net_input_bytes", t.net_input_bytes),
        ("total_net_output_bytes", t.net_output_bytes),
        ("instantaneous_input_kbps", f"{t.input_rate.per_second() / 1024:.2f}"),
        ("instantaneous_output_kbps", f"{t.output_rate.per_second() / 1024:.2f}"),
        ("rejected_connections", t.rejected_connections),
        ("expired_keys", s.stat_expired_keys),
        ("expired_time_cap_reached_count", s.stat_expired_time_cap_reached_count),
        ("expire_cycle_cpu_milliseconds", s.stat_expire_cycle_usec // 1000),
        ("evicted_keys", 0),
        ("keyspace_hits", s.stat_keyspace_hits),
        ("keyspace_misses", s.stat_keyspace_misses),
        ("pubsub_channels", len(s.channels)),
        ("pubsub_patterns", len(s.patterns)),
        ("pubsubshard_channels", len(s.shard_channels)),
        ("total_error_replies", t.error_replies),
        ("total_reads_processed", t.reads_processed),
        ("total_writes_processed", t.writes_processed),
    ]


def _replication(s: Server) -> Fields:
    return [("role", "master"), ("connected_slaves", 0)]


def _cpu(s: Server) -> Fields:
    times = os.times()
    return [
        ("used_cpu_sys", f"{times.system:.6f}"),
        ("used_cpu_user", f"{times.user:.6f}"),
        ("used_cpu_sys_children", f"{times.children_system:.6f}"),
        ("used_cpu_user_children", f"{times.children_user:.6f}"),
    ]


def all_commands(s: Server) -> list[Command]:
    """Commands and subcommands."""
    return [one for cmd in s.commands.values() for one in (cmd, *cmd.subs.values())]


def _commandstats(s: Server) -> Fields:
    return [
        (
            "cmdstat_" + cmd.fullname.decode(),
            f"calls={cmd.calls},usec={cmd.usec:.0f},usec_per_call={cmd.usec / cmd.calls if cmd.calls else 0:.2f},"
            f"rejected_calls={cmd.rejected_calls},failed_calls={cmd.failed_calls}",
        )
        for cmd in all_commands(s)
        if cmd.calls or cmd.rejected_calls or cmd.failed_calls
    ]


def _errorstats(s: Server) -> Fields:
    return [(f"errorstat_{code.decode('latin-1')}", f"count={n}") for code, n in s.stats.errors.items()]


def _cluster(s: Server) -> Fields:
    return [("cluster_enabled", 0)]


def _keyspace(s: Server) -> Fields:
    fields: Fields = []
    for db in s.dbs:
        if len(db):
            expires = db.expires
            sample = [when for when, _ in zip(expires.values(), range(64), strict=False)]
            ttl = sum(max(0, when - s.mstime) for when in sample) // len(sample) if sample else 0
            fields.append((f"db{db.id}", f"keys={len(db)},expires={len(expires)},avg_ttl={ttl}"))
    return fields


Section = Callable[["Server"], Fields]
SECTIONS: Final[tuple[tuple[str, Section, bool], ...]] = (
    ("Server", _server, True),
    ("Clients", _clients, True),
    ("Memory", _memory, True),
    ("Persistence", _persistence, True),
    ("Stats", _stats, True),
    ("Replication", _replication, True),
    ("CPU", _cpu, True),
    ("Modules", lambda s: [], True),
    ("Commandstats", _commandstats, False),
    ("Errorstats", _errorstats, True),
    ("Cluster", _cluster, True),
    ("Keyspace", _keyspace, True),
)
"""Title, fields, and whether the section is shown when none is asked for."""


def info(s: Server, wanted: set[str]) -> bytes:
    """The text of the sections named (lower case; ``default``, ``all`` and ``everything`` stand for several)."""
    everything = bool(wanted & {"all", "everything"})
    parts = []
    for title, fields, default in SECTIONS:
        if everything or title.lower() in wanted or (default and (not wanted or "default" in wanted)):
            lines = [f"# {title}", *(f"{name}:{value}" for name, value in fields(s))]
            parts.append("\r\n".join(lines) + "\r\n")
    return "\r\n".join(parts).encode("utf-8", "surrogateescape")
