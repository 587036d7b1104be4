"""Every mixture of masters and replicas, ours and redis-server's: what one writes the others have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.replication import KINDS, group, wait_in_step, write
from tests.support.waiting import wait_until

PAIRS = [(master, replica) for master in KINDS for replica in KINDS if "ours" in (master, replica)]


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS)
def test_full_sync(tmp_path: Path, master_kind: str, replica_kind: str, diskless: str) -> None:
    """What was there before comes with the snapshot, what comes later with the stream."""
    with group(tmp_path) as servers:
        master = servers.start(master_kind, "--repl-diskless-sync", diskless)
        replica = servers.start(replica_kind)
        write(replica, 5, 50)  # it must go
        write(master, 1)
        replica.replicate(master)
        write(master, 2)
        wait_in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"
        assert master.info()["connected_slaves"] == "1"
        assert master.info()["slave0"].startswith(f"ip=127.0.0.1,port={replica.port},state=online,offset=")


@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
@pytest.mark.parametrize(("master_kind", "diskless"), [("ours", "yes"), ("redis", "yes"), ("redis", "no")])
def test_ways_to_load(tmp_path: Path, master_kind: str, diskless: str, load: str) -> None:
    """A replica of ours takes a snapshot of known and of unknown length, by the disk and without it."""
    with group(tmp_path) as servers:
        master = servers.start(master_kind, "--repl-diskless-sync", diskless)
        replica = servers.start("ours", "--repl-diskless-load", load)
        write(master, 3)
        replica.replicate(master)
        write(master, 4, 100)
        wait_in_step(master, replica)
        where = "disk" if load == "disabled" else "parser"
        assert f"to {where}" in replica.log()


@pytest.mark.parametrize(("master_kind", "replica_kind"), PAIRS)
def test_partial_resync(tmp_path: Path, master_kind: str, replica_kind: str) -> None:
    """A cut link is mended from the backlog; a link cut for too long by a new snapshot."""
    with group(tmp_path) as servers:
        master = servers.start(master_kind)
        replica = servers.start(replica_kind)
        proxy = servers.proxy(master)
        replica.replicate(proxy)
        refused = int(master.info("stats")["sync_partial_err"])  # it asked with its own ID first
        for seed in range(3):
            write(master, 10 + seed, 100)
            proxy.cut()
            wait_until(lambda: replica.info()["master_link_status"] == "down")
            write(master, 20 + seed, 100)
            proxy.mend()
            replica.wait_for_link()
            write(master, 30 + seed, 50)
            wait_in_step(master, replica)
        stats = master.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"], stats["sync_partial_err"]) == ("1", "3", str(refused))
        proxy.cut()
        wait_until(lambda: replica.info()["master_link_status"] == "down")
        master.ok("SET", "large", b"x" * (3 << 20))
        proxy.mend()
        replica.wait_for_link()
        wait_in_step(master, replica)
        stats = master.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"], stats["sync_partial_err"]) == ("2", "3", str(refused + 1))


@pytest.mark.parametrize(
    "kinds",
    [("ours", "ours", "ours"), ("redis", "ours", "redis"), ("ours", "redis", "ours"), ("redis", "ours", "ours")],
)
def test_chained(tmp_path: Path, kinds: tuple[str, str, str]) -> None:
    """A replica's replica has the same history: after the middle one is gone it goes on at the master itself."""
    with group(tmp_path) as servers:
        master, middle, last = (servers.start(kind) for kind in kinds)
        write(master, 6)
        middle.replicate(master)
        last.replicate(middle)
        write(master, 7)
        wait_in_step(master, middle, last)
        assert master.info()["master_replid"] == last.info()["master_replid"]
        last.replicate(master)
        write(master, 8)
        wait_in_step(master, middle, last)
        assert master.info("stats")["sync_full"] == "1"
        assert master.info("stats")["sync_partial_ok"] == "1"


@pytest.mark.parametrize(("old_kind", "new_kind"), PAIRS)
def test_roles_change(tmp_path: Path, old_kind: str, new_kind: str) -> None:
    """The old master and the other replica follow the new one without a snapshot."""
    with group(tmp_path) as servers:
        # A PING of the old master while there are two would be a piece of its history that the new one does not have.
        period = ("--repl-ping-replica-period", "1000")
        old, new, other = (servers.start(kind, *period) for kind in (old_kind, new_kind, "ours"))
        write(old, 9)
        new.replicate(old)
        other.replicate(old)
        wait_in_step(old, new, other)
        before = old.info()
        new.ok("REPLICAOF", "NO", "ONE")
        after = new.info()
        assert after["role"] == "master"
        assert after["master_replid2"] == before["master_replid"]
        assert int(after["second_repl_offset"]) == int(after["master_repl_offset"]) + 1
        write(new, 10)
        old.replicate(new)
        other.replicate(new)
        write(new, 11)
        wait_in_step(new, old, other)
        stats = new.info("stats")
        assert (stats["sync_full"], stats["sync_partial_ok"]) == ("0", "2")
