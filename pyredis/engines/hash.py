"""The hash type.

A dict does the work (an updated field keeps its place, as in Redis's listpack); beside it a flag for the encoding Redis
would report and, once HSCAN or a random pick has been asked for, a `KeyIndex` of the fields.

Invariants: ``packed`` never becomes true again; ``index``, when present, knows exactly the fields.

``expires`` is reserved for the expiry of single fields (field → Unix milliseconds): None until a field first gets a
deadline. The engine has no clock: whoever sets deadlines also removes the fields whose time has come. Deleting or
overwriting a field forgets its deadline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from pyredis.engines.key_index import KeyIndex


class HashObj:
    """A map from byte strings to byte strings.

    ``max_entries`` and ``max_value`` arguments are ``hash-max-listpack-entries`` and ``hash-max-listpack-value``.
    """

    __slots__ = ("expires", "fields", "index", "packed")

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}
        """Read freely; change only through the methods."""
        self.packed = True
        """Whether the encoding is ``listpack``; else it is ``hashtable``."""
        self.index: KeyIndex | None = None
        self.expires: dict[bytes, int] | None = None

    def __len__(self) -> int:
        return len(self.fields)

    def __contains__(self, field: object) -> bool:
        return field in self.fields

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the fields, in the order of their insertion."""
        return iter(self.fields)

    def copy(self) -> HashObj:
        """Return an independent hash with the same fields, deadlines and encoding: O(n)."""
        o = HashObj()
        o.fields = self.fields.copy()
        o.packed = self.packed
        if self.expires is not None:
            o.expires = self.expires.copy()
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
        if self.expires is not None:
            self.expires.pop(field, None)
        return new

    def set_pairs(self, args: Sequence[bytes], first: int, max_entries: int, max_value: int) -> int:
        """Set the field-value pairs ``args[first:]`` (an even number of items); return how many fields are new."""
        before = len(self.fields)
        if not self.packed and self.index is None and self.expires is None:
            fields = self.fields
            for i in range(first, len(args), 2):
                fields[args[i]] = args[i + 1]
        else:
            for i in range(first, len(args), 2):
                self.set(args[i], args[i + 1], max_entries, max_value)
        return len(self.fields) - before

    def try_conversion(self, args: Sequence[bytes], first: int, max_value: int) -> None:
        """Leave the listpack encoding if any of ``args[first:]`` is longer than ``max_value`` bytes."""
        if self.packed:
            for i in range(first, len(args)):
                if len(args[i]) > max_value:
                    self.packed = False
                    return

    def delete(self, field: bytes) -> bool:
        """Remove ``field``; True if it was present: O(1)."""
        if self.fields.pop(field, None) is None:
            return False
        if self.index is not None:
            self.index.removed(field)
        if self.expires is not None:
            self.expires.pop(field, None)
        return True

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
        if self.expires is not None:
            assert self.expires.keys() <= self.fields.keys(), "a deadline without a field"
