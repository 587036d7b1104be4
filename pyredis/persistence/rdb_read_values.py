"""Values of the snapshot format, in every encoding that Redis has ever written.

Each function takes ``(buf, pos, limits, thorough)`` and returns the value and where the next thing begins; see
:mod:`rdb_format` for what they raise. ``thorough`` verifies also what this server has no use for
(``sanitize-dump-payload``). Everything that is used is verified always.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.volatile_hash import make_volatile
from pyredis.engines.zset import ZSetObj
from pyredis.lib.fpconv import strtod_lenient
from pyredis.lib.listpack import decode_listpack
from pyredis.lib.ziplist import decode_intset, decode_ziplist, decode_zipmap
from pyredis.persistence import rdb_format as f
from pyredis.persistence.rdb_format import (
    EmptyKey,
    EncodingLimits,
    RdbError,
    Truncated,
    read_count,
    read_length,
    read_string,
    unpack_double,
    unpack_i64,
)
from pyredis.persistence.rdb_streams import read_stream, read_stream_2, read_stream_3

ValueReader = Callable[[bytes, int, EncodingLimits, bool], "tuple[Any, int]"]


def _texts(elements: list[bytes | int]) -> list[bytes]:
    return [b"%d" % one if type(one) is int else one for one in elements]  # type: ignore[misc]  # type() does not narrow


def _blob(buf: bytes, pos: int, thorough: bool, ziplist: bool = False) -> tuple[list[bytes | int], int]:
    """The elements of a listpack or ziplist that is kept as a string."""
    blob, end = read_string(buf, pos)
    try:
        return decode_ziplist(blob) if ziplist else decode_listpack(blob, thorough), end
    except ValueError as e:
        raise RdbError(str(e), pos) from None


def _read_strings(buf: bytes, pos: int, count: int) -> tuple[list[bytes], int]:
    """So many strings, one after the other: what takes the time in large values, so plain short ones are read here."""
    out: list[bytes] = []
    append = out.append
    size = len(buf)
    for _ in range(count):
        first = buf[pos]
        if first < 0x40:
            begin = pos + 1
            pos = begin + first
            if pos > size:
                raise Truncated(pos)
            append(buf[begin:pos])
        else:
            text, pos = read_string(buf, pos)
            append(text)
    return out, pos


def _string(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    return read_string(buf, pos)


# --- lists ----------------------------------------------------------------------------------------------------------


def _list(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    count, pos = read_count(buf, pos, 1)
    elements, pos = _read_strings(buf, pos, count)
    return _list_of(elements, pos)


def _list_of(elements: list[bytes], end: int) -> tuple[Any, int]:
    if not elements:
        raise EmptyKey(end)
    value = ListObj()
    value.tail = elements
    return value, end


def _list_ziplist(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, pos = _blob(buf, pos, thorough, True)
    return _list_of(_texts(elements), pos)


def _quicklist(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    count, pos = read_count(buf, pos, 1)
    elements: list[bytes] = []
    for _ in range(count):
        node, pos = _blob(buf, pos, thorough, True)
        elements += _texts(node)
    return _list_of(elements, pos)


def _quicklist_2(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    count, pos = read_count(buf, pos, 2)
    elements: list[bytes] = []
    for _ in range(count):
        begin = pos
        kind, pos = read_length(buf, pos)
        if kind == f.NODE_PACKED:
            node, pos = _blob(buf, pos, thorough)
            elements += _texts(node)
        elif kind == f.NODE_PLAIN:
            text, pos = read_string(buf, pos)
            elements.append(text)
        else:
            raise RdbError(f"a list has a node of the unknown kind {kind}", begin)
    return _list_of(elements, pos)


# --- sets -----------------------------------------------------------------------------------------------------------


def _set_of(members: list[bytes], begin: int, end: int, limits: EncodingLimits) -> tuple[Any, int]:
    if not members:
        raise EmptyKey(end)
    value = SetObj.from_members(set(members), limits.set_intset)
    if len(value) != len(members):
        raise RdbError("a set has the same member twice", begin)
    return value, end


def _set(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    begin = pos
    count, pos = read_count(buf, pos, 1)
    members, pos = _read_strings(buf, pos, count)
    return _set_of(members, begin, pos, limits)


def _set_intset(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    blob, end = read_string(buf, pos)
    try:
        members = [b"%d" % n for n in decode_intset(blob)]
    except ValueError as e:
        raise RdbError(str(e), pos) from None
    return _set_of(members, pos, end, limits)


def _set_listpack(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, end = _blob(buf, pos, thorough)
    return _set_of(_texts(elements), pos, end, limits)


# --- hashes ---------------------------------------------------------------------------------------------------------


def _hash_of(flat: list[bytes], begin: int, end: int, limits: EncodingLimits, packed: bool) -> tuple[Any, int]:
    """``packed``: a small one keeps its encoding whatever the length of its values, as in Redis."""
    if not flat:
        raise EmptyKey(end)
    if len(flat) & 1:
        raise RdbError("a hash has a field without a value", begin)
    value = HashObj()
    value.fields = fields = dict(zip(flat[::2], flat[1::2]))
    if len(fields) * 2 != len(flat):
        raise RdbError("a hash has the same field twice", begin)
    value.packed = len(fields) <= limits.hash_entries and (packed or max(map(len, flat)) <= limits.hash_value)
    return value, end


def _hash(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    begin = pos
    count, pos = read_count(buf, pos, 2)
    flat, pos = _read_strings(buf, pos, 2 * count)
    return _hash_of(flat, begin, pos, limits, False)


def _hash_zipmap(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    blob, end = read_string(buf, pos)
    try:
        flat = decode_zipmap(blob)
    except ValueError as e:
        raise RdbError(str(e), pos) from None
    return _hash_of(flat, pos, end, limits, False)


def _hash_ziplist(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, end = _blob(buf, pos, thorough, True)
    return _hash_of(_texts(elements), pos, end, limits, True)


def _hash_listpack(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, end = _blob(buf, pos, thorough)
    return _hash_of(_texts(elements), pos, end, limits, True)


def _min_expire(buf: bytes, pos: int) -> tuple[int, int]:
    if pos + 8 > len(buf):
        raise Truncated(pos + 8)
    return unpack_i64(buf, pos)[0], pos + 8


def _hash_with_deadlines(
    flat: list[bytes], deadlines: list[int], begin: int, end: int, limits: EncodingLimits, packed: bool
) -> tuple[Any, int]:
    value, end = _hash_of(flat, begin, end, limits, packed)
    expires = {field: when for field, when in zip(flat[::2], deadlines) if when}
    if expires:
        if not 0 < min(expires.values()) <= max(expires.values()) < 1 << 48:
            raise RdbError("a field of a hash has an impossible deadline", begin)
        value = make_volatile(value)
        for field, when in expires.items():
            value.set_deadline(field, when)
    return value, end


def _metadata(buf: bytes, pos: int, limits: EncodingLimits, least: int) -> tuple[Any, int]:
    """Fields as (deadline, field, value); deadlines count from the least one, or from 1970 if that is 0; 0 = none."""
    begin = pos
    count, pos = read_count(buf, pos, 3)
    flat: list[bytes] = []
    deadlines: list[int] = []
    for _ in range(count):
        when, pos = read_length(buf, pos)
        deadlines.append(when + least - 1 if when and least else when)
        field, pos = read_string(buf, pos)
        value, pos = read_string(buf, pos)
        flat += (field, value)
    return _hash_with_deadlines(flat, deadlines, begin, pos, limits, False)


def _hash_metadata(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    least, pos = _min_expire(buf, pos)
    return _metadata(buf, pos, limits, least)


def _hash_metadata_pre_ga(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    return _metadata(buf, pos, limits, 0)


def _hash_listpack_ex(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    _, pos = _min_expire(buf, pos)
    return _hash_listpack_ex_pre_ga(buf, pos, limits, thorough)


def _hash_listpack_ex_pre_ga(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """A listpack of (field, value, deadline), ordered by deadline; the fields without one (0) at the end."""
    elements, end = _blob(buf, pos, thorough)
    deadlines = [when for when in elements[2::3] if isinstance(when, int)]
    if len(deadlines) * 3 != len(elements):
        raise RdbError("a hash has a field without value or deadline", pos)
    del elements[2::3]
    return _hash_with_deadlines(_texts(elements), deadlines, pos, end, limits, True)


# --- sorted sets ----------------------------------------------------------------------------------------------------


def _zset_of(scores: dict[bytes, float], count: int, begin: int, end: int, limits: EncodingLimits) -> tuple[Any, int]:
    if not count:
        raise EmptyKey(end)
    if len(scores) != count:
        raise RdbError("a sorted set has the same member twice", begin)
    if any(map(isnan, scores.values())):
        raise RdbError("a sorted set has a score that is not a number", begin)
    return ZSetObj.from_scores(scores, limits.zset_entries, limits.zset_value), end


_OLD_DOUBLES: Final = {253: float("nan"), 254: float("inf"), 255: float("-inf")}


def _zset(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """Scores as text."""
    begin = pos
    count, pos = read_count(buf, pos, 2)
    scores: dict[bytes, float] = {}
    for _ in range(count):
        member, pos = read_string(buf, pos)
        length = buf[pos]
        pos += 1
        score: float | None = _OLD_DOUBLES.get(length)
        if score is None:
            if pos + length > len(buf):
                raise Truncated(pos + length)
            score = strtod_lenient(buf[pos : pos + length])
            if score is None:
                raise RdbError("a score is no number", pos)
            pos += length
        scores[member] = score
    return _zset_of(scores, count, begin, pos, limits)


def _zset_2(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """Scores as 64 bits. Redis writes them from the highest to the lowest."""
    begin = pos
    count, pos = read_count(buf, pos, 9)
    scores: dict[bytes, float] = {}
    size = len(buf)
    for _ in range(count):
        first = buf[pos]
        if first < 0x40:
            start = pos + 1
            pos = start + first
            member = buf[start:pos]
        else:
            member, pos = read_string(buf, pos)
        if pos + 8 > size:
            raise Truncated(pos + 8)
        scores[member] = unpack_double(buf, pos)[0]
        pos += 8
    return _zset_of(scores, count, begin, pos, limits)


def _zset_packed(elements: list[bytes | int], begin: int, end: int, limits: EncodingLimits) -> tuple[Any, int]:
    if len(elements) & 1:
        raise RdbError("a sorted set has a member without a score", begin)
    scores: dict[bytes, float] = {}
    for member, score in zip(_texts(elements[::2]), elements[1::2]):
        number = float(score) if isinstance(score, int) else strtod_lenient(score)
        if number is None:
            raise RdbError("a score is no number", begin)
        scores[member] = number
    value, end = _zset_of(scores, len(elements) // 2, begin, end, limits)
    if not value.packed and len(scores) <= limits.zset_entries:
        value.packed = True  # whatever the length of its members
        value.scores = {member: score or 0.0 for member, score in scores.items()}
    return value, end


def _zset_ziplist(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, end = _blob(buf, pos, thorough, True)
    return _zset_packed(elements, pos, end, limits)


def _zset_listpack(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    elements, end = _blob(buf, pos, thorough)
    return _zset_packed(elements, pos, end, limits)


# --- modules --------------------------------------------------------------------------------------------------------


def module_name(number: int) -> tuple[str, int]:
    """The name and version of a module's type, which are packed into 64 bits."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return "".join(letters[number >> 58 - 6 * n & 63] for n in range(9)), number & 0x3FF


def skip_module_value(buf: bytes, pos: int) -> int:
    """Where a module's value ends that begins at ``pos`` (behind its type's number)."""
    while True:
        begin = pos
        kind, pos = read_length(buf, pos)
        if kind == f.MODULE_EOF:
            return pos
        if kind in (f.MODULE_SINT, f.MODULE_UINT):
            _, pos = read_length(buf, pos)
        elif kind == f.MODULE_FLOAT:
            pos += 4
        elif kind == f.MODULE_DOUBLE:
            pos += 8
        elif kind == f.MODULE_STRING:
            _, pos = read_string(buf, pos)
        else:
            raise RdbError(f"a module's value has a part of the unknown kind {kind}", begin)
        if pos > len(buf):
            raise Truncated(pos)


def _module_2(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    number, _ = read_length(buf, pos)
    name, version = module_name(number)
    raise RdbError(f"a value of the module type '{name}' (version {version}), and modules are not there", pos)


READERS: Final[dict[int, ValueReader]] = {
    f.TYPE_STRING: _string,
    f.TYPE_LIST: _list,
    f.TYPE_SET: _set,
    f.TYPE_ZSET: _zset,
    f.TYPE_HASH: _hash,
    f.TYPE_ZSET_2: _zset_2,
    f.TYPE_MODULE_2: _module_2,
    f.TYPE_HASH_ZIPMAP: _hash_zipmap,
    f.TYPE_LIST_ZIPLIST: _list_ziplist,
    f.TYPE_SET_INTSET: _set_intset,
    f.TYPE_ZSET_ZIPLIST: _zset_ziplist,
    f.TYPE_HASH_ZIPLIST: _hash_ziplist,
    f.TYPE_LIST_QUICKLIST: _quicklist,
    f.TYPE_STREAM: read_stream,
    f.TYPE_HASH_LISTPACK: _hash_listpack,
    f.TYPE_ZSET_LISTPACK: _zset_listpack,
    f.TYPE_LIST_QUICKLIST_2: _quicklist_2,
    f.TYPE_STREAM_2: read_stream_2,
    f.TYPE_SET_LISTPACK: _set_listpack,
    f.TYPE_STREAM_3: read_stream_3,
    f.TYPE_HASH_METADATA_PRE_GA: _hash_metadata_pre_ga,
    f.TYPE_HASH_LISTPACK_EX_PRE_GA: _hash_listpack_ex_pre_ga,
    f.TYPE_HASH_METADATA: _hash_metadata,
    f.TYPE_HASH_LISTPACK_EX: _hash_listpack_ex,
}
"""Type → how its values are read."""
