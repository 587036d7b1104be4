"""Every directive, declared once: its name (the attribute's, with hyphens), type, default, and effect.

A directive takes effect because code reads the attribute of :class:`Config`, or through ``apply``, which CONFIG SET
calls. Two marks say what is not there yet, and docs/compatibility.md lists both: ``only`` refuses values that ask for a
missing subsystem; ``idle`` names what a value waits for, or why it has nothing to act on here.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.compat import NEWEST, RELEASES
from pyredis.core.config import Directive, Settings
from pyredis.core.durability import AOF_OFF
from pyredis.core.option_kinds import (
    INT_MAX,
    LONG_MAX,
    ULONG_MAX,
    Addresses,
    Bool,
    ConfigError,
    Defragmentation,
    Directory,
    Duration,
    Enum,
    EventClasses,
    Integer,
    Kind,
    Memory,
    MemoryLimit,
    Octal,
    OomValues,
    OutputLimits,
    Percentiles,
    Primary,
    SavePoints,
    Text,
    Words,
    check_file_name,
    check_host_name,
    check_shutdown_options,
    check_title_template,
)

if TYPE_CHECKING:
    from pyredis.core.server import Server

# --- effects of CONFIG SET ------------------------------------------------------------------------------------------


def apply_port(server: Server) -> None:
    """Listen on another port."""
    if server.listeners is not None and not server.listeners.rebind():
        raise ConfigError("Unable to listen on this port. Check server logs.")


def apply_bind(server: Server) -> None:
    """Listen on other addresses."""
    if server.listeners is not None and not server.listeners.rebind():
        raise ConfigError("Failed to bind to specified addresses.")


def apply_tls_port(server: Server) -> None:
    """Listen for TLS on another port; the certificates are read if they were not in use yet."""
    if server.listeners is not None:
        if not server.listeners.configure_tls(again=False):
            raise ConfigError(_BAD_TLS)
        apply_port(server)


def apply_tls(server: Server) -> None:
    """Connections to come are met with the new certificates and rules; those that are there keep theirs."""
    if server.listeners is not None and not server.listeners.configure_tls(again=True):
        raise ConfigError(_BAD_TLS)


def apply_requirepass(server: Server) -> None:
    """The default user's password."""
    server.users.set_default_password(server.config.requirepass.encode("utf-8", "surrogateescape"))


def apply_maxclients(server: Server) -> None:
    """More clients need more open files."""
    if server.process is not None:
        possible = server.process.raise_open_files(server.config.maxclients)
        if possible < server.config.maxclients:
            raise ConfigError(
                "The operating system is not able to handle the specified number of clients, "
                f"try with {max(possible, 0)}"
            )


def apply_limits(server: Server) -> None:
    """Clients that are connected already keep to the new limits, too."""
    for c in server.clients.values():
        c.conn.limits_changed()


def apply_thresholds(server: Server) -> None:
    """From which duration on a command is noted."""
    server.apply_slowlog_config()


def apply_lazyfree(server: Server) -> None:
    """Whether the memory of keys that expire is freed later."""
    server.lazy.expired = server.config.lazyfree_lazy_expire


def apply_notifications(server: Server) -> None:
    """Which keyspace events are published."""
    server.set_notify_flags(server.config.notify_keyspace_events)


def apply_maxmemory(server: Server) -> None:
    """The memory limit, and what goes when it is reached."""
    server.eviction.configure()


def apply_metering(server: Server) -> None:
    """The limit of all clients' memory."""
    server.eviction.apply_metering()


def apply_title(server: Server) -> None:
    """The process's title."""
    if server.process is not None:
        server.process.set_title(server.config, server.config_file)


def apply_oom_score(server: Server) -> None:
    """How willingly the kernel ends this process when memory is short."""
    if server.process is not None and not server.process.set_oom_score(server.config):
        raise ConfigError("Failed to apply new oom_score_adj configuration, check server logs.")


def apply_crash_log(server: Server) -> None:
    """Whether a crash leaves a report."""
    if server.process is not None:
        server.process.set_crash_log(server.config)


def apply_appendonly(server: Server) -> None:
    """Switch the append-only file on or off."""
    wanted = server.config.appendonly
    if wanted == (server.aof.state != AOF_OFF) or server.loading is not None:
        return
    try:
        if wanted:
            server.aof.start()
        else:
            server.aof.stop()
    except OSError as e:
        server.log.warning(f"Can't switch the append-only file on: {e.strerror or e}")
        raise ConfigError("Unable to turn on AOF. Check server logs.") from None


def apply_replication(server: Server) -> None:
    """What replication allows has to be thought over."""
    server.replication.count_good()


def apply_read_only(server: Server) -> None:
    """Whether clients of a replica may write."""
    server.refresh_fast_table()
    server.replication.read_only_changed()


def apply_backlog(server: Server) -> None:
    """The size of the replication backlog."""
    server.replication.resize_backlog()


def apply_disk(server: Server) -> None:
    """Whether commands that write are refused while snapshots fail."""
    server.refresh_disk_gate()


# --- declarations ---------------------------------------------------------------------------------------------------
# These return Any so that each attribute can be annotated with the type of its value.


def yes_no(default: bool, **more: Any) -> Any:
    """``yes`` or ``no``."""
    return Directive(Bool(), default, **more)


def integer(default: int, low: int = 0, high: int = INT_MAX, clamp: tuple[int, int] | None = None, **more: Any) -> Any:
    """A whole number."""
    return Directive(Integer(low, high, clamp), default, **more)


def memory(default: int, low: int = 0, high: int = LONG_MAX, percent: bool = False, floor: int = 0, **more: Any) -> Any:
    """Bytes."""
    return Directive(Memory(low, high, percent, floor), default, **more)


def text(default: str, check: Any = None, binary: bool = False, **more: Any) -> Any:
    """Any text."""
    return Directive(Text(check, binary), default, **more)


def tls_file(**more: Any) -> Any:
    """A file for TLS. It is read anew whenever it is set, be it to the same name: it may have another content."""
    return text("", apply=apply_tls, always_apply=True, **more)


def one_of(default: str, *choices: str, **more: Any) -> Any:
    """One word."""
    return Directive(Enum(choices), default, **more)


def special(kind: Kind, default: Any, **more: Any) -> Any:
    """A kind of its own."""
    return Directive(kind, default, **more)


_CLUSTER: Final = "cluster mode"
_SUITES: Final = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256"
_NEEDS_SUITES: Final = "a setting of Python's ssl module for the suites of TLS 1.3"
_NEEDS_SESSIONS: Final = "a setting of Python's ssl module for the cache of sessions"
_BAD_TLS: Final = "Unable to update TLS configuration. Check server logs."
_NO_JEMALLOC: Final = "no counterpart: memory belongs to Python's allocator"
_NO_PANIC: Final = "no counterpart: errors of a master's stream are logged, and never end the server"
_AT_ONCE: Final = "no counterpart: a value that another one replaces is released at once"
_LOGLEVELS: Final = ("debug", "verbose", "notice", "warning")
_FACILITIES: Final = ("user", *(f"local{n}" for n in range(8)))
_POLICIES: Final = ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
_POLICIES_ALL: Final = ("allkeys-lru", "allkeys-lfu", "allkeys-random", "noeviction")
_LOCAL: Final = ("no", "yes", "local")
_BY_TIME: Final = "no counterpart: loading lets the others have their turn by time, not by bytes"
_SAVE: Final = ((3600, 1), (300, 100), (60, 10000))
_SHUTDOWN: Final = ("default", "save", "nosave", "now", "force")
_OUTPUT: Final = {"normal": (0, 0, 0), "replica": (256 << 20, 64 << 20, 60), "pubsub": (32 << 20, 8 << 20, 60)}


class Config(Settings):
    """The values of all directives of one server."""

    def __init__(self) -> None:
        super().__init__()
        self.dir = os.getcwd()

    # Compatibility
    compat_version: str = one_of(NEWEST, *RELEASES, mutable=False, own=True)

    # Monitoring
    metrics_port: int = integer(0, 0, 65535, mutable=False, own=True)
    metrics_bind: list[str] = special(Addresses(), ["127.0.0.1"], mutable=False, own=True)
    console_bind: list[str] = special(Addresses(), [], mutable=False, own=True)
    console_hosts: list[str] = special(Addresses(), [], mutable=False, own=True)
    console_write: bool = yes_no(False, mutable=False, own=True)

    # Connections
    bind: list[str] = special(Addresses(), ["*", "-::*"], apply=apply_bind, always_apply=True)
    port: int = integer(6379, 0, 65535, apply=apply_port)
    tcp_backlog: int = integer(511, mutable=False)
    tcp_keepalive: int = integer(300)
    timeout: int = integer(0)
    unixsocket: str = text("", mutable=False)
    unixsocketperm: int = special(Octal(), 0, mutable=False)
    bind_source_addr: str = text("")
    socket_mark_id: int = integer(0, 0, 2**32 - 1, mutable=False)
    protected_mode: bool = yes_no(True)
    requirepass: str = text("", binary=True, secret=True, apply=apply_requirepass, always_apply=True)
    maxclients: int = integer(10000, 1, 2**32 - 1, apply=apply_maxclients)
    proto_max_bulk_len: int = memory(512 << 20, 1 << 20, apply=apply_limits)
    client_query_buffer_limit: int = memory(1 << 30, 1 << 20, apply=apply_limits)
    client_output_buffer_limit: dict[str, tuple[int, int, int]] = special(OutputLimits(), _OUTPUT, apply=apply_limits)
    io_threads: int = integer(1, 1, 128, mutable=False, only=(1,), needs="threads for input and output")
    io_threads_do_reads: bool = yes_no(False, mutable=False, only=(False,), needs="threads for input and output")

    # The process
    daemonize: bool = yes_no(False, mutable=False)
    supervised: str = one_of("no", "upstart", "systemd", "auto", "no", mutable=False)
    pidfile: str = text("", mutable=False)
    loglevel: str = one_of("notice", *_LOGLEVELS)
    logfile: str = text("", mutable=False)
    syslog_enabled: bool = yes_no(False, mutable=False)
    syslog_ident: str = text("redis", mutable=False)
    syslog_facility: str = one_of("local0", *_FACILITIES, mutable=False)
    always_show_logo: bool = yes_no(False, mutable=False)
    set_proc_title: bool = yes_no(True, mutable=False)
    proc_title_template: str = text("{title} {listen-addr} {server-mode}", check_title_template, apply=apply_title)
    dir: str = special(Directory(), "", protected=True)
    databases: int = integer(16, 1, mutable=False)
    hz: int = integer(10, clamp=(1, 500))
    dynamic_hz: bool = yes_no(True)
    crash_log_enabled: bool = yes_no(True, apply=apply_crash_log)
    crash_memcheck_enabled: bool = yes_no(True, idle=_NO_JEMALLOC)
    use_exit_on_panic: bool = yes_no(False, hidden=True, idle="no counterpart: there are no panics")
    watchdog_period: int = integer(0, hidden=True, only=(0,), needs="the software watchdog")
    disable_thp: bool = yes_no(True, mutable=False)
    oom_score_adj: str = one_of("no", "no", "yes", "relative", "absolute", apply=apply_oom_score)
    oom_score_adj_values: tuple[int, ...] = special(OomValues(), (0, 200, 800), apply=apply_oom_score)
    server_cpulist: str = text("", name="server_cpulist", mutable=False)
    bio_cpulist: str = text("", name="bio_cpulist", mutable=False)
    aof_rewrite_cpulist: str = text("", name="aof_rewrite_cpulist", mutable=False)
    bgsave_cpulist: str = text("", name="bgsave_cpulist", mutable=False)
    ignore_warnings: str = text("", idle="no counterpart: there is no such warning to ignore")
    shutdown_timeout: int = integer(10)
    shutdown_on_sigint: tuple[str, ...] = special(Words(_SHUTDOWN, check_shutdown_options), ())
    shutdown_on_sigterm: tuple[str, ...] = special(Words(_SHUTDOWN, check_shutdown_options), ())
    enable_protected_configs: str = one_of("no", *_LOCAL, mutable=False)
    enable_debug_command: str = one_of("no", *_LOCAL, mutable=False)
    enable_module_command: str = one_of("no", *_LOCAL, mutable=False)

    # Diagnostics
    notify_keyspace_events: int = special(EventClasses(), 0, apply=apply_notifications)
    slowlog_log_slower_than: int = integer(10000, -1, LONG_MAX, apply=apply_thresholds)
    slowlog_max_len: int = integer(128, 0, LONG_MAX, apply=apply_thresholds)
    latency_monitor_threshold: int = integer(0, 0, LONG_MAX, apply=apply_thresholds)
    latency_tracking: bool = yes_no(True, apply=apply_thresholds)
    latency_tracking_info_percentiles: tuple[float, ...] = special(Percentiles(), (50.0, 99.0, 99.9))

    # Values and keys
    hash_max_listpack_entries: int = integer(512, 0, LONG_MAX, aliases=("hash-max-ziplist-entries",))
    hash_max_listpack_value: int = memory(64, aliases=("hash-max-ziplist-value",))
    list_max_listpack_size: int = integer(-2, -INT_MAX - 1, aliases=("list-max-ziplist-size",))
    list_compress_depth: int = integer(0, idle="no counterpart: lists are not compressed")
    set_max_intset_entries: int = integer(512, 0, LONG_MAX)
    zset_max_listpack_entries: int = integer(128, 0, LONG_MAX, aliases=("zset-max-ziplist-entries",))
    zset_max_listpack_value: int = memory(64, aliases=("zset-max-ziplist-value",))
    hll_sparse_max_bytes: int = memory(3000)
    stream_node_max_bytes: int = memory(4096)
    stream_node_max_entries: int = integer(100, 0, LONG_MAX)
    active_expire_effort: int = integer(1, 1, 10)
    activerehashing: bool = yes_no(True, idle="no counterpart: Python's dictionaries resize themselves")
    lazyfree_lazy_expire: bool = yes_no(False, apply=apply_lazyfree)
    lazyfree_lazy_eviction: bool = yes_no(False)
    lazyfree_lazy_server_del: bool = yes_no(False, idle=_AT_ONCE)
    lazyfree_lazy_user_del: bool = yes_no(False)
    lazyfree_lazy_user_flush: bool = yes_no(False)

    # Memory
    maxmemory: int = special(MemoryLimit(0, ULONG_MAX), 0, apply=apply_maxmemory)
    maxmemory_policy: str = one_of("noeviction", *_POLICIES, *_POLICIES_ALL, apply=apply_maxmemory)
    maxmemory_samples: int = integer(5, 1, apply=apply_maxmemory)
    maxmemory_eviction_tenacity: int = integer(10, 0, 100)
    maxmemory_clients: int = memory(0, percent=True, apply=apply_metering)
    lfu_log_factor: int = integer(10, apply=apply_maxmemory)
    lfu_decay_time: int = integer(1, apply=apply_maxmemory)
    activedefrag: bool = special(Defragmentation(), False)
    active_defrag_cycle_min: int = integer(1, 1, 99, idle=_NO_JEMALLOC)
    active_defrag_cycle_max: int = integer(25, 1, 99, idle=_NO_JEMALLOC)
    active_defrag_threshold_lower: int = integer(10, 0, 1000, idle=_NO_JEMALLOC)
    active_defrag_threshold_upper: int = integer(100, 0, 1000, idle=_NO_JEMALLOC)
    active_defrag_ignore_bytes: int = memory(100 << 20, 1, idle=_NO_JEMALLOC)
    active_defrag_max_scan_fields: int = integer(1000, 1, LONG_MAX, idle=_NO_JEMALLOC)
    jemalloc_bg_thread: bool = yes_no(True, idle=_NO_JEMALLOC)
    tracking_table_max_keys: int = integer(1000000, 0, LONG_MAX)

    # Users, scripts, modules
    aclfile: str = text("", mutable=False)
    acllog_max_len: int = integer(128, 0, LONG_MAX)
    acl_pubsub_default: str = one_of("resetchannels", "allchannels", "resetchannels")
    busy_reply_threshold: int = integer(5000, 0, LONG_MAX, aliases=("lua-time-limit",))

    # Snapshots
    save: tuple[tuple[int, int], ...] = special(SavePoints(), _SAVE, apply=apply_disk)
    snapshot_mode: str = one_of("auto", "auto", "fork", "incremental", own=True)
    dbfilename: str = text("dump.rdb", check_file_name("dbfilename", True), protected=True)
    rdbcompression: bool = yes_no(True)
    rdbchecksum: bool = yes_no(True, mutable=False)
    rdb_del_sync_files: bool = yes_no(False)
    rdb_save_incremental_fsync: bool = yes_no(True)
    rdb_key_save_delay: int = integer(0, -INT_MAX - 1, hidden=True)
    key_load_delay: int = integer(0, -INT_MAX - 1, hidden=True)
    loading_process_events_interval_bytes: int = integer(2 << 20, 1024, hidden=True, idle=_BY_TIME)
    stop_writes_on_bgsave_error: bool = yes_no(True, apply=apply_disk)
    sanitize_dump_payload: str = one_of("no", "no", "yes", "clients")
    backup_dir: str = text("", protected=True, own=True)
    backup_schedule: int = special(Duration(), 0, own=True)
    backup_keep: int = integer(7, own=True)

    # Append-only file
    appendonly: bool = yes_no(False, apply=apply_appendonly)
    appendfilename: str = text("appendonly.aof", check_file_name("appendfilename"), mutable=False)
    appenddirname: str = text("appendonlydir", check_file_name("appenddirname"), mutable=False)
    appendfsync: str = one_of("everysec", "everysec", "always", "no")
    no_appendfsync_on_rewrite: bool = yes_no(False)
    auto_aof_rewrite_percentage: int = integer(100)
    auto_aof_rewrite_min_size: int = memory(64 << 20)
    aof_load_truncated: bool = yes_no(True)
    aof_use_rdb_preamble: bool = yes_no(True)
    aof_timestamp_enabled: bool = yes_no(False)
    aof_rewrite_incremental_fsync: bool = yes_no(True)
    aof_disable_auto_gc: bool = yes_no(False)

    # Replication
    replicaof: str = special(Primary(), "", aliases=("slaveof",), mutable=False)
    masterauth: str = text("", binary=True, secret=True)
    masteruser: str = text("", secret=True)
    replica_serve_stale_data: bool = yes_no(True, aliases=("slave-serve-stale-data",), apply=apply_replication)
    replica_read_only: bool = yes_no(True, aliases=("slave-read-only",), apply=apply_read_only)
    replica_priority: int = integer(100, aliases=("slave-priority",))
    replica_announced: bool = yes_no(True)
    replica_announce_ip: str = text("", aliases=("slave-announce-ip",))
    replica_announce_port: int = integer(0, 0, 65535, aliases=("slave-announce-port",))
    replica_ignore_maxmemory: bool = yes_no(True, aliases=("slave-ignore-maxmemory",))
    replica_ignore_disk_write_errors: bool = yes_no(False)
    replica_lazy_flush: bool = yes_no(False, aliases=("slave-lazy-flush",))
    repl_diskless_sync: bool = yes_no(True)
    repl_diskless_sync_delay: int = integer(5)
    repl_diskless_sync_max_replicas: int = integer(0)
    repl_diskless_load: str = one_of("disabled", "disabled", "on-empty-db", "swapdb")
    repl_ping_replica_period: int = integer(10, 1, aliases=("repl-ping-slave-period",))
    repl_timeout: int = integer(60, 1)
    repl_backlog_size: int = memory(1 << 20, 1, floor=16384, apply=apply_backlog)
    repl_backlog_ttl: int = integer(3600, 0, LONG_MAX)
    repl_disable_tcp_nodelay: bool = yes_no(False)
    min_replicas_to_write: int = integer(0, aliases=("min-slaves-to-write",), apply=apply_replication)
    min_replicas_max_lag: int = integer(10, aliases=("min-slaves-max-lag",), apply=apply_replication)
    propagation_error_behavior: str = one_of("ignore", "ignore", "panic", "panic-on-replicas", idle=_NO_PANIC)

    # Cluster
    cluster_enabled: bool = yes_no(False, mutable=False, only=(False,), needs=_CLUSTER)
    cluster_config_file: str = text("nodes.conf", mutable=False, idle=_CLUSTER)
    cluster_port: int = integer(0, 0, 65535, mutable=False, idle=_CLUSTER)
    cluster_node_timeout: int = integer(15000, 0, LONG_MAX, idle=_CLUSTER)
    cluster_announce_ip: str = text("", idle=_CLUSTER)
    cluster_announce_hostname: str = text("", check_host_name, idle=_CLUSTER)
    cluster_announce_port: int = integer(0, 0, 65535, idle=_CLUSTER)
    cluster_announce_tls_port: int = integer(0, 0, 65535, idle=_CLUSTER)
    cluster_announce_bus_port: int = integer(0, 0, 65535, idle=_CLUSTER)
    cluster_preferred_endpoint_type: str = one_of("ip", "ip", "hostname", "unknown-endpoint", idle=_CLUSTER)
    cluster_replica_validity_factor: int = integer(10, aliases=("cluster-slave-validity-factor",), idle=_CLUSTER)
    cluster_replica_no_failover: bool = yes_no(False, aliases=("cluster-slave-no-failover",), idle=_CLUSTER)
    cluster_migration_barrier: int = integer(1, idle=_CLUSTER)
    cluster_allow_replica_migration: bool = yes_no(True, idle=_CLUSTER)
    cluster_require_full_coverage: bool = yes_no(True, idle=_CLUSTER)
    cluster_allow_reads_when_down: bool = yes_no(False, idle=_CLUSTER)
    cluster_allow_pubsubshard_when_down: bool = yes_no(True, idle=_CLUSTER)
    cluster_link_sendbuf_limit: int = memory(0, 0, ULONG_MAX, idle=_CLUSTER)

    # TLS
    tls_port: int = integer(0, 0, 65535, apply=apply_tls_port)
    tls_cert_file: str = tls_file()
    tls_key_file: str = tls_file()
    tls_key_file_pass: str = text("", secret=True, apply=apply_tls)
    tls_client_cert_file: str = tls_file()
    tls_client_key_file: str = tls_file()
    tls_client_key_file_pass: str = text("", secret=True, apply=apply_tls)
    tls_dh_params_file: str = tls_file()
    tls_ca_cert_file: str = tls_file()
    tls_ca_cert_dir: str = tls_file()
    tls_auth_clients: str = one_of("yes", "no", "yes", "optional", apply=apply_tls)
    tls_replication: bool = yes_no(False, apply=apply_tls)
    tls_cluster: bool = yes_no(False, apply=apply_tls)
    tls_protocols: str = text("", apply=apply_tls)
    tls_ciphers: str = text("", apply=apply_tls)
    tls_ciphersuites: str = text("", only=("", _SUITES), needs=_NEEDS_SUITES)
    tls_prefer_server_ciphers: bool = yes_no(False, apply=apply_tls)
    tls_session_caching: bool = yes_no(True, only=(True,), needs=_NEEDS_SESSIONS)
    tls_session_cache_size: int = integer(20480, only=(20480,), needs=_NEEDS_SESSIONS)
    tls_session_cache_timeout: int = integer(300, only=(300,), needs=_NEEDS_SESSIONS)
