"""Which field of INFO becomes which metric: the names and types that redis_exporter has, without their ``redis_``."""

from __future__ import annotations

from typing import Final

GAUGES: Final[dict[str, str]] = {
    # Server
    **{name: name for name in ("uptime_in_seconds", "process_id", "io_threads_active", "configured_hz", "hz")},
    # Clients
    **{
        name: name
        for name in (
            "connected_clients",
            "blocked_clients",
            "tracking_clients",
            "pubsub_clients",
            "watching_clients",
            "clients_in_timeout_table",
            "cluster_connections",
            "total_watched_keys",
            "total_blocking_keys",
            "total_blocking_keys_on_nokey",
        )
    },
    "maxclients": "max_clients",
    "client_recent_max_output_buffer": "client_recent_max_output_buffer_bytes",
    "client_recent_max_input_buffer": "client_recent_max_input_buffer_bytes",
    # Memory
    **{
        f"used_memory{what}": f"memory_used{what}_bytes"
        for what in (
            *("", "_rss", "_peak", "_lua", "_overhead", "_startup", "_dataset", "_scripts", "_functions"),
            *("_vm_eval", "_vm_functions", "_scripts_eval"),
        )
    },
    "used_memory_vm_total": "memory_used_vm_total",
    "maxmemory": "memory_max_bytes",
    "total_system_memory": "total_system_memory_bytes",
    **{f"allocator_{what}": f"allocator_{what}_bytes" for what in ("active", "allocated", "resident")},
    **{
        name: name
        for name in (
            *("allocator_frag_ratio", "allocator_frag_bytes", "allocator_rss_ratio", "allocator_rss_bytes"),
            *("mem_fragmentation_ratio", "mem_fragmentation_bytes", "mem_clients_slaves", "mem_clients_normal"),
            *("mem_cluster_links", "mem_aof_buffer", "mem_replication_backlog", "mem_total_replication_buffers"),
            *("number_of_cached_scripts", "number_of_functions", "number_of_libraries"),
            *("lazyfree_pending_objects", "active_defrag_running"),
        )
    },
    "mem_not_counted_for_evict": "mem_not_counted_for_eviction_bytes",
    # Persistence
    "loading": "loading_dump_file",
    "async_loading": "async_loading",
    "rdb_changes_since_last_save": "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress": "rdb_bgsave_in_progress",
    "rdb_last_save_time": "rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_status": "rdb_last_bgsave_status",
    "rdb_last_bgsave_time_sec": "rdb_last_bgsave_duration_sec",
    "rdb_current_bgsave_time_sec": "rdb_current_bgsave_duration_sec",
    "rdb_last_cow_size": "rdb_last_cow_size_bytes",
    "rdb_last_load_keys_expired": "rdb_last_load_expired_keys",
    "rdb_last_load_keys_loaded": "rdb_last_load_loaded_keys",
    "aof_last_rewrite_time_sec": "aof_last_rewrite_duration_sec",
    "aof_current_rewrite_time_sec": "aof_current_rewrite_duration_sec",
    **{f"aof_{what}": f"aof_{what}_bytes" for what in ("last_cow_size", "current_size", "base_size")},
    **{
        name: name
        for name in (
            *("aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled", "aof_pending_rewrite"),
            *("aof_buffer_length", "aof_rewrite_buffer_length", "aof_pending_bio_fsync", "aof_delayed_fsync"),
            *("aof_last_bgrewrite_status", "aof_last_write_status"),
            *("module_fork_in_progress", "module_fork_last_cow_size"),
        )
    },
    # Stats
    **{
        name: name
        for name in (
            *("pubsub_channels", "pubsub_patterns", "pubsubshard_channels", "instantaneous_ops_per_sec"),
            *("tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"),
        )
    },
    "expired_stale_perc": "expired_stale_percentage",
    "migrate_cached_sockets": "migrate_cached_sockets_total",
    "current_eviction_exceeded_time": "current_eviction_exceeded_time_ms",
    "active_defrag_hits": "defrag_hits",
    "active_defrag_misses": "defrag_misses",
    "active_defrag_key_hits": "defrag_key_hits",
    "active_defrag_key_misses": "defrag_key_misses",
    # Replication
    **{
        name: name
        for name in (
            *("connected_slaves", "master_repl_offset", "second_repl_offset", "repl_backlog_first_byte_offset"),
            *("slave_expires_tracked_keys", "slave_priority"),
        )
    },
    "repl_backlog_size": "replication_backlog_bytes",
    "repl_backlog_active": "repl_backlog_is_active",
    "repl_backlog_histlen": "repl_backlog_history_bytes",
    "sync_full": "replica_resyncs_full",
    "sync_partial_ok": "replica_partial_resync_accepted",
    "sync_partial_err": "replica_partial_resync_denied",
    # Cluster
    "cluster_enabled": "cluster_enabled",
    # Sentinel
    **{
        name: name
        for name in (
            *("sentinel_masters", "sentinel_tilt", "sentinel_running_scripts"),
            *("sentinel_scripts_queue_length", "sentinel_simulate_failure_flags"),
        )
    },
}

COUNTERS: Final[dict[str, str]] = {
    "total_connections_received": "connections_received_total",
    "total_commands_processed": "commands_processed_total",
    "rejected_connections": "rejected_connections_total",
    "total_net_input_bytes": "net_input_bytes_total",
    "total_net_output_bytes": "net_output_bytes_total",
    "total_net_repl_input_bytes": "net_repl_input_bytes_total",
    "total_net_repl_output_bytes": "net_repl_output_bytes_total",
    "expired_keys": "expired_keys_total",
    "expired_subkeys": "expired_subkeys_total",
    "expired_time_cap_reached_count": "expired_time_cap_reached_total",
    "expire_cycle_cpu_milliseconds": "expire_cycle_cpu_time_ms_total",
    "evicted_keys": "evicted_keys_total",
    "evicted_clients": "evicted_clients_total",
    "evicted_scripts": "evicted_scripts_total",
    "total_eviction_exceeded_time": "eviction_exceeded_time_ms_total",
    "keyspace_hits": "keyspace_hits_total",
    "keyspace_misses": "keyspace_misses_total",
    "used_cpu_sys": "cpu_sys_seconds_total",
    "used_cpu_user": "cpu_user_seconds_total",
    "used_cpu_sys_children": "cpu_sys_children_seconds_total",
    "used_cpu_user_children": "cpu_user_children_seconds_total",
    "used_cpu_sys_main_thread": "cpu_sys_main_thread_seconds_total",
    "used_cpu_user_main_thread": "cpu_user_main_thread_seconds_total",
    "acl_access_denied_auth": "acl_access_denied_auth_total",
    "acl_access_denied_cmd": "acl_access_denied_cmd_total",
    "acl_access_denied_key": "acl_access_denied_key_total",
    "acl_access_denied_channel": "acl_access_denied_channel_total",
    "rdb_saves": "rdb_saves_total",
}

COUNTERS_BY_ANOTHER_NAME: Final = (
    *("total_error_replies", "total_reads_processed", "total_writes_processed", "unexpected_error_replies"),
    *("dump_payload_sanitizations", "io_threaded_reads_processed", "io_threaded_writes_processed"),
)
"""Counters whose names do not end as Prometheus wants it; they are shown without a type."""
