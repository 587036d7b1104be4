"""Cost of single operations of the engines at growing sizes, as a Markdown table of nanoseconds per operation.

Usage: python benchmarks/micro_engines.py [SIZE ...]      (default: 1000 100000 1000000)

Each figure is the best of several rounds over prepared arguments, less the cost of the empty loop.
"""

from __future__ import annotations

import gc
import random
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ZSetObj

OPS = 20_000
ROUNDS = 5

Row = tuple[str, Callable[..., Any], Sequence[tuple[Any, ...]]]


def nothing(*args: Any) -> None:
    """What the loop costs by itself."""


def measure(call: Callable[..., Any], args: Sequence[tuple[Any, ...]]) -> float:
    """Return nanoseconds per ``call(*args[i])``."""
    start = time.perf_counter_ns()
    for arg in args:
        call(*arg)
    return (time.perf_counter_ns() - start) / len(args)


def best(call: Callable[..., Any], args: Sequence[tuple[Any, ...]]) -> float:
    """Return the best of several measurements, less those of a function that does nothing."""
    call(*args[0])  # builds what is built lazily
    return min(measure(call, args) for _ in range(ROUNDS)) - min(measure(nothing, args) for _ in range(ROUNDS))


def alternate(first: Callable[..., Any], second: Callable[..., Any]) -> Callable[..., None]:
    """Return a function that does both, so that the size stays what it is."""

    def both(*args: Any) -> None:
        first(*args)
        second()

    return both


def list_rows(size: int, rng: random.Random) -> list[Row]:
    """Operations on a list of ``size`` elements, half of it in each stack."""
    values = [b"%d" % i for i in range(size)]
    o = ListObj(values[size // 2 :])
    o.push_head_many(reversed(values[: size // 2]))
    some = [(values[rng.randrange(size)],) for _ in range(OPS)]
    at = [(rng.randrange(size),) for _ in range(OPS)]
    none = [()] * OPS
    return [
        ("list: push head + pop head", alternate(o.push_head, o.pop_head), some),
        ("list: push tail + pop tail", alternate(o.push_tail, o.pop_tail), some),
        ("list: push tail + pop head (queue)", alternate(o.push_tail, o.pop_head), some),
        ("list: index 0", lambda: o.index(0), none),
        ("list: index -1", lambda: o.index(-1), none),
        ("list: index anywhere", o.index, at),
        ("list: range of 10 anywhere", o.range, [(i, i + 9) for (i,) in at]),
        ("list: range of 100 at the head", lambda: o.range(0, 99), none),
    ]


def set_rows(size: int, rng: random.Random) -> list[Row]:
    """Operations on a set of ``size`` members that has an index."""
    o = SetObj.from_members({b"m:%d" % i for i in range(size)}, 512)
    present = [(b"m:%d" % rng.randrange(size),) for _ in range(OPS)]
    numbers = iter(range(10**9))
    plain = o.copy()

    def churn(target: SetObj) -> Callable[[], None]:
        def add_and_discard() -> None:
            value = b"new:%d" % next(numbers)
            target.add(value, 512)
            target.discard(value)

        return add_and_discard

    def pop_and_add() -> None:
        o.add(o.pop_random(rng), 512)

    return [
        ("set: contains", o.__contains__, present),
        ("set: add a present member", lambda m: plain.add(m, 512), present),
        ("set: add + discard, no index", churn(plain), [()] * OPS),
        ("set: random member", o.random, [(rng,)] * OPS),
        ("set: pop random + add", pop_and_add, [()] * OPS),
        ("set: add + discard, with index", churn(o), [()] * OPS),
        ("set: scan step of 10", o.scan, [(rng.randrange(1, size), 10) for _ in range(OPS)]),
    ]


def hash_rows(size: int, rng: random.Random) -> list[Row]:
    """Operations on a hash of ``size`` fields."""
    o = HashObj()
    o.set_many([b"f:%d" % i for i in range(size)], [b"%d" % i for i in range(size)], 128, 64)
    present = [(b"f:%d" % rng.randrange(size),) for _ in range(OPS)]
    rows: list[Row] = [
        ("hash: get", o.get, present),
        ("hash: set a present field", lambda f: o.set(f, b"value", 128, 64), present),
        (
            "hash: set two fields",
            lambda *fields: o.set_many(fields, (b"1", b"2"), 128, 64),
            [(f, b"f:1") for (f,) in present],
        ),
        ("hash: random field", o.random, [(rng,)] * OPS),
        ("hash: scan step of 10", o.scan, [(rng.randrange(1, size), 10) for _ in range(OPS)]),
    ]
    return rows


def zset_rows(size: int, rng: random.Random) -> list[Row]:
    """Operations on a sorted set of ``size`` members with random scores."""
    o = ZSetObj.from_scores({b"m:%d" % i: rng.random() * 1e6 for i in range(size)}, 128, 64)
    present = [(b"m:%d" % rng.randrange(size),) for _ in range(OPS)]
    at = [(i := rng.randrange(size), i + 9) for _ in range(OPS)]
    numbers = iter(range(10**9))

    def add_and_remove() -> None:
        member = b"new:%d" % next(numbers)
        o.add(member, rng.random() * 1e6, 128, 64)
        o.remove(member)

    def increment(member: bytes) -> None:
        o.add(member, o.scores[member] + 1.0, 128, 64)

    def pop_and_add() -> None:
        for member, score in o.pop_min():
            o.add(member, score, 128, 64)

    def add_and_rank(member: bytes) -> None:
        o.add(member, rng.random() * 1e6, 128, 64)
        o.rank(member, True)

    def by_score(start: float) -> None:
        o.by_score(start, False, start + 10e6 / size, True)

    def by_score_limit(start: float) -> None:
        o.by_score(start, False, 1e9, True, False, 0, 10)

    scores = [(rng.random() * 1e6,) for _ in range(OPS)]
    return [
        ("zset: score", o.score, present),
        ("zset: add + remove", add_and_remove, [()] * OPS),
        ("zset: move anywhere", lambda m: o.add(m, rng.random() * 1e6, 128, 64), present),
        ("zset: increment by 1 in 1e6", increment, present),
        ("zset: rank", o.rank, present),
        ("zset: move anywhere + reverse rank", add_and_rank, present),
        ("zset: first 10 with scores", lambda: o.by_rank(0, 9), [()] * OPS),
        ("zset: last 10 with scores", lambda: o.by_rank(0, 9, True), [()] * OPS),
        ("zset: range of 10 anywhere, with scores", o.by_rank, at),
        ("zset: range of 10 anywhere, members", o.members_by_rank, at),
        ("zset: scores of about 10, with scores", by_score, scores),
        ("zset: scores from …, limit 10", by_score_limit, scores),
        ("zset: pop min + add", pop_and_add, [()] * OPS),
        ("zset: random member", o.random, [(rng,)] * OPS),
    ]


def main(sizes: list[int]) -> None:
    """Print the table."""
    table: dict[str, list[float]] = {}
    for size in sizes:
        rng = random.Random(size)
        for rows in (list_rows, set_rows, hash_rows, zset_rows):
            for name, call, args in rows(size, rng):
                table.setdefault(name, []).append(best(call, args))
            gc.collect()
    print("| ns per operation | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("|---|" + "---:|" * len(sizes))
    for name, figures in table.items():
        print(f"| {name} | " + " | ".join(f"{figure:,.0f}" for figure in figures) + " |")


if __name__ == "__main__":
    main([int(arg) for arg in sys.argv[1:]] or [1_000, 100_000, 1_000_000])
