"""The one epilogue of every change of a key: count it, tell who watches, waits or listens.

Every mutation ends in :func:`modified`; nobody else touches ``dirty``. A second event of the same command is told
with :func:`notify`. While nobody watches, waits or listens in a database, ``db.hooks`` is 0 and the epilogue is one
addition.
"""

from __future__ import annotations

from pyredis.keyspace.db import Database
from pyredis.keyspace.state import HOOK_BLOCKING, HOOK_NOTIFY, HOOK_TRACKING, HOOK_WATCH


def modified(db: Database, key: bytes, n: int, notify_class: int, event: bytes) -> None:
    """``key`` was changed ``n`` times by a command: counts ``n`` as dirty and sends ``event`` (``b"lpush"``)."""
    db.ks.dirty += n
    if db.hooks:
        touched(db, key)
        notify(db, key, notify_class, event)


def touched(db: Database, key: bytes) -> None:
    """Tell watchers, waiting clients and caches that ``key`` is another now, without event and without counting."""
    hooks = db.hooks
    ks = db.ks
    if hooks & HOOK_WATCH and key in db.watched_keys and ks.on_watched is not None:
        ks.on_watched(db, key)
    if hooks & HOOK_BLOCKING and key in db.blocking_keys and ks.on_ready is not None:
        ks.on_ready(db, key)
    if hooks & HOOK_TRACKING and ks.on_tracked is not None:
        ks.on_tracked(db, key)


def notify(db: Database, key: bytes, notify_class: int, event: bytes) -> None:
    """Send a keyspace notification, if its class is on."""
    if db.hooks & HOOK_NOTIFY and db.ks.notify_flags & notify_class:
        on_notify = db.ks.on_notify
        if on_notify is not None:
            on_notify(notify_class, event, key, db)
