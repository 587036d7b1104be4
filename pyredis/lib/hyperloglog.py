"""HyperLogLog in the bytes that Redis keeps it in: 16384 registers of 6 bits, dense or sparse, in a string.

A string begins with 16 bytes: ``HYLL``, the encoding (0 dense, 1 sparse), three unused, and the last estimate as a
little-endian number whose highest bit says that it is out of date. *Dense*: 12288 bytes, the registers from the lowest
bit on. *Sparse*: runs of registers, in order::

    00nnnnnn            n + 1 zeros (at most 64)
    01nnnnnn nnnnnnnn   n + 1 zeros (at most 16384)
    1vvvvvnn            n + 1 registers (at most 4) of value v + 1 (at most 32)

A register holds the longest run of zeros, plus one, seen in the hashes that chose it. The estimate is Otmar Ertl's
(arXiv:1702.01284). Sources: redis.io's pages on HyperLogLog and what redis-server answers; the tests compare the bytes.

Whoever changes a string passes a ``bytearray`` that :func:`is_hyperloglog` accepts; :class:`Corrupt` is raised, and
nothing changed, where its runs are not those of 16384 registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import inf, isinf, sqrt
from struct import iter_unpack
from typing import Final

Bytes = bytes | bytearray

REGISTERS: Final = 1 << 14
HEADER: Final = 16
DENSE_SIZE: Final = HEADER + REGISTERS * 6 // 8
DENSE: Final = 0
SPARSE: Final = 1

_HASH_BITS: Final = 50
"""Bits of a hash that are left when 14 have chosen the register."""
_MASK: Final = (1 << 64) - 1
_MULTIPLIER: Final = 0xC6A4A7935BD1E995
_SEED: Final = 0xADC83B19
_SPARSE_MAX: Final = 32
_RUN_MAX: Final = 4
_ALPHA: Final = 0.721347520444481703680
_OVERFLOW: Final = 1 << 63
"""What an infinite estimate becomes in 64 bits."""


class Corrupt(ValueError):
    """The bytes are not those of a HyperLogLog."""


# --- hashing --------------------------------------------------------------------------------------------------------


def hash64(data: bytes) -> int:
    """MurmurHash64A with Redis's seed."""
    n = len(data)
    h = _SEED ^ (n * _MULTIPLIER & _MASK)
    whole = n & ~7
    if whole > 256:
        words: Iterable[int] = (word for (word,) in iter_unpack("<Q", memoryview(data)[:whole]))
    else:
        words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, whole, 8)]
    for word in words:
        k = word * _MULTIPLIER & _MASK
        h = (h ^ ((k ^ k >> 47) * _MULTIPLIER & _MASK)) * _MULTIPLIER & _MASK
    if n & 7:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    h = (h ^ h >> 47) * _MULTIPLIER & _MASK
    return h ^ h >> 47


def place(element: bytes) -> tuple[int, int]:
    """The register that an element belongs to, and the value it asks for (1 to 51)."""
    h = hash64(element)
    rest = h >> 14 | 1 << _HASH_BITS
    return h & (REGISTERS - 1), (rest & -rest).bit_length()


# --- the string -----------------------------------------------------------------------------------------------------


def new() -> bytearray:
    """An empty one: sparse."""
    return bytearray(b"HYLL\x01" + bytes(11) + _zeros(REGISTERS))


def is_hyperloglog(value: Bytes) -> bool:
    """True if the header is right, and the length of a dense one."""
    if len(value) < HEADER or value[:4] != b"HYLL" or value[4] > SPARSE:
        return False
    return value[4] != DENSE or len(value) == DENSE_SIZE


def cached(value: Bytes) -> int | None:
    """The estimate that the string holds, None if it is out of date."""
    return None if value[15] & 0x80 else int.from_bytes(value[8:16], "little")


def remember(value: bytearray, estimated: int) -> None:
    """Write an estimate into the string."""
    value[8:16] = (estimated & _MASK).to_bytes(8, "little")


def invalidate(value: bytearray) -> None:
    """Mark the string's estimate as out of date."""
    value[15] |= 0x80


def registers(value: Bytes) -> bytes:
    """The registers, a byte each."""
    return _unpack(value) if value[4] == DENSE else _expand(value)


def to_dense(value: bytearray, filled: bytes = b"") -> None:
    """Make a sparse one dense, with the registers given or those it has."""
    packed = _pack(filled or _expand(value))
    value[4] = DENSE
    value[HEADER:] = packed


def add(value: bytearray, elements: list[bytes], sparse_max: int) -> int:
    """Add elements; returns how many changed a register. A sparse one becomes dense beyond ``sparse_max`` bytes."""
    changed = 0
    for element in elements:
        index, count = place(element)
        if value[4] == DENSE:
            changed += _dense_set(value, index, count)
        else:
            changed += _sparse_set(value, index, count, sparse_max, _START)[0]
    if changed:
        invalidate(value)
    return changed


def store(value: bytearray, merged: bytes, sparse_max: int) -> None:
    """Raise registers to those of ``merged`` (none of which is lower than its own), keeping a sparse one sparse while
    its values and ``sparse_max`` allow."""
    cursor = _START
    for match in _NOT_ZERO.finditer(merged):
        if value[4] == DENSE:
            break
        index = match.start()
        cursor = _sparse_set(value, index, merged[index], sparse_max, cursor)[1]
    if value[4] == DENSE:
        value[HEADER:] = _pack(merged)
    invalidate(value)


_NOT_ZERO: Final = re.compile(rb"[^\0]")


# --- dense ----------------------------------------------------------------------------------------------------------


def _dense_set(value: bytearray, index: int, count: int) -> bool:
    """Raise a register; True if it was lower."""
    at, shift = HEADER + (index * 6 >> 3), index * 6 & 7
    pair = value[at] | (value[at + 1] << 8 if shift > 2 else 0)
    if pair >> shift & 63 >= count:
        return False
    pair = pair & ~(63 << shift) | count << shift
    value[at] = pair & 0xFF
    if shift > 2:
        value[at + 1] = pair >> 8
    return True


def _table(low: int, shift: int) -> bytes:
    """For ``translate``: the bits ``low`` of each byte, shifted left (negative: right)."""
    return bytes((b & low) << shift & 0xFF if shift > 0 else (b & low) >> -shift for b in range(256))


# Four registers lie in three bytes: 11000000 22221111 33333322 (the digit says which register a bit belongs to).
_KEEP: Final = _table(0x3F, 0)
_PACK: Final = ((_KEEP, _table(3, 6)), (_table(0x3C, -2), _table(0x0F, 4)), (_table(0x30, -4), _table(0x3F, 2)))
_UNPACK: Final = ((_table(0xC0, -6), _table(0x0F, 2)), (_table(0xF0, -4), _table(3, 4)))
_LAST: Final = _table(0xFC, -2)


def _merged(a: Bytes, b: Bytes, tables: tuple[bytes, bytes]) -> bytes:
    """Two columns, each through its table, laid on one another."""
    number = int.from_bytes(a.translate(tables[0]), "little") | int.from_bytes(b.translate(tables[1]), "little")
    return number.to_bytes(len(a), "little")


def _pack(values: bytes) -> bytes:
    columns = [values[at::4] for at in range(4)]
    packed = bytearray(REGISTERS * 6 // 8)
    for at in range(3):
        packed[at::3] = _merged(columns[at], columns[at + 1], _PACK[at])
    return bytes(packed)


def _unpack(value: Bytes) -> bytes:
    columns = [value[HEADER + at :: 3] for at in range(3)]
    values = bytearray(REGISTERS)
    values[::4] = columns[0].translate(_KEEP)
    values[1::4] = _merged(columns[0], columns[1], _UNPACK[0])
    values[2::4] = _merged(columns[1], columns[2], _UNPACK[1])
    values[3::4] = columns[2].translate(_LAST)
    return bytes(values)


# --- sparse ---------------------------------------------------------------------------------------------------------

_Cursor = tuple[int, int]
"""Where a run starts in the string, and its first register: a place to start searching from."""
_START: Final[_Cursor] = (HEADER, 0)
_LONG: Final = re.compile(rb"[\x40-\x7f]")
"""The first byte of a two-byte run, if what is searched begins with a run."""


def _run(op: int) -> bytes:
    """The registers that a run of one byte stands for."""
    return bytes([(op >> 2 & 31) + 1]) * ((op & 3) + 1) if op >= 0x80 else bytes(op + 1 if op < 0x40 else 0)


_RUNS: Final = [_run(op) for op in range(256)]
_SPANS: Final = bytes(map(len, _RUNS))
"""0 for the first byte of a two-byte run."""
_STRIDE: Final = 32
"""How many runs a search takes at once."""


def _zeros(n: int) -> bytes:
    return bytes([n - 1]) if n <= 64 else bytes([0x40 | n - 1 >> 8, n - 1 & 0xFF])


def _values(value: int, n: int) -> bytes:
    return bytes([0x80 | value - 1 << 2 | n - 1])


def _expand(value: Bytes) -> bytes:
    parts: list[bytes] = []
    at, total, end = HEADER, 0, len(value)
    while at < end and total <= REGISTERS:
        match = _LONG.search(value, at)
        stop = end if match is None else match.start()
        part = b"".join([_RUNS[op] for op in value[at : min(stop, at + REGISTERS + 1)]])
        if match is not None and stop + 1 < end:
            part += bytes(((value[stop] & 0x3F) << 8 | value[stop + 1]) + 1)
        elif match is not None:
            raise Corrupt
        parts.append(part)
        total += len(part)
        at = stop + 2
    if total != REGISTERS:
        raise Corrupt
    return b"".join(parts)


def _find(value: bytearray, index: int, cursor: _Cursor) -> tuple[_Cursor, int, int, int]:
    """The run that holds a register: a cursor to the run before it (to itself if it is the first), where it starts,
    its first register and how many it has."""
    at, first = before = cursor
    end = len(value)
    long_at = -1  # where the next run of two bytes is, once that is known; up to there, strides can be skipped
    while at < end:
        if long_at < at:
            match = _LONG.search(value, at)
            long_at = end if match is None else match.start()
        while at + _STRIDE <= long_at:
            spans = value[at : at + _STRIDE].translate(_SPANS)
            total = sum(spans)
            if index < first + total:
                long_at = end  # the rest is searched run by run
                break
            at += _STRIDE
            first += total
            before = at - 1, first - spans[-1]
        while at < end and at <= long_at:
            op = value[at]
            span = _SPANS[op]
            size = 1
            if not span:
                if at + 1 >= end:
                    raise Corrupt
                size, span = 2, ((op & 0x3F) << 8 | value[at + 1]) + 1
            if index < first + span:
                return before, at, first, span
            before = at, first
            at += size
            first += span
    raise Corrupt


def _sparse_set(value: bytearray, index: int, count: int, sparse_max: int, cursor: _Cursor) -> tuple[bool, _Cursor]:
    """Raise a register; True if it was lower, and a cursor for registers behind it. May make the string dense."""
    if count > _SPARSE_MAX:
        to_dense(value)
        return _dense_set(value, index, count), _START
    before, at, first, span = _find(value, index, cursor)
    if at == before[0] > HEADER:
        before, at, first, span = _find(value, index, _START)  # from the cursor on, nobody sees what is before it
    op = value[at]
    left, right = index - first, first + span - 1 - index
    run = _values(count, 1)
    if op < 0x80:
        size = 1 if op < 0x40 else 2
        runs = (_zeros(left) if left else b"") + run + (_zeros(right) if right else b"")
    else:
        size = 1
        old = (op >> 2 & 31) + 1
        if old >= count:
            return False, before
        runs = (_values(old, left) if left else b"") + run + (_values(old, right) if right else b"")
    grown = len(runs) - size
    if grown > 0 and len(value) + grown > sparse_max:
        to_dense(value)
        return _dense_set(value, index, count), _START
    value[at : at + size] = runs
    _join_runs(value, before[0])
    return True, before


def _join_runs(value: bytearray, at: int) -> None:
    """Join neighbours of equal value, looking at five runs from ``at`` on, as Redis does after each change."""
    for _ in range(5):
        if at + 1 >= len(value):
            return
        op, following = value[at], value[at + 1]
        if op < 0x80:
            at += 1 if op < 0x40 else 2
        elif following >= 0x80 and not (op ^ following) & 0x7C and (op & 3) + (following & 3) + 2 <= _RUN_MAX:
            value[at : at + 2] = bytes([op + (following & 3) + 1])
        else:
            at += 1


def decode(value: Bytes) -> str:
    """The runs of a sparse one, as PFDEBUG DECODE shows them: ``z:n`` and ``Z:n`` zeros (in one byte and
    in two), ``v:value,n``."""
    shown = []
    at = HEADER
    while at < len(value):
        op = value[at]
        if op >= 0x80:
            shown.append(f"v:{(op >> 2 & 31) + 1},{(op & 3) + 1}")
        elif op < 0x40:
            shown.append(f"z:{op + 1}")
        else:
            at += 1
            shown.append(f"Z:{((op & 0x3F) << 8 | (value[at] if at < len(value) else 0)) + 1}")
        at += 1
    return " ".join(shown)


# --- merging and estimating -----------------------------------------------------------------------------------------

_HIGH: Final = int.from_bytes(b"\x80" * REGISTERS, "little")


def maximum(a: bytes, b: bytes) -> bytes:
    """The higher of two registers, for all of them."""
    x, y = int.from_bytes(a, "little"), int.from_bytes(b, "little")
    not_lower = ((x | _HIGH) - y) & _HIGH  # no byte borrows from the next one
    keep = not_lower - (not_lower >> 7)
    return (y ^ ((x ^ y) & keep)).to_bytes(REGISTERS, "little")


def estimate(values: bytes) -> int:
    """How many different elements made these registers; negative where the number would not fit in 63 bits."""
    counts = [0] * 64
    left = REGISTERS
    for value in range(64):
        counts[value] = n = values.count(value)
        left -= n
        if not left:
            break
    z = REGISTERS * _tau((REGISTERS - counts[_HASH_BITS + 1]) / REGISTERS)
    for value in range(_HASH_BITS, 0, -1):
        z = (z + counts[value]) * 0.5
    z += REGISTERS * _sigma(counts[0] / REGISTERS)
    if isinf(z):
        return 0
    number = _ALPHA * REGISTERS * REGISTERS / z if z else inf
    return int(number + 0.5) if number < _OVERFLOW else -_OVERFLOW


def _sigma(x: float) -> float:
    if x == 1.0:
        return inf
    y, z, previous = 1.0, x, -1.0
    while z != previous:
        x *= x
        previous = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z, previous = 1.0, 1 - x, -1.0
    while z != previous:
        x = sqrt(x)
        previous = z
        y *= 0.5
        z -= (1 - x) ** 2 * y
    return z / 3


# --- self-test ------------------------------------------------------------------------------------------------------


def self_test() -> str:
    """Registers in both encodings after the same elements, and estimates of up to 10,000 of them; what is wrong, or
    nothing."""
    values = bytes(at * 7 % 64 for at in range(REGISTERS))
    dense = new()
    to_dense(dense, values)
    if registers(dense) != values:
        return "packed registers are read as others"
    sparse, dense = new(), new()
    to_dense(dense)
    added = 0
    for target in (1, 10, 100, 1000, 10_000):
        elements = [b"%d" % n for n in range(added, target)]
        added = target
        add(sparse, elements, 3000)
        add(dense, elements, 0)
        if registers(sparse) != registers(dense):
            return f"sparse and dense differ after {target} elements"
        estimated = estimate(registers(dense))
        if abs(estimated - target) > target * 6 * 1.04 / sqrt(REGISTERS) + 1:
            return f"{estimated} estimated for {target} elements"
    return ""
