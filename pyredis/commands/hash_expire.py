"""Deadlines of hash fields: setting, reading, taking away; and reading or writing fields together with their deadlines.

In the order of Redis, the commands of 7.4 look at the key before they read their arguments, those of 8.0 after. A
deadline is at most 46 bits of milliseconds; one that has passed deletes the field at once.
"""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_range_int, read_fields, write_fields
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.engines.hash import HashObj
from pyredis.engines.volatile_hash import VolatileHashObj, make_volatile
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_HASH
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError, wrong_arity
from pyredis.resp.reply import ONE, ZERO, bulk_array_or_nulls, integer_array

_LATEST: Final = (1 << 46) - 1
_INT_MAX: Final = (1 << 31) - 1
_NO_FIELD: Final = -2
_NO_DEADLINE: Final = -1
_NOT_MET: Final = 0
_SET: Final = 1
_DELETED: Final = 2

_FIELDS_MISSING: Final = b"ERR Mandatory argument FIELDS is missing or not at the right position"
_MISMATCH: Final = b"ERR The `numfields` parameter must match the number of arguments"
_TOO_FEW: Final = b"ERR Parameter `numFields` should be greater than 0"
_NOT_POSITIVE: Final = b"ERR Number of fields must be a positive integer"
_ONE_CONDITION: Final = b"ERR Only one of FXX or FNX arguments can be specified"
_ONE_EXPIRATION: Final = b"ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"

_UNITS: Final = {b"EX": (1000, True), b"PX": (1, True), b"EXAT": (1000, False), b"PXAT": (1, False)}
"""Option → milliseconds of its unit, and whether it counts from now."""
_CONDITIONS: Final = (b"NX", b"XX", b"GT", b"LT")
_COMPLEXITY: Final = "O(N) where N is the number of specified fields"


# --- arguments ------------------------------------------------------------------------------------------------------


def _deadline(c: Client, text: bytes, unit: int, relative: bool, name: bytes) -> int:
    """A deadline in Unix milliseconds from a number of ``unit`` milliseconds each."""
    n = get_int(text)
    if n < 0:
        raise CommandError(b"ERR invalid expire time, must be >= 0")
    when = n * unit + (c.server.mstime if relative else 0)
    if when > _LATEST:
        raise CommandError(b"ERR invalid expire time in '%b' command" % name)
    return when


def _fields(argv: list[bytes], at: int, not_a_number: bytes) -> list[bytes]:
    """``FIELDS numfields field …`` from position ``at`` on, to the end."""
    if argv[at].upper() != b"FIELDS":
        raise CommandError(_FIELDS_MISSING)
    if get_range_int(argv[at + 1], 1, LLONG_MAX, not_a_number) != len(argv) - at - 2:
        raise CommandError(_MISMATCH)
    return argv[at + 2 :]


# --- changing deadlines ---------------------------------------------------------------------------------------------


def _volatile(c: Client, key: bytes, value: HashObj) -> VolatileHashObj:
    """The hash at a key as one whose fields may have deadlines."""
    if type(value) is VolatileHashObj:
        return value
    made = make_volatile(value)
    c.db.overwrite(key, made)
    return made


def _give_deadline(c: Client, key: bytes, value: HashObj, fields: list[bytes], when: int, n: int) -> None:
    """Give fields that are there a deadline, as ``n`` changes; if it has passed, they go, with the last one the key."""
    if when <= c.server.mstime:
        c.server.stat_expired_subkeys += len(fields)
        _remove(c, key, value, fields, n)
        return
    volatile = _volatile(c, key, value)
    for field in fields:
        volatile.set_deadline(field, when)
    c.db.attend_fields(key, volatile)
    modified(c.db, key, n, NOTIFY_HASH, b"hexpire")


def _remove(c: Client, key: bytes, value: HashObj, fields: list[bytes], n: int) -> None:
    """Delete fields that are there, as ``n`` changes, and with the last of the hash the key."""
    db = c.db
    for field in fields:
        value.delete(field)
    modified(db, key, n, NOTIFY_HASH, b"hdel")
    if not value.fields:
        db.delete(key)
        notify(db, key, NOTIFY_GENERIC, b"del")
    elif type(value) is VolatileHashObj:
        db.attend_fields(key, value)


def _propagate_deadline(c: Client, key: bytes, fields: list[bytes], when: int) -> None:
    """As the deadline itself, or as the deletion of the fields if it has passed."""
    if when > c.server.mstime:
        rewrite(c, [b"HPEXPIREAT", key, b"%d" % when, b"FIELDS", b"%d" % len(fields), *fields])
    else:
        rewrite(c, [b"HDEL", key, *fields])


def _met(condition: bytes, current: int, when: int) -> bool:
    """Whether a field whose deadline is ``current`` (negative: none, which is later than any) may get ``when``."""
    if condition == b"NX":
        return current < 0
    if condition == b"XX":
        return current >= 0
    if condition == b"GT":
        return 0 <= current < when
    return condition != b"LT" or current < 0 or when < current


def _hexpire(c: Client, argv: list[bytes], unit: int, relative: bool, name: bytes) -> bytes:
    key = argv[1]
    value = write_fields(c.db, argv)
    when = _deadline(c, argv[2], unit, relative, name)
    condition = argv[3].upper()
    conditional = condition in _CONDITIONS
    fields = _fields(argv, 4 if conditional else 3, _TOO_FEW)
    if value is None:
        return integer_array([_NO_FIELD] * len(fields))
    expires = value.expires if type(value) is VolatileHashObj else {}
    past = when <= c.server.mstime
    chosen: dict[bytes, None] = {}
    codes = []
    for field in fields:
        if field not in value.fields or (past and field in chosen):
            codes.append(_NO_FIELD)
        elif conditional and not _met(condition, when if field in chosen else expires.get(field, -1), when):
            codes.append(_NOT_MET)
        else:
            chosen[field] = None
            codes.append(_DELETED if past else _SET)
    if chosen:
        _give_deadline(c, key, value, list(chosen), when, codes.count(_SET) + codes.count(_DELETED))
        _propagate_deadline(c, key, list(chosen), when)
    return integer_array(codes)


@command(
    b"HEXPIRE",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="7.4.0",
    summary="Let fields of a hash expire after seconds.",
    complexity=_COMPLEXITY,
    usage="key seconds:int condition=[NX|XX|GT|LT] FIELDS fields=(numfields:int field...)",
)
def hexpire_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _hexpire(c, argv, 1000, True, b"hexpire")


@command(
    b"HPEXPIRE",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="7.4.0",
    summary="Let fields of a hash expire after milliseconds.",
    complexity=_COMPLEXITY,
    usage="key milliseconds:int condition=[NX|XX|GT|LT] FIELDS fields=(numfields:int field...)",
)
def hpexpire_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _hexpire(c, argv, 1, True, b"hpexpire")


@command(
    b"HEXPIREAT",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="7.4.0",
    summary="Let fields of a hash expire at a Unix time in seconds.",
    complexity=_COMPLEXITY,
    usage="key unix-time-seconds:time condition=[NX|XX|GT|LT] FIELDS fields=(numfields:int field...)",
)
def hexpireat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _hexpire(c, argv, 1000, False, b"hexpireat")


@command(
    b"HPEXPIREAT",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="7.4.0",
    summary="Let fields of a hash expire at a Unix time in milliseconds.",
    complexity=_COMPLEXITY,
    usage="key unix-time-milliseconds:time condition=[NX|XX|GT|LT] FIELDS fields=(numfields:int field...)",
)
def hpexpireat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _hexpire(c, argv, 1, False, b"hpexpireat")


@command(
    b"HPERSIST",
    -5,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="7.4.0",
    summary="Take the deadlines of a hash's fields away.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
)
def hpersist_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = write_fields(c.db, argv)
    fields = _fields(argv, 2, _NOT_POSITIVE)
    codes = []
    for field in fields:
        if value is None or field not in value.fields:
            codes.append(_NO_FIELD)
        elif type(value) is VolatileHashObj and value.persist(field):
            codes.append(_SET)
        else:
            codes.append(_NO_DEADLINE)
    if type(value) is VolatileHashObj and _SET in codes:
        c.db.attend_fields(argv[1], value)
        modified(c.db, argv[1], codes.count(_SET), NOTIFY_HASH, b"hpersist")
    return integer_array(codes)


# --- reading deadlines ----------------------------------------------------------------------------------------------


def _httl(c: Client, argv: list[bytes], unit: int, relative: bool) -> bytes:
    value = read_fields(c.db, argv)
    fields = _fields(argv, 2, _NOT_POSITIVE)
    # A part of a second counts as a whole one.
    base = (c.server.mstime if relative else 0) - (unit - 1)
    codes = []
    for field in fields:
        if value is None or field not in value.fields:
            codes.append(_NO_FIELD)
        else:
            when = value.deadline(field) if type(value) is VolatileHashObj else -1
            codes.append(_NO_DEADLINE if when < 0 else (when - base) // unit)
    return integer_array(codes)


@command(
    b"HTTL",
    -5,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="7.4.0",
    summary="Return the seconds that fields of a hash have left.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
    tips=(b"nondeterministic_output",),
)
def httl_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _httl(c, argv, 1000, True)


@command(
    b"HPTTL",
    -5,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="7.4.0",
    summary="Return the milliseconds that fields of a hash have left.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
    tips=(b"nondeterministic_output",),
)
def hpttl_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _httl(c, argv, 1, True)


@command(
    b"HEXPIRETIME",
    -5,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="7.4.0",
    summary="Return the Unix times in seconds at which fields of a hash expire.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
)
def hexpiretime_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _httl(c, argv, 1000, False)


@command(
    b"HPEXPIRETIME",
    -5,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="7.4.0",
    summary="Return the Unix times in milliseconds at which fields of a hash expire.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
)
def hpexpiretime_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _httl(c, argv, 1, False)


# --- values and deadlines in one --------------------------------------------------------------------------------------


@command(
    b"HGETDEL",
    -5,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="hash",
    since="8.0.0",
    summary="Return the values of fields of a hash and remove the fields.",
    complexity=_COMPLEXITY,
    usage="key FIELDS fields=(numfields:int field...)",
)
def hgetdel_command(c: Client, argv: list[bytes]) -> bytes | None:
    fields = _fields(argv, 2, _NOT_POSITIVE)
    value = write_fields(c.db, argv)
    if value is None:
        return bulk_array_or_nulls([None] * len(fields), c.resp)
    values = _taken(value, fields)
    there = [field for field in dict.fromkeys(fields) if field in value.fields]
    if there:
        _remove(c, argv[1], value, there, len(there))
        rewrite(c, [b"HDEL", argv[1], *there])
    return bulk_array_or_nulls(values, c.resp)


def _taken(value: HashObj, fields: list[bytes]) -> list[bytes | None]:
    """The values of fields that go as they are read: one that is named again has none any more."""
    values: list[bytes | None] = []
    seen: set[bytes] = set()
    for field in fields:
        values.append(None if field in seen else value.fields.get(field))
        seen.add(field)
    return values


@command(
    b"HGETEX",
    -5,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE, notes="RW and UPDATE because it changes the TTL"),),
    group="hash",
    since="8.0.0",
    summary="Return the values of fields of a hash and set, change or take away their deadlines.",
    complexity=_COMPLEXITY,
    usage=(
        "key expiration=[EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time|"
        "PXAT unix-time-milliseconds:time|PERSIST] FIELDS fields=(numfields:int field...)"
    ),
)
def hgetex_command(c: Client, argv: list[bytes]) -> bytes | None:
    key, option = argv[1], argv[2].upper()
    at = 4 if option in _UNITS else 3 if option == b"PERSIST" else 2
    if at + 1 >= len(argv):
        raise wrong_arity(b"hgetex")
    fields = _fields(argv, at, _NOT_POSITIVE)
    when = _deadline(c, argv[3], *_UNITS[option], b"hgetex") if option in _UNITS else -1
    value = write_fields(c.db, argv)
    if value is None:
        return bulk_array_or_nulls([None] * len(fields), c.resp)
    there = [field for field in dict.fromkeys(fields) if field in value.fields]
    if 0 <= when <= c.server.mstime:
        values = _taken(value, fields)
    else:
        values = [value.fields.get(field) for field in fields]
    if when >= 0 and there:
        _give_deadline(c, key, value, there, when, len(there))
        _propagate_deadline(c, key, there, when)
    elif option == b"PERSIST" and type(value) is VolatileHashObj:
        persisted = [field for field in there if value.persist(field)]
        if persisted:
            c.db.attend_fields(key, value)
            modified(c.db, key, len(persisted), NOTIFY_HASH, b"hpersist")
            rewrite(c, [b"HPERSIST", key, b"FIELDS", b"%d" % len(persisted), *persisted])
    return bulk_array_or_nulls(values, c.resp)


class _SetOptions:
    """What stands before the fields of HSETEX. ``when`` is negative without a deadline."""

    __slots__ = ("condition", "keep", "pairs", "when")

    def __init__(self) -> None:
        self.condition = b""
        self.when = -1
        self.keep = False
        self.pairs: list[bytes] = []


def _parse_hsetex(c: Client, argv: list[bytes]) -> _SetOptions:
    o = _SetOptions()
    expiration = 0
    at = 2
    while argv[at].upper() != b"FIELDS":
        word = argv[at].upper()
        if word in (b"FNX", b"FXX"):
            if o.condition:
                raise CommandError(_ONE_CONDITION)
            o.condition = word
        elif word in _UNITS or word == b"KEEPTTL":
            if expiration:
                raise CommandError(_ONE_EXPIRATION)
            expiration = at
            if word != b"KEEPTTL":
                at += 1
                if at == len(argv):
                    raise CommandError(b"ERR missing expire time")
        else:
            raise CommandError(b"ERR unknown argument: " + argv[at].split(b"\0")[0])
        at += 1
        if at == len(argv):
            raise wrong_arity(b"hsetex")
    if at + 3 >= len(argv):
        raise wrong_arity(b"hsetex")
    count = get_range_int(argv[at + 1], 1, _INT_MAX, b"ERR invalid number of fields")
    o.pairs = argv[at + 2 :]
    if len(o.pairs) != 2 * count:
        raise wrong_arity(b"hsetex")
    if expiration:
        option = argv[expiration].upper()
        o.keep = option == b"KEEPTTL"
        if not o.keep:
            o.when = _deadline(c, argv[expiration + 1], *_UNITS[option], b"hsetex")
    return o


@command(
    b"HSETEX",
    -6,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="8.0.0",
    summary="Set fields of a hash and their deadlines.",
    complexity="O(N) where N is the number of fields being set.",
    usage=(
        "key condition=[FNX|FXX] expiration=[EX seconds:int|PX milliseconds:int|EXAT unix-time-seconds:time|"
        "PXAT unix-time-milliseconds:time|KEEPTTL] FIELDS fields=(numfields:int data=(field value)...)"
    ),
)
def hsetex_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    o = _parse_hsetex(c, argv)
    value = write_fields(db, argv)
    fields = list(dict.fromkeys(o.pairs[::2]))
    if o.condition:
        there = 0 if value is None else sum([field in value.fields for field in fields])
        if there != (len(fields) if o.condition == b"FXX" else 0):
            return ZERO
    if value is None:
        value = HashObj()
        db.add(key, value)
    config = c.server.config
    limit, size = config.hash_max_listpack_entries, config.hash_max_listpack_value
    for at in range(0, len(o.pairs), 2):
        if o.keep:
            HashObj.set(value, o.pairs[at], o.pairs[at + 1], limit, size)
        else:
            value.set(o.pairs[at], o.pairs[at + 1], limit, size)
    modified(db, key, len(o.pairs) // 2, NOTIFY_HASH, b"hset")
    if o.when >= 0:
        _give_deadline(c, key, value, fields, o.when, 0)
        if o.when > c.server.mstime:
            rewrite(c, [b"HSETEX", key, b"PXAT", b"%d" % o.when, b"FIELDS", b"%d" % (len(o.pairs) // 2), *o.pairs])
        else:
            rewrite(c, [b"HDEL", key, *fields])
    return ONE
