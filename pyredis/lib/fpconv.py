"""Doubles as Redis writes and reads them."""

from __future__ import annotations

import re
from math import isinf
from typing import Final

# Possessive: a long number that is none in the end must not be tried again from each of its digits.
_NUMBER: Final = re.compile(
    rb"[+-]?(?:(?:\d++\.?\d*+|\.\d++)(?:e[+-]?\d++)?|inf(?:inity)?|0x(?:[0-9a-f]++\.?[0-9a-f]*+|\.[0-9a-f]++)"
    rb"(?:p[+-]?\d++)?)",
    re.IGNORECASE,
)
_NOT_ZERO: Final = re.compile(rb"[+-]?(?:0x[0.]*[1-9a-f]|[0.]*[1-9])", re.IGNORECASE)
_WHITESPACE: Final = b" \t\n\v\f\r"
_SMALLEST_NORMAL: Final = 2.2250738585072014e-308
_SAFE: Final = float(1 << 52)


def format_double(value: float) -> bytes:
    """The shortest of Redis 7.0's forms: integers plainly, everything else with 17 significant digits."""
    if value.is_integer() and -_SAFE < value < _SAFE and (value or str(value)[0] != "-"):
        return b"%d" % value
    return b"%.17g" % value


def _strtod(text: bytes) -> float | None:
    """What strtod reads from the whole of ``text``, an infinity where it is out of range; None for anything else."""
    if not _NUMBER.fullmatch(text):
        return None
    if b"x" in text or b"X" in text:
        try:
            return float.fromhex(text.decode())
        except OverflowError:
            return float("-inf") if text[:1] == b"-" else float("inf")
    return float(text)


def parse_double(text: bytes) -> float | None:
    """A double as Redis takes it: the whole of ``text``, no NaN, nothing too large, nor so small that it becomes 0."""
    if len(text) < 24 and not text.strip(b"0123456789.-"):
        try:
            value: float | None = float(text)  # the usual case
        except ValueError:
            return None
    else:
        value = _strtod(text)
    if value is None:
        return None
    if not value:
        return None if _NOT_ZERO.match(text) else value
    if isinf(value) and b"n" not in text.lower():
        return None
    return value


def strtod_lenient(text: bytes) -> float | None:
    """A double as C reads it from the beginning of a string: blanks may come before, it ends at a zero byte, nothing
    at all is 0. None where something else is left behind the number, and for NaN; what is too large is an infinity."""
    if len(text) < 16 and text.isdigit():
        return float(text)  # the usual case
    text = text.split(b"\0")[0]
    return _strtod(text.lstrip(_WHITESPACE)) if text else 0.0


def strtod(text: bytes) -> float | None:
    """Like :func:`strtod_lenient`, but None also for what a normal double cannot hold."""
    if len(text) < 16 and text.isdigit():
        return float(text)  # the usual case
    value = strtod_lenient(text)
    if value is None or (isinf(value) and b"n" not in text.lower()):
        return None
    if -_SMALLEST_NORMAL < value < _SMALLEST_NORMAL and _NOT_ZERO.match(text.lstrip(_WHITESPACE)):
        return None
    return value
