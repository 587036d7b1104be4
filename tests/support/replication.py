"""Masters and replicas for tests: servers of both kinds, INFO as a dict, waiting, and a link that can be cut."""

from __future__ import annotations

import random
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.keyspaces import small_commands
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import wait_until

KINDS = ("ours", "redis")


class Group:
    """Servers of one test; all of them end with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers: list[Node] = []
        self.proxies: list[Proxy] = []

    def start(self, kind: str, *args: str, compat: str = "7.0") -> Node:
        """A server that can be a master or a replica; ``kind`` is ``ours`` or ``redis``."""
        node = Node(self.directory / f"node{len(self.servers)}", kind, compat, *args)
        self.servers.append(node)
        return node

    def proxy(self, target: Node) -> Proxy:
        """A link to a server that can be cut."""
        proxy = Proxy(target.port)
        self.proxies.append(proxy)
        return proxy

    def stop(self) -> None:
        for proxy in self.proxies:
            proxy.stop()
        for node in self.servers:
            node.stop()


@contextmanager
def group(directory: Path) -> Iterator[Group]:
    """Servers for one test."""
    made = Group(directory)
    try:
        yield made
    finally:
        made.stop()


class Node:
    """A server with a client."""

    def __init__(self, directory: Path, kind: str, compat: str, *args: str) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.kind = kind
        self.compat = compat
        self.args = ("--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0", *args)
        self.server = self._start()
        self.port = self.server.port
        self.client = RawClient(self.server.connect())

    def _start(self, *more: str) -> ServerProcess:
        if self.kind == "ours":
            return start_ours(self.directory, *self.args, *more, compat=self.compat)
        return start_oracle(self.directory, *self.args, *more)

    def restart(self, *more: str) -> None:
        """A new process in the same directory."""
        self.stop()
        self.server = self._start(*more)
        self.port = self.server.port
        self.client = RawClient(self.server.connect())

    def call(self, *argv: bytes | str | int) -> bytes:
        return self.client.call(*argv)

    def ok(self, *argv: bytes | str | int) -> None:
        reply = self.call(*argv)
        assert reply.startswith(b"+OK"), (argv, reply)

    def info(self, section: str = "replication") -> dict[str, str]:
        """A section of INFO."""
        text = self.call("INFO", section).decode()
        return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)

    def digest(self) -> bytes:
        return self.call("DEBUG", "DIGEST")

    def offset(self) -> int:
        return int(self.info()["master_repl_offset"])

    def replicate(self, master: Node | Proxy) -> None:
        """REPLICAOF, and wait until it follows."""
        self.ok("REPLICAOF", "127.0.0.1", master.port)
        self.wait_for_link()

    def wait_for_link(self) -> None:
        wait_until(lambda: self.info()["master_link_status"] == "up", self.log)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """It stands still."""
        process = self.server.process
        process.send_signal(signal.SIGSTOP)
        try:
            stat = Path(f"/proc/{process.pid}/stat")
            wait_until(lambda: not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "T")
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return self.server.log_path.read_text(errors="replace")

    def stop(self) -> None:
        self.client.close()
        self.server.stop()


def wait_in_step(master: Node, *replicas: Node) -> None:
    """Wait until the replicas have everything, and compare the data."""
    for replica in replicas:
        wait_until(
            lambda replica=replica: has_everything(master, replica),  # type: ignore[misc]
            lambda replica=replica: f"{master.info()}\n{replica.info()}\n{replica.log()[-4000:]}",  # type: ignore[misc]
        )
    wanted = master.digest()
    for replica in replicas:
        assert replica.digest() == wanted, differences(master, replica)


def has_everything(master: Node, replica: Node) -> bool:
    """Whether a replica has all its master has, and (where nothing is between them) its master knows it is online."""
    info = replica.info()
    if info["role"] != "slave" or int(info["master_repl_offset"]) != master.offset():
        return False
    online = f",port={replica.port},state=online,"
    return info["master_port"] != str(master.port) or any(online in line for line in master.info().values())


def differences(one: Node, other: Node) -> str:
    """Keys whose digests differ."""
    found = []
    for db in range(16):
        for node in (one, other):
            node.ok("SELECT", db)
        keys = set(values(one.call("KEYS", "*"))) | set(values(other.call("KEYS", "*")))
        for key in sorted(keys):
            digests = [node.call("DEBUG", "DIGEST-VALUE", key) for node in (one, other)]
            ttls = [node.call("PEXPIRETIME", key) for node in (one, other)]
            if digests[0] != digests[1] or ttls[0] != ttls[1]:
                found.append((db, key, digests, ttls))
    for node in (one, other):
        node.ok("SELECT", 0)
    return f"{found[:5]}"


def values(reply: bytes) -> list[bytes]:
    """The elements of an array of bulk strings (none of which has a line end)."""
    return reply.split(b"\r\n")[2:-1:2]


def write(node: Node, seed: int, count: int = 400) -> None:
    """Random changes of all types; errors among them are part of it."""
    node.client.pipeline(small_commands(random.Random(seed), count))
    node.ok("SELECT", 0)


def snapshot_check(node: Node, option: str, file: Path) -> str:
    """What redis-check-rdb tells of the file that redis-cli makes with ``--rdb`` or ``--functions-rdb``."""
    command = ["redis-cli", "-p", str(node.port), option, str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    done = subprocess.run(["redis-check-rdb", str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    return done.stdout


def count_keys(node: Node) -> int:
    """In all databases."""
    return sum(int(value.split(",")[0].removeprefix("keys=")) for value in node.info("keyspace").values())


@contextmanager
def following(master: Node) -> Iterator[Callable[[bytes], None]]:
    """``redis-cli --replica``, as the only replica and online: reads its lines until one has some bytes in it."""
    command = ["redis-cli", "-p", str(master.port), "--replica"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as follower:

        def read_until(wanted: bytes) -> None:
            assert follower.stdout is not None
            line = b""
            while wanted not in line:
                line = follower.stdout.readline()
                assert line

        try:
            wait_until(lambda: "state=online" in master.info().get("slave0", ""))
            yield read_until
        finally:
            follower.kill()


class Proxy:
    """Passes a port's connections on; can cut them, and refuse new ones."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.open = True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._wake, self._waker = socket.socketpair()
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._cut = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """End all connections, and make no new ones before :meth:`mend`."""
        self.open = False
        self._cut = True
        self._waker.send(b"x")
        wait_until(lambda: not self._cut)

    def mend(self) -> None:
        """Make connections again."""
        self.open = True

    def stop(self) -> None:
        self._stopped = True
        self._waker.send(b"x")
        self._thread.join()
        for sock in (*self._pairs, self.listener, self._wake, self._waker):
            sock.close()

    def _run(self) -> None:
        while not self._stopped:
            ready, _, _ = select.select([self.listener, self._wake, *self._pairs], [], [], 1)
            for sock in ready:
                if sock is self._wake:
                    self._wake.recv(64)
                elif sock is self.listener:
                    self._accept()
                elif sock in self._pairs:
                    self._pass(sock)
            if self._cut:
                for sock in list(self._pairs):
                    self._end(sock)
                self._cut = False

    def _accept(self) -> None:
        near, _ = self.listener.accept()
        if not self.open:
            near.close()
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        self._pairs[near], self._pairs[far] = far, near

    def _pass(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(1 << 16)
            if data:
                self._pairs[sock].sendall(data)
                return
        except OSError:
            pass
        self._end(sock)

    def _end(self, sock: socket.socket) -> None:
        other = self._pairs.pop(sock, None)
        if other is not None:
            self._pairs.pop(other, None)
            other.close()
        sock.close()
