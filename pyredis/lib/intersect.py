"""Counting what several collections have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import islice


def count_common(collections: Sequence[Collection[bytes]], limit: int) -> int:
    """How many members are in all of the ``collections`` (at least one; each with a quick ``in``), counting no further
    than ``limit``, 0 = no limit: O(members of the smallest * number of collections), less where the limit is met."""
    smallest, *others = sorted(collections, key=len)
    common: Iterator[bytes] = iter(smallest)
    for other in others:
        common = filter(other.__contains__, common)
    return sum(1 for _ in islice(common, limit or None))
