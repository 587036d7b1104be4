"""80-bit long doubles, as INCRBYFLOAT and timeouts use them: a 64-bit mantissa, rounded half to even.

A finite value is ``(mantissa, exponent)``, that is ``mantissa * 2**exponent`` with at most 64 bits of mantissa and a
sign; an infinity is a float. Numbers of any length up to Redis's limit cost at most a few integers of 20,000 bits.
"""

from __future__ import annotations

import re
from typing import Final

_DECIMAL: Final = re.compile(rb"([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?")
_HEX: Final = re.compile(rb"([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?(?:[pP]([+-]?\d+))?")
_INF: Final = re.compile(rb"[+-]?inf(?:inity)?", re.IGNORECASE)
_MAX_LEN: Final = 5 * 1024
_MAX_EXPONENT: Final = 16384
_MIN_EXPONENT: Final = -16445
_CHUNK: Final = 4000
"""Python converts no more than 4300 decimal digits at once."""

Finite = tuple[int, int]
LongDouble = Finite | float


def _round(sign: int, n: int, d: int) -> LongDouble:
    """The nearest 80-bit value to ``sign * n / d`` (n ≥ 0, d > 0); an infinity when it is out of range."""
    if not n:
        return 0, 0
    exponent = max(n.bit_length() - d.bit_length() - 64, _MIN_EXPONENT)
    while True:
        scaled_n, scaled_d = (n, d << exponent) if exponent >= 0 else (n << -exponent, d)
        q, r = divmod(scaled_n, scaled_d)
        if q.bit_length() <= 64:
            break
        exponent += 1
    if 2 * r > scaled_d or (2 * r == scaled_d and q & 1):
        q += 1
    if q.bit_length() + exponent > _MAX_EXPONENT:
        return sign * float("inf")
    return sign * q, exponent


def _to_int(digits: bytes) -> int:
    """Decimal digits of any number."""
    n = 0
    for at in range(0, len(digits), _CHUNK):
        part = digits[at : at + _CHUNK]
        n = n * 10 ** len(part) + int(part)
    return n


def _to_digits(n: int) -> str:
    """The opposite of :func:`_to_int`, for n ≥ 0."""
    parts: list[str] = []
    while n >= 10**_CHUNK:
        n, low = divmod(n, 10**_CHUNK)
        parts.append(str(low).rjust(_CHUNK, "0"))
    parts.append(str(n))
    return "".join(reversed(parts))


def parse_long_double(text: bytes) -> LongDouble | None:
    """What strtold reads from the whole of ``text``; None for anything else, NaN and what is out of range (too large,
    or so small that nothing is left)."""
    if not text or len(text) >= _MAX_LEN:
        return None
    if _INF.fullmatch(text):
        return float("-inf") if text[:1] == b"-" else float("inf")
    hexadecimal = False
    match = _DECIMAL.fullmatch(text)
    if match is None:
        hexadecimal = True
        match = _HEX.fullmatch(text)
        if match is None:
            return None
    whole, part = match[2] or b"", match[3] or b""
    if not whole and not part:
        return None
    n = int(whole + part, 16) if hexadecimal else _to_int(whole + part)
    if not n:
        return 0, 0
    power = (match[4] or b"0").lstrip(b"+")
    exponent = int(power) if len(power) < 20 else (-(10**20) if power[:1] == b"-" else 10**20)
    value = _scale(-1 if match[1] == b"-" else 1, n, exponent, len(part), hexadecimal)
    return None if isinstance(value, float) or not value[0] else value


def _scale(sign: int, n: int, exponent: int, places: int, hexadecimal: bool) -> LongDouble:
    """``n`` with so many places behind the point, times 10 (or 2) to the exponent. What is far out of range is not
    computed."""
    exponent -= 4 * places if hexadecimal else places
    magnitude = n.bit_length() + exponent * (1.0 if hexadecimal else 3.3219280948873626)
    if magnitude > _MAX_EXPONENT + 8:
        return float("inf")
    if magnitude < _MIN_EXPONENT - 8:
        return 0, 0
    factor = (1 << abs(exponent)) if hexadecimal else 10 ** abs(exponent)
    return _round(sign, n * factor, 1) if exponent >= 0 else _round(sign, n, factor)


def add(a: LongDouble, b: LongDouble) -> Finite | None:
    """The sum; None if it is NaN or infinite."""
    if isinstance(a, float) or isinstance(b, float):
        return None
    exponent = min(a[1], b[1])
    total = (a[0] << a[1] - exponent) + (b[0] << b[1] - exponent)
    n = abs(total)
    n, d = (n << exponent, 1) if exponent >= 0 else (n, 1 << -exponent)
    rounded = _round(-1 if total < 0 else 1, n, d)
    return None if isinstance(rounded, float) else rounded


def milliseconds(seconds: Finite) -> int:
    """A time in milliseconds, rounded up."""
    mantissa, exponent = seconds
    product = add((mantissa * 1000, exponent), (0, exponent))  # rounded, as Redis multiplies long doubles
    if product is None:
        return 1 << 64  # as all that is not finite: later than any time
    n, exponent = product
    return n << exponent if exponent >= 0 else -(-n >> -exponent)


def format_human(x: Finite) -> bytes:
    """``%.17Lf`` without trailing zeros."""
    mantissa, exponent = x
    n = abs(mantissa) * 10**17
    if exponent >= 0:
        q = n << exponent
    else:
        q, r = n >> -exponent, n & ((1 << -exponent) - 1)
        half = 1 << -exponent - 1
        if r > half or (r == half and q & 1):
            q += 1
    digits = _to_digits(q).rjust(18, "0")
    text = (digits[:-17] + "." + digits[-17:]).rstrip("0").rstrip(".")
    if mantissa < 0 and text != "0":
        text = "-" + text
    return text.encode()
