"""Two figures of time: from a server's start to its first PONG, and how many keys that expire at once go away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.servers import Kind, Server
from benchmarks.wire import Wire, encode

GONE_LIMIT = 30.0  # seconds after which we do not wait any longer for keys to go


def start_times(kinds: list[Kind], directory: Path, core: int | None, repeat: int) -> dict[str, list[float]]:
    """Seconds from start to first PONG, the servers taking turns; one start of each beforehand is not counted.

    That start compiles Python's modules and brings the files into the page cache.
    """
    seconds: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for turn in range(repeat + 1):
        for kind in kinds:
            server = Server(kind, directory, core)
            server.stop()
            if turn:
                seconds[kind.name].append(server.start_seconds)
    return seconds


@dataclass
class Expired:
    """``keys`` keys due at one moment. Stalls are the longest round trips of DBSIZE, asked without pause."""

    keys: int
    gone_seconds: dict[str, list[float]] = field(default_factory=dict)
    stall_ms: dict[str, list[float]] = field(default_factory=dict)
    idle_stall_ms: dict[str, list[float]] = field(default_factory=dict)  # the same with nothing to expire


def expire(server: Server, keys: int, into: Expired) -> None:
    """Load keys that are due at one moment, do not touch them, and watch until DBSIZE says that they are gone."""
    server.flush()
    with server.connect() as wire, server.connect() as other:
        # far enough away that all are loaded by then, on a busy machine, too
        due = time.time() + 1.0 + keys * 1e-4
        at = b"%d" % int(due * 1000)
        other.send(encode(b"SET", b"key:%012d" % i, b"xxx", b"PXAT", at) for i in range(keys))
        loaded = other.call(b"DBSIZE")
        if loaded != keys or time.time() > due - 0.5:
            raise RuntimeError(f"{server.name}: {loaded} of {keys} keys loaded when they were due")
        _, idle = _ask(wire, lambda left: time.time() > due - 0.1)
        gone, stall = _ask(wire, lambda left: not left or time.time() > due + GONE_LIMIT)
    into.gone_seconds.setdefault(server.name, []).append(gone - due)
    into.stall_ms.setdefault(server.name, []).append(stall)
    into.idle_stall_ms.setdefault(server.name, []).append(idle)


def _ask(wire: Wire, done: Callable[[int], bool]) -> tuple[float, float]:
    """Ask for the number of keys until ``done(number)``; return the time then, and the longest wait in milliseconds."""
    longest = 0.0
    while True:
        start = time.perf_counter()
        left = wire.call(b"DBSIZE")
        longest = max(longest, time.perf_counter() - start)
        if done(left):
            return time.time(), longest * 1000
