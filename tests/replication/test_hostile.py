"""Peers that are no replica or no master, that lie, stand still or die at any byte: neither side is harmed."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.raw import RawClient, encode
from tests.support.replication import KINDS, group, wait_in_step, write
from tests.support.waiting import wait_until

ID = b"0123456789abcdef0123456789abcdef01234567"


class FakeMaster:
    """Answers the handshake as a master does, then sends what it is told, and closes."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self.behave = behave
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            with contextlib.suppress(OSError), sock:
                sock.settimeout(10)
                self.behave(sock)

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join()


def read_until(sock: socket.socket, word: bytes) -> None:
    seen = b""
    while word not in seen:
        data = sock.recv(4096)
        if not data:
            raise ConnectionError
        seen += data


def shake_hands(sock: socket.socket) -> None:
    read_until(sock, b"PING")
    sock.sendall(b"+PONG\r\n")
    read_until(sock, b"psync2")
    sock.sendall(b"+OK\r\n+OK\r\n")
    read_until(sock, b"PSYNC")


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A snapshot as a master sends it, header included."""
    with group(tmp_path_factory.mktemp("snapshot")) as servers:
        master = servers.start("redis", "--repl-diskless-sync", "no")
        for argv in (
            ["SET", "k", "v"],
            ["RPUSH", "l", "a", "b"],
            ["HSET", "h", "f", "v"],
            ["SET", "t", "v", "EX", "9999"],
        ):
            master.call(*argv)
        sock = master.server.connect()
        sock.sendall(b"SYNC\r\n")
        file = sock.makefile("rb")
        line = b"\n"
        while line == b"\n":
            line = file.readline()
        data = line + file.read(int(line[1:]))
        sock.close()
        return data


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_a_master_that_dies_at_each_byte(tmp_path: Path, snapshot: bytes, load: str) -> None:
    """Cut anywhere, or with any byte changed: the replica is as before or empty, and follows the next good master."""
    sent = b""

    def behave(sock: socket.socket) -> None:
        shake_hands(sock)
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass

    whole = b"+FULLRESYNC " + ID + b" 100\r\n" + snapshot
    damaged = [whole[:at] for at in range(0, len(whole), 3)]
    rng = random.Random(1)
    for _ in range(60):
        at = rng.randrange(len(whole))
        damaged.append(whole[:at] + bytes((whole[at] ^ (1 << rng.randrange(8)),)) + whole[at + 1 :])
    fake = FakeMaster(behave)
    with group(tmp_path) as servers:
        replica = servers.start("ours", "--repl-diskless-load", load)
        for sent in damaged:
            replica.ok("SET", "old", "1")
            before = fake.connections
            replica.ok("REPLICAOF", "127.0.0.1", fake.port)
            wait_until(lambda: fake.connections > before)  # noqa: B023
            wait_until(lambda: replica.info()["master_sync_in_progress"] == "0")
            wait_until(lambda: replica.call("REPLICAOF", "NO", "ONE") == b"+OK\r\n")
            wait_until(lambda: replica.call("PING") == b"+PONG\r\n")
            assert replica.call("DBSIZE") in (b":0\r\n", b":1\r\n", b":4\r\n", b":5\r\n"), sent
        sent = whole
        replica.ok("REPLICAOF", "127.0.0.1", fake.port)
        wait_until(lambda: replica.call("DBSIZE") == b":4\r\n")
        master = servers.start("ours")
        write(master, 1, 50)
        replica.replicate(master)
        wait_in_step(master, replica)
        assert "Traceback" not in replica.log()
        assert not list(replica.directory.glob("temp-*"))
    fake.stop()


HANDSHAKES = [
    (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Error reply to PING from master: 'HTTP/1.1 400 Bad Request'"),
    (b"-ERR go away\r\n", "Error reply to PING from master: '-ERR go away'"),
    (b"x" * 100_000, "a line of more than 1024 bytes"),
    (b"\xff\xfe\n", "Error reply to PING from master"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC x y\r\n", "Master replied with wrong +FULLRESYNC syntax"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+WHATEVER\r\n", "Unexpected reply to PSYNC from master: +WHATEVER"),
    (b"+PONG\r\n+OK\r\n+OK\r\n-LOADING x\r\n", "Master is currently unable to PSYNC but should be in the future"),
    (b"+PONG\r\n+OK\r\n+OK\r\n-ERR no\r\n-ERR no\r\n", "MASTER aborted replication with an error: ERR no"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\nnonsense\r\n", "the first byte is not '$'"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC " + ID + b" 1\r\n$99999999999999999999\r\n", "the header of the snapshot is"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n*1\r\n$-5\r\n", "Protocol error"),
    (b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n", "Connection with master lost"),
    (b"", "Failed to read response from the server"),
]


@pytest.mark.parametrize(("sent", "logged"), HANDSHAKES)
def test_what_is_no_master(tmp_path: Path, sent: bytes, logged: str) -> None:
    """It is logged, tried again about once a second, and the replica answers all the time."""

    def behave(sock: socket.socket) -> None:
        read_until(sock, b"PING")
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass

    fake = FakeMaster(behave)
    with group(tmp_path) as servers:
        replica = servers.start("ours")
        replica.ok("SET", "k", "v")
        started = time.monotonic()
        replica.ok("REPLICAOF", "127.0.0.1", fake.port)
        wait_until(lambda: fake.connections >= 3, replica.log)
        assert fake.connections <= time.monotonic() - started + 3
        assert replica.call("GET", "k") == b"$1\r\nv\r\n"
        # After +CONTINUE it is up for a moment, once a second.
        wait_until(lambda: replica.info()["master_link_status"] == "down")
        assert logged in replica.log()
        assert "Traceback" not in replica.log()
    fake.stop()


def test_a_master_that_sends_garbage_commands(tmp_path: Path) -> None:
    """Unknown commands, wrong types, blocking commands, transactions left open: logged, and the stream goes on."""
    commands = [
        [b"NONSENSE", b"x"],
        [b"SET", b"k"],
        [b"SET", b"k", b"v"],
        [b"LPUSH", b"k", b"x"],
        [b"BLPOP", b"nolist", b"0"],
        [b"SUBSCRIBE", b"c"],
        [b"MONITOR"],
        [b"WAIT", b"1", b"0"],
        [b"SELECT", b"99"],
        [b"EXEC"],
        [b"MULTI"],
        [b"SET", b"t", b"1"],
        [b"NONSENSE"],
        [b"EXEC"],
        [b"REPLCONF", b"GETACK", b"*"],
        [b"CLIENT", b"REPLY", b"OFF"],
        [b"QUIT"],
        [b"RESET"],
        [b"SHUTDOWN", b"NOSAVE", b"NOW", b"x"],
        [b"SET", b"last", b"v"],
    ]
    sent = b"".join(map(encode, commands))

    def behave(sock: socket.socket) -> None:
        shake_hands(sock)
        sock.sendall(b"+CONTINUE " + ID + b"\r\n")
        for at in range(0, len(sent), 7):
            sock.sendall(sent[at : at + 7])
        while sock.recv(4096):
            pass

    fake = FakeMaster(behave)
    with group(tmp_path) as servers:
        replica = servers.start("ours")
        replica.ok("REPLICAOF", "127.0.0.1", fake.port)
        wait_until(lambda: replica.info().get("master_replid") == ID.decode(), replica.log)
        wait_until(lambda: "NONSENSE" in replica.log().upper(), replica.log)
        assert replica.call("PING") == b"+PONG\r\n"
        assert replica.server.alive()
        assert "Traceback" not in replica.log()
    fake.stop()


def test_replicas_that_talk_nonsense(tmp_path: Path) -> None:
    """PSYNC and REPLCONF with anything in them, and anything behind them: the master serves the next replica."""
    rng = random.Random(5)
    words = [
        b"?",
        b"-1",
        b"0",
        b"1",
        ID,
        b"x" * 70_000,
        b"\0\xff",
        b"",
        b"9223372036854775807",
        b"-9223372036854775808",
    ]
    names = [b"listening-port", b"ip-address", b"capa", b"ack", b"getack", b"fack", b"rdb-only", b"rdb-filter-only"]
    behind = [
        b"",
        b"GET k\r\n",
        b"SET k v\r\n",
        b"*3\r\n$99\r\n",
        b"\xff" * 5000,
        b"REPLCONF ACK 99999999999\r\n",
        b"QUIT\r\n",
    ]
    with group(tmp_path) as servers:
        master = servers.start("ours")
        write(master, 1, 100)
        socks = []
        for _ in range(150):
            sock = master.server.connect()
            socks.append(sock)
            for _ in range(rng.randrange(3)):
                sock.sendall(encode([b"REPLCONF", rng.choice(names), rng.choice(words)]))
            sync = [b"PSYNC", rng.choice(words), rng.choice(words)] if rng.random() < 0.9 else [b"SYNC"]
            sock.sendall(encode(sync) + rng.choice(behind))
            if rng.random() < 0.5:
                sock.close()
            assert master.call("PING") == b"+PONG\r\n"
        replica = servers.start("ours")
        replica.replicate(master)
        write(master, 2, 100)
        wait_in_step(master, replica)
        for sock in socks:
            sock.close()
        wait_until(lambda: master.info()["connected_slaves"] == "1", lambda: str(master.info()))
        wait_until(lambda: master.info("persistence")["rdb_bgsave_in_progress"] == "0")
        assert "Traceback" not in master.log()
        assert not list(master.directory.glob("temp-*"))


def test_a_replica_that_never_reads(tmp_path: Path) -> None:
    """It is closed at its output limit, whether it has its snapshot or still waits for it."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--client-output-buffer-limit", "replica 4mb 0 0", "--repl-diskless-sync", "no")
        for online in (True, False):
            master.ok("CONFIG", "SET", "rdb-key-save-delay", "0" if online else "60000000")
            master.ok("SET", "k", "v")
            sock = master.server.connect()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(b"PSYNC ? -1\r\n")
            state = "online" if online else "wait_bgsave"
            wait_until(lambda: f"state={state}" in master.info().get("slave0", ""))  # noqa: B023
            for _ in range(30):
                master.ok("SET", "k", b"x" * 1_000_000)
            wait_until(lambda: master.info()["connected_slaves"] == "0")
            sock.close()
        wait_until(lambda: master.info("persistence")["rdb_bgsave_in_progress"] == "0")


def test_a_replica_that_stands_still_in_its_snapshot(tmp_path: Path) -> None:
    """The child writes no further than the replica takes; repl-timeout ends it, and another replica gets its own."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--repl-timeout", "2")
        for n in range(300):
            master.ok("SET", f"k{n}", random.Random(n).randbytes(100_000))
        sock = master.server.connect()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.sendall(b"REPLCONF capa eof\r\n")
        assert sock.recv(5) == b"+OK\r\n"
        sock.sendall(b"PSYNC ? -1\r\n")
        wait_until(lambda: "Disconnecting timedout replica (full sync)" in master.log(), master.log)
        sock.close()
        master.ok("CONFIG", "SET", "repl-timeout", "60")  # the next one may be slow
        replica = servers.start("ours")
        replica.replicate(master)
        wait_in_step(master, replica)


@pytest.mark.parametrize("kind", KINDS)
def test_a_silent_master(tmp_path: Path, kind: str) -> None:
    """repl-timeout: a master that stands still is left, and found again."""
    with group(tmp_path) as servers:
        master = servers.start(kind)
        replica = servers.start("ours")
        replica.replicate(master)
        with master.paused():
            replica.ok("CONFIG", "SET", "repl-timeout", "2")
            wait_until(lambda: replica.info()["master_link_status"] == "down")
            assert "MASTER timeout: no data nor PING received..." in replica.log()
            wait_until(lambda: "Timeout connecting to the MASTER..." in replica.log())
            replica.ok("CONFIG", "SET", "repl-timeout", "60")
        master.ok("SET", "k", "v")
        replica.wait_for_link()
        wait_in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"


def test_a_password(tmp_path: Path) -> None:
    """Without the password, with a wrong one, with the right one, as a user of its own."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        master.ok("ACL", "SETUSER", "follower", "on", ">word", "+psync", "+replconf", "+ping")
        master.ok("CONFIG", "SET", "requirepass", "secret")
        replica = servers.start("ours")
        replica.ok("REPLICAOF", "127.0.0.1", master.port)
        wait_until(lambda: "MASTER aborted replication with an error: NOAUTH" in replica.log(), replica.log)
        replica.ok("CONFIG", "SET", "masterauth", "wrong")
        wait_until(lambda: "Unable to AUTH to MASTER: -WRONGPASS" in replica.log(), replica.log)
        replica.ok("CONFIG", "SET", "masterauth", "secret")
        replica.wait_for_link()
        replica.ok("REPLICAOF", "NO", "ONE")
        replica.ok("CONFIG", "SET", "masteruser", "follower", "masterauth", "word")
        replica.replicate(master)
        client = RawClient(master.server.connect())
        client.call("AUTH", "secret")
        assert b" user=follower " in client.call("CLIENT", "LIST", "TYPE", "replica")
        client.close()
