"""How long a client cannot write when the master dies: ours beside Redis's own, failover after failover.

A master, two replicas and three sentinels of each kind run side by side; they take turns: each round kills the one's
master with SIGKILL, then the other's. A client finds the master through the sentinels and writes without pause; its
longest time between two acknowledged writes is the figure. The one killed comes back as a replica for the next round.

    python -m benchmarks.failover --rounds 20
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import hiredis

from benchmarks.servers import free_port
from benchmarks.wire import Wire

NAME: Final = "mymaster"
REDIS_SERVER: Final = "/usr/bin/redis-server"
REDIS_SENTINEL: Final = "/usr/bin/redis-sentinel"
_HOST: Final = "127.0.0.1"
_PATIENCE: Final = 120.0
_CLIENT_TIMEOUT: Final = 0.25
_KINDS: Final = {"redis": (False, False), "ours": (True, True), "our-sentinels": (False, True)}
"""Name → whether servers, and whether sentinels are ours."""
FAILURES: Final = (OSError, EOFError, hiredis.ReplyError)
"""What a command raises that a server does not answer, or answers by an error."""


def ask(port: int, *argv: str) -> Any:
    """One command on a connection of its own. Raises what FAILURES names."""
    with Wire(port, 2) as wire:
        return wire.call(*map(str.encode, argv))


class Writer:
    """The client: asks the sentinels where the master is whenever it has no connection, and writes."""

    def __init__(self, sentinels: list[int]) -> None:
        self.sentinels = sentinels
        self.times: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        wire: Wire | None = None
        n = 0
        while not self._stop.is_set():
            n += 1
            try:
                wire = wire or self._connect()
                wire.call(b"SET", b"key:%d" % (n % 1000), b"%d" % n)
            except FAILURES:
                if wire is not None:
                    wire.close()
                wire = None
                time.sleep(0.01)
                continue
            self.times.append(time.monotonic())
            time.sleep(0.002)

    def _connect(self) -> Wire:
        for port in self.sentinels:
            try:
                where = ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
            except FAILURES:
                continue
            wire = Wire(int(where[1]), _CLIENT_TIMEOUT)
            if wire.call(b"ROLE")[0] == b"master":
                return wire
            wire.close()
        raise OSError("no master")

    def gap_after(self, moment: float) -> float:
        """The longest time between two writes since just before a moment."""
        times = [at for at in self.times if at > moment - 0.5]
        return max(b - a for a, b in itertools.pairwise(times))

    def stop(self) -> None:
        """End, and wait for that."""
        self._stop.set()
        self._thread.join(10)


class Set:
    """A master, replicas and sentinels of one kind, and their client."""

    def __init__(self, name: str, directory: Path, down_after: int) -> None:
        self.name = name
        self.directory = directory
        self.our_servers, self.our_sentinels = _KINDS[name]
        self.processes: dict[int, subprocess.Popen[bytes]] = {}
        self.servers = [free_port() for _ in range(3)]
        self.master = self.servers[0]
        for port in self.servers:
            self._start_server(port, 0 if port == self.master else self.master)
        self.sentinels = [self._start_sentinel(down_after) for _ in range(3)]
        self.gaps: list[float] = []
        self.wait_until(self._healthy, "all know one another")
        self.writer = Writer(self.sentinels)

    def _start(self, command: list[str], port: int, ours: bool) -> None:
        folder = self.directory / f"{self.name}-{port}"
        folder.mkdir(exist_ok=True)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} if ours else None
        with (folder / "log").open("ab") as log:
            self.processes[port] = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)

    def _start_server(self, port: int, master: int) -> None:
        command = [sys.executable, "-m", "pyredis"] if self.our_servers else [REDIS_SERVER]
        command += ["--port", str(port), "--bind", _HOST, "--save", "", "--repl-diskless-sync-delay", "0"]
        if master:
            command += ["--replicaof", f"{_HOST} {master}"]
        self._start(command, port, self.our_servers)

    def _start_sentinel(self, down_after: int) -> int:
        port = free_port()
        file = self.directory / f"{self.name}-{port}.conf"
        file.write_text(
            f"port {port}\nbind {_HOST}\nsentinel monitor {NAME} {_HOST} {self.master} 2\n"
            f"sentinel down-after-milliseconds {NAME} {down_after}\nsentinel failover-timeout {NAME} 10000\n"
        )
        ours = [sys.executable, "-m", "pyredis", str(file), "--sentinel"]
        self._start(ours if self.our_sentinels else [REDIS_SENTINEL, str(file)], port, self.our_sentinels)
        return port

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait; raises RuntimeError after two minutes."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                if condition():
                    return
            except FAILURES:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: {what}: not within {_PATIENCE:.0f} s; see {self.directory}")
            time.sleep(0.05)

    def _healthy(self) -> bool:
        for port in self.sentinels:
            fields = _pairs(ask(port, "SENTINEL", "MASTER", NAME))
            if (fields["flags"], fields["port"], fields["num-other-sentinels"]) != ("master", str(self.master), "2"):
                return False
            replicas = [_pairs(one) for one in ask(port, "SENTINEL", "REPLICAS", NAME)]
            good = [r for r in replicas if r["flags"] == "slave" and r["master-link-status"] == "ok"]
            if len(good) != len(replicas) or len(good) != 2 or any(r["master-port"] != fields["port"] for r in good):
                return False
            if any(_pairs(one)["flags"] != "sentinel" for one in ask(port, "SENTINEL", "SENTINELS", NAME)):
                return False
        return True

    def round(self, rng: random.Random) -> float:
        """Kill the master once all is well; the client's gap in seconds."""
        self.wait_until(self._healthy, "all is well before the round")
        time.sleep(rng.random())  # at any moment between two turns of anybody's timers
        old = self.master
        process = self.processes[old]
        moment = time.monotonic()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.wait_until(lambda: self._moved(old), "another master")
        switched = time.monotonic()
        self.wait_until(lambda: sum(at > switched for at in self.writer.times) > 50, "writes go on")
        gap = self.writer.gap_after(moment)
        self.gaps.append(gap)
        self._start_server(old, self.master)
        return gap

    def _moved(self, old: int) -> bool:
        found = {int(ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1]) for port in self.sentinels}
        if len(found) != 1 or old in found:
            return False
        self.master = found.pop()
        return True

    def stop(self) -> None:
        """End all."""
        if hasattr(self, "writer"):
            self.writer.stop()
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def _pairs(flat: list[bytes]) -> dict[str, str]:
    texts = [item.decode() for item in flat]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def report(sets: list[Set]) -> str:
    """A table, and the ratio to the first set."""
    lines = ["| set | failovers | median | mean | shortest | longest |", "|---|---|---|---|---|---|"]
    for one in sets:
        g = one.gaps
        figures = [statistics.median(g), statistics.fmean(g), min(g), max(g)]
        lines.append(f"| {one.name} | {len(g)} | " + " | ".join(f"{figure:.2f} s" for figure in figures) + " |")
    first = statistics.median(sets[0].gaps)
    for one in sets[1:]:
        ratio = statistics.median(one.gaps) / first
        lines.append(f"\nmedian of {one.name}: {ratio:.2f} × that of {sets[0].name} (goal: at most 1.10)")
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--rounds", default=20, type=click.IntRange(1), help="Failovers of each set.")
@click.option("--sets", "names", default="redis,ours", help="Of redis, ours, our-sentinels (over redis-server).")
@click.option("--down-after", default=1000, type=click.IntRange(1), help="down-after-milliseconds.")
@click.option("--seed", default=1, help="For the moments of the kills.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write every figure here as JSON.")
def main(rounds: int, names: str, down_after: int, seed: int, out: Path | None) -> None:
    """Measure a client's longest gap in writes over failovers."""
    rng = random.Random(seed)
    sets: list[Set] = []
    with tempfile.TemporaryDirectory(prefix="failover-") as folder:
        try:
            for name in names.split(","):
                sets.append(Set(name, Path(folder), down_after))
            for number in range(1, rounds + 1):
                gaps = [f"{one.name} {one.round(rng):.2f} s" for one in sets]
                click.echo(f"round {number}: {', '.join(gaps)}")
        finally:
            for one in sets:
                one.stop()
    click.echo("\n" + report(sets))
    if out is not None:
        out.write_text(json.dumps({one.name: one.gaps for one in sets}, indent=1) + "\n")


if __name__ == "__main__":
    main()
