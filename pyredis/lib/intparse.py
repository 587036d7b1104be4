"""Integers as Redis reads them: canonical decimal 64-bit numbers, nothing else."""

from __future__ import annotations

from typing import Final

LLONG_MIN: Final = -(1 << 63)
LLONG_MAX: Final = (1 << 63) - 1


def string2ll(text: bytes) -> int | None:
    """The number, or None unless ``text`` is exactly how a signed 64-bit number is written (no ``+``, no spaces, no
    leading zeros, no ``-0``)."""
    if not 0 < len(text) < 21:
        return None
    if len(text) < 19 and text.isdigit() and (text[0] != 48 or len(text) == 1):
        return int(text)  # the usual case, canonical and in range by its length
    try:
        n = int(text)
    except ValueError:
        return None
    if LLONG_MIN <= n <= LLONG_MAX and b"%d" % n == text:
        return n
    return None
