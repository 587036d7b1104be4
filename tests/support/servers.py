"""Servers for tests: ours and Debian's redis-server, each on a free port, ended by pid."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.support.waiting import PATIENCE

ORACLE = "/usr/bin/redis-server"


_PORTS = range(20_000, 32_000)
"""Below those that the system gives to clients: one of them might take the port of a server that is not there yet, or
not at the moment; and a client that looks for the server there might be connected to itself."""
_ROWS = range(32_000, 32_760, 10)
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_given: dict[range, dict[int, None]] = {}


def claim_ports(places: range, behind: Iterable[int] = (0,)) -> int:
    """One of ``places``: nobody listens on the ports so far behind it, and no other part of the tests is given it.

    Not the same again so soon: what was given first is forgotten when half of all have been.
    """
    mine = places[_WORKER::_WORKERS]
    given = _given.setdefault(places, {})
    if len(given) > len(mine) // 2:
        del given[next(iter(given))]
    while True:
        first = random.SystemRandom().choice(mine)
        if first in given:
            continue
        try:
            for number in behind:
                with socket.socket() as s:
                    s.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        given[first] = None
        return first


def free_port() -> int:
    """A port that nobody listens on; see :func:`claim_ports`."""
    return claim_ports(_PORTS)


def free_range(count: int) -> int:
    """The first of so many ports in a row, at most ten, that are free as :func:`free_port` has it."""
    return claim_ports(_ROWS, range(count))


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
        return socket.create_connection((self.host, self.port), timeout=PATIENCE)

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
