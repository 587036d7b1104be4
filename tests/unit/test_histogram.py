"""Latency histograms against figures that redis-server 7.0.15 gave, and against a plain count."""

from __future__ import annotations

import random

from pyredis.lib.histogram import (
    MAX_NS,
    UNIT_BITS,
    Discard,
    Histogram,
    cumulative,
    fold,
    highest_equivalent,
    lowest_equivalent,
    percentiles,
)


def filled(values: list[int]) -> Histogram:
    histogram: Histogram = {}
    for ns in values:
        histogram[ns >> UNIT_BITS] = histogram.get(ns >> UNIT_BITS, 0) + 1
    return histogram


def test_classes_are_those_of_redis() -> None:
    for usec, shown in ((6, 6015), (9, 9023), (23, 23039), (29, 29055), (167, 167935), (1_000_000, 1002438655)):
        assert highest_equivalent(usec * 1000) == shown
    assert lowest_equivalent(6000) == 5984
    assert highest_equivalent(1) == lowest_equivalent(1) == 1
    for ns in [*range(1000), *(random.Random(1).randrange(1 << 30) for _ in range(2000))]:
        assert lowest_equivalent(ns) <= ns <= highest_equivalent(ns)
        assert lowest_equivalent(highest_equivalent(ns) + 1) == highest_equivalent(ns) + 1


def test_percentiles() -> None:
    assert percentiles(filled([10_000]), [50, 99, 100]) == [10.047] * 3
    assert percentiles(filled([10_000]), [0.0]) == [9.984]
    assert percentiles(filled([5 * MAX_NS]), [99.9]) == [1002438.655]
    values = filled([1000] * 90 + [50_000] * 9 + [1_000_000])
    low, middle, high = percentiles(values, [90, 99, 99.9])
    assert (low, middle, high) == (1.023, 50.175, 1003.519)


def test_distribution_ends_where_that_of_redis_does() -> None:
    """1.1 seconds count as one second, shown in a bucket that begins below it."""
    assert cumulative(filled([1_100_000_000])) == [(1073741, 1)]
    assert cumulative(filled([1, 500, 1000])) == [(1, 3)]
    rows = cumulative(filled([1 << power for power in range(14, 24)]))
    assert [usec for usec, _ in rows] == [16, 33, 66, 132, 264, 528, 1056, 2113, 4227, 8454]


def test_folding_changes_nothing_that_is_shown() -> None:
    rng = random.Random(3)
    values = filled([int(2 ** rng.uniform(6, 31)) for _ in range(20_000)])
    wanted = [0.0, 1.0, 25.0, 50.0, 99.0, 99.9, 100.0]
    before = percentiles(values, wanted), cumulative(values)
    fold(values)
    assert len(values) < 2500
    assert (percentiles(values, wanted), cumulative(values)) == before


def test_nothing_is_kept_while_tracking_is_off() -> None:
    nowhere = Discard()
    nowhere[5] = nowhere.get(5, 0) + 1
    assert not nowhere
