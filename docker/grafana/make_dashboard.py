"""Writes pyredis.json, the dashboard: a row of panels for each question that is asked first when something is slow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 8, 7
INSTANCE = 'instance=~"$instance"'
PANELS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("Commands", "ops", [("sum by (cmd) (rate(redis_commands_total{I}[1m]))", "{{cmd}}")]),
    (
        "Latency, 99th percentile",
        "µs",
        [("histogram_quantile(0.99, sum by (le, cmd) (rate(redis_commands_latencies_usec_bucket{I}[5m])))", "{{cmd}}")],
    ),
    (
        "Hit ratio",
        "percentunit",
        [
            (
                "rate(redis_keyspace_hits_total{I}[5m]) / (rate(redis_keyspace_hits_total{I}[5m])"
                " + rate(redis_keyspace_misses_total{I}[5m]))",
                "{{instance}}",
            )
        ],
    ),
    (
        "Memory",
        "bytes",
        [
            ("redis_memory_used_bytes{I}", "used {{instance}}"),
            ("redis_memory_used_rss_bytes{I}", "resident {{instance}}"),
            ("redis_memory_max_bytes{I} > 0", "limit {{instance}}"),
        ],
    ),
    ("Keys by type", "short", [("sum by (type) (pyredis_keys{I})", "{{type}}")]),
    (
        "Expired and evicted",
        "ops",
        [
            ("rate(redis_expired_keys_total{I}[1m])", "expired {{instance}}"),
            ("rate(redis_evicted_keys_total{I}[1m])", "evicted {{instance}}"),
        ],
    ),
    (
        "Clients",
        "short",
        [("redis_connected_clients{I}", "{{instance}}"), ("redis_blocked_clients{I}", "blocked {{instance}}")],
    ),
    (
        "Network",
        "Bps",
        [
            ("rate(redis_net_input_bytes_total{I}[1m])", "in {{instance}}"),
            ("rate(redis_net_output_bytes_total{I}[1m])", "out {{instance}}"),
        ],
    ),
    ("Replies not taken yet", "bytes", [("pyredis_output_buffer_bytes{I}", "{{instance}}")]),
    (
        "Event loop, 99th percentile of its lateness",
        "s",
        [("histogram_quantile(0.99, rate(pyredis_event_loop_lag_seconds_bucket{I}[5m]))", "{{instance}}")],
    ),
    (
        "Replication lag",
        "s",
        [("redis_connected_slave_lag_seconds{I}", "{{slave_ip}}:{{slave_port}}")],
    ),
    (
        "Persistence",
        "short",
        [
            ("redis_rdb_changes_since_last_save{I}", "changes not in a snapshot {{instance}}"),
            ("redis_aof_delayed_fsync{I}", "fsyncs that were late {{instance}}"),
        ],
    ),
    ("Errors", "ops", [("sum by (err) (rate(redis_errors_total{I}[1m]))", "{{err}}")]),
    (
        "Processor",
        "percentunit",
        [("rate(redis_cpu_user_seconds_total{I}[1m]) + rate(redis_cpu_sys_seconds_total{I}[1m])", "{{instance}}")],
    ),
    ("Slow log", "short", [("redis_slowlog_length{I}", "{{instance}}")]),
    (
        "Sentinels: what they have of each master",
        "short",
        [
            ("min by (master_name) (redis_sentinel_master_status{I})", "{{master_name}} is well"),
            ("min by (master_name) (redis_sentinel_master_ckquorum_status{I})", "{{master_name}} could fail over"),
            ("min by (master_name) (redis_sentinel_master_ok_slaves{I})", "replicas of {{master_name}}"),
            ("min by (master_name) (redis_sentinel_master_ok_sentinels{I})", "sentinels of {{master_name}}"),
        ],
    ),
]


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    panels = []
    for at, (title, unit, queries) in enumerate(PANELS):
        panels.append(
            {
                "id": at + 1,
                "title": title,
                "type": "timeseries",
                "datasource": {"type": "prometheus", "uid": "prometheus"},
                "gridPos": {"h": HEIGHT, "w": WIDTH, "x": at % 3 * WIDTH, "y": at // 3 * HEIGHT},
                "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
                "targets": [
                    {"refId": chr(65 + n), "expr": expr.replace("{I}", "{" + INSTANCE + "}"), "legendFormat": legend}
                    for n, (expr, legend) in enumerate(queries)
                ],
            }
        )
    variable = {
        "name": "instance",
        "type": "query",
        "label": "Instance",
        "datasource": {"type": "prometheus", "uid": "prometheus"},
        "query": "label_values(redis_up, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": "pyredis",
        "title": "pyredis",
        "schemaVersion": 39,
        "refresh": "15s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [variable]},
        "panels": panels,
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("pyredis.json")
    path.write_text(json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n")
