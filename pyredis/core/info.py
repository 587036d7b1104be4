"""INFO: sections as a table of functions, each giving ``field → value`` lines in Redis's order.

Every value is true. What Redis counts and cannot happen here is 0 (no defragmentation, no static reply
buffers …); what CPython has no figure for is the nearest that it has, as docs/compatibility.md lists.
"""

from __future__ import annotations

import os
import platform
import selectors
import sys
import time
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis import __version__
from pyredis.core.acl import DENIED_AUTH, DENIED_CHANNEL, DENIED_CMD, DENIED_KEY
from pyredis.core.info_persistence import persistence_fields
from pyredis.core.memory import MemoryReport, human
from pyredis.core.option_kinds import format_percentile
from pyredis.lib.heap import system_memory
from pyredis.lib.histogram import percentiles

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

Fields = list[tuple[str, object]]

_LRU_CLOCK_MASK: Final = (1 << 24) - 1
_SAMPLE: Final = 64


def lru_clock(s: Server) -> int:
    """The clock that ages keys: Unix seconds in 24 bits."""
    return s.mstime // 1000 & _LRU_CLOCK_MASK


def _monotonic_clock() -> str:
    name = time.get_clock_info("monotonic").implementation
    return "POSIX clock_gettime" if name.startswith("clock_gettime") else name


def _polling() -> str:
    """How the event loop waits: ``epoll``, ``kqueue`` … (uvloop and asyncio choose the system's best alike)."""
    return selectors.DefaultSelector.__name__.removesuffix("Selector").lower()


def _gcc_version() -> str:
    name, _, version = platform.python_compiler().partition(" ")
    return version.split(" ")[0] if name == "GCC" else "0.0.0"


def _server(s: Server) -> Fields:
    up = int(monotonic() - s.started_monotonic)
    return [
        ("redis_version", s.redis_version.decode()),
        ("redis_git_sha1", "00000000"),
        ("redis_git_dirty", 0),
        ("redis_build_id", f"pyredis-{__version__}"),
        ("redis_mode", s.mode.name),
        ("os", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("arch_bits", 64 if sys.maxsize > 1 << 32 else 32),
        ("monotonic_clock", _monotonic_clock()),
        ("multiplexing_api", _polling()),
        ("atomicvar_api", "gil"),
        ("gcc_version", _gcc_version()),
        ("process_id", s.pid),
        ("process_supervised", s.config.supervised),
        ("run_id", s.run_id.decode()),
        ("tcp_port", s.config.port or s.config.tls_port),
        ("server_time_usec", int(s.clock.time() * 1e6)),
        ("uptime_in_seconds", up),
        ("uptime_in_days", up // 86400),
        ("hz", s.hz),
        ("configured_hz", s.config.hz),
        ("lru_clock", lru_clock(s)),
        ("executable", sys.executable),
        ("config_file", s.config_file or ""),
        ("io_threads_active", 0),
        *([("shutdown_in_milliseconds", max(s.shutdown.deadline - s.mstime, 0))] if s.shutdown.deadline else []),
        ("python_version", platform.python_version()),
    ]


def _clients(s: Server) -> Fields:
    buffers = s.stats.buffers
    fields: Fields = [
        ("connected_clients", len(s.clients) - s.replication.connected_replicas()),
        ("cluster_connections", 0),
        ("maxclients", s.config.maxclients),
        ("client_recent_max_input_buffer", max(buffers.recent_input)),
        ("client_recent_max_output_buffer", max(buffers.recent_output)),
        ("blocked_clients", len(s.blocked_clients) + len(s.paused_clients)),
        ("tracking_clients", s.tracking.clients),
    ]
    if s.compat >= 704:
        fields.append(("pubsub_clients", sum(c.subscribed() for c in s.clients.values())))
        fields.append(("watching_clients", sum(bool(c.watched) for c in s.clients.values())))
    waiting = [c.blocked for c in s.blocked_clients if c.blocked is not None]
    fields.append(("clients_in_timeout_table", sum(state.deadline > 0 for state in waiting)))
    if s.compat >= 704:
        fields.append(("total_watched_keys", sum(len(db.watched_keys) for db in s.dbs)))
    if s.compat >= 702:
        until_gone = {(state.db.id, key) for state in waiting if state.on_gone for key in state.keys}
        fields.append(("total_blocking_keys", sum(len(db.blocking_keys) for db in s.dbs)))
        fields.append(("total_blocking_keys_on_nokey", len(until_gone)))
    return fields


def _memory(s: Server) -> Fields:
    m = MemoryReport(s)
    system = system_memory()
    return [
        ("used_memory", m.used),
        ("used_memory_human", human(m.used)),
        ("used_memory_rss", m.resident),
        ("used_memory_rss_human", human(m.resident)),
        ("used_memory_peak", m.peak),
        ("used_memory_peak_human", human(m.peak)),
        ("used_memory_peak_perc", f"{m.peak_percent():.2f}%"),
        ("used_memory_overhead", m.overhead),
        ("used_memory_startup", m.startup),
        ("used_memory_dataset", m.dataset),
        ("used_memory_dataset_perc", f"{m.dataset_percent():.2f}%"),
        ("allocator_allocated", m.heap),
        ("allocator_active", m.resident),
        ("allocator_resident", m.resident),
        ("total_system_memory", system),
        ("total_system_memory_human", human(system)),
        *_scripts(s),
        ("maxmemory", s.config.maxmemory),
        ("maxmemory_human", human(s.config.maxmemory)),
        ("maxmemory_policy", s.config.maxmemory_policy),
        ("allocator_frag_ratio", f"{m.resident / max(m.heap, 1):.2f}"),
        ("allocator_frag_bytes", m.resident - m.heap),
        ("allocator_rss_ratio", "1.00"),
        ("allocator_rss_bytes", 0),
        ("rss_overhead_ratio", "1.00"),
        ("rss_overhead_bytes", 0),
        ("mem_fragmentation_ratio", f"{m.resident / max(m.used, 1):.2f}"),
        ("mem_fragmentation_bytes", m.resident - m.used),
        ("mem_not_counted_for_evict", 0),
        ("mem_replication_backlog", s.replication.backlog_bytes()),
        ("mem_total_replication_buffers", s.replication.backlog_bytes() + s.replication.buffer_bytes()),
        ("mem_clients_slaves", s.replication.buffer_bytes()),
        ("mem_clients_normal", m.clients),
        ("mem_cluster_links", 0),
        ("mem_aof_buffer", s.aof.buffered()),
        ("mem_allocator", "pymalloc"),
        ("active_defrag_running", 0),
        ("lazyfree_pending_objects", s.lazy.pending),
        ("lazyfreed_objects", s.lazy.freed),
    ]


def _scripts(s: Server) -> list[tuple[str, object]]:
    scripts = s.scripts
    in_eval, in_functions = scripts.memory()
    texts = scripts.cached_bytes() + scripts.library_bytes()
    return [
        ("used_memory_lua", in_eval),
        ("used_memory_vm_eval", in_eval),
        ("used_memory_lua_human", human(in_eval)),
        ("used_memory_scripts_eval", scripts.cached_bytes()),
        ("number_of_cached_scripts", scripts.cached()),
        ("number_of_functions", scripts.functions()),
        ("number_of_libraries", scripts.libraries()),
        ("used_memory_vm_functions", in_functions),
        ("used_memory_vm_total", in_eval + in_functions),
        ("used_memory_vm_total_human", human(in_eval + in_functions)),
        ("used_memory_functions", scripts.library_bytes()),
        ("used_memory_scripts", texts),
        ("used_memory_scripts_human", human(texts)),
    ]


def _threads(s: Server) -> Fields:
    """The loop's own thread: there is no other one for input and output."""
    t = s.stats
    return [("io_thread_0", f"clients={len(s.clients)},reads={t.reads_processed},writes={t.writes_processed}")]


def _stale_percent(s: Server) -> float:
    """Of the keys with a deadline, how many in a hundred are due and not removed yet (a sample of each database)."""
    left = [ms for db in s.dbs for ms in db.sample_deadlines(_SAMPLE)]
    return sum(ms <= 0 for ms in left) * 100 / len(left) if left else 0.0


def _stats(s: Server) -> Fields:
    t = s.stats
    fields: Fields = [
        ("total_connections_received", t.connections_received),
        ("total_commands_processed", s.stat_numcommands),
        ("instantaneous_ops_per_sec", int(t.commands_rate.per_second())),
        ("total_net_input_bytes", t.net_input_bytes),
        ("total_net_output_bytes", t.net_output_bytes),
        ("total_net_repl_input_bytes", s.replication.input_bytes),
        ("total_net_repl_output_bytes", s.replication.output_bytes),
        ("instantaneous_input_kbps", f"{t.input_rate.per_second() / 1024:.2f}"),
        ("instantaneous_output_kbps", f"{t.output_rate.per_second() / 1024:.2f}"),
        ("instantaneous_input_repl_kbps", f"{t.replication_input_rate.per_second() / 1024:.2f}"),
        ("instantaneous_output_repl_kbps", f"{t.replication_output_rate.per_second() / 1024:.2f}"),
        ("rejected_connections", t.rejected_connections),
        ("sync_full", s.replication.full_syncs),
        ("sync_partial_ok", s.replication.partial_syncs),
        ("sync_partial_err", s.replication.refused_partial_syncs),
        *([("expired_subkeys", s.stat_expired_subkeys)] if s.compat >= 704 else []),
        ("expired_keys", s.stat_expired_keys),
        ("expired_stale_perc", f"{_stale_percent(s):.2f}"),
        ("expired_time_cap_reached_count", s.stat_expired_time_cap_reached_count),
        ("expire_cycle_cpu_milliseconds", s.stat_expire_cycle_usec // 1000),
        ("evicted_keys", s.eviction.evicted_keys),
        ("evicted_clients", s.eviction.clients.evicted),
        *([("evicted_scripts", s.scripts.evicted)] if s.compat >= 704 else []),
        *s.eviction.exceeded_times(),
        ("keyspace_hits", s.stat_keyspace_hits),
        ("keyspace_misses", s.stat_keyspace_misses),
        ("pubsub_channels", len(s.channels)),
        ("pubsub_patterns", len(s.patterns)),
        ("pubsubshard_channels", len(s.shard_channels)),
        ("latest_fork_usec", t.latest_fork_usec),
        ("total_forks", t.forks),
        ("migrate_cached_sockets", 0 if s.moving.links is None else s.moving.links.cached()),
        ("slave_expires_tracked_keys", s.replication.tracked_expires()),
        *[(name, 0) for name in _NEVER],
        ("tracking_total_keys", len(s.tracking.keys)),
        ("tracking_total_items", s.tracking.items),
        ("tracking_total_prefixes", len(s.tracking.prefixes)),
        ("unexpected_error_replies", 0),
        ("total_error_replies", t.error_replies),
        ("dump_payload_sanitizations", 0),
        ("total_reads_processed", t.reads_processed),
        ("total_writes_processed", t.writes_processed),
        ("io_threaded_reads_processed", 0),
        ("io_threaded_writes_processed", 0),
    ]
    if s.compat >= 702:
        fields.append(("client_query_buffer_limit_disconnections", t.query_buffer_limit_disconnections))
        fields.append(("client_output_buffer_limit_disconnections", t.output_buffer_limit_disconnections))
    fields += [("reply_buffer_shrinks", 0), ("reply_buffer_expands", 0)]
    if s.compat >= 702:
        fields += _event_loop(s)
        fields += [(f"acl_access_denied_{name}", t.denied.get(reason, 0)) for name, reason in _DENIED]
    return fields


def _event_loop(s: Server) -> Fields:
    t = s.stats
    cycles = t.cycles_rate.per_second()
    return [
        ("eventloop_cycles", t.cycles()),
        ("eventloop_duration_sum", t.busy()),
        ("eventloop_duration_cmd_sum", sum(cmd.nsec for cmd in s.counted) // 1000),
        ("instantaneous_eventloop_cycles_per_sec", int(cycles)),
        ("instantaneous_eventloop_duration_usec", int(t.busy_rate.per_second() / cycles) if cycles else 0),
    ]


_DENIED: Final = (("auth", DENIED_AUTH), ("cmd", DENIED_CMD), ("key", DENIED_KEY), ("channel", DENIED_CHANNEL))
_NEVER: Final = (
    "active_defrag_hits",
    "active_defrag_misses",
    "active_defrag_key_hits",
    "active_defrag_key_misses",
    "total_active_defrag_time",
    "current_active_defrag_time",
)
"""Counters of what does not happen here: defragmentation."""


def _replication(s: Server) -> Fields:
    return s.replication.info()


def _cpu(s: Server) -> Fields:
    if sys.platform == "win32":
        times = os.times()
        return [("used_cpu_sys", f"{times.system:.6f}"), ("used_cpu_user", f"{times.user:.6f}")]
    mine = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    fields: Fields = [
        ("used_cpu_sys", f"{mine.ru_stime:.6f}"),
        ("used_cpu_user", f"{mine.ru_utime:.6f}"),
        ("used_cpu_sys_children", f"{children.ru_stime:.6f}"),
        ("used_cpu_user_children", f"{children.ru_utime:.6f}"),
    ]
    if hasattr(resource, "RUSAGE_THREAD"):
        thread = resource.getrusage(resource.RUSAGE_THREAD)
        fields.append(("used_cpu_sys_main_thread", f"{thread.ru_stime:.6f}"))
        fields.append(("used_cpu_user_main_thread", f"{thread.ru_utime:.6f}"))
    return fields


def _commandstats(s: Server) -> Fields:
    return [
        (
            "cmdstat_" + cmd.fullname.decode(),
            f"calls={cmd.calls},usec={cmd.nsec // 1000},usec_per_call={cmd.nsec / 1000 / max(cmd.calls, 1):.2f},"
            f"rejected_calls={cmd.rejected_calls},failed_calls={cmd.failed_calls}",
        )
        for cmd in s.counted
        if cmd.calls or cmd.rejected_calls or cmd.failed_calls
    ]


_UNSAFE: Final = bytes.maketrans(b"#:\n\r", b"____")


def safe_name(name: bytes) -> bytes:
    """A name that somebody else chose, without what has a meaning in INFO."""
    return name.translate(_UNSAFE)


def _errorstats(s: Server) -> Fields:
    return [
        ("errorstat_" + safe_name(code).decode("utf-8", "surrogateescape"), f"count={n}")
        for code, n in sorted(s.stats.errors.items())
    ]


def _latencystats(s: Server) -> Fields:
    if not s.config.latency_tracking:
        return []
    wanted = list(s.config.latency_tracking_info_percentiles)
    names = [f"p{format_percentile(percent)}" for percent in wanted]
    fields: Fields = []
    for cmd in s.counted:
        if cmd.recorded:
            values = percentiles(cmd.recorded, wanted)
            text = ",".join([f"{name}={usec:.3f}" for name, usec in zip(names, values, strict=True)])
            fields.append((f"latency_percentiles_usec_{cmd.fullname.decode()}", text))
    return fields


def _cluster(s: Server) -> Fields:
    return [("cluster_enabled", int(s.config.cluster_enabled))]


def database_fields(s: Server, db: Database) -> list[tuple[str, int]]:
    """What is told of a database; ``avg_ttl`` in milliseconds, from a sample."""
    left = db.sample_deadlines(_SAMPLE)
    ttl = sum(max(ms, 0) for ms in left) // len(left) if left else 0
    fields = [("keys", len(db)), ("expires", len(db.expires)), ("avg_ttl", ttl)]
    if s.compat >= 704:
        fields.append(("subexpiry", len(db.volatile)))
    return fields


def _keyspace(s: Server) -> Fields:
    return [(f"db{db.id}", ",".join([f"{name}={n}" for name, n in database_fields(s, db)])) for db in s.dbs if len(db)]


Section = Callable[["Server"], Fields]
SECTIONS: Final[tuple[tuple[str, Section, bool], ...]] = (
    ("Server", _server, True),
    ("Clients", _clients, True),
    ("Memory", _memory, True),
    ("Persistence", persistence_fields, True),
    ("Threads", _threads, True),
    ("Stats", _stats, True),
    ("Replication", _replication, True),
    ("CPU", _cpu, True),
    ("Modules", lambda s: [], True),
    ("Commandstats", _commandstats, False),
    ("Errorstats", _errorstats, True),
    ("Latencystats", _latencystats, False),
    ("Cluster", _cluster, True),
    ("Keyspace", _keyspace, True),
    ("Keysizes", lambda s: s.stats.key_sizes.fields(s.dbs), False),
)
"""Title, fields, and whether the section is shown when none is asked for."""
_SINCE: Final = {"Threads": 800, "Keysizes": 800}
_BY_NAME: Final = ("Keysizes",)
"""Sections that have to be named, as ``all`` is asked for by programs every few seconds and these take long."""


def _there(s: Server) -> list[tuple[str, Section, bool]]:
    """The sections that this server has."""
    return [one for one in s.mode.info_sections or SECTIONS if _SINCE.get(one[0], 0) <= s.compat]


def titles(s: Server) -> list[str]:
    """Of all sections that this server has."""
    return [title for title, _, _ in _there(s)]


def sections(s: Server, wanted: set[str]) -> Iterator[tuple[str, Fields]]:
    """Title and fields of the sections named (lower case; ``default``, ``all`` and ``everything`` name several)."""
    everything = bool(wanted & {"all", "everything"})
    if "module_list" in wanted:
        wanted = wanted | {"modules"}
    for title, fields, default in _there(s):
        by_kind = (everything and title not in _BY_NAME) or (default and (not wanted or "default" in wanted))
        if by_kind or title.lower() in wanted:
            yield title, fields(s)


def info(s: Server, wanted: set[str]) -> bytes:
    """The text of :func:`sections`."""
    parts = []
    for title, fields in sections(s, wanted):
        lines = [f"# {title}", *(f"{name}:{value}" for name, value in fields)]
        parts.append("\r\n".join(lines) + "\r\n")
    return "\r\n".join(parts).encode("utf-8", "surrogateescape")
