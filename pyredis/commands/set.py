"""Sets: members, random members, and the algebra of several sets."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import (
    expect,
    get_cursor,
    get_positive,
    get_range_int,
    parse_scan_options,
    random_picks,
    read_set,
    syntax_error,
    write_set,
)
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_OW,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    KNum,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.engines.set import SetObj
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_SET
from pyredis.lib.glob import compile_filter
from pyredis.lib.intersect import count_common
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import (
    EMPTY_ARRAY,
    EMPTY_SET,
    NULL,
    ONE,
    ZERO,
    array_header,
    bulk,
    bulk_array,
    bulk_set,
    integer,
    integer_array,
)


@command(
    b"SADD",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="set",
    since="1.0.0",
    summary="Add members to a set.",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    usage="key member...",
    history=(("2.4.0", "Accepts multiple `member` arguments."),),
)
def sadd_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = write_set(db, key)
    if value is None:
        value = SetObj()
        db.add(key, value)
    limit = c.server.config.set_max_intset_entries
    added = 0
    for member in argv[2:]:
        added += value.add(member, limit)
    if added:
        modified(db, key, added, NOTIFY_SET, b"sadd")
    return integer(added)


def _emptied(c: Client, key: bytes, value: SetObj) -> None:
    if not len(value):
        c.db.delete(key)
        notify(c.db, key, NOTIFY_GENERIC, b"del")


@command(
    b"SREM",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="set",
    since="1.0.0",
    summary="Remove members from a set.",
    complexity="O(N) where N is the number of members to be removed.",
    usage="key member...",
    history=(("2.4.0", "Accepts multiple `member` arguments."),),
)
def srem_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = write_set(db, key)
    if value is None:
        return ZERO
    removed = 0
    for member in argv[2:]:
        removed += value.discard(member)
    if removed:
        modified(db, key, removed, NOTIFY_SET, b"srem")
        _emptied(c, key, value)
    return integer(removed)


@command(
    b"SMOVE",
    4,
    CMD_WRITE | CMD_FAST,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_RW | KEY_INSERT),
    ),
    group="set",
    since="1.0.0",
    summary="Move a member from one set to another.",
    complexity="O(1)",
    usage="source:key destination:key#1 member",
)
def smove_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, source, destination, member = c.db, argv[1], argv[2], argv[3]
    value = db.lookup_write(source)
    target = db.lookup_write(destination)
    if value is None:
        return ZERO
    expect(value, SetObj)
    expect(target, SetObj)
    if source == destination:
        return ONE if member in value else ZERO
    if not value.discard(member):
        return ZERO
    modified(db, source, 1, NOTIFY_SET, b"srem")
    _emptied(c, source, value)
    if target is None:
        target = SetObj()
        db.add(destination, target)
    if target.add(member, c.server.config.set_max_intset_entries):
        modified(db, destination, 1, NOTIFY_SET, b"sadd")
    return ONE


@command(
    b"SISMEMBER",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="set",
    since="1.0.0",
    summary="Tell whether a set has a member.",
    complexity="O(1)",
    usage="key member",
)
def sismember_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_set(c.db, argv[1])
    return ONE if value is not None and argv[2] in value else ZERO


@command(
    b"SMISMEMBER",
    -3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="set",
    since="6.2.0",
    summary="Tell which of several members a set has.",
    complexity="O(N) where N is the number of elements being checked for membership",
    usage="key member...",
)
def smismember_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_set(c.db, argv[1])
    return integer_array([int(value is not None and member in value) for member in argv[2:]])


@command(
    b"SCARD",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="set",
    since="1.0.0",
    summary="Return the number of members of a set.",
    complexity="O(1)",
    usage="key",
)
def scard_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_set(c.db, argv[1])
    return ZERO if value is None else integer(len(value))


@command(
    b"SMEMBERS",
    2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="set",
    since="1.0.0",
    summary="Return all members of a set.",
    complexity="O(N) where N is the set cardinality.",
    usage="key",
    tips=(b"nondeterministic_output_order",),
)
def smembers_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_set(c.db, argv[1])
    return EMPTY_SET[c.resp] if value is None else bulk_set(value.elements(), c.resp)


@command(
    b"SPOP",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="set",
    since="1.0.0",
    summary="Take random members out of a set.",
    complexity="Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    usage="key [count:int]@3.2.0",
    tips=(b"nondeterministic_output",),
    history=(("3.2.0", "Added the `count` argument."),),
)
def spop_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise syntax_error()
    db, key = c.db, argv[1]
    if len(argv) == 3:
        return _spop_count(c, key, get_positive(argv[2]))
    value = write_set(db, key)
    if value is None:
        return NULL[c.resp]
    member = value.pop_random(c.server.rng)
    modified(db, key, 1, NOTIFY_SET, b"spop")
    rewrite(c, [b"SREM", key, member])
    _emptied(c, key, value)
    return bulk(member)


def _spop_count(c: Client, key: bytes, count: int) -> bytes:
    db = c.db
    value = write_set(db, key)
    if value is None or count == 0:
        return EMPTY_SET[c.resp]
    if count >= len(value):
        members = value.elements()
        db.ks.stat_keyspace_hits += 1  # Redis reads the whole set as SUNION does
        db.delete(key)
        modified(db, key, len(members), NOTIFY_SET, b"spop")
        notify(db, key, NOTIFY_GENERIC, b"del")
        rewrite(c, [b"DEL", key])
    else:
        members = [value.pop_random(c.server.rng) for _ in range(count)]
        modified(db, key, len(members), NOTIFY_SET, b"spop")
        rewrite(c, [b"SREM", key, *members])
    return bulk_set(members, c.resp)


@command(
    b"SRANDMEMBER",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="set",
    since="1.0.0",
    summary="Return random members of a set.",
    complexity="Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    usage="key [count:int]@2.6.0",
    tips=(b"nondeterministic_output",),
    history=(("2.6.0", "Added the optional `count` argument."),),
)
def srandmember_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise syntax_error()
    if len(argv) == 2:
        value = read_set(c.db, argv[1])
        return NULL[c.resp] if value is None else bulk(value.random(c.server.rng))
    count = get_range_int(argv[2], -LLONG_MAX, LLONG_MAX)
    value = read_set(c.db, argv[1])
    if value is None or count == 0:
        return EMPTY_ARRAY
    return bulk_array(random_picks(value, c.server.rng, count))


# --- algebra --------------------------------------------------------------------------------------------------------

_INTER_COMPLEXITY: Final = (
    "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets."
)
_ALL_COMPLEXITY: Final = "O(N) where N is the total number of elements in all given sets."
_SOURCES: Final = K(2, KEY_RO | KEY_ACCESS, last=-1)
_STORE_KEYS: Final = (K(1, KEY_OW | KEY_UPDATE), _SOURCES)


def _members(value: SetObj | None) -> set[bytes]:
    return value.members if value is not None else set()


def set_operation(c: Client, name: bytes, keys: list[bytes]) -> set[bytes]:
    """The intersection, union or difference of the sets at ``keys``; every type is checked first."""
    values = [read_set(c.db, key) for key in keys]
    if name == b"inter":
        if any(value is None for value in values):
            return set()
        by_size = sorted(map(_members, values), key=len)
        return set.intersection(*by_size)
    if name == b"union":
        return set().union(*map(_members, values))
    return _members(values[0]).difference(*map(_members, values[1:]))


def _reply(c: Client, members: set[bytes]) -> bytes:
    return bulk_set(list(members), c.resp)


def _store(c: Client, name: bytes, argv: list[bytes]) -> bytes:
    db, key = c.db, argv[1]
    members = set_operation(c, name, argv[2:])
    if members:
        db.set_key(key, SetObj.from_members(members, c.server.config.set_max_intset_entries))
        modified(db, key, 1, NOTIFY_SET, b"s" + name + b"store")
    elif db.delete(key):
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
    return integer(len(members))


@command(
    b"SINTER",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS, last=-1),),
    group="set",
    since="1.0.0",
    summary="Return the members that all the sets have.",
    complexity=_INTER_COMPLEXITY,
    usage="key...",
    tips=(b"nondeterministic_output_order",),
)
def sinter_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _reply(c, set_operation(c, b"inter", argv[1:]))


@command(
    b"SUNION",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS, last=-1),),
    group="set",
    since="1.0.0",
    summary="Return the members that any of the sets has.",
    complexity=_ALL_COMPLEXITY,
    usage="key...",
    tips=(b"nondeterministic_output_order",),
)
def sunion_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _reply(c, set_operation(c, b"union", argv[1:]))


@command(
    b"SDIFF",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS, last=-1),),
    group="set",
    since="1.0.0",
    summary="Return the first set's members that the others lack.",
    complexity=_ALL_COMPLEXITY,
    usage="key...",
    tips=(b"nondeterministic_output_order",),
)
def sdiff_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _reply(c, set_operation(c, b"diff", argv[1:]))


@command(
    b"SINTERSTORE",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_UPDATE), _SOURCES),
    group="set",
    since="1.0.0",
    summary="Store the members that all the sets have.",
    complexity=_INTER_COMPLEXITY,
    usage="destination:key key#1...",
)
def sinterstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, b"inter", argv)


@command(
    b"SUNIONSTORE",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=_STORE_KEYS,
    group="set",
    since="1.0.0",
    summary="Store the members that any of the sets has.",
    complexity=_ALL_COMPLEXITY,
    usage="destination:key key#1...",
)
def sunionstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, b"union", argv)


@command(
    b"SDIFFSTORE",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=_STORE_KEYS,
    group="set",
    since="1.0.0",
    summary="Store the first set's members that the others lack.",
    complexity=_ALL_COMPLEXITY,
    usage="destination:key key#1...",
)
def sdiffstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, b"diff", argv)


@command(
    b"SINTERCARD",
    -3,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RO | KEY_ACCESS),),
    group="set",
    since="7.0.0",
    summary="Count the members that all the sets have.",
    complexity=_INTER_COMPLEXITY,
    usage="numkeys:int key... [LIMIT limit:int]",
)
def sintercard_command(c: Client, argv: list[bytes]) -> bytes | None:
    numkeys = get_range_int(argv[1], 1, LLONG_MAX, b"ERR numkeys should be greater than 0")
    if numkeys > len(argv) - 2:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    limit = 0
    at = 2 + numkeys
    while at < len(argv):
        if argv[at].upper() != b"LIMIT" or at + 1 >= len(argv):
            raise syntax_error()
        limit = get_positive(argv[at + 1], b"ERR LIMIT can't be negative")
        at += 2
    values = [read_set(c.db, key) for key in argv[2 : 2 + numkeys]]
    return integer(count_common([_members(value) for value in values], limit))


@command(
    b"SSCAN",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="set",
    since="2.8.0",
    summary="Walk through the members of a set.",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    usage="key cursor:int [MATCH pattern] [COUNT count:int]",
    tips=(b"nondeterministic_output",),
)
def sscan_command(c: Client, argv: list[bytes]) -> bytes | None:
    cursor = get_cursor(argv[2])
    value = read_set(c.db, argv[1])
    if value is None:
        return array_header(2) + bulk(b"0") + EMPTY_ARRAY
    options = parse_scan_options(argv, 3, "set", c.server.compat)
    cursor, members = value.scan(cursor, options.count)
    if options.pattern is not None:
        members = list(filter(compile_filter(options.pattern), members))
    return array_header(2) + bulk(b"%d" % cursor) + bulk_array(members)
