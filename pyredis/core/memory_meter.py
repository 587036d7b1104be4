"""``used_memory``: what the data, the clients and all that is kept for them take, and what that is about now.

The zero point is the process as it was before there was any data. Between two measurements :meth:`Meter.estimate` says
what it should be: what was received since, times what a byte received has lately cost, less what was evicted.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

from pyredis.lib.heap import Heap, give_back

_PATIENCE: Final = 20
"""A measurement may take this part of the time, unless it is wanted at once."""
_QUICK_NS: Final = 300_000
_FIRST_GROWTH: Final = 4.0
_LEAST_GROWTH: Final = 0.25
_MOST_GROWTH: Final = 12.0
_TELLING: Final = 64 << 10
"""Bytes received from which on something can be learned from what they took."""
_TRIM_AFTER_NS: Final = 1_000_000_000
_LITTLE: Final = 4 << 10
_LEAST_TRUST: Final = 256 << 10


class Meter:
    """All figures are in bytes, and beyond what the program itself takes."""

    __slots__ = (
        "arrived",
        "base_heap",
        "base_private",
        "base_resident",
        "ceiling",
        "freed",
        "growth",
        "heap",
        "least",
        "measured_at",
        "most_excess",
        "peak",
        "received",
        "trimmed_at",
        "used",
    )

    def __init__(self, least: Callable[[], int]) -> None:
        self.least = least
        """What data and clients take at least: the program may have become smaller since the zero point was taken."""
        self.heap: Heap | None = None
        self.base_heap = 0
        self.base_private = 0
        self.base_resident = 0
        self.ceiling = 0
        """What is resident beyond this counts as used, though it may be free: pieces too scattered to be used again."""
        self.most_excess = 0
        """What may be added to the true figure for that."""
        self.used = 0
        """As of the last measurement."""
        self.received = 0
        """Bytes received since, while memory is limited."""
        self.arrived = 0
        """Bytes that had been received in all at the last report that measured."""
        self.freed = 0
        """Bytes evicted since."""
        self.growth = _FIRST_GROWTH
        self.measured_at = 0
        self.trimmed_at = 0
        self.peak = 0
        """The most that was seen to be used, or was resident."""

    def begin(self) -> Heap:
        """Take what is used now for the program itself, at the first call."""
        if self.heap is None:
            self.heap = Heap()
            self.base_heap = self.heap.in_use()
            self.base_private = self.heap.private()
            self.base_resident = self.heap.resident()
        return self.heap

    def end(self) -> None:
        """Measure no more."""
        if self.heap is not None:
            self.heap.close()

    def resident(self) -> int:
        """All of the process that is resident, the program included."""
        return self.begin().resident()

    def bound(self) -> int:
        """What cannot be exceeded unless memory has been swapped out: the resident size beyond the program's."""
        return self.begin().private() - self.base_private

    def note_peak(self, used: int = 0) -> int:
        """The most that was used so far, if ``used`` is used now; by and by what was resident counts, too."""
        if self.heap is not None:
            self.peak = max(self.peak, used, self.bound())
        return self.peak

    def measure(self) -> int:
        """Ask the allocators: about half a millisecond for each 100 MB."""
        heap = self.begin()
        used = max(heap.in_use() - self.base_heap, self.least())
        now = perf_counter_ns()
        if self.ceiling:
            excess = self.bound() - max(self.ceiling, used)
            if excess > 0 and now - self.trimmed_at > _TRIM_AFTER_NS and heap.free > self.ceiling >> 4:
                give_back()
                self.trimmed_at = now
                excess = self.bound() - max(self.ceiling, used)
            # Not more than that: keys that go do not make the process smaller, and all would.
            used += min(max(excess, 0), self.most_excess)
        if self.received > _TELLING:
            growth = (used - self.used + self.freed) / self.received
            self.growth = min(max((self.growth + growth) / 2, _LEAST_GROWTH), _MOST_GROWTH)
        self.used = used
        self.peak = max(self.peak, used)
        self.received = self.freed = 0
        self.measured_at = now
        return used

    def measure_if_cheap(self, limit: int) -> None:
        """Measure, unless that was done a moment ago, takes long, and cannot change the figure much."""
        if self.begin().cost_ns < _QUICK_NS or self.is_rested() or self._unknown() > limit >> 5:
            self.measure()

    def _unknown(self) -> float:
        """How much may have come or gone since the last measurement."""
        return self.received * max(self.growth, 1.0) + self.freed

    def is_rested(self) -> bool:
        """Whether one more measurement would not take too much of the time."""
        return perf_counter_ns() - self.measured_at > _PATIENCE * self.begin().cost_ns

    def estimate(self) -> int:
        """What should be used now; not nothing while there is anything."""
        told = self.used + int(self.received * self.growth) - self.freed
        return told if told > _LEAST_TRUST else max(told, self.least())

    def trust(self, limit: int) -> int:
        """So much may have come or gone before a figure is too old."""
        return max(limit >> 7, _LEAST_TRUST)

    def is_stale(self, limit: int) -> bool:
        """Whether so much has been received or evicted that it is better to measure anew."""
        return self._unknown() > self.trust(limit)

    def is_old(self, limit: int) -> bool:
        """Whether that is so much that the resident size should not be relied on alone: memory may be swapped out."""
        return self._unknown() > max(limit >> 4, _LEAST_TRUST)

    def fresh(self, arrived: int) -> int:
        """For reports: measured now, unless that was done a moment ago and little has ``arrived`` (bytes) since."""
        heap = self.begin()
        rest = 2 if abs(arrived - self.arrived) > _LITTLE else 100
        if not self.measured_at or perf_counter_ns() - self.measured_at > rest * heap.cost_ns:
            self.arrived = arrived
            return self.measure()
        return max(self.estimate(), 0)
