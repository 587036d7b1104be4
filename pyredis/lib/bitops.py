"""Bits of byte strings: counting, searching, combining, and integers of any width at any offset.

Bit 0 is the highest bit of byte 0, as in Redis. What is long is worked on in chunks, each as one Python integer: the
loops run in C, and the memory for them stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import and_, or_, xor
from typing import Final

Bytes = bytes | bytearray

_CHUNK: Final = 1 << 16
_INVERT: Final = bytes(range(255, -1, -1))
_BLANK: Final = (b"\xff" * _CHUNK, bytes(_CHUNK))
"""A chunk that holds no 0, and one that holds no 1."""


def count_bits(data: Bytes, first: int, last: int) -> int:
    """How many of the bits ``first`` to ``last`` are set; both are in ``data``."""
    start, end = first >> 3, (last >> 3) + 1
    total = 0
    for at in range(start, end, _CHUNK):
        total += int.from_bytes(data[at : min(at + _CHUNK, end)], "little").bit_count()
    before = data[start] & ~(0xFF >> (first & 7))
    after = data[end - 1] & (0x7F >> (last & 7))
    return total - before.bit_count() - after.bit_count()


def find_bit(data: Bytes, bit: int, first: int, last: int) -> int:
    """The first bit from ``first`` to ``last`` that is ``bit``, -1 if there is none; both are in ``data``."""
    at = first >> 3
    flip = 0 if bit else 0xFF
    byte = (data[at] ^ flip) & (0xFF >> (first & 7))
    if not byte:
        at = _skip(data, at + 1, (last >> 3) + 1, bit)
        if at < 0:
            return -1
        byte = data[at] ^ flip
    found = at * 8 + 8 - byte.bit_length()
    return found if found <= last else -1


def _skip(data: Bytes, start: int, end: int, bit: int) -> int:
    """The first byte from ``start`` on (before ``end``) that holds ``bit``; -1 if there is none."""
    blank = _BLANK[bit]
    for at in range(start, end, _CHUNK):
        chunk = data[at : min(at + _CHUNK, end)]
        if chunk != (blank if len(chunk) == _CHUNK else blank[: len(chunk)]):
            return at + len(chunk) - len(chunk.lstrip(blank[:1]))
    return -1


# --- combining ------------------------------------------------------------------------------------------------------


def _diff(numbers: list[int]) -> int:
    rest = reduce(or_, numbers[1:])
    return numbers[0] ^ (numbers[0] & rest)


def _diff1(numbers: list[int]) -> int:
    rest = reduce(or_, numbers[1:])
    return rest ^ (numbers[0] & rest)


def _andor(numbers: list[int]) -> int:
    return numbers[0] & reduce(or_, numbers[1:])


def _one(numbers: list[int]) -> int:
    some = several = 0
    for number in numbers:
        several |= some & number
        some |= number
    return some ^ several


_OPERATIONS: Final[dict[bytes, Callable[[list[int]], int]]] = {
    b"AND": lambda numbers: reduce(and_, numbers),
    b"OR": lambda numbers: reduce(or_, numbers),
    b"XOR": lambda numbers: reduce(xor, numbers),
    b"DIFF": _diff,
    b"DIFF1": _diff1,
    b"ANDOR": _andor,
    b"ONE": _one,
}


def combine(operation: bytes, sources: Sequence[Bytes]) -> bytearray:
    """The sources (at least one; two for DIFF, DIFF1 and ANDOR), zeros behind the shorter ones, combined bit by bit.

    ``operation`` is AND, OR, XOR, or NOT of a single source; DIFF: in the first and in no other; DIFF1: in some other
    and not in the first; ANDOR: in the first and in some other; ONE: in exactly one.
    """
    if operation == b"NOT":
        return bytearray(sources[0].translate(_INVERT))
    combined = _OPERATIONS[operation]
    size = max(map(len, sources))
    result = bytearray(size)
    for at in range(0, size, _CHUNK):
        end = min(at + _CHUNK, size)
        number = combined([int.from_bytes(source[at:end], "little") for source in sources])
        if number:
            result[at:end] = number.to_bytes(end - at, "little")
    return result


# --- integers in bit strings ----------------------------------------------------------------------------------------


def get_unsigned(data: Bytes, offset: int, bits: int) -> int:
    """The ``bits`` (1 to 64) from bit ``offset`` on as a number; behind the end of ``data`` there are zeros."""
    start, end = offset >> 3, (offset + bits + 7) >> 3
    chunk = data[start:end]
    number = int.from_bytes(chunk, "big") << 8 * (end - start - len(chunk))
    return (number >> (end * 8 - offset - bits)) & ((1 << bits) - 1)


def signed(number: int, bits: int) -> int:
    """The lowest ``bits`` of a number, read as two's complement."""
    half = 1 << (bits - 1)
    return ((number + half) & ((1 << bits) - 1)) - half


def put(data: bytearray, offset: int, bits: int, number: int) -> None:
    """Write the lowest ``bits`` (1 to 64) of a number from bit ``offset`` on; ``data`` is long enough."""
    start, end = offset >> 3, (offset + bits + 7) >> 3
    shift = end * 8 - offset - bits
    mask = (1 << bits) - 1
    old = int.from_bytes(data[start:end], "big")
    data[start:end] = (old & ~(mask << shift) | (number & mask) << shift).to_bytes(end - start, "big")


def fit(value: int, increment: int, bits: int, is_signed: bool, mode: bytes) -> int | None:
    """``value + increment`` in ``bits``; None where it does not fit and ``mode`` is FAIL (the others: WRAP, SAT).

    ``value`` need not fit itself if ``increment`` is 0. As Redis computes in 64 bits, numbers far below a signed range
    count as above it; that shows with SAT.
    """
    if is_signed:
        high = (1 << (bits - 1)) - 1
        low = -high - 1
        room_above, room_below = signed(high - value, 64), signed(low - value, 64)
        above = value > high or (increment > room_above and (bits < 64 or (value >= 0 and increment > 0)))
        below = value < low or (increment < room_below and (bits < 64 or (value < 0 and increment < 0)))
    else:
        low, high = 0, (1 << bits) - 1
        value &= (1 << 64) - 1
        above = value > high or (increment > 0 and increment > high - value)
        below = increment < 0 and increment < -value
    if not above and not below:
        return value + increment
    if mode == b"WRAP":
        wrapped = (value + increment) & ((1 << bits) - 1)
        return signed(wrapped, bits) if is_signed else wrapped
    if mode == b"SAT":
        return high if above else low
    return None
