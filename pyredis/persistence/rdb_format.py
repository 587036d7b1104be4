"""The snapshot format (RDB): its numbers, lengths and strings, for reading and for writing.

Layers: this module; :mod:`rdb_read_values` and :mod:`rdb_write_values` for single values; :mod:`rdb_reader` and
:mod:`rdb_writer` for whole files; :mod:`payload` for DUMP and RESTORE. Nothing here knows of a server.

Reading functions take ``(buf, pos)`` and return ``(result, next pos)``. Where the bytes end too early they raise
:class:`Truncated` or IndexError, and the caller may come back with more bytes; :class:`RdbError` means damage.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from pyredis.lib.intparse import string2ll
from pyredis.lib.lzf import compress, decompress

MAGIC: Final = b"REDIS"
OLDEST_VERSION: Final = 1
NEWEST_VERSION: Final = 12
"""What can be read."""
VERSION: Final = 10
"""What is written, so that Redis 7.0 reads it …"""
VERSION_HASH_FIELDS: Final = 12
"""… unless fields of hashes have deadlines, which only this and later versions know."""
CHECKSUM_SINCE: Final = 5
HEADER_BYTES: Final = 9
CHECKSUM_BYTES: Final = 8

# What may stand where a key's type is expected.
OP_SLOT_INFO: Final = 244
OP_FUNCTION2: Final = 245
OP_FUNCTION_PRE_GA: Final = 246
OP_MODULE_AUX: Final = 247
OP_IDLE: Final = 248
OP_FREQ: Final = 249
OP_AUX: Final = 250
OP_RESIZE_DB: Final = 251
OP_EXPIRE_MS: Final = 252
OP_EXPIRE: Final = 253
OP_SELECT_DB: Final = 254
OP_EOF: Final = 255
LOWEST_OPCODE: Final = OP_SLOT_INFO

TYPE_STRING: Final = 0
TYPE_LIST: Final = 1
TYPE_SET: Final = 2
TYPE_ZSET: Final = 3
TYPE_HASH: Final = 4
TYPE_ZSET_2: Final = 5
TYPE_MODULE_PRE_GA: Final = 6
TYPE_MODULE_2: Final = 7
TYPE_HASH_ZIPMAP: Final = 9
TYPE_LIST_ZIPLIST: Final = 10
TYPE_SET_INTSET: Final = 11
TYPE_ZSET_ZIPLIST: Final = 12
TYPE_HASH_ZIPLIST: Final = 13
TYPE_LIST_QUICKLIST: Final = 14
TYPE_STREAM: Final = 15
TYPE_HASH_LISTPACK: Final = 16
TYPE_ZSET_LISTPACK: Final = 17
TYPE_LIST_QUICKLIST_2: Final = 18
TYPE_STREAM_2: Final = 19
TYPE_SET_LISTPACK: Final = 20
TYPE_STREAM_3: Final = 21
TYPE_HASH_METADATA_PRE_GA: Final = 22
TYPE_HASH_LISTPACK_EX_PRE_GA: Final = 23
TYPE_HASH_METADATA: Final = 24
TYPE_HASH_LISTPACK_EX: Final = 25

NODE_PLAIN: Final = 1
NODE_PACKED: Final = 2
"""Kinds of nodes of TYPE_LIST_QUICKLIST_2."""

MODULE_EOF: Final = 0
MODULE_SINT: Final = 1
MODULE_UINT: Final = 2
MODULE_FLOAT: Final = 3
MODULE_DOUBLE: Final = 4
MODULE_STRING: Final = 5
"""What a module's value consists of."""

_COMPRESS_OVER: Final = 20
_LONGEST_INT: Final = 11
_LZF: Final = 0xC3
_unpack_u32 = Struct(">I").unpack_from
_unpack_u64 = Struct(">Q").unpack_from
unpack_i64: Final = Struct("<q").unpack_from
"""A time in milliseconds."""
unpack_u64: Final = Struct("<Q").unpack_from
unpack_double: Final = Struct("<d").unpack_from


class RdbError(Exception):
    """The data is damaged, or of a kind that cannot be read; ``offset`` counts from the beginning of the data."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return f"{self.message} at offset {self.offset}"


class Truncated(Exception):
    """The bytes end before what was begun; at least the first ``needed`` ones are wanted."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"{needed} bytes are needed")
        self.needed = needed


class EmptyKey(Exception):
    """A value without elements, which Redis's bugs of old wrote now and then; ``end`` is behind it."""

    def __init__(self, end: int) -> None:
        super().__init__("a value without elements")
        self.end = end


class EncodingLimits:
    """The configuration that chooses between encodings (``hash-max-listpack-entries`` and so on)."""

    __slots__ = (
        "hash_entries",
        "hash_value",
        "list_fill",
        "list_packed_threshold",
        "set_intset",
        "zset_entries",
        "zset_value",
    )

    def __init__(self) -> None:
        self.hash_entries = 512
        self.hash_value = 64
        self.list_fill = -2
        self.list_packed_threshold = 1 << 30
        self.set_intset = 512
        self.zset_entries = 128
        self.zset_value = 64


# --- lengths --------------------------------------------------------------------------------------------------------


def read_length(buf: bytes, pos: int) -> tuple[int, int]:
    """A length (or another number that is not negative, up to 64 bits)."""
    first = buf[pos]
    if first < 0x40:
        return first, pos + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | buf[pos + 1], pos + 2
    if first == 0x80:
        if pos + 5 > len(buf):
            raise Truncated(pos + 5)
        return _unpack_u32(buf, pos + 1)[0], pos + 5
    if first == 0x81:
        if pos + 9 > len(buf):
            raise Truncated(pos + 9)
        return _unpack_u64(buf, pos + 1)[0], pos + 9
    raise RdbError(f"a length cannot begin with {first}", pos)


def read_count(buf: bytes, pos: int, least: int) -> tuple[int, int]:
    """A number of elements of at least ``least`` bytes each: one that the bytes at hand cannot hold is Truncated."""
    count, pos = read_length(buf, pos)
    if count * least > len(buf) - pos:
        raise Truncated(pos + count * least)
    return count, pos


_LENGTHS: Final = tuple(bytes((n,)) for n in range(64))


def length_bytes(n: int) -> bytes:
    """A length as it is written."""
    if n < 0x40:
        return _LENGTHS[n]
    if n < 0x4000:
        return bytes((0x40 | n >> 8, n & 0xFF))
    if n < 1 << 32:
        return b"\x80" + n.to_bytes(4, "big")
    return b"\x81" + n.to_bytes(8, "big")


# --- strings --------------------------------------------------------------------------------------------------------


def read_string(buf: bytes, pos: int) -> tuple[bytes, int]:
    """A string, whether plain, an integer, or compressed."""
    first = buf[pos]
    if first < 0x40:
        begin = pos + 1
        end = begin + first
    elif first < 0x80:
        begin = pos + 2
        end = begin + ((first & 0x3F) << 8 | buf[pos + 1])
    elif first >= 0xC0:
        return _read_encoded(buf, pos, first)
    else:
        length, begin = read_length(buf, pos)
        end = begin + length
    if end > len(buf):
        raise Truncated(end)
    return buf[begin:end], end


def _read_encoded(buf: bytes, pos: int, first: int) -> tuple[bytes, int]:
    if first < _LZF:
        end = pos + 1 + (1 << (first & 3))
        if end > len(buf):
            raise Truncated(end)
        return b"%d" % int.from_bytes(buf[pos + 1 : end], "little", signed=True), end
    if first != _LZF:
        raise RdbError(f"a string cannot begin with {first}", pos)
    packed, begin = read_length(buf, pos + 1)
    size, begin = read_length(buf, begin)
    end = begin + packed
    if end > len(buf):
        raise Truncated(end)
    try:
        return decompress(buf[begin:end], size), end
    except ValueError as e:
        raise RdbError(str(e), pos) from None


def string_bytes(text: bytes | bytearray, compression: bool) -> bytes:
    """A string as it is written: a small canonical integer as such, a long text compressed if that is shorter."""
    size = len(text)
    if size <= _LONGEST_INT:
        if size and (text[0] < 58 if text[0] != 45 else size > 1):
            number = string2ll(bytes(text))
            if number is not None:
                if -128 <= number < 128:
                    return b"\xc0" + number.to_bytes(1, "little", signed=True)
                if -32768 <= number < 32768:
                    return b"\xc1" + number.to_bytes(2, "little", signed=True)
                if -1 << 31 <= number < 1 << 31:
                    return b"\xc2" + number.to_bytes(4, "little", signed=True)
        return _LENGTHS[size] + text
    if compression and size > _COMPRESS_OVER:
        packed = compress(bytes(text))
        if packed is not None:
            return b"\xc3" + length_bytes(len(packed)) + length_bytes(size) + packed
    return length_bytes(size) + text
