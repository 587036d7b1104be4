"""MULTI's and WATCH's state on a client: entering, leaving, and noticing that a watched key changed."""

from __future__ import annotations

from pyredis.core.client import CLIENT_DIRTY_CAS, CLIENT_DIRTY_EXEC, CLIENT_MULTI, Client
from pyredis.core.dispatch import refresh_fast
from pyredis.keyspace.db import Database
from pyredis.keyspace.state import HOOK_WATCH


def watch_key(c: Client, key: bytes) -> None:
    """WATCH one key; remembers whether it was expired already, as that alone must not fail EXEC later."""
    db = c.db
    if (db.id, key) in c.watched:
        return
    when = db.expires.get(key)
    c.watched[db.id, key] = when is not None and when <= c.server.mstime
    db.watched_keys.setdefault(key, {})[c] = None
    db.set_hook(HOOK_WATCH, True)


def unwatch_all(c: Client) -> None:
    """UNWATCH."""
    for number, key in c.watched:
        db = c.server.dbs[number]
        clients = db.watched_keys.get(key)
        if clients is not None:
            clients.pop(c, None)
            if not clients:
                del db.watched_keys[key]
        db.set_hook(HOOK_WATCH, bool(db.watched_keys))
    c.watched.clear()


def touch_watched_key(db: Database, key: bytes) -> None:
    """Hook of the keyspace: fail the EXEC of every client that watches ``key``."""
    for c in db.watched_keys[key]:
        if c.watched[db.id, key] and key not in db.dict:
            # It was expired when WATCH came and is gone now: nothing changed for this client.
            c.watched[db.id, key] = False
        else:
            c.flags |= CLIENT_DIRTY_CAS


def touch_all_watched_keys(db: Database, other: Database | None = None) -> None:
    """FLUSHDB, FLUSHALL, SWAPDB: watched keys that are there (or will be, in ``other``) count as changed.

    An expired key counts as none: one that stays, goes or comes changes nothing.
    """
    now = db.ks.mstime
    for key, clients in db.watched_keys.items():
        if key not in db.dict and (other is None or key not in other.dict):
            continue
        comes = other is not None and key in other.dict
        comes_expired = other is not None and other.expires.get(key, now + 1) <= now
        for c in clients:
            was_expired = c.watched[db.id, key]
            if was_expired and not comes:
                c.watched[db.id, key] = False
            elif was_expired and comes_expired:
                pass
            elif key not in db.dict and comes_expired:
                c.watched[db.id, key] = True
            else:
                c.flags |= CLIENT_DIRTY_CAS


def is_watched_key_expired(c: Client) -> bool:
    """True if a watched key's time has come since WATCH (EXEC must fail)."""
    for (number, key), was_expired in c.watched.items():
        if not was_expired:
            when = c.server.dbs[number].expires.get(key)
            if when is not None and when <= c.server.mstime:
                return True
    return False


def discard_transaction(c: Client) -> None:
    """Leave MULTI: forget what was queued and what is watched."""
    c.multi = None
    c.multi_mem = 0
    c.flags &= ~(CLIENT_MULTI | CLIENT_DIRTY_CAS | CLIENT_DIRTY_EXEC)
    if c.watched:
        unwatch_all(c)
    refresh_fast(c)
