"""``pyredis ha``: a master, its replicas and sentinels on this machine, to try high availability with one command."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click
import hiredis

from pyredis.resp.command import encode_command

NAME: Final = "mymaster"
_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 10


def ask(port: int, *argv: str, password: str = "") -> Any:
    """The reply to one command. Raises OSError, hiredis.ReplyError."""
    reader = hiredis.Reader()
    lines = [["AUTH", password]] if password else []
    data = b"".join([encode_command([word.encode() for word in line]) for line in [*lines, list(argv)]])
    with socket.create_connection((_HOST, port), 1) as sock:
        sock.sendall(data)
        reply: Any = None
        for _ in range(len(lines) + 1):
            while (reply := reader.gets()) is False:
                received = sock.recv(65536)
                if not received:
                    raise ConnectionError("the connection was closed")
                reader.feed(received)
    if isinstance(reply, hiredis.ReplyError):
        raise reply
    return reply


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((_HOST, port))
        except OSError:
            return False
    return True


class Child:
    """A server or sentinel that was started: ``what`` it is, its port and its configuration file."""

    def __init__(self, what: str, port: int, file: Path, sentinel: bool) -> None:
        self.what = what
        self.port = port
        self.file = file
        self.log = file.with_suffix(".log")
        command = [sys.executable, "-m", "pyredis", str(file)] + (["--sentinel"] if sentinel else [])
        with self.log.open("ab") as log:
            # In a session of its own: Ctrl-C is for the one who ends all in order.
            self.process = subprocess.Popen(
                command, cwd=file.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.told = False
        """True once its end was told."""


class Set:
    """All of them, in one directory; configuration files that are there already (from the last time) count."""

    def __init__(self, directory: Path, port: int, sentinel_port: int, password: str) -> None:
        self.directory = directory
        self.port = port
        self.sentinel_port = sentinel_port
        self.password = password
        self.servers: list[Child] = []
        self.sentinels: list[Child] = []

    def start(self, replicas: int, sentinels: int, down_after: int) -> None:
        """Start all; the first server is the master, unless an earlier failover has changed that."""
        for n in range(replicas + 1):
            file = self._file(f"server-{self.port + n}.conf", self._server_lines(n))
            self.servers.append(Child("server", self.port + n, file, False))
        quorum = sentinels // 2 + 1
        for n in range(sentinels):
            file = self._file(f"sentinel-{self.sentinel_port + n}.conf", self._sentinel_lines(n, quorum, down_after))
            self.sentinels.append(Child("sentinel", self.sentinel_port + n, file, True))

    def _file(self, name: str, lines: list[str]) -> Path:
        folder = self.directory / name.removesuffix(".conf")
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        if not file.exists():
            file.write_text("".join([line + "\n" for line in lines]))
        return file

    def _server_lines(self, n: int) -> list[str]:
        lines = [f"port {self.port + n}", f"bind {_HOST}", "repl-diskless-sync-delay 0"]
        if self.password:
            lines += [f'requirepass "{self.password}"', f'masterauth "{self.password}"']
        return lines + ([f"replicaof {_HOST} {self.port}"] if n else [])

    def _sentinel_lines(self, n: int, quorum: int, down_after: int) -> list[str]:
        lines = [
            f"port {self.sentinel_port + n}",
            f"bind {_HOST}",
            f"sentinel monitor {NAME} {_HOST} {self.port} {quorum}",
            f"sentinel down-after-milliseconds {NAME} {down_after}",
            f"sentinel failover-timeout {NAME} {max(10 * down_after, 10000)}",
        ]
        return lines + ([f'sentinel auth-pass {NAME} "{self.password}"'] if self.password else [])

    def wait(self) -> None:
        """Until every sentinel knows all others and all replicas. Raises click.ClickException."""
        deadline = time.monotonic() + _START_SECONDS
        while not self._complete():
            for child in (*self.servers, *self.sentinels):
                if child.process.poll() is not None:
                    raise click.ClickException(f"{child.what} {child.port} did not start:\n{tail(child.log)}")
            if time.monotonic() > deadline:
                raise click.ClickException(f"not complete after {_START_SECONDS} s; the logs are in {self.directory}")
            time.sleep(0.1)

    def _complete(self) -> bool:
        wanted = f"status=ok,address={{}},slaves={len(self.servers) - 1},sentinels={len(self.sentinels)}"
        try:
            where = f"{_HOST}:{self.master()}"
            infos = [ask(child.port, "INFO", "sentinel").decode() for child in self.sentinels]
            for child in self.servers:
                ask(child.port, "PING", password=self.password)
        except (OSError, hiredis.ReplyError):
            return False
        return all(wanted.format(where) in info for info in infos)

    def master(self) -> int:
        """The master's port as the first sentinel that answers tells it; the one of the start without any. OSError."""
        if not self.sentinels:
            return self.port
        problem: Exception = OSError("no sentinel answers")
        for child in self.sentinels:
            try:
                return int(ask(child.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
            except (OSError, hiredis.ReplyError, TypeError) as e:
                problem = e
        raise OSError(str(problem))

    def stop(self) -> None:
        """End all: the sentinels first, so that there is no failover."""
        for group in (self.sentinels, self.servers):
            for child in group:
                if child.process.poll() is None:
                    child.process.send_signal(signal.SIGTERM)
            for child in group:
                try:
                    child.process.wait(_STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    child.process.kill()
                    child.process.wait()


def tail(path: Path, lines: int = 10) -> str:
    """The end of a file."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def describe(all_of_it: Set) -> None:
    """Say what runs where."""
    master = all_of_it.master()
    click.echo(f"{'what':<10}{'port':<8}{'pid':<10}log")
    for child in (*all_of_it.servers, *all_of_it.sentinels):
        what = "sentinel" if child.what == "sentinel" else "master" if child.port == master else "replica"
        click.echo(f"{what:<10}{child.port:<8}{child.process.pid:<10}{child.log}")
    click.echo(f"\nThe sentinels call the master {NAME}. Ready; Ctrl-C ends all.")


def follow(all_of_it: Set) -> None:
    """Tell of failovers and of children that end, until :exc:`KeyboardInterrupt`."""
    master = all_of_it.master()
    while True:
        time.sleep(0.5)
        for child in (*all_of_it.servers, *all_of_it.sentinels):
            code = child.process.poll()
            if code is not None and not child.told:
                child.told = True
                click.echo(f"{child.what} {child.port} has ended with {code}")
        try:
            now = all_of_it.master()
        except OSError:
            continue
        if now != master:
            click.echo(f"failover: the master is {_HOST}:{now}, no longer {_HOST}:{master}")
            master = now


def _interrupt(number: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    """What ends all must not be interrupted itself: servers would be left behind."""
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--replicas", default=2, type=click.IntRange(0, 100), help="Replicas of the master.")
@click.option("--sentinels", default=3, type=click.IntRange(0, 100), help="Sentinels that watch the master.")
@click.option("--port", default=6379, type=click.IntRange(1, 65000), help="The master's port; replicas follow it.")
@click.option("--sentinel-port", default=26379, type=click.IntRange(1, 65000), help="The first sentinel's port.")
@click.option("--down-after", default=3000, type=click.IntRange(1), help="Milliseconds without an answer.")
@click.option("--password", default="", help="The servers' password.")
@click.option("--dir", "directory", type=click.Path(file_okay=False, path_type=Path), help="Keep files and data here.")
def main(
    replicas: int,
    sentinels: int,
    port: int,
    sentinel_port: int,
    down_after: int,
    password: str,
    directory: Path | None,
) -> None:
    """Run a master, replicas and sentinels on this machine until Ctrl-C.

    Without --dir the files are temporary. With it the next start goes on where the last one ended.
    """
    wanted = (*range(port, port + replicas + 1), *range(sentinel_port, sentinel_port + sentinels))
    busy = [str(number) for number in wanted if not is_free(number)]
    if busy:
        raise click.ClickException(f"taken already: {', '.join(busy)}; choose others with --port and --sentinel-port")
    if '"' in password or "\\" in password:
        raise click.ClickException("the password must not contain quotes or backslashes")
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, _interrupt)
    with tempfile.TemporaryDirectory(prefix="pyredis-ha-") as temporary:
        all_of_it = Set((directory or Path(temporary)).absolute(), port, sentinel_port, password)
        try:
            all_of_it.start(replicas, sentinels, down_after)
            all_of_it.wait()
            describe(all_of_it)
            sys.stdout.flush()
            follow(all_of_it)
        except KeyboardInterrupt:
            click.echo("\nending all")
        finally:
            _ignore_signals()
            all_of_it.stop()


if __name__ == "__main__":
    main()
