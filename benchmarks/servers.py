"""The servers that are measured: ours, another checkout of ours, redis-server; started, pinned, read, ended by pid."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import uninterrupted
from benchmarks.wire import Wire

REDIS_SERVER = "/usr/bin/redis-server"
START_LIMIT = 20.0  # seconds until a server must answer


@dataclass(frozen=True)
class Cores:
    """Which core the servers run on and which the load generator; None where there is no choice."""

    server: int | None
    load: int | None

    def __str__(self) -> str:
        if self.server is None:
            return "not pinned"
        return f"servers on core {self.server}, load generator on core {self.load}"


def choose_cores() -> Cores:
    """The first two cores this process may use, if the system can pin and there are two."""
    if not hasattr(os, "sched_getaffinity"):
        return Cores(None, None)
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


def pin(core: int | None) -> None:
    """Pin this process, and with it the children it starts from now on."""
    if core is not None:
        os.sched_setaffinity(0, {core})


@contextmanager
def going_first() -> Iterator[None]:
    """Let this process and its children go before others on a machine that is not ours alone; Linux, as root.

    Real-time scheduling at its lowest priority: niceness would let the others finish their turns of some milliseconds
    first. Waits for other runs that go first: they would measure one another.
    """
    with open(Path(tempfile.gettempdir()) / "pyredis-bench.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        try:
            yield
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def busy_seconds() -> float | None:
    """Processor time of everything on the machine so far; None where the system does not tell."""
    try:
        with open("/proc/stat") as f:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, f.readline().split()[1:9])
    except OSError:
        return None
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Kind:
    """A server that can be started: ``checkout`` is a directory with the package pyredis, None for redis-server."""

    name: str
    checkout: Path | None

    def command(self) -> list[str]:
        return [REDIS_SERVER] if self.checkout is None else [sys.executable, "-m", "pyredis"]

    def environment(self) -> dict[str, str]:
        env = dict(os.environ)
        if self.checkout is not None:
            env["PYTHONPATH"] = str(self.checkout)
        return env

    def version(self) -> str:
        """What ``--version`` says, or the checkout's revision."""
        if self.checkout is None:
            return subprocess.run([REDIS_SERVER, "--version"], capture_output=True, text=True).stdout.strip()
        return f"pyredis, revision {revision(self.checkout)}"


def revision(checkout: Path) -> str:
    """The checkout's git revision, ``-dirty`` behind it if files differ; ``unknown`` outside git."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Server:
    """A running server, pinned to ``core``; ``start_seconds`` is the time from its start to the first PONG."""

    def __init__(self, kind: Kind, directory: Path, core: int | None, *directives: str) -> None:
        self.kind = kind
        self.name = kind.name
        self.directory = directory
        self.port = free_port()
        self._tls_port = 0
        argv = [*kind.command(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", *directives]
        self.log = directory / f"{kind.name}-{self.port}.log"
        prepare: Callable[[], None] | None = None if core is None else (lambda: pin(core))
        process: subprocess.Popen[bytes] | None = None
        try:
            with self.log.open("wb") as log, uninterrupted():
                start = time.perf_counter()
                self.process = process = subprocess.Popen(
                    argv,
                    cwd=directory,
                    env=kind.environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    preexec_fn=prepare,
                    start_new_session=True,  # Ctrl-C reaches the runner only, which then ends what it started
                )
            self.pid = process.pid
            self._wait_for_pong(start + START_LIMIT)
        except BaseException:
            if process is not None:
                self.stop()
            raise
        self.start_seconds = time.perf_counter() - start

    def _wait_for_pong(self, deadline: float) -> None:
        while time.perf_counter() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                    s.sendall(b"PING\r\n")
                    if s.recv(64).startswith(b"+PONG"):
                        return
            except OSError:
                pass
            time.sleep(0.001)
        raise RuntimeError(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def connect(self) -> Wire:
        """A connection."""
        return Wire(self.port)

    def tls_port(self) -> int:
        """The port for TLS, opened when it is first asked for, with a certificate made for it."""
        if not self._tls_port:
            key, certificate = self.directory / "bench.key", self.directory / "bench.crt"
            if not certificate.exists():
                # fmt: off
                subprocess.run(
                    [
                        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate),
                    ],
                    check=True,
                    capture_output=True,
                )
                # fmt: on
            self._tls_port = free_port()
            settings = {
                "tls-cert-file": str(certificate),
                "tls-key-file": str(key),
                "tls-ca-cert-file": str(certificate),
                "tls-auth-clients": "no",
                "tls-port": str(self._tls_port),
            }
            with self.connect() as wire:
                wire.call(b"CONFIG", b"SET", *[word.encode() for pair in settings.items() for word in pair])
        return self._tls_port

    def flush(self) -> None:
        """Empty the server."""
        with self.connect() as wire:
            wire.call(b"FLUSHALL")

    def cpu_seconds(self) -> float | None:
        """Processor time of all the server's threads so far, in seconds; None where the system does not tell."""
        if not sys.platform.startswith("linux"):
            return None
        # clock_getcpuclockid(3): the clock's number is made of the process's; nanoseconds, where /proc has 10 ms steps
        return time.clock_gettime((~self.pid << 3) | 2)

    def rss(self) -> int:
        """Resident memory in bytes, as the kernel counts it page by page."""
        try:
            with open(f"/proc/{self.pid}/statm") as f:
                return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except FileNotFoundError:  # not Linux
            command = ["ps", "-o", "rss=", "-p", str(self.pid)]
            return int(subprocess.run(command, capture_output=True, text=True).stdout) * 1024

    def settled_rss(self) -> int:
        """Resident memory once it has not changed for a third of a second (at most ten seconds later).

        That is three turns of the cron that redis-server finishes the growth of its tables in.
        """
        deadline = time.monotonic() + 10
        last, since = self.rss(), time.monotonic()
        while time.monotonic() < min(since + 0.35, deadline):
            time.sleep(0.05)
            if (now := self.rss()) != last:
                last, since = now, time.monotonic()
        return last

    def stop(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def running(kinds: list[Kind], directory: Path, core: int | None, *directives: str) -> Iterator[list[Server]]:
    """Start one server of each kind; end them all however the block is left."""
    servers: list[Server] = []
    try:
        for kind in kinds:
            servers.append(Server(kind, directory, core, *directives))
        yield servers
    finally:
        for server in servers:
            server.stop()
