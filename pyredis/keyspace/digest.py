"""DEBUG DIGEST: a SHA-1 of the data that is the same for the same data, in whatever order and encoding it is kept.

Equal to redis-server's, so that two servers (or a server before and after a restart) can be compared by one line. Two
operations build it: :func:`_mixed` where order counts, and exclusive or where it does not.
"""

from __future__ import annotations

from hashlib import sha1
from typing import TYPE_CHECKING, Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import MAX_ID, StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj

if TYPE_CHECKING:
    from pyredis.keyspace.db import Database

_TYPE_NUMBERS: Final[dict[type, int]] = {
    bytes: 0,
    bytearray: 0,
    ListObj: 1,
    SetObj: 2,
    ZSetObj: 3,
    HashObj: 4,
    VolatileHashObj: 4,
    StreamObj: 6,
}
_SIZE: Final = 20
_WITH_DEADLINE: Final = b"!!expire!!"
_FIELD_WITH_DEADLINE: Final = b"!!hexpire!!"


def _hash(data: bytes | bytearray) -> int:
    return int.from_bytes(sha1(data, usedforsecurity=False).digest(), "big")


def _mixed(digest: int, data: bytes | bytearray) -> int:
    """``digest`` with ``data`` after what is in it already."""
    return _hash((digest ^ _hash(data)).to_bytes(_SIZE, "big"))


def _hex(digest: int) -> bytes:
    return b"%040x" % digest


def _value(digest: int, value: Any, has_deadline: bool) -> int:
    """``digest`` with a value added."""
    digest = _mixed(digest, _TYPE_NUMBERS[type(value)].to_bytes(4, "big"))
    if type(value) is ListObj:
        for element in value:
            digest = _mixed(digest, element)
    elif type(value) is SetObj:
        for member in value.members:
            digest ^= _hash(member)
    elif type(value) is ZSetObj:
        for member, score in value.scores.items():
            digest ^= _pair(member, b"%.17g" % score)
    elif type(value) is HashObj:
        for field, content in value.fields.items():
            digest ^= _pair(field, content)
    elif type(value) is VolatileHashObj:
        for field, content in value.fields.items():
            digest ^= _pair(field, content, field in value.expires)
    elif type(value) is StreamObj:
        for ms, seq, flat in value.range(0, MAX_ID):
            digest = _mixed(digest, b"%d.%d" % (ms, seq))
            for text in flat:
                digest = _mixed(digest, text)
    else:
        digest = _mixed(digest, value)
    return digest ^ _hash(_WITH_DEADLINE) if has_deadline else digest


def _pair(first: bytes, second: bytes, has_deadline: bool = False) -> int:
    digest = _mixed(_mixed(0, first), second)
    if has_deadline:
        digest ^= _hash(_FIELD_WITH_DEADLINE)
    return _hash(digest.to_bytes(_SIZE, "big"))


def value_digest(db: Database, key: bytes) -> bytes:
    """40 hexadecimal digits for a key's value and whether it has a deadline; zeros for a missing key. O(n)."""
    value = db.peek(key)
    return _hex(0 if value is None else _value(0, value, db.get_expire(key) >= 0))


def dataset_digest(dbs: list[Database]) -> bytes:
    """40 hexadecimal digits for everything in all databases; zeros if there is nothing. O(n)."""
    total = 0
    for db in dbs:
        if len(db):
            total = _mixed(total, db.id.to_bytes(4, "big"))
            for key, value in db.items():
                digest = _value(_mixed(0, key), value, db.get_expire(key) >= 0)
                total ^= _hash(digest.to_bytes(_SIZE, "big"))
    return _hex(total)
