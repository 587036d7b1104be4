"""The real redis_exporter asks ours and redis-server the same, and makes the same series of the answers.

What it would export is then there in our own /metrics, under the same names, labels and types.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from tests.monitoring.exporter import exported, needs_exporter
from tests.support.sentinels import NAME, SentinelProcess, wait_for
from tests.support.servers import ServerProcess, free_port, start_oracle, start_ours
from tests.test_metrics import Samples, get, samples

pytestmark = needs_exporter

ALL = (
    *("-include-system-metrics", "-include-config-metrics", "-export-client-list", "-export-client-port"),
    *("-check-keys", "db0=*", "-check-streams", "db0=x", "-count-keys", "db0=*,db1=l*", "-ping-on-connect"),
    *("-check-single-keys", "db0=a,db0=none", "-check-single-streams", "db0=x", "-check-key-groups", "^(.).*$"),
)
CHANGING = {"age", "idle", "omem", "host", "port", "created_at", "idle_since"}
"""Labels of clients that are not the same twice."""
STEADY = (
    *(
        "up",
        "connected_clients",
        "blocked_clients",
        "tracking_clients",
        "db_keys",
        "db_keys_expiring",
        "commands_total",
    ),
    *("commands_failed_calls_total", "commands_rejected_calls_total", "errors_total", "keyspace_hits_total"),
    *("keyspace_misses_total", "connected_slaves", "config_maxclients", "config_maxmemory", "config_io_threads"),
    *("slowlog_length", "aof_enabled", "loading_dump_file", "rdb_last_bgsave_status", "memory_max_bytes"),
    *("replication_backlog_bytes", "expired_keys_total", "evicted_keys_total", "pubsub_channels", "pubsub_patterns"),
    *("latency_percentiles_usec_count", "exporter_last_scrape_error", "cluster_enabled", "key_size", "key_value"),
    *("keys_count", "stream_length", "stream_groups", "stream_group_consumers", "stream_group_messages_pending"),
    *("stream_group_consumer_messages_pending", "key_group_count", "number_of_distinct_key_groups"),
    *("master_repl_offset", "repl_backlog_is_active", "connections_received_total"),
)
"""What two servers say alike that were used alike."""
LOADING = (("err", "LOADING"),)
"""The error that a replica counts only if somebody looks whether it is there while it loads the snapshot."""


def use(client: redis.Redis) -> None:
    """Something of everything that is counted."""
    client.config_resetstat()
    client.slowlog_reset()
    client.latency_reset()
    client.config_set("slowlog-log-slower-than", 0)
    client.config_set("latency-monitor-threshold", 1)
    client.set("a", "1")
    client.set("b", "text", ex=100)
    client.rpush("l", 1, 2, 3)
    client.hset("h", "f", "v")
    client.sadd("s", 1, 2)
    client.zadd("z", {"a": 1})
    client.pfadd("p", 1)
    client.xadd("x", {"f": 1})
    client.xgroup_create("x", "g", 0)
    client.xreadgroup("g", "con", {"x": ">"})
    client.execute_command("DEBUG", "SLEEP", "0.02")
    assert client.get("a") and client.get("no") is None
    for bad in (("LPUSH", "a", 1), ("NOSUCH",), ("GET",)):
        with pytest.raises(redis.ResponseError):
            client.execute_command(*bad)


@dataclass
class Pair:
    ours: ServerProcess
    oracle: ServerProcess
    metrics: int
    directory: Path

    def exported(self, *options: str) -> tuple[tuple[Samples, dict[str, str]], tuple[Samples, dict[str, str]]]:
        return exported(self.directory, self.ours.url, *options), exported(self.directory, self.oracle.url, *options)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory, port = tmp_path_factory.mktemp("exporter"), free_port()
    with contextlib.ExitStack() as stack:
        ours = start_ours(directory, "--metrics-port", str(port), "--enable-debug-command", "yes")
        stack.callback(ours.stop)
        (directory / "oracle").mkdir()
        oracle = start_oracle(directory / "oracle", "--enable-debug-command", "yes")
        stack.callback(oracle.stop)
        yield Pair(ours, oracle, port, directory)


def series(found: Samples) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Names and labels, without those that tell servers or moments apart."""
    told = set()
    for name, labels in found:
        if name.startswith("redis_latency_spike_") and labels != (("event_name", "command"),):
            continue  # a machine that stood still for a moment: only DEBUG SLEEP is sure to be one
        if name in ("redis_instance_info", "redis_config_key_value", "redis_config_value"):
            labels = tuple((key, "") for key, _ in labels)
        if name == "redis_connected_clients_details":
            labels = tuple((key, "" if key in CHANGING else value) for key, value in labels)
        told.add((name, labels))
    return told


@pytest.mark.parametrize("options", [(), ALL], ids=["default", "everything"])
def test_the_same_series(pair: Pair, options: tuple[str, ...]) -> None:
    for server in (pair.ours, pair.oracle):
        with redis.Redis.from_url(server.url, protocol=2) as client:
            client.flushall()
            use(client)
    (ours, our_types), (theirs, types) = pair.exported(*options)
    assert series(ours) == series(theirs)
    assert our_types == types
    steady = {f"redis_{name}" for name in STEADY}
    differences = {
        where: (ours[where], value)
        for where, value in theirs.items()
        if where[0] in steady and ours.get(where) != value
    }
    assert not differences


def test_our_own_page_has_what_it_would_export(pair: Pair) -> None:
    """Under the same names, labels and types, for everything that needs no question about single keys or clients."""
    with redis.Redis.from_url(pair.ours.url, protocol=2) as client:
        client.flushall()
        use(client)
    theirs, types = exported(pair.directory, pair.ours.url, "-include-system-metrics")
    own = samples(pair.metrics)
    lines = get(pair.metrics, "/metrics")[1].splitlines()
    own_types = dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))
    # The parser of the tests adds _total to the names of counters.
    untyped = {name for name, kind in own_types.items() if kind in ("untyped", "unknown")}
    renamed = {f"{name}_total": name for name in untyped}
    missing = {(renamed.get(name, name), labels) for name, labels in theirs} - set(own)
    of_its_own = {
        "redis_exporter_last_scrape_connect_time_seconds",
        "redis_last_key_groups_scrape_duration_milliseconds",
    }
    told = {name for name, labels in missing} - of_its_own
    assert told == {"redis_instance_info"}  # it has one label more in newer releases of the exporter
    newer = {"redis_expired_time_cap_reached_total"}  # a gauge in old releases
    for name, kind in types.items():
        if name not in untyped | newer | of_its_own:
            assert own_types[name] == kind, name


def test_the_exporter_s_own_user(pair: Pair) -> None:
    """The rules that its documentation proposes for a user of its own."""
    rules = (
        *("-@all", "+@connection", "+memory", "-readonly", "+strlen", "+config|get", "+xinfo", "+pfcount", "-quit"),
        *("+zcard", "+type", "+xlen", "-readwrite", "-command", "+client", "-wait", "+scard", "+llen", "+hlen", "+get"),
        *("+eval", "+slowlog", "+cluster|info", "+cluster|slots", "+cluster|nodes", "-hello", "-echo", "+info"),
        *("+latency", "+scan", "-reset", "-auth", "-asking"),
    )
    for server in (pair.ours, pair.oracle):
        with redis.Redis.from_url(server.url, protocol=2) as client:
            client.flushall()
            use(client)
            client.execute_command("ACL", "SETUSER", "exporter", "on", ">secret", "~*", *rules)
    options = ("-redis.user", "exporter", "-redis.password", "secret", *ALL)
    (ours, _), (theirs, _) = pair.exported(*options)
    assert ours["redis_up", ()] == 1 and series(ours) == series(theirs)


def test_a_script_of_the_exporter(pair: Pair) -> None:
    script = pair.directory / "script.lua"
    script.write_text('return {"first", "12", "second", tostring(redis.call("DBSIZE"))}\n')
    for server in (pair.ours, pair.oracle):
        with redis.Redis.from_url(server.url) as client:
            client.flushall()
            client.mset({"one": 1, "two": 2})
    (ours, _), (theirs, _) = pair.exported("-script", str(script))
    values = {where: value for where, value in ours.items() if where[0] == "redis_script_values"}
    assert values == {where: value for where, value in theirs.items() if where[0] == "redis_script_values"}
    assert sorted(values.values()) == [2, 12]


def test_the_newest_face(tmp_path: Path) -> None:
    """What newer releases tell in addition disturbs nothing."""
    server = start_ours(tmp_path, "--enable-debug-command", "yes", compat="")
    try:
        with redis.Redis.from_url(server.url, protocol=2) as client:
            use(client)
        found, _ = exported(tmp_path, server.url, *ALL)
        assert found["redis_up", ()] == 1 and found["redis_exporter_last_scrape_error", (("err", ""),)] == 0
        assert found["redis_db_keys", (("db", "db0"),)] == 8
    finally:
        server.stop()


def test_replication(tmp_path: Path) -> None:
    """A master and its replica, both ours and both Redis's."""
    seen = []
    for start in (start_ours, start_oracle):
        folder = tmp_path / start.__name__
        folder.mkdir()
        master = start(folder, "--repl-diskless-sync-delay", "0")
        try:
            replica = start(folder, "--replicaof", f"{master.host} {master.port}")
            try:
                with redis.Redis.from_url(replica.url) as client:
                    wait_for(lambda c=client: c.info("replication")["master_link_status"] == "up", "the link is up")
                with redis.Redis.from_url(master.url) as client:
                    wait_for(lambda c=client: c.info("replication")["slave0"]["state"] == "online", "it is online")
                both = set()
                for server in (master, replica):
                    for name, labels in series(exported(folder, server.url)[0]):
                        if labels == LOADING:
                            continue
                        ports = {str(master.port): "MASTER", str(replica.port): "REPLICA"}
                        both.add(
                            (server is master, name, tuple((key, ports.get(value, value)) for key, value in labels))
                        )
                seen.append(both)
            finally:
                replica.stop()
        finally:
            master.stop()
    assert seen[0] == seen[1]


def test_sentinel(tmp_path: Path) -> None:
    """A sentinel of each kind on one master: the same series, and ours tells the same by itself."""
    master = start_oracle(tmp_path)
    port = free_port()
    lines = [f"sentinel monitor {NAME} {master.host} {master.port} 2"]
    ours = SentinelProcess(tmp_path / "ours", True, [f"metrics-port {port}", *lines])
    oracle = SentinelProcess(tmp_path / "oracle", False, lines)
    try:
        for one in (ours, oracle):
            one.wait()
            wait_for(lambda s=one: len(s.sentinels()) == 1, "they know each other")
            wait_for(lambda s=one: str(s.call("SENTINEL", "CKQUORUM", NAME)).startswith("OK 2"), "a quorum")
        found, types = exported(tmp_path, f"redis://127.0.0.1:{ours.port}")
        theirs, their_types = exported(tmp_path, f"redis://127.0.0.1:{oracle.port}")
        assert series(found) == series(theirs) and types == their_types
        own = samples(port)
        told = {where: value for where, value in found.items() if where[0].startswith("redis_sentinel_")}
        assert len(told) >= 10
        for where, value in told.items():
            if where[0] != "redis_sentinel_master_last_ok_ping_reply_seconds":
                assert own[where] == value, where
            assert where in own
    finally:
        for server in (ours, oracle, master):
            server.stop()
