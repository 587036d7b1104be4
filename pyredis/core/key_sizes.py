"""How large the keys are: INFO's section Keysizes, counted when it is asked for.

Redis keeps these histograms up to date with every change; here that would cost each write something. Counting takes
some 0.1 us for each key, so a result is kept for a hundred times as long as it took.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj

if TYPE_CHECKING:
    from pyredis.keyspace.db import Database

_REST: Final = 100
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "strings_sizes": (bytes, bytearray),
    "lists_items": (ListObj,),
    "sets_items": (SetObj,),
    "zsets_items": (ZSetObj,),
    "hashes_items": (HashObj, VolatileHashObj),
}
_UNITS: Final = ("", "K", "M", "G", "T", "P", "E")


def _label(bits: int) -> str:
    """The smallest size of ``bits`` binary digits: ``0``, ``1``, ``2``, ``4`` … ``1K`` …"""
    return f"{1 << (bits - 1) % 10}{_UNITS[(bits - 1) // 10]}" if bits else "0"


def _histogram(values: Iterable[object]) -> str:
    """``size=keys`` for each power of two that is the beginning of some sizes."""
    bits = Counter(map(int.bit_length, map(len, values)))  # type: ignore[arg-type]  # all of them have a length
    return ",".join(f"{_label(n)}={bits[n]}" for n in sorted(bits))


class KeySizes:
    """The fields of the section, with what they were when they were last counted."""

    __slots__ = ("_fields", "_until")

    def __init__(self) -> None:
        self._fields: list[tuple[str, object]] = []
        self._until = 0.0

    def fields(self, dbs: Iterable[Database]) -> list[tuple[str, object]]:
        """Field and value for each database and type that has keys."""
        started = perf_counter()
        if started >= self._until:
            self._fields = [field for db in dbs if len(db) for field in _fields(db)]
            ended = perf_counter()
            self._until = ended + _REST * (ended - started)
        return self._fields


def _fields(db: Database) -> list[tuple[str, object]]:
    by_type: dict[type, list[object]] = {kind: [] for kinds in _KINDS.values() for kind in kinds}
    others: list[object] = []
    for value in db.dict.values():
        by_type.get(type(value), others).append(value)
    found: list[tuple[str, object]] = []
    for name, types in _KINDS.items():
        values = [value for kind in types for value in by_type[kind]]
        if values:
            found.append((f"db{db.id}_distrib_{name}", _histogram(values)))
    return found
