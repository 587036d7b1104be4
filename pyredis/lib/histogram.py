"""Latency histograms with the resolution of an HDR histogram of two significant digits, from 1 ns to 1 s.

What is recorded is cheap: a dict from a duration in units of 64 ns to a count, so that the path of a command pays one
lookup. The classes of an HDR histogram (128 to each power of two) are only made when somebody asks, or by
:func:`fold` when a dict has grown. Durations over a second count as one second, as in Redis.
"""

from __future__ import annotations

from typing import Final

Histogram = dict[int, int]
"""Duration in units of ``1 << UNIT_BITS`` nanoseconds → number of calls."""

UNIT_BITS: Final = 6
MAX_NS: Final = 1_000_000_000
_LAST_NS: Final = (1 << 30) - 1
_DIGITS: Final = 8
"""Values of at most 8 bits are told apart exactly; larger ones by their 8 leading bits."""
_FIRST_BUCKET: Final = 10
"""The distribution of LATENCY HISTOGRAM begins at 2^10 ns."""


class Discard(Histogram):
    """A histogram that keeps nothing: what a command records into while latency tracking is off."""

    def __setitem__(self, key: int, value: int) -> None:
        pass


def lowest_equivalent(ns: int) -> int:
    """The smallest value of the class that ``ns`` falls into."""
    shift = max(ns.bit_length() - _DIGITS, 0)
    return ns >> shift << shift


def highest_equivalent(ns: int) -> int:
    """The largest value of the class that ``ns`` falls into."""
    shift = max(ns.bit_length() - _DIGITS, 0)
    return (((ns >> shift) + 1) << shift) - 1


def fold(histogram: Histogram) -> None:
    """Join what an HDR histogram would not tell apart: at most about 2,400 entries are left."""
    joined: Histogram = {}
    for unit, count in histogram.items():
        slot = lowest_equivalent(_nanoseconds(unit)) >> UNIT_BITS
        joined[slot] = joined.get(slot, 0) + count
    histogram.clear()
    histogram.update(joined)


def _nanoseconds(unit: int) -> int:
    """The duration a unit stands for: its upper end."""
    return min((unit + 1 << UNIT_BITS) - 1, MAX_NS)


def percentiles(histogram: Histogram, wanted: list[float]) -> list[float]:
    """The durations in microseconds within which each of ``wanted`` percent of the calls (0 to 100) ended.

    The histogram must not be empty. O(n log n).
    """
    values = sorted((_nanoseconds(unit), count) for unit, count in histogram.items())
    total = sum(count for _, count in values)
    found: list[float] = []
    for percent in wanted:
        need = max(int(percent / 100 * total + 0.5), 1)
        ns = _value_at(values, need)
        found.append((highest_equivalent(ns) if percent else lowest_equivalent(ns)) / 1000)
    return found


def _value_at(values: list[tuple[int, int]], need: int) -> int:
    """The first of the sorted ``(value, count)`` with which ``need`` is reached."""
    reached = 0
    for value, count in values:
        reached += count
        if reached >= need:
            return value
    return values[-1][0]


def cumulative(histogram: Histogram) -> list[tuple[int, int]]:
    """``(microseconds, calls that took no longer)`` at powers of two; those that add no call are left out."""
    counts: dict[int, int] = {}
    for unit, count in histogram.items():
        ns = _nanoseconds(unit)
        power = max(ns.bit_length(), _FIRST_BUCKET)
        if power > _FIRST_BUCKET and ns <= highest_equivalent(1 << power - 1):
            power -= 1
        counts[power] = counts.get(power, 0) + count
    rows: list[tuple[int, int]] = []
    total = 0
    for power in sorted(counts):
        total += counts[power]
        rows.append((min(highest_equivalent(1 << power), _LAST_NS) // 1000, total))
    return rows
