"""A list of the keys of a dict or set, for picking one at random and for scanning with a plain integer cursor.

A container's owner builds a ``KeyIndex`` when SCAN or a random pick is first asked for, and from then on reports every
key that comes or goes. A key that goes only marks its slot stale; slots are reclaimed when a random pick meets them, or
a few at a time by later removals, so no single call costs more than O(1) (`_sweep` looks at a bounded number of slots).

Invariants: no key has two slots; ``stale`` is a subset of ``keys``; the container's keys are ``keys`` minus ``stale``.

The scan guarantee: a scan runs from the highest slot down to slot 0 and its cursor is the number of slots still to
visit. A slot is only ever freed by moving the *last* slot into it, which moves a key towards 0, and new keys are
appended at the end. A key not visited yet therefore never moves to the visited side: one that is present from the
beginning to the end of a scan is returned at least once, whatever happens in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from random import Random

_SWEEP_EVERY = 64
_SWEEP_SLOTS = 256


class KeyIndex:
    """Slots of keys beside a container; see the module's docstring for what it promises."""

    __slots__ = ("debt", "hand", "keys", "stale")

    def __init__(self, container: Iterable[bytes] = ()) -> None:
        """Index the keys of ``container``: O(n)."""
        self.keys: list[bytes] = list(container)
        self.stale: set[bytes] = set()
        self.debt = 0
        """Removals since the last sweep."""
        self.hand = 0
        """Slots below this are the next to be swept."""

    def __len__(self) -> int:
        """Number of live keys."""
        return len(self.keys) - len(self.stale)

    def added(self, key: bytes) -> None:
        """Note that ``key``, which was absent, is now in the container: O(1)."""
        stale = self.stale
        if stale and key in stale:
            stale.discard(key)
        else:
            self.keys.append(key)

    def removed(self, key: bytes) -> None:
        """Note that ``key``, which was present, has left the container: O(1)."""
        self.stale.add(key)
        self.debt += 1
        if self.debt >= _SWEEP_EVERY:
            self.debt = 0
            if len(self.stale) * 4 > len(self.keys):
                self._sweep(_SWEEP_SLOTS)

    def clear(self) -> None:
        """Forget all keys."""
        self.keys = []
        self.stale = set()
        self.debt = self.hand = 0

    def _sweep(self, slots: int) -> None:
        """Reclaim the stale ones among the next ``slots`` slots, going down and round again.

        Sweeping four slots for each removal goes round the list before as many more keys can become stale, which keeps
        the stale ones well under half of all.
        """
        keys = self.keys
        stale = self.stale
        hand = self.hand
        for _ in range(slots):
            if not stale:
                break
            if hand <= 0 or hand > len(keys):
                hand = len(keys)
            hand -= 1
            key = keys[hand]
            if key in stale:
                stale.discard(key)
                last = keys.pop()
                if hand < len(keys):
                    keys[hand] = last
        self.hand = hand

    def random(self, rng: Random) -> bytes | None:
        """Return a live key, each with equal chance, or None when there is none: O(1) expected, amortised."""
        keys = self.keys
        if not self.stale:
            return keys[int(rng.random() * len(keys))] if keys else None
        stale = self.stale
        while keys:
            slot = int(rng.random() * len(keys))
            key = keys[slot]
            if key not in stale:
                return key
            stale.discard(key)
            last = keys.pop()
            if slot < len(keys):
                keys[slot] = last
        return None

    def pop_random(self, rng: Random) -> bytes | None:
        """Drop the slot of a random live key and return the key, or None when there is none: O(1) expected.

        The caller removes the key from the container and must not report it as ``removed``.
        """
        keys = self.keys
        stale = self.stale
        while keys:
            slot = int(rng.random() * len(keys))
            key = keys[slot]
            last = keys.pop()
            if slot < len(keys):
                keys[slot] = last
            if not stale or key not in stale:
                return key
            stale.discard(key)
        return None

    def scan(self, cursor: int, count: int) -> tuple[int, list[bytes]]:
        """Visit the next ``count`` slots: O(count). Return the next cursor and the live keys met (perhaps none).

        Cursor 0 begins a scan, and is returned when it is over. Any other non-negative cursor is accepted.
        """
        keys = self.keys
        high = len(keys)
        if 0 < cursor < high:
            high = cursor
        low = high - count
        if low < 0:
            low = 0
        stale = self.stale
        found = keys[low:high]
        found.reverse()
        if stale:
            found = [key for key in found if key not in stale]
        return low, found

    def sample(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` different live keys (all of them when there are fewer) in random order.

        O(count) expected while ``count`` is a small part of the keys, otherwise O(n).
        """
        total = len(self)
        if count * 3 < total:
            picked: dict[bytes, None] = {}
            while len(picked) < count:
                key = self.random(rng)
                if key is None:
                    break
                picked[key] = None
            return list(picked)
        stale = self.stale
        live = [key for key in self.keys if key not in stale]
        shuffle_prefix(live, count, rng)
        return live[:count]

    def choices(self, rng: Random, count: int) -> list[bytes]:
        """Return ``count`` live keys, each picked from all of them (so keys may repeat); empty if there is none."""
        if self.stale:
            # With slots thrown away as they are met, the picks cost what clean ones do.
            out: list[bytes] = []
            for _ in range(count):
                key = self.random(rng)
                if key is None:
                    break
                out.append(key)
            return out
        keys = self.keys
        total = len(keys)
        if not total:
            return []
        rand = rng.random
        return [keys[int(rand() * total)] for _ in range(count)]

    def slots(self, rng: Random, runs: int, length: int) -> Iterator[tuple[int, bytes]]:
        """Give number and key of the slots of ``runs`` random runs, stale ones included: the caller knows what is live.

        Keys of neighbouring slots are often neighbours in memory: a run is read several times as fast as slots here
        and there.
        """
        keys = self.keys
        places = len(keys) - length + 1
        if places <= 1:
            return iter(enumerate(keys[:]))
        rand = rng.random
        found: list[Iterator[tuple[int, bytes]]] = []
        for _ in range(runs):
            at = int(rand() * places)
            found.append(enumerate(keys[at : at + length], at))
        return chain.from_iterable(found)

    def reclaim(self, slot: int, key: bytes) -> None:
        """Free the slot of ``key``, which was just reported as removed, if that is still ``slot``: O(1)."""
        keys = self.keys
        if 0 <= slot < len(keys) and keys[slot] == key and key in self.stale:
            self.stale.discard(key)
            last = keys.pop()
            if slot < len(keys):
                keys[slot] = last

    def check(self, container: Iterable[bytes]) -> None:
        """Raise AssertionError unless the index fits ``container``."""
        assert len(set(self.keys)) == len(self.keys), "a key has two slots"
        assert self.stale <= set(self.keys), "a stale key without a slot"
        assert set(self.keys) - self.stale == set(container), "index and container differ"


def shuffle_prefix(items: list[bytes], count: int, rng: Random) -> None:
    """Make the first ``count`` of ``items`` a uniformly random selection in random order, in place: O(count)."""
    total = len(items)
    rand = rng.random
    for i in range(min(count, total - 1)):
        j = i + int(rand() * (total - i))
        items[i], items[j] = items[j], items[i]
