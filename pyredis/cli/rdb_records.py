"""Keys of a snapshot as JSON: one record each, nothing lost (docs/persistence.md has the shape).

A string of bytes is a JSON string: the text if it is UTF-8, else ``base64:`` and its bytes in Base64. A text that
itself begins with ``base64:`` is written in Base64, too; so the way back is unambiguous, in names of objects as well.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from math import isinf
from typing import Any, Final

from pyredis.core.streams import id_text
from pyredis.engines.group import Group
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import MAX_ID, StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.encoding import TYPE_NAMES

MARK: Final = "base64:"
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
Record = dict[str, Any]


def text(data: bytes | bytearray) -> str:
    """Bytes as a JSON string."""
    try:
        plain = data.decode()
    except UnicodeDecodeError:
        return MARK + b64encode(data).decode()
    return MARK + b64encode(data).decode() if plain.startswith(MARK) else plain


def _score(score: float) -> float | str:
    """JSON has no infinite numbers."""
    if isinf(score):
        return "inf" if score > 0 else "-inf"
    return int(score) if score.is_integer() and abs(score) < 1 << 53 and str(score) != "-0.0" else score


def _id(entry_id: int) -> str:
    return id_text(entry_id).decode()


def _group(name: bytes, group: Group) -> Record:
    pending = []
    for entry_id, entry in sorted(group.pending.entries.items()):
        pending.append(
            {
                "id": _id(entry_id),
                "consumer": text(entry.consumer.name) if entry.consumer is not None else None,
                "delivered_at": entry.delivery_time,
                "delivery_count": entry.delivery_count,
            }
        )
    return {
        "name": text(name),
        "last_id": _id(group.last_id),
        "entries_read": group.entries_read,
        "consumers": [{"name": text(c.name), "seen_at": c.seen_time} for c in group.sorted_consumers()],
        "pending": pending,
    }


def _stream(o: StreamObj) -> Record:
    entries = []
    for ms, seq, flat in o.range(0, MAX_ID):
        names = map(text, flat)
        entries.append({"id": f"{ms}-{seq}", "fields": [list(pair) for pair in zip(names, names)]})
    return {
        "entries": entries,
        "last_id": _id(o.last_id),
        "max_deleted_id": _id(o.max_deleted_id),
        "entries_added": o.entries_added,
        "groups": [_group(name, group) for name, group in o.groups.items()],
    }


def value_of(o: Any) -> Any:
    """A value as what JSON can hold."""
    kind = type(o)
    if kind is ListObj:
        return [text(element) for element in o]
    if kind is SetObj:
        return [text(member) for member in sorted(o.elements())]
    if kind is ZSetObj:
        return [[text(member), _score(score)] for member, score in o.by_rank(0, -1)]
    if isinstance(o, HashObj):
        return {text(field): text(value) for field, value in o.fields.items()}
    if kind is StreamObj:
        return _stream(o)
    return text(o)


class JsonSink:
    """A sink that passes on a line for each key that is ``wanted(db, key, type)``, and for what is beside keys."""

    def __init__(
        self, write: Callable[[str], object], wanted: Callable[[int, bytes, str], bool], keys_only: bool
    ) -> None:
        self.write = write
        self.wanted = wanted
        self.keys_only = keys_only
        self.db = 0

    def _beside(self, record: Record) -> None:
        if not self.keys_only:
            self.write(_encode(record))

    def select(self, number: int) -> None:
        self.db = number

    def resize(self, keys: int, expires: int) -> None:
        """Only a hint."""

    def aux(self, name: bytes, value: bytes) -> None:
        self._beside({"aux": text(name), "value": text(value)})

    def function(self, code: bytes) -> None:
        self._beside({"function": text(code)})

    def module_data(self, name: str, key: bytes | None) -> None:
        if key is None:
            self._beside({"module": name})
        elif self.wanted(self.db, key, "module"):
            self.write(_encode({"db": self.db, "key": text(key), "type": "module", "module": name}))

    def empty_key(self, key: bytes) -> None:
        """It is none."""

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        kind = TYPE_NAMES[type(value)].decode()
        if not self.wanted(self.db, key, kind):
            return
        record: Record = {"db": self.db, "key": text(key), "type": kind}
        if when >= 0:
            record["expire_at"] = when
        if idle >= 0:
            record["idle"] = idle
        if freq >= 0:
            record["freq"] = freq
        record["value"] = value_of(value)
        if type(value) is VolatileHashObj:
            record["fields_expire_at"] = {text(field): at for field, at in value.expires.items()}
        self.write(_encode(record))
