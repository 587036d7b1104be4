"""The Persistence section of INFO: loading, snapshots, the append-only file."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from pyredis.core.durability import AOF_OFF, Loading
from pyredis.core.memory import rss

if TYPE_CHECKING:
    from pyredis.core.server import Server

Fields = list[tuple[str, object]]


def persistence_fields(s: Server) -> Fields:
    """In Redis's order; what is only there now and then comes last."""
    return _background(s) + _snapshots(s) + _append_only_file(s) + _when_loading(s.loading) + _backups(s)


def _background(s: Server) -> Fields:
    work = s.background
    loading = ("loading", int(s.loading is not None and not s.replication.async_loading))
    if work is None:
        return [
            loading,
            ("async_loading", int(s.replication.async_loading)),
            ("current_cow_peak", 0),
            ("current_cow_size", 0),
            ("current_cow_size_age", 0),
            ("current_fork_perc", "0.00"),
            ("current_save_keys_processed", 0),
            ("current_save_keys_total", 0),
        ]
    done = work.keys_done * 100 / work.keys_total if work.keys_total else 0
    return [
        loading,
        ("async_loading", int(s.replication.async_loading)),
        ("current_cow_peak", work.cow_peak),
        ("current_cow_size", work.cow_size),
        ("current_cow_size_age", int(monotonic() - work.cow_measured) if work.cow_measured else 0),
        ("current_fork_perc", f"{done:.2f}"),
        ("current_save_keys_processed", work.keys_done),
        ("current_save_keys_total", work.keys_total),
    ]


def _snapshots(s: Server) -> Fields:
    state = s.snapshots
    return [
        ("rdb_changes_since_last_save", s.dirty),
        ("rdb_bgsave_in_progress", int(state.saving)),
        ("rdb_last_save_time", state.last_save),
        ("rdb_last_bgsave_status", "ok" if state.last_ok else "err"),
        ("rdb_last_bgsave_time_sec", state.last_seconds),
        ("rdb_current_bgsave_time_sec", int(monotonic() - state.started) if state.saving else -1),
        ("rdb_saves", state.saves),
        ("rdb_last_cow_size", state.last_cow_size),
        ("rdb_last_load_keys_expired", state.last_load_keys_expired),
        ("rdb_last_load_keys_loaded", state.last_load_keys_loaded),
    ]


def _append_only_file(s: Server) -> Fields:
    aof = s.aof
    fields: Fields = [
        ("aof_enabled", int(aof.state != AOF_OFF)),
        ("aof_rewrite_in_progress", int(aof.rewriting)),
        ("aof_rewrite_scheduled", int(aof.rewrite_scheduled)),
        ("aof_last_rewrite_time_sec", aof.last_rewrite_seconds),
        ("aof_current_rewrite_time_sec", int(monotonic() - aof.rewrite_started) if aof.rewriting else -1),
        ("aof_last_bgrewrite_status", "ok" if aof.last_rewrite_ok else "err"),
        ("aof_rewrites", aof.rewrites),
        ("aof_rewrites_consecutive_failures", aof.rewrite_failures),
        ("aof_last_write_status", "err" if aof.write_error else "ok"),
        ("aof_last_cow_size", aof.last_cow_size),
        ("module_fork_in_progress", 0),
        ("module_fork_last_cow_size", 0),
    ]
    if aof.state != AOF_OFF:
        fields += [
            ("aof_current_size", aof.current_size),
            ("aof_base_size", aof.base_size),
            ("aof_pending_rewrite", 0),
            ("aof_buffer_length", aof.buffered()),
            ("aof_pending_bio_fsync", int(aof.syncing)),
            ("aof_delayed_fsync", aof.delayed_fsync),
        ]
    return fields


def _backups(s: Server) -> Fields:
    """Only where copies are made: Redis has none."""
    state = s.snapshots.backups
    if not s.config.backup_dir:
        return []
    return [
        ("backup_in_progress", int(state.running)),
        ("backup_last_time", state.last_time),
        ("backup_last_status", "ok" if state.last_ok else "err"),
        ("backup_last_file", state.last_file),
        ("backup_last_size", state.last_size),
        ("backup_last_time_sec", state.last_seconds),
        ("backups_made", state.done),
        ("backups_kept", state.kept),
    ]


def _when_loading(loading: Loading | None) -> Fields:
    if loading is None:
        return []
    elapsed = monotonic() - loading.started_monotonic
    left = loading.total - loading.done
    eta = int(elapsed * left / loading.done) if loading.done and left > 0 else 1
    return [
        ("loading_start_time", int(loading.started)),
        ("loading_total_bytes", loading.total),
        ("loading_rdb_used_mem", loading.used_memory or rss()),
        ("loading_loaded_bytes", loading.done),
        ("loading_loaded_perc", f"{loading.done * 100 / loading.total if loading.total else 1:.2f}"),
        ("loading_eta_seconds", max(eta, 0)),
    ]
