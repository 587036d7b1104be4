"""Every command of a sentinel, ours beside Redis's: both watch the same master and replica, and each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.support.raw import RawClient
from tests.support.sentinels import NAME, Cluster, SentinelProcess, wait_for
from tests.support.tree import Node, tree

VOLATILE = {
    *(b"last-ping-sent", b"last-ok-ping-reply", b"last-ping-reply", b"info-refresh", b"role-reported-time"),
    *(b"last-hello-message", b"slave-repl-offset", b"link-pending-commands"),
}
"""Fields whose values change by themselves."""


class Pair:
    """A sentinel of each kind, and a connection to each."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ours: SentinelProcess = cluster.sentinels[0]
        self.theirs: SentinelProcess = cluster.sentinels[1]

    def connect(self, resp: int) -> tuple[RawClient, RawClient]:
        clients = []
        for sentinel in (self.ours, self.theirs):
            client = RawClient(sentinel.client().connection_pool.make_connection()._connect())
            if resp == 3:
                client.call("HELLO", 3)
            clients.append(client)
        return clients[0], clients[1]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with Cluster(tmp_path_factory.mktemp("sentinels")) as cluster:
        cluster.add_server()
        cluster.add_server()
        cluster.add_sentinel(True, "sentinel auth-user mymaster default", down_after=30000)
        cluster.add_sentinel(False, "sentinel auth-user mymaster default", down_after=30000)
        cluster.wait_until_known(1)
        for sentinel in cluster.sentinels:  # one that stood still for a moment is not to say so
            sentinel.call("SENTINEL", "DEBUG", "TILT-TRIGGER", 600_000)
        yield Pair(cluster)


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def clients(request: pytest.FixtureRequest, pair: Pair) -> Iterator[tuple[RawClient, RawClient]]:
    both = pair.connect(request.param)
    yield both
    for client in both:
        client.close()


SAME = [
    "SENTINEL",
    "SENTINEL foo",
    "SENTINEL MASTERS x",
    "SENTINEL MASTER",
    "SENTINEL MASTER zz",
    "SENTINEL REPLICAS zz",
    "SENTINEL SLAVES zz",
    "SENTINEL SENTINELS zz",
    f"SENTINEL GET-MASTER-ADDR-BY-NAME {NAME}",
    "SENTINEL GET-MASTER-ADDR-BY-NAME zz",
    "SENTINEL GET-MASTER-ADDR-BY-NAME",
    f"SENTINEL CKQUORUM {NAME}",
    "SENTINEL CKQUORUM zz",
    "SENTINEL FAILOVER zz",
    "SENTINEL RESET zz*",
    "SENTINEL RESET [",
    "SENTINEL REMOVE zz",
    "SENTINEL PENDING-SCRIPTS",
    "SENTINEL INFO-CACHE zz",
    "SENTINEL INFO-CACHE",
    "SENTINEL FLUSHCONFIG",
    "SENTINEL FLUSHCONFIG x",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 x 0 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 x *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR foo 1 1 *",
    "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 PORT 0 *",
    "SENTINEL MONITOR",
    "SENTINEL MONITOR a b c d",
    "SENTINEL MONITOR a b 12 3",
    "SENTINEL MONITOR a 127.0.0.1 99999 3",
    "SENTINEL MONITOR a 127.0.0.1 -1 3",
    "SENTINEL MONITOR a 127.0.0.1 80 0",
    "SENTINEL MONITOR a 127.0.0.1 80 x",
    "SENTINEL MONITOR a 127.0.0.1 x 1",
    f"SENTINEL MONITOR {NAME} 127.0.0.1 80 1",
    "SENTINEL SET zz quorum 1",
    f"SENTINEL SET {NAME}",
    f"SENTINEL SET {NAME} quorum",
    f"SENTINEL SET {NAME} foo bar",
    f"SENTINEL SET {NAME} quorum x",
    f"SENTINEL SET {NAME} quorum 0",
    f"SENTINEL SET {NAME} quorum -1",
    f"SENTINEL SET {NAME} quorum 2",
    f"SENTINEL SET {NAME} QUORUM 2",
    f"SENTINEL SET {NAME} down-after-milliseconds 0",
    f"SENTINEL SET {NAME} down-after-milliseconds 30000 failover-timeout 5000",
    f"SENTINEL SET {NAME} failover-timeout x",
    f"SENTINEL SET {NAME} parallel-syncs 0",
    f"SENTINEL SET {NAME} parallel-syncs 1 foo bar",
    f"SENTINEL SET {NAME} parallel-syncs 1 quorum",
    f"SENTINEL SET {NAME} notification-script /nope",
    f"SENTINEL SET {NAME} client-reconfig-script /nope",
    f"SENTINEL SET {NAME} auth-user default",
    f"SENTINEL SET {NAME} rename-command a",
    f"SENTINEL SET {NAME} rename-command a b",
    f"SENTINEL SET {NAME} rename-command a a",
    f"SENTINEL SET {NAME} master-reboot-down-after-period -1",
    f"SENTINEL SET {NAME} master-reboot-down-after-period 0",
    "SENTINEL CONFIG",
    "SENTINEL CONFIG GET",
    "SENTINEL CONFIG GET *",
    "SENTINEL CONFIG GET foo",
    "SENTINEL CONFIG GET AN*",
    "SENTINEL CONFIG GET a b",
    "SENTINEL CONFIG SET",
    "SENTINEL CONFIG SET foo",
    "SENTINEL CONFIG SET foo bar",
    "SENTINEL CONFIG SET announce-port x",
    "SENTINEL CONFIG SET announce-port 70000",
    "SENTINEL CONFIG SET announce-port -1",
    "SENTINEL CONFIG SET ANNOUNCE-PORT 0",
    "SENTINEL CONFIG SET resolve-hostnames x",
    "SENTINEL CONFIG SET announce-hostnames no",
    "SENTINEL CONFIG FOO bar",
    "SENTINEL DEBUG",
    "SENTINEL DEBUG foo",
    "SENTINEL DEBUG foo 1",
    "SENTINEL DEBUG info-period 0",
    "SENTINEL DEBUG info-period x",
    "SENTINEL DEBUG info-period -5",
    "SENTINEL DEBUG info-period 10000 ping-period 1000",
    "SENTINEL DEBUG INFO-PERIOD 10000 ping-period",
    "SENTINEL SIMULATE-FAILURE",
    "SENTINEL SIMULATE-FAILURE foo",
    "SENTINEL SIMULATE-FAILURE help",
    "SENTINEL SIMULATE-FAILURE crash-after-election HELP",
    "ROLE",
    "ROLE x",
    "PUBLISH a b",
    "PUBLISH __sentinel__:hello foo",
    "PUBLISH __sentinel__:hello 1,2,3,4,5,6,7,8",
    "SHUTDOWN foo",
    "SHUTDOWN SAVE NOSAVE",
    "SHUTDOWN ABORT",
    "GET a",
    "SET a b",
    "CONFIG GET *",
    "MULTI",
    "SELECT 0",
    "ECHO a",
    "QUIT",
    "RESET",
    "DEBUG",
    "SLOWLOG GET",
    "LATENCY",
    "MONITOR",
    "PUBSUB CHANNELS",
    "EVAL x 0",
    "PING",
    "PING a",
    "COMMAND COUNT",
    "CLIENT NO-TOUCH ON",
    "CLIENT GETNAME",
    "ACL WHOAMI",
    "ACL CAT string",
    "ACL SETUSER bob +get",
    "ACL SETUSER bob on >pw +sentinel|masters",
    "ACL DRYRUN bob sentinel masters",
    "ACL DRYRUN bob role",
    "ACL GETUSER bob",
    "ACL DELUSER bob",
    "AUTH x",
    "AUTH bob pw",
    "INFO foo",
    "INFO keyspace",
    "SUBSCRIBE a",
]


def test_same_replies(clients: tuple[RawClient, RawClient], pair: Pair) -> None:
    """Byte by byte."""
    port = str(pair.cluster.servers[0].port)
    different = {}
    for line in SAME:
        ours, theirs = [client.call(*line.replace("PORT", port).split()) for client in clients]
        if ours != theirs:
            different[line] = (ours, theirs)
    assert different == {}


def described(reply: Node) -> list[tuple[bytes, object]]:
    """Fields in their order; those that change by themselves without their values."""
    return [(name, "…" if name in VOLATILE else value) for name, value in reply.pairs()]


@pytest.mark.parametrize("what", ["MASTER", "MASTERS", "REPLICAS", "SLAVES", "SENTINELS"])
def test_descriptions(clients: tuple[RawClient, RawClient], what: str) -> None:
    """Names, order and kinds of all fields, and the values that must agree."""
    args = [] if what == "MASTERS" else [NAME]
    # A test before may have made them connect anew.
    wait_for(
        lambda: not any(b"disconnected" in client.call("SENTINEL", what, *args) for client in clients),
        "both are connected",
    )
    ours, theirs = [tree(client.call("SENTINEL", what, *args)) for client in clients]
    if what == "MASTER":
        ours, theirs = Node("*", (ours,)), Node("*", (theirs,))
    assert ours.kind == theirs.kind and len(ours.value) == len(theirs.value) == 1
    one, other = ours.value[0], theirs.value[0]
    assert one.kind == other.kind
    mine, others = described(one), described(other)
    if what == "SENTINELS":  # each describes the other one
        own = (b"name", b"port", b"runid")
        mine, others = [[(name, "…" if name in own else value) for name, value in x] for x in (mine, others)]
    assert mine == others


def test_info_cache(clients: tuple[RawClient, RawClient]) -> None:
    ours, theirs = [tree(client.call("SENTINEL", "INFO-CACHE", NAME)) for client in clients]
    assert ours.kind == theirs.kind
    for reply in (ours, theirs):
        ((name, entries),) = reply.pairs()
        assert name == NAME.encode()
        assert [entry.kind for entry in entries.value] == ["*", "*"]
        for entry in entries.value:
            age, text = entry.value
            assert age.kind == ":" and text.kind == "$" and b"run_id:" in text.value


def test_info(clients: tuple[RawClient, RawClient]) -> None:
    """The sections, and the whole of the section Sentinel."""
    for wanted in ([], ["all"], ["everything"], ["default"]):
        titles = []
        for client in clients:
            text = tree(client.call("INFO", *wanted)).value
            titles.append([line for line in text.split(b"\r\n") if line.startswith((b"# ", b"txt:# "))])
        assert titles[0] == titles[1]
    ours, theirs = [tree(client.call("INFO", "sentinel")).value for client in clients]
    assert ours == theirs
    assert b"redis_mode:sentinel" in clients[0].call("INFO", "server")


def test_command_table(clients: tuple[RawClient, RawClient]) -> None:
    """COMMAND INFO of everything, and the documents of SENTINEL."""
    names = [sorted(node.value for node in tree(client.call("COMMAND", "LIST")).value) for client in clients]
    assert names[0] == names[1]
    for name in names[0]:
        ours, theirs = [_in_order(tree(client.call("COMMAND", "INFO", name))) for client in clients]
        assert ours == theirs, name
    docs = [tree(client.call("COMMAND", "DOCS", "sentinel")).pairs()[0][1] for client in clients]
    ours, theirs = [dict(_without_words(one)) for one in docs]
    mine, others = ours.pop(b"subcommands"), theirs.pop(b"subcommands")
    assert ours == theirs
    assert isinstance(mine, dict) and isinstance(others, dict) and mine.keys() == others.keys()
    # In Redis's description the words of SIMULATE-FAILURE have no tokens.
    assert [name for name in mine if mine[name] != others[name]] == [b"sentinel|simulate-failure"]


def _in_order(reply: Node) -> Node:
    """An entry of COMMAND INFO with its subcommands in order."""
    if not isinstance(reply.value, tuple):
        return reply
    parts = tuple(map(_in_order, reply.value))
    entries = all(isinstance(part.value, tuple) and len(part.value) == 10 for part in parts)
    return Node(reply.kind, tuple(sorted(parts, key=repr)) if entries else parts)


def _without_words(entry: Node) -> dict[bytes, object]:
    """The fields of COMMAND DOCS but the summary, which is in our own words."""
    fields: dict[bytes, object] = {}
    for name, value in entry.pairs():
        if name == b"subcommands":
            fields[name] = {sub: _without_words(one) for sub, one in value.pairs()}
        elif name != b"summary":
            fields[name] = value
    return fields


def test_hello(clients: tuple[RawClient, RawClient]) -> None:
    """HELLO tells the mode, and no role."""
    replies = [tree(client.call("HELLO")) for client in clients]
    ours, theirs = [[(n, v) for n, v in reply.pairs() if n != b"id"] for reply in replies]
    assert ours == theirs


def test_monitor_set_reset_remove(pair: Pair) -> None:
    """What changes one changes the other in the same way, and both files say the same afterwards."""
    port = pair.cluster.servers[0].port
    lines = [
        f"SENTINEL MONITOR second 127.0.0.1 {port} 2",
        "SENTINEL SET second quorum 5 parallel-syncs 3",
        "SENTINEL SET second down-after-milliseconds 12345 failover-timeout 54321",
        "SENTINEL SET second auth-pass x auth-user default",
        "SENTINEL SET second auth-pass",
        "SENTINEL SET second rename-command CONFIG GUESS master-reboot-down-after-period 7",
    ]
    both = pair.connect(2)
    for line in lines:
        ours, theirs = [client.call(*line.split()) for client in both]
        assert ours == theirs, line
    about = [
        sorted(line for line in sentinel.conf.read_text().splitlines() if " second " in line and "known" not in line)
        for sentinel in (pair.ours, pair.theirs)
    ]
    assert about[0] == about[1]
    for line in ("SENTINEL RESET sec*", "SENTINEL REMOVE second", "SENTINEL MASTER second"):
        ours, theirs = [client.call(*line.split()) for client in both]
        assert ours == theirs, line
    assert "second" not in pair.ours.conf.read_text()
    for client in both:
        client.close()


def test_events_by_channel(pair: Pair) -> None:
    """The same orders cause the same events, published and logged."""
    both = pair.connect(2)
    listening = pair.connect(2)
    for client in listening:
        client.call("PSUBSCRIBE", "*")
    port = pair.cluster.servers[0].port
    for line in (
        f"SENTINEL MONITOR third 127.0.0.1 {port} 9",
        "SENTINEL SET third quorum 3",
        "SENTINEL SET third auth-pass secret",
        "SENTINEL RESET third",
        "SENTINEL REMOVE third",
    ):
        for client in both:
            client.call(*line.split())
    found = []
    for client in listening:
        messages = []
        while not messages or messages[-1][0] != b"-monitor":
            _, _, channel, text = tree(client.read()).value
            if channel.value in (b"+monitor", b"+set", b"+reset-master", b"-monitor"):
                messages.append((channel.value, text.value))
        found.append(messages)
    assert found[0] == found[1]
    assert len(found[0]) == 5
    for channel, text in found[0]:
        assert f"{channel.decode()} {text.decode()}" in pair.ours.log()
    for client in (*both, *listening):
        client.close()


def test_votes(pair: Pair) -> None:
    """One vote in an epoch, for the first that asks; the file has it before the reply comes."""
    port = pair.cluster.servers[0].port
    candidates = ["a" * 40, "b" * 40]
    before = max(int(s.conf.read_text().split("sentinel current-epoch ")[1].split()[0]) for s in pair.cluster.sentinels)
    epoch = before + 10
    for sentinel in (pair.ours, pair.theirs):
        for candidate in candidates:
            asked = sentinel.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, epoch, candidate)
            assert asked == [0, candidates[0], epoch]
        text = sentinel.conf.read_text()
        assert f"sentinel leader-epoch {NAME} {epoch}" in text and f"sentinel current-epoch {epoch}" in text
        older = sentinel.call("SENTINEL", "IS-MASTER-DOWN-BY-ADDR", "127.0.0.1", port, epoch - 1, "c" * 40)
        assert older == [0, candidates[0], epoch]
    assert f"+vote-for-leader {candidates[0]} {epoch}" in pair.ours.log()


def test_hostile_hellos(pair: Pair) -> None:
    """Hello messages that are none, or that would spoil the configuration file, leave nothing behind."""
    with pair.ours.client() as client:
        port, name = pair.cluster.servers[0].port, "fourth"
        client.execute_command("SENTINEL", "MONITOR", name, "127.0.0.1", port, 9)
        bad = [
            "",
            ",,,,,,,",
            f"127.0.0.1,1,x y,0,{name},127.0.0.1,{port},0",
            f"127.0.0.1,1,a\nsentinel notification-script {name} /bin/sh,0,{name},127.0.0.1,{port},0",
            f"evil\nhost,1,{'d' * 40},0,{name},127.0.0.1,{port},0",
            f"127.0.0.1,99999,{'d' * 40},0,{name},127.0.0.1,{port},0",
            f"127.0.0.1,-1,{'d' * 40},0,{name},127.0.0.1,{port},0",
            f"127.0.0.1,1,{'d' * 40},{'9' * 500},{name},127.0.0.1,{port},{'9' * 500}",
            f"127.0.0.1,1,{'d' * 40},0,{name},127.0.0.1,{port}",
            f"127.0.0.1,1,{'d' * 40},0,{name},127.0.0.1,{port},0,9",
            "\x00" * 8,
        ]
        for message in bad:
            assert client.execute_command("PUBLISH", "__sentinel__:hello", message) == 1
        client.execute_command("SENTINEL", "FLUSHCONFIG")
        described = client.execute_command("SENTINEL", "MASTER", name)
        assert described[described.index("config-epoch") + 1] == "0"
        assert "notification-script" not in pair.ours.conf.read_text()
        assert "evil" not in pair.ours.conf.read_text()
        assert client.execute_command("SENTINEL", "REMOVE", name) == "OK"
    assert pair.ours.answers()


def test_shutdown(tmp_path: Path) -> None:
    """SHUTDOWN ends it with exit code 0, whatever is said about saving."""
    sentinel = SentinelProcess(tmp_path, True, [])
    try:
        sentinel.wait()
        with pytest.raises(redis.exceptions.ConnectionError):
            sentinel.call("SHUTDOWN", "SAVE")
        wait_for(lambda: sentinel.process.poll() is not None, "the end")
        assert sentinel.process.returncode == 0
        assert "Sentinel is now ready to exit, bye bye..." in sentinel.log()
    finally:
        sentinel.stop()
