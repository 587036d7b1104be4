"""Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET use them: ``*``, ``?``, ``[a-c]``, ``[^a]``, ``\\x``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

Matcher = Callable[[bytes], bool]
_MAX_RUNS: Final = 1000
_LONG: Final = 500
"""Bytes of a pattern beyond which it is neither compiled nor remembered."""
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


def _signed(c: int, nocase: bool) -> int:
    """A byte as C's ``char``, which ranges are compared by."""
    if nocase and 0x41 <= c <= 0x5A:
        return c + 0x20
    return c - 256 if c > 127 else c


def _parse_range(low: int, high: int, nocase: bool) -> set[int]:
    if _signed(low, False) > _signed(high, False):
        low, high = high, low
    first, last = _signed(low, nocase), _signed(high, nocase)
    return {x for x in range(256) if first <= _signed(x, nocase) <= last}


def _parse_class(pattern: bytes, at: int, nocase: bool) -> tuple[frozenset[int], int]:
    """The bytes that a class fits and the position of its last byte; an unterminated class ends with the pattern.

    What is escaped keeps its case, even where case does not matter.
    """
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
            fits.add(pattern[at])
        elif c == 0x5D:
            break
        elif at + 2 < n and pattern[at + 1] == 0x2D:
            fits |= _parse_range(c, pattern[at + 2], nocase)
            at += 2
        else:
            fits |= _fold(c) if nocase else {c}
        at += 1
    return (frozenset(range(256)) - fits if negate else frozenset(fits)), at


def _regex(elements: list[frozenset[int] | int | None]) -> bytes:
    """The same as a regular expression.

    Where a run is followed by more, the earliest place at which that fits up to the next run is as good as any later
    one, so an atomic group never goes back into it: O(len(elements) * len(text)) at worst, for any pattern.
    """
    groups: list[list[bytes]] = [[]]
    for element in elements:
        if element is None:
            groups.append([])
        else:
            groups[-1].append(_one(element))
    first, *middle = [b"".join(group) for group in groups]
    if not middle:
        return first
    last = middle.pop()
    return first + b"".join([b"(?>.*?" + part + b")" for part in middle]) + b".*" + last


def _one(element: frozenset[int] | int) -> bytes:
    if isinstance(element, int):
        return b"."
    if len(element) == 1:
        return b"\\x%02x" % next(iter(element))
    if not element:
        return b"(?!)"
    return b"[" + b"".join([b"\\x%02x" % c for c in sorted(element)]) + b"]"


def _match_elements(elements: list[frozenset[int] | int | None], text: bytes) -> bool:
    """The same without a regular expression, for patterns that would take long to compile."""
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


def compile_pattern(pattern: bytes, nocase: bool = False) -> Matcher:
    """A function that tells whether a byte string matches the whole pattern.

    As in Redis the empty string matches the empty pattern only, and runs (``*``) beyond the thousandth match nothing.
    """
    if len(pattern) > _LONG:
        elements = _parse(pattern, nocase)
        if elements[:-1].count(None) > _MAX_RUNS:
            return lambda text: False
        return lambda text: _match_elements(elements, text) and (text != b"" or pattern == b"")
    return _compile_short(pattern, nocase)


@lru_cache(maxsize=1024)
def _compile_short(pattern: bytes, nocase: bool) -> Matcher:
    if not nocase:
        if not _META & frozenset(pattern):
            return pattern.__eq__
        body = pattern.strip(b"*")
        if body and not _META & frozenset(body):
            if pattern == body + b"*":
                return lambda text: text.startswith(body)
            if pattern == b"*" + body:
                return lambda text: text.endswith(body)
            if pattern == b"*" + body + b"*":
                return lambda text: body in text
    fullmatch = re.compile(_regex(_parse(pattern, nocase)), re.DOTALL).fullmatch
    return lambda text: fullmatch(text) is not None and (text != b"" or pattern == b"")


def compile_filter(pattern: bytes) -> Matcher:
    """As KEYS and the SCAN family understand a pattern: ``*`` alone is everything, the empty string too."""
    return _anything if pattern == b"*" else compile_pattern(pattern)


def _anything(text: bytes) -> bool:
    return True


def match(pattern: bytes, text: bytes, nocase: bool = False) -> bool:
    """Whether ``text`` matches the whole ``pattern``."""
    return compile_pattern(pattern, nocase)(text)
