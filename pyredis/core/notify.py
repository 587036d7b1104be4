"""Keyspace notifications: the flags of ``notify-keyspace-events`` and the two messages of each event."""

from __future__ import annotations

from typing import Final

from pyredis.core.pubsub import publish
from pyredis.keyspace.db import Database
from pyredis.keyspace.state import (
    NOTIFY_ALL,
    NOTIFY_EVICTED,
    NOTIFY_EXPIRED,
    NOTIFY_GENERIC,
    NOTIFY_HASH,
    NOTIFY_KEY_MISS,
    NOTIFY_KEYEVENT,
    NOTIFY_KEYSPACE,
    NOTIFY_LIST,
    NOTIFY_MODULE,
    NOTIFY_NEW,
    NOTIFY_SET,
    NOTIFY_STREAM,
    NOTIFY_STRING,
    NOTIFY_ZSET,
)

_LETTERS: Final = (
    ("g", NOTIFY_GENERIC),
    ("$", NOTIFY_STRING),
    ("l", NOTIFY_LIST),
    ("s", NOTIFY_SET),
    ("h", NOTIFY_HASH),
    ("z", NOTIFY_ZSET),
    ("x", NOTIFY_EXPIRED),
    ("e", NOTIFY_EVICTED),
    ("t", NOTIFY_STREAM),
    ("d", NOTIFY_MODULE),
    ("n", NOTIFY_NEW),  # not part of A, but with A Redis does not show it either
)
_OTHERS: Final = (("K", NOTIFY_KEYSPACE), ("E", NOTIFY_KEYEVENT), ("m", NOTIFY_KEY_MISS))


def parse_flags(text: str) -> int | None:
    """``"KEA"`` → bits; None for a letter that is none."""
    table = dict(_LETTERS) | dict(_OTHERS) | {"A": NOTIFY_ALL}
    flags = 0
    for letter in text:
        if letter not in table:
            return None
        flags |= table[letter]
    return flags


def format_flags(flags: int) -> str:
    """Bits → the letters in Redis's order, ``A`` for all classes."""
    if flags & NOTIFY_ALL == NOTIFY_ALL:
        text = "A"
    else:
        text = "".join(letter for letter, bit in _LETTERS if flags & bit)
    return text + "".join(letter for letter, bit in _OTHERS if flags & bit)


def publish_keyspace_event(notify_class: int, event: bytes, key: bytes, db: Database) -> None:
    """Hook of the keyspace: publish to ``__keyspace@<db>__:<key>`` and ``__keyevent@<db>__:<event>``."""
    flags = db.ks.notify_flags
    if not flags & notify_class:
        return
    server = db.ks
    if flags & NOTIFY_KEYSPACE:
        publish(server, b"__keyspace@%d__:%b" % (db.id, key), event)  # type: ignore[arg-type]
    if flags & NOTIFY_KEYEVENT:
        publish(server, b"__keyevent@%d__:%b" % (db.id, event), key)  # type: ignore[arg-type]
