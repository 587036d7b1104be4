"""The one epilogue of every change of a key: count it, tell who watches, waits or listens.

Every mutation ends in :func:`modified`; nobody else touches ``dirty``. A second event of the same command is told
with :func:`notify`. While nobody watches, waits or listens in a database, ``db.hooks`` is 0 and the epilogue is one
addition.
"""

from __future__ import annotations

from pyredis.keyspace.db import Database


def modified(db: Database, key: bytes, n: int, notify_class: int, event: bytes) -> None:
    """``key`` was changed ``n`` times by a command: counts ``n`` as dirty and sends ``event`` (``b"lpush"``)."""
    db.ks.dirty += n
    if db.hooks:
        db.touched(key)
        db.notify(key, notify_class, event)


def touched(db: Database, key: bytes) -> None:
    """Tell watchers, waiting clients and caches that ``key`` is another now, without event and without counting."""
    db.touched(key)


def notify(db: Database, key: bytes, notify_class: int, event: bytes) -> None:
    """Send a keyspace notification, if its class is on."""
    db.notify(key, notify_class, event)


def counted(db: Database, key: bytes, n: int, notify_class: int, event: bytes) -> None:
    """Count ``n`` changes and send ``event``, where Redis does not take the key for changed: a stream's groups.

    Neither those who watch the key nor those who wait for it are told; an empty event is not sent.
    """
    db.ks.dirty += n
    if db.hooks and event:
        db.notify(key, notify_class, event)


def ready(db: Database, key: bytes) -> None:
    """Have those looked at who wait for ``key``, although it was not changed."""
    if key in db.blocking_keys and db.ks.on_ready is not None:
        db.ks.on_ready(db, key)
