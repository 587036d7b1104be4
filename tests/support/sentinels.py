"""A master, its replicas and sentinels for tests: ours and Debian's, on free ports, ended by pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError

from tests.support.servers import ORACLE as SERVER
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE

ORACLE = "/usr/bin/redis-sentinel"
NAME = "mymaster"
KINDS = {"ours": (True, True, True), "redis": (False, False, False), "mixed": (True, False, True)}
"""Which of three are ours."""


def wait_for(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Until ``condition`` is true; errors of a server that cannot be reached count as false."""
    deadline = time.monotonic() + seconds
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return
        except (RedisError, OSError) as e:
            last = e
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what} (last: {last!r})")


def run(line: str) -> tuple[int, str]:
    """A shell's exit code and output."""
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout


class SentinelProcess:
    """A running sentinel with a configuration file of its own."""

    def __init__(
        self, directory: Path, ours: bool, lines: Iterable[str], compat: str = "7.0", host: str = "127.0.0.1"
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ours = ours
        self.compat = compat
        self.host = host
        self.port = free_port()
        self.conf = directory / "sentinel.conf"
        self.log_path = directory / "sentinel.log"
        self.login: dict[str, str] = {}
        """Username and password, if it asks for them."""
        self.conf.write_text("\n".join([f"port {self.port}", f"bind {host}", *lines]) + "\n")
        self.launch()

    def start(self) -> None:
        """Start it (again), with the file as it is."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it; :meth:`wait` waits until it answers."""
        if self.ours:
            command = [sys.executable, "-m", "pyredis", str(self.conf), "--sentinel"]
            command += ["--compat-version", self.compat] if self.compat else []
        else:
            command = [ORACLE, str(self.conf)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait(self) -> None:
        """Until it answers."""
        wait_for(self.answers, f"the sentinel of {self.directory} answers")

    def answers(self) -> bool:
        """Whether it answers, or has ended."""
        if self.process.poll() is not None:
            raise AssertionError("the sentinel has ended:\n" + self.log())
        with self.client() as client:
            return bool(client.ping())

    def client(self) -> Redis:
        """A client."""
        client = Redis(self.host, self.port, decode_responses=True, socket_timeout=PATIENCE, protocol=2, **self.login)
        client.response_callbacks.clear()
        return client

    def call(self, *argv: str | int) -> object:
        """The reply to one command, as it comes."""
        with self.client() as client:
            return client.execute_command(*argv)

    def myid(self) -> str:
        """SENTINEL MYID."""
        return str(self.call("SENTINEL", "MYID"))

    def master(self) -> dict[str, str]:
        """SENTINEL MASTER."""
        return pairs(self.call("SENTINEL", "MASTER", NAME))

    def replicas(self) -> list[dict[str, str]]:
        """SENTINEL REPLICAS."""
        return [pairs(one) for one in self.call("SENTINEL", "REPLICAS", NAME)]  # type: ignore[attr-defined]

    def sentinels(self) -> list[dict[str, str]]:
        """SENTINEL SENTINELS."""
        return [pairs(one) for one in self.call("SENTINEL", "SENTINELS", NAME)]  # type: ignore[attr-defined]

    def address(self) -> int:
        """The port of the master."""
        found = self.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        assert isinstance(found, list)
        return int(found[1])

    def log(self) -> str:
        """What it has written."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; wait for the end if it is one that ends."""
        os.kill(self.process.pid, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.process.wait(PATIENCE)

    def stop(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


def pairs(flat: object) -> dict[str, str]:
    """A flat reply as a dictionary; a map is one."""
    if isinstance(flat, dict):
        return flat
    assert isinstance(flat, list)
    return dict(zip(flat[::2], flat[1::2], strict=True))


class Instance:
    """A server that can be started again on its port, as it was started first."""

    def __init__(
        self, directory: Path, ours: bool, *args: str, lines: Iterable[str] = (), host: str = "127.0.0.1", port: int = 0
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ours = ours
        self.host = host
        self.port = port or free_port()
        file = directory / "redis.conf"
        file.write_text("".join([line + "\n" for line in lines]))
        command = (
            [sys.executable, "-m", "pyredis", str(file), "--compat-version", "7.0"] if ours else [SERVER, str(file)]
        )
        self.argv = [*command, "--port", str(self.port), "--bind", host, "--save", "", *args]
        self.argv += ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
        self.argv += ["--enable-debug-command", "yes"]
        self.launch()

    def start(self) -> None:
        """Start it (again)."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it; :meth:`wait` waits until it answers."""
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, cwd=self.directory, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def wait(self) -> None:
        """Until it answers."""
        wait_for(self._answers, "the server answers")

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self.process.pid

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError("the server has ended:\n" + self.log())
        with Redis(self.host, self.port, socket_timeout=PATIENCE) as client:
            try:
                return bool(client.ping())
            except AuthenticationError:
                return True

    def log(self) -> str:
        """What it has written."""
        return (self.directory / "server.log").read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal; wait for the end after SIGKILL."""
        os.kill(self.pid, number)
        if number == signal.SIGKILL:
            self.process.wait(PATIENCE)

    def stop(self) -> None:
        """End it, however it is."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.process.wait()


class Cluster:
    """One master, replicas, and sentinels that watch them; all end with the block, which shows the sentinels' logs."""

    def __init__(self, directory: Path, ours: bool = False, compat: str = "7.0") -> None:
        self.directory = directory
        self.ours = ours
        self.compat = compat
        self.servers: list[Instance] = []
        self.sentinels: list[SentinelProcess] = []

    def add_servers(
        self, count: int, *args: str, lines: Iterable[str] = (), kinds: Iterable[bool] = ()
    ) -> list[Instance]:
        """A master at first, then replicas of it. ``lines``: of their configuration files; ``kinds``: which are ours,
        if they are of both kinds."""
        wanted = list(kinds) or [self.ours] * count
        added = [self._launch_server(ours, lines, *args) for ours in wanted]
        for server in added:
            server.wait()
        return added

    def add_server(self, *args: str) -> Instance:
        """One more."""
        return self.add_servers(1, *args)[0]

    def _launch_server(self, ours: bool, lines: Iterable[str], *args: str) -> Instance:
        directory = self.directory / f"server{len(self.servers)}"
        more = ["--replicaof", f"127.0.0.1 {self.servers[0].port}"] if self.servers else []
        server = Instance(directory, ours, *more, *args, lines=lines)
        self.servers.append(server)
        return server

    def server_at(self, port: int) -> Instance:
        """The server with that port."""
        return next(server for server in self.servers if server.port == port)

    def add_sentinels(self, kinds: Iterable[bool], *lines: str, quorum: int = 2) -> list[SentinelProcess]:
        """Sentinels that ask and tell more often than the defaults say; ``kinds``: whether each is ours.

        A link that breaks is opened again after a second. With ``down-after-milliseconds`` at a second, too, one that
        breaks just after a failover (on a loaded machine some do) makes redis-sentinel fail over once more.
        """
        added = [self.launch_sentinel(ours, *lines, quorum=quorum, down_after=2000) for ours in kinds]
        for sentinel in added:
            self.settle(sentinel, True)
        return added

    def add_sentinel(
        self, ours: bool, *lines: str, quorum: int = 2, down_after: int = 1000, quick: bool = False
    ) -> SentinelProcess:
        """A sentinel of the master; with ``quick`` it asks and tells more often than the defaults say."""
        sentinel = self.launch_sentinel(ours, *lines, quorum=quorum, down_after=down_after)
        self.settle(sentinel, quick)
        return sentinel

    def settle(self, sentinel: SentinelProcess, quick: bool) -> None:
        sentinel.wait()
        if quick:
            sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", 500, "PUBLISH-PERIOD", 200)

    def launch_sentinel(self, ours: bool, *lines: str, quorum: int = 2, down_after: int = 1000) -> SentinelProcess:
        """Start one; :meth:`settle` waits until it answers."""
        directory = self.directory / f"sentinel{len(self.sentinels)}"
        sentinel = SentinelProcess(
            directory,
            ours,
            [
                f"sentinel monitor {NAME} 127.0.0.1 {self.servers[0].port} {quorum}",
                f"sentinel down-after-milliseconds {NAME} {down_after}",
                f"sentinel failover-timeout {NAME} 5000",
                *lines,
            ],
            self.compat,
        )
        self.sentinels.append(sentinel)
        return sentinel

    def client(self, port: int) -> Redis:
        """A client of one of the servers."""
        return Redis(port=port, decode_responses=True, socket_timeout=PATIENCE)

    def wait_until_known(self, replicas: int) -> None:
        """Every sentinel knows all replicas (their INFO too) and all other sentinels."""
        for sentinel in self.sentinels:
            wait_for(lambda s=sentinel: self._knows_all(s, replicas), "sentinels and replicas are known")

    def _knows_all(self, sentinel: SentinelProcess, replicas: int) -> bool:
        found = sentinel.replicas()
        linked = [r for r in found if r["flags"] == "slave" and r["master-link-status"] == "ok"]
        peers = [p for p in sentinel.sentinels() if p["flags"] == "sentinel"]
        return len(linked) == replicas and len(peers) == len(self.sentinels) - 1

    def wait_for_switch(self, old_port: int, seconds: float = PATIENCE) -> int:
        """All sentinels agree on another master; its port."""
        ports: set[int] = set()

        def agreed() -> bool:
            ports.clear()
            ports.update(s.address() for s in self.sentinels if s.process.poll() is None)
            return len(ports) == 1 and old_port not in ports

        wait_for(agreed, "all sentinels have switched", seconds)
        return ports.pop()

    def wait_for_one_epoch(self, least: int) -> None:
        """All sentinels name the same configuration epoch, which is at least so high."""

        def agreed() -> bool:
            epochs = {int(sentinel.master()["config-epoch"]) for sentinel in self.sentinels}
            return len(epochs) == 1 and epochs.pop() >= least

        wait_for(agreed, f"one epoch, at least {least}")

    def wait_for_replica(self, port: int, master: int, what: str) -> None:
        """The server at ``port`` follows the one at ``master``, and the link is up."""
        wait_for(lambda: self._is_replica_of(port, master), what)

    def _is_replica_of(self, port: int, master: int) -> bool:
        with self.client(port) as client:
            info = client.info("replication")
        return info["role"] == "slave" and info["master_port"] == master and info["master_link_status"] == "up"

    def digests(self) -> set[str]:
        """Of the servers' data; one if all have the same."""
        found = set()
        for server in self.servers:
            with self.client(server.port) as client:
                found.add(str(client.execute_command("DEBUG", "DIGEST")))
        return found

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()
        print(self.logs())  # shown if the test has failed

    def logs(self) -> str:
        """All logs of sentinels."""
        return "\n".join(f"--- {s.port} ours={s.ours}\n{s.log()}" for s in self.sentinels)

    def stop(self) -> None:
        """End everything."""
        for sentinel in self.sentinels:
            sentinel.stop()
        for server in self.servers:
            server.stop()
