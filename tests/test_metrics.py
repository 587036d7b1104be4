"""/metrics, /health and /ready: true values under redis_exporter's names, whatever HTTP is thrown at them."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families

from pyredis.metrics.http import Page, Request, Response, Site
from pyredis.metrics.http_server import HttpServer
from tests.support.raw import encode
from tests.support.sentinels import NAME, SentinelProcess
from tests.support.servers import ServerProcess, free_port, start_oracle, start_ours
from tests.support.waiting import wait_until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

GRAPHED = {
    f"redis_{name}"
    for name in (
        "up",
        "uptime_in_seconds",
        "connected_clients",
        "blocked_clients",
        "memory_used_bytes",
        "memory_max_bytes",
        "memory_used_rss_bytes",
        "mem_fragmentation_ratio",
        "commands_processed_total",
        "commands_total",
        "commands_duration_seconds_total",
        "keyspace_hits_total",
        "keyspace_misses_total",
        "net_input_bytes_total",
        "net_output_bytes_total",
        "db_keys",
        "db_keys_expiring",
        "expired_keys_total",
        "evicted_keys_total",
        "connected_slaves",
        "instance_info",
        "rdb_last_save_timestamp_seconds",
        "rdb_last_bgsave_status",
        "rdb_changes_since_last_save",
        "total_system_memory_bytes",
        "config_maxclients",
        "rejected_connections_total",
        "connections_received_total",
        "slowlog_length",
        "slowlog_last_id",
        "last_slow_execution_duration_seconds",
        "latency_percentiles_usec",
        "commands_latencies_usec_bucket",
        "commands_rejected_calls_total",
        "commands_failed_calls_total",
        "errors_total",
        "cpu_user_seconds_total",
        "cpu_sys_seconds_total",
        "aof_enabled",
        "aof_last_write_status",
        "latest_fork_seconds",
        "loading_dump_file",
        "exporter_scrapes_total",
        "exporter_last_scrape_error",
        "exporter_last_scrape_duration_seconds",
        "start_time_seconds",
        "config_maxmemory",
    )
}
"""What known dashboards and alerts ask for of a server that is nobody's replica."""


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def samples(port: int) -> Samples:
    """What /metrics tells; every sample is there once."""
    status, body = get(port, "/metrics")
    assert status == 200
    found: Samples = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            where = sample.name, tuple(sorted(sample.labels.items()))
            assert where not in found, f"twice: {where}"
            found[where] = sample.value
    return found


class Monitored:
    def __init__(self, directory: Path, *args: str) -> None:
        self.port = free_port()
        self.server = started(directory, self.port, *args)
        self.client = redis.Redis.from_url(self.server.url, decode_responses=True)

    def get(self, path: str, method: str = "GET") -> tuple[int, str]:
        return get(self.port, path, method)

    def samples(self) -> Samples:
        return samples(self.port)


def started(directory: Path, port: int, *args: str) -> ServerProcess:
    return start_ours(directory, "--metrics-port", str(port), "--enable-debug-command", "yes", *args)


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitored]:
    one = Monitored(tmp_path_factory.mktemp("monitored"))
    yield one
    one.client.close()
    one.server.stop()


def test_values(monitored: Monitored) -> None:
    client = monitored.client
    client.flushall()
    client.config_resetstat()
    client.config_set("slowlog-log-slower-than", 1000)
    client.config_set("latency-monitor-threshold", 1)
    client.set("a", "1")
    client.set("b", "1", ex=10_000)
    client.execute_command("SELECT", 3)
    for n in range(50):
        client.rpush(f"l{n}", *range(20))
    client.execute_command("SELECT", 0)
    assert client.get("a") == "1" and client.get("no") is None
    with pytest.raises(redis.ResponseError):
        client.lpush("a", "x")
    with pytest.raises(redis.ResponseError):
        client.execute_command("GET")
    client.execute_command("DEBUG", "SLEEP", "0.01")
    found = monitored.samples()

    def one(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    assert one("redis_up") == 1
    assert one("redis_connected_clients") == 1
    assert one("redis_commands_total", cmd="set") == 2
    assert one("redis_commands_total", cmd="get") == 2
    assert one("redis_commands_failed_calls_total", cmd="lpush") == 1
    assert one("redis_commands_rejected_calls_total", cmd="get") == 1
    assert one("redis_errors_total", err="WRONGTYPE") == 1
    assert one("redis_keyspace_hits_total") == 1 and one("redis_keyspace_misses_total") == 1
    assert one("redis_db_keys", db="db0") == 2 and one("redis_db_keys_expiring", db="db0") == 1
    assert one("redis_db_keys", db="db3") == 50 and one("redis_db_keys", db="db15") == 0
    assert 9900 < one("redis_db_avg_ttl_seconds", db="db0") <= 10_000
    assert one("redis_config_maxclients") == int(client.config_get("maxclients")["maxclients"])
    assert one("redis_slowlog_length") >= 1 and one("redis_last_slow_execution_duration_seconds") >= 0.01
    assert one("redis_latency_spike_duration_seconds", event_name="command") >= 0.01
    assert one("redis_commands_latencies_usec_count", cmd="set") == 2
    assert one("redis_commands_latencies_usec_bucket", cmd="set", le="+Inf") == 2
    assert one("redis_latency_percentiles_usec", cmd="set", quantile="50") > 0
    assert one("redis_rdb_last_bgsave_status") == 1
    assert one("pyredis_keys", db="db0", type="string") == 2 and one("pyredis_keys", db="db3", type="list") == 50
    assert one("pyredis_key_bytes", db="db3", type="list") > 50 * 20
    assert one("pyredis_event_loop_lag_seconds_count") >= 0 and one("pyredis_gc_pause_seconds_count") >= 0
    assert one("redis_memory_used_rss_bytes") > 1 << 20 and one("redis_memory_used_bytes") > 0
    labels = next(dict(labels) for name, labels in found if name == "redis_instance_info")
    assert labels["role"] == "master" and labels["tcp_port"] == str(monitored.server.port)
    assert labels["run_id"] == client.info("server")["run_id"] and len(labels["master_replid"]) == 40
    assert monitored.samples()["redis_exporter_scrapes_total", ()] == one("redis_exporter_scrapes_total") + 1


def test_every_name_that_dashboards_ask_for(monitored: Monitored) -> None:
    with pytest.raises(redis.ResponseError):
        monitored.client.execute_command("NOSUCH")
    names = {name for name, _ in monitored.samples()}
    assert names >= GRAPHED, GRAPHED - names


CODES = (
    b'-A"b\\c',
    b"-A=1,count=7",
    b"-LINE\x0bTWO",
    b"-LINE\x0cTWO",
    b"-NEXT\xc2\x85LINE",
    b"-PARA\xe2\x80\xa9GRAPH",
    b"-F\x1cG",
    b"-A#B",
    b"-A:B",
    b"-A_B",
    b"-BAD\xff",
    b"-BAD\xfe",
    b"-# Keyspace",
    b"-db0",
    b"-{le='1'}",
    b"-K\xc3\xb6ln",
)


def test_error_codes_of_any_form(monitored: Monitored) -> None:
    """Scripts choose codes freely: each is counted once, and none breaks the page or makes another series."""
    client = monitored.client
    client.config_resetstat()
    with pytest.raises(redis.ResponseError):
        client.execute_command("EVAL", "return redis.error_reply('-A:B it failed')", 0)
    before = {name for name, _ in monitored.samples()}
    for code in CODES:
        with pytest.raises(redis.ResponseError):
            client.execute_command("EVAL", "return redis.error_reply(ARGV[1])", 0, code + b" it failed")
    found = monitored.samples()
    errors = {dict(labels)["err"]: count for (name, labels), count in found.items() if name == "redis_errors_total"}
    assert sum(errors.values()) == 1 + len(CODES), errors
    assert errors['A"b\\c'] == 1 and errors["A_B"] == 4 and errors["Köln"] == 1
    assert errors["BAD\\xff"] == 1 and errors["BAD\\xfe"] == 1
    assert {name for name, _ in found} == before
    assert found["redis_db_keys", (("db", "db0"),)] == client.dbsize()


def test_several_replicas_with_one_address(monitored: Monitored) -> None:
    """What replicas say of themselves is their word: the same address twice, or one with commas."""
    with contextlib.ExitStack() as stack:
        for host in (b"same", b"same", b"x,port=1,state=y", b"bad\xff"):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", monitored.server.port), timeout=20))
            stream = stack.enter_context(one.makefile("rb"))
            for words in (
                (b"REPLCONF", b"ip-address", host),
                (b"REPLCONF", b"listening-port", b"7"),
                (b"PSYNC", b"?", b"-1"),
            ):
                one.sendall(encode(list(words)))
                assert stream.readline()[:1] in b"+\n"
        found = monitored.samples()
        ips = {dict(labels)["slave_ip"] for name, labels in found if name == "redis_connected_slave_lag_seconds"}
        assert ips == {"same", "x,port=1,state=y", "bad?"}
    wait_until(lambda: not any(name == "redis_connected_slave_lag_seconds" for name, _ in monitored.samples()))


def test_types(monitored: Monitored) -> None:
    _, body = monitored.get("/metrics")
    types = dict(line.split(" ")[2:4] for line in body.splitlines() if line.startswith("# TYPE "))
    assert types["redis_commands_total"] == "counter" and types["redis_connected_clients"] == "gauge"
    assert types["redis_latency_percentiles_usec"] == "summary"
    assert types["redis_commands_latencies_usec"] == "histogram"


def test_a_replica_of_redis(monitored: Monitored, tmp_path: Path) -> None:
    master = start_oracle(tmp_path, "--repl-diskless-sync-delay", "0")
    client = monitored.client
    try:
        assert monitored.get("/ready") == (200, "ready\n")
        client.replicaof(master.host, master.port)
        where = (("master_host", master.host), ("master_port", str(master.port)))
        while monitored.samples()["redis_master_link_up", where] != 1:
            assert monitored.get("/ready")[0] in (200, 503)
        assert monitored.get("/ready") == (200, "ready\n")
        found = monitored.samples()
        assert found["redis_slave_info", (*where, ("read_only", "1"))] == 1
        assert ("redis_master_last_io_seconds_ago", where) in found and ("redis_slave_repl_offset", where) in found
        master.stop()
        wait_until(lambda: monitored.get("/ready")[0] == 503)
        assert monitored.get("/ready") == (503, "the link to the master is down\n")
        assert monitored.get("/health") == (200, "ok\n")
    finally:
        client.replicaof("NO", "ONE")
        master.stop()


def test_other_requests(monitored: Monitored) -> None:
    assert monitored.get("/metrics", "HEAD") == (200, "")
    assert monitored.get("/metrics?x=%zz")[0] == 200
    assert monitored.get("/nothing")[0] == 404
    assert monitored.get("/metrics", "POST")[0] == 405
    for bad in (
        b"\r\n\r\n",
        b"PING\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"\xff\xfe\x00 / HTTP/1.1\r\n\r\n",
        b"x" * 100_000,
    ):
        with socket.create_connection(("127.0.0.1", monitored.port), timeout=20) as s:
            try:
                s.sendall(bad)
                answer = s.recv(4096)
            except ConnectionError:
                continue
            assert answer == b"" or answer.split(b" ")[1] in (b"400", b"405", b"431"), (bad[:20], answer)
    unfinished = [socket.create_connection(("127.0.0.1", monitored.port), timeout=20) for _ in range(100)]
    for s in unfinished[:10]:
        s.sendall(b"GET /met")
    for s in unfinished:
        s.close()
    wait_until(lambda: monitored.get("/health") == (200, "ok\n"))
    assert monitored.client.ping()


def test_a_stream_whose_peer_has_gone_is_ended() -> None:
    """The peer resets the connection before it has the head of the response."""
    ended = []

    class Pieces:
        def __aiter__(self) -> AsyncIterator[bytes]:
            raise AssertionError("nobody reads it")

        async def aclose(self) -> None:
            ended.append(self)

    async def reset() -> None:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        def answer(request: Request) -> Response:
            client.close()
            return Response(stream=Pieces())  # type: ignore[arg-type]

        server = HttpServer()
        server.sites.append(Site({"/": Page(answer)}, ["127.0.0.1"]))
        await server.start(0)
        client.connect(("127.0.0.1", server.port))
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(30):
            while not ended:
                await asyncio.sleep(0.01)
        assert server.open == server.streams == 0
        server.close()

    asyncio.run(reset())
    assert len(ended) == 1


def test_a_sentinel(tmp_path: Path) -> None:
    """Under the names that redis_exporter has for sentinels."""
    master, port = start_oracle(tmp_path), free_port()
    replica = start_oracle(tmp_path, "--replicaof", f"{master.host} {master.port}")
    address = f"{master.host}:{master.port}"
    lines = [
        f"metrics-port {port}",
        f"sentinel monitor {NAME} {master.host} {master.port} 1",
        f"sentinel down-after-milliseconds {NAME} 45000",
        f"sentinel parallel-syncs {NAME} 3",
    ]
    sentinel = SentinelProcess(tmp_path / "sentinel", True, lines)
    try:
        where = (("master_address", address), ("master_name", NAME))
        sentinel.wait()
        ours = (*where, ("master_status", "ok"))
        wait_until(lambda: samples(port).get(("redis_sentinel_master_ok_slaves", where)) == 1, sentinel.log)
        found = samples(port)
        assert found["redis_sentinel_masters", ()] == 1 and found["redis_sentinel_tilt", ()] == 0
        assert found["redis_sentinel_master_status", ours] == 1 and found["redis_sentinel_master_slaves", where] == 1
        assert (
            found["redis_sentinel_master_sentinels", where] == found["redis_sentinel_master_ok_sentinels", where] == 1
        )
        assert found["redis_sentinel_master_setting_ckquorum", where] == 1
        assert found["redis_sentinel_master_setting_down_after_milliseconds", where] == 45000
        assert found["redis_sentinel_master_setting_parallel_syncs", where] == 3
        assert found["redis_sentinel_master_setting_failover_timeout", where] == 180000
        assert found["redis_sentinel_master_config_epoch", where] == 0
        assert 0 <= found["redis_sentinel_master_last_ok_ping_reply_seconds", where] < 60
        client = sentinel.client()
        message = client.execute_command("SENTINEL", "CKQUORUM", NAME)
        labels = (("master_name", NAME), ("message", message))
        assert found["redis_sentinel_master_ckquorum_status", labels] == 1
        assert client.execute_command("SENTINEL", "SET", NAME, "quorum", 2) == "OK"
        with pytest.raises(redis.ResponseError) as refused:
            client.execute_command("SENTINEL", "CKQUORUM", NAME)
        found = samples(port)
        labels = (("master_name", NAME), ("message", str(refused.value)))
        assert found["redis_sentinel_master_ckquorum_status", labels] == 0
        assert not any(name.startswith("redis_db_") for name, _ in found)
        mode = next(dict(labels)["redis_mode"] for name, labels in found if name == "redis_instance_info")
        assert mode == "sentinel"
        client.close()
    finally:
        for server in (sentinel, replica, master):
            server.stop()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = ["--port", str(free_port()), "--metrics-port", str(taken.getsockname()[1])]
        done = subprocess.run([sys.executable, "-m", "pyredis", *ports], cwd=tmp_path, capture_output=True, timeout=60)
        assert done.returncode == 1
        assert b"Failed listening on port %d (metrics)" % taken.getsockname()[1] in done.stdout + done.stderr


def test_nothing_is_served_unless_asked(tmp_path: Path) -> None:
    server = start_ours(tmp_path)
    try:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            assert client.config_get("metrics-port") == {"metrics-port": "0"}
            assert client.config_get("metrics-bind") == {"metrics-bind": "127.0.0.1"}
            assert "metrics-port" not in client.config_get("*")
    finally:
        server.stop()
