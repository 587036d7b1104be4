"""Clients of the last server of a chain: redis-py and redis-cli see there what was written to the first."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ReadOnlyError

from tests.support.replication import Node, group, wait_in_step, write
from tests.support.waiting import wait_until

CHAINS = [("ours", "ours", "ours"), ("redis", "ours", "ours"), ("ours", "redis", "ours"), ("ours", "ours", "redis")]


def client(node: Node) -> Redis:
    return Redis(port=node.port, decode_responses=True, socket_timeout=30)


def redis_cli(node: Node, *argv: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(node.port), *argv], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.parametrize("kinds", CHAINS, ids="-".join)
def test_redis_py(tmp_path: Path, kinds: tuple[str, str, str]) -> None:
    """Values, deadlines, messages, blocking reads and cached keys; what writes is refused."""
    with group(tmp_path) as servers:
        first, middle, last = (servers.start(kind) for kind in kinds)
        middle.replicate(first)
        last.replicate(middle)
        with client(first) as writer, client(last) as reader, reader.pubsub() as channel:
            writer.hset("h", mapping={"a": "1", "b": "2"})
            writer.zadd("z", {"x": 1.5})
            writer.set("t", "v", ex=1000)
            with writer.pipeline() as transaction:
                transaction.incr("n").incr("n").execute()
            assert writer.wait(1, 30_000) == 1  # only its own replicas count
            wait_until(lambda: reader.get("n") == "2")
            assert reader.hgetall("h") == {"a": "1", "b": "2"}
            assert reader.zscore("z", "x") == 1.5
            assert reader.pexpiretime("t") == writer.pexpiretime("t")
            assert reader.role()[:3] == ["slave", "127.0.0.1", middle.port]
            assert writer.role()[2] == [["127.0.0.1", str(middle.port), writer.role()[2][0][2]]]
            with pytest.raises(ReadOnlyError):
                reader.set("x", "y")
            channel.subscribe("news")
            assert channel.get_message(timeout=30)
            writer.publish("news", "first")
            found = channel.get_message(timeout=30)
            assert found is not None and found["data"] == "first"
            got = []
            waiting = threading.Thread(target=lambda: got.append(reader.xread({"s": "$"}, block=30_000)))
            waiting.start()
            with client(last) as other:
                wait_until(lambda: other.info("clients")["blocked_clients"] == 1)
                writer.xadd("s", {"f": "v"}, id="5-1")
            waiting.join()
            assert got == [[["s", [("5-1", {"f": "v"})]]]]
            writer.set("short", "v", px=20)
            wait_until(lambda: not writer.exists("short"))
            wait_in_step(first, middle, last)
            assert reader.dbsize() == writer.dbsize()


@pytest.mark.parametrize("kinds", CHAINS, ids="-".join)
def test_redis_cli(tmp_path: Path, kinds: tuple[str, str, str]) -> None:
    """Commands, a snapshot and the stream, all of the last one."""
    with group(tmp_path) as servers:
        first, middle, last = (servers.start(kind) for kind in kinds)
        middle.replicate(first)
        last.replicate(middle)
        write(first, 1)
        redis_cli(first, "set", "word", "hello")
        wait_in_step(first, middle, last)
        assert redis_cli(last, "get", "word") == "hello\n"
        assert redis_cli(last, "role").split("\n")[:4] == ["slave", "127.0.0.1", str(middle.port), "connected"]
        assert redis_cli(last, "set", "word", "x") == "READONLY You can't write against a read only replica.\n\n"
        assert redis_cli(last, "info", "replication").count("role:slave") == 1
        file = tmp_path / "last.rdb"
        redis_cli(last, "--rdb", str(file))
        keys = sum(int(value.split(",")[0].removeprefix("keys=")) for value in last.info("keyspace").values())
        done = subprocess.run(["redis-check-rdb", str(file)], capture_output=True, text=True, timeout=60)
        assert f"[info] {keys} keys read" in done.stdout
        wait_until(lambda: last.info()["connected_slaves"] == "0")
        command = ["redis-cli", "-p", str(last.port), "--replica"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as follower:
            try:
                wait_until(lambda: "state=online" in str(last.info()))
                redis_cli(first, "set", "unseen", "1")  # redis-cli takes it for the reply to its acknowledgement
                redis_cli(first, "set", "seen", "1")
                assert follower.stdout is not None
                line = b""
                while b'"seen"' not in line:
                    line = follower.stdout.readline()
                    assert line
            finally:
                follower.kill()
        wait_in_step(first, middle, last)
