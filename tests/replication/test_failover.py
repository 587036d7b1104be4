"""FAILOVER: the role goes to a replica that has everything; what must not be lost is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.replication import KINDS, group, wait_in_step, write
from tests.support.waiting import PATIENCE, wait_until

PAIRS = [("ours", "ours"), ("ours", "redis"), ("redis", "ours")]


@pytest.mark.parametrize(("old_kind", "new_kind"), PAIRS)
def test_there_and_back(tmp_path: Path, old_kind: str, new_kind: str) -> None:
    with group(tmp_path) as servers:
        old, new = servers.start(old_kind), servers.start(new_kind)
        new.replicate(old)
        write(old, 1, 100)
        for master, replica in ((old, new), (new, old), (old, new)):
            wait_until(lambda master=master: "state=online" in master.info()["slave0"])  # type: ignore[misc]
            master.ok("FAILOVER", "TO", "127.0.0.1", replica.port, "TIMEOUT", "60000")
            wait_until(lambda replica=replica: replica.info()["role"] == "master")  # type: ignore[misc]
            master.wait_for_link()
            assert master.info()["master_failover_state"] == "no-failover"
            write(replica, 2, 100)
            wait_in_step(replica, master)
        assert [node.info("stats")["sync_full"] for node in (old, new)] == ["1", "0"]


@pytest.mark.parametrize("kind", KINDS)
def test_writes_wait(tmp_path: Path, kind: str) -> None:
    """While the replica lags, writes wait and reads do not; a timeout ends the attempt, ABORT another one."""
    with group(tmp_path) as servers:
        master, replica = servers.start(kind), servers.start(kind)
        replica.replicate(master)
        wait_in_step(master, replica)
        writer = RawClient(master.server.connect())
        with replica.paused():
            master.ok("SET", "k", "1")
            master.ok("FAILOVER")
            assert master.info()["master_failover_state"] == "waiting-for-sync"
            assert master.call("FAILOVER") == b"-ERR FAILOVER already in progress.\r\n"
            assert master.call("REPLICAOF", "127.0.0.1", "1").startswith(b"-ERR REPLICAOF not allowed while failing")
            writer.send("INCR", "k")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "1")
            assert master.call("GET", "k") == b"$1\r\n1\r\n"
            master.ok("FAILOVER", "ABORT")
            assert writer.read() == b":2\r\n"
            assert master.info()["master_failover_state"] == "no-failover"
            # The time runs from here on: what is looked at before it ends comes with the order.
            started, state = master.client.pipeline([[b"FAILOVER", b"TIMEOUT", b"700"], [b"INFO", b"replication"]])
            assert started == b"+OK\r\n" and b"master_failover_state:waiting-for-sync\r\n" in state
            assert writer.call("INCR", "k") == b":3\r\n"
            wait_until(lambda: master.info()["master_failover_state"] == "no-failover")
            assert master.info()["role"] == "master"
        wait_in_step(master, replica)


@pytest.mark.parametrize("kind", KINDS)
def test_forced(tmp_path: Path, kind: str) -> None:
    """FORCE does not wait for the replica; it goes on waiting for its answer, or is called off."""
    with group(tmp_path) as servers:
        master, replica = servers.start(kind), servers.start(kind)
        replica.replicate(master)
        wait_in_step(master, replica)
        with replica.paused():
            master.ok("SET", "k", "1")
            master.ok("FAILOVER", "TO", "127.0.0.1", replica.port, "FORCE", "TIMEOUT", "200")
            wait_until(lambda: master.info()["master_failover_state"] == "failover-in-progress")
            assert master.info()["role"] == "slave"
            master.ok("FAILOVER", "ABORT")
            assert master.info()["role"] == "master"
        master.ok("SET", "k", "2")
        replica.wait_for_link()
        wait_in_step(master, replica)


@pytest.mark.parametrize("kind", KINDS)
def test_shutdown_waits(tmp_path: Path, kind: str) -> None:
    """For a replica that lags, with writes held back; it can be called off."""
    with group(tmp_path) as servers:
        master, replica = servers.start(kind, "--shutdown-timeout", "60"), servers.start("ours")
        replica.replicate(master)
        wait_in_step(master, replica)
        asking, writing = (RawClient(master.server.connect()) for _ in range(2))
        with replica.paused():
            master.ok("SET", "k", "1")
            assert master.call("SHUTDOWN", "ABORT") == b"-ERR No shutdown in progress.\r\n"
            asking.send("SHUTDOWN")
            wait_until(lambda: "shutdown_in_milliseconds" in master.info("server"))
            writing.send("SET", "k", "2")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "2")
            assert master.call("GET", "k") == b"$1\r\n1\r\n"
            assert master.call("SHUTDOWN", "ABORT") == b"+OK\r\n"
            assert asking.read() == b"-ERR Errors trying to SHUTDOWN. Check logs.\r\n"
            assert writing.read() == b"+OK\r\n"
            master.server.process.terminate()
            wait_until(lambda: master.log().count("Waiting for replicas before shutting down.") == 2)
        assert master.server.process.wait(PATIENCE) == 0
        assert "1 of 1 replicas are in sync when shutting down." in master.log()
        assert replica.call("GET", "k") == b"$1\r\n2\r\n"
        asking.close()
        writing.close()
