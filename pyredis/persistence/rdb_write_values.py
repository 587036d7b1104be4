"""Values as Redis 7.0 writes them: the same encodings by the same thresholds.

A hash whose fields have deadlines is the exception: only Redis 7.4 and later know its type.
"""

from __future__ import annotations

from struct import Struct
from typing import Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.serialized import NODE_SLACK, node_limits
from pyredis.lib.fpconv import format_double
from pyredis.lib.listpack import LISTPACK_ENDS, encode_element, encode_integer, encode_listpack, join_listpack
from pyredis.lib.ziplist import encode_intset
from pyredis.persistence import rdb_format as f
from pyredis.persistence.rdb_format import EncodingLimits, length_bytes, string_bytes
from pyredis.persistence.rdb_streams import write_stream

_pack_double: Final = Struct("<d").pack


def _list(value: ListObj, limits: EncodingLimits, compression: bool) -> list[bytes]:
    """Nodes as of a list that was filled at its tail."""
    most, count = node_limits(limits.list_fill)
    threshold = limits.list_packed_threshold
    most -= LISTPACK_ENDS + NODE_SLACK
    packed = length_bytes(f.NODE_PACKED)
    nodes = 0
    parts: list[bytes] = []
    elements: list[bytes] = []
    size = 0
    for text in value:
        if len(text) >= threshold:
            if elements:
                parts += (packed, string_bytes(join_listpack(elements), compression))
                nodes += 1
                elements, size = [], 0
            parts += (length_bytes(f.NODE_PLAIN), string_bytes(text, compression))
            nodes += 1
            continue
        element = encode_element(text)
        if elements and (size + len(element) > most or len(elements) >= count):
            parts += (packed, string_bytes(join_listpack(elements), compression))
            nodes += 1
            elements, size = [], 0
        elements.append(element)
        size += len(element)
    if elements:
        parts += (packed, string_bytes(join_listpack(elements), compression))
        nodes += 1
    return [length_bytes(nodes), *parts]


def _hash_fields(value: HashObj, compression: bool) -> list[bytes]:
    parts = [length_bytes(len(value))]
    for pair in value.fields.items():
        parts += [string_bytes(text, compression) for text in pair]
    return parts


def _hash_with_deadlines(value: VolatileHashObj, compression: bool) -> tuple[int, list[bytes]]:
    expires = value.expires
    least = min(expires.values())
    head = least.to_bytes(8, "little", signed=True)
    if value.packed:
        far = 1 << 63
        fields = value.fields
        elements: list[bytes] = []
        for field in sorted(fields, key=lambda field: expires.get(field, far)):
            when = encode_integer(expires.get(field, 0))
            elements += (encode_element(field), encode_element(fields[field]), when)
        return f.TYPE_HASH_LISTPACK_EX, [head, string_bytes(join_listpack(elements), compression)]
    parts = [head, length_bytes(len(value))]
    for field, content in value.fields.items():
        deadline = expires.get(field)
        parts.append(length_bytes(0 if deadline is None else deadline - least + 1))
        parts += (string_bytes(field, compression), string_bytes(content, compression))
    return f.TYPE_HASH_METADATA, parts


def _ordered(value: ZSetObj) -> list[bytes]:
    """The members in order, without making the set keep an order that nobody has asked for."""
    if value.order is not None:
        return list(value.order.members())
    return [member for _, member in sorted([(score, member) for member, score in value.scores.items()])]


def _zset_listpack(value: ZSetObj) -> bytes:
    scores = value.scores
    elements: list[bytes] = []
    for member in _ordered(value):
        elements += (encode_element(member), encode_element(format_double(scores[member])))
    return join_listpack(elements)


def _zset(value: ZSetObj, compression: bool) -> list[bytes]:
    """From the highest to the lowest, so that whoever reads it inserts at the front."""
    scores = value.scores
    parts = [length_bytes(len(scores))]
    for member in reversed(_ordered(value)):
        parts += (string_bytes(member, compression), _pack_double(scores[member]))
    return parts


def write_value(value: Any, limits: EncodingLimits, compression: bool) -> tuple[int, list[bytes]]:
    """The type under which a value is written, and the bytes, in parts to be joined."""
    kind = type(value)
    if kind is bytes or kind is bytearray:
        return f.TYPE_STRING, [string_bytes(value, compression)]
    if kind is VolatileHashObj and value.expires:
        return _hash_with_deadlines(value, compression)
    if kind is HashObj or kind is VolatileHashObj:
        if value.packed:
            flat = [text for pair in value.fields.items() for text in pair]
            return f.TYPE_HASH_LISTPACK, [string_bytes(encode_listpack(flat), compression)]
        return f.TYPE_HASH, _hash_fields(value, compression)
    if kind is ListObj:
        return f.TYPE_LIST_QUICKLIST_2, _list(value, limits, compression)
    if kind is SetObj:
        if value.intset:
            numbers = sorted(map(int, value.members))
            return f.TYPE_SET_INTSET, [string_bytes(encode_intset(numbers), compression)]
        return f.TYPE_SET, [length_bytes(len(value)), *[string_bytes(one, compression) for one in value.members]]
    if kind is ZSetObj:
        if value.packed:
            return f.TYPE_ZSET_LISTPACK, [string_bytes(_zset_listpack(value), compression)]
        return f.TYPE_ZSET_2, _zset(value, compression)
    assert kind is StreamObj, kind
    return f.TYPE_STREAM_2, write_stream(value, compression)
