"""Hashes: fields and values, counters, random fields."""

from __future__ import annotations

from pyredis.core.args import (
    get_cursor,
    get_int,
    get_range_int,
    incr_long_double,
    parse_scan_options,
    random_picks,
    read_fields,
    read_hash,
    syntax_error,
    write_fields,
)
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.hashes import purged
from pyredis.core.propagate import rewrite
from pyredis.engines.hash import HashObj
from pyredis.engines.volatile_hash import VolatileHashObj
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_HASH
from pyredis.lib.glob import compile_filter
from pyredis.lib.intparse import LLONG_MAX, LLONG_MIN, string2ll
from pyredis.lib.longdouble import parse_long_double
from pyredis.resp.errors import NOT_A_FLOAT, OUT_OF_RANGE, CommandError, wrong_arity
from pyredis.resp.reply import (
    EMPTY_ARRAY,
    EMPTY_MAP,
    NULL,
    OK,
    ONE,
    ZERO,
    array_header,
    bulk,
    bulk_array,
    bulk_array_or_nulls,
    bulk_map,
    bulk_or_null,
    integer,
)


def _hash_for_write(c: Client, argv: list[bytes]) -> HashObj:
    return _hash_or_new(c, argv[1], write_fields(c.db, argv))


def _hash_or_new(c: Client, key: bytes, value: HashObj | None) -> HashObj:
    """The hash that was looked up, or a new one if there was none."""
    if value is None:
        value = HashObj()
        c.db.add(key, value)
    return value


def _set_pairs(c: Client, argv: list[bytes], name: bytes) -> int:
    if len(argv) % 2:
        raise wrong_arity(name)
    config = c.server.config
    value = _hash_for_write(c, argv)
    limit, size = config.hash_max_listpack_entries, config.hash_max_listpack_value
    created = 0
    if len(argv) == 4:
        created += value.set(argv[2], argv[3], limit, size)
    else:
        for at in range(2, len(argv), 2):
            created += value.set(argv[at], argv[at + 1], limit, size)
    modified(c.db, argv[1], len(argv) // 2 - 1, NOTIFY_HASH, b"hset")
    return created


@command(
    b"HSET",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="2.0.0",
    summary="Set fields of a hash.",
    complexity=(
        "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is "
        "called with multiple field/value pairs."
    ),
    usage="key (field value)...",
    history=(("4.0.0", "Accepts multiple `field` and `value` arguments."),),
)
def hset_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(_set_pairs(c, argv, b"hset"))


@command(
    b"HMSET",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="hash",
    since="2.0.0",
    summary="Set fields of a hash (old form of HSET).",
    complexity="O(N) where N is the number of fields being set.",
    usage="key (field value)...",
    deprecated_since="4.0.0",
    replaced_by="`HSET` with multiple field-value pairs",
    doc_flags=("deprecated",),
)
def hmset_command(c: Client, argv: list[bytes]) -> bytes | None:
    _set_pairs(c, argv, b"hmset")
    return OK


def _set_one(c: Client, key: bytes, value: HashObj, field: bytes, data: bytes, event: bytes) -> None:
    config = c.server.config
    # Not the volatile hash's own: the field keeps its deadline.
    HashObj.set(value, field, data, config.hash_max_listpack_entries, config.hash_max_listpack_value)
    modified(c.db, key, 1, NOTIFY_HASH, event)


@command(
    b"HSETNX",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="hash",
    since="2.0.0",
    summary="Set a field of a hash unless it is there already.",
    complexity="O(1)",
    usage="key field value",
)
def hsetnx_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = write_fields(c.db, argv)
    if value is not None and argv[2] in value.fields:
        return ZERO
    _set_one(c, argv[1], _hash_for_write(c, argv), argv[2], argv[3], b"hset")
    return ONE


@command(
    b"HGET",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.0.0",
    summary="Return the value of a hash's field.",
    complexity="O(1)",
    usage="key field",
)
def hget_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_fields(c.db, argv)
    return NULL[c.resp] if value is None else bulk_or_null(value.fields.get(argv[2]), c.resp)


@command(
    b"HMGET",
    -3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.0.0",
    summary="Return the values of several fields of a hash.",
    complexity="O(N) where N is the number of fields being requested.",
    usage="key field...",
)
def hmget_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_fields(c.db, argv)
    fields: dict[bytes, bytes] = {} if value is None else value.fields
    return bulk_array_or_nulls([fields.get(field) for field in argv[2:]], c.resp)


@command(
    b"HGETALL",
    2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.0.0",
    summary="Return all fields and values of a hash.",
    complexity="O(N) where N is the size of the hash.",
    usage="key",
    tips=(b"nondeterministic_output_order",),
)
def hgetall_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_hash(c.db, argv[1])
    if value is None:
        return EMPTY_MAP[c.resp]
    flat = [part for pair in value.fields.items() for part in pair]
    return bulk_map(flat, c.resp)


@command(
    b"HKEYS",
    2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.0.0",
    summary="Return all fields of a hash.",
    complexity="O(N) where N is the size of the hash.",
    usage="key",
    tips=(b"nondeterministic_output_order",),
)
def hkeys_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_hash(c.db, argv[1])
    return EMPTY_ARRAY if value is None else bulk_array(list(value.fields))


@command(
    b"HVALS",
    2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.0.0",
    summary="Return all values of a hash.",
    complexity="O(N) where N is the size of the hash.",
    usage="key",
    tips=(b"nondeterministic_output_order",),
)
def hvals_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_hash(c.db, argv[1])
    return EMPTY_ARRAY if value is None else bulk_array(list(value.fields.values()))


@command(
    b"HLEN",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="hash",
    since="2.0.0",
    summary="Return the number of fields of a hash.",
    complexity="O(1)",
    usage="key",
)
def hlen_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.lookup_read(argv[1])
    if value is not None and type(value) is not HashObj:
        value = purged(c.db, argv[1], value)
    return ZERO if value is None else integer(len(value))


@command(
    b"HSTRLEN",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="hash",
    since="3.2.0",
    summary="Return the length of a field's value.",
    complexity="O(1)",
    usage="key field",
)
def hstrlen_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_fields(c.db, argv)
    return integer(len(value.fields.get(argv[2], b""))) if value is not None else ZERO


@command(
    b"HEXISTS",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="hash",
    since="2.0.0",
    summary="Tell whether a hash has a field.",
    complexity="O(1)",
    usage="key field",
)
def hexists_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_fields(c.db, argv)
    return ONE if value is not None and argv[2] in value.fields else ZERO


@command(
    b"HDEL",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="hash",
    since="2.0.0",
    summary="Remove fields from a hash.",
    complexity="O(N) where N is the number of fields to be removed.",
    usage="key field...",
    history=(("2.4.0", "Accepts multiple `field` arguments."),),
)
def hdel_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    value = write_fields(db, argv)
    if value is None:
        return ZERO
    removed = 0
    for field in argv[2:]:
        removed += value.delete(field)
    if removed:
        modified(db, key, removed, NOTIFY_HASH, b"hdel")
        if not len(value):
            db.delete(key)
            notify(db, key, NOTIFY_GENERIC, b"del")
    return integer(removed)


@command(
    b"HINCRBY",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="hash",
    since="2.0.0",
    summary="Add a number to an integer field.",
    complexity="O(1)",
    usage="key field increment:int",
)
def hincrby_command(c: Client, argv: list[bytes]) -> bytes | None:
    by = get_int(argv[3])
    value = write_fields(c.db, argv)
    old: int | None = 0
    if value is not None and argv[2] in value.fields:
        old = string2ll(value.fields[argv[2]])
        if old is None:
            raise CommandError(b"ERR hash value is not an integer")
    assert old is not None
    n = old + by
    if not LLONG_MIN <= n <= LLONG_MAX:
        raise CommandError(b"ERR increment or decrement would overflow")
    _set_one(c, argv[1], _hash_or_new(c, argv[1], value), argv[2], b"%d" % n, b"hincrby")
    return integer(n)


@command(
    b"HINCRBYFLOAT",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="hash",
    since="2.6.0",
    summary="Add a floating-point number to a field.",
    complexity="O(1)",
    usage="key field increment:double",
)
def hincrbyfloat_command(c: Client, argv: list[bytes]) -> bytes | None:
    by = parse_long_double(argv[3])
    if by is None:
        raise CommandError(NOT_A_FLOAT)
    if isinstance(by, float):
        raise CommandError(b"ERR value is NaN or Infinity")
    value = write_fields(c.db, argv)
    old = b"0" if value is None else value.fields.get(argv[2], b"0")
    result = incr_long_double(old, argv[3], b"ERR hash value is not a float")
    value = _hash_or_new(c, argv[1], value)
    _set_one(c, argv[1], value, argv[2], result, b"hincrbyfloat")
    when = value.deadline(argv[2]) if type(value) is VolatileHashObj else -1
    if when < 0:
        rewrite(c, [b"HSET", argv[1], argv[2], result])
    else:
        deadline = [b"HPEXPIREAT", argv[1], b"%d" % when, b"FIELDS", b"1", argv[2]]
        rewrite(c, [b"HSET", argv[1], argv[2], result], deadline)
    return bulk(result)


@command(
    b"HRANDFIELD",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="6.2.0",
    summary="Return random fields of a hash.",
    complexity="O(N) where N is the number of fields returned",
    usage="key options=[count:int [WITHVALUES]]",
    tips=(b"nondeterministic_output",),
)
def hrandfield_command(c: Client, argv: list[bytes]) -> bytes | None:
    rng = c.server.rng
    if len(argv) == 2:
        value = read_hash(c.db, argv[1])
        return NULL[c.resp] if value is None else bulk(value.random(rng))
    count = get_range_int(argv[2], -LLONG_MAX, LLONG_MAX)
    with_values = len(argv) > 3
    if len(argv) > 4 or (with_values and argv[3].upper() != b"WITHVALUES"):
        raise syntax_error()
    if with_values and abs(count) > LLONG_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    value = read_hash(c.db, argv[1])
    if value is None or count == 0:
        return EMPTY_ARRAY
    fields = random_picks(value, rng, count)
    if not with_values:
        return bulk_array(fields)
    if c.resp == 3:
        pairs = [array_header(2) + bulk(f) + bulk(value.fields[f]) for f in fields]
        return array_header(len(pairs)) + b"".join(pairs)
    return bulk_array([part for f in fields for part in (f, value.fields[f])])


@command(
    b"HSCAN",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="hash",
    since="2.8.0",
    summary="Walk through the fields of a hash.",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    usage="key cursor:int [MATCH pattern] [COUNT count:int] [NOVALUES]@7.4.0",
    history=(("7.4.0", "Added the `NOVALUES` flag."),),
    tips=(b"nondeterministic_output",),
)
def hscan_command(c: Client, argv: list[bytes]) -> bytes | None:
    cursor = get_cursor(argv[2])
    found = c.db.lookup_read(argv[1])
    value = None if found is None else purged(c.db, argv[1], found)
    if value is None:
        return array_header(2) + bulk(b"0") + EMPTY_ARRAY
    options = parse_scan_options(argv, 3, "hash", c.server.compat)
    cursor, fields = value.scan(cursor, options.count)
    fields = value.live(fields, c.server.mstime)
    if options.pattern is not None:
        fields = list(filter(compile_filter(options.pattern), fields))
    flat = fields if options.novalues else [part for f in fields for part in (f, value.fields[f])]
    return array_header(2) + bulk(b"%d" % cursor) + bulk_array(flat)
