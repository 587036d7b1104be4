"""Master and replicas of different kinds, under sentinels of ours, of Redis, and of both: two failovers, one each way.

A client of redis-py writes all the time.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sentinels import KINDS, Cluster, Instance, wait_for
from tests.support.writer import Writer


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as cluster:
        yield cluster


def info(cluster: Cluster, server: Instance, section: str = "replication") -> dict[str, object]:
    with cluster.client(server.port) as client:
        found: dict[str, object] = client.info(section)
    return found


def partial_resync(cluster: Cluster, master: Instance) -> None:
    """Its replicas' links are cut: all go on from the backlog."""
    before = info(cluster, master, "stats")
    with cluster.client(master.port) as client:
        cut = int(client.execute_command("CLIENT", "KILL", "TYPE", "replica"))  # type: ignore[arg-type]
    assert cut >= 1
    wanted = int(str(before["sync_partial_ok"])) + cut
    wait_for(
        lambda: int(str(info(cluster, master, "stats")["sync_partial_ok"])) >= wanted, "partial resynchronisations"
    )
    assert info(cluster, master, "stats")["sync_full"] == before["sync_full"]


@pytest.mark.parametrize("sentinels", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("ours", [True, False], ids=["our-master", "redis-master"])
def test_failover_there_and_back(cluster: Cluster, ours: bool, sentinels: tuple[bool, ...]) -> None:
    """The master is killed, a replica of the other kind takes over, and the old master comes back as its replica.

    Then that one stands still, and the first takes over again. A chained replica follows all the time.
    """
    old, new, third = cluster.add_servers(3, kinds=(ours, not ours, not ours))
    with cluster.client(third.port) as client:
        client.config_set("replica-priority", 200)  # it stays a replica
    chained = Instance(
        cluster.directory / "chained", ours, "--replicaof", f"127.0.0.1 {third.port}", "--replica-announced", "no"
    )
    cluster.servers.append(chained)
    cluster.add_sentinels(sentinels, "sentinel failover-timeout mymaster 1000")
    cluster.wait_until_known(2)
    writer = Writer([sentinel.port for sentinel in cluster.sentinels])
    try:
        cluster.wait_for_replica(chained.port, third.port, "the chained replica follows")
        wait_for(lambda: len(writer.acknowledged) > 20, "writes")
        partial_resync(cluster, old)
        for master, heir, how in ((old, new, signal.SIGKILL), (new, old, signal.SIGSTOP)):
            cluster.wait_until_known(2)
            master.signal(how)
            assert cluster.wait_for_switch(master.port) == heir.port
            switched = time.monotonic()
            wait_for(lambda: writer.written_since(switched) > 20, "writes to the new master")  # noqa: B023
            cluster.wait_for_replica(third.port, heir.port, "the other replica follows the new master")
            if how == signal.SIGKILL:
                master.start()
            else:
                master.signal(signal.SIGCONT)
            cluster.wait_for_replica(master.port, heir.port, "the old master follows the new one")
            cluster.wait_for_replica(chained.port, third.port, "the chained replica follows still")
        partial_resync(cluster, old)
    finally:
        writer.stop()
    wait_for(lambda: len(cluster.digests()) == 1, "all have the same data")
    with cluster.client(old.port) as client:
        after = [n for at, n in writer.acknowledged if at > switched]
        assert client.mget([f"key:{n}" for n in after]) == [str(n) for n in after]
    cluster.wait_for_one_epoch(2)
