"""What all databases of one server share: time, randomness, the count of changes, statistics, and hooks upwards.

``core.server.Server`` is a :class:`KeyspaceState`; the keyspace itself only knows this part. Hooks are slots that the
core fills at start, so that imports point down only.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pyredis.keyspace.access import TICKS, Lfu
from pyredis.keyspace.lazyfree import LazyFree

if TYPE_CHECKING:
    from pyredis.keyspace.db import Database

# Classes of keyspace notifications (notify-keyspace-events).
NOTIFY_KEYSPACE: Final = 1 << 0  # K
NOTIFY_KEYEVENT: Final = 1 << 1  # E
NOTIFY_GENERIC: Final = 1 << 2  # g
NOTIFY_STRING: Final = 1 << 3  # $
NOTIFY_LIST: Final = 1 << 4  # l
NOTIFY_SET: Final = 1 << 5  # s
NOTIFY_HASH: Final = 1 << 6  # h
NOTIFY_ZSET: Final = 1 << 7  # z
NOTIFY_EXPIRED: Final = 1 << 8  # x
NOTIFY_EVICTED: Final = 1 << 9  # e
NOTIFY_STREAM: Final = 1 << 10  # t
NOTIFY_KEY_MISS: Final = 1 << 11  # m
NOTIFY_MODULE: Final = 1 << 13  # d
NOTIFY_NEW: Final = 1 << 14  # n
NOTIFY_ALL: Final = (
    NOTIFY_GENERIC
    | NOTIFY_STRING
    | NOTIFY_LIST
    | NOTIFY_SET
    | NOTIFY_HASH
    | NOTIFY_ZSET
    | NOTIFY_EXPIRED
    | NOTIFY_EVICTED
    | NOTIFY_STREAM
    | NOTIFY_MODULE
)  # A

# Bits of Database.hooks: why a change of a key needs more than counting it.
HOOK_WATCH: Final = 1
HOOK_BLOCKING: Final = 2
HOOK_NOTIFY: Final = 4
HOOK_TRACKING: Final = 8


class Clock:
    """The source of time; tests drive expiry with it without sleeping.

    Commands need the time and how long they took, and one reading has to do for both: ``base`` is what must be added to
    ``perf_counter_ns()`` to get Unix nanoseconds. The cron sets it anew, so that it follows when the system's clock is
    put right.
    """

    __slots__ = ("base", "offset")

    def __init__(self) -> None:
        self.offset = 0.0
        """Seconds added to the real time."""
        self.base = 0
        self.synchronise()

    def time(self) -> float:
        """Unix time in seconds."""
        return time.time() + self.offset

    def synchronise(self) -> None:
        """Set ``base`` by the system's clock."""
        self.base = time.time_ns() + int(self.offset * 1e9) - time.perf_counter_ns()

    def advance(self, seconds: float) -> None:
        """Let time jump forward."""
        self.offset += seconds
        self.synchronise()


class KeyspaceState:
    """The part of the server that the keyspace needs.

    ``mstime`` is Unix time in milliseconds, read once per batch of commands (and once per script), never per lookup.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.rng = random.Random()
        self.mstime = int(self.clock.time() * 1000)
        self.dbs: list[Database] = []
        self.compat = 0
        """The release of Redis that this server looks like, as a number: 704 is 7.4. It never changes."""
        self.dirty = 0
        """Changes of data since the last save; a command that changed nothing leaves it alone."""
        self.notify_flags = 0
        self.active_expire_enabled = True
        self.next_expire_db = 0
        """Number of the database with which the active expiry goes on."""
        self.no_touch = False
        """True while the running client asked for CLIENT NO-TOUCH."""
        self.tick = self.mstime * TICKS // 1000
        """The time of uses (see ``keyspace/access``), as exact as :meth:`update_time` is called often."""
        self.lfu: Lfu | None = None
        """The rules of the LFU policies while one of them is in force."""
        self.keep_access = False
        """True while uses are kept for eviction; else only where OBJECT IDLETIME was asked."""
        self.keep_expired = False
        """True while keys whose time has come are gone for readers but must not be removed (CLIENT PAUSE)."""
        self.lazy = LazyFree()
        self.stat_keyspace_hits = 0
        self.stat_keyspace_misses = 0
        self.stat_expired_keys = 0
        self.stat_expired_subkeys = 0
        """Fields of hashes that have expired."""
        self.stat_expired_stale_perc = 0.0
        self.stat_expired_time_cap_reached_count = 0
        self.stat_expire_cycle_usec = 0
        self.on_notify: Callable[[int, bytes, bytes, Database], None] | None = None
        """``(class, event, key, db)``: publishes a keyspace notification."""
        self.on_watched: Callable[[Database, bytes], None] | None = None
        """``(db, key)``: a watched key was touched."""
        self.on_ready: Callable[[Database, bytes], None] | None = None
        """``(db, key)``: a key that clients wait for was changed."""
        self.on_tracked: Callable[[Database, bytes, bool], None] | None = None
        """``(db, key, by a command)``: a key changed, expired or was evicted while clients cache keys."""
        self.on_expired: Callable[[Database, bytes], None] | None = None
        """``(db, key)``: a key expired (already removed): tell AOF and replicas."""
        self.on_fields_expired: Callable[[Database, bytes, list[bytes]], None] | None = None
        """``(db, key, fields)``: fields of a hash expired (already removed): tell AOF and replicas."""

    def update_time(self) -> None:
        """Read the clock."""
        self.clock.synchronise()
        self.mstime = int(self.clock.time() * 1000)
        self.set_ticks()

    def set_ticks(self) -> None:
        """Uses from now on happen now."""
        self.tick = self.mstime * TICKS // 1000
        if self.lfu is not None:
            self.lfu.set_time(self.mstime)

    def set_access(self, keep: bool, lfu: Lfu | None) -> None:
        """How uses are kept from now on; what was kept in another way is forgotten."""
        begin_anew = (lfu is None) != (self.lfu is None) or self.keep_access > keep
        self.keep_access, self.lfu = keep, lfu
        self.set_ticks()
        for db in self.dbs:
            if begin_anew:
                db.forget_access()
            if keep:
                db.track_access()

    def set_notify_flags(self, flags: int) -> None:
        """Choose the classes of keyspace notifications (``NOTIFY_*`` bits)."""
        self.notify_flags = flags
        for db in self.dbs:
            db.set_hook(HOOK_NOTIFY, bool(flags))
