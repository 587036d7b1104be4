"""The rows of redis-benchmark: throughput, latency and the server's processor time, one server after the other."""

from __future__ import annotations

import csv
import io
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from benchmarks import scripts
from benchmarks.children import run_program
from benchmarks.servers import Server, busy_seconds
from benchmarks.wire import encode

REDIS_BENCHMARK = "/usr/bin/redis-benchmark"
CLIENTS = 50
# One measurement's requests by pipeline depth: half a second or so. Many short rounds beside one another say more
# than few long ones, because what disturbs a machine comes and goes.
REQUESTS = {1: 30_000, 16: 250_000}
QUICK_REQUESTS = {1: 6_000, 16: 60_000}


@dataclass(frozen=True)
class Row:
    """A test of redis-benchmark: ``weight`` divides its requests, ``fill`` prepares the data it reads or takes away.

    ``command`` is sent in place of the test of that name, where that test would do its own filling while we measure.
    ``options`` are redis-benchmark's own; with ``tls`` it connects so.
    """

    name: str
    weight: int = 1
    fill: str = ""
    command: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    tls: bool = False


_KEY: Final = "key:__rand_int__"
_LIMITED: Final = ("--user", "limited", "-a", "secret")
"""A user that may do everything with keys of one pattern."""

DEFAULT_ROWS = (
    Row("PING_INLINE"),
    Row("PING_MBULK"),
    Row("SET"),
    Row("GET", fill="SET"),
    Row("INCR"),
    Row("LPUSH"),
    Row("RPUSH"),
    Row("LPOP", fill="LPUSH"),
    Row("RPOP", fill="LPUSH"),
    Row("SADD"),
    Row("HSET"),
    Row("SPOP", fill="SADD"),
    Row("ZADD"),
    Row("ZPOPMIN", fill="ZADD"),
    Row("LRANGE_100", 4, "LPUSH", ("LRANGE", "mylist", "0", "99")),
    Row("LRANGE_300", 8, "LPUSH", ("LRANGE", "mylist", "0", "299")),
    Row("LRANGE_500", 12, "LPUSH", ("LRANGE", "mylist", "0", "499")),
    Row("LRANGE_600", 12, "LPUSH", ("LRANGE", "mylist", "0", "599")),
    Row("MSET", weight=2),
)
"""The tests that redis-benchmark runs by itself."""

ROWS = (
    *DEFAULT_ROWS,
    Row("GEOADD", 1, "", ("GEOADD", "mygeo", "13.361389", "38.115556", "element:__rand_int__")),
    Row("GEODIST", 1, "GEOADD", ("GEODIST", "mygeo", "element:10", "element:990", "km")),
    Row("XADD", 1, "", ("XADD", "mystream", "*", "field", "value")),
    Row("XADD_MAXLEN", 1, "", ("XADD", "mystream", "MAXLEN", "~", "1000", "*", "field", "value")),
    Row("XRANGE_10", 2, "XADD", ("XRANGE", "mystream", "-", "+", "COUNT", "10")),
    Row("XREAD_10", 2, "XADD", ("XREAD", "COUNT", "10", "STREAMS", "mystream", "500")),
    Row("XREADGROUP", 1, "XADD", ("XREADGROUP", "GROUP", "group", "me", "COUNT", "1", "STREAMS", "mystream", "0")),
    Row("SETBIT", 1, "", ("SETBIT", "mybits", "12345", "1")),
    Row("GETBIT", 1, "SETBIT", ("GETBIT", "mybits", "12345")),
    Row("BITCOUNT", 1, "SETBIT", ("BITCOUNT", "mybits")),
    Row("BITFIELD", 1, "", ("BITFIELD", "mybits", "INCRBY", "u16", "100", "1")),
    Row("PFADD", 1, "", ("PFADD", "myhll", "element:__rand_int__")),
    Row("PFCOUNT", 1, "PFADD", ("PFCOUNT", "myhll")),
    Row("SET_ACL", 1, "", ("SET", _KEY, "xxx"), _LIMITED),
    Row("GET_ACL", 1, "SET", ("GET", _KEY), _LIMITED),
    Row("SET_TLS", 2, "", ("SET", _KEY, "xxx"), tls=True),
    Row("GET_TLS", 2, "SET", ("GET", _KEY), tls=True),
    Row("SET_TRACKING", 1, "", ("SET", _KEY, "xxx"), ("--enable-tracking",)),
    Row("GET_TRACKING", 1, "SET", ("GET", _KEY), ("--enable-tracking",)),
    Row("EVALSHA_1", 1, "SCRIPTS", scripts.call("1", "0")),
    Row("EVALSHA_GET", 1, "SCRIPTS", scripts.call("GET", "1", _KEY)),
    Row("EVALSHA_LIMITER", 4, "SCRIPTS", scripts.call("LIMITER", "1", "limiter:__rand_int__", "60000", "100")),
    Row("EVALSHA_100_SETS", 20, "SCRIPTS", scripts.call("100_SETS", "1", _KEY)),
    Row("EVALSHA_CJSON", 40, "SCRIPTS", scripts.call("CJSON", "1", scripts.DOCUMENT_KEY)),
    Row("GEOSEARCH_10", 2, "GEOADD", ("GEOSEARCH", "mygeo", *["FROMLONLAT", "15.5", "15.5", "BYRADIUS", "200", "km"])),
)


@dataclass
class Samples:
    """What one server showed in each round; processor time is in microseconds per command.

    ``foreign`` is what others took of the machine meanwhile, in cores: where it is high, the round says little.
    """

    rps: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)


@dataclass
class Measured:
    """One row at one pipeline depth: each server's samples, in the same order of rounds."""

    row: str
    pipeline: int
    requests: int
    samples: dict[str, Samples]

    def ratios(self, name: str, to: str) -> list[float]:
        """Throughput of one server by that of another, round by round."""
        return [a / b for a, b in zip(self.samples[name].rps, self.samples[to].rps)]


def select(names: list[str]) -> list[Row]:
    """The rows named: exactly, or by what stands before an underscore (``ping``, ``lrange``); all for no names."""
    if not names:
        return list(ROWS)
    rows = []
    for name in names:
        upper = name.strip().upper()
        found = [row for row in ROWS if row.name == upper] or [row for row in ROWS if row.name.startswith(upper + "_")]
        if not found:
            raise ValueError(f"no row {name!r}; there are {', '.join(row.name for row in ROWS)}")
        rows += found
    return rows


def fill(server: Server, row: Row, requests: int, keyspace: int) -> None:
    """Prepare what the row reads or takes away, as the tests before it in redis-benchmark's own list would leave it."""
    if not row.fill:
        return
    values: Iterator[bytes]
    if row.fill == "SET":
        count = keyspace or 1
        values = (encode(b"SET", b"key:%b" % _number(i, keyspace), b"xxx") for i in range(count))
    elif row.fill == "LPUSH":
        values = (encode(b"LPUSH", b"mylist", *[b"xxx"] * 100) for _ in range(requests // 100 + 1))
    elif row.fill == "GEOADD":
        # One member at each whole degree.
        values = (
            encode(b"GEOADD", b"mygeo", b"%d" % (i % 32), b"%d" % (i // 32), b"element:%d" % i) for i in range(32 * 32)
        )
    elif row.fill == "XADD":
        values = itertools.chain(
            (encode(b"XADD", b"mystream", b"%d-1" % (i + 1), b"field", b"value") for i in range(1000)),
            (encode(b"XGROUP", b"CREATE", b"mystream", b"group", b"0"),),
            (encode(b"XREADGROUP", b"GROUP", b"group", b"me", b"COUNT", b"100", b"STREAMS", b"mystream", b">"),),
        )
    elif row.fill == "SCRIPTS":
        values = itertools.chain(
            (encode(b"SCRIPT", b"LOAD", text.encode()) for text in scripts.ALL.values()),
            (encode(b"SET", scripts.DOCUMENT_KEY.encode(), scripts.DOCUMENT),),
        )
    elif row.fill == "SETBIT":
        values = (encode(b"SETBIT", b"mybits", b"%d" % (i * 37), b"1") for i in range(1000))
    elif row.fill == "PFADD":
        values = (encode(b"PFADD", b"myhll", b"element:%d" % i) for i in range(1000))
    elif row.fill == "SADD":
        count = requests if keyspace else 1
        values = (encode(b"SADD", b"myset", b"element:%b" % _number(i, keyspace)) for i in range(count))
    else:
        count = requests if keyspace else 1
        values = (encode(b"ZADD", b"myzset", b"%d" % i, b"element:%b" % _number(i, keyspace)) for i in range(count))
    with server.connect() as wire:
        wire.send(values)


def _number(i: int, keyspace: int) -> bytes:
    """What redis-benchmark puts for __rand_int__, which it leaves as it is without ``-r``."""
    return b"%012d" % i if keyspace else b"__rand_int__"


def measure(server: Server, row: Row, pipeline: int, requests: int, keyspace: int, into: Samples) -> None:
    """Run one row once against a server that is emptied and filled first."""
    server.flush()
    fill(server, row, requests, keyspace)
    with server.connect() as wire:
        wire.call(b"ACL", b"SETUSER", b"limited", b"on", b">secret", b"~key:*", b"+@all")
    port = server.tls_port() if row.tls else server.port
    # fmt: off
    command = [
        REDIS_BENCHMARK, "-p", str(port), "-c", str(CLIENTS), "-n", str(requests), "-P", str(pipeline),
        "--csv",
    ]
    # fmt: on
    if keyspace:
        command += ["-r", str(keyspace)]
    command += [*row.options, *(["--tls", "--insecure"] if row.tls else [])]
    command += row.command or ["-t", row.name.lower()]
    start, before, busy, ours = time.perf_counter(), server.cpu_seconds(), busy_seconds(), _own_seconds()
    done = run_program(command)
    after = server.cpu_seconds()
    busy_after, ours_after, elapsed = busy_seconds(), _own_seconds(), time.perf_counter() - start
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    if done.returncode or len(lines) != 1:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr or done.stdout}")
    into.rps.append(float(lines[0]["rps"]))
    into.p50_ms.append(float(lines[0]["p50_latency_ms"]))
    into.p99_ms.append(float(lines[0]["p99_latency_ms"]))
    if before is not None and after is not None:
        into.cpu_us.append((after - before) / requests * 1e6)
        if busy is not None and busy_after is not None:
            others = (busy_after - busy) - (after - before) - (ours_after - ours)
            into.foreign.append(max(others, 0.0) / elapsed)


def _own_seconds() -> float:
    """Processor time of this process and the load generators it has started so far."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run(
    servers: list[Server],
    rows: list[Row],
    pipelines: list[int],
    repeat: int,
    requests: Callable[[Row, int], int],
    keyspace: int,
    progress: Callable[[Measured], None],
) -> list[Measured]:
    """Measure rows at each pipeline depth, the servers taking turns in every round; ``progress`` sees each result."""
    results = []
    for pipeline in pipelines:
        for row in rows:
            count = requests(row, pipeline)
            measured = Measured(row.name, pipeline, count, {server.name: Samples() for server in servers})
            for _ in range(repeat):
                for server in servers:
                    measure(server, row, pipeline, count, keyspace, measured.samples[server.name])
            results.append(measured)
            progress(measured)
    return results


def median(values: list[float]) -> float:
    """The median, NaN for nothing."""
    return statistics.median(values) if values else float("nan")
