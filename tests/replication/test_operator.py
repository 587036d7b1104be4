"""What an operator of a set does and reads: the first start, probes, orders, the rewritten file, TLS."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.raw import RawClient
from tests.support.replication import KINDS, Group, Node, group, wait_in_step, write
from tests.support.servers import free_port
from tests.support.waiting import wait_until

FIRST_START = """\
slaveof 127.0.0.1 {port}
port {port}
tcp-keepalive 60
save 900 1
save 300 10
user pinger -@all +ping on >pingpass
masterauth secret
requirepass secret"""
READINESS = """\
set -e
ROLE="role"
master_host="$(redis-cli -p {port} -a secret --no-auth-warning info replication)"
echo "$master_host" | grep role: | cut -d: -f2 | tr -d '\\r'
echo "$master_host" | grep -c role
"""


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Started(Node):
    """A process that was started with nothing but its file."""

    def __init__(self, directory: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.port = port
        self.pid = process.pid
        wait_until(self._answers, self.log)
        self.client = RawClient(socket.create_connection(("127.0.0.1", port), timeout=60))
        assert self.client.call("AUTH", "default", "secret") == b"+OK\r\n"

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        return (self.directory / "log").read_text()


@contextmanager
def started(directory: Path, file: Path, port: int) -> Iterator[Started]:
    """``pyredis server redis.conf``, in ``directory``."""
    with (directory / "log").open("wb") as log:
        argv = [sys.executable, "-m", "pyredis", str(file)]
        process = subprocess.Popen(argv, cwd=directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        node = Started(directory, port, process)
        yield node
        node.client.close()
    finally:
        process.terminate()
        process.wait()


def test_a_replica_of_itself(tmp_path: Path) -> None:
    """So every node of a new set starts: it is up, no master, does not spin, and takes orders."""
    port = free_port()
    file = tmp_path / "redis.conf"
    file.write_text(FIRST_START.format(port=port))
    with started(tmp_path, file, port) as node:
        wait_until(lambda: "Can't SYNC while not connected with my master" in node.log())
        info = node.info()
        assert (info["role"], info["master_host"], info["master_link_status"]) == ("slave", "127.0.0.1", "down")
        assert info["master_sync_in_progress"] == "0"
        assert node.call("PSYNC", "?", "-1") == b"-NOMASTERLINK Can't SYNC while not connected with my master\r\n"
        assert node.call("GET", "k") == b"$-1\r\n"
        before, at = processor_seconds(node.pid), time.monotonic()
        attempts = node.log().count("Connecting to MASTER")
        wait_until(lambda: node.log().count("Connecting to MASTER") >= attempts + 3)
        assert time.monotonic() - at > 0.9  # two of them may come together after a pause
        assert processor_seconds(node.pid) - before < 0.5
        probe = f"redis-cli -h 127.0.0.1 -p {port} --user pinger --pass pingpass --no-auth-warning ping | grep PONG"
        assert subprocess.run(["sh", "-c", probe], timeout=60).returncode == 0
        script = READINESS.format(port=port)
        shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60).stdout.split()
        assert shown == ["slave", "1"]
        assert node.call("SLAVEOF", "NO", "ONE") == b"+OK\r\n"
        assert node.info()["role"] == "master"
        shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60).stdout.split()
        assert shown == ["master", "1"]
        assert node.call("CONFIG", "REWRITE") == b"+OK\r\n"
        assert "slaveof" not in file.read_text() and "replicaof" not in file.read_text()
        assert node.call("SLAVEOF", "127.0.0.1", "1") == b"+OK\r\n"
        assert node.call("SLAVEOF", "127.0.0.1", "1") == b"+OK Already connected to specified master\r\n"
        assert node.call("CONFIG", "REWRITE") == b"+OK\r\n"
        assert re.search(r"^replicaof 127\.0\.0\.1 1$", file.read_text(), re.M)


@pytest.mark.parametrize("kind", KINDS)
def test_orders_of_a_sentinel(tmp_path: Path, kind: str) -> None:
    """All in one transaction: another master, the file, and the clients that must ask anew."""
    with group(tmp_path) as servers:
        master, replica = servers.start("ours"), servers.start(kind)
        write(master, 1, 50)
        other = RawClient(replica.server.connect())
        other.call("PING")
        orders = (
            ("MULTI",),
            ("SLAVEOF", "127.0.0.1", master.port),
            ("CONFIG", "REWRITE"),
            ("CLIENT", "KILL", "TYPE", "normal"),
            ("CLIENT", "KILL", "TYPE", "pubsub"),
            ("EXEC",),
        )
        replies = [replica.call(*argv) for argv in orders]
        assert replies[-1].startswith(b"*4\r\n+OK\r\n-ERR The server is running without a config file\r\n:1\r\n:0\r\n")
        with pytest.raises((EOFError, ConnectionError)):
            other.call("PING")
        other.close()
        replica.wait_for_link()
        wait_in_step(master, replica)
        assert replica.call("CONFIG", "GET", "replicaof").endswith(f"127.0.0.1 {master.port}\r\n".encode())


def test_blocked_clients_are_told(tmp_path: Path) -> None:
    """A client that waits for a key of what is no master any more."""
    with group(tmp_path) as servers:
        for kind in KINDS:
            node = servers.start(kind)
            waiting = RawClient(node.server.connect())
            waiting.send("BLPOP", "l", "0")
            wait_until(lambda: node.info("clients")["blocked_clients"] == "1")  # noqa: B023
            node.ok("REPLICAOF", "127.0.0.1", "1")
            assert waiting.read() == (
                b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n"
            )
            with pytest.raises((EOFError, ConnectionError)):
                waiting.read()
            waiting.close()


def test_announced_address(tmp_path: Path) -> None:
    """A replica behind a proxy says where it is to be found."""
    with group(tmp_path) as servers:
        master = servers.start("ours")
        replica = servers.start("ours", "--replica-announce-ip", "10.1.2.3", "--replica-announce-port", "1234")
        replica.replicate(master)
        wait_until(lambda: master.info()["slave0"].startswith("ip=10.1.2.3,port=1234,state=online"), master.log)
        assert b"$8\r\n10.1.2.3\r\n$4\r\n1234\r\n" in master.call("ROLE")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def _with_tls(servers: Group, kind: str, files: Certificates) -> tuple[Node, int]:
    port = free_port()
    words = [word for name, value in files.settings().items() for word in (f"--{name}", value)]
    return servers.start(kind, "--tls-port", str(port), "--tls-replication", "yes", *words), port


@pytest.mark.parametrize(("master_kind", "replica_kind"), [("ours", "ours"), ("ours", "redis"), ("redis", "ours")])
def test_tls(tmp_path: Path, files: Certificates, master_kind: str, replica_kind: str) -> None:
    """A link over TLS: snapshot, stream, and the end of the link."""
    with group(tmp_path) as servers:
        master, port = _with_tls(servers, master_kind, files)
        replica, _ = _with_tls(servers, replica_kind, files)
        write(master, 1, 300)
        replica.ok("REPLICAOF", "127.0.0.1", master.port)  # which does not speak TLS
        wait_until(lambda: "sync started" in replica.log())
        assert replica.info()["master_link_status"] == "down"
        replica.ok("REPLICAOF", "127.0.0.1", port)
        replica.wait_for_link()
        write(master, 2, 300)
        master.ok("SET", "large", b"x" * 5_000_000)
        wait_in_step(master, replica)
        assert master.call("CLIENT", "KILL", "TYPE", "replica") == b":1\r\n"
        write(master, 3, 100)
        wait_in_step(master, replica)
        assert master.info("stats")["sync_full"] == "1"
