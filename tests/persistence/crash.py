"""Servers killed and power cut at random moments, for as many rounds as wanted: ``python -m tests.persistence.crash``.

A writer appends numbers to a list; what was acknowledged must be there after the next start, and the list must be a
prefix of what was sent. A process that is killed loses nothing, as the kernel has what was written; only with everysec,
while an fsync is under way, what came since has not been written. What a power cut loses is simulated
(``tests/support/disk.py``). The tests run a few rounds of the same.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from pyredis.cli.check_aof import main as check_aof
from pyredis.persistence.aof_load import LoadError
from pyredis.persistence.files import Files
from tests.support.damage import ours
from tests.support.disk import Volatile
from tests.support.inprocess import running
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours
from tests.support.tree import tree
from tests.support.waiting import PATIENCE

POLICIES = ("always", "everysec", "no")
WORKS = ("nothing", "rewrites", "snapshots")
"""What goes on beside the writing."""
ON = ("appendonly yes", "aof-load-truncated yes")
MANIFEST = "appendonlydir/appendonly.aof.manifest"


class Writer(threading.Thread):
    """Appends numbers to a list, some of them in transactions, until the connection breaks."""

    def __init__(self, server: ServerProcess, first: int, seed: str) -> None:
        super().__init__()
        self.client = RawClient(server.connect())
        self.next = first
        self.acknowledged = first
        """All numbers below this have got their reply."""
        self.rng = random.Random(seed)

    def run(self) -> None:
        try:
            while True:
                count = self.rng.choice((1, 1, 2, 8))
                argvs = [[b"RPUSH", b"log", b"%d" % n] for n in range(self.next, self.next + count)]
                if count == 8:
                    argvs = [[b"MULTI"], *argvs, [b"EXEC"]]
                self.next += count
                replies = self.client.pipeline(argvs)
                if len(replies) < len(argvs) or not replies[-1]:
                    return
                self.acknowledged = self.next
        except (OSError, ConnectionError, EOFError, ValueError, IndexError):
            return


def kills(directory: Path, rng: random.Random, options: list[str], work: str, rounds: int) -> tuple[int, int]:
    """Kill a server again and again, start it with what is left: how many writes were acknowledged, how many lost."""
    command = {"rewrites": "BGREWRITEAOF", "snapshots": "BGSAVE"}.get(work)
    acknowledged = lost = kept = 0
    for turn in range(rounds + 1):
        server = start_ours(directory, *options)
        client = RawClient(server.connect())
        numbers = [node.value for node in tree(client.call("LRANGE", "log", 0, -1)).value]
        assert numbers == [b"%d" % n for n in range(len(numbers))], "not a prefix"
        if len(numbers) < kept:
            assert "everysec" in options, f"turn {turn}: {kept} acknowledged, {len(numbers)} there"
            lost += kept - len(numbers)
        if turn == rounds:
            server.stop()
            break
        writer = Writer(server, len(numbers), f"{rng.random()}")
        writer.start()
        until = writer.acknowledged + rng.randrange(1, 400)
        if command:
            client.call(command)
        while writer.acknowledged < until and writer.is_alive():
            if command and rng.random() < 0.01:
                client.call(command)
        server.process.kill()
        writer.join(PATIENCE)
        assert not writer.is_alive()
        server.process.wait()
        kept = writer.acknowledged
        acknowledged += kept - len(numbers)
    return acknowledged, lost


class LoopWriter:
    """As :class:`Writer`, to a server on the same event loop; begins rewrites now and then."""

    def __init__(self, rng: random.Random, first: int) -> None:
        self.rng = rng
        self.next = first
        self.acknowledged = first
        self.times = [monotonic()]
        """When each number (from the first one on) was acknowledged."""

    async def run(self, directory: Path, files: Volatile, policy: str, preamble: str) -> None:
        """Until the power was cut."""
        lines = (*ON, f"appendfsync {policy}", f"aof-use-rdb-preamble {preamble}")
        async with running(directory, *lines, files=files) as (_, client):
            while not files.cut:
                count = self.rng.choice((1, 1, 2, 8))
                pipe = client.pipeline(transaction=count == 8)
                for n in range(self.next, self.next + count):
                    pipe.rpush("log", n)
                if self.rng.random() < 0.05:
                    pipe.bgrewriteaof()
                self.next += count
                await pipe.execute(raise_on_error=False)
                self.acknowledged = self.next
                self.times += [monotonic()] * count


async def found(directory: Path, files: Files | None = None) -> list[bytes]:
    """What a server finds in the files. Raises LoadError if it does not start."""
    async with running(directory, *ON, files=files) as (_, client):
        return await client.lrange("log", 0, -1)  # type: ignore[misc,no-any-return]


class Cuts:
    """What came of power cuts."""

    def __init__(self) -> None:
        self.acknowledged = 0
        self.lost = 0
        """Acknowledged writes that were not there afterwards (none under ``always``) …"""
        self.window = 0.0
        """… and how many seconds before the cut the first of them was acknowledged, at most."""
        self.mended = 0
        """How often the server refused to start, as it should, and ``check-aof --fix`` mended the file."""


async def power_cuts(directory: Path, rng: random.Random, policy: str, preamble: str, rounds: int, long: bool) -> Cuts:
    """Cut the power again and again, each time going on with what was left. ``long``: sometimes after seconds."""
    result = Cuts()
    current = directory / "0"
    current.mkdir()
    first = 0
    for turn in range(1, rounds + 1):
        writer = LoopWriter(rng, first)
        after = directory / str(turn)
        cut_at = rng.choice((3, 12, 60, 5000 if long else 30)) + rng.randrange(20)
        files = Volatile(current, after, cut_at, rng, lambda writer=writer: writer.acknowledged)
        await writer.run(current, files, policy, preamble)
        cut = files.cut_time
        try:
            numbers = await found(after)
        except LoadError as e:
            # Zeros are no end that came too early: the server says where they begin, and what to do.
            assert files.zeros and "at offset" in str(e) and "check-aof --fix" in str(e), str(e)
            code, output = ours(check_aof, "--fix", "--yes", after / MANIFEST)
            assert code == 0, output
            result.mended += 1
            numbers = await found(after)
        assert numbers == [b"%d" % n for n in range(len(numbers))], "not a prefix"
        kept = files.kept if policy == "always" else files.synced_up_to
        assert kept <= len(numbers) <= writer.next, f"turn {turn}: {kept} had to be there, {len(numbers)} are"
        result.acknowledged += files.kept - first
        if len(numbers) < files.kept:
            result.lost += files.kept - len(numbers)
            result.window = max(result.window, cut - writer.times[len(numbers) - first + 1])
        shutil.rmtree(current)
        first, current = len(numbers), after
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="of each kind (default 60)")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", choices=("kills", "cuts"))
    parser.add_argument("--policy", choices=POLICIES, action="append", help="of appendfsync; default: each")
    args = parser.parse_args()
    policies = args.policy or POLICIES
    if args.only != "cuts":
        _print_kills(policies, args.rounds, args.seed)
    if args.only != "kills":
        _print_cuts(policies, args.rounds, args.seed)


def _print_kills(policies: Sequence[str], rounds: int, seed: str) -> None:
    print(f"{'killed':10} {'preamble':8} {'beside':10} {'rounds':>7} {'acknowledged':>13} {'lost':>6}")
    for policy in policies:
        for preamble in ("yes", "no"):
            for work in WORKS:
                rng = random.Random(f"{seed} {policy} {preamble} {work}")
                options = ["--appendonly", "yes", "--appendfsync", policy, "--aof-use-rdb-preamble", preamble]
                with tempfile.TemporaryDirectory() as name:
                    acknowledged, lost = kills(Path(name), rng, options, work, rounds)
                print(f"{policy:10} {preamble:8} {work:10} {rounds:>7} {acknowledged:>13} {lost:>6}", flush=True)


def _print_cuts(policies: Sequence[str], rounds: int, seed: str) -> None:
    here = os.getcwd()
    print(f"{'power cut':10} {'preamble':8} {'rounds':>7} {'acknowledged':>13} {'lost':>6} {'window':>8} {'mended':>7}")
    for policy in policies:
        for preamble in ("yes", "no"):
            rng = random.Random(f"{seed} {policy} {preamble}")
            with tempfile.TemporaryDirectory() as name:
                result = asyncio.run(power_cuts(Path(name), rng, policy, preamble, rounds, True))
                os.chdir(here)  # ``dir`` has moved the process
            shown = f"{result.acknowledged:>13} {result.lost:>6} {result.window:>7.2f}s {result.mended:>7}"
            print(f"{policy:10} {preamble:8} {rounds:>7} {shown}", flush=True)


if __name__ == "__main__":
    main()
