"""Failovers: every mixture of our sentinels and Redis's, over servers of both kinds, while a client writes."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from tests.support.sentinels import KINDS, Cluster, wait_for
from tests.support.writer import Writer


@pytest.fixture
def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three servers, no sentinel yet."""
    with Cluster(tmp_path, ours=getattr(request, "param", False)) as cluster:
        cluster.add_servers(3)
        yield cluster


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["kill", "stop"])
@pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("cluster", [False, True], ids=["redis-servers", "our-servers"], indirect=True)
def test_failover_and_return(cluster: Cluster, kinds: tuple[bool, ...], how: signal.Signals) -> None:
    """The master dies or stands still; a replica takes over; the old one comes back as its replica; all have the same
    data, and what was written to the new master is there."""
    cluster.add_sentinels(kinds)
    cluster.wait_until_known(2)
    old = cluster.servers[0]
    writer = Writer([sentinel.port for sentinel in cluster.sentinels])
    try:
        wait_for(lambda: len(writer.acknowledged) > 20, "writes")
        old.signal(how)
        new = cluster.wait_for_switch(old.port)
        switched = time.monotonic()
        wait_for(lambda: writer.written_since(switched) > 20, "writes to the new master")
        other = next(s.port for s in cluster.servers if s.port not in (old.port, new))
        cluster.wait_for_replica(other, new, "the other replica follows the new master")
        if how == signal.SIGKILL:
            old.start()
        else:
            old.signal(signal.SIGCONT)
        cluster.wait_for_replica(old.port, new, "the old master follows the new one")
    finally:
        writer.stop()
    wait_for(lambda: len(cluster.digests()) == 1, "all have the same data")
    with cluster.client(new) as client:
        after = [n for at, n in writer.acknowledged if at > switched]
        assert client.mget([f"key:{n}" for n in after]) == [str(n) for n in after]
    cluster.wait_for_one_epoch(1)
    for sentinel in cluster.sentinels:
        wait_for(lambda s=sentinel: s.master()["flags"] == "master", "no failover is under way")
        wait_for(lambda s=sentinel: {r["flags"] for r in s.replicas()} == {"slave"}, "both replicas are up")
        assert len(sentinel.replicas()) == 2 and len(sentinel.sentinels()) == 2


def test_two_failovers_in_a_row(cluster: Cluster) -> None:
    """The epoch grows each time, and the state survives restarts of the sentinels in between."""
    cluster.add_sentinels(KINDS["mixed"], "sentinel failover-timeout mymaster 1000")
    cluster.wait_until_known(2)
    first = cluster.servers[0]
    first.signal(signal.SIGKILL)
    second = cluster.server_at(cluster.wait_for_switch(first.port))
    for sentinel in cluster.sentinels:
        sentinel.kill()
        sentinel.start()
        sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", 500, "PUBLISH-PERIOD", 200)
        assert sentinel.address() == second.port
    first.start()
    cluster.wait_until_known(2)
    second.signal(signal.SIGKILL)
    third = cluster.wait_for_switch(second.port, 60)
    assert third != second.port
    cluster.wait_for_one_epoch(2)


def test_no_failover_without_a_majority(cluster: Cluster) -> None:
    """Two of three sentinels are gone: the third sees the master down, and does nothing."""
    cluster.add_sentinels(KINDS["ours"])
    cluster.wait_until_known(2)
    alone = cluster.sentinels[0]
    for sentinel in cluster.sentinels[1:]:
        sentinel.kill()
    wait_for(lambda: [p["flags"] for p in alone.sentinels()] == ["s_down,sentinel,disconnected"] * 2, "others are down")
    with pytest.raises(ResponseError, match="usable Sentinels"):
        alone.call("SENTINEL", "CKQUORUM", "mymaster")
    cluster.servers[0].signal(signal.SIGKILL)
    wait_for(lambda: "s_down" in alone.master()["flags"], "the master is down")
    time.sleep(1.5)
    assert alone.address() == cluster.servers[0].port
    assert "+odown" not in alone.log() and "+try-failover" not in alone.log()
    assert "status=sdown" in str(alone.call("INFO", "sentinel"))


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "redis"])
def test_forced_failover(cluster: Cluster, ours: bool) -> None:
    """SENTINEL FAILOVER on one sentinel: nobody is asked, the others follow; the old master becomes a replica."""
    asked, _ = cluster.add_sentinels((ours, not ours), "sentinel failover-timeout mymaster 60000")
    cluster.wait_until_known(2)
    old = cluster.servers[0].port
    with asked.client() as client, client.pipeline(transaction=False) as pipe:  # the second at once after the first
        for _ in range(2):
            pipe.execute_command("SENTINEL", "FAILOVER", "mymaster")
        started, refused = pipe.execute(raise_on_error=False)
    assert started == "OK" and "Failover already in progress" in str(refused)
    new = cluster.wait_for_switch(old)
    cluster.wait_for_replica(old, new, "the old master follows the new one")
    for event in (
        *("+new-epoch", "+try-failover", "+elected-leader", "+failover-state-select-slave", "+selected-slave"),
        *("+failover-state-send-slaveof-noone", "+failover-state-wait-promotion", "+promoted-slave"),
        *("+failover-state-reconf-slaves", "+slave-reconf-sent", "+slave-reconf-inprog", "+slave-reconf-done"),
        *("+failover-end", "+switch-master"),
    ):
        assert f" {event} " in asked.log(), event


def test_best_replica_is_promoted(cluster: Cluster) -> None:
    """The lower priority wins; 0 means never."""
    with cluster.client(cluster.servers[1].port) as client:
        client.config_set("replica-priority", 0)
    with cluster.client(cluster.servers[2].port) as client:
        client.config_set("replica-priority", 200)
    cluster.add_sentinel(True, quorum=1, quick=True)
    cluster.wait_until_known(2)
    wait_for(lambda: sorted(r["slave-priority"] for r in cluster.sentinels[0].replicas()) == ["0", "200"], "priorities")
    cluster.servers[0].signal(signal.SIGKILL)
    assert cluster.wait_for_switch(cluster.servers[0].port) == cluster.servers[2].port


def test_no_good_replica(cluster: Cluster) -> None:
    """Both replicas must not be promoted: the failover is given up, and the operator's, too."""
    for server in cluster.servers[1:]:
        with cluster.client(server.port) as client:
            client.config_set("replica-priority", 0)
    sentinel = cluster.add_sentinel(True, quorum=1, down_after=60_000, quick=True)
    cluster.wait_until_known(2)
    wait_for(lambda: [r["slave-priority"] for r in sentinel.replicas()] == ["0", "0"], "priorities")
    with pytest.raises(ResponseError, match="No suitable replica to promote"):
        sentinel.call("SENTINEL", "FAILOVER", "mymaster")
    assert sentinel.call("SENTINEL", "SET", "mymaster", "down-after-milliseconds", 1000) == "OK"
    cluster.servers[0].signal(signal.SIGKILL)
    wait_for(lambda: "-failover-abort-no-good-slave master mymaster" in sentinel.log(), "the failover is given up")
    assert sentinel.address() == cluster.servers[0].port


def test_wrong_master_is_corrected(cluster: Cluster) -> None:
    """A replica that was pointed elsewhere, or made a master by hand, is brought back."""
    # Nobody is to find the master down: this is no failover.
    sentinel = cluster.add_sentinel(True, "sentinel failover-timeout mymaster 1000", down_after=60_000, quick=True)
    cluster.wait_until_known(2)
    one, two = cluster.servers[1], cluster.servers[2]
    with cluster.client(one.port) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", two.port)
    with cluster.client(two.port) as client:
        client.execute_command("REPLICAOF", "NO", "ONE")
    master = cluster.servers[0].port
    for server, event in ((one, "+fix-slave-config"), (two, "+convert-to-slave")):
        cluster.wait_for_replica(server.port, master, "it follows the master again")
        assert f"{event} slave 127.0.0.1:{server.port}" in sentinel.log()


@pytest.mark.parametrize("when", ["crash-after-election", "crash-after-promotion"])
def test_simulated_crash(cluster: Cluster, when: str) -> None:
    """The leader ends in the middle; another sentinel finishes what it began."""
    leader, _, _ = cluster.add_sentinels((True, True, False), "sentinel failover-timeout mymaster 1000")
    cluster.wait_until_known(2)
    assert leader.call("SENTINEL", "SIMULATE-FAILURE", when) == "OK"
    assert "sentinel_simulate_failure_flags:" + ("1" if "election" in when else "2") in str(
        leader.call("INFO", "sentinel")
    )
    assert leader.call("SENTINEL", "FAILOVER", "mymaster") == "OK"
    wait_for(lambda: leader.process.poll() is not None, "the crash")
    assert leader.process.returncode == 99
    assert "Sentinel CRASH because of SENTINEL simulate-failure" in leader.log()
    cluster.servers[0].signal(signal.SIGKILL)
    new = cluster.wait_for_switch(cluster.servers[0].port, 60)
    leader.start()
    wait_for(lambda: leader.address() == new, "the leader learns of it")
