"""MIGRATE from ours to redis-server and back, beside redis-server's own; what the others may do meanwhile."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.stage import Stage, commands
from tests.support.tree import tree
from tests.support.waiting import PATIENCE

Starter = Callable[..., ServerProcess]
DEBUG = ("--enable-debug-command", "yes")
BINARY = b"\x00\xff\r\n"
LONG = 60000
"""Milliseconds that the other server may take, which is not always given a turn at once."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A redis-server with a password and a user."""
    user = ["--user", "mover", "on", ">secret", "~*", "+@all"]
    server = start_oracle(tmp_path_factory.mktemp("target"), "--requirepass", "pw", *DEBUG, *user)
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["to redis", "to pyredis"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ServerProcess]]:
    """A server of ours and one of theirs: from, to."""
    servers = [start(tmp_path_factory.mktemp("pair"), *DEBUG) for start in (start_ours, start_oracle)]
    yield servers if request.param == "to redis" else servers[::-1]
    for server in servers:
        server.stop()


def keys_of(client: RawClient) -> list[bytes]:
    return [node.value for node in tree(client.call("KEYS", "*")).value]


def test_everything_moves(pair: list[ServerProcess]) -> None:
    """All types, all databases: afterwards there is nothing here, and there what was here."""
    source, destination = (RawClient(server.connect()) for server in pair)
    for client in (source, destination):
        client.call("FLUSHALL")
    fill(source, "migrate")
    source.call("SELECT", "0")
    source.call("SET", BINARY, BINARY)
    before = digest(pair[0])
    for number in range(16):
        source.call("SELECT", number)
        found = keys_of(source)
        if found:
            reply = source.call("MIGRATE", "127.0.0.1", pair[1].port, "", number, LONG, "KEYS", *found)
            assert reply == b"+OK\r\n"
            assert source.call("DBSIZE") == b":0\r\n"
    assert digest(pair[1]) == before
    assert source.call("MIGRATE", "127.0.0.1", pair[1].port, BINARY, 0, LONG) == b"+NOKEY\r\n"


def test_the_deadline_moves(pair: list[ServerProcess]) -> None:
    source, destination = (RawClient(server.connect()) for server in pair)
    source.call("SET", "k", "v", "PX", 100_000)
    source.call("SET", "keeps", "v")
    assert source.call("MIGRATE", "127.0.0.1", pair[1].port, "", 0, LONG, "KEYS", "k", "keeps") == b"+OK\r\n"
    assert 60_000 < int(destination.call("PTTL", "k")[1:]) <= 100_000
    assert destination.call("PTTL", "keeps") == b":-1\r\n"


LINES = [
    "migrate 127.0.0.1 {port} {key} 0 60000 auth pw",
    "migrate 127.0.0.1 {port} {key} 0 60000 copy auth pw",
    "migrate 127.0.0.1 {port} {key} 0 60000 copy replace auth pw",
    "migrate 127.0.0.1 {port} {key} 0 60000 replace auth2 mover secret",
    "migrate 127.0.0.1 {port} {key} 3 60000 AUTH2 default pw REPLACE",
    "migrate 127.0.0.1 {port} {key} 0 60000 auth wrong",
    "migrate 127.0.0.1 {port} {key} 0 60000 auth2 nobody pw",
    "migrate 127.0.0.1 {port} {key} 0 60000",
    "migrate 127.0.0.1 {port} {key} 99 60000 auth pw",
    "migrate 127.0.0.1 {port} {key} -1 60000 auth pw",
    "migrate 127.0.0.1 {closed} {key} 0 -5 auth pw replace",
    "migrate 127.0.0.1 {port} '' 0 60000 auth pw keys {key} {key2}",
    "migrate 127.0.0.1 {port} '' 0 60000 auth pw replace keys {key} {key2} missing",
    "migrate 127.0.0.1 {port} '' 0 60000 auth pw copy keys {key} {key2} {key}",
    "migrate 127.0.0.1 {port} '' 0 60000 auth pw keys missing",
    "migrate 127.0.0.1 {port} '' 0 60000 auth pw keys",
    "migrate 127.0.0.1 {port} {key} 0 60000 auth pw keys {key2}",
    "migrate 127.0.0.1 {port} {key} 0 60000 nonsense",
    "migrate 127.0.0.1 {port} {key} 0 60000 auth",
    "migrate 127.0.0.1 {port} {key} 0 60000 auth2 mover",
    "migrate 127.0.0.1 {port} {key} zero 60000",
    "migrate 127.0.0.1 {port} {key} 0 soon",
    "migrate 127.0.0.1 {port} missing 0 60000",
    "migrate 127.0.0.1 {closed} {key} 0 60000",
    "migrate 127.0.0.1 x {key} 0 300",
    "migrate host.invalid {port} {key} 0 300",
    "set {key} v",
    "rpush {key} a b",
    "pexpire {key} 100000",
    "select 2",
    "select 0",
    "object encoding {key}",
    "keys *",
    "multi",
    "exec",
    "discard",
]


def test_replies(server: ServerProcess, target: ServerProcess, tmp_path: Path) -> None:
    """The same lines to ours and to redis-server, each moving to a target of its own state: the same replies."""
    theirs = start_oracle(tmp_path, *DEBUG)
    rng = random.Random(1)
    ours_client, their_client = RawClient(server.connect()), RawClient(theirs.connect())
    control = RawClient(target.connect())
    assert control.call("AUTH", "pw") == b"+OK\r\n"
    silent = socket.socket()  # a port where nobody listens, and which nobody else is given meanwhile
    silent.bind(("127.0.0.1", 0))
    closed = silent.getsockname()[1]
    try:
        for turn in range(25):
            script = []
            for _ in range(12):
                names = {"key": rng.choice("abc"), "key2": rng.choice("bcd"), "port": target.port, "closed": closed}
                line = rng.choice(LINES).format(**names)
                script.append([b"" if word == "''" else word.encode() for word in line.split()])
            script.append([b"DISCARD"])
            seen = []
            for client in (ours_client, their_client):
                client.call("DISCARD")
                client.call("FLUSHALL")
                client.call("SELECT", "0")
                control.call("FLUSHALL")
                control.call("SET", "b", "there")
                for key in ("a", "b", "c"):
                    client.call("SET", key, f"{key}{turn}")
                replies = []
                for argv in script:
                    reply = client.call(*argv)
                    replies.append(sorted(reply.split(b"\r\n")) if argv[0] == b"keys" else reply)
                left = [sorted(keys_of(control))]
                control.call("SELECT", "3")
                left.append(sorted(keys_of(control)))
                control.call("SELECT", "0")
                seen.append((replies, left))
            for argv, ours, other in zip(script, seen[0][0], seen[1][0], strict=True):
                assert ours == other, (turn, argv, script)
            assert seen[0][1] == seen[1][1], (turn, script)
    finally:
        theirs.stop()
        silent.close()


class Slow:
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.socket.settimeout(PATIENCE)
        self.got = b""

    def accept(self) -> None:
        self.peer = self.socket.accept()[0]
        self.peer.settimeout(PATIENCE)

    def read_until(self, end: bytes) -> None:
        while not self.got.endswith(end):
            part = self.peer.recv(65536)
            assert part
            self.got += part

    def __enter__(self) -> Slow:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@pytest.fixture
def stage(server: ServerProcess) -> Iterator[Stage]:
    stage = Stage(server)
    yield stage
    stage.close()


def begin(stage: Stage, slow: Slow, *options: str) -> None:
    """Let client 0 move the key "k"; the other side has got everything and says nothing."""
    assert stage.step(0, commands("set k v", "set other v")) == {0: b"+OK\r\n+OK\r\n"}
    line = f"migrate 127.0.0.1 {slow.port} k 0 {LONG} " + " ".join(options)
    stage.client(0).sendall(commands(line.strip()))
    slow.accept()
    slow.read_until(b"REPLACE\r\n" if "replace" in options else b"\r\n$1\r\n0\r\n$12\r\n" + slow.got[-14:])
    stage.barrier()


def test_others_go_on(stage: Stage) -> None:
    """Commands on other keys run; those that name the key wait, in order, and find it gone."""
    with Slow() as slow:
        begin(stage, slow, "replace")
        assert stage.step(1, commands("get other", "ping")) == {1: b"$1\r\nv\r\n+PONG\r\n"}
        assert stage.step(1, commands("set k new", "get k", "ping")) == {}
        assert stage.step(2, commands("multi", "get other", "append k x", "exec")) == {
            2: b"+OK\r\n+QUEUED\r\n+QUEUED\r\n"
        }
        assert stage.step(3, commands("get k")) == {}
        assert stage.step(4, commands("client unblock 1", "dbsize"))[4].endswith(b":2\r\n")
        info = stage.step(4, commands("info clients"))[4]
        assert b"blocked_clients:1\r\n" in info
        slow.peer.sendall(b"+OK\r\n+OK\r\n")
        expected = {0: b"+OK\r\n", 1: b"+OK\r\n$3\r\nnew\r\n+PONG\r\n"}
        got: dict[int, bytes] = {}
        while len(got) < 4 or len(got[1]) < len(expected[1]):
            stage.barrier()
            for number, data in stage.collect().items():
                got[number] = got.get(number, b"") + data
        assert got[0] == expected[0] and got[1] == expected[1]
        assert got[2] == b"*2\r\n$1\r\nv\r\n:4\r\n" and got[3] in (b"$3\r\nnew\r\n", b"$4\r\nnewx\r\n")


def test_copy_protects_nothing(stage: Stage) -> None:
    with Slow() as slow:
        begin(stage, slow, "copy", "replace")
        assert stage.step(1, commands("set k new", "get k")) == {1: b"+OK\r\n$3\r\nnew\r\n"}
        slow.peer.sendall(b"+OK\r\n+OK\r\n")
        assert stage.step_until(0, b"", b"\r\n") == {0: b"+OK\r\n"}
        assert stage.step(1, commands("get k")) == {1: b"$3\r\nnew\r\n"}


def test_the_client_leaves(stage: Stage) -> None:
    """The key is moved all the same: the other server has it."""
    with Slow() as slow:
        begin(stage, slow, "replace")
        stage.leave(0)
        stage.client(1).sendall(commands("exists k"))
        slow.peer.sendall(b"+OK\r\n+OK\r\n")
        assert stage.step_until(1, b"", b"\r\n") == {1: b":0\r\n"}


def test_whoever_waits_may_leave(stage: Stage) -> None:
    with Slow() as slow:
        begin(stage, slow, "replace")
        stage.step(1, commands("incr k"))
        stage.leave(1)
        slow.peer.sendall(b"+OK\r\n+OK\r\n")
        assert stage.step_until(0, b"", b"\r\n") == {0: b"+OK\r\n"}
        assert stage.step(2, commands("exists k")) == {2: b":0\r\n"}


def test_changed_without_being_named(stage: Stage) -> None:
    """FLUSHALL does not wait, and what comes after it is another key: that stays."""
    with Slow() as slow:
        begin(stage, slow, "replace")
        assert stage.step(1, commands("flushall")) == {1: b"+OK\r\n"}
        slow.peer.sendall(b"+OK\r\n+OK\r\n")
        assert stage.step_until(0, b"", b"\r\n") == {0: b"+OK\r\n"}
        begin(stage, slow2 := Slow(), "replace")
        with slow2:
            assert stage.step(1, commands("select 1", "set k other", "swapdb 0 1"))[1].endswith(b"+OK\r\n")
            slow2.peer.sendall(b"+OK\r\n+OK\r\n")
            reply = stage.step_until(0, b"", b"\r\n")[0]
            assert reply.startswith(b"-IOERR key 'k' was changed while it was being moved")
            assert stage.step(2, commands("get k")) == {2: b"$5\r\nother\r\n"}


def test_errors_of_the_connection(stage: Stage) -> None:
    """It ends: tried again once; it says nothing: until the time is over. The key stays."""
    with Slow() as slow:
        begin(stage, slow, "replace")
        slow.peer.close()
        slow.got = b""
        slow.accept()
        slow.read_until(b"REPLACE\r\n")
        slow.peer.sendall(b"+OK\r\n")
        slow.peer.close()
        assert stage.step_until(0, b"", b"\r\n") == {0: b"-IOERR error or timeout reading to target instance\r\n"}
        assert stage.step(1, commands("get k")) == {1: b"$1\r\nv\r\n"}
        line = f"migrate 127.0.0.1 {slow.port} k 0 1000"
        assert stage.step_until(0, commands(line), b"\r\n")[0].startswith(b"-IOERR error or timeout reading")
        slow.accept()
    with Slow() as slow:
        begin(stage, slow, "replace")
        slow.peer.sendall(b"-ERR no such database\r\n+OK\r\n")
        assert stage.step_until(0, b"", b"\r\n") == {
            0: b"-ERR Target instance replied with error: ERR no such database\r\n"
        }
        assert stage.step(1, commands("get k")) == {1: b"$1\r\nv\r\n"}


def test_half_of_the_keys(server: ServerProcess) -> None:
    """Those that the other side has taken are gone, the others not."""
    client = RawClient(server.connect())
    with Slow() as slow:
        for key in "abc":
            client.call("SET", key, key)
        client.send("MIGRATE", "127.0.0.1", slow.port, "", 0, LONG, "REPLACE", "KEYS", "a", "b", "c")
        slow.accept()
        while slow.got.count(b"REPLACE\r\n") < 3:
            part = slow.peer.recv(65536)
            assert part
            slow.got += part
        slow.peer.sendall(b"+OK\r\n+OK\r\n-ERR full\r\n")
        slow.peer.close()
        assert client.read() == b"-ERR Target instance replied with error: ERR full\r\n"
        assert client.call("EXISTS", "a", "b", "c") == b":2\r\n"
        assert client.call("EXISTS", "a") == b":0\r\n"


def test_propagation(tmp_path: Path, target: ServerProcess) -> None:
    """What has gone is not there after a restart; nor is MIGRATE itself in the file."""
    options = ["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]
    server = start_ours(tmp_path, *options)
    client = RawClient(server.connect())
    for key in "abcd":
        client.call("SET", key, key)
    tail = ["0", LONG, "REPLACE", "AUTH", "pw", "KEYS"]
    assert client.call("MIGRATE", "127.0.0.1", target.port, "", *tail, "a", "b") == b"+OK\r\n"
    assert client.call("MIGRATE", "127.0.0.1", target.port, "", *tail, "missing") == b"+NOKEY\r\n"
    assert client.call("MULTI") == b"+OK\r\n"
    client.call("MIGRATE", "127.0.0.1", target.port, "", *tail, "c")
    assert client.call("EXEC") == b"*1\r\n+OK\r\n"
    client.close()
    server.stop()
    [increment] = (tmp_path / "appendonlydir").glob("*.incr.aof")
    data = increment.read_bytes()
    assert encode([b"DEL", b"a", b"b"]) in data and encode([b"DEL", b"c"]) in data and b"MIGRATE" not in data
    server = start_ours(tmp_path, *options)
    client = RawClient(server.connect())
    assert keys_of(client) == [b"d"]
    client.close()
    server.stop()


def test_connections_are_kept(server: ServerProcess, target: ServerProcess) -> None:
    """The second key goes over the first one's connection, from any client; one that was closed does no harm."""
    control = RawClient(target.connect())
    control.call("AUTH", "pw")

    def received() -> int:
        [line] = [line for line in control.call("INFO", "stats").split() if line.startswith(b"total_connections")]
        return int(line.split(b":")[1])

    client = RawClient(server.connect())
    before = received()
    for n in range(5):
        other = RawClient(server.connect())
        other.call("SET", "k", n)
        reply = other.call("MIGRATE", "127.0.0.1", target.port, "k", 0, LONG, "REPLACE", "AUTH", "pw")
        assert reply == b"+OK\r\n"
        other.close()
    assert received() <= before + 1
    assert b"migrate_cached_sockets:0\r\n" not in client.call("INFO", "stats")
    control.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    client.call("SET", "k", "v")
    assert client.call("MIGRATE", "127.0.0.1", target.port, "k", 0, LONG, "REPLACE", "AUTH", "pw") == b"+OK\r\n"
    assert control.call("GET", "k") == b"$1\r\nv\r\n"


def test_many_at_once(server: ServerProcess, target: ServerProcess) -> None:
    """Clients that move keys, some of them the same, and others that write: each value is in one place at the end."""
    control = RawClient(target.connect())
    control.call("AUTH", "pw")
    control.call("FLUSHALL")
    problems: list[bytes] = []

    def move(seed: int) -> None:
        rng = random.Random(seed)
        client = RawClient(server.connect())
        for _ in range(60):
            key = f"key:{rng.randrange(8)}"
            client.call("INCR", key)
            options = ["REPLACE", "AUTH", "pw"]
            reply = client.call("MIGRATE", "127.0.0.1", target.port, key, 0, LONG, *options)
            if reply not in (b"+OK\r\n", b"+NOKEY\r\n"):
                problems.append(reply)
        client.close()

    threads = [threading.Thread(target=move, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert not problems
    client = RawClient(server.connect())
    assert client.call("DBSIZE") == b":0\r\n"
    assert len(keys_of(control)) == 8


def test_large_values(pair: list[ServerProcess]) -> None:
    source, destination = (RawClient(server.connect()) for server in pair)
    value = random.Random(1).randbytes(8 << 20)
    source.call("SET", "large", value)
    assert source.call("MIGRATE", "127.0.0.1", pair[1].port, "large", 0, LONG) == b"+OK\r\n"
    assert destination.call("GET", "large") == b"$%d\r\n%b\r\n" % (len(value), value)
    destination.call("DEL", "large")
