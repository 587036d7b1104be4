"""How good the evicted keys are chosen: hit ratios of pyredis and redis-server as caches, on the same trace.

``python -m benchmarks.eviction`` asks both for the same keys, Zipf-distributed, and sets what is missing. Both get as
much memory as holds the same number of keys (a key takes more in Python): ``maxmemory`` is adjusted while the caches
warm up. Beside the ratios stands what an exact LRU of that size would have reached.
"""

from __future__ import annotations

import argparse
import bisect
import itertools
import random
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from benchmarks.servers import Kind, Server, running
from benchmarks.wire import Wire, encode

ROOT = Path(__file__).resolve().parent.parent
BATCH = 100
POLICIES = ("allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu")
DRIFT = 4
"""How often the popular keys become others in a trace that drifts."""


def trace(keys: int, operations: int, alpha: float, drift: bool, seed: int) -> Iterator[int]:
    """Numbers of keys: the n-th most popular comes with a probability of 1/n^alpha."""
    rng = random.Random(seed)
    weights = list(itertools.accumulate(1 / (n + 1) ** alpha for n in range(keys)))
    order = list(range(keys))
    rng.shuffle(order)
    for at in range(operations):
        if drift and at and at % (operations // DRIFT) == 0:
            some = rng.sample(range(keys), keys // 5)
            moved = [order[n] for n in some]
            rng.shuffle(moved)
            for n, key in zip(some, moved, strict=True):
                order[n] = key
        yield order[bisect.bisect(weights, rng.random() * weights[-1])]


class Cache:
    """A server used as a cache of ``capacity`` keys."""

    def __init__(self, server: Server, policy: str, samples: int, capacity: int, size: int) -> None:
        self.name = server.name
        self.wire: Wire = server.connect()
        self.capacity = capacity
        self.value = b"x" * size
        self.more = (b"EX", b"1000000") if policy.startswith("volatile") else ()
        self.hits = self.asked = 0
        self.sizes: list[int] = []
        for name, value in (
            (b"maxmemory", b"1000000000000"),
            (b"maxmemory-policy", policy.encode()),
            (b"maxmemory-samples", b"%d" % samples),
        ):
            self.wire.call(b"CONFIG", b"SET", name, value)
        self.wire.call(b"FLUSHALL")
        self.wire.send(encode(b"SET", b"fill:%d" % n, self.value, *self.more) for n in range(capacity))
        self.limit = self._used()
        self.wire.call(b"FLUSHALL")
        self._set_limit()

    def _used(self) -> int:
        report: bytes = self.wire.call(b"INFO", b"memory")
        return int(report.split(b"used_memory:")[1].split(b"\r\n")[0])

    def _set_limit(self) -> None:
        self.wire.call(b"CONFIG", b"SET", b"maxmemory", b"%d" % self.limit)

    def ask(self, keys: list[int], counts: bool) -> None:
        """Get the keys, set what is missing."""
        names = [b"key:%d" % key for key in keys]
        self.wire.sock.sendall(b"".join([encode(b"GET", name) for name in names]))
        missing = [name for name in names if self.wire.read() is None]
        self.wire.exchange([encode(b"SET", name, self.value, *self.more) for name in missing])
        if counts:
            self.asked += len(keys)
            self.hits += len(keys) - len(missing)

    def look(self, adjust: bool) -> None:
        """Note the number of keys; while the cache warms up, have it hold as many as it should."""
        keys = int(self.wire.call(b"DBSIZE"))
        if not adjust:
            self.sizes.append(keys)
        elif not 0.99 < keys / self.capacity < 1.01 and self._used() > 0.97 * self.limit:
            self.limit += int((self.capacity - keys) / self.capacity * self.limit * 0.6)
            self._set_limit()

    def keys(self) -> int:
        """How many keys it held in the end, on average."""
        return sum(self.sizes) // max(len(self.sizes), 1)

    def ratio(self) -> float:
        """Hits in a hundred."""
        return self.hits * 100 / self.asked


def exact_lru(keys: list[int], capacity: int, warm: int) -> float:
    """The hits in a hundred of an LRU that knows the order of all uses."""
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for at, key in enumerate(keys):
        if key in held:
            held.move_to_end(key)
            hits += at >= warm
        else:
            held[key] = None
            if len(held) > capacity:
                held.popitem(last=False)
    return hits * 100 / (len(keys) - warm)


def compare(servers: list[Server], policy: str, options: argparse.Namespace, drift: bool) -> list[str]:
    """A table's line for each server."""
    keys = list(trace(options.keys, options.operations, options.alpha, drift, options.seed))
    capacity = int(options.keys * options.capacity)
    warm = len(keys) // 2
    caches = [Cache(server, policy, options.samples, capacity, options.size) for server in servers]
    started = time.monotonic()
    for at in range(0, len(keys), BATCH):
        for cache in caches:
            cache.ask(keys[at : at + BATCH], at >= warm)
        if at % (BATCH * 25) == 0:
            for cache in caches:
                cache.look(at < warm)
        # A second is what redis-server distinguishes: uses have to spread over many.
        time.sleep(max(0.0, started + options.seconds * at / len(keys) - time.monotonic()))
    return [
        f"| {policy} | {'drifting' if drift else 'steady'} | {cache.name} | {cache.keys()} | {cache.ratio():.2f} % "
        f"| {exact_lru(keys, cache.keys(), warm):.2f} % |"
        for cache in caches
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eviction", description=__doc__)
    parser.add_argument("--keys", type=int, default=150_000, help="different keys that are asked for")
    parser.add_argument("--capacity", type=float, default=0.1, help="the part of them that fits into memory")
    parser.add_argument("--operations", type=int, default=600_000)
    parser.add_argument("--seconds", type=float, default=45, help="how long a trace takes at least")
    parser.add_argument("--alpha", type=float, default=1.0, help="how unequal the keys are")
    parser.add_argument("--size", type=int, default=400, help="bytes of a value")
    parser.add_argument("--samples", type=int, default=5, help="maxmemory-samples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policies", default="allkeys-lru,allkeys-lfu", help=f"of {', '.join(POLICIES)}")
    options = parser.parse_args()
    kinds = [Kind("ours", ROOT), Kind("redis", None)]
    print(
        "| policy | trace | server | keys held | hits | exact LRU of that size |\n|---|---|---|---|---|---|", flush=True
    )
    with tempfile.TemporaryDirectory() as directory, running(kinds, Path(directory), None) as servers:
        for policy in options.policies.split(","):
            for drift in (False, True):
                for line in compare(servers, policy, options, drift):
                    print(line, flush=True)


if __name__ == "__main__":
    main()
