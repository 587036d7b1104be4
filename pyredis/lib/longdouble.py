"""80-bit long doubles, as INCRBYFLOAT computes with them: a 64-bit mantissa, rounded half to even."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_DECIMAL: Final = re.compile(rb"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
_HEX: Final = re.compile(rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?")
_INF: Final = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_MAX_LEN: Final = 5 * 1024
_MAX_EXPONENT: Final = 16384
_MIN_EXPONENT: Final = -16445

LongDouble = Fraction | float
"""A finite value, exactly; or a float infinity."""


def round_to_mantissa(x: Fraction) -> LongDouble:
    """The nearest 80-bit value; an infinity when it is out of range."""
    if not x:
        return x
    n, d = abs(x.numerator), x.denominator
    exponent = n.bit_length() - d.bit_length() - 64
    exponent = max(exponent, _MIN_EXPONENT)
    while True:
        scaled_n, scaled_d = (n, d << exponent) if exponent >= 0 else (n << -exponent, d)
        q, r = divmod(scaled_n, scaled_d)
        if q.bit_length() <= 64:
            break
        exponent += 1
    if 2 * r > scaled_d or (2 * r == scaled_d and q & 1):
        q += 1
    if q.bit_length() + exponent > _MAX_EXPONENT:
        return float("inf") if x > 0 else float("-inf")
    value = Fraction(q) * (Fraction(2) ** exponent)
    return value if x > 0 else -value


def parse_long_double(text: bytes) -> LongDouble | None:
    """What strtold reads from the whole of ``text``; None for anything else, NaN and what is out of range."""
    if not text or len(text) > _MAX_LEN:
        return None
    if _INF.fullmatch(text):
        return float("-inf") if text[:1] == b"-" else float("inf")
    base, power = 10, 10
    match = _DECIMAL.fullmatch(text)
    if match is None:
        match = _HEX.fullmatch(text)
        if match is None:
            return None
        base, power = 16, 2
    sign, whole, part, exponent = match.groups()
    digits = (whole or b"") + (part or b"")
    if not digits:
        return None
    e = int(exponent or 0)
    if abs(e) > 20000:
        return None if int(digits, base) and e > 0 else Fraction(0)
    value = Fraction(int(digits, base)) * Fraction(power) ** e / Fraction(base) ** len(part or b"")
    rounded = round_to_mantissa(-value if sign == b"-" else value)
    return None if isinstance(rounded, float) else rounded


def add(a: LongDouble, b: LongDouble) -> LongDouble | None:
    """The sum; None if it is NaN or infinite."""
    if isinstance(a, float) or isinstance(b, float):
        return None
    total = round_to_mantissa(a + b)
    return None if isinstance(total, float) else total


def format_human(x: Fraction) -> bytes:
    """``%.17Lf`` without trailing zeros."""
    scaled = abs(x) * 10**17
    q, r = divmod(scaled.numerator, scaled.denominator)
    if 2 * r > scaled.denominator or (2 * r == scaled.denominator and q & 1):
        q += 1
    digits = str(q).rjust(18, "0")
    text = (digits[:-17] + "." + digits[-17:]).rstrip("0").rstrip(".")
    if x < 0 and text != "0":
        text = "-" + text
    return text.encode()
