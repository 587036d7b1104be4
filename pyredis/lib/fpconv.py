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


_WHITESPACE: Final = b" \t\n\v\f\r"
_SMALLEST_NORMAL: Final = 2.2250738585072014e-308


def strtod(text: bytes) -> float | None:
    """A double as C reads it from the beginning of a string: blanks may come before, all ends at a zero byte.

    None where something else is left behind the number, for NaN, and for what a double cannot hold. Nothing is 0.
    """
    if b"\0" in text:
        text = text.partition(b"\0")[0]
    if not text:
        return 0.0
    text = text.lstrip(_WHITESPACE)
    value = parse_double(text)
    if value is not None and -_SMALLEST_NORMAL < value < _SMALLEST_NORMAL:
        # Too small, rounded to a subnormal number or to 0, is out of range to C.
        digits = text.lower().partition(b"p" if b"x" in text.lower() else b"e")[0].replace(b"x", b"")
        if value or digits.strip(b"+-0."):
            return None
    return value
