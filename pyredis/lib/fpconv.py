"""Doubles as Redis writes and reads them."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = re.compile(
    rb"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)"
    rb"(?:[pP][+-]?\d+)?)",
    re.IGNORECASE,
)
_SAFE: Final = float(1 << 52)


def format_double(value: float) -> bytes:
    """The shortest of Redis 7.0's forms: integers plainly, everything else with 17 significant digits."""
    if -_SAFE < value < _SAFE and value == int(value) and (value or str(value)[0] != "-"):
        return b"%d" % value
    return b"%.17g" % value


def parse_double(text: bytes) -> float | None:
    """A double as strtod reads it from the whole of ``text``; None for anything else, and for NaN."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        if b"x" in text or b"X" in text:
            return float.fromhex(text.decode())
        value = float(text)
    except (ValueError, OverflowError):
        return None
    if value in (float("inf"), float("-inf")) and b"n" not in text.lower():
        return None  # out of range: strtod says ERANGE
    return value
