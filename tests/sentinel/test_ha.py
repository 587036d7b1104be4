"""``pyredis ha``: it tells what runs where and of a failover, goes on in its directory, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import redis
from redis.sentinel import Sentinel

from tests.support.sentinels import wait_for
from tests.support.servers import free_range


class Running:
    """The command, with what it has printed."""

    def __init__(self, directory: Path, *args: str) -> None:
        self.out = directory / "out"
        with self.out.open("wb") as out:
            argv = [sys.executable, "-m", "pyredis.cli.ha", *args]
            self.process = subprocess.Popen(argv, stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=directory)

    def text(self) -> str:
        return self.out.read_text()

    def said(self, pattern: str) -> bool:
        assert self.process.poll() is None or re.search(pattern, self.text()), self.text()
        return re.search(pattern, self.text()) is not None

    def pids(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"^(?:master|replica|sentinel) +\d+ +(\d+)", self.text(), re.MULTILINE)]

    def pid_of(self, port: int) -> int:
        found = re.search(rf"^(?:master|replica) +{port} +(\d+)", self.text(), re.MULTILINE)
        assert found is not None, self.text()
        return int(found[1])

    def end(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(60)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_set_with_failover_and_restart(tmp_path: Path) -> None:
    port, sentinel_port = free_range(3), free_range(3)
    kept, old = tmp_path / "kept", 0
    args = ["--port", str(port), "--sentinel-port", str(sentinel_port), "--down-after", "1000", "--password", "secret"]
    for again in (False, True):
        running = Running(tmp_path, *args, "--dir", str(kept))
        try:
            wait_for(lambda r=running: r.said("Ready; Ctrl-C ends all"), "it runs", 60)
            assert len(running.pids()) == 6
            finder = Sentinel([("127.0.0.1", sentinel_port + n) for n in range(3)], socket_timeout=60)
            master = finder.master_for("mymaster", password="secret", socket_timeout=90)
            if again:
                assert master.get("greeting") == b"hello"
                assert f"master    {old}" not in running.text()
            else:
                master.set("greeting", "hello")
                assert master.wait(2, 60_000) == 2
                old = finder.discover_master("mymaster")[1]
                os.kill(running.pid_of(old), signal.SIGKILL)
                wait_for(lambda r=running, o=old: r.said(f"no longer 127.0.0.1:{o}"), "it tells of the failover")
                assert running.said(f"server {old} has ended with -9")
                wait_for(lambda m=master: m.get("greeting") == b"hello", "the new master has the data")
                wait_for(
                    lambda f=finder, o=old: (
                        o not in {s.sentinel_get_master_addr_by_name("mymaster")[1] for s in f.sentinels}
                    ),
                    "all sentinels know",
                )
            master.close()
            for sentinel in finder.sentinels:
                sentinel.close()
        finally:
            running.end(signal.SIGINT)
        assert running.process.returncode == 0
        assert "ending all" in running.text()
        assert not any(map(alive, running.pids()))


def test_port_taken(tmp_path: Path) -> None:
    """The port is named, and nothing is started."""
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    running = Running(tmp_path, "--port", str(port), "--replicas", "0", "--sentinels", "0")
    assert running.process.wait(60) == 1
    assert f"taken already: {port}" in running.text()
    taken.close()


def test_without_sentinels(tmp_path: Path) -> None:
    """A master and a replica alone, in a directory that does not stay."""
    port = free_range(2)
    running = Running(tmp_path, "--port", str(port), "--replicas", "1", "--sentinels", "0")
    try:
        wait_for(lambda: running.said("Ready"), "it runs", 60)
        folder = Path(re.findall(r"(/\S+)/server-\d+/", running.text())[0])
        assert folder.exists()
        with redis.Redis(port=port) as client:
            wait_for(lambda: client.info("replication")["connected_slaves"] == 1, "the replica")
        running.process.send_signal(signal.SIGTERM)
        wait_for(lambda: running.said("ending all"), "it ends all")
    finally:
        running.end(signal.SIGTERM)  # the second one must not keep it from that
    assert running.process.returncode == 0
    assert not folder.exists() and not any(map(alive, running.pids()))
