"""Replication: a full synchronisation, what a replica costs its master, and how far behind it is.

Master and replica are of the same kind. The master has the servers' core, the replica shares the load generator's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import throughput
from benchmarks.servers import Kind, Server
from benchmarks.throughput import Samples
from benchmarks.wire import Wire, encode

_PIPELINE = 16
_SET = next(row for row in throughput.DEFAULT_ROWS if row.name == "SET")
_DIRECTIVES = ("--repl-diskless-sync-delay", "0", "--client-output-buffer-limit", "replica 0 0 0")
_LIMIT = 300.0  # seconds for a synchronisation


@dataclass
class Measured:
    """Server → one figure of each round."""

    keys: int
    sync_seconds: dict[str, list[float]] = field(default_factory=dict)
    master_added_mb: dict[str, list[float]] = field(default_factory=dict)
    """How much the master's resident memory grew while it sent the snapshot (its child not counted)."""
    alone_rps: dict[str, list[float]] = field(default_factory=dict)
    replica_rps: dict[str, list[float]] = field(default_factory=dict)
    lag_p99_ms: dict[str, list[float]] = field(default_factory=dict)
    """From the reply of a SET to the master's client until the replica has the value."""


def run(
    kinds: list[Kind], directory: Path, cores: tuple[int | None, int | None], keys: int, requests: int, rounds: int
) -> Measured:
    """All figures, the kinds taking turns."""
    measured = Measured(keys)
    for _ in range(rounds):
        for kind in kinds:
            master = Server(kind, directory, cores[0], *_DIRECTIVES)
            try:
                replica = Server(kind, directory, cores[1], *_DIRECTIVES)
                try:
                    _measure(master, replica, requests, measured)
                finally:
                    replica.stop()
            finally:
                master.stop()
    return measured


def _measure(master: Server, replica: Server, requests: int, into: Measured) -> None:
    def note(figures: dict[str, list[float]], value: float) -> None:
        figures.setdefault(master.name, []).append(value)

    note(into.alone_rps, _throughput(master, requests))
    master.flush()
    with master.connect() as wire, replica.connect() as other:
        wire.send(encode(b"SET", b"key:%012d" % i, b"xxx") for i in range(into.keys))
        before = peak = master.settled_rss()
        started = time.perf_counter()
        other.call(b"REPLICAOF", b"127.0.0.1", b"%d" % master.port)

        def up() -> bool:
            nonlocal peak
            peak = max(peak, master.rss())
            return b"master_link_status:up" in other.call(b"INFO", b"replication")

        _wait(up)
        note(into.sync_seconds, time.perf_counter() - started)
        note(into.master_added_mb, (peak - before) / 1e6)
        _wait(lambda: b"state=online" in wire.call(b"INFO", b"replication"))
        note(into.lag_p99_ms, _lag(wire, other))
        note(into.replica_rps, _throughput(master, requests))


def _throughput(master: Server, requests: int) -> float:
    samples = Samples()
    throughput.measure(master, _SET, _PIPELINE, requests, 100_000, samples)
    return samples.rps[0]


def _lag(wire: Wire, other: Wire, count: int = 500) -> float:
    waits = []
    for n in range(count):
        value = b"%d" % n
        wire.call(b"SET", b"lag", value)
        started = time.perf_counter()
        while other.call(b"GET", b"lag") != value:
            pass
        waits.append((time.perf_counter() - started) * 1000)
    return sorted(waits)[count * 99 // 100]


def _wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("the replica does not follow")
        time.sleep(0.01)
