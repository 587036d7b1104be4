"""The formats of small collections before listpacks: ziplists, zipmaps, and the sets of integers that still exist.

Reading only, except for intsets. All functions raise ValueError for data that is damaged.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Final

_END: Final = 0xFF
_unpack_header = Struct("<IIH").unpack_from
_HEADER: Final = 10
_UNKNOWN_COUNT: Final = 0xFFFF
_LONG_PREVIOUS: Final = 0xFE
_unpack_big = Struct(">I").unpack_from
_unpack_little = Struct("<I").unpack_from
_WIDTHS: Final = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}
"""Bytes of the integer behind each kind of first byte."""
_INTSET_CODES: Final = {2: "h", 4: "i", 8: "q"}
_INTSET_HEADER: Final = 8


def decode_ziplist(blob: bytes) -> list[bytes | int]:
    """The elements of a ziplist, integers as such."""
    size = len(blob)
    if size < _HEADER + 1:
        raise ValueError("a ziplist is too short")
    total, tail, count = _unpack_header(blob)
    if total != size or blob[-1] != _END:
        raise ValueError("a ziplist has another length than it says")
    out: list[bytes | int] = []
    at, last, previous, begin = _HEADER, size - 1, 0, _HEADER
    try:
        while at < last:
            begin = at
            if blob[at] < _LONG_PREVIOUS:
                claimed = blob[at]
                at += 1
            else:
                claimed = _unpack_little(blob, at + 1)[0]
                at += 5
            if claimed != previous:
                raise ValueError("an element of a ziplist has a wrong length before it")
            first = blob[at]
            if first < 0xC0:
                at, length = _ziplist_text(blob, at, first)
                out.append(blob[at : at + length])
                at += length
            elif first in _WIDTHS:
                width = _WIDTHS[first]
                out.append(int.from_bytes(blob[at + 1 : at + 1 + width], "little", signed=True))
                at += 1 + width
            elif 0xF1 <= first <= 0xFD:
                out.append(first - 0xF1)
                at += 1
            else:
                raise ValueError("an element of a ziplist has an unknown encoding")
            previous = at - begin
    except (IndexError, struct.error):
        at = size
    if at != last:
        raise ValueError("an element of a ziplist goes beyond its end")
    if (count != len(out) and count != _UNKNOWN_COUNT) or tail != begin:
        raise ValueError("a ziplist has other elements than it says")
    return out


def _ziplist_text(blob: bytes, at: int, first: int) -> tuple[int, int]:
    """Where a text begins, and its length."""
    kind = first >> 6
    if kind == 0:
        return at + 1, first & 0x3F
    if kind == 1:
        return at + 2, (first & 0x3F) << 8 | blob[at + 1]
    return at + 5, _unpack_big(blob, at + 1)[0]


def decode_zipmap(blob: bytes) -> list[bytes]:
    """Field, value, field, value … of a zipmap."""
    size = len(blob)
    if size < 2 or blob[-1] != _END:
        raise ValueError("a zipmap has no end")
    out: list[bytes] = []
    at, last = 1, size - 1
    try:
        while at < last:
            for free_byte in (0, 1):
                length = blob[at]
                at += 1
                if length == _LONG_PREVIOUS:
                    length = _unpack_little(blob, at)[0]
                    at += 4
                elif length == _END:
                    raise ValueError("a zipmap ends too early")
                free = blob[at] if free_byte else 0
                at += free_byte
                out.append(blob[at : at + length])
                at += length + free
                if at > last:
                    raise ValueError("an element of a zipmap goes beyond its end")
    except (IndexError, struct.error):
        at = size
    if at != last or (blob[0] < _LONG_PREVIOUS and blob[0] != len(out) // 2):
        raise ValueError("a zipmap has other elements than it says")
    return out


def decode_intset(blob: bytes) -> tuple[int, ...]:
    """The numbers of an intset, which ascend."""
    if len(blob) < _INTSET_HEADER:
        raise ValueError("an intset is too short")
    width, count = struct.unpack_from("<II", blob)
    code = _INTSET_CODES.get(width)
    if code is None or len(blob) != _INTSET_HEADER + width * count:
        raise ValueError("an intset has another length than it says")
    numbers = struct.unpack_from(f"<{count}{code}", blob, _INTSET_HEADER)
    if any(map(int.__ge__, numbers, numbers[1:])):
        raise ValueError("the numbers of an intset do not ascend")
    return numbers


def encode_intset(numbers: list[int]) -> bytes:
    """An intset of ascending numbers (64 bits, signed; at least one)."""
    for width, code in _INTSET_CODES.items():
        most = 1 << 8 * width - 1
        if numbers[0] >= -most and numbers[-1] < most:
            return struct.pack(f"<II{len(numbers)}{code}", width, len(numbers), *numbers)
    raise ValueError("a number has more than 64 bits")
