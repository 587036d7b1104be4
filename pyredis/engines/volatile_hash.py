"""A hash whose fields have deadlines: they go when their time has come.

A hash becomes one (:func:`make_volatile`) when a field first gets a deadline, and stays one. The engine has no clock:
whoever asks says what time it is, and removes the fields that are due.

While few fields have deadlines, those that are due are found by looking at all; many are kept in buckets of time
beside (``timeline``), so that finding the due ones takes no longer the more there are.

Invariants: every field of ``expires`` is in ``fields``; no field is due before ``next_due``; ``timeline``, when
present, has an entry for each deadline. Overwriting (:meth:`set`) or deleting a field forgets its deadline.
"""

from __future__ import annotations

from typing import Final

from pyredis.engines.deadlines import BUCKET_BITS, Deadlines
from pyredis.engines.hash import HashObj

NEVER: Final = 1 << 62
"""Later than any deadline."""
_FEW: Final = 64
"""Up to so many deadlines are searched one by one: 3 µs."""


class VolatileHashObj(HashObj):
    """A map from byte strings to byte strings, of which some have deadlines in Unix milliseconds."""

    __slots__ = ("expires", "next_due", "timeline")

    def __init__(self) -> None:
        super().__init__()
        self.expires: dict[bytes, int] = {}
        """Field → deadline. Read freely; change only through the methods."""
        self.next_due = NEVER
        """No field is due earlier; it need not be the deadline of any."""
        self.timeline: Deadlines | None = None

    def copy(self) -> VolatileHashObj:
        """Return an independent hash with the same fields, deadlines and encoding: O(n)."""
        o = make_volatile(super().copy())
        for field, when in self.expires.items():
            o.set_deadline(field, when)
        return o

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "listpackex" if self.packed else "hashtable"

    def set(self, field: bytes, value: bytes, max_entries: int, max_value: int) -> bool:
        """Set ``field`` and forget its deadline; True if it is new: O(1). ``HashObj.set`` keeps the deadline."""
        self.persist(field)
        return super().set(field, value, max_entries, max_value)

    def delete(self, field: bytes) -> bool:
        """Remove ``field`` with its deadline; True if it was present: O(1)."""
        self.persist(field)
        return super().delete(field)

    # --- deadlines --------------------------------------------------------------------------------------------

    def deadline(self, field: bytes) -> int:
        """The field's deadline, -1 if it has none."""
        return self.expires.get(field, -1)

    def set_deadline(self, field: bytes, when: int) -> None:
        """Give a field that is there a deadline: O(1)."""
        old = self.expires.get(field)
        self.expires[field] = when
        if when < self.next_due:
            self.next_due = when
        if self.timeline is not None:
            self.timeline.add(field, when, old, self.expires)
        elif len(self.expires) > _FEW:
            self.timeline = Deadlines()
            for other, deadline in self.expires.items():
                self.timeline.add(other, deadline, None, self.expires)

    def persist(self, field: bytes) -> bool:
        """Take a field's deadline away; True if it had one: O(1)."""
        if self.expires.pop(field, None) is None:
            return False
        if not self.expires:
            self.timeline = None
            self.next_due = NEVER
        return True

    def is_due(self, field: bytes, now: int) -> bool:
        """Whether the field's time has come."""
        return self.expires.get(field, NEVER) <= now

    def live(self, fields: list[bytes], now: int) -> list[bytes]:
        """Those of ``fields`` (all of this hash) whose time has not come by ``now``."""
        if self.next_due > now:
            return fields
        get = self.expires.get
        return [field for field in fields if get(field, NEVER) > now]

    def live_value(self, field: bytes, now: int) -> bytes | None:
        """The value of ``field``; None if it is not there, or its time has come by ``now``."""
        return None if self.is_due(field, now) else self.fields.get(field)

    def due(self, now: int, limit: int) -> list[bytes]:
        """At most ``limit`` fields whose time has come; the caller removes them all.

        With many deadlines, O(limit): some that came due within the last 64 ms may be left for later. ``next_due`` is
        brought up to date for what remains.
        """
        if self.next_due > now:
            return []
        if self.timeline is not None:
            return self._due_by_timeline(self.timeline, now, limit)
        found = [field for field, when in self.expires.items() if when <= now]
        if len(found) > limit:
            del found[limit:]
        else:
            self.next_due = min([when for when in self.expires.values() if when > now], default=NEVER)
        return found

    def _due_by_timeline(self, timeline: Deadlines, now: int, limit: int) -> list[bytes]:
        # Entries of deadlines that were changed or taken away are stale: they count for the limit, and go.
        found: dict[bytes, None] = {}
        early: list[tuple[bytes, int]] = []
        for field in timeline.take_due(now, limit):
            when = self.expires.get(field)
            if when is None:
                continue
            if when <= now:
                found[field] = None
            elif when >> BUCKET_BITS == now >> BUCKET_BITS:
                early.append((field, when))
        for field, when in early:
            timeline.give_back(field, when)
        self.next_due = timeline.order[0] << BUCKET_BITS if timeline.order else NEVER
        return list(found)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        super().check()
        assert self.expires.keys() <= self.fields.keys(), "a deadline without a field"
        assert self.next_due <= min(self.expires.values(), default=NEVER), "a field is due before next_due"
        assert self.expires or self.next_due == NEVER, "something is due, but there is no deadline"
        if self.timeline is not None:
            for field, when in self.expires.items():
                assert field in self.timeline.buckets[when >> BUCKET_BITS], "a deadline that would be missed"


def make_volatile(o: HashObj) -> VolatileHashObj:
    """The same hash as one whose fields may have deadlines: O(1). It takes over everything; ``o`` is not to be used."""
    made = VolatileHashObj()
    made.fields, made.packed, made.index = o.fields, o.packed, o.index
    return made
