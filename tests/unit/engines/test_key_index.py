"""KeyIndex: the picks are live keys, and a scan misses nothing that stays."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.engines.key_index import KeyIndex, shuffle_prefix

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 40)),
        st.tuples(st.just("remove"), st.integers(0, 40)),
        st.tuples(st.just("remove_many"), st.integers(0, 40)),
        st.tuples(st.just("pop"), st.just(0)),
        st.tuples(st.just("random"), st.just(0)),
        st.tuples(st.just("sweep"), st.integers(1, 20)),
        st.tuples(st.just("scan"), st.integers(1, 6)),
    ),
    max_size=60,
)


def name(i: int) -> bytes:
    return b"k%d" % i


@settings(max_examples=400, deadline=None)
@given(start=st.sets(st.integers(0, 40)), actions=ACTIONS, seed=st.integers(0, 9))
def test_scan_returns_whatever_stays_from_begin_to_end(
    start: set[int], actions: list[tuple[str, int]], seed: int
) -> None:
    rng = random.Random(seed)
    container = {name(i) for i in start}
    index = KeyIndex(container)
    stayed = set(container)
    cursor, seen = index.scan(0, 2)
    found = set(seen)
    over = cursor == 0

    def leave(key: bytes) -> None:
        if key in container:
            container.remove(key)
            stayed.discard(key)
            index.removed(key)

    for action, arg in actions:
        key = name(arg)
        if action == "add":
            if key not in container:
                container.add(key)
                index.added(key)
        elif action == "remove":
            leave(key)
        elif action == "remove_many":
            for i in range(arg, 41):
                leave(name(i))
        elif action == "sweep":
            index._sweep(arg)
        elif action == "random":
            got = index.random(rng)
            assert got in container if container else got is None
        elif action == "pop":
            got = index.pop_random(rng)
            if not container:
                assert got is None
            else:
                assert got in container
                container.remove(got)
                stayed.discard(got)
        elif not over:
            cursor, seen = index.scan(cursor, arg)
            assert set(seen) <= container
            found |= set(seen)
            over = cursor == 0
        assert len(index) == len(container)
        index.check(container)
    while not over:
        cursor, seen = index.scan(cursor, 3)
        found |= set(seen)
        over = cursor == 0
    assert stayed <= found


@given(keys=st.sets(st.binary(max_size=3), max_size=30), gone=st.integers(0, 30), count=st.integers(0, 40))
def test_samples_and_choices(keys: set[bytes], gone: int, count: int) -> None:
    rng = random.Random(count)
    index = KeyIndex(keys)
    live = set(sorted(keys)[gone:])
    for key in sorted(keys)[:gone]:
        index.removed(key)
    picked = index.sample(rng, count)
    assert len(picked) == len(set(picked)) == min(count, len(live))
    assert set(picked) <= live
    repeated = index.choices(rng, count)
    assert len(repeated) == (count if live else 0)
    assert set(repeated) <= live
    index.check(live)


def test_a_scan_without_changes_returns_each_key_once() -> None:
    keys = [name(i) for i in range(1000)]
    index = KeyIndex(keys)
    cursor, seen = index.scan(0, 10)
    while cursor:
        cursor, some = index.scan(cursor, 10)
        assert len(some) == 10
        seen += some
    assert sorted(seen) == sorted(keys)


def test_any_cursor_is_accepted() -> None:
    index = KeyIndex([b"a", b"b"])
    assert index.scan(2**64 - 1, 10) == (0, [b"b", b"a"])
    assert index.scan(1, 10) == (0, [b"a"])
    assert KeyIndex().scan(0, 10) == (0, [])
    assert KeyIndex().scan(77, 10) == (0, [])


def test_removals_alone_keep_the_stale_slots_in_bounds() -> None:
    keys = [name(i) for i in range(20_000)]
    index = KeyIndex(keys)
    random.Random(3).shuffle(keys)
    while keys:
        index.removed(keys.pop())
        assert len(index.stale) <= len(index.keys) / 2 + 128
    assert index.random(random.Random(1)) is None
    index.check(())


def test_churn_keeps_the_slots_in_bounds() -> None:
    index = KeyIndex(name(i) for i in range(1000))
    for i in range(20_000):
        index.added(name(i + 1000))
        index.removed(name(i))
    assert len(index) == 1000
    assert len(index.keys) < 2200


def test_random_is_fair_although_slots_are_stale() -> None:
    rng = random.Random(5)
    index = KeyIndex(name(i) for i in range(40))
    for i in range(0, 40, 2):
        index.removed(name(i))
    picks = Counter(index.random(rng) for _ in range(20_000))
    assert len(picks) == 20
    assert all(800 < n < 1200 for n in picks.values())


def test_clear_forgets() -> None:
    index = KeyIndex([b"a"])
    index.removed(b"a")
    index.clear()
    index.check(())
    index.added(b"a")
    index.check([b"a"])


def test_shuffle_prefix_is_uniform() -> None:
    rng = random.Random(9)
    seen: Counter[tuple[bytes, ...]] = Counter()
    for _ in range(6000):
        items = [b"a", b"b", b"c"]
        shuffle_prefix(items, 2, rng)
        seen[tuple(items[:2])] += 1
    assert len(seen) == 6
    assert all(850 < n < 1150 for n in seen.values())


def test_every_slot_is_met() -> None:
    """Runs of neighbouring slots begin anywhere and reach the last one."""
    index = KeyIndex(b"%d" % n for n in range(10))
    for length in (1, 3, 9, 10, 20):
        met = dict(index.slots(random.Random(1), 200, length))
        assert met == {n: b"%d" % n for n in range(10)}
