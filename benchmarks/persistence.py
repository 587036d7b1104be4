"""What the disk costs: loading and saving, clients beside BGSAVE and BGREWRITEAOF, SET with an append-only file.

The keys are mixed: half of them strings, the rest integers, and hashes, lists, sets and sorted sets of five elements.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import throughput
from benchmarks.servers import Kind, Server
from benchmarks.throughput import Samples
from benchmarks.wire import Wire, encode

POLICIES = ("everysec", "always")
_PIPELINE = 16
_SET = next(row for row in throughput.DEFAULT_ROWS if row.name == "SET")
_QUIET_SECONDS = 2.0
_FIRST_WORD = {6: b"HSET", 7: b"RPUSH", 8: b"ZADD", 9: b"SADD"}


@dataclass
class Measured:
    """Server → one figure of each round."""

    keys: int
    save_seconds: dict[str, list[float]] = field(default_factory=dict)
    load_seconds: dict[str, list[float]] = field(default_factory=dict)
    """From the start of a server that has the snapshot to its first PONG."""
    child_mb: dict[str, list[float]] = field(default_factory=dict)
    """Memory that copying has cost during BGSAVE, while clients wrote."""
    quiet_p99_ms: dict[str, list[float]] = field(default_factory=dict)
    save_p99_ms: dict[str, list[float]] = field(default_factory=dict)
    rewrite_p99_ms: dict[str, list[float]] = field(default_factory=dict)
    rps: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    """``appendfsync`` → SET with pipelines of 16."""


def _commands(keys: int) -> Iterator[bytes]:
    for i in range(keys):
        key, kind = b"key:%08d" % i, i % 10
        if kind < 5:
            yield encode(b"SET", key, b"value:%d:" % i + b"x" * (i % 40))
        elif kind == 5:
            yield encode(b"SET", key, b"%d" % i)
        elif kind == 6:
            yield encode(b"HSET", key, *[word for j in range(5) for word in (b"field%d" % j, b"value%d" % (i + j))])
        elif kind == 8:
            yield encode(b"ZADD", key, *[word for j in range(5) for word in (b"%d" % (i + j), b"member%d" % j)])
        else:
            yield encode(_FIRST_WORD[kind], key, *[b"member%d" % (i + j) for j in range(5)])


def run(
    kinds: list[Kind], directory: Path, core: int | None, keys: int, requests: int, rounds: int, *directives: str
) -> Measured:
    """All figures, the kinds taking turns. ``directives`` are given to ours."""
    measured = Measured(keys)
    for turn in range(rounds):
        for kind in kinds:
            folder = directory / f"disk-{kind.name}-{turn}"
            folder.mkdir()
            _snapshots(kind, folder, core, measured, () if kind.checkout is None else directives)
            for policy in POLICIES:
                _appending(kind, folder, core, requests, policy, measured)
    return measured


def _note(figures: dict[str, list[float]], server: Server, value: float) -> None:
    figures.setdefault(server.name, []).append(value)


def _snapshots(kind: Kind, folder: Path, core: int | None, into: Measured, directives: tuple[str, ...]) -> None:
    server = Server(kind, folder, core, *directives)
    try:
        with server.connect() as wire, server.connect() as other:
            wire.send(_commands(into.keys))
            started = time.perf_counter()
            wire.call(b"SAVE")
            _note(into.save_seconds, server, time.perf_counter() - started)
            until = time.perf_counter() + _QUIET_SECONDS
            _note(into.quiet_p99_ms, server, _p99(wire, into.keys, lambda: time.perf_counter() > until))
            other.call(b"BGSAVE")
            over = _over(other, b"rdb_bgsave_in_progress:0")
            _note(into.save_p99_ms, server, _p99(wire, into.keys, over))
            text = other.call(b"INFO", b"persistence")
            _note(into.child_mb, server, int(text.split(b"rdb_last_cow_size:")[1].split()[0]) / 1e6)
            other.call(b"BGREWRITEAOF")
            over = _over(other, b"aof_rewrite_in_progress:0")
            _note(into.rewrite_p99_ms, server, _p99(wire, into.keys, over))
    finally:
        server.stop()
    server = Server(kind, folder, core, *directives)
    _note(into.load_seconds, server, server.start_seconds)
    server.stop()


def _over(wire: Wire, wanted: bytes) -> Callable[[], bool]:
    return lambda: wanted in wire.call(b"INFO", b"persistence")


def _p99(wire: Wire, keys: int, over: Callable[[], bool]) -> float:
    """Milliseconds: SET and GET of random keys in turns, one after the other, until ``over``."""
    rng = random.Random(1)
    waits: list[float] = []
    while not over():
        for _ in range(200):
            key = b"key:%08d" % (rng.randrange(keys // 10) * 10)
            request = encode(b"SET", key, b"new") if rng.random() < 0.5 else encode(b"GET", key)
            started = time.perf_counter()
            wire.exchange([request])
            waits.append((time.perf_counter() - started) * 1000)
    return sorted(waits)[len(waits) * 99 // 100]


def _appending(kind: Kind, folder: Path, core: int | None, requests: int, policy: str, into: Measured) -> None:
    own = folder / policy
    own.mkdir()
    server = Server(kind, own, core, "--appendonly", "yes", "--appendfsync", policy)
    try:
        samples = Samples()
        throughput.measure(server, _SET, _PIPELINE, requests, 100_000, samples)
        _note(into.rps.setdefault(policy, {}), server, samples.rps[0])
    finally:
        server.stop()
