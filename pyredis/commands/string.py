"""Strings: SET, GET and their relatives, counters."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, incr_long_double, read_string, write_string
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_CHEAP,
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_OW,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    KEY_VARIABLE_FLAGS,
    K,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.core.strings import (
    CONDITIONS,
    SetOptions,
    is_met,
    parse_expire,
    parse_getex_options,
    parse_set_options,
    string_or_none,
)
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_STRING
from pyredis.lib.intparse import LLONG_MAX, LLONG_MIN, string2ll
from pyredis.resp.errors import NOT_AN_INTEGER, WRONGTYPE, CommandError, wrong_arity
from pyredis.resp.reply import (
    BULK_HEADERS,
    CRLF,
    INTEGERS,
    NULL,
    OK,
    ONE,
    ZERO,
    bulk,
    bulk_array_or_nulls,
)

_BIG: Final = 4096
_READING: Final = CONDITIONS | {b"GET"}


# --- SET and GET ----------------------------------------------------------------------------------------------------


def set_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """SET's key: read only where GET asks for the old value, or a condition looks at it."""
    get = any(word.upper() in _READING for word in argv[3:])
    return [(1, KEY_RW | KEY_ACCESS | KEY_UPDATE if get else KEY_OW | KEY_UPDATE)]


@command(
    b"SET",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_CHEAP,
    keys=(
        K(
            1,
            KEY_RW | KEY_ACCESS | KEY_UPDATE | KEY_VARIABLE_FLAGS,
            notes="RW and ACCESS due to the optional `GET` argument",
        ),
    ),
    get_keys=set_get_keys,
    group="string",
    since="1.0.0",
    summary="Set a string, optionally with conditions and a deadline.",
    complexity="O(1)",
    usage=(
        "key value condition=[NX|XX|IFEQ ifeq-value@8.4.0|IFNE ifne-value@8.4.0|IFDEQ ifdeq-digest:int@8.4.0|"
        "IFDNE ifdne-digest:int@8.4.0]@2.6.12 [GET]@6.2.0 "
        "expiration=[EX seconds:int@2.6.12|PX milliseconds:int@2.6.12|EXAT unix-time-seconds:time@6.2.0|PXAT "
        "unix-time-milliseconds:time@6.2.0|KEEPTTL@6.0.0]"
    ),
    history=(
        ("2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."),
        ("6.0.0", "Added the `KEEPTTL` option."),
        ("6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."),
        ("7.0.0", "Allowed the `NX` and `GET` options to be used together."),
        ("8.4.0", "Added 'IFEQ', 'IFNE', 'IFDEQ', 'IFDNE' options."),
    ),
)
def set_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    key = argv[1]
    if len(argv) == 3:
        value = argv[2]
        if db.gate or db.hooks:
            db.set_key(key, value)
            modified(db, key, 1, NOTIFY_STRING, b"set")
        else:
            db.dict[key] = value
            db.ks.dirty += 1
        return OK
    if len(argv) == 5:
        unit = argv[3].upper()
        if unit in (b"EX", b"PX"):
            return _set_with_deadline(c, key, argv[2], parse_expire(argv[4], unit, c.server.mstime, b"set"))
    options = parse_set_options(argv, 3, c.server.compat)
    if options.expire is not None:
        options.deadline = parse_expire(options.expire[1], options.expire[0], c.server.mstime, b"set")
    return set_generic_command(c, key, argv[2], options)


def _set_with_deadline(c: Client, key: bytes, value: bytes, deadline: int) -> bytes:
    """SET with a deadline (Unix milliseconds) and no other option."""
    db = c.db
    db.set_key(key, value, True)
    db.set_expire(key, deadline)
    if c.server.feeders:
        rewrite(c, [b"SET", key, value, b"PXAT", b"%d" % deadline])
    modified(db, key, 1, NOTIFY_STRING, b"set")
    if db.hooks:
        notify(db, key, NOTIFY_GENERIC, b"expire")
    return OK


def set_generic_command(c: Client, key: bytes, value: bytes, o: SetOptions) -> bytes:
    """SET with all its options."""
    db = c.db
    old = db.lookup_read(key) if o.get else db.lookup_write(key)
    reply = _old_value(old, c.resp) if o.get else OK
    if (o.nx and old is not None) or (o.xx and old is None):
        return reply if o.get else NULL[c.resp]
    if o.condition and not is_met(o.condition, o.operand, string_or_none(old)):
        return reply if o.get else NULL[c.resp]
    db.set_key(key, value, o.keep_ttl, o.get)
    if o.deadline:
        db.set_expire(key, o.deadline)
        rewrite(c, [b"SET", key, value, b"PXAT", b"%d" % o.deadline])
    elif o.get or o.condition:
        rewrite(c, [b"SET", key, value, *[b"NX"] * o.nx, *[b"XX"] * o.xx, *[b"KEEPTTL"] * o.keep_ttl])
    modified(db, key, 1, NOTIFY_STRING, b"set")
    if o.deadline:
        notify(db, key, NOTIFY_GENERIC, b"expire")
    return reply


def _old_value(old: object, resp: int) -> bytes:
    if old is None:
        return NULL[resp]
    if type(old) is bytes or type(old) is bytearray:
        return bulk(old)
    raise CommandError(WRONGTYPE)


@command(
    b"GET",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="string",
    since="1.0.0",
    summary="Return the string at a key.",
    complexity="O(1)",
    usage="key",
)
def get_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    if db.gate or db.hooks:
        value = db.lookup_read(argv[1])
    else:
        value = db.dict.get(argv[1])
        if value is None:
            db.ks.stat_keyspace_misses += 1
            return NULL[c.resp]
        db.ks.stat_keyspace_hits += 1
    if type(value) is bytes:
        n = len(value)
        if n < _BIG:
            return BULK_HEADERS[n] + value + CRLF
        return bulk(value)
    if value is None:
        return NULL[c.resp]
    if type(value) is bytearray:
        return bulk(value)
    raise CommandError(WRONGTYPE)


@command(
    b"SETNX",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_OW | KEY_INSERT),),
    group="string",
    since="1.0.0",
    summary="Set a string unless the key is there already.",
    complexity="O(1)",
    usage="key value",
)
def setnx_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    if db.lookup_write(argv[1]) is not None:
        return ZERO
    db.add(argv[1], argv[2])
    modified(db, argv[1], 1, NOTIFY_STRING, b"set")
    return ONE


def _setex(c: Client, argv: list[bytes], unit: bytes, command: bytes) -> bytes:
    return _set_with_deadline(c, argv[1], argv[3], parse_expire(argv[2], unit, c.server.mstime, command))


@command(
    b"SETEX",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_CHEAP,
    keys=(K(1, KEY_OW | KEY_UPDATE),),
    group="string",
    since="2.0.0",
    summary="Set a string with a lifetime in seconds.",
    complexity="O(1)",
    usage="key seconds:int value",
)
def setex_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _setex(c, argv, b"EX", b"setex")


@command(
    b"PSETEX",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_CHEAP,
    keys=(K(1, KEY_OW | KEY_UPDATE),),
    group="string",
    since="2.6.0",
    summary="Set a string with a lifetime in milliseconds.",
    complexity="O(1)",
    usage="key milliseconds:int value",
)
def psetex_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _setex(c, argv, b"PX", b"psetex")


@command(
    b"GETSET",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="1.0.0",
    summary="Set a string and return the one that was there.",
    complexity="O(1)",
    usage="key value",
    deprecated_since="6.2.0",
    replaced_by="`SET` with the `!GET` argument",
    doc_flags=("deprecated",),
)
def getset_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    old = read_string(db, argv[1])
    reply = _old_value(old, c.resp)
    db.set_key(argv[1], argv[2])
    modified(db, argv[1], 1, NOTIFY_STRING, b"set")
    rewrite(c, [b"SET", argv[1], argv[2]])
    return reply


@command(
    b"GETDEL",
    2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="string",
    since="6.2.0",
    summary="Return a string and remove its key.",
    complexity="O(1)",
    usage="key",
)
def getdel_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = read_string(db, key)
    if value is None:
        return NULL[c.resp]
    db.delete(key)
    modified(db, key, 1, NOTIFY_GENERIC, b"del")
    rewrite(c, [b"DEL", key])
    return bulk(value)


@command(
    b"GETEX",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE, notes="RW and UPDATE because it changes the TTL"),),
    group="string",
    since="6.2.0",
    summary="Return a string and change its key's deadline.",
    complexity="O(1)",
    usage=(
        "key expiration=[EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time|PXAT "
        "unix-time-milliseconds:time|PERSIST]"
    ),
)
def getex_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    o = parse_getex_options(argv)
    value = read_string(db, key)
    if value is None:
        return NULL[c.resp]
    if o.expire is not None:
        o.deadline = parse_expire(o.expire[1], o.expire[0], c.server.mstime, b"getex")
    reply = bulk(value)
    if o.deadline and o.deadline <= c.server.mstime:
        db.delete(key)
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
        rewrite(c, [b"DEL", key])
    elif o.deadline:
        db.set_expire(key, o.deadline)
        modified(db, key, 1, NOTIFY_GENERIC, b"expire")
        rewrite(c, [b"PEXPIREAT", key, b"%d" % o.deadline])
    elif o.persist and db.persist(key):
        modified(db, key, 1, NOTIFY_GENERIC, b"persist")
        rewrite(c, [b"PERSIST", key])
    return reply


@command(
    b"MGET",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS, last=-1),),
    group="string",
    since="1.0.0",
    summary="Return the strings at several keys.",
    complexity="O(N) where N is the number of keys to retrieve.",
    usage="key...",
    tips=(b"request_policy:multi_shard",),
)
def mget_command(c: Client, argv: list[bytes]) -> bytes | None:
    lookup = c.db.lookup_read
    values = [lookup(key) for key in argv[1:]]
    return bulk_array_or_nulls([v if type(v) is bytes or type(v) is bytearray else None for v in values], c.resp)


def _mset(c: Client, argv: list[bytes], nx: bool, name: bytes) -> bytes:
    if len(argv) % 2 == 0:
        raise wrong_arity(name)
    db = c.db
    keys = argv[1::2]
    if nx:
        for key in keys:
            if db.lookup_write(key) is not None:
                return ZERO
    if not db.hooks and db.plain(keys):
        if db.gate:
            db.put_many(keys, argv[2::2])
            db.used_many(keys)
        else:
            db.dict.update(zip(keys, argv[2::2], strict=True))
        db.ks.dirty += len(keys)
    else:
        for key, value in zip(keys, argv[2::2], strict=True):
            db.set_key(key, value)
            modified(db, key, 1, NOTIFY_STRING, b"set")
    return ONE if nx else OK


@command(
    b"MSET",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_OW | KEY_UPDATE, last=-1, step=2),),
    group="string",
    since="1.0.1",
    summary="Set several strings at once.",
    complexity="O(N) where N is the number of keys to set.",
    usage="(key value)...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:all_succeeded",
    ),
)
def mset_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _mset(c, argv, False, b"mset")


@command(
    b"MSETNX",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_OW | KEY_INSERT, last=-1, step=2),),
    group="string",
    since="1.0.1",
    summary="Set several strings unless one of the keys is there.",
    complexity="O(N) where N is the number of keys to set.",
    usage="(key value)...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_min",
    ),
)
def msetnx_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _mset(c, argv, True, b"msetnx")


# --- counters -------------------------------------------------------------------------------------------------------


def _store(db: Database, key: bytes, value: bytes, is_new: bool, event: bytes) -> None:
    """Put a new value under a key, keeping its deadline."""
    if is_new:
        db.add(key, value)
    else:
        db.overwrite(key, value)
    modified(db, key, 1, NOTIFY_STRING, event)


def incr_generic_command(c: Client, key: bytes, by: int) -> bytes:
    """Add to an integer, within 64 bits."""
    db = c.db
    value = db.fetch(key)
    if value is None:
        n = by
    else:
        if type(value) is not bytes and type(value) is not bytearray:
            raise CommandError(WRONGTYPE)
        old = string2ll(value)  # type: ignore[arg-type]  # int() reads a bytearray as well
        if old is None:
            raise CommandError(NOT_AN_INTEGER)
        n = old + by
        if not LLONG_MIN <= n <= LLONG_MAX:
            raise CommandError(b"ERR increment or decrement would overflow")
    if db.hooks or value is None:
        _store(db, key, b"%d" % n, value is None, b"incrby")
    else:
        db.dict[key] = b"%d" % n
        db.ks.dirty += 1
    if 0 <= n < _BIG:
        return INTEGERS[n]
    return b":%d\r\n" % n


@command(
    b"INCR",
    2,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="1.0.0",
    summary="Add one to an integer.",
    complexity="O(1)",
    usage="key",
)
def incr_command(c: Client, argv: list[bytes]) -> bytes | None:
    return incr_generic_command(c, argv[1], 1)


@command(
    b"DECR",
    2,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="1.0.0",
    summary="Subtract one from an integer.",
    complexity="O(1)",
    usage="key",
)
def decr_command(c: Client, argv: list[bytes]) -> bytes | None:
    return incr_generic_command(c, argv[1], -1)


@command(
    b"INCRBY",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="1.0.0",
    summary="Add a number to an integer.",
    complexity="O(1)",
    usage="key increment:int",
)
def incrby_command(c: Client, argv: list[bytes]) -> bytes | None:
    return incr_generic_command(c, argv[1], get_int(argv[2]))


@command(
    b"DECRBY",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="1.0.0",
    summary="Subtract a number from an integer.",
    complexity="O(1)",
    usage="key decrement:int",
)
def decrby_command(c: Client, argv: list[bytes]) -> bytes | None:
    by = get_int(argv[2])
    if by == LLONG_MIN:
        raise CommandError(b"ERR decrement would overflow")
    return incr_generic_command(c, argv[1], -by)


@command(
    b"INCRBYFLOAT",
    3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="string",
    since="2.6.0",
    summary="Add a floating-point number to a number.",
    complexity="O(1)",
    usage="key increment:double",
)
def incrbyfloat_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = write_string(db, key)
    result = incr_long_double(b"0" if value is None else bytes(value), argv[2])
    _store(db, key, result, value is None, b"incrbyfloat")
    rewrite(c, [b"SET", key, result, b"KEEPTTL"])
    return bulk(result)
