"""How many bytes elements take in a listpack, Redis's format for small collections and for the nodes of streams."""

from __future__ import annotations

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
