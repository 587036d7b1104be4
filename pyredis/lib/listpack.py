"""Listpacks, Redis's format for small collections and for the nodes of streams: sizes, reading, writing.

A listpack is its length in bytes (32 bits), its number of elements (16 bits, 65535 = not known), the elements, and an
end mark. Behind each element stands its own length, for reading backwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from struct import error as StructError
from typing import Final

from pyredis.lib.intparse import string2ll

LISTPACK_ENDS: Final = 7
"""Bytes of a listpack's header and end mark."""
_LONGEST_INT: Final = 20
_WIDTHS: Final = ((12, 2), (15, 3), (23, 4), (31, 5))
_SHORT: Final = tuple(2 + n for n in range(64))
"""Bytes of a text of so many bytes, while its length needs six bits."""
_MAY_BE_INT: Final = frozenset(b"-0123456789")


def _with_back_length(size: int) -> int:
    """An element of ``size`` bytes with its length behind it, from which a listpack is read backwards."""
    for back, limit in ((1, 1 << 7), (2, 1 << 14), (3, 1 << 21), (4, 1 << 28)):
        if size < limit:
            return size + back
    return size + 5


def integer_size(n: int) -> int:
    """Bytes of an integer (64 bits, signed)."""
    if 0 <= n <= 127:
        return 2
    for bits, size in _WIDTHS:
        if -1 << bits <= n < 1 << bits:
            return size + 1
    return 10


def element_size(text: bytes) -> int:
    """Bytes of an element: texts that are canonical integers are kept as such."""
    n = len(text)
    if 0 < n <= _LONGEST_INT and text[0] in _MAY_BE_INT:
        number = string2ll(text)
        if number is not None:
            return integer_size(number)
    if n < 64:
        return _SHORT[n]
    return _with_back_length(n + (2 if n < 4096 else 5))


# --- reading --------------------------------------------------------------------------------------------------------

_END: Final = 0xFF
_HEADER: Final = 6
_unpack_header = Struct("<IH").unpack_from
_INTEGERS: Final = {
    0xF1: (2, Struct("<h").unpack_from),
    0xF3: (4, Struct("<i").unpack_from),
    0xF4: (8, Struct("<q").unpack_from),
}
"""First byte → bytes of the integer behind it, and how to read it."""
_unpack_length = Struct("<I").unpack_from
_UNKNOWN_COUNT: Final = 0xFFFF


def _back_length(size: int) -> bytes:
    """The length of an element of ``size`` bytes as it stands behind it: seven bits a byte, to be read backwards."""
    out = [size >> 7 * n & 0x7F | 0x80 for n in range(5)]
    count = 1 if size <= 127 else 2 if size < 1 << 14 else 3 if size < 1 << 21 else 4 if size < 1 << 28 else 5
    out = out[:count]
    out[-1] &= 0x7F
    out.reverse()
    return bytes(out)


def decode_listpack(blob: bytes, thorough: bool) -> list[bytes | int]:
    """The elements, integers as such. Raises ValueError for anything that is no listpack.

    ``thorough`` also verifies what is of no use for reading forwards: the lengths behind the elements.
    """
    size = len(blob)
    if size < LISTPACK_ENDS:
        raise ValueError("a listpack is too short")
    total, count = _unpack_header(blob)
    if total != size or blob[-1] != _END:
        raise ValueError("a listpack has another length than it says")
    out: list[bytes | int] = []
    append = out.append
    at, last = _HEADER, size - 1
    try:
        while at < last:
            begin = at
            first = blob[at]
            if first < 0x80:
                append(first)
                at += 2
                if thorough and blob[at - 1] != 1:
                    raise ValueError("an element of a listpack has a wrong length behind it")
                continue
            if first < 0xC0:
                end = at + 1 + (first & 0x3F)
                append(blob[at + 1 : end])
                at = end + 1
                if thorough and blob[end] != end - begin:
                    raise ValueError("an element of a listpack has a wrong length behind it")
                continue
            if first < 0xE0:
                number = (first & 0x1F) << 8 | blob[at + 1]
                append(number - 0x2000 if number & 0x1000 else number)
                end = at + 2
            elif first < 0xF0:
                end = at + 2 + ((first & 0x0F) << 8 | blob[at + 1])
                append(blob[at + 2 : end])
            elif first == 0xF0:
                end = at + 5 + _unpack_length(blob, at + 1)[0]
                append(blob[at + 5 : end])
            elif first == 0xF2:
                end = at + 4
                append(int.from_bytes(blob[at + 1 : end], "little", signed=True))
            elif first in _INTEGERS:
                width, unpack = _INTEGERS[first]
                end = at + 1 + width
                append(unpack(blob, at + 1)[0])
            else:
                raise ValueError("an element of a listpack has an unknown encoding")
            length = end - begin
            at = end + (1 if length <= 127 else 2 if length < 1 << 14 else 3 if length < 1 << 21 else 4)
            if length >= 1 << 28:
                at += 1
            if thorough and blob[end:at] != _back_length(length):
                raise ValueError("an element of a listpack has a wrong length behind it")
    except (IndexError, StructError):
        at = size
    if at != last:
        raise ValueError("an element of a listpack goes beyond its end")
    if count != len(out) and count != _UNKNOWN_COUNT:
        raise ValueError("a listpack has another number of elements than it says")
    return out


# --- writing --------------------------------------------------------------------------------------------------------

_SMALL_INT: Final = tuple(bytes((n, 1)) for n in range(128))
_HEADS: Final = tuple(bytes((0x80 | n,)) for n in range(64))
_BACKS: Final = tuple(_back_length(n) for n in range(128))
_MAX_LISTPACK: Final = (1 << 32) - 1


def encode_integer(n: int) -> bytes:
    """An integer (64 bits, signed) as an element."""
    if 0 <= n <= 127:
        return _SMALL_INT[n]
    if -4096 <= n < 4096:
        n &= 0x1FFF
        return bytes((0xC0 | n >> 8, n & 0xFF, 2))
    if -1 << 15 <= n < 1 << 15:
        return b"\xf1" + n.to_bytes(2, "little", signed=True) + b"\3"
    if -1 << 23 <= n < 1 << 23:
        return b"\xf2" + n.to_bytes(3, "little", signed=True) + b"\4"
    if -1 << 31 <= n < 1 << 31:
        return b"\xf3" + n.to_bytes(4, "little", signed=True) + b"\5"
    return b"\xf4" + n.to_bytes(8, "little", signed=True) + b"\x09"


def encode_element(text: bytes) -> bytes:
    """A text as an element; a canonical integer becomes one."""
    size = len(text)
    if 0 < size <= _LONGEST_INT and text[0] in _MAY_BE_INT:
        number = string2ll(text)
        if number is not None:
            return encode_integer(number)
    if size < 64:
        return _HEADS[size] + text + _BACKS[size + 1]
    if size < 4096:
        return bytes((0xE0 | size >> 8, size & 0xFF)) + text + _back_length(size + 2)
    return b"\xf0" + size.to_bytes(4, "little") + text + _back_length(size + 5)


def join_listpack(elements: list[bytes]) -> bytes:
    """A listpack of elements that are encoded already. Raises ValueError beyond 4 GB."""
    body = b"".join(elements)
    size = len(body) + LISTPACK_ENDS
    if size > _MAX_LISTPACK:
        raise ValueError("a listpack cannot have more than 4 GB")
    return b"%b%b%b\xff" % (
        size.to_bytes(4, "little"),
        min(len(elements), _UNKNOWN_COUNT).to_bytes(2, "little"),
        body,
    )


def encode_listpack(texts: Iterable[bytes]) -> bytes:
    """A listpack of texts. Raises ValueError beyond 4 GB."""
    return join_listpack([encode_element(text) for text in texts])
