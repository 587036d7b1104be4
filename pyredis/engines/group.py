"""Consumer groups of a stream: how far they have read, their consumers, and what is delivered but not acknowledged.

Pending entries are found by ID in a dict. Their order is wanted only by those who look at them (XPENDING, XAUTOCLAIM,
the history of a consumer), and their order by time only by XREADGROUP CLAIM; until somebody does it is not kept, and
from then on beside the dict.

Invariants: a group's pending entries are exactly those of its consumers together; each knows its consumer, except
between :meth:`Group.add` and :meth:`Group.assign`. Delivery times change by :meth:`Group.set_time` only.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from typing import Final

_CHUNK: Final = 512
_ID_BITS: Final = 128
_ID_MASK: Final = (1 << _ID_BITS) - 1


class IdOrder:
    """A set of IDs in ascending order: sorted lists of up to 1024. Everything is O(√n) at most, appending is O(1)."""

    __slots__ = ("chunks", "tops")

    def __init__(self, ids: list[int]) -> None:
        ids.sort()
        self.chunks = [ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK)]
        self.tops = [chunk[-1] for chunk in self.chunks]
        """An upper bound of each chunk, below the next one's first."""

    def add(self, entry_id: int) -> None:
        """Add an ID that is not there."""
        number = bisect_left(self.tops, entry_id)
        if number == len(self.chunks):
            if not self.chunks or len(self.chunks[-1]) >= _CHUNK:
                self.chunks.append([])
                self.tops.append(entry_id)
            self.chunks[-1].append(entry_id)
            self.tops[-1] = entry_id
            return
        chunk = self.chunks[number]
        insort(chunk, entry_id)
        if len(chunk) > 2 * _CHUNK:
            self.chunks[number : number + 1] = [chunk[:_CHUNK], chunk[_CHUNK:]]
            self.tops.insert(number, chunk[_CHUNK - 1])

    def remove(self, entry_id: int) -> None:
        """Remove an ID that is there."""
        number = bisect_left(self.tops, entry_id)
        chunk = self.chunks[number]
        del chunk[bisect_left(chunk, entry_id)]
        if not chunk:
            del self.chunks[number], self.tops[number]

    def after(self, low: int, count: int) -> list[int]:
        """Up to ``count`` IDs from ``low`` on."""
        number = bisect_left(self.tops, low)
        found: list[int] = []
        while number < len(self.chunks) and len(found) < count:
            chunk = self.chunks[number]
            at = bisect_left(chunk, low)
            found += chunk[at : at + count - len(found)]
            number += 1
        return found


class PendingEntry:
    """An entry that was delivered and not acknowledged. Times are Unix milliseconds."""

    __slots__ = ("consumer", "delivery_count", "delivery_time")

    def __init__(self, consumer: Consumer | None, now: int) -> None:
        self.consumer = consumer
        self.delivery_time = now
        self.delivery_count = 1


class Pending:
    """Pending entries by ID."""

    __slots__ = ("entries", "order")

    def __init__(self) -> None:
        self.entries: dict[int, PendingEntry] = {}
        self.order: IdOrder | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def get(self, entry_id: int) -> PendingEntry | None:
        """The pending entry of an ID."""
        return self.entries.get(entry_id)

    def add(self, entry_id: int, entry: PendingEntry) -> None:
        """Add an ID that is not there."""
        self.entries[entry_id] = entry
        if self.order is not None:
            self.order.add(entry_id)

    def remove(self, entry_id: int) -> None:
        """Remove an ID that is there."""
        del self.entries[entry_id]
        if self.order is not None:
            self.order.remove(entry_id)

    def _ordered(self) -> IdOrder:
        if self.order is None:
            self.order = IdOrder(list(self.entries))
        return self.order

    def walk(self, low: int, high: int) -> Iterator[tuple[int, PendingEntry]]:
        """The entries from ``low`` to ``high`` in order; what was passed may be removed meanwhile."""
        order = self._ordered()
        size = 16
        while found := order.after(low, size):
            for entry_id in found:
                if entry_id > high:
                    return
                yield entry_id, self.entries[entry_id]
            low = found[-1] + 1
            size = _CHUNK

    def first(self) -> int:
        """The lowest ID of some."""
        return self._ordered().chunks[0][0]

    def last(self) -> int:
        """The highest ID of some."""
        return self._ordered().chunks[-1][-1]

    def next_from(self, low: int) -> int:
        """The first ID from ``low`` on, 0 if there is none."""
        found = self._ordered().after(low, 1)
        return found[0] if found else 0


class Consumer:
    """One reader of a group. Times are Unix milliseconds: when it last asked for something, and when it got something.

    ``active_time`` is -1 as long as it never got anything.
    """

    __slots__ = ("active_time", "name", "pending", "seen_time")

    def __init__(self, name: bytes, now: int) -> None:
        self.name = name
        self.seen_time = now
        self.active_time = -1
        self.pending = Pending()


class Group:
    """A consumer group. ``entries_read`` is None where it is not known."""

    __slots__ = ("by_time", "consumers", "entries_read", "last_id", "pending")

    def __init__(self, last_id: int, entries_read: int | None) -> None:
        self.last_id = last_id
        self.entries_read = entries_read
        self.pending = Pending()
        self.consumers: dict[bytes, Consumer] = {}
        self.by_time: IdOrder | None = None
        """Delivery times above the IDs, in one number each: the pending entries as they were delivered."""

    def sorted_consumers(self) -> list[Consumer]:
        """The consumers by name, as Redis lists them."""
        return [self.consumers[name] for name in sorted(self.consumers)]

    def add(self, entry_id: int, entry: PendingEntry) -> None:
        """Add a pending entry that is no consumer's yet."""
        self.pending.add(entry_id, entry)
        if self.by_time is not None:
            self.by_time.add((entry.delivery_time << _ID_BITS) + entry_id)

    def set_time(self, entry_id: int, entry: PendingEntry, time: int) -> None:
        """A pending entry was delivered again: at ``time``."""
        if self.by_time is not None:
            self.by_time.remove((entry.delivery_time << _ID_BITS) + entry_id)
            self.by_time.add((time << _ID_BITS) + entry_id)
        entry.delivery_time = time

    def _ordered_by_time(self) -> IdOrder:
        if self.by_time is None:
            entries = self.pending.entries.items()
            self.by_time = IdOrder([(entry.delivery_time << _ID_BITS) + entry_id for entry_id, entry in entries])
        return self.by_time

    def delivered_until(self, time: int, most: int) -> list[int]:
        """Up to ``most`` pending entries delivered at ``time`` or before, the longest idle first: O(found)."""
        bound = (time + 1) << _ID_BITS
        found: list[int] = []
        for chunk in self._ordered_by_time().chunks:
            if len(found) >= most or chunk[0] >= bound:
                break
            found += chunk[: min(bisect_left(chunk, bound), most - len(found))]
        return [key & _ID_MASK for key in found]

    def first_time(self) -> int | None:
        """When the pending entry that is idle longest was delivered; None if nothing is pending."""
        chunks = self._ordered_by_time().chunks
        return chunks[0][0] >> _ID_BITS if chunks else None

    def assign(self, entry_id: int, entry: PendingEntry, consumer: Consumer) -> None:
        """Give a pending entry of the group to a consumer; it leaves the one that had it."""
        old = entry.consumer
        if old is not consumer:
            if old is not None:
                old.pending.remove(entry_id)
            consumer.pending.add(entry_id, entry)
            entry.consumer = consumer

    def deliver(self, entry_id: int, consumer: Consumer, now: int) -> PendingEntry:
        """An entry goes to a consumer for the first time, or for the first time again."""
        entry = self.pending.get(entry_id)
        if entry is None:
            entry = PendingEntry(consumer, now)
            self.add(entry_id, entry)
            consumer.pending.add(entry_id, entry)
        else:
            self.set_time(entry_id, entry, now)
            entry.delivery_count = 1
            self.assign(entry_id, entry, consumer)
        return entry

    def forget(self, entry_id: int) -> bool:
        """An entry is acknowledged (or gone): False if it was not pending. O(1) unless order is kept."""
        entry = self.pending.get(entry_id)
        if entry is None:
            return False
        self._remove(entry_id, entry)
        if entry.consumer is not None:
            entry.consumer.pending.remove(entry_id)
        return True

    def _remove(self, entry_id: int, entry: PendingEntry) -> None:
        self.pending.remove(entry_id)
        if self.by_time is not None:
            self.by_time.remove((entry.delivery_time << _ID_BITS) + entry_id)

    def delete_consumer(self, consumer: Consumer) -> None:
        """Remove a consumer with all that is pending for it."""
        for entry_id, entry in consumer.pending.entries.items():
            self._remove(entry_id, entry)
        del self.consumers[consumer.name]

    def copy(self) -> Group:
        """An independent group."""
        other = Group(self.last_id, self.entries_read)
        for consumer in self.consumers.values():
            twin = Consumer(consumer.name, consumer.seen_time)
            twin.active_time = consumer.active_time
            other.consumers[consumer.name] = twin
            for entry_id, entry in consumer.pending.entries.items():
                copied = PendingEntry(twin, entry.delivery_time)
                copied.delivery_count = entry.delivery_count
                twin.pending.entries[entry_id] = other.pending.entries[entry_id] = copied
        return other

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        together: dict[int, PendingEntry] = {}
        for consumer in self.consumers.values():
            assert all(entry.consumer is consumer for entry in consumer.pending.entries.values())
            assert not together.keys() & consumer.pending.entries.keys()
            together.update(consumer.pending.entries)
        assert together == self.pending.entries
        if self.by_time is not None:
            keys = [key for chunk in self.by_time.chunks for key in chunk]
            assert keys == sorted((entry.delivery_time << _ID_BITS) + number for number, entry in together.items())
        for pending in (self.pending, *(consumer.pending for consumer in self.consumers.values())):
            if pending.order is not None:
                ids = [entry_id for chunk in pending.order.chunks for entry_id in chunk]
                assert ids == sorted(pending.entries)
                for chunk, top, later in zip(
                    pending.order.chunks, pending.order.tops, [*pending.order.chunks[1:], None]
                ):
                    assert chunk and chunk[-1] <= top and (later is None or top < later[0])
                assert bisect_right(pending.order.tops, 1 << 128) == len(pending.order.chunks)
