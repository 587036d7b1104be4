"""The set type.

A built-in set does the work; beside it a flag for the encoding Redis would report and, once SSCAN or a random pick has
been asked for, a `KeyIndex`.

Invariants: while ``intset`` is true every member is the canonical decimal form of a signed 64-bit integer; it never
becomes true again; ``index``, when present, knows exactly ``members``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

from pyredis.engines.key_index import KeyIndex

_INT64_MAX_TEXT = b"9223372036854775807"
_INT64_MIN_TEXT = b"9223372036854775808"


def is_canonical_int64(text: bytes) -> bool:
    """True if ``text`` is how Redis would itself write some signed 64-bit integer (no ``+``, ``-0`` or leading 0)."""
    if text.isdigit():
        size = len(text)
        if size < 19:
            return text[0] != 48 or size == 1
        return size == 19 and text[0] != 48 and text <= _INT64_MAX_TEXT
    if not text or text[0] != 45:
        return False
    digits = text[1:]
    if not digits.isdigit() or digits[0] == 48:
        return False
    return len(digits) < 19 or (len(digits) == 19 and digits <= _INT64_MIN_TEXT)


class SetObj:
    """A set of byte strings. ``max_intset`` arguments are the value of ``set-max-intset-entries``."""

    __slots__ = ("index", "intset", "members")

    def __init__(self) -> None:
        self.members: set[bytes] = set()
        """Read freely; change only through the methods."""
        self.intset = True
        """Whether the encoding is ``intset``; else it is ``hashtable``."""
        self.index: KeyIndex | None = None

    @classmethod
    def from_members(cls, members: set[bytes], max_intset: int) -> SetObj:
        """Wrap ``members`` (not copied): the encoding is as if they had been added one by one."""
        o = cls()
        o.members = members
        o.intset = len(members) <= max_intset and all(map(is_canonical_int64, members))
        return o

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, value: object) -> bool:
        return value in self.members

    def __iter__(self) -> Iterator[bytes]:
        """Iterate in the order of ``elements``."""
        return iter(self.elements())

    def copy(self) -> SetObj:
        """Return an independent set with the same members and encoding: O(n)."""
        o = SetObj()
        o.members = self.members.copy()
        o.intset = self.intset
        return o

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "intset" if self.intset else "hashtable"

    def elements(self) -> list[bytes]:
        """Return the members: in numeric order while the encoding is intset (as Redis keeps them), else in any."""
        if self.intset:
            return sorted(self.members, key=int)
        return list(self.members)

    def add(self, value: bytes, max_intset: int) -> bool:
        """Add ``value``; True if it was absent: O(1)."""
        members = self.members
        if value in members:
            return False
        members.add(value)
        if self.intset and (len(members) > max_intset or not is_canonical_int64(value)):
            self.intset = False
        if self.index is not None:
            self.index.added(value)
        return True

    def add_many(self, values: Iterable[bytes], max_intset: int) -> int:
        """Add each of ``values``; return how many were absent."""
        before = len(self.members)
        if not self.intset and self.index is None:
            self.members.update(values)
        else:
            for value in values:
                self.add(value, max_intset)
        return len(self.members) - before

    def discard(self, value: bytes) -> bool:
        """Remove ``value``; True if it was present: O(1)."""
        members = self.members
        if value not in members:
            return False
        members.remove(value)
        if self.index is not None:
            self.index.removed(value)
        return True

    def _indexed(self) -> KeyIndex:
        if self.index is None:
            self.index = KeyIndex(self.members)
        return self.index

    def random(self, rng: Random) -> bytes:
        """Return a random member: O(1), the first time O(n). KeyError if there is none."""
        key = self._indexed().random(rng)
        if key is None:
            raise KeyError("empty set")
        return key

    def pop_random(self, rng: Random) -> bytes:
        """Remove and return a random member: O(1), the first time O(n). KeyError if there is none."""
        members = self.members
        if len(members) == 1:
            self.index = None
            return members.pop()
        key = self._indexed().pop_random(rng)
        if key is None:
            raise KeyError("empty set")
        members.remove(key)
        return key

    def random_distinct(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` different random members, or all when there are not more; a random order."""
        return self._indexed().sample(rng, count)

    def random_repeating(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` independent random picks (none from an empty set): O(count)."""
        return self._indexed().choices(rng, count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """One step of SSCAN: the next cursor (0 at the end) and members; an intset comes whole, as in Redis.

        Every member present from the first step to the last is returned at least once.
        """
        if self.intset:
            return 0, self.elements()
        return self._indexed().scan(cursor, count)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        if self.intset:
            assert all(map(is_canonical_int64, self.members)), "an intset holds a non-integer"
        if self.index is not None:
            self.index.check(self.members)
