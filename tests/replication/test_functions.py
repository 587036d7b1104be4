"""Libraries of functions at replicas: by the stream and by snapshots, between servers of both kinds."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.replication import KINDS, Node, group, wait_in_step
from tests.support.tree import Node as Reply
from tests.support.tree import tree
from tests.support.waiting import wait_until

PAIRS = [(master, replica) for master in KINDS for replica in KINDS if "ours" in (master, replica)]


def library(name: str, answer: int) -> str:
    return (
        f"#!lua name={name}\n"
        f"redis.register_function{{function_name='{name}_get', callback=function() return {answer} end, "
        "flags={'no-writes'}}\n"
        f"redis.register_function('{name}_set', function(keys) return redis.call('INCRBY', keys[1], {answer}) end)"
    )


def functions(node: Node) -> list[Reply]:
    """What FUNCTION LIST shows, in an order of its own: the servers' is a hash table's."""
    listed = tree(node.call("FUNCTION", "LIST", "WITHCODE"))
    return sorted((_sorted(one) for one in listed.value), key=repr)


def _sorted(reply: Reply) -> Reply:
    if not isinstance(reply.value, tuple):
        return reply
    parts = [_sorted(one) for one in reply.value]
    if all(isinstance(one.value, tuple) for one in parts):
        parts.sort(key=repr)
    return Reply(reply.kind, tuple(parts))


def same(master: Node, *replicas: Node) -> None:
    wait_in_step(master, *replicas)
    for replica in replicas:
        assert functions(replica) == functions(master)


@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS)
def test_by_the_stream(tmp_path: Path, master_kind: str, replica_kind: str) -> None:
    """LOAD, LOAD REPLACE, DELETE, RESTORE with each policy and FLUSH arrive; what is refused does not."""
    with group(tmp_path) as servers:
        master, replica, last = servers.start(master_kind), servers.start(replica_kind), servers.start("ours")
        replica.replicate(master)
        last.replicate(replica)
        assert master.call("FUNCTION", "LOAD", library("one", 1)) == b"$3\r\none\r\n"
        same(master, replica, last)
        assert len(functions(last)) == 1
        assert replica.call("FCALL_RO", "one_get", 0) == b":1\r\n"
        assert master.call("FCALL", "one_set", 1, "n") == b":1\r\n"
        assert replica.call("FCALL", "one_set", 1, "n").startswith(b"-READONLY")
        assert master.call("FUNCTION", "LOAD", library("one", 2)) == b"-ERR Library 'one' already exists\r\n"
        assert master.call("FUNCTION", "LOAD", "REPLACE", library("one", 2)) == b"$3\r\none\r\n"
        assert master.call("FUNCTION", "LOAD", library("two", 3)) == b"$3\r\ntwo\r\n"
        same(master, replica, last)
        assert [node.call("FCALL_RO", "one_get", 0) for node in (replica, last)] == [b":2\r\n"] * 2
        dumped = master.call("FUNCTION", "DUMP").split(b"\r\n", 1)[1][:-2]
        master.ok("FUNCTION", "DELETE", "one")
        same(master, replica, last)
        assert replica.call("FCALL_RO", "one_get", 0) == b"-ERR Function not found\r\n"
        assert master.call("FUNCTION", "RESTORE", dumped).startswith(b"-ERR Library two already exists")
        master.ok("FUNCTION", "RESTORE", dumped, "REPLACE")
        same(master, replica, last)
        master.call("FUNCTION", "LOAD", library("three", 4))
        master.ok("FUNCTION", "RESTORE", dumped, "FLUSH")
        same(master, replica, last)
        master.ok("FUNCTION", "FLUSH")
        same(master, replica, last)
        master.ok("FUNCTION", "RESTORE", dumped, "APPEND")
        master.ok("MULTI")
        master.call("FUNCTION", "DELETE", "two")
        master.call("FCALL", "one_set", 1, "n")
        master.call("EXEC")
        same(master, replica, last)
        assert len(functions(last)) == 1
        assert replica.call("GET", "n") == b"$1\r\n3\r\n"
        for node in (replica, last):
            assert node.call("FUNCTION", "FLUSH") == b"-READONLY You can't write against a read only replica.\r\n"
            assert "sending an error to its master" not in node.log()


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS)
def test_by_a_snapshot(tmp_path: Path, master_kind: str, replica_kind: str, load: str) -> None:
    """The master's functions take the place of the replica's, again and again, and none is left if it has none."""
    with group(tmp_path) as servers:
        master = servers.start(master_kind, "--repl-diskless-sync", "no" if load == "on-empty-db" else "yes")
        replica = servers.start(replica_kind, "--repl-diskless-load", load)
        master.call("FUNCTION", "LOAD", library("one", 1))
        master.ok("SET", "k", "v")
        replica.call("FUNCTION", "LOAD", library("one", 5))
        replica.call("FUNCTION", "LOAD", library("own", 6))
        for change in (
            ["FUNCTION", "LOAD", library("two", 2)],
            ["FUNCTION", "LOAD", "REPLACE", library("one", 3)],
            ["FUNCTION", "FLUSH"],
        ):
            replica.replicate(master)
            same(master, replica)
            replica.ok("REPLICAOF", "NO", "ONE")
            replica.ok("SET", "mine", "1")  # the histories part
            master.call(*change)
        replica.replicate(master)
        same(master, replica)
        assert functions(replica) == []
        assert master.info("stats")["sync_full"] == "4"


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_a_script_that_runs_meanwhile(tmp_path: Path, load: str) -> None:
    """A long script of the replica sees the data that it began with; the snapshot's come when it has ended."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--repl-diskless-sync-delay", "1000")
        master.ok("SET", "k", "new")
        replica = servers.start("ours", "--repl-diskless-load", load, "--busy-reply-threshold", "10")
        replica.ok("SET", "k", "old")
        replica.ok("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: "state=wait_bgsave" in master.info().get("slave0", ""))
        replies = []

        def call() -> None:
            client = RawClient(replica.server.connect())
            replies.append(client.call("EVAL_RO", "while redis.call('GET', KEYS[1]) == 'old' do end", 1, "k"))
            client.close()

        thread = threading.Thread(target=call)
        thread.start()
        wait_until(lambda: replica.call("PING").startswith(b"-BUSY"))
        master.ok("CONFIG", "SET", "repl-diskless-sync-delay", 0)
        wait_until(lambda: "Streamed RDB transfer with replica" in master.log(), master.log)
        for _ in range(20):
            assert replica.call("PING").startswith(b"-BUSY")
        replica.ok("SCRIPT", "KILL")
        thread.join()
        assert b"killed" in replies[0], replies
        replica.wait_for_link()
        assert replica.call("GET", "k") == b"$3\r\nnew\r\n"
