"""Quicksort of a part: which of equal keys come first is decided by the steps taken, and clients see it.

Redis sorts what has a COUNT by Bentley's and McIlroy's quicksort ("Engineering a Sort Function", 1993), leaving alone
the parts that the wanted range does not touch. It is not stable, so the same steps are taken here.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

_MAX_DEPTH: Final = 200
_Item = tuple[float, int]


def smallest(keys: list[float], count: int) -> list[int]:
    """The positions of the ``count`` smallest keys (at least one, no NaN), in order: O(n log n)."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    wanted = order[: count + 1]
    if all(keys[a] < keys[b] for a, b in pairwise(wanted)):
        return order[:count]
    items = list(zip(keys, range(len(keys))))
    # A sequence made to take quadratic time gets the stable order, which is as good a one.
    return [at for _, at in items[:count]] if _sort_part(items, count - 1) else order[:count]


def _sort_part(items: list[_Item], last: int) -> bool:
    """Put the places 0 to ``last`` right; False if the parts do not become smaller."""
    waiting = [(0, len(items), 0)]
    while waiting:
        start, end, depth = waiting.pop()
        if end - start < 7:
            _insertion_sort(items, start, end)
            continue
        if depth > _MAX_DEPTH:
            return False
        left, right = _partition(items, start, end)
        if end - right > 1 and right <= last:
            waiting.append((right, end, depth + 1))
        if left - start > 1:
            waiting.append((start, left, depth + 1))
    return True


def _insertion_sort(items: list[_Item], start: int, end: int) -> None:
    for at in range(start + 1, end):
        while at > start and items[at - 1][0] > items[at][0]:
            items[at - 1], items[at] = items[at], items[at - 1]
            at -= 1


def _middle(items: list[_Item], a: int, b: int, c: int) -> int:
    """Which of three places has the key in the middle."""
    x, y, z = items[a][0], items[b][0], items[c][0]
    if x < y:
        return b if y < z else (c if x < z else a)
    return b if y > z else (a if x < z else c)


def _pivot(items: list[_Item], start: int, end: int) -> int:
    size = end - start
    low, middle, high = start, start + size // 2, end - 1
    if size == 7:
        return middle
    if size > 40:
        d = size // 8
        low = _middle(items, low, low + d, low + 2 * d)
        middle = _middle(items, middle - d, middle, middle + d)
        high = _middle(items, high - 2 * d, high - d, high)
    return _middle(items, low, middle, high)


def _exchange(items: list[_Item], a: int, b: int, count: int) -> None:
    """Exchange two runs that do not overlap."""
    items[a : a + count], items[b : b + count] = items[b : b + count], items[a : a + count]


def _partition(items: list[_Item], start: int, end: int) -> tuple[int, int]:
    """Smaller ones, equal ones, larger ones: where the first end and the last begin.

    Equal ones are gathered at both ends first and moved to the middle afterwards.
    """
    at = _pivot(items, start, end)
    items[start], items[at] = items[at], items[start]
    key = items[start][0]
    equal_left = low = start + 1
    equal_right = high = end - 1
    while True:
        while low <= high and items[low][0] <= key:
            if items[low][0] == key:
                items[equal_left], items[low] = items[low], items[equal_left]
                equal_left += 1
            low += 1
        while low <= high and items[high][0] >= key:
            if items[high][0] == key:
                items[high], items[equal_right] = items[equal_right], items[high]
                equal_right -= 1
            high -= 1
        if low > high:
            break
        items[low], items[high] = items[high], items[low]
        low += 1
        high -= 1
    count = min(equal_left - start, low - equal_left)
    _exchange(items, start, low - count, count)
    count = min(equal_right - high, end - equal_right - 1)
    _exchange(items, low, end - count, count)
    return start + low - equal_left, end - (equal_right - high)
