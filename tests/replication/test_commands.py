"""The commands of replication, beside redis-server's: replies, INFO, ROLE, and what a replica refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.replication import KINDS, Group, Node, group, wait_in_step
from tests.support.waiting import wait_until

ON_ANY = [
    "replicaof no one",
    "replicaof a",
    "replicaof 127.0.0.1 x",
    "replicaof 127.0.0.1 99999",
    "replicaof 127.0.0.1 -1",
    "slaveof",
    "psync",
    "psync a b",
    "psync ? x failover",
    "sync x",
    "replconf",
    "replconf a",
    "replconf a b",
    "replconf listening-port x",
    "replconf listening-port 1 ip-address",
    "replconf listening-port 7000 ip-address 10.0.0.1 capa eof capa psync2 capa other",
    "replconf rdb-only 2",
    "replconf rdb-only 0",
    "replconf rdb-filter-only functions",
    "replconf rdb-filter-only zz",
    "replconf fack 2",
    "replconf version 2",
    "failover abort",
    "failover to",
    "failover timeout 0",
    "failover timeout -1",
    "failover timeout x",
    "failover abort to a 1",
    "failover to a x",
    "failover to a 1 to b 2",
    "failover force force",
    "failover timeout 1 timeout 1",
    "failover nonsense",
    "wait",
    "wait a 0",
    "wait 0 a",
    "wait 0 -1",
    "wait 0 0",
    "wait 1 20",
    "role extra",
]
ON_MASTER = ["failover", "failover to h 1 force", "failover to h 1 force timeout 100", "role", "failover timeout 10"]
ON_REPLICA = [
    "set k v",
    "get k",
    "del k",
    "publish c m",
    "failover",
    "wait 1 10",
    "config set replica-read-only no",
    "set k v",
    "config set replica-read-only yes",
    "multi",
    "set k v",
    "exec",
    "psync ? -1 failover",
    "flushall",
    "expire k 10",
    "blpop k 1",
    "sort k store x",
    "pfcount k",
    "getex k persist",
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    """A master without replicas of each kind."""
    with group(tmp_path_factory.mktemp("both")) as servers:
        yield servers.start("ours"), servers.start("redis")


def ask(node: Node, line: str) -> bytes:
    client = RawClient(node.server.connect())
    try:
        return client.call(*line.split())
    finally:
        client.close()


@pytest.mark.parametrize("line", ON_ANY + ON_MASTER)
def test_on_a_master(both: tuple[Node, Node], line: str) -> None:
    ours, theirs = (ask(node, line) for node in both)
    assert ours == theirs


def followed(servers: Group, kind: str) -> tuple[Node, Node]:
    """A master and its replica, of one kind; no PING comes between."""
    master, replica = (servers.start(kind, "--repl-ping-replica-period", "1000") for _ in range(2))
    master.ok("SET", "k", "1")
    replica.replicate(master)
    wait_in_step(master, replica)
    return master, replica


def test_on_a_replica(tmp_path: Path) -> None:
    with group(tmp_path) as servers:
        replicas = [followed(servers, kind)[1] for kind in KINDS]
        for line in [*ON_ANY[1:], *ON_REPLICA]:
            ours, theirs = (node.call(*line.split()) for node in replicas)
            assert ours == theirs, line


def shape(info: dict[str, str], *servers: Node) -> dict[str, str]:
    """INFO without what cannot be the same."""
    ports = {str(node.port) for node in servers}
    found = {}
    for name, value in info.items():
        value = re.sub(r"[0-9a-f]{40}", lambda m: "0" if m[0] == "0" * 40 else "id", value)
        value = re.sub(r"\d{4,5}", lambda m: "port" if m[0] in ports else m[0], value)
        found[name] = re.sub(r"lag=-?\d+", "lag", value)
    for name in ("master_last_io_seconds_ago", "master_link_down_since_seconds"):
        if found.get(name) not in (None, "-1"):
            found[name] = "seconds"
    return found


def test_info_and_role(tmp_path: Path) -> None:
    """Fields, their order and values: master and replica in step, without a link, and after the change of roles."""
    with group(tmp_path) as servers:
        pairs = [followed(servers, kind) for kind in KINDS]
        everybody = [node for pair in pairs for node in pair]
        for master, _ in pairs:
            # Only the acknowledgement of all there is makes the offset in slave0 sure.
            wait_until(lambda master=master: f"state=online,offset={master.offset()}," in master.info()["slave0"])  # type: ignore[misc]
        for at in range(2):
            ours, theirs = (shape(pair[at].info(), *everybody) for pair in pairs)
            assert list(ours.items()) == list(theirs.items())
            ours_role, theirs_role = (pair[at].call("ROLE") for pair in pairs)
            strip = re.compile(rb"\$\d+\r\n\d{4,5}\r\n|:\d{4,5}\r\n")
            assert strip.sub(b"port", ours_role) == strip.sub(b"port", theirs_role)
        for master, _ in pairs:
            master.stop()
        for _, replica in pairs:
            wait_until(lambda replica=replica: replica.info()["master_link_status"] == "down")  # type: ignore[misc]
        ours, theirs = (shape(pair[1].info(), *everybody) for pair in pairs)
        assert list(ours.items()) == list(theirs.items())
        for _, replica in pairs:
            assert replica.call("ROLE").startswith(b"*5\r\n$5\r\nslave\r\n")
            replica.ok("REPLICAOF", "NO", "ONE")
        ours, theirs = (shape(pair[1].info(), *everybody) for pair in pairs)
        assert list(ours.items()) == list(theirs.items())


def test_stale(tmp_path: Path) -> None:
    """A replica without a link: it answers, unless it may not; it has nothing for replicas of its own."""
    with group(tmp_path) as servers:
        nodes = [servers.start(kind) for kind in KINDS]
        for node in nodes:
            node.ok("SET", "k", "v")
            node.ok("REPLICAOF", "127.0.0.1", "1")
        for line in (
            "get k",
            "psync ? -1",
            "sync",
            "replicaof 127.0.0.1 1",
            "config set replica-serve-stale-data no",
            "get k",
            "set k v",
            "ping",
            "multi",
            "ping",
            "get k",
            "exec",
            "info replication x",
            "publish a b",
            "subscribe a",
            "unsubscribe a",
            "keys *",
            "config set replica-serve-stale-data yes",
            "get k",
        ):
            ours, theirs = (node.call(*line.split()) for node in nodes)
            if not line.startswith("info"):
                assert ours == theirs, line


@pytest.mark.parametrize("kind", KINDS)
def test_writes_need_replicas(tmp_path: Path, kind: str) -> None:
    """min-replicas-to-write, with a replica that stands still, goes on, stops and comes back."""
    with group(tmp_path) as servers:
        master, replica = followed(servers, kind)
        refusal = b"-NOREPLICAS Not enough good replicas to write.\r\n"
        master.ok("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "60")
        wait_until(lambda: master.call("SET", "k", "1") == b"+OK\r\n")
        assert master.info()["min_slaves_good_slaves"] == "1"
        with replica.paused():
            master.ok("CONFIG", "SET", "min-replicas-max-lag", "1")
            wait_until(lambda: master.call("SET", "k", "1") == refusal)
            assert master.info()["min_slaves_good_slaves"] == "0"
        master.ok("CONFIG", "SET", "min-replicas-max-lag", "60")
        wait_until(lambda: master.call("SET", "k", "2") == b"+OK\r\n")
        replica.stop()
        wait_until(lambda: master.info()["connected_slaves"] == "0")
        assert master.call("SET", "k", "3") == refusal
        assert master.call("GET", "k") == b"$1\r\n2\r\n"
        assert master.call("MULTI") == b"+OK\r\n"
        assert master.call("GET", "k") == b"+QUEUED\r\n"
        assert master.call("SET", "k", "3") == refusal
        assert master.call("EXEC") == b"-EXECABORT Transaction discarded because of previous errors.\r\n"
        replica.restart()
        replica.replicate(master)
        wait_until(lambda: master.call("SET", "k", "4") == b"+OK\r\n")
        wait_in_step(master, replica)


@pytest.mark.parametrize("kind", KINDS)
def test_wait(tmp_path: Path, kind: str) -> None:
    """WAIT counts replicas that have acknowledged; those that stand still are waited for as long as it was said."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        first, second = servers.start(kind), servers.start(kind)
        first.replicate(master)
        second.replicate(master)
        master.ok("SET", "k", "1")
        assert master.call("WAIT", "2", "0") == b":2\r\n"
        with second.paused():
            master.ok("SET", "k", "2")
            assert master.call("WAIT", "1", "0") == b":1\r\n"
            master.ok("SET", "k", "3")
            assert master.call("WAIT", "2", "300") == b":1\r\n"
            waiting = RawClient(master.server.connect())
            waiting.call("SET", "k", "4")
            waiting.send("WAIT", "2", "0")
            wait_until(lambda: master.info("clients")["blocked_clients"] == "1")
        assert waiting.read() == b":2\r\n"
        waiting.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_sent_is_not_acknowledged(tmp_path: Path, kind: str) -> None:
    """A replica that has been sent all of it may still be loading: WAIT counts it from its first acknowledgement on."""
    with group(tmp_path) as servers:
        # Nothing but what is written here may move the offset, and without a replica nothing is counted.
        master = servers.start(kind, "--repl-diskless-sync", "no", "--repl-ping-replica-period", "1000")
        first, replica = (RawClient(master.server.connect()) for _ in range(2))
        first.send("PSYNC", "?", "-1")
        wait_until(lambda: "state=online,offset=0," in master.info().get("slave0", ""))
        master.ok("SET", "k", "1")
        first.close()
        wait_until(lambda: master.info()["connected_slaves"] == "0")
        replica.send("PSYNC", "?", "-1")
        wait_until(lambda: "state=online,offset=0," in master.info().get("slave0", ""))
        assert master.call("WAIT", "1", "50") == b":0\r\n"
        replica.send("REPLCONF", "ACK", master.offset())
        assert master.call("WAIT", "1", "0") == b":1\r\n"
        replica.close()


def test_waitaof(tmp_path: Path) -> None:
    """A replica says what is on its disk."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--appendonly", "yes", compat="")
        first = servers.start("ours", "--appendonly", "yes", compat="")
        second = servers.start("ours", compat="")
        first.replicate(master)
        second.replicate(master)
        wait_until(lambda: first.info("persistence")["aof_rewrite_in_progress"] == "0")
        master.ok("SET", "k", "1")
        assert master.call("WAITAOF", "1", "1", "0") == b"*2\r\n:1\r\n:1\r\n"
        master.ok("SET", "k", "2")
        assert master.call("WAITAOF", "1", "1", "0") == b"*2\r\n:1\r\n:1\r\n"
        assert master.call("WAITAOF", "0", "2", "100") == b"*2\r\n:1\r\n:1\r\n"
        assert first.call("WAITAOF", "1", "0", "0").startswith(b"-ERR WAITAOF cannot be used with replica instances.")


@pytest.mark.parametrize("kind", KINDS)
def test_client_list(tmp_path: Path, kind: str) -> None:
    """Flags, types and users of both ends of a link; killing either end is a cut."""
    with group(tmp_path) as servers:
        master, replica = followed(servers, kind)
        listed = master.call("CLIENT", "LIST", "TYPE", "replica").decode()
        assert listed.count("id=") == 1
        assert " flags=S " in listed and " cmd=replconf " in listed
        listed = replica.call("CLIENT", "LIST", "TYPE", "master").decode()
        assert " flags=M " in listed and " user=(superuser) " in listed and f" addr=127.0.0.1:{master.port} " in listed
        assert master.call("CLIENT", "KILL", "TYPE", "replica") == b":1\r\n"
        master.ok("SET", "k", "2")
        wait_in_step(master, replica)
        assert replica.call("CLIENT", "KILL", "TYPE", "master") == b":1\r\n"
        master.ok("SET", "k", "3")
        wait_in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"


@pytest.mark.parametrize(("master_kind", "replica_kind"), [("ours", "ours"), ("redis", "ours"), ("ours", "redis")])
def test_messages_and_monitor(tmp_path: Path, master_kind: str, replica_kind: str) -> None:
    """Messages published at the master arrive at the replica's subscribers; its monitors see the stream."""
    with group(tmp_path) as servers:
        master, replica = servers.start(master_kind), servers.start(replica_kind)
        replica.replicate(master)
        subscriber, monitor = (RawClient(replica.server.connect()) for _ in range(2))
        subscriber.call("SUBSCRIBE", "c")
        monitor.call("MONITOR")
        assert master.call("PUBLISH", "c", "one") == b":0\r\n"
        master.call("MULTI")
        master.call("SET", "k", "v")
        master.call("PUBLISH", "c", "two")
        assert master.call("EXEC") == b"*2\r\n+OK\r\n:0\r\n"
        assert [subscriber.read().split(b"\r\n")[-2] for _ in range(2)] == [b"one", b"two"]
        seen = b""
        while b'"two"' not in seen or b'"k"' not in seen:
            seen += monitor.read()
        assert f"127.0.0.1:{master.port}] ".encode() in seen
        subscriber.close()
        monitor.close()
        wait_in_step(master, replica)


@pytest.mark.parametrize(("master_kind", "replica_kind"), [("ours", "ours"), ("redis", "ours"), ("ours", "redis")])
def test_expiry_is_the_masters(tmp_path: Path, master_kind: str, replica_kind: str) -> None:
    """While the master cannot speak, a key whose time has come is hidden at the replica, and still there."""
    with group(tmp_path) as servers:
        master, replica = servers.start(master_kind), servers.start(replica_kind)
        replica.replicate(master)
        master.ok("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        master.ok("SET", "k", "v", "PX", "300")
        master.call("HSET", "h", "f", "v")
        master.call("PEXPIRE", "h", "300")
        assert master.call("WAIT", "1", "0") == b":1\r\n"
        wait_until(lambda: replica.call("EXISTS", "k", "h") == b":0\r\n")
        assert replica.call("GET", "k") == b"$-1\r\n"
        assert replica.call("SCAN", "0") == b"*2\r\n$1\r\n0\r\n*0\r\n"
        assert replica.call("DBSIZE") == b":2\r\n"
        master.ok("DEBUG", "SET-ACTIVE-EXPIRE", "1")
        wait_until(lambda: replica.call("DBSIZE") == b":0\r\n")
        wait_in_step(master, replica)


SCRIPTS = [
    ("eval", "return redis.call('set','a','1')"),
    ("eval", "return redis.pcall('set','a','1')"),
    ("eval", "return redis.call('get','a')"),
    ("eval", "#!lua\nreturn 1"),
    ("eval", "#!lua flags=no-writes\nreturn 1"),
    ("eval_ro", "#!lua\nreturn 1"),
    ("eval", "#!lua flags=no-writes,allow-stale\nreturn redis.call('get','a')"),
    ("eval", "#!lua flags=no-writes,allow-stale\nreturn redis.call('echo','a')"),
    ("eval", "return 1"),
]


def test_scripts(tmp_path: Path) -> None:
    """What a script may do on a replica, on one without a link, and on a master that lacks replicas."""
    with group(tmp_path) as servers:
        nodes = [servers.start(kind) for kind in KINDS]
        for state in (
            ("REPLICAOF", "127.0.0.1", "1"),
            ("CONFIG", "SET", "replica-serve-stale-data", "no"),
            ("REPLICAOF", "NO", "ONE"),
            ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ):
            for node in nodes:
                node.ok(*state)
            for name, body in SCRIPTS:
                ours, theirs = (node.call(name, body, "0") for node in nodes)
                assert ours == theirs, (state, body)
