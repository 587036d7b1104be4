"""The longest common subsequence as LCS returns it: length, string, and the matching ranges."""

from __future__ import annotations

Range = tuple[int, int, int, int]
"""``(a_start, a_end, b_start, b_end)``, ends inclusive."""


def lcs_length(a: bytes, b: bytes) -> int:
    """The length alone, bit-parallel: O(len(a) * len(b) / 64)."""
    masks: dict[int, int] = {}
    for at, c in enumerate(a):
        masks[c] = masks.get(c, 0) | 1 << at
    full = (1 << len(a)) - 1
    v = full
    for c in b:
        u = v & masks.get(c, 0)
        v = ((v + u) | (v - u)) & full
    return len(a) - v.bit_count()


def _rows(a: bytes, b: bytes) -> list[int]:
    """Row i as a bit vector: bit j is 0 where the LCS of a[:i] and b[:j+1] grows over b[:j]."""
    masks: dict[int, int] = {}
    for at, c in enumerate(b):
        masks[c] = masks.get(c, 0) | 1 << at
    full = (1 << len(b)) - 1
    rows = [full]
    v = full
    for c in a:
        u = v & masks.get(c, 0)
        v = ((v + u) | (v - u)) & full
        rows.append(v)
    return rows


def lcs(a: bytes, b: bytes) -> tuple[bytes, list[Range]]:
    """The subsequence and its ranges, last range first, with Redis's choice among equals (towards the start of b
    unless only a's shorter prefix keeps the length)."""
    rows = _rows(a, b)
    i, j = len(a), len(b)
    result = bytearray()
    ranges: list[Range] = []
    current: list[int] | None = None

    def value(row: int, column: int) -> int:
        return column - (rows[row] & ((1 << column) - 1)).bit_count()

    while i > 0 and j > 0:
        if a[i - 1] == b[j - 1]:
            result.append(a[i - 1])
            if current is not None and current[0] == i and current[2] == j:
                current[0] -= 1
                current[2] -= 1
            else:
                if current is not None:
                    ranges.append((current[0], current[1], current[2], current[3]))
                current = [i - 1, i - 1, j - 1, j - 1]
            i -= 1
            j -= 1
        elif value(i - 1, j) > value(i, j - 1):
            i -= 1
        else:
            j -= 1
    if current is not None:
        ranges.append((current[0], current[1], current[2], current[3]))
    result.reverse()
    return bytes(result), ranges
