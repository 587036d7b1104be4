"""What a restart keeps: the place in the history is in the snapshot, so that nobody needs another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.replication import KINDS, group, wait_in_step, write
from tests.support.waiting import wait_until

SAVING = ("--save", "3600 1")


@pytest.mark.parametrize("master_kind", KINDS)
def test_of_a_replica(tmp_path: Path, master_kind: str) -> None:
    """It goes on where it was, in the right database."""
    with group(tmp_path) as servers:
        master = servers.start(master_kind)
        replica = servers.start("ours", *SAVING)
        replica.replicate(master)
        write(master, 1)
        master.ok("SELECT", "5")
        master.ok("SET", "in five", "1")
        wait_in_step(master, replica)
        replica.stop()
        master.ok("SET", "still in five", "1")
        replica.restart("--replicaof", f"127.0.0.1 {master.port}")
        replica.wait_for_link()
        master.ok("SET", "again", "1")
        write(master, 2, 100)
        wait_in_step(master, replica)
        stats = master.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"]) == ("1", "1")


@pytest.mark.parametrize("replica_kind", KINDS)
def test_of_a_master(tmp_path: Path, replica_kind: str) -> None:
    """A new history begins; the old one's replicas are let into it."""
    with group(tmp_path) as servers:
        master = servers.start("ours", *SAVING)
        replica = servers.start(replica_kind)
        proxy = servers.proxy(master)
        replica.replicate(proxy)
        write(master, 1)
        wait_in_step(master, replica)
        before = master.info()
        proxy.cut()
        wait_until(lambda: replica.info()["master_link_status"] == "down")
        master.restart()
        after = master.info()
        assert after["master_replid2"] == before["master_replid"] != after["master_replid"]
        assert after["second_repl_offset"] == str(int(after["master_repl_offset"]) + 1)
        proxy.target = master.port
        proxy.mend()
        replica.wait_for_link()
        write(master, 2, 100)
        wait_in_step(master, replica)
        stats = master.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"]) == ("0", "1")


def test_of_a_replica_with_an_append_only_file(tmp_path: Path) -> None:
    """A full resynchronisation replaces the file's content; after a restart the data are those of the master."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        replica = servers.start("ours", "--appendonly", "yes")
        write(replica, 9, 50)
        write(master, 1)
        replica.replicate(master)
        write(master, 2)
        wait_in_step(master, replica)
        for field in ("aof_rewrite_scheduled", "aof_rewrite_in_progress"):
            wait_until(lambda field=field: replica.info("persistence")[field] == "0")  # type: ignore[misc]
        write(master, 3)
        wait_in_step(master, replica)
        digest = replica.digest()
        replica.stop()
        replica.restart()
        replica.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        assert replica.digest() == digest
