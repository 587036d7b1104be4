"""Operations whose cost must not grow with the value: measured over a socket at growing sizes.

One connection sends batches of prepared commands. Every batch leaves the size as it was: what pops also adds.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from benchmarks.servers import Server
from benchmarks.wire import BATCH, encode

BATCH_OPS = 500  # operations in one batch; less than a socket's buffer holds of replies
PREPARED = 8  # different batches, sent in turn
ROUNDS = 5

Operation = Callable[[random.Random, int], list[bytes]]


@dataclass(frozen=True)
class Row:
    """An operation on a value of ``size`` elements: ``make(rng, size)`` gives its encoded commands."""

    name: str
    kind: str
    make: Operation


def _member(i: int) -> bytes:
    return b"element:%09d" % i


def _any(rng: random.Random, size: int) -> bytes:
    return _member(rng.randrange(size))


def _new(rng: random.Random, size: int) -> bytes:
    """A member that is not there yet."""
    return b"new:%013d" % rng.randrange(10**13)


def _middle(size: int) -> list[bytes]:
    return [b"%d" % (size // 2), b"%d" % (size // 2 + 9)]


def _entries(rng: random.Random, size: int, count: int) -> list[bytes]:
    """The IDs of entries of a stream that follow one another."""
    first = rng.randrange(size - count)
    return [b"%d-1" % (first + n) for n in range(count + 1)]


def _read_and_acknowledge(rng: random.Random, size: int) -> list[bytes]:
    """A group reads ten entries somewhere and acknowledges them."""
    before, *ids = _entries(rng, size, 10)
    read = encode(b"XREADGROUP", b"GROUP", b"group", b"me", b"COUNT", b"10", b"STREAMS", b"big", b">")
    return [encode(b"XGROUP", b"SETID", b"big", b"group", before), read, encode(b"XACK", b"big", b"group", *ids)]


def _three_fields(i: int) -> list[bytes]:
    return [b"sensor", b"%d" % (i % 1000), b"temperature", b"%d.5" % (i % 40), b"note", b"value:%07d" % i]


def _add_entry(rng: random.Random, size: int) -> list[bytes]:
    return [encode(b"XADD", b"big", b"MAXLEN", b"~", b"%d" % size, b"*", *_three_fields(rng.randrange(size)))]


ROWS = (
    Row("ZRANK", "zset", lambda rng, n: [encode(b"ZRANK", b"big", _any(rng, n))]),
    Row("ZSCORE", "zset", lambda rng, n: [encode(b"ZSCORE", b"big", _any(rng, n))]),
    Row("ZRANGE, 10 in the middle", "zset", lambda rng, n: [encode(b"ZRANGE", b"big", *_middle(n))]),
    Row("ZRANGEBYSCORE, 10 in the middle", "zset", lambda rng, n: [encode(b"ZRANGEBYSCORE", b"big", *_middle(n))]),
    Row("ZCOUNT, half of it", "zset", lambda rng, n: [encode(b"ZCOUNT", b"big", b"0", b"%d" % (n // 2))]),
    Row("ZRANDMEMBER", "zset", lambda rng, n: [encode(b"ZRANDMEMBER", b"big")]),
    Row(
        "ZPOPMIN + ZADD",
        "zset",
        lambda rng, n: [encode(b"ZPOPMIN", b"big"), encode(b"ZADD", b"big", b"%d" % rng.randrange(n), _new(rng, n))],
    ),
    Row(
        "ZPOPMAX + ZADD",
        "zset",
        lambda rng, n: [encode(b"ZPOPMAX", b"big"), encode(b"ZADD", b"big", b"%d" % rng.randrange(n), _new(rng, n))],
    ),
    Row("SISMEMBER", "set", lambda rng, n: [encode(b"SISMEMBER", b"big", _any(rng, n))]),
    Row("SRANDMEMBER", "set", lambda rng, n: [encode(b"SRANDMEMBER", b"big")]),
    Row("SPOP + SADD", "set", lambda rng, n: [encode(b"SPOP", b"big"), encode(b"SADD", b"big", _new(rng, n))]),
    Row("HGET", "hash", lambda rng, n: [encode(b"HGET", b"big", _any(rng, n))]),
    Row("HRANDFIELD", "hash", lambda rng, n: [encode(b"HRANDFIELD", b"big")]),
    Row("LINDEX 0", "list", lambda rng, n: [encode(b"LINDEX", b"big", b"0")]),
    Row("LINDEX -1", "list", lambda rng, n: [encode(b"LINDEX", b"big", b"-1")]),
    Row("LINDEX 100", "list", lambda rng, n: [encode(b"LINDEX", b"big", b"100")]),
    Row("LINDEX -100", "list", lambda rng, n: [encode(b"LINDEX", b"big", b"-100")]),
    Row("LRANGE 0 9", "list", lambda rng, n: [encode(b"LRANGE", b"big", b"0", b"9")]),
    Row("LRANGE 0 99", "list", lambda rng, n: [encode(b"LRANGE", b"big", b"0", b"99")]),
    Row(
        "LSET + LRANGE 0 99",
        "list",
        lambda rng, n: [encode(b"LSET", b"big", b"0", _new(rng, n)), encode(b"LRANGE", b"big", b"0", b"99")],
    ),
    Row("LPUSH + LPOP", "list", lambda rng, n: [encode(b"LPUSH", b"big", _new(rng, n)), encode(b"LPOP", b"big")]),
    Row("RPUSH + RPOP", "list", lambda rng, n: [encode(b"RPUSH", b"big", _new(rng, n)), encode(b"RPOP", b"big")]),
    Row("LPUSH + RPOP", "list", lambda rng, n: [encode(b"LPUSH", b"big", _new(rng, n)), encode(b"RPOP", b"big")]),
    Row("XRANGE, 10 somewhere", "stream", lambda rng, n: [encode(b"XRANGE", b"big", *_entries(rng, n, 9)[::9])]),
    Row("XREVRANGE COUNT 10", "stream", lambda rng, n: [encode(b"XREVRANGE", b"big", b"+", b"-", b"COUNT", b"10")]),
    Row("XREADGROUP of 10 + XACK", "stream", _read_and_acknowledge),
    Row("XADD MAXLEN ~", "stream", _add_entry),  # behind the others: the first entries go
    Row("GET", "keys", lambda rng, n: [encode(b"GET", _any(rng, n))]),
    Row("RANDOMKEY", "keys", lambda rng, n: [encode(b"RANDOMKEY")]),
    Row("SET + DEL", "keys", lambda rng, n: [encode(b"SET", key := _new(rng, n), b"xxx"), encode(b"DEL", key)]),
)


@dataclass
class Samples:
    """One server at one size; times in microseconds per command."""

    cpu_us: list[float] = field(default_factory=list)
    wall_us: list[float] = field(default_factory=list)
    first_ms: float = 0.0  # the very first command, which may have to build an index


@dataclass
class Measured:
    """One row at one size: samples by server."""

    row: str
    size: int
    samples: dict[str, Samples]

    def cost(self, name: str) -> float:
        """Microseconds of the server's processor per command (of the clock, where the system does not tell).

        The least of the rounds: whatever disturbs can only add to it.
        """
        samples = self.samples[name]
        return min(samples.cpu_us or samples.wall_us)


def _fill(kind: str, size: int) -> Iterator[bytes]:
    """Commands that build a value of ``size`` elements."""
    if kind == "stream":
        yield from (encode(b"XADD", b"big", b"%d-1" % i, *_three_fields(i)) for i in range(1, size + 1))
        yield encode(b"XGROUP", b"CREATE", b"big", b"group", b"0")
        return
    step = 100
    for low in range(0, size, step):
        numbers = range(low, min(low + step, size))
        members = [_member(i) for i in numbers]
        if kind == "zset":
            yield encode(b"ZADD", b"big", *[part for i, m in zip(numbers, members) for part in (b"%d" % i, m)])
        elif kind == "set":
            yield encode(b"SADD", b"big", *members)
        elif kind == "hash":
            yield encode(b"HSET", b"big", *[part for m in members for part in (m, b"xxx")])
        elif kind == "list":
            yield encode(b"RPUSH", b"big", *members)
        else:
            yield encode(b"MSET", *[part for m in members for part in (m, b"xxx")])


def measure(server: Server, row: Row, size: int, operations: int, into: Samples) -> None:
    """One round: prepared batches until ``operations`` are done."""
    rng = random.Random(size)
    batches = [[c for _ in range(BATCH_OPS) for c in row.make(rng, size)] for _ in range(PREPARED)]
    assert len(batches[0]) <= BATCH
    with server.connect() as wire:
        first = row.make(rng, size)
        start = time.perf_counter()
        wire.exchange(first)
        if not into.wall_us:
            into.first_ms = (time.perf_counter() - start) * 1000
        wire.exchange(batches[0])
        commands = 0
        cpu = server.cpu_seconds()
        start = time.perf_counter()
        for i in range(max(operations // BATCH_OPS, 1)):
            commands += wire.exchange(batches[i % PREPARED])
        wall = time.perf_counter() - start
        after = server.cpu_seconds()
    into.wall_us.append(wall / commands * 1e6)
    if cpu is not None and after is not None:
        into.cpu_us.append((after - cpu) / commands * 1e6)


def run(
    servers: list[Server],
    sizes: list[int],
    operations: int,
    progress: Callable[[Measured], None],
) -> list[Measured]:
    """Measure every row at every size, the servers taking turns."""
    results = []
    for size in sizes:
        for kind in dict.fromkeys(row.kind for row in ROWS):
            for server in servers:
                server.flush()
                with server.connect() as wire:
                    wire.send(_fill(kind, size))
            for row in ROWS:
                if row.kind != kind:
                    continue
                measured = Measured(row.name, size, {server.name: Samples() for server in servers})
                for _ in range(ROUNDS):
                    for server in servers:
                        measure(server, row, size, operations, measured.samples[server.name])
                results.append(measured)
                progress(measured)
    for server in servers:
        server.flush()
    return results
