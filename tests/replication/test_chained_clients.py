"""Clients of the last server of a chain: redis-py and redis-cli see there what was written to the first."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ReadOnlyError

from tests.support.replication import Node, count_keys, following, group, snapshot_check, wait_in_step, write
from tests.support.waiting import wait_until

CHAINS = [("ours", "ours", "ours"), ("redis", "ours", "ours"), ("ours", "redis", "ours"), ("ours", "ours", "redis")]


@contextmanager
def chain(directory: Path, kinds: tuple[str, str, str]) -> Iterator[list[Node]]:
    """A master, its replica, and that one's."""
    with group(directory) as servers:
        nodes = [servers.start(kind) for kind in kinds]
        nodes[1].replicate(nodes[0])
        nodes[2].replicate(nodes[1])
        yield nodes


def client(node: Node) -> Redis:
    return Redis(port=node.port, decode_responses=True, socket_timeout=60)


def redis_cli(node: Node, *argv: str) -> str:
    done = subprocess.run(
        ["redis-cli", "-p", str(node.port), *argv], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


@pytest.mark.parametrize("kinds", CHAINS, ids="-".join)
def test_redis_py(tmp_path: Path, kinds: tuple[str, str, str]) -> None:
    """Values, deadlines, messages, blocking reads and cached keys; what writes is refused."""
    with (
        chain(tmp_path, kinds) as (first, middle, last),
        client(first) as writer,
        client(last) as reader,
        reader.pubsub() as channel,
    ):
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
        role = writer.role()  # asked once: the replica's acknowledgements come by themselves
        assert role[2] == [["127.0.0.1", str(middle.port), role[2][0][2]]]
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
    with chain(tmp_path, kinds) as (first, middle, last):
        write(first, 1)
        redis_cli(first, "set", "word", "hello")
        wait_in_step(first, middle, last)
        assert redis_cli(last, "get", "word") == "hello\n"
        assert redis_cli(last, "role").split("\n")[:4] == ["slave", "127.0.0.1", str(middle.port), "connected"]
        assert redis_cli(last, "set", "word", "x") == "READONLY You can't write against a read only replica.\n\n"
        assert redis_cli(last, "info", "replication").count("role:slave") == 1
        assert f"[info] {count_keys(last)} keys read" in snapshot_check(last, "--rdb", tmp_path / "last.rdb")
        wait_until(lambda: last.info()["connected_slaves"] == "0")
        with following(last) as read_until:
            redis_cli(first, "set", "unseen", "1")  # redis-cli takes it for the reply to its acknowledgement
            redis_cli(first, "set", "seen", "1")
            read_until(b'"seen"')
        wait_in_step(first, middle, last)
