"""Streams in the snapshot format: a listpack for each block, then the counters, then the groups.

A block's listpack begins with the number of its entries, of those removed, of the fields they have in common, these
fields, and a zero. Each entry follows as flags, the distance of its ID from the block's (milliseconds, sequence), its
fields unless they are the common ones, its values, and how many elements that were. Removed entries are still there,
with a flag; here they are not kept, so they are dropped when reading and never written.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

from pyredis.engines.group import Consumer, Group, PendingEntry
from pyredis.engines.stream import MAX_PART, Block, StreamObj, signed64
from pyredis.lib.listpack import decode_listpack, encode_element, encode_integer, integer_size, join_listpack
from pyredis.persistence.rdb_format import (
    EncodingLimits,
    RdbError,
    Truncated,
    length_bytes,
    read_count,
    read_length,
    read_string,
    string_bytes,
    unpack_i64,
)

_ID_BYTES: Final = 16
_DELETED: Final = 1
_SAME_FIELDS: Final = 2
_PENDING_BYTES: Final = _ID_BYTES + 8 + 1


class _Damage(ValueError):
    """A listpack is fine, but no block of a stream."""


# --- reading --------------------------------------------------------------------------------------------------------


def _number(element: bytes | int) -> int:
    if isinstance(element, int):
        return element
    raise _Damage("a block of a stream has a text where a number belongs")


def _text(element: bytes | int) -> bytes:
    return b"%d" % element if isinstance(element, int) else element


def _read_block(first: int, blob: bytes, thorough: bool) -> Block:
    """A block whose ID is ``first``. Raises ValueError."""
    elements = decode_listpack(blob, thorough)
    try:
        live, deleted, width = map(_number, elements[:3])
        if live < 0 or deleted < 0 or not 0 <= width < len(elements):
            raise _Damage("a block of a stream has impossible counters")
        block = Block(first, tuple(map(_text, elements[3 : 3 + width])))
        at = 3 + width
        if _number(elements[at]) != 0:
            raise _Damage("a block of a stream does not begin as it must")
        _read_entries(block, elements, at + 1)
    except IndexError:
        raise _Damage("a block of a stream ends within an entry") from None
    if len(block.mss) != live or block.deleted != deleted:
        raise _Damage("a block of a stream has other entries than it says")
    block.size = len(blob) - integer_size(live) - integer_size(deleted)
    return block


def _read_entries(block: Block, elements: list[bytes | int], at: int) -> None:
    base_ms, base_seq = block.first >> 64, block.first & MAX_PART
    fields, previous = block.fields, -1
    width, size = len(fields), len(elements)
    mss, seqs, values = block.mss, block.seqs, block.values
    while at < size:
        begin = at
        flags = _number(elements[at])
        ms = base_ms + _number(elements[at + 1]) & MAX_PART
        seq = base_seq + _number(elements[at + 2]) & MAX_PART
        entry_id = ms << 64 | seq
        at += 3
        if flags & _SAME_FIELDS:
            own = fields
            content = elements[at : at + width]
            at += width
        else:
            count = _number(elements[at])
            if not 0 <= count <= size - at:
                raise _Damage("an entry of a stream has an impossible number of fields")
            flat = elements[at + 1 : at + 1 + 2 * count]
            own, content = tuple(map(_text, flat[::2])), flat[1::2]
            at += 1 + 2 * count
        if _number(elements[at]) != at - begin or len(content) != len(own):
            raise _Damage("an entry of a stream has another length than it says")
        at += 1
        if entry_id <= previous or entry_id < block.first:
            raise _Damage("the IDs of a stream do not ascend")
        previous = block.last = entry_id
        if flags & _DELETED:
            block.deleted += 1
            continue
        if own != fields and block.names is None:
            block.names = [fields] * len(mss)
            block.starts = list(range(0, width * len(mss), width))
        if block.names is not None:
            block.names.append(own)
            block.starts.append(len(values))
        mss.append(ms)
        seqs.append(seq)
        values += map(_text, content)


def _read_blocks(value: StreamObj, buf: bytes, pos: int, thorough: bool) -> int:
    count, pos = read_count(buf, pos, 2)
    last = -1
    for _ in range(count):
        begin = pos
        name, pos = read_string(buf, pos)
        if len(name) != _ID_BYTES:
            raise RdbError("a block of a stream has no ID", begin)
        first = int.from_bytes(name, "big")
        if first <= last:
            raise RdbError("the blocks of a stream do not ascend", begin)
        begin = pos
        blob, pos = read_string(buf, pos)
        try:
            block = _read_block(first, blob, thorough)
        except ValueError as e:
            raise RdbError(str(e), begin) from None
        last = block.last
        if not len(block):
            continue  # all its entries were removed
        if value.blocks:
            value.blocks[-1].seal()
        value.blocks.append(block)
        value.firsts.append(first)
        value.length += len(block)
    return pos


def _read_id(buf: bytes, pos: int) -> tuple[int, int]:
    ms, pos = read_length(buf, pos)
    seq, pos = read_length(buf, pos)
    return ms << 64 | seq, pos


def _read_time(buf: bytes, pos: int) -> tuple[int, int]:
    if pos + 8 > len(buf):
        raise Truncated(pos + 8)
    return unpack_i64(buf, pos)[0], pos + 8


def _read_pending(group: Group, buf: bytes, pos: int) -> int:
    count, pos = read_count(buf, pos, _PENDING_BYTES)
    entries = group.pending.entries
    for _ in range(count):
        if pos + _PENDING_BYTES > len(buf):
            raise Truncated(pos + _PENDING_BYTES)
        entry_id = int.from_bytes(buf[pos : pos + _ID_BYTES], "big")
        when, pos = _read_time(buf, pos + _ID_BYTES)
        entry = PendingEntry(None, when)
        entry.delivery_count, pos = read_length(buf, pos)
        entries[entry_id] = entry
    if len(entries) != count:
        raise RdbError("a group has the same pending entry twice", pos)
    return pos


def _read_consumer(group: Group, buf: bytes, pos: int, with_active_time: bool) -> int:
    begin = pos
    name, pos = read_string(buf, pos)
    seen, pos = _read_time(buf, pos)
    consumer = Consumer(name, seen)
    consumer.active_time = seen
    if with_active_time:
        consumer.active_time, pos = _read_time(buf, pos)
    if name in group.consumers:
        raise RdbError("a group has the same consumer twice", begin)
    group.consumers[name] = consumer
    count, pos = read_count(buf, pos, _ID_BYTES)
    for _ in range(count):
        entry_id = int.from_bytes(buf[pos : pos + _ID_BYTES], "big")
        entry = group.pending.get(entry_id)
        if entry is None or entry.consumer is not None:
            raise RdbError("a consumer has a pending entry that its group does not have for it", pos)
        entry.consumer = consumer
        consumer.pending.entries[entry_id] = entry
        pos += _ID_BYTES
    return pos


def _read_group(value: StreamObj, buf: bytes, pos: int, version: int) -> int:
    begin = pos
    name, pos = read_string(buf, pos)
    last_id, pos = _read_id(buf, pos)
    read: int | None = None
    if version >= 2:
        number, pos = read_length(buf, pos)
        read = None if signed64(number) < 0 else number
    else:
        read = value.estimate_read(last_id)
    if name in value.groups:
        raise RdbError("a stream has the same group twice", begin)
    group = value.groups[name] = Group(last_id, read)
    pos = _read_pending(group, buf, pos)
    consumers, pos = read_count(buf, pos, 1)
    for _ in range(consumers):
        pos = _read_consumer(group, buf, pos, version >= 3)
    if any(entry.consumer is None for entry in group.pending.entries.values()):
        raise RdbError("a group has a pending entry that is no consumer's", begin)
    return pos


def _read(buf: bytes, pos: int, thorough: bool, version: int) -> tuple[Any, int]:
    begin = pos
    value = StreamObj()
    pos = _read_blocks(value, buf, pos, thorough)
    length, pos = read_length(buf, pos)
    value.last_id, pos = _read_id(buf, pos)
    if length != value.length:
        raise RdbError("a stream has another length than it says", begin)
    first = value.blocks[0].id_at(0) if value.blocks else 0
    value.first_id = first
    if version >= 2:
        _, pos = _read_id(buf, pos)  # the first entry's, which is known
        value.max_deleted_id, pos = _read_id(buf, pos)
        value.entries_added, pos = read_length(buf, pos)
    else:
        value.entries_added = length
    if value.blocks and value.blocks[-1].last > value.last_id:
        raise RdbError("a stream has entries behind its last ID", begin)
    groups, pos = read_count(buf, pos, 1)
    for _ in range(groups):
        pos = _read_group(value, buf, pos, version)
    return value, pos


def read_stream(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """A stream as before Redis 7.0."""
    return _read(buf, pos, thorough, 1)


def read_stream_2(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """A stream as of Redis 7.0."""
    return _read(buf, pos, thorough, 2)


def read_stream_3(buf: bytes, pos: int, limits: EncodingLimits, thorough: bool) -> tuple[Any, int]:
    """A stream as of Redis 7.2: consumers also have a time of their last success."""
    return _read(buf, pos, thorough, 3)


# --- writing --------------------------------------------------------------------------------------------------------


def _block_blob(block: Block) -> bytes:
    common = block.fields
    width = len(common)
    out = [encode_integer(len(block)), encode_integer(0), encode_integer(width), *map(encode_element, common)]
    out.append(encode_integer(0))
    base_ms, base_seq = block.first >> 64, block.first & MAX_PART
    same = encode_integer(_SAME_FIELDS)
    other = encode_integer(0)
    back_same = encode_integer(width + 3)
    mss, seqs, names = block.mss, block.seqs, block.names
    for index in range(block.start, len(mss)):
        flat = block.flat(index)
        is_same = names is None or names[index] == common
        out.append(same if is_same else other)
        out.append(encode_integer(signed64(mss[index] - base_ms)))
        out.append(encode_integer(signed64(seqs[index] - base_seq)))
        if is_same:
            out += map(encode_element, flat[1::2])
            out.append(back_same)
        else:
            out.append(encode_integer(len(flat) // 2))
            out += map(encode_element, flat)
            out.append(encode_integer(len(flat) + 4))
    return join_listpack(out)


def _id_bytes(entry_id: int) -> bytes:
    return length_bytes(entry_id >> 64) + length_bytes(entry_id & MAX_PART)


def _group_parts(name: bytes, group: Group, compression: bool) -> list[bytes]:
    read = MAX_PART if group.entries_read is None else group.entries_read & MAX_PART
    parts = [string_bytes(name, compression), _id_bytes(group.last_id), length_bytes(read)]
    parts.append(length_bytes(len(group.pending)))
    entries = group.pending.entries
    for entry_id in sorted(entries):
        entry = entries[entry_id]
        parts.append(entry_id.to_bytes(_ID_BYTES, "big"))
        parts.append(entry.delivery_time.to_bytes(8, "little", signed=True))
        parts.append(length_bytes(entry.delivery_count & MAX_PART))
    parts.append(length_bytes(len(group.consumers)))
    for consumer in group.sorted_consumers():
        parts.append(string_bytes(consumer.name, compression))
        parts.append(consumer.seen_time.to_bytes(8, "little", signed=True))
        parts.append(length_bytes(len(consumer.pending)))
        parts += [entry_id.to_bytes(_ID_BYTES, "big") for entry_id in sorted(consumer.pending.entries)]
    return parts


def write_stream(value: StreamObj, compression: bool) -> list[bytes]:
    """A stream as of Redis 7.0, in parts to be joined."""
    blocks = [block for block in value.blocks if len(block)]
    parts = [length_bytes(len(blocks))]
    for block in blocks:
        parts.append(string_bytes(block.first.to_bytes(_ID_BYTES, "big"), False))
        parts.append(string_bytes(_block_blob(block), compression))
    parts.append(length_bytes(value.length))
    parts += map(_id_bytes, (value.last_id, value.first_id, value.max_deleted_id))
    parts.append(length_bytes(value.entries_added & MAX_PART))
    parts.append(length_bytes(len(value.groups)))
    parts += chain.from_iterable(_group_parts(name, group, compression) for name, group in value.groups.items())
    return parts
