"""How long a value would be in Redis's snapshot format, without compression; and a list as Redis's nodes.

For DEBUG OBJECT. The sizes are those of the encodings that Redis would use (listpack, intset, quicklist …).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import MAX_PART, StreamObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.engines.zset import ZSetObj
from pyredis.lib.fpconv import format_double
from pyredis.lib.intparse import string2ll
from pyredis.lib.listpack import LISTPACK_ENDS, element_size

_NODE_BYTES: Final = (4096, 8192, 16384, 32768, 65536)
"""The largest node for ``list-max-listpack-size`` -1, -2 …"""
_SAFE_BYTES: Final = 8192
"""The largest node where that setting is a number of elements."""
NODE_SLACK: Final = 8
"""Bytes that a node must have left when an element is added."""
_RAW_ID: Final = 16
_DEADLINE: Final = 8


def _length_size(n: int) -> int:
    """Bytes of a length."""
    if n < 1 << 6:
        return 1
    if n < 1 << 14:
        return 2
    return 5 if n < 1 << 32 else 9


def _blob_size(n: int) -> int:
    """Bytes of a string of ``n`` bytes with its length."""
    return _length_size(n) + n


def _string_size(text: bytes | bytearray) -> int:
    """Bytes of a string; small integers have a short form."""
    n = string2ll(bytes(text)) if len(text) <= 11 else None
    if n is not None:
        for bits, size in ((7, 2), (15, 3), (31, 5)):
            if -1 << bits <= n < 1 << bits:
                return size
    return _blob_size(len(text))


def listpack_size(elements: Iterable[bytes]) -> int:
    """Bytes of a listpack of these elements."""
    return LISTPACK_ENDS + sum(map(element_size, elements))


class Node:
    """One node of a list as Redis keeps it: ``size`` in bytes, ``elements`` in order, ``plain`` if it holds one
    large element as it is."""

    __slots__ = ("elements", "plain", "size")

    def __init__(self, plain: bool) -> None:
        self.plain = plain
        self.size = 0 if plain else LISTPACK_ENDS
        self.elements: list[bytes] = []


def node_limits(fill: int) -> tuple[int, int]:
    """The most bytes and the most elements of a node, for ``list-max-listpack-size``."""
    return (_SAFE_BYTES, max(fill, 1)) if fill >= 0 else (_NODE_BYTES[min(-fill, 5) - 1], 1 << 62)


def quicklist_nodes(elements: Iterable[bytes], fill: int, packed_threshold: int) -> list[Node]:
    """The nodes of a list that was filled at its tail: listpacks up to a size, large elements alone. O(n).

    ``fill`` is ``list-max-listpack-size``: a number of elements, or negative a class of size.
    """
    nodes: list[Node] = []
    most, count = node_limits(fill)
    for element in elements:
        if len(element) >= packed_threshold:
            node = Node(True)
            node.size = len(element)
            node.elements.append(element)
            nodes.append(node)
            continue
        size = element_size(element)
        last = nodes[-1] if nodes else None
        if last is None or last.plain or last.size + size + NODE_SLACK > most or len(last.elements) >= count:
            nodes.append(Node(False))
        nodes[-1].size += size
        nodes[-1].elements.append(element)
    return nodes


def _intset_size(members: Iterable[bytes]) -> int:
    numbers = [int(member) for member in members]
    low, high = min(numbers), max(numbers)
    for width in (2, 4, 8):
        if -1 << width * 8 - 1 <= low and high < 1 << width * 8 - 1:
            return 8 + width * len(numbers)
    return 8 + 8 * len(numbers)


def packed_elements(value: HashObj | ZSetObj) -> list[bytes]:
    """A hash or sorted set as the flat sequence that its listpack holds."""
    if type(value) is VolatileHashObj:
        get = value.expires.get
        return [text for field, data in value.fields.items() for text in (field, data, b"%d" % get(field, 0))]
    if isinstance(value, HashObj):
        return [text for pair in value.fields.items() for text in pair]
    return [text for member in value for text in (member, format_double(value.scores[member]))]


def _id_size(entry_id: int) -> int:
    return _length_size(entry_id >> 64) + _length_size(entry_id & MAX_PART)


def _stream_size(value: StreamObj) -> int:
    """Nodes, then the counters, then the groups with what is pending for whom."""
    nodes = value.blocks
    total = _length_size(len(nodes)) + sum(_blob_size(_RAW_ID) + _blob_size(node.node_bytes()) for node in nodes)
    total += _length_size(value.length) + _length_size(value.entries_added) + _length_size(len(value.groups))
    total += sum(map(_id_size, (value.last_id, value.first_id, value.max_deleted_id)))
    for name, group in value.groups.items():
        read = -1 & MAX_PART if group.entries_read is None else group.entries_read
        total += _string_size(name) + _id_size(group.last_id) + _length_size(read)
        total += _length_size(len(group.pending)) + _length_size(len(group.consumers))
        for entry in group.pending.entries.values():
            total += _RAW_ID + 8 + _length_size(entry.delivery_count)
        for consumer in group.consumers.values():
            total += _string_size(consumer.name) + 8 + _length_size(len(consumer.pending))
            total += _RAW_ID * len(consumer.pending)
    return total


def _hash_size(value: HashObj) -> int:
    """With deadlines, the first of them comes before all else, and each field has its distance to that."""
    first = min(value.expires.values(), default=0) if type(value) is VolatileHashObj else 0
    total = _DEADLINE if first else 0
    if value.packed:
        return total + _blob_size(listpack_size(packed_elements(value)))
    total += _length_size(len(value)) + sum(_string_size(k) + _string_size(v) for k, v in value.fields.items())
    if type(value) is VolatileHashObj and first:
        get = value.expires.get
        total += sum(_length_size(max(get(field, 0) - first + 1, 0)) for field in value.fields)
    return total


def serialized_length(value: Any, fill: int, packed_threshold: int) -> int:
    """Bytes of the value in a snapshot, were it not compressed. O(n)."""
    if type(value) is ListObj:
        nodes = quicklist_nodes(value, fill, packed_threshold)
        return _length_size(len(nodes)) + sum(1 + _blob_size(node.size) for node in nodes)
    if type(value) is SetObj:
        if value.intset:
            return _blob_size(_intset_size(value.members))
        return _length_size(len(value)) + sum(map(_string_size, value.members))
    if isinstance(value, HashObj):
        return _hash_size(value)
    if type(value) is ZSetObj:
        if value.packed:
            return _blob_size(listpack_size(packed_elements(value)))
        return _length_size(len(value)) + sum(_string_size(member) + 8 for member in value.scores)
    if type(value) is StreamObj:
        return _stream_size(value)
    return _string_size(value)
