"""Resident memory for many small values, each kind loaded into servers started for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Kind, Server
from benchmarks.wire import encode


@dataclass(frozen=True)
class Load:
    """What is loaded: ``request(i)`` makes key ``i``; ``share`` of the number of keys asked for, in 1/share."""

    name: str
    request: Callable[[int], bytes]
    share: int = 1


def _key(i: int) -> bytes:
    """Sixteen bytes."""
    return b"key:%012d" % i


def _value(i: int) -> bytes:
    """Three letters: redis-server would keep small numbers once for all keys."""
    return bytes((97 + i % 26, 97 + i // 26 % 26, 97 + i // 676 % 26))


def _members(i: int, count: int) -> list[bytes]:
    return [b"member:%07d" % (i * count + j) for j in range(count)]


def _pairs(i: int, count: int) -> list[bytes]:
    """Field and value, field and value."""
    return [part for j in range(count) for part in (b"field:%d" % j, b"value:%07d" % (i * count + j))]


def _scored(i: int, count: int) -> list[bytes]:
    """Score and member, score and member."""
    return [part for j, member in enumerate(_members(i, count)) for part in (b"%d" % ((i * 7919 + j) % 9973), member)]


LOADS = (
    Load("string: 16-byte key, 3-byte value", lambda i: encode(b"SET", _key(i), _value(i))),
    Load("string: 16-byte key, number of 3 digits", lambda i: encode(b"SET", _key(i), b"%d" % (100 + i % 900))),
    Load("string: 3-byte value, with expiry", lambda i: encode(b"SET", _key(i), _value(i), b"EX", b"100000")),
    Load("string: 16-byte key, 100-byte value", lambda i: encode(b"SET", _key(i), b"%0100d" % i)),
    Load("list: 10 values of 14 bytes", lambda i: encode(b"RPUSH", _key(i), *_members(i, 10)), 10),
    Load("set: 10 members of 14 bytes", lambda i: encode(b"SADD", _key(i), *_members(i, 10)), 10),
    Load("set: 10 integers", lambda i: encode(b"SADD", _key(i), *[b"%d" % (i * 10 + j) for j in range(10)]), 10),
    Load("hash: 5 fields", lambda i: encode(b"HSET", _key(i), *_pairs(i, 5)), 10),
    Load("zset: 10 members of 14 bytes", lambda i: encode(b"ZADD", _key(i), *_scored(i, 10)), 10),
    Load("one list, per million values", lambda i: encode(b"RPUSH", b"big", *_members(i, 1))),
    Load("one set, per million members", lambda i: encode(b"SADD", b"big", *_members(i, 1))),
    Load("one hash, per million fields", lambda i: encode(b"HSET", b"big", b"field:%07d" % i, b"%07d" % i)),
    Load("one zset, per million members", lambda i: encode(b"ZADD", b"big", *_scored(i, 1))),
    Load("one stream, per million entries of 3 fields", lambda i: encode(b"XADD", b"big", b"*", *_pairs(i, 3))),
)


@dataclass
class Measured:
    """Bytes before and after loading ``keys`` keys, by server."""

    row: str
    keys: int
    before: dict[str, int]
    after: dict[str, int]

    def per_million(self, name: str) -> float:
        """Bytes that a million keys add."""
        return (self.after[name] - self.before[name]) / self.keys * 1_000_000

    def ratio(self, name: str, to: str) -> float:
        """Whole resident memory of one server by that of another."""
        return self.after[name] / self.after[to]


def run(
    kinds: list[Kind],
    directory: Path,
    core: int | None,
    keys: int,
    progress: Callable[[Measured], None],
) -> list[Measured]:
    """Load every kind of value into every server; a server is alone while it is loaded, and ended afterwards."""
    results = []
    for load in LOADS:
        count = max(keys // load.share, 1)
        measured = Measured(load.name, count, {}, {})
        for kind in kinds:
            server = Server(kind, directory, core)
            try:
                measured.before[kind.name] = server.rss()
                requests: Iterator[bytes] = map(load.request, range(count))
                with server.connect() as wire:
                    wire.send(requests)
                measured.after[kind.name] = server.settled_rss()
            finally:
                server.stop()
        results.append(measured)
        progress(measured)
    return results
