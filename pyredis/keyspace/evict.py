"""Which keys go when memory is short: the best of a sample, or those that are due first.

A sample is taken for several keys at once; what is good but not the best of it stays in a pool for the next time, as
the pool of Redis's approximated LRU does. The more keys are sampled for each that goes (``maxmemory-samples``), the
nearer this comes to the true order.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from pyredis.engines.key_index import KeyIndex
from pyredis.keyspace.state import KeyspaceState

if TYPE_CHECKING:
    from pyredis.keyspace.db import Database

_POOL: Final = 64
_TRIES: Final = 8

Victim = tuple["Database", bytes, int]
"""The key, and its slot in the index that it was found by (-1: by none)."""


class Victims:
    """Chooses keys by ``policy`` (``allkeys-lru`` …) after ``samples`` for each."""

    __slots__ = ("ks", "next_db", "policy", "pool", "samples")

    def __init__(self, ks: KeyspaceState) -> None:
        self.ks = ks
        self.policy = "noeviction"
        self.samples = 5
        self.pool: list[tuple[int, int, bytes, int]] = []
        """(rank, number of the database, key, slot), the lowest rank first: tick of the last use, or counter."""
        self.next_db = 0

    def configure(self, policy: str, samples: int) -> None:
        """Another policy: what was learned for the old one is forgotten."""
        self.samples = samples
        if policy != self.policy:
            self.policy = policy
            self.pool = []

    def choose(self, count: int) -> list[Victim]:
        """At most ``count`` keys that should go; empty if there is none that may. They must be removed at once."""
        if self.policy == "volatile-ttl":
            return self._due_first(count)
        if self.policy.endswith("-random"):
            return self._random(count)
        return self._least_used(count) if self.policy != "noeviction" else []

    def _dbs(self) -> list[Database]:
        """The databases with keys that may go."""
        if self.policy.startswith("volatile"):
            return [db for db in self.ks.dbs if db.expires]
        return [db for db in self.ks.dbs if len(db)]

    def _due_first(self, count: int) -> list[Victim]:
        found: list[Victim] = []
        dbs = self._dbs()
        if len(dbs) > 1:
            dbs = [min(dbs, key=lambda db: db.deadlines.first(db.expires))]
        for db in dbs:
            found = [(db, key, -1) for key in db.deadlines.soonest(db.expires, count)]
        return found

    def _random(self, count: int) -> list[Victim]:
        """One database after the other, so that each loses as many."""
        dbs = self._dbs()
        if not dbs:
            return []
        db = next((db for db in dbs if db.id >= self.next_db), dbs[0])
        self.next_db = db.id + 1
        there = db.expires if self.policy.startswith("volatile") else db.dict
        for _ in range(_TRIES):
            slots = {key: slot for slot, key in self._index(db).slots(self.ks.rng, count, 1) if key in there}
            if slots:
                return [(db, key, slot) for key, slot in islice(slots.items(), count)]
        return self._any(dbs)

    def _any(self, dbs: list[Database]) -> list[Victim]:
        """One key, if samples met none between the slots of keys that have gone: to find it clears these away."""
        for db in dbs:
            key = self._index(db).random(self.ks.rng)
            if key is not None:
                return [(db, key, -1)]
        return []

    def _index(self, db: Database) -> KeyIndex:
        return db.expires_index() if self.policy.startswith("volatile") else db.key_index()

    def removed(self, victim: Victim) -> None:
        """A key that was chosen has gone: its slot goes at once, or the keys that went would fill the memory."""
        db, key, slot = victim
        index = db.expiring if self.policy.startswith("volatile") else db.index
        if index is not None:
            index.reclaim(slot, key)

    def _least_used(self, count: int) -> list[Victim]:
        volatile = self.policy.startswith("volatile")
        dbs = self._dbs()
        keys = sum(len(db.expires) if volatile else len(db) for db in dbs)
        for _ in range(_TRIES):
            for db in dbs:
                share = -(-count * (len(db.expires) if volatile else len(db)) // keys)
                self.pool += self._sample(db, share)
            pool = self.pool
            pool.sort()
            found: list[Victim] = []
            kept = len(pool)
            last = b""
            for at, entry in enumerate(pool):
                if len(found) == count:
                    kept = at
                    break
                rank, number, key, slot = entry
                db = self.ks.dbs[number]
                if key != last and self._rank(db, key, volatile) == rank:  # else it went, or was used since
                    found.append((db, key, slot))
                last = key
            self.pool = pool[kept : kept + _POOL]
            if found or not keys:
                return found
        return self._any(dbs)

    def _sample(self, db: Database, count: int) -> list[tuple[int, int, bytes, int]]:
        state = db.track_access().get
        lfu, number = self.ks.lfu, db.id
        slots = self._index(db).slots(self.ks.rng, count, self.samples)
        if lfu is None:
            return [(tick, number, key, slot) for slot, key in slots if (tick := state(key)) is not None]
        counter = lfu.counter
        return [(counter(known), number, key, slot) for slot, key in slots if (known := state(key)) is not None]

    def _rank(self, db: Database, key: bytes, volatile: bool) -> int:
        """A key's rank now; -1 if it may not go any more."""
        access, lfu = db.access, self.ks.lfu
        state = None if access is None else access.get(key)
        if state is None or (volatile and key not in db.expires):
            return -1
        return state if lfu is None else lfu.counter(state)
