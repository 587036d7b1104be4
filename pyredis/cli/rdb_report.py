"""What takes the room in a snapshot: keys by type, their sizes and deadlines, the largest ones."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Any, Final

from pyredis.cli.rdb_records import text
from pyredis.cli.tools import printable
from pyredis.core.memory import human, key_bytes
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.keyspace.encoding import TYPE_NAMES
from pyredis.persistence.rdb_reader import RdbReader

_SAMPLES: Final = 100
"""Elements of a collection that are measured; the others are taken to be like them."""
_SECOND: Final = 1000
_SPANS: Final = (
    ("already due", 0),
    ("within a minute", 60 * _SECOND),
    ("within an hour", 3600 * _SECOND),
    ("within a day", 86400 * _SECOND),
    ("within 30 days", 30 * 86400 * _SECOND),
    ("later", 1 << 63),
)
_SHOWN: Final = 60


class Sizes:
    """Sums over the keys of one kind; bytes of memory are what they would take in this server, about."""

    def __init__(self) -> None:
        self.keys = 0
        self.elements = 0
        self.file_bytes = 0
        self.memory_bytes = 0
        self.expires = 0

    def add(self, elements: int, file_bytes: int, memory_bytes: int, expires: bool) -> None:
        """Another key."""
        self.keys += 1
        self.elements += elements
        self.file_bytes += file_bytes
        self.memory_bytes += memory_bytes
        self.expires += expires

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return {
            "keys": self.keys,
            "elements": self.elements,
            "file_bytes": self.file_bytes,
            "memory_bytes": self.memory_bytes,
            "expires": self.expires,
        }


class ReportSink:
    """A sink that adds up; it keeps sums and the ``largest`` keys only. ``now`` is in Unix milliseconds."""

    def __init__(self, wanted: Callable[[int, bytes, str], bool], largest: int, now: int) -> None:
        self.wanted = wanted
        self.largest = largest
        self.now = now
        self.reader: RdbReader | None = None
        self.db = 0
        self.types: dict[str, Sizes] = {}
        self.dbs: dict[int, Sizes] = {}
        self.total = Sizes()
        self.deadlines = dict.fromkeys([name for name, _ in _SPANS], 0)
        self.field_deadlines = 0
        self._heap: list[tuple[int, int, int, bytes, str, int, int]] = []
        self._end = 0

    def _file_bytes(self) -> int:
        """Bytes of the file since the last thing that was read."""
        assert self.reader is not None
        end = self.reader.loaded()
        size = end - self._end
        self._end = end
        return size

    def select(self, number: int) -> None:
        self.db = number
        self._file_bytes()

    def resize(self, keys: int, expires: int) -> None:
        self._file_bytes()

    def aux(self, name: bytes, value: bytes) -> None:
        self._file_bytes()

    def function(self, code: bytes) -> None:
        self._file_bytes()

    def empty_key(self, key: bytes) -> None:
        self._file_bytes()

    def module_data(self, name: str, key: bytes | None) -> None:
        size = self._file_bytes()
        if key is not None and self.wanted(self.db, key, "module"):
            self._add(key, f"module {name}", 1, size, 0, -1)

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        size = self._file_bytes()
        kind = TYPE_NAMES[type(value)].decode()
        if not self.wanted(self.db, key, kind):
            return
        elements = 1 if kind == "string" else len(value)
        self._add(key, kind, elements, size, key_bytes(key, value, _SAMPLES), when)
        if type(value) is VolatileHashObj:
            self.field_deadlines += len(value.expires)

    def _add(self, key: bytes, kind: str, elements: int, size: int, memory: int, when: int) -> None:
        expires = when >= 0
        for sizes in (
            self.total,
            self.types.setdefault(kind, Sizes()),
            self.dbs.setdefault(self.db, Sizes()),
        ):
            sizes.add(elements, size, memory, expires)
        if expires:
            left = when - self.now
            self.deadlines[next(name for name, most in _SPANS if left <= most)] += 1
        entry = (memory or size, -self.total.keys, self.db, key, kind, elements, size)
        if len(self._heap) < self.largest:
            heapq.heappush(self._heap, entry)
        elif self._heap and entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def largest_keys(self) -> list[dict[str, Any]]:
        """The largest first."""
        return [
            {"db": db, "key": text(key), "type": kind, "elements": n, "file_bytes": size, "memory_bytes": memory}
            for memory, _, db, key, kind, n, size in sorted(self._heap, reverse=True)
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "total": self.total.as_dict(),
            "types": {name: sizes.as_dict() for name, sizes in sorted(self.types.items())},
            "dbs": {str(number): sizes.as_dict() for number, sizes in sorted(self.dbs.items())},
            "deadlines": {"none": self.total.keys - self.total.expires, **self.deadlines},
            "fields_with_deadline": self.field_deadlines,
            "largest": self.largest_keys(),
        }

    def lines(self) -> Iterator[str]:
        """For people."""
        heading = f"{'':12} {'keys':>12} {'with TTL':>12} {'elements':>14} {'in the file':>12} {'in memory':>12}"
        yield heading
        for name, sizes in sorted(self.types.items(), key=lambda pair: -pair[1].memory_bytes):
            yield _row(name, sizes)
        yield _row("all", self.total)
        if len(self.dbs) > 1:
            yield ""
            for number, sizes in sorted(self.dbs.items()):
                yield _row(f"db{number}", sizes)
        yield ""
        yield f"Deadlines: {self.total.keys - self.total.expires} keys have none"
        for name, count in self.deadlines.items():
            if count:
                yield f"  {name:16} {count:>12}"
        if self.field_deadlines:
            yield f"  fields of hashes {self.field_deadlines:>12}"
        if self._heap:
            yield ""
            yield f"The largest keys: {'elements':>18} {'in the file':>12} {'in memory':>12}"
            for one in self.largest_keys():
                key = one["key"] if len(one["key"]) <= _SHOWN else one["key"][:_SHOWN] + "…"
                shown = printable(key)
                sizes_shown = f"{one['elements']:>18} {human(one['file_bytes']):>12} {human(one['memory_bytes']):>12}"
                yield f"  {one['type']:15} {sizes_shown}  db{one['db']} {shown}"


def _row(name: str, sizes: Sizes) -> str:
    return (
        f"{name:12} {sizes.keys:>12} {sizes.expires:>12} {sizes.elements:>14} "
        f"{human(sizes.file_bytes):>12} {human(sizes.memory_bytes):>12}"
    )
