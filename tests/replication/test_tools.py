"""Replicas that are none: redis-cli's; several replicas at once; what is kept while there are none; a pause."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.replication import KINDS, count_keys, following, group, snapshot_check, wait_in_step, write
from tests.support.waiting import wait_until


def test_redis_cli_takes_a_snapshot(tmp_path: Path) -> None:
    """``--rdb`` and ``--functions-rdb``: files that redis-check-rdb reads."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        write(master, 1)
        for option, wanted in (("--rdb", count_keys(master)), ("--functions-rdb", 0)):
            assert f"[info] {wanted} keys read" in snapshot_check(master, option, tmp_path / f"{option}.rdb")
        wait_until(lambda: master.info()["connected_slaves"] == "0")


def test_redis_cli_follows(tmp_path: Path) -> None:
    """``--replica``: the stream as it comes."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        with following(master) as read_until:
            master.ok("SET", "seen", "1")
            read_until(b'"seen"')


@pytest.mark.parametrize("diskless", ["yes", "no"])
def test_several_replicas_share_a_child(tmp_path: Path, diskless: str) -> None:
    """Those that come while others wait, or (by a file) while it is written, get the same snapshot."""
    with group(tmp_path) as servers:
        # It begins when all three wait; or (microseconds for each of some thirty keys) there is time to stop the child.
        all_three = ("--repl-diskless-sync-delay", "1000", "--repl-diskless-sync-max-replicas", "3")
        more = all_three if diskless == "yes" else ("--rdb-key-save-delay", "100000")
        master = servers.start("ours", "--repl-diskless-sync", diskless, *more)
        write(master, 1)
        replicas = [servers.start(kind) for kind in (*KINDS, "ours")]
        for replica in replicas:
            replica.ok("REPLICAOF", "127.0.0.1", master.port)
        if diskless == "no":
            children = Path(f"/proc/{master.server.pid}/task/{master.server.pid}/children")
            wait_until(children.read_text, master.log)
            child = int(children.read_text())
            os.kill(child, signal.SIGSTOP)
            try:
                wait_until(lambda: master.info()["connected_slaves"] == "3", master.log)
            finally:
                os.kill(child, signal.SIGCONT)
        write(master, 2, 100)
        for replica in replicas:
            replica.wait_for_link()
        write(master, 3, 100)
        wait_in_step(master, *replicas)
        stats = master.info("stats")
        assert (stats["sync_full"], stats["total_forks"]) == ("3", "1")


def test_the_backlog_goes(tmp_path: Path) -> None:
    """Without replicas for ``repl-backlog-ttl`` seconds; the history ends with it."""
    with group(tmp_path) as servers:
        master, replica = servers.start("ours", "--repl-backlog-ttl", "1"), servers.start("ours")
        replica.replicate(master)
        before = master.info()
        assert before["repl_backlog_active"] == "1"
        replica.ok("REPLICAOF", "NO", "ONE")
        wait_until(lambda: master.info()["repl_backlog_active"] == "0")
        after = master.info()
        assert after["master_replid"] != before["master_replid"]
        assert "Replication backlog freed after" in master.log()
        replica.replicate(master)
        write(master, 1, 50)
        wait_in_step(master, replica)


def test_a_smaller_and_a_larger_backlog(tmp_path: Path) -> None:
    """``repl-backlog-size`` while running: the newest part stays."""
    with group(tmp_path) as servers:
        master, replica = servers.start("ours"), servers.start("ours")
        proxy = servers.proxy(master)
        replica.replicate(proxy)
        for size in (16384, 1 << 20, 20000):
            write(master, size, 100)
            wait_in_step(master, replica)
            proxy.cut()
            wait_until(lambda: replica.info()["master_link_status"] == "down")
            master.ok("SET", "k", b"x" * 5000)
            master.ok("CONFIG", "SET", "repl-backlog-size", size)
            info = master.info()
            assert int(info["repl_backlog_histlen"]) <= int(info["repl_backlog_size"]) == size
            first = int(info["repl_backlog_first_byte_offset"])
            assert first + int(info["repl_backlog_histlen"]) == int(info["master_repl_offset"]) + 1
            proxy.mend()
            replica.wait_for_link()
            wait_in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"


@pytest.mark.parametrize("master_kind", KINDS)
def test_a_paused_replica(tmp_path: Path, master_kind: str) -> None:
    """CLIENT PAUSE holds the stream, too; nothing of it is lost."""
    with group(tmp_path) as servers:
        master, replica = servers.start(master_kind), servers.start("ours")
        replica.replicate(master)
        wait_in_step(master, replica)
        replica.ok("CLIENT", "PAUSE", "100000", "WRITE")
        write(master, 1, 200)
        master.ok("SET", "k", "v")
        assert replica.call("GET", "k") == b"$-1\r\n"
        replica.ok("CLIENT", "UNPAUSE")
        wait_in_step(master, replica)
        assert replica.call("GET", "k") == b"$1\r\nv\r\n"
