"""Pipelines of one command, run at once: bulk loading and bulk reading at the speed of dicts and joins.

A chunk of input that is the same command with the same number of arguments again and again comes as columns (see
``core.command.columns``). Each function here does what running the lines one by one would do, for the usual case only:
it returns None, before it has changed anything, whenever some line might need more (another type, an error, a key that
goes, encodings that may change).
"""

from __future__ import annotations

from itertools import chain
from types import NoneType
from typing import Any, TypeVar

from pyredis.core.client import Client
from pyredis.core.command import columns, rows
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ADDED, NO_CHANGE, ZSetObj
from pyredis.lib.fpconv import parse_double
from pyredis.lib.intparse import LLONG_MAX, string2ll
from pyredis.resp.reply import EMPTY_ARRAY, NULL, OK, ONE, PONG, ZERO, bulk, bulks, integers

Columns = list[tuple[bytes, ...]]
T = TypeVar("T")


def _one_key(columns: Columns) -> bytes | None:
    """The key if all lines name the same."""
    keys = columns[1]
    return keys[0] if keys.count(keys[0]) == len(keys) else None


def _one_value(c: Client, columns: Columns, argc: int, kind: type[T]) -> T | None:
    """The value if all lines have ``argc`` words, name the same key, and it holds a value of that kind."""
    if len(columns) != argc:
        return None
    key = _one_key(columns)
    value = None if key is None else c.db.dict.get(key)
    return value if type(value) is kind else None


def _absent(c: Client, columns: Columns, argc: int) -> bool:
    """True if all lines have ``argc`` words and name keys that are not there."""
    return len(columns) == argc and c.db.dict.keys().isdisjoint(columns[1])


@columns(b"PING", alike=True)
def ping_columns(c: Client, columns: Columns) -> bytes | None:
    return PONG * len(columns[0]) if len(columns) == 1 else None


@columns(b"SET", alike=True)
def set_columns(c: Client, columns: Columns) -> bytes | None:
    db = c.db
    if len(columns) != 3:
        return None
    _, keys, values = columns
    if db.gate:
        db.put_many(keys, values)
    else:
        db.dict.update(zip(keys, values, strict=True))
    db.ks.dirty += len(keys)
    return OK * len(keys)


@columns(b"MSET", alike=True)
def mset_columns(c: Client, columns: Columns) -> bytes | None:
    return mset_rows(c, tuple(chain.from_iterable(zip(*columns[1:], strict=True))), len(columns[0]))


@rows(b"MSET")
def mset_rows(c: Client, arguments: tuple[bytes, ...], lines: int) -> bytes | None:
    db = c.db
    keys = arguments[::2]
    if len(arguments) // lines & 1 or not db.plain(keys):
        return None
    if db.gate:
        db.put_many(keys, arguments[1::2])
        per_line = len(keys) // lines
        for at in range(1, per_line):
            db.used_many(keys[at::per_line])  # the first key's use is noted as it is for all commands
    else:
        db.dict.update(zip(keys, arguments[1::2], strict=True))  # where a key comes twice the last value counts
    db.ks.dirty += len(keys)
    return OK * lines


@columns(b"GET", alike=True)
def get_columns(c: Client, columns: Columns) -> bytes | None:
    ks = c.db.ks
    values: list[Any] = list(map(c.db.dict.get, columns[1]))
    misses = 0
    try:
        replies = bulks(values)
    except TypeError:
        if not {bytes, NoneType}.issuperset(map(type, values)):
            return None
        null = NULL[c.resp]
        misses = values.count(None)
        replies = b"".join([null if value is None else bulk(value) for value in values])
    ks.stat_keyspace_hits += len(values) - misses
    ks.stat_keyspace_misses += misses
    return replies


@columns(b"INCR", alike=True)
def incr_columns(c: Client, columns: Columns) -> bytes | None:
    key = _one_key(columns)
    if key is None:
        return None
    db = c.db
    value = db.dict.get(key)
    old = string2ll(value) if type(value) is bytes else None
    count = len(columns[1])
    if old is None or old > LLONG_MAX - count:
        return None
    db.dict[key] = b"%d" % (old + count)
    db.ks.dirty += count
    return integers(old + 1, old + count)


def _push_columns(c: Client, columns: Columns, head: bool) -> bytes | None:
    value = _one_value(c, columns, 3, ListObj)
    if value is None:
        return None
    length = len(value)
    if head:
        value.push_head_many(columns[2])
    else:
        value.push_tail_many(columns[2])
    count = len(columns[2])
    c.db.ks.dirty += count
    return integers(length + 1, length + count)


@columns(b"LPUSH", alike=True)
def lpush_columns(c: Client, columns: Columns) -> bytes | None:
    return _push_columns(c, columns, True)


@columns(b"RPUSH", alike=True)
def rpush_columns(c: Client, columns: Columns) -> bytes | None:
    return _push_columns(c, columns, False)


def _pop_columns(c: Client, columns: Columns, head: bool) -> bytes | None:
    count = len(columns[1])
    if _absent(c, columns, 2):
        return NULL[c.resp] * count
    value = _one_value(c, columns, 2, ListObj)
    if value is None or len(value) <= count:
        return None
    popped = value.pop_head_n(count) if head else value.pop_tail_n(count)
    c.db.ks.dirty += count
    return bulks(popped)


@columns(b"LPOP", alike=True)
def lpop_columns(c: Client, columns: Columns) -> bytes | None:
    return _pop_columns(c, columns, True)


@columns(b"RPOP", alike=True)
def rpop_columns(c: Client, columns: Columns) -> bytes | None:
    return _pop_columns(c, columns, False)


@columns(b"SADD", alike=True)
def sadd_columns(c: Client, columns: Columns) -> bytes | None:
    value = _one_value(c, columns, 3, SetObj)
    if value is None:
        return None
    members = columns[2]
    limit = c.server.config.set_max_intset_entries
    absent = len(set(members).difference(value.members))
    if 0 < absent < len(members) and c.server.feeders:
        return None  # not all of them propagate
    c.db.ks.dirty += absent
    if not absent:
        return ZERO * len(members)
    if absent == len(members):
        value.add_many(members, limit)
        return ONE * absent
    add = value.add
    return b"".join([ONE if add(member, limit) else ZERO for member in members])


@columns(b"SPOP")
def spop_columns(c: Client, columns: Columns) -> bytes | None:
    count = len(columns[1])
    if _absent(c, columns, 2):
        return NULL[c.resp] * count
    value = _one_value(c, columns, 2, SetObj)
    if value is None or len(value.members) <= count:
        return None
    rng = c.server.rng
    popped = [value.pop_random(rng) for _ in range(count)]
    c.db.ks.dirty += count
    return bulks(popped)


@columns(b"ZADD")
def zadd_columns(c: Client, columns: Columns) -> bytes | None:
    value = _one_value(c, columns, 4, ZSetObj)
    if value is None:
        return None
    numbers = {text: parse_double(text) for text in set(columns[2])}
    scores = [score for score in map(numbers.__getitem__, columns[2]) if score is not None]
    if len(scores) < len(columns[2]):
        return None
    config = c.server.config
    entries, size = config.zset_max_listpack_entries, config.zset_max_listpack_value
    add = value.add
    changes = [add(member, score, entries, size) for member, score in zip(columns[3], scores, strict=True)]
    c.db.ks.dirty += len(changes) - changes.count(NO_CHANGE)
    return b"".join([ONE if change == ADDED else ZERO for change in changes])


@columns(b"ZPOPMIN", alike=True)
def zpopmin_columns(c: Client, columns: Columns) -> bytes | None:
    return EMPTY_ARRAY * len(columns[1]) if _absent(c, columns, 2) else None


@columns(b"HSET", alike=True)
def hset_columns(c: Client, columns: Columns) -> bytes | None:
    value = _one_value(c, columns, 4, HashObj)
    if value is None:
        return None
    config = c.server.config
    entries, longest = config.hash_max_listpack_entries, config.hash_max_listpack_value
    fields, values = columns[2], columns[3]
    c.db.ks.dirty += len(fields)
    absent = len(set(fields).difference(value.fields))
    if not absent or absent == len(fields):
        value.set_many(fields, values, entries, longest)
        return (ONE if absent else ZERO) * len(fields)
    put = value.set
    return b"".join(
        [ONE if put(field, data, entries, longest) else ZERO for field, data in zip(fields, values, strict=True)]
    )
