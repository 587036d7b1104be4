"""Dashboards and alerts made for redis_exporter, and our own: Prometheus reads our servers, and no panel is empty."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.monitoring.prometheus import PROMTOOL, Prometheus, needs_prometheus, prometheus
from tests.support.background import repeated
from tests.support.sentinels import NAME, SentinelProcess, wait_for
from tests.support.servers import free_port, start_ours
from tests.support.waiting import PATIENCE, wait_until
from tests.test_metrics import get

pytestmark = needs_prometheus

DOCKER = Path(__file__).parents[2] / "docker"
POD = '{kubernetes_pod_name=~"master"}'
INSTANCE = '{instance=~"127.0.0.1:[0-9]+"}'
READINGS = 3

REDIS_763 = (
    "max(max_over_time(redis_uptime_in_seconds{P}[1m]))",
    "redis_connected_clients{P}",
    "100 * (redis_memory_used_bytes{P} / redis_memory_max_bytes{P})",
    "rate(redis_commands_processed_total{P}[1m])",
    "irate(redis_keyspace_hits_total{P}[5m])",
    "irate(redis_keyspace_misses_total{P}[5m])",
    "redis_memory_used_bytes{P}",
    "redis_memory_max_bytes{P}",
    "rate(redis_net_input_bytes_total{P}[5m])",
    "rate(redis_net_output_bytes_total{P}[5m])",
    "sum (redis_db_keys{P}) by (db)",
    "sum (redis_db_keys{P}) - sum (redis_db_keys_expiring{P})",
    "sum (redis_db_keys_expiring{P})",
    "sum(rate(redis_expired_keys_total{P}[5m])) by (instance)",
    "sum(rate(redis_evicted_keys_total{P}[5m])) by (instance)",
    "topk(5, irate(redis_commands_total{P}[1m]))",
)
"""What the panels of dashboard 763 ask."""
OTHERS = (
    # Dashboard 11835 and the newer revisions of 763.
    "sum by (cmd) (irate(redis_commands_duration_seconds_total{I}[1m]))"
    " / sum by (cmd) (irate(redis_commands_total{I}[1m]))",
    "sum(redis_blocked_clients{I})",
    "sum(irate(redis_commands_total{I}[1m])) by (cmd)",
    "redis_memory_used_bytes{I} / redis_memory_max_bytes{I} * 100",
    "sum(redis_connected_clients{I}) by (instance)",
    "sum(redis_up{I})",
    # redis-mixin.
    "avg(redis_memory_used_rss_bytes{I} / redis_memory_used_bytes{I}) by (instance)",
    "redis_master_last_io_seconds_ago{I}",
    "sum(redis_connected_slaves{I}) by (instance)",
    "avg(irate(redis_commands_duration_seconds_total{I}[1m])) by (cmd)",
    # Alerts of several collections; each is the side of the comparison that must be there.
    "redis_memory_used_bytes / redis_total_system_memory_bytes * 100",
    'count(redis_instance_info{role="master"})',
    'redis_instance_info{role="slave", redis_mode="standalone"}',
    "time() - redis_rdb_last_save_timestamp_seconds",
    "redis_rdb_last_bgsave_status",
    "redis_rdb_changes_since_last_save",
    "delta(redis_connected_slaves[1m])",
    "redis_connected_clients / redis_config_maxclients",
    "increase(redis_rejected_connections_total[1m])",
    "increase(redis_connections_received_total[1m])",
    "redis_master_link_up",
    "max(redis_connected_slave_lag_seconds) by (slave_ip, slave_port, slave_state)",
    "redis_connected_slave_offset_bytes",
    'sum by (instance) (redis_slave_info{read_only="1"})',
    "redis_slowlog_length",
    "redis_last_slow_execution_duration_seconds",
    'redis_latency_percentiles_usec{cmd="get", quantile="99"}',
    "histogram_quantile(0.95, sum by (le) (rate(redis_commands_latencies_usec_bucket[1m])))",
    "sum by (cmd) (rate(redis_commands_failed_calls_total[1m]))",
    "sum by (cmd) (rate(redis_commands_rejected_calls_total[1m]))",
    "sum by (err) (rate(redis_errors_total[1m]))",
    "rate(redis_cpu_user_seconds_total[1m]) + rate(redis_cpu_sys_seconds_total[1m])",
    "redis_aof_enabled == 1",
    "redis_aof_last_write_status",
    "redis_aof_current_size_bytes",
    "redis_loading_dump_file",
    "redis_exporter_last_scrape_error",
    "rate(redis_exporter_scrapes_total[1m])",
    "redis_exporter_scrape_duration_seconds_sum / redis_exporter_scrape_duration_seconds_count",
    "process_open_fds / process_max_fds",
    # Sentinels.
    "redis_sentinel_masters",
    f'redis_sentinel_master_status{{master_name="{NAME}", master_status="ok"}} == 1',
    "redis_sentinel_master_slaves - redis_sentinel_master_ok_slaves",
    "redis_sentinel_master_sentinels - redis_sentinel_master_ok_sentinels",
    "redis_sentinel_master_ckquorum_status",
    "redis_sentinel_tilt",
)
"""What other dashboards and collections of alerts ask."""


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A master that is used, its replica and a sentinel, as Prometheus sees them."""
    directory = tmp_path_factory.mktemp("dashboards")
    ports = {role: free_port() for role in ("master", "replica", "sentinel")}
    with contextlib.ExitStack() as stack:
        common = ("--appendonly", "yes", "--maxmemory", "100mb", "--repl-diskless-sync-delay", "0")
        started = {}
        for role in ("master", "replica"):
            folder = directory / role
            folder.mkdir()
            of = ["--replicaof", f"127.0.0.1 {started['master'].port}"] if started else []
            server = start_ours(folder, *common, "--metrics-port", str(ports[role]), *of)
            stack.callback(server.stop)
            started[role] = server
        watched = f"sentinel monitor {NAME} 127.0.0.1 {started['master'].port} 1"
        lines = [f"metrics-port {ports['sentinel']}", watched]
        sentinel = SentinelProcess(directory / "sentinel", True, lines)
        stack.callback(sentinel.stop)
        sentinel.wait()
        client = stack.enter_context(redis.Redis.from_url(started["master"].url))
        wait_for(lambda: client.info("replication").get("slave0", {}).get("state") == "online", "the replica is online")
        targets = {port: {"kubernetes_pod_name": role, "namespace": "test"} for role, port in ports.items()}
        found = stack.enter_context(prometheus(directory, targets))
        # Goes on: rates of what stands still are 0, and their quotients nothing.
        stack.enter_context(repeated(lambda: use(client), 0.05))
        wait_until(lambda: found.readings() >= READINGS and len(found.query("up == 1")) == len(targets))
        yield found


def use(client: redis.Redis) -> None:
    """What moves all figures."""
    client.set("a", "1", ex=100)
    client.rpush("l", 1)
    client.get("a"), client.get("none")
    for bad in (("LPUSH", "a", 1), ("GET",)):
        with contextlib.suppress(redis.ResponseError):
            client.execute_command(*bad)


def empty(server: Prometheus, queries: list[str], seconds: float = PATIENCE) -> list[str]:
    """Those that have no series with a value, however long one waits: a reading that took too long leaves a gap."""
    deadline = time.monotonic() + seconds
    while True:
        queries = [query for query in queries if not any(one["value"][1] != "NaN" for one in server.query(query))]
        if not queries or time.monotonic() > deadline:
            return queries
        time.sleep(0.2)


def test_dashboard_763(monitoring: Prometheus) -> None:
    assert empty(monitoring, ["redis_no_such_thing", "redis_up"], 1) == ["redis_no_such_thing"]
    assert not empty(monitoring, [query.replace("{P}", POD) for query in REDIS_763])
    for name in ("master", "replica", "sentinel"):
        assert not empty(monitoring, [f'redis_up{{kubernetes_pod_name="{name}"}}'])
    for query in ("rate(redis_commands_processed_total{P}[1m]) > 1", "redis_db_keys_expiring{P} > 0"):
        assert not empty(monitoring, [query.replace("{P}", POD)])


def test_other_dashboards_and_alerts(monitoring: Prometheus) -> None:
    assert not empty(monitoring, [query.replace("{I}", INSTANCE) for query in OTHERS])


def test_our_dashboard(monitoring: Prometheus) -> None:
    panels = json.loads((DOCKER / "grafana" / "pyredis.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(queries) > 15
    assert not empty(monitoring, [query.replace("$instance", "127.0.0.1:[0-9]+") for query in queries])


def test_types_as_prometheus_reads_them(monitoring: Prometheus) -> None:
    """It takes types and help texts from the page; every counter that rate() is used on is one."""
    known = monitoring.api("metadata")
    for name, kind in (
        ("redis_commands_total", "counter"),
        ("redis_connected_clients", "gauge"),
        ("redis_commands_latencies_usec", "histogram"),
        ("redis_latency_percentiles_usec", "summary"),
        ("redis_net_input_bytes_total", "counter"),
    ):
        assert {one["type"] for one in known[name]} == {kind} and all(one["help"] for one in known[name])
    assert not [name for name in known if name.startswith("redis_") and not known[name][0]["help"]]


def test_the_page_has_no_faults(monitoring: Prometheus) -> None:
    """promtool's rules for the text format."""
    for one in monitoring.query("redis_up"):
        _, body = get(int(one["metric"]["instance"].rsplit(":", 1)[1]), "/metrics")
        done = subprocess.run([PROMTOOL, "check", "metrics"], input=body.encode(), capture_output=True, timeout=60)
        told = (done.stdout + done.stderr).decode().splitlines()
        assert done.returncode in (0, 3), told  # 3: only names that the linter would choose otherwise
        assert not [line for line in told if "no help text" in line or "error" in line.split(" ")]


def test_configuration_of_prometheus() -> None:
    done = subprocess.run([PROMTOOL, "check", "config", DOCKER / "prometheus.yml"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
