"""Releasing large values bit by bit: UNLINK, FLUSHALL ASYNC and their like answer at once, whatever they remove.

Redis has a thread for that. Here a thread would hold the interpreter until a table is gone, so large values are taken
apart in the event loop, a millisecond's worth at a time and as long a pause in between. What somebody else still holds
(a snapshot that is being written, say) is left to them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from sys import getrefcount
from time import perf_counter_ns
from typing import Final

_SMALL: Final = 64
"""What has no more elements is released at once."""
_CHUNK: Final = 256
_TURN_NS: Final = 1_000_000
_PAUSE: Final = 0.001
_ATOMS: Final = frozenset((bytes, bytearray, memoryview, int, float, bool, str, tuple, type(None)))


class LazyFree:
    """The values that wait, first come first served. ``pending`` and ``freed`` count keys."""

    __slots__ = ("_jobs", "_scheduled", "call_later", "expired", "freed", "pending")

    def __init__(self) -> None:
        self.call_later: Callable[[float, Callable[[], None]], object] | None = None
        """The event loop's; None while there is no loop: then everything is released at once."""
        self.expired = False
        """Whether keys that expire are released so, too."""
        self.pending = 0
        self.freed = 0
        self._jobs: deque[tuple[int, list[object]]] = deque()
        self._scheduled = False

    def begin(self, call_later: Callable[[float, Callable[[], None]], object], expired: bool) -> None:
        """There is a loop from now on (another one, it may be)."""
        self.call_later, self.expired = call_later, expired
        self._schedule(0)

    def value(self, value: object) -> None:
        """Release a key's value, which the keyspace does not have any more (or will not have in a moment)."""
        if self.call_later is not None and not _is_small(value):
            self._add(1, [value])

    def tables(self, keys: int, tables: Sequence[object]) -> None:
        """Release tables with all that is in them; ``keys`` keys were there."""
        if self.call_later is not None and keys:
            self._add(keys, [table for table in tables if not _is_small(table)])

    def _add(self, count: int, things: list[object]) -> None:
        self._jobs.append((count, things))
        self.pending += count
        if not self._scheduled:
            self._schedule(0)

    def _schedule(self, delay: float) -> None:
        self._scheduled = bool(self._jobs) and self.call_later is not None
        if self._scheduled and self.call_later is not None:
            self.call_later(delay, self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        deadline = perf_counter_ns() + _TURN_NS
        while self._jobs:
            count, things = self._jobs[0]
            if not _take_apart(things, deadline):
                break
            self._jobs.popleft()
            self.pending -= count
            self.freed += count
        self._schedule(_PAUSE)


def _is_small(thing: object) -> bool:
    """Whether it is released in no time: what knows its length and is short, and what is one piece."""
    if type(thing) in _ATOMS:
        return True
    return hasattr(thing, "__len__") and len(thing) <= _SMALL


def _take_apart(things: list[object], deadline: int) -> bool:
    """Release what is in the list, the last one first; False if the time was up before all was gone."""
    while things:
        if perf_counter_ns() > deadline:
            return False
        thing = things.pop()
        if getrefcount(thing) > 2:
            continue  # not ours alone: this name and the argument are two
        if isinstance(thing, (dict, list, set)):
            if not thing:
                continue
            things.append(thing)
        # No name may hold the parts, which are counted when it is their turn.
        things += _some_parts(thing)
        del thing
    return True


def _some_parts(thing: object) -> list[object]:
    """Take some elements out of a table (or all attributes of an object): those of them that are large themselves."""
    if isinstance(thing, dict):
        popitem = thing.popitem
        parts = [popitem()[1] for _ in range(min(_CHUNK, len(thing)))]
    elif isinstance(thing, list):
        parts = thing[-_CHUNK:]
        del thing[-_CHUNK:]
    elif isinstance(thing, set):
        pop = thing.pop
        parts = [pop() for _ in range(min(_CHUNK, len(thing)))]
    else:
        names = [name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
        parts = [getattr(thing, name, None) for name in names]
    return [part for part in parts if type(part) not in _ATOMS and not _is_small(part)]
