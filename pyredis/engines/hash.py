"""The hash type.

A dict does the work (an updated field keeps its place, as in Redis's listpack); beside it a flag for the encoding Redis
would report and, once HSCAN or a random pick has been asked for, a `KeyIndex` of the fields.

Invariants: ``packed`` never becomes true again; ``index``, when present, knows exactly the fields.

A hash whose fields have deadlines is of another class, ``VolatileHashObj``: those that have none carry nothing for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from pyredis.engines.key_index import KeyIndex


class HashObj:
    """A map from byte strings to byte strings.

    ``max_entries`` and ``max_value`` arguments are ``hash-max-listpack-entries`` and ``hash-max-listpack-value``.
    """

    __slots__ = ("fields", "index", "packed")

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        """Read freely; change only through the methods."""
        self.packed = True
        """Whether the encoding is ``listpack``; else it is ``hashtable``."""
        self.index: KeyIndex | None = None

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, field: object) -> bool:
        return field in self.fields

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the fields, in the order of their insertion."""
        return iter(self.fields)

    def copy(self) -> HashObj:
        """Return an independent hash with the same fields and encoding: O(n)."""
        o = HashObj()
        o.fields = self.fields.copy()
        o.packed = self.packed
        return o

    def encoding(self) -> str:
        """What OBJECT ENCODING answers."""
        return "listpack" if self.packed else "hashtable"

    def get(self, field: bytes) -> bytes | None:
        """Return the value of ``field``, or None."""
        return self.fields.get(field)

    def set(self, field: bytes, value: bytes, max_entries: int, max_value: int) -> bool:
        """Set ``field``; True if it is new: O(1)."""
        fields = self.fields
        before = len(fields)
        fields[field] = value
        new = len(fields) != before
        if self.packed and (len(field) > max_value or len(value) > max_value or len(fields) > max_entries):
            self.packed = False
        if self.index is not None and new:
            self.index.added(field)
        return new

    def set_many(self, fields: Sequence[bytes], values: Sequence[bytes], max_entries: int, max_value: int) -> None:
        """Set each of ``fields`` to the value at its place, one after the other."""
        if self.index is not None:
            for field, value in zip(fields, values, strict=True):
                self.set(field, value, max_entries, max_value)
            return
        self.fields.update(zip(fields, values, strict=True))
        if self.packed and (
            len(self.fields) > max_entries
            or max(map(len, fields), default=0) > max_value
            or max(map(len, values), default=0) > max_value
        ):
            self.packed = False

    def delete(self, field: bytes) -> bool:
        """Remove ``field``; True if it was present: O(1)."""
        if self.fields.pop(field, None) is None:
            return False
        if self.index is not None:
            self.index.removed(field)
        return True

    def live(self, fields: list[bytes], now: int) -> list[bytes]:
        """Those of ``fields`` (all of this hash) whose time has not come by ``now`` (Unix milliseconds)."""
        return fields

    def live_value(self, field: bytes, now: int) -> bytes | None:
        """The value of ``field``; None if it is not there, or its time has come by ``now``."""
        return self.fields.get(field)

    def _indexed(self) -> KeyIndex:
        if self.index is None:
            self.index = KeyIndex(self.fields)
        return self.index

    def random(self, rng: Random) -> bytes:
        """Return a random field: O(1), the first time O(n). KeyError if there is none."""
        field = self._indexed().random(rng)
        if field is None:
            raise KeyError("empty hash")
        return field

    def random_distinct(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` different random fields, or all when there are not more; a random order."""
        return self._indexed().sample(rng, count)

    def random_repeating(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` independent random picks (none from an empty hash): O(count)."""
        return self._indexed().choices(rng, count)

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """One step of HSCAN: the next cursor (0 at the end) and fields; a listpack comes whole, as in Redis.

        Every field present from the first step to the last is returned at least once.
        """
        if self.packed:
            return 0, list(self.fields)
        return self._indexed().scan(cursor, count)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        if self.index is not None:
            self.index.check(self.fields)
