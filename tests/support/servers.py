"""Servers for tests: ours and Debian's redis-server, each on a free port, ended by pid."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from tests.support.waiting import PATIENCE

ORACLE = "/usr/bin/redis-server"
_claims: deque[int] = deque()
"""Descriptors that keep this process's claims on ports, the oldest first."""
_MOST_CLAIMS = 100


def free_port() -> int:
    """A port that nobody listens on, at no address. No other process of tests is given it for the time being."""
    while True:
        with socket.socket() as s:
            s.bind(("", 0))
            port = int(s.getsockname()[1])
        if claim(port):
            return port


def claim(port: int) -> bool:
    """Keep a port from other processes of tests until many more are claimed; False if one of them has it.

    Between the choice and the start of who listens there (or while that one is down for a moment) it belongs to nobody,
    so that two may choose the same. Only Linux has the names that are taken for this, which end with the process.
    """
    if not sys.platform.startswith("linux"):
        return True
    with socket.socket(socket.AF_UNIX) as mark:
        try:
            mark.bind(f"\0pyredis-tests-port-{port}")
        except OSError:
            return False
        _claims.append(mark.detach())
    if len(_claims) > _MOST_CLAIMS:
        os.close(_claims.popleft())
    return True


class ServerProcess:
    """A running server: ``host``, ``port``, ``url``, ``pid``."""

    ready: tuple[bytes, ...] = (b"+PONG", b"-NOAUTH")
    """What it says to PING once it has started."""

    def __init__(self, command: list[str], cwd: Path, *args: str) -> None:
        self.host = "127.0.0.1"
        self.log_path = cwd / "server.log"
        for _ in range(5):
            self.port = free_port()
            log = self.log_path.open("wb")
            argv = [*command, "--port", str(self.port), "--save", "", *args]
            self.process = subprocess.Popen(argv, cwd=cwd, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            log.close()
            if self._wait_for_pong():
                break
            self.stop()
        else:
            raise RuntimeError("server did not start:\n" + self.log())
        self.url = f"redis://{self.host}:{self.port}"
        self.pid = self.process.pid

    def _wait_for_pong(self) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with self.connect() as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(64).startswith(self.ready) and self._is_mine(s):
                        return True
            except OSError:
                time.sleep(0.02)
        return False

    def _is_mine(self, sock: socket.socket) -> bool:
        """Whether this process answers: another one may have taken the port. Unknown (no access) counts as yes."""
        sock.sendall(b"INFO server\r\n")
        data = b""
        while not data.startswith(b"-"):
            found = re.search(rb"process_id:(\d+)\r", data)
            if found:
                return int(found[1]) == self.process.pid
            part = sock.recv(8192)
            if not part:
                return False
            data += part
        return True

    def connect(self) -> socket.socket:
        """A raw connection."""
        return socket.create_connection((self.host, self.port), timeout=60)

    def alive(self) -> bool:
        """True while the process runs."""
        return self.process.poll() is None

    def log(self) -> str:
        """What the server has written."""
        return self.log_path.read_text(errors="replace")[-4000:]

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_ours(cwd: Path, *args: str, file: Path | None = None, compat: str = "7.0") -> ServerProcess:
    """pyredis, as ``python -m pyredis``, with a configuration file if one is given.

    It looks like the oracle's release; ``compat`` chooses another (empty: the default, which is the newest).
    """
    face = ["--compat-version", compat] if compat else []
    return ServerProcess([sys.executable, "-m", "pyredis", *([str(file)] if file else [])], cwd, *face, *args)


def start_oracle(cwd: Path, *args: str, file: Path | None = None) -> ServerProcess:
    """Debian's redis-server, by its full path: a virtual environment may shadow the name."""
    return ServerProcess([ORACLE, *([str(file)] if file else []), "--appendonly", "no"], cwd, *args)
