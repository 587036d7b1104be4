"""When keys are due: buckets of time, so that the active expiry finds due keys without sampling.

A deadline falls into a bucket of 64 ms. Adding is O(1) (O(log buckets) when the bucket is new). A deadline that was
changed or taken away leaves a stale entry behind; it is recognised when its bucket is due (the key's deadline in
``expires`` is another now), and the whole is rebuilt when stale entries outnumber the live ones, so memory is bounded
by the number of keys that have a deadline.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import Final

BUCKET_BITS: Final = 6
_SLACK: Final = 1024


class Deadlines:
    """Keys by the bucket of their deadline."""

    __slots__ = ("buckets", "entries", "order")

    def __init__(self) -> None:
        self.buckets: dict[int, list[bytes]] = {}
        self.order: list[int] = []
        self.entries = 0
        """Entries in all buckets, stale ones included."""

    def add(self, key: bytes, when: int, old: int | None, expires: dict[bytes, int]) -> None:
        """``key`` has the deadline ``when`` now (and had ``old``); ``expires`` holds the truth, for a rebuild."""
        number = when >> BUCKET_BITS
        if old is not None and old >> BUCKET_BITS == number:
            return
        bucket = self.buckets.get(number)
        if bucket is None:
            self.buckets[number] = [key]
            heappush(self.order, number)
        else:
            bucket.append(key)
        self.entries += 1
        if self.entries > 2 * len(expires) + _SLACK:
            self._rebuild(expires)

    def _rebuild(self, expires: dict[bytes, int]) -> None:
        buckets: dict[int, list[bytes]] = {}
        for key, when in expires.items():
            number = when >> BUCKET_BITS
            bucket = buckets.get(number)
            if bucket is None:
                buckets[number] = [key]
            else:
                bucket.append(key)
        self.buckets = buckets
        self.order = list(buckets)
        heapify(self.order)
        self.entries = len(expires)

    def take_due(self, now: int, limit: int) -> list[bytes]:
        """At most ``limit`` entries of buckets that have begun by ``now`` (ms); the caller checks each deadline.

        An entry of a bucket that has begun but whose key is not due yet must be given back with :meth:`give_back`.
        """
        due: list[bytes] = []
        current = now >> BUCKET_BITS
        while self.order and self.order[0] <= current and len(due) < limit:
            number = self.order[0]
            bucket = self.buckets[number]
            room = limit - len(due)
            if len(bucket) > room:
                due += bucket[-room:]
                del bucket[-room:]
            else:
                due += bucket
                del self.buckets[number]
                heappop(self.order)
        self.entries -= len(due)
        return due

    def first(self, expires: dict[bytes, int]) -> int:
        """The number of the first bucket with a key that is due then; that of the end of time if there is none."""
        return self.order[0] if self.soonest(expires, 1) else 1 << 62

    def soonest(self, expires: dict[bytes, int], count: int) -> list[bytes]:
        """At most ``count`` keys of the first bucket that has any; ``expires`` holds the truth. They stay there.

        Stale entries that are met are dropped: O(count) amortised.
        """
        while self.order:
            number = self.order[0]
            bucket = self.buckets[number]
            found: list[bytes] = []
            while bucket and len(found) < count:
                key = bucket.pop()
                self.entries -= 1
                if expires.get(key, -1) >> BUCKET_BITS == number:
                    found.append(key)
            if found:
                found = list(dict.fromkeys(found))
                bucket += found
                self.entries += len(found)
                return found
            del self.buckets[number]
            heappop(self.order)
        return []

    def give_back(self, key: bytes, when: int) -> None:
        """Put an entry back that was taken too early."""
        number = when >> BUCKET_BITS
        bucket = self.buckets.get(number)
        if bucket is None:
            self.buckets[number] = [key]
            heappush(self.order, number)
        else:
            bucket.append(key)
        self.entries += 1

    def clear(self) -> None:
        """Forget all."""
        self.buckets = {}
        self.order = []
        self.entries = 0
