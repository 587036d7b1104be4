"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET use them: ``*``, ``?``, ``[a-c]``, ``[^a]``, ``\\x``."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

Matcher = Callable[[bytes], bool]
_META: Final = frozenset(b"*?[\\")

# One element of a compiled pattern: None is "any run", -1 is "any byte", a frozenset the bytes that fit.
_Element = "frozenset[int] | int | None"


def _parse(pattern: bytes, nocase: bool) -> list[frozenset[int] | int | None]:
    elements: list[frozenset[int] | int | None] = []
    at, n = 0, len(pattern)
    while at < n:
        c = pattern[at]
        if c == 0x2A:
            if not elements or elements[-1] is not None:
                elements.append(None)
        elif c == 0x3F:
            elements.append(-1)
        elif c == 0x5B:
            fits, at = _parse_class(pattern, at + 1, nocase)
            elements.append(fits)
        else:
            if c == 0x5C and at + 1 < n:
                at += 1
                c = pattern[at]
            elements.append(_fold(c) if nocase else frozenset((c,)))
        at += 1
    return elements


def _fold(c: int) -> frozenset[int]:
    char = bytes((c,))
    return frozenset((char.lower()[0], char.upper()[0]))


def _parse_class(pattern: bytes, at: int, nocase: bool) -> tuple[frozenset[int], int]:
    """The bytes that a class fits and the position of its last byte; an unterminated class ends with the pattern."""
    n = len(pattern)
    negate = at < n and pattern[at] == 0x5E
    if negate:
        at += 1
    fits: set[int] = set()
    while True:
        if at >= n:
            at = n - 1
            break
        c = pattern[at]
        if c == 0x5C and at + 1 < n:
            at += 1
            fits |= _fold(pattern[at]) if nocase else {pattern[at]}
        elif c == 0x5D:
            break
        elif at + 2 < n and pattern[at + 1] == 0x2D:
            low, high = sorted((c, pattern[at + 2]))
            if nocase:
                low, high = sorted((bytes((c,)).lower()[0], bytes((pattern[at + 2],)).lower()[0]))
                fits |= {x for x in range(256) if low <= bytes((x,)).lower()[0] <= high}
            else:
                fits |= set(range(low, high + 1))
            at += 2
        else:
            fits |= _fold(c) if nocase else {c}
        at += 1
    return (frozenset(range(256)) - fits if negate else frozenset(fits)), at


def _match_elements(elements: list[frozenset[int] | int | None], text: bytes) -> bool:
    """Greedy with one point to go back to: O(len(elements) * len(text)) at worst, for any pattern."""
    i = at = 0
    star = -1
    mark = 0
    n, m = len(text), len(elements)
    while at < n:
        element = elements[i] if i < m else 0
        if i < m and element is None:
            star, mark = i, at
            i += 1
            if i == m:
                return True
        elif i < m and (element == -1 or (type(element) is frozenset and text[at] in element)):
            i += 1
            at += 1
        elif star >= 0:
            mark += 1
            i, at = star + 1, mark
        else:
            return False
    while i < m and elements[i] is None:
        i += 1
    return i == m


@lru_cache(maxsize=4096)
def compile_pattern(pattern: bytes, nocase: bool = False) -> Matcher:
    """A function that tells whether a byte string matches the whole pattern."""
    if not nocase:
        if pattern == b"*":
            return lambda text: True
        if not _META & frozenset(pattern):
            return pattern.__eq__
        body = pattern.strip(b"*")
        if not _META & frozenset(body):
            if pattern == body + b"*":
                return lambda text: text.startswith(body)
            if pattern == b"*" + body:
                return lambda text: text.endswith(body)
            if pattern == b"*" + body + b"*":
                return lambda text: body in text
    elements = _parse(pattern, nocase)
    return lambda text: _match_elements(elements, text)


def match(pattern: bytes, text: bytes, nocase: bool = False) -> bool:
    """Whether ``text`` matches the whole ``pattern``."""
    return compile_pattern(pattern, nocase)(text)
