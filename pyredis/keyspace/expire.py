"""Active expiry: keys, and fields of hashes, whose time has come go without being asked for, in slices of the loop."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final

from pyredis.engines.deadlines import BUCKET_BITS
from pyredis.keyspace.state import KeyspaceState

if TYPE_CHECKING:
    from pyredis.keyspace.db import Database

_SLICE: Final = 64
_FIELDS: Final = 256
"""So many fields of one hash go at once, in one message to those who listen: a third of a millisecond."""


def active_expire_cycle(ks: KeyspaceState, budget: float) -> bool:
    """Remove due keys and fields for at most ``budget`` seconds; True if some are left (call again soon)."""
    if not ks.active_expire_enabled or ks.keep_expired:
        return False
    started = perf_counter()
    deadline = started + budget
    more = False
    # The database at which the last call ran out of time comes first, so that none can keep the others waiting.
    first = ks.next_expire_db % len(ks.dbs)
    for db in ks.dbs[first:] + ks.dbs[:first]:
        if _expire_of(db, deadline):
            ks.stat_expired_time_cap_reached_count += 1
            ks.next_expire_db = db.id + 1
            more = True
            break
    ks.stat_expire_cycle_usec += int((perf_counter() - started) * 1e6)
    return more


def _expire_of(db: Database, deadline: float) -> bool:
    """Slices of keys and of fields in turn, until nothing is due in a database; True if time ran out before."""
    keys, fields = bool(db.deadlines.order), bool(db.field_deadlines.order)
    later: list[bytes] = []
    try:
        while keys or fields:
            if keys:
                keys = _expire_keys(db)
            if fields:
                fields = _expire_fields(db, later)
            if (keys or fields) and perf_counter() > deadline:
                return True
    finally:
        for key in later:
            if key in db.volatile:
                db.field_deadlines.give_back(key, db.volatile[key])
    return False


def _expire_keys(db: Database) -> bool:
    """A slice of the due keys; True if there may be more."""
    now = db.ks.mstime
    due = db.deadlines.take_due(now, _SLICE)
    early: list[tuple[bytes, int]] = []
    for key in due:
        when = db.expires.get(key)
        if when is None:
            continue
        if when <= now:
            db.expire_now(key)
        else:
            early.append((key, when))
    for key, when in early:
        db.deadlines.give_back(key, when)
    # What is early shows that this is the current bucket: the rest of it is due within milliseconds.
    return bool(due) and not early


def _expire_fields(db: Database, later: list[bytes]) -> bool:
    """The due fields of the next hash; True if there may be more. ``later`` gets what must be given back in the end."""
    now = db.ks.mstime
    for key in db.field_deadlines.take_due(now, 1):
        when = db.volatile.get(key)
        if when is None or when >> BUCKET_BITS > now >> BUCKET_BITS:
            return True  # a stale entry
        value = db.dict[key]
        fields = value.due(now, _FIELDS)
        if fields and db.expire_fields(key, value, fields):
            return True
        if key in db.volatile:
            if not value.expires:
                db.forget_fields(key)
                return True
            db.volatile[key] = value.next_due
            if value.next_due >> BUCKET_BITS < now >> BUCKET_BITS:
                db.field_deadlines.give_back(key, value.next_due)
            else:
                # Not before the next cycle: those of the current bucket that are not due would come again and again.
                later.append(key)
        return True
    return False
