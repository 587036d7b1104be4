"""A database: keys, values and deadlines, and the only code that reads ``db.dict`` and ``db.expires``.

(Bodies of the hottest commands, GET and SET, look inside by name; a test compares them with the functions here.)

Invariants: every key of ``expires`` is in ``dict``; an aggregate value is never empty; ``index``, when present, knows
exactly the keys of ``dict``; ``gate`` is true whenever a plain ``dict.get`` would not be the whole truth of a lookup;
``volatile`` has every key whose hash has a field with a deadline, by a time that is not later than the first of them.

A value's type is its class: ``bytes`` is a string (``bytearray`` one that was appended to or written into: encoding
``raw``), ``ListObj``, ``SetObj``, ``HashObj`` (``VolatileHashObj`` once fields of it have had deadlines), ``ZSetObj``
the aggregates.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterable, Sequence
from itertools import islice
from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from pyredis.engines.deadlines import Deadlines
from pyredis.engines.key_index import KeyIndex
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.keyspace.access import TICKS
from pyredis.keyspace.state import (
    HOOK_BLOCKING,
    HOOK_NOTIFY,
    HOOK_TRACKING,
    HOOK_WATCH,
    NOTIFY_EXPIRED,
    NOTIFY_GENERIC,
    NOTIFY_HASH,
    NOTIFY_KEY_MISS,
    NOTIFY_NEW,
)

if TYPE_CHECKING:
    from pyredis.keyspace.state import KeyspaceState

_RANDOM_TRIES: Final = 100
_SPARSE: Final = 160
"""Bytes of a table for each of its keys from which on it was made for many more; 30 to 80 are usual."""
_SMALL_TABLE: Final = 64 << 10
_PLACE: Final = 30
"""Bytes of a table for each place, with the index: a third of the index is always free."""

Value = Any
"""bytes | bytearray | ListObj | SetObj | HashObj | ZSetObj | …: told apart with ``type(value) is X``.

Only of hashes there are two classes, plain and volatile: what holds for both asks ``isinstance(value, HashObj)``."""


class Database:
    """One numbered database.

    ``watched_keys``: key → clients that WATCH it; ``blocking_keys``: key → clients that wait, first come first served
    (both are kept by the core; here only to be asked).
    """

    __slots__ = (
        "access",
        "blocking_keys",
        "deadlines",
        "dict",
        "expires",
        "expiring",
        "fetch",
        "field_deadlines",
        "gate",
        "gone",
        "guard",
        "half_rebuilt",
        "hooks",
        "id",
        "index",
        "ks",
        "volatile",
        "watched_keys",
    )

    def __init__(self, ks: KeyspaceState, number: int) -> None:
        self.ks = ks
        self.id = number
        self.dict: dict[bytes, Value] = {}
        self.expires: dict[bytes, int] = {}
        """Deadlines in Unix milliseconds."""
        self.expiring: KeyIndex | None = None
        """The keys of ``expires``, for random picks; made when the eviction first asks."""
        self.deadlines = Deadlines()
        self.volatile: dict[bytes, int] = {}
        """Keys of hashes with fields that have deadlines → when to look after them, in Unix milliseconds."""
        self.field_deadlines = Deadlines()
        """The same keys by that time."""
        self.index: KeyIndex | None = None
        """For SCAN and RANDOMKEY; made when first asked for."""
        self.access: dict[bytes, int] | None = None
        """When or how often each key was used (see ``keyspace/access``), kept while a policy of eviction needs it, or
        OBJECT IDLETIME has asked since the database was last empty."""
        self.watched_keys: dict[bytes, Any] = {}
        self.blocking_keys: dict[bytes, Any] = {}
        self.hooks = 0
        self.gone = 0
        """Keys removed while the gate was shut since the tables were made anew."""
        self.half_rebuilt = False
        self.gate = False
        self.guard: Callable[[Database, bytes], None] | None = None
        """Told of keys that go or lose fields by themselves, before that counts: a snapshot has to have them."""
        self.fetch: Callable[[bytes], Value | None] = self.dict.get
        """:meth:`lookup_write`, or the dict's own ``get`` while that is the whole truth."""

    def __len__(self) -> int:
        return len(self.dict)

    def set_hook(self, bit: int, on: bool) -> None:
        """Set or clear one of the ``HOOK_*`` bits."""
        self.hooks = self.hooks | bit if on else self.hooks & ~bit

    def refresh_gate(self) -> None:
        """Recompute ``gate`` after expires, volatile, index or access began or ceased to be used."""
        self.gate = (
            bool(self.expires or self.volatile)
            or self.index is not None
            or self.access is not None
            or self.guard is not None
        )
        self.fetch = self.lookup_write if self.gate else self.dict.get

    def set_guard(self, guard: Callable[[Database, bytes], None] | None) -> None:
        """Have ``guard`` told before keys go or lose fields; None ends that."""
        self.guard = guard
        self.refresh_gate()

    def _shut_gate(self) -> None:
        self.gate = True
        self.fetch = self.lookup_write

    def plain(self, keys: Iterable[bytes]) -> bool:
        """True if the dict's entries are the whole truth about ``keys``; others may have deadlines.

        Keys that come must still be entered with :meth:`put_many`, keys that go with :meth:`delete`, and uses told to
        :meth:`used_many`.
        """
        if not self.gate:
            return True
        return self.expires.keys().isdisjoint(keys) and (not self.volatile or self.volatile.keys().isdisjoint(keys))

    # --- looking up -------------------------------------------------------------------------------------------

    def expire_if_needed(self, key: bytes) -> bool:
        """Remove ``key`` if its time has come; True if it is gone (or to be taken for gone)."""
        when = self.expires.get(key)
        if when is None or when > self.ks.mstime:
            return False
        if not self.ks.keep_expired:
            self.expire_now(key)
        return True

    def expire_now(self, key: bytes) -> None:
        """Remove an expired key, count and announce it."""
        ks = self.ks
        if ks.lazy.expired:
            ks.lazy.value(self.dict.get(key))
        self.delete(key)
        if self.hooks:
            self.notify(key, NOTIFY_EXPIRED, b"expired")
            self.touched(key, False)
        ks.stat_expired_keys += 1
        if ks.on_expired is not None:
            ks.on_expired(self, key)

    def lookup_read(self, key: bytes) -> Value | None:
        """The value for a command that reads; counts a hit or a miss and the access."""
        value = self.dict.get(key)
        ks = self.ks
        if self.gate and value is not None:
            if key in self.expires and self.expires[key] <= ks.mstime and self.expire_if_needed(key):
                value = None
            elif self.access is not None and not ks.no_touch:
                self.access[key] = ks.tick if ks.lfu is None else self._used(key)
        if value is None:
            ks.stat_keyspace_misses += 1
            if self.hooks:
                self.notify(key, NOTIFY_KEY_MISS, b"keymiss")
        else:
            ks.stat_keyspace_hits += 1
        return value

    def lookup_write(self, key: bytes) -> Value | None:
        """The value for a command that writes: no statistics."""
        value = self.dict.get(key)
        if self.gate and value is not None:
            ks = self.ks
            if key in self.expires and self.expires[key] <= ks.mstime and self.expire_if_needed(key):
                return None
            if self.access is not None and not ks.no_touch:
                self.access[key] = ks.tick if ks.lfu is None else self._used(key)
        return value

    def look(self, key: bytes, announce: bool = True) -> Value | None:
        """The value for a command that asks about the key (TYPE, TTL): counts a hit or a miss, but is no access.

        Without ``announce`` (OBJECT) a miss is no event.
        """
        value = self.peek(key)
        if value is None:
            self.ks.stat_keyspace_misses += 1
            if announce:
                self.notify(key, NOTIFY_KEY_MISS, b"keymiss")
        else:
            self.ks.stat_keyspace_hits += 1
        return value

    def peek(self, key: bytes) -> Value | None:
        """The value, without any trace of having looked."""
        if key in self.expires and self.expire_if_needed(key):
            return None
        return self.dict.get(key)

    def exists(self, key: bytes) -> bool:
        """True if ``key`` is there and not expired; no statistics."""
        return self.peek(key) is not None

    # --- telling others ---------------------------------------------------------------------------------------

    def touched(self, key: bytes, by_command: bool = True) -> None:
        """Tell watchers, waiting clients and caches that ``key`` is another now, without event and without counting.

        ``by_command`` is False for a key that goes by itself: expired or evicted.
        """
        hooks = self.hooks
        ks = self.ks
        if hooks & HOOK_WATCH and key in self.watched_keys and ks.on_watched is not None:
            ks.on_watched(self, key)
        if hooks & HOOK_BLOCKING and key in self.blocking_keys and ks.on_ready is not None:
            ks.on_ready(self, key)
        if hooks & HOOK_TRACKING and ks.on_tracked is not None:
            ks.on_tracked(self, key, by_command)

    def notify(self, key: bytes, notify_class: int, event: bytes) -> None:
        """Send a keyspace notification, if its class is on."""
        ks = self.ks
        if self.hooks & HOOK_NOTIFY and ks.notify_flags & notify_class and ks.on_notify is not None:
            ks.on_notify(notify_class, event, key, self)

    # --- changing ---------------------------------------------------------------------------------------------

    def add(self, key: bytes, value: Value) -> None:
        """Add a key that is not there (Redis's dbAdd)."""
        self.dict[key] = value
        if self.gate:
            if self.index is not None:
                self.index.added(key)
            if self.access is not None:
                self.access[key] = self.ks.tick if self.ks.lfu is None else self.ks.lfu.fresh
        if self.hooks:
            self.notify(key, NOTIFY_NEW, b"new")

    def load(self, key: bytes, value: Value) -> None:
        """Add a key that is not there from a snapshot. Announces nothing."""
        self.dict[key] = value
        if self.index is not None:
            self.index.added(key)
        if self.access is not None:
            self.access[key] = self.ks.tick if self.ks.lfu is None else self.ks.lfu.fresh

    def overwrite(self, key: bytes, value: Value) -> None:
        """Replace the value of a key that is there, keeping its deadline."""
        self.dict[key] = value

    def set_key(self, key: bytes, value: Value, keep_ttl: bool = False, used: bool = True) -> None:
        """Set a key whether it is there or not; its deadline goes unless ``keep_ttl``. Announces nothing.

        It is a use of the key, unless ``used`` is false: the lookup before it was one.
        """
        if self.expires and key in self.expires:
            self.expire_if_needed(key)
        if key in self.dict:
            self.dict[key] = value
            if not keep_ttl and key in self.expires:
                self.persist(key)
            if self.volatile and key in self.volatile:
                self.forget_fields(key)
            if self.access is not None and used and not self.ks.no_touch:
                self.access[key] = self.ks.tick if self.ks.lfu is None else self._used(key)
        else:
            self.add(key, value)

    def put_many(self, keys: Sequence[bytes], values: Iterable[Value]) -> None:
        """Set strings at ``keys``, whether they are there or not, none of which may have a deadline (:meth:`plain`).

        The caller notes the uses with :meth:`used_many`.
        """
        if self.index is not None:
            there = self.dict
            for key in dict.fromkeys(keys):
                if key not in there:
                    self.index.added(key)
        self.dict.update(zip(keys, values, strict=True))

    def delete(self, key: bytes) -> bool:
        """Remove a key with its deadline; True if it was there. Announces nothing."""
        value = self.dict.pop(key, None)
        if value is None:
            return False
        if self.gate:
            self.gone += 1
            if self.guard is not None:
                self.guard(self, key)
            if key in self.expires:
                self.persist(key)
            if self.volatile and key in self.volatile:
                self.forget_fields(key)
            if self.index is not None:
                self.index.removed(key)
            if self.access is not None:
                self.access.pop(key, None)
        return True

    # --- deadlines --------------------------------------------------------------------------------------------

    def get_expire(self, key: bytes) -> int:
        """The deadline in Unix milliseconds, -1 if there is none."""
        return self.expires.get(key, -1)

    def set_expire(self, key: bytes, when: int) -> None:
        """Give a key that is there a deadline in Unix milliseconds."""
        old = self.expires.get(key)
        self.expires[key] = when
        if old is None and self.expiring is not None:
            self.expiring.added(key)
        self.deadlines.add(key, when, old, self.expires)
        if not self.gate:
            self._shut_gate()

    def persist(self, key: bytes) -> bool:
        """Take a key's deadline away; True if it had one."""
        if self.expires.pop(key, None) is None:
            return False
        if self.expiring is not None:
            self.expiring.removed(key)
        if not self.expires:
            self.expiring = None
            self.deadlines.clear()
            self.refresh_gate()
        return True

    # --- fields of hashes with deadlines ----------------------------------------------------------------------

    def adopt(self, key: bytes, value: Value, use: int | None = None) -> None:
        """Add a key that is not there with a value that was made elsewhere, deadlines of fields included.

        ``use`` is what :meth:`use_of` said of the key whose value it was.
        """
        self.add(key, value)
        if use is not None and self.access is not None:
            self.access[key] = use
        if type(value) is VolatileHashObj:
            self.attend_fields(key, value)

    def attend_fields(self, key: bytes, value: VolatileHashObj) -> None:
        """The deadlines of a hash's fields were changed: see to it that it is looked after in time: O(1)."""
        old = self.volatile.get(key)
        if not value.expires:
            if old is not None:
                self.forget_fields(key)
        elif old is None or value.next_due < old:
            self.volatile[key] = value.next_due
            self.field_deadlines.add(key, value.next_due, old, self.volatile)
            if not self.gate:
                self._shut_gate()

    def forget_fields(self, key: bytes) -> None:
        """Nothing at ``key`` has fields with deadlines any more."""
        del self.volatile[key]
        if not self.volatile:
            self.field_deadlines.clear()
            self.refresh_gate()

    def expire_fields(self, key: bytes, value: VolatileHashObj, fields: list[bytes]) -> bool:
        """Remove fields whose time has come, count and announce them; True if they were the last: the key is gone."""
        ks = self.ks
        if self.guard is not None:
            self.guard(self, key)
        for field in fields:
            value.delete(field)
        gone = not value.fields
        if gone:
            self.delete(key)
        elif not value.expires and key in self.volatile:
            self.forget_fields(key)
        if self.hooks:
            self.notify(key, NOTIFY_HASH, b"hexpired")
            if gone:
                self.notify(key, NOTIFY_GENERIC, b"del")
            self.touched(key)
        ks.stat_expired_subkeys += len(fields)
        if ks.on_fields_expired is not None:
            ks.on_fields_expired(self, key, fields)
        return gone

    # --- uses -------------------------------------------------------------------------------------------------

    def track_access(self) -> dict[bytes, int]:
        """Keep the uses of keys from now on (keys there now count as used, or new, now)."""
        if self.access is None:
            ks = self.ks
            self.access = dict.fromkeys(self.dict, ks.tick if ks.lfu is None else ks.lfu.fresh)
            self._shut_gate()
        return self.access

    def forget_access(self) -> None:
        """Keep the uses of keys no longer."""
        if self.access is not None:
            self.access = None
            self.refresh_gate()

    def _used(self, key: bytes) -> int:
        """A key's number after one more use, under an LFU policy."""
        lfu = self.ks.lfu
        assert lfu is not None and self.access is not None
        return lfu.used(self.access.get(key, lfu.fresh))

    def use_of(self, key: bytes) -> int | None:
        """A key's number in ``access``, for the key that takes over its value."""
        return None if self.access is None else self.access.get(key)

    def used_many(self, keys: Iterable[bytes]) -> None:
        """Those of ``keys`` that are there were used."""
        access = self.access
        if access is None:
            return
        there = self.dict
        lfu = self.ks.lfu
        if lfu is None:
            access.update(dict.fromkeys([key for key in keys if key in there], self.ks.tick))
            return
        for key in keys:
            if key in access:
                access[key] = lfu.used(access[key])
            elif key in there:
                access[key] = lfu.fresh

    def idle_seconds(self, key: bytes) -> int:
        """For how long a key that is there was not used; 0 while that is not kept."""
        if self.access is None or self.ks.lfu is not None:
            return 0
        used = self.access.get(key, self.ks.tick)
        return max(self.ks.mstime - used * (1000 // TICKS), 0) // 1000

    def frequency(self, key: bytes) -> int:
        """The counter (0 to 255) of a key that is there; 0 if no LFU policy is in force."""
        lfu = self.ks.lfu
        if lfu is None or self.access is None:
            return 0
        return lfu.counter(self.access.get(key, lfu.fresh))

    def restore_use(self, key: bytes, idle: int = -1, frequency: int = -1) -> None:
        """Enter how long (in seconds) a key was not used, or how often it was, as a snapshot says; -1 = unknown.

        What does not fit the policy in force is left out.
        """
        ks = self.ks
        if ks.lfu is None and idle >= 0:
            self.track_access()[key] = ks.tick - idle * TICKS
        elif ks.lfu is not None and frequency >= 0 and self.access is not None:
            self.access[key] = ks.lfu.with_counter(frequency)

    # --- whole database ---------------------------------------------------------------------------------------

    def key_index(self) -> KeyIndex:
        """The index for SCAN and random keys, made at the first call: O(n) once, then kept up to date."""
        if self.index is None:
            self.index = KeyIndex(self.dict)
            self._shut_gate()
        return self.index

    def expires_index(self) -> KeyIndex:
        """The index of the keys with a deadline, as :meth:`key_index`."""
        if self.expiring is None:
            self.expiring = KeyIndex(self.expires)
        return self.expiring

    def shrink(self) -> None:
        """Give back what tables of many more keys than there are take: O(keys) then, nothing else."""
        for table in (self.dict, self.access or {}):
            if getsizeof(table) > _SPARSE * len(self.dict) + _SMALL_TABLE:
                self.half_rebuilt = table is self.access
                self.rebuild()
        if getsizeof(self.expires) > _SPARSE * len(self.expires) + _SMALL_TABLE:
            self.expires = dict(self.expires)
            if self.expiring is not None:
                self.expiring = KeyIndex(self.expires)

    def rebuild(self) -> None:
        """Make the table of keys anew, as large as it has to be; the next time that of their uses: O(keys) each."""
        if self.guard is not None:
            return  # a snapshot knows the database by its table
        if self.access is not None and self.half_rebuilt:
            self.access = dict(self.access)
        else:
            self.dict = dict(self.dict)
            if self.index is not None:
                self.index.stale = set(self.index.stale)  # the slots stay: scans are under way
            self.refresh_gate()
            if self.access is not None:
                self.half_rebuilt = True
                return
        self.half_rebuilt = False
        self.gone = 0

    def places(self) -> tuple[int, int]:
        """How many keys the table has room for before it becomes larger, and the bytes that this takes then.

        Keys that went (``gone``) keep their place until the table is made anew. A small table may always grow.
        """
        size = getsizeof(self.dict)
        return size // _PLACE, 0 if size < _SMALL_TABLE else size if self.access is None else 2 * size

    def random_key(self) -> bytes | None:
        """A random key that has not expired; None if the database is empty.

        While expired keys are kept there may be nothing else: after some tries it may be one of those.
        """
        for _ in range(_RANDOM_TRIES if self.ks.keep_expired else len(self.dict)):
            key = self.key_index().random(self.ks.rng)
            if key is None or not self.expire_if_needed(key):
                return key
        return self.key_index().random(self.ks.rng)

    def clear(self, lazily: bool = False) -> int:
        """Remove all keys; returns how many there were. Announces nothing. ``lazily``: their memory is freed later."""
        n = len(self.dict)
        if lazily:
            tables = [self.dict, self.expires, self.expiring, self.deadlines.buckets, self.deadlines.order]
            tables += [self.volatile, self.field_deadlines.buckets, self.index, self.access]
            self.ks.lazy.tables(n, tables)
        self.dict = {}
        self.gone = 0
        self.half_rebuilt = False
        self.expires = {}
        self.expiring = None
        self.deadlines.clear()
        self.volatile = {}
        self.field_deadlines.clear()
        self.index = None
        self.access = {} if self.ks.keep_access else None
        self.refresh_gate()
        return n

    def items(self) -> ItemsView[bytes, Value]:
        """All keys with their values, those included whose time has come."""
        return self.dict.items()

    def table_bytes(self) -> tuple[int, int]:
        """Bytes of the table of keys (with the index for SCAN) and of the table of deadlines: O(1)."""
        main = getsizeof(self.dict)
        if self.index is not None:
            main += getsizeof(self.index.keys) + getsizeof(self.index.stale)
        deadlines = getsizeof(self.expires) + 8 * self.deadlines.entries if self.expires else 0
        if self.volatile:
            deadlines += getsizeof(self.volatile) + 8 * self.field_deadlines.entries
        return main, deadlines

    def sample_deadlines(self, count: int) -> list[int]:
        """Milliseconds left to some keys with a deadline, at most ``count`` of them; below 0 for one that is due."""
        now = self.ks.mstime
        return [when - now for when in islice(self.expires.values(), count)]

    def swap_contents(self, other: Database) -> None:
        """SWAPDB: exchange the data; watchers, waiting clients and numbers stay where they are."""
        self.dict, other.dict = other.dict, self.dict
        self.expires, other.expires = other.expires, self.expires
        self.expiring, other.expiring = other.expiring, self.expiring
        self.deadlines, other.deadlines = other.deadlines, self.deadlines
        self.volatile, other.volatile = other.volatile, self.volatile
        self.field_deadlines, other.field_deadlines = other.field_deadlines, self.field_deadlines
        self.index, other.index = other.index, self.index
        self.access, other.access = other.access, self.access
        self.refresh_gate()
        other.refresh_gate()
