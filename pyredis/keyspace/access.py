"""When or how often keys were used: one number for each key, in ``Database.access``, for OBJECT and for eviction.

Under the LFU policies the number is ``minutes << 8 | counter``: when the counter was last looked at (Unix minutes, 16
bits) and how often the key is used, on a logarithmic scale of 0 to 255. Otherwise it is the tick of the last use, a
tick being a hundredth of a second: one number that all uses of that time share. Nothing is kept while nobody needs it.
"""

from __future__ import annotations

from random import Random
from typing import Final

TICKS: Final = 100
"""Ticks in a second."""
NEW_COUNTER: Final = 5
"""A new key's counter: not the lowest, or it would go before it can be used again."""
_MOST: Final = 255
_MINUTES: Final = 0xFFFF


class Lfu:
    """The rules of the counters: ``lfu-log-factor`` and ``lfu-decay-time``, the present minute, and chance."""

    __slots__ = ("chances", "decay", "fresh", "minute", "rng")

    def __init__(self, factor: int, decay: int, mstime: int, rng: Random) -> None:
        self.decay = decay
        """Minutes without use after which a counter loses one; 0 = never."""
        self.chances = [1 / (max(counter - NEW_COUNTER, 0) * factor + 1) for counter in range(_MOST)] + [0.0]
        """How likely it is, by the counter, that one more use counts."""
        self.rng = rng
        self.minute = 0
        self.fresh = 0
        """What a new key begins with now."""
        self.set_time(mstime)

    def set_time(self, mstime: int) -> None:
        """It is ``mstime`` (Unix milliseconds)."""
        self.minute = mstime // 60_000 & _MINUTES
        self.fresh = self.minute << 8 | NEW_COUNTER

    def counter(self, state: int) -> int:
        """A key's counter now, less what it has lost since it was looked at."""
        counter = state & _MOST
        minutes = self.minute - (state >> 8)
        if minutes and self.decay:
            counter = max(counter - (minutes if minutes > 0 else minutes + _MINUTES) // self.decay, 0)
        return counter

    def used(self, state: int) -> int:
        """A key's number after one more use."""
        counter = state & _MOST if state >> 8 == self.minute else self.counter(state)
        if self.rng.random() < self.chances[counter]:
            counter += 1
        return self.minute << 8 | counter

    def with_counter(self, counter: int) -> int:
        """The number of a key whose counter is known (from a snapshot, from RESTORE)."""
        return self.minute << 8 | counter
