"""What the commands on lists share, those that wait and those that do not: pops, moves, their announcements."""

from __future__ import annotations

from pyredis.core.args import syntax_error, write_list
from pyredis.core.client import Client
from pyredis.core.propagate import rewrite
from pyredis.engines.list import ListObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_LIST
from pyredis.resp.reply import array_header, bulk, bulk_array


def removed_elements(db: Database, key: bytes, value: ListObj, n: int, event: bytes) -> None:
    """After ``n`` elements were taken out: announce it; an empty list goes."""
    if len(value):
        modified(db, key, n, NOTIFY_LIST, event)
    else:
        db.delete(key)
        modified(db, key, n, NOTIFY_LIST, event)
        notify(db, key, NOTIFY_GENERIC, b"del")


def pop_one(db: Database, key: bytes, value: ListObj, head: bool) -> bytes:
    """Pop an element and announce it."""
    item = value.pop_head() if head else value.pop_tail()
    removed_elements(db, key, value, 1, b"lpop" if head else b"rpop")
    return item


def pop_many(db: Database, key: bytes, value: ListObj, head: bool, count: int) -> list[bytes]:
    """Pop up to ``count`` (at least 1) elements and announce it."""
    items = value.pop_head_n(count) if head else value.pop_tail_n(count)
    removed_elements(db, key, value, len(items), b"lpop" if head else b"rpop")
    return items


def parse_end(text: bytes) -> bool:
    """LEFT (True) or RIGHT."""
    word = text.upper()
    if word not in (b"LEFT", b"RIGHT"):
        raise syntax_error()
    return word == b"LEFT"


def lmove_generic(c: Client, source: bytes, destination: bytes, from_head: bool, to_head: bool) -> bytes | None:
    """Move one element and announce it; the element, None if the source is empty. Checks both types first."""
    db = c.db
    value = write_list(db, source)
    if value is None:
        return None
    target = write_list(db, destination)
    item = value.pop_head() if from_head else value.pop_tail()
    if target is None:
        target = ListObj()
        db.add(destination, target)
    if to_head:
        target.push_head(item)
    else:
        target.push_tail(item)
    modified(db, destination, 1, NOTIFY_LIST, b"lpush" if to_head else b"rpush")
    event = b"lpop" if from_head else b"rpop"
    modified(db, source, 0, NOTIFY_LIST, event)
    if not len(value):
        db.delete(source)
        notify(db, source, NOTIFY_GENERIC, b"del")
    return item


def lmpop_from(c: Client, keys: list[bytes], head: bool, count: int) -> bytes | None:
    """Pop from the first key that holds a list: the reply, None if none does."""
    for key in keys:
        value = write_list(c.db, key)
        if value is not None:
            items = pop_many(c.db, key, value, head, count)
            name = b"LPOP" if head else b"RPOP"
            rewrite(c, [name, key, b"%d" % len(items)])
            return array_header(2) + bulk(key) + bulk_array(items)
    return None
