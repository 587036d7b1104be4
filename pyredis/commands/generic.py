"""Keys of any type: removing, renaming, copying, expiry, SCAN, OBJECT."""

from __future__ import annotations

from typing import Any, Final

from pyredis.core.args import get_cursor, get_int, get_range_int, parse_scan_options, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_KEYSPACE,
    CMD_DENYOOM,
    CMD_FAST,
    CMD_LOADING,
    CMD_READONLY,
    CMD_STALE,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_OW,
    KEY_RM,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
    container,
)
from pyredis.core.multi import touch_all_watched_keys
from pyredis.core.propagate import rewrite
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.modified import modified, touched
from pyredis.keyspace.state import HOOK_BLOCKING, NOTIFY_GENERIC
from pyredis.lib.glob import compile_pattern
from pyredis.lib.intparse import LLONG_MAX, LLONG_MIN, string2ll
from pyredis.resp.errors import DB_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, CommandError
from pyredis.resp.reply import (
    NULL,
    OK,
    ONE,
    ZERO,
    array_header,
    bulk,
    bulk_array,
    help_reply,
    integer,
    simple,
)

TYPE_NAMES: Final[dict[type, bytes]] = {
    bytes: b"string",
    bytearray: b"string",
    ListObj: b"list",
    SetObj: b"set",
    ZSetObj: b"zset",
    HashObj: b"hash",
}
_EMBSTR_MAX: Final = 44


def _delete(c: Client, argv: list[bytes]) -> bytes:
    db = c.db
    removed = 0
    for key in argv[1:]:
        if db.expires:
            db.expire_if_needed(key)
        if db.delete(key):
            modified(db, key, 1, NOTIFY_GENERIC, b"del")
            removed += 1
    return integer(removed)


@command(
    b"DEL",
    -2,
    CMD_WRITE,
    keys=(K(1, KEY_RM | KEY_DELETE, last=-1),),
    group="generic",
    since="1.0.0",
    summary="Remove keys.",
    complexity=(
        "O(N) where N is the number of keys that will be removed. When a key to remove holds a value "
        "other than a string, the individual complexity for this key is O(M) where M is the number of "
        "elements in the list, set, sorted set or hash. Removing a single key that holds a string value "
        "is O(1)."
    ),
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def del_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _delete(c, argv)


@command(
    b"UNLINK",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RM | KEY_DELETE, last=-1),),
    group="generic",
    since="4.0.0",
    summary="Remove keys, freeing their memory later where that takes long.",
    complexity=(
        "O(1) for each key removed regardless of its size. Then the command does O(N) work in a "
        "different thread in order to reclaim memory, where N is the number of allocations the deleted "
        "objects where composed of."
    ),
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def unlink_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _delete(c, argv)


def _count_existing(c: Client, keys: list[bytes]) -> bytes:
    lookup = c.db.lookup_read
    return integer(sum(lookup(key) is not None for key in keys))


@command(
    b"EXISTS",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO, last=-1),),
    group="generic",
    since="1.0.0",
    summary="Count how many of the keys are there.",
    complexity="O(N) where N is the number of keys to check.",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
    history=(("3.0.3", "Accepts multiple `key` arguments."),),
)
def exists_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _count_existing(c, argv[1:])


@command(
    b"TOUCH",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO, last=-1),),
    group="generic",
    since="3.2.1",
    summary="Mark keys as used just now.",
    complexity="O(N) where N is the number of keys that will be touched.",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def touch_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _count_existing(c, argv[1:])


@command(
    b"TYPE",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="generic",
    since="1.0.0",
    summary="Return the type of a key's value.",
    complexity="O(1)",
)
def type_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.peek(argv[1])
    return simple(b"none" if value is None else TYPE_NAMES[type(value)])


@command(
    b"KEYS",
    2,
    CMD_READONLY,
    group="generic",
    since="1.0.0",
    summary="Return all keys that match a pattern.",
    complexity=(
        "O(N) with N being the number of keys in the database, under the assumption that the key names "
        "in the database and the given pattern have limited length."
    ),
    tips=(
        b"request_policy:all_shards",
        b"nondeterministic_output_order",
    ),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)
def keys_command(c: Client, argv: list[bytes]) -> bytes | None:
    db = c.db
    fits = compile_pattern(argv[1])
    now = c.server.mstime
    expires = db.expires
    if expires:
        found = [key for key in db.dict if fits(key) and expires.get(key, now + 1) > now]
    else:
        found = list(filter(fits, db.dict))
    return bulk_array(found)


@command(
    b"SCAN",
    -2,
    CMD_READONLY,
    group="generic",
    since="2.8.0",
    summary="Walk through the keys of the database.",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection."
    ),
    tips=(
        b"nondeterministic_output",
        b"request_policy:special",
    ),
    history=(("6.0.0", "Added the `TYPE` subcommand."),),
)
def scan_command(c: Client, argv: list[bytes]) -> bytes | None:
    cursor = get_cursor(argv[1])
    options = parse_scan_options(argv, 2, True)
    db = c.db
    cursor, keys = db.key_index().scan(cursor, options.count)
    if options.pattern is not None:
        keys = list(filter(compile_pattern(options.pattern), keys))
    if options.type is not None:
        wanted = options.type.lower()
        keys = [key for key in keys if TYPE_NAMES[type(db.dict[key])] == wanted]
    if db.expires:
        keys = [key for key in keys if not db.expire_if_needed(key)]
    return array_header(2) + bulk(b"%d" % cursor) + bulk_array(keys)


@command(
    b"RANDOMKEY",
    1,
    CMD_READONLY,
    group="generic",
    since="1.0.0",
    summary="Return a random key.",
    complexity="O(1)",
    tips=(
        b"request_policy:all_shards",
        b"nondeterministic_output",
    ),
)
def randomkey_command(c: Client, argv: list[bytes]) -> bytes | None:
    key = c.db.random_key()
    return NULL[c.resp] if key is None else bulk(key)


@command(
    b"DBSIZE",
    1,
    CMD_READONLY | CMD_FAST,
    group="server",
    since="1.0.0",
    summary="Return the number of keys in the database.",
    complexity="O(1)",
    tips=(
        b"request_policy:all_shards",
        b"response_policy:agg_sum",
    ),
    acl=ACL_KEYSPACE,
)
def dbsize_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.db))


# --- renaming, moving, copying --------------------------------------------------------------------------------------


def _rename(c: Client, argv: list[bytes], nx: bool) -> bytes:
    db, old, new = c.db, argv[1], argv[2]
    value = db.lookup_write(old)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if old == new:
        return ZERO if nx else OK
    if db.lookup_write(new) is not None:
        if nx:
            return ZERO
        db.delete(new)
    when = db.get_expire(old)
    db.delete(old)
    db.add(new, value)
    if when >= 0:
        db.set_expire(new, when)
    modified(db, old, 0, NOTIFY_GENERIC, b"rename_from")
    modified(db, new, 1, NOTIFY_GENERIC, b"rename_to")
    return ONE if nx else OK


@command(
    b"RENAME",
    3,
    CMD_WRITE,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_OW | KEY_UPDATE),
    ),
    group="generic",
    since="1.0.0",
    summary="Give a key another name.",
    complexity="O(1)",
)
def rename_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _rename(c, argv, False)


@command(
    b"RENAMENX",
    3,
    CMD_WRITE | CMD_FAST,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_OW | KEY_INSERT),
    ),
    group="generic",
    since="1.0.0",
    summary="Give a key another name unless that one is taken.",
    complexity="O(1)",
    history=(("3.2.0", "The command no longer returns an error when source and destination names are the same."),),
)
def renamenx_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _rename(c, argv, True)


def get_db(c: Client, text: bytes, message: bytes = b"") -> Database:
    """The database of a number; ``message`` is for what is no 32-bit integer."""
    return db_of(c, get_range_int(text, -(1 << 31), (1 << 31) - 1, message))


def db_of(c: Client, n: int) -> Database:
    """The database of a number that was read already."""
    if not 0 <= n < len(c.server.dbs):
        raise CommandError(DB_OUT_OF_RANGE)
    return c.server.dbs[n]


@command(
    b"MOVE",
    3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="generic",
    since="1.0.0",
    summary="Move a key to another database.",
    complexity="O(1)",
)
def move_command(c: Client, argv: list[bytes]) -> bytes | None:
    source, key = c.db, argv[1]
    target = get_db(c, argv[2])
    if target is source:
        raise CommandError(SAME_OBJECT)
    value = source.lookup_write(key)
    if value is None or target.lookup_write(key) is not None:
        return ZERO
    when = source.get_expire(key)
    target.add(key, value)
    if when >= 0:
        target.set_expire(key, when)
    source.delete(key)
    modified(source, key, 0, NOTIFY_GENERIC, b"move_from")
    modified(target, key, 1, NOTIFY_GENERIC, b"move_to")
    return ONE


def copy_value(value: Any) -> Any:
    """An independent copy of any value."""
    return value if type(value) is bytes else value.copy()


@command(
    b"COPY",
    -3,
    CMD_WRITE | CMD_DENYOOM,
    keys=(
        K(1, KEY_RO | KEY_ACCESS),
        K(2, KEY_OW | KEY_UPDATE),
    ),
    group="generic",
    since="6.2.0",
    summary="Copy a key's value to another key.",
    complexity="O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
)
def copy_command(c: Client, argv: list[bytes]) -> bytes | None:
    source = target = c.db
    replace = False
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and at + 1 < len(argv):
            target = get_db(c, argv[at + 1])
            at += 1
        else:
            raise syntax_error()
        at += 1
    if source is target and argv[1] == argv[2]:
        raise CommandError(SAME_OBJECT)
    value = source.lookup_read(argv[1])
    if value is None:
        return ZERO
    if target.lookup_write(argv[2]) is not None:
        if not replace:
            return ZERO
        target.delete(argv[2])
    target.add(argv[2], copy_value(value))
    when = source.get_expire(argv[1])
    if when >= 0:
        target.set_expire(argv[2], when)
    modified(target, argv[2], 1, NOTIFY_GENERIC, b"copy_to")
    return ONE


@command(
    b"SWAPDB",
    3,
    CMD_WRITE | CMD_FAST,
    group="server",
    since="4.0.0",
    summary="Exchange two databases.",
    complexity="O(N) where N is the count of clients watching or blocking on keys from both databases.",
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
)
def swapdb_command(c: Client, argv: list[bytes]) -> bytes | None:
    one = get_range_int(argv[1], -(1 << 31), (1 << 31) - 1, b"ERR invalid first DB index")
    two = get_range_int(argv[2], -(1 << 31), (1 << 31) - 1, b"ERR invalid second DB index")
    first, second = db_of(c, one), db_of(c, two)
    if first is not second:
        touch_all_watched_keys(first, second)
        touch_all_watched_keys(second, first)
        first.swap_contents(second)
        for db in (first, second):
            if db.hooks & HOOK_BLOCKING:
                for key in list(db.blocking_keys):
                    touched(db, key)
    c.server.dirty += 1
    return OK


def _flush(c: Client, argv: list[bytes], dbs: list[Database]) -> bytes:
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"SYNC", b"ASYNC")):
        raise syntax_error()
    for db in dbs:
        touch_all_watched_keys(db)
        c.server.dirty += db.clear()
    c.server.dirty += 1
    return OK


@command(
    b"FLUSHDB",
    -1,
    CMD_WRITE,
    group="server",
    since="1.0.0",
    summary="Remove all keys of the database.",
    complexity="O(N) where N is the number of keys in the selected database",
    tips=(
        b"request_policy:all_shards",
        b"response_policy:all_succeeded",
    ),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
    history=(
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ),
)
def flushdb_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _flush(c, argv, [c.db])


@command(
    b"FLUSHALL",
    -1,
    CMD_WRITE,
    group="server",
    since="1.0.0",
    summary="Remove all keys of all databases.",
    complexity="O(N) where N is the total number of keys in all databases",
    tips=(
        b"request_policy:all_shards",
        b"response_policy:all_succeeded",
    ),
    acl=ACL_KEYSPACE | ACL_DANGEROUS,
    history=(
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ),
)
def flushall_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _flush(c, argv, c.server.dbs)


# --- expiry ---------------------------------------------------------------------------------------------------------


def _expire_options(argv: list[bytes]) -> tuple[bool, bool, bool, bool]:
    nx = xx = gt = lt = False
    for word in argv[3:]:
        upper = word.upper()
        nx |= upper == b"NX"
        xx |= upper == b"XX"
        gt |= upper == b"GT"
        lt |= upper == b"LT"
        if upper not in (b"NX", b"XX", b"GT", b"LT"):
            raise CommandError(b"ERR Unsupported option " + word)
    if nx and (xx or gt or lt):
        raise CommandError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if gt and lt:
        raise CommandError(b"ERR GT and LT options at the same time are not compatible")
    return nx, xx, gt, lt


def _expire(c: Client, argv: list[bytes], base: int, unit: int, name: bytes) -> bytes:
    db, key = c.db, argv[1]
    nx, xx, gt, lt = _expire_options(argv)
    n = get_int(argv[2])
    when = n * unit
    invalid = CommandError(b"ERR invalid expire time in '%b' command" % name)
    if not LLONG_MIN <= when <= LLONG_MAX:
        raise invalid
    when += base
    if when > LLONG_MAX:
        raise invalid
    if db.lookup_write(key) is None:
        return ZERO
    current = db.get_expire(key)
    if (
        (nx and current >= 0)
        or (xx and current < 0)
        or (gt and (current < 0 or when <= current))
        or (lt and 0 <= current <= when)
    ):
        return ZERO
    if when <= c.server.mstime:
        db.delete(key)
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
        rewrite(c, [b"DEL", key])
    else:
        db.set_expire(key, when)
        modified(db, key, 1, NOTIFY_GENERIC, b"expire")
        rewrite(c, [b"PEXPIREAT", key, b"%d" % when])
    return ONE


@command(
    b"EXPIRE",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="generic",
    since="1.0.0",
    summary="Let a key expire after seconds.",
    complexity="O(1)",
    history=(("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),),
)
def expire_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _expire(c, argv, c.server.mstime, 1000, b"expire")


@command(
    b"PEXPIRE",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="generic",
    since="2.6.0",
    summary="Let a key expire after milliseconds.",
    complexity="O(1)",
    history=(("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),),
)
def pexpire_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _expire(c, argv, c.server.mstime, 1, b"pexpire")


@command(
    b"EXPIREAT",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="generic",
    since="1.2.0",
    summary="Let a key expire at a Unix time in seconds.",
    complexity="O(1)",
    history=(("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),),
)
def expireat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _expire(c, argv, 0, 1000, b"expireat")


@command(
    b"PEXPIREAT",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="generic",
    since="2.6.0",
    summary="Let a key expire at a Unix time in milliseconds.",
    complexity="O(1)",
    history=(("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),),
)
def pexpireat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _expire(c, argv, 0, 1, b"pexpireat")


def _ttl(c: Client, key: bytes, relative: bool, milliseconds: bool) -> bytes:
    if c.db.peek(key) is None:
        return integer(-2)
    when = c.db.get_expire(key)
    if when < 0:
        return integer(-1)
    if relative:
        when = max(0, when - c.server.mstime)
    return integer(when if milliseconds else (when + 500) // 1000)


@command(
    b"TTL",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="generic",
    since="1.0.0",
    summary="Return the seconds a key has left.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
    history=(("2.8.0", "Added the -2 reply."),),
)
def ttl_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _ttl(c, argv[1], True, False)


@command(
    b"PTTL",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="generic",
    since="2.6.0",
    summary="Return the milliseconds a key has left.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
    history=(("2.8.0", "Added the -2 reply."),),
)
def pttl_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _ttl(c, argv[1], True, True)


@command(
    b"EXPIRETIME",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="generic",
    since="7.0.0",
    summary="Return the Unix time in seconds at which a key expires.",
    complexity="O(1)",
)
def expiretime_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _ttl(c, argv[1], False, False)


@command(
    b"PEXPIRETIME",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="generic",
    since="7.0.0",
    summary="Return the Unix time in milliseconds at which a key expires.",
    complexity="O(1)",
)
def pexpiretime_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _ttl(c, argv[1], False, True)


@command(
    b"PERSIST",
    2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="generic",
    since="2.2.0",
    summary="Take a key's deadline away.",
    complexity="O(1)",
)
def persist_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    if db.lookup_write(key) is None or not db.persist(key):
        return ZERO
    modified(db, key, 1, NOTIFY_GENERIC, b"persist")
    return ONE


# --- OBJECT ---------------------------------------------------------------------------------------------------------


def encoding_of(value: Any) -> bytes:
    """The encoding Redis 7.0 would report."""
    if type(value) is bytes:
        if string2ll(value) is not None:
            return b"int"
        return b"embstr" if len(value) <= _EMBSTR_MAX else b"raw"
    if type(value) is bytearray:
        return b"raw"
    return str(value.encoding()).encode()


container(
    b"OBJECT",
    -2,
    0,
    group="generic",
    since="2.2.3",
    summary="Look at how keys are kept inside.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"OBJECT|ENCODING",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="2.2.3",
    summary="Return the internal encoding of a value.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def object_encoding_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.peek(argv[2])
    return NULL[c.resp] if value is None else bulk(encoding_of(value))


@command(
    b"OBJECT|REFCOUNT",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="2.2.3",
    summary="Return how often a value is referred to.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def object_refcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.peek(argv[2])
    if value is None:
        return NULL[c.resp]
    shared = type(value) is bytes and len(value) < 5 and string2ll(value) is not None and 0 <= int(value) < 10000
    return integer(LLONG_MAX >> 32 if shared else 1)


@command(
    b"OBJECT|IDLETIME",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="2.2.3",
    summary="Return the seconds since a key was last used.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def object_idletime_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.db.peek(argv[2]) is None:
        return NULL[c.resp]
    return integer(c.server.mstime // 1000 - c.db.track_access()[argv[2]])


@command(
    b"OBJECT|FREQ",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="4.0.0",
    summary="Return how often a key is used, on a logarithmic scale.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def object_freq_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.db.peek(argv[2]) is None:
        return NULL[c.resp]
    raise CommandError(
        b"ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching "
        b"between policies at runtime LRU and LFU data will take some time to adjust."
    )


@command(
    b"OBJECT|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="generic",
    since="6.2.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def object_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"OBJECT",
        [
            b"ENCODING <key>",
            b"    Return the kind of internal representation used in order to store the value",
            b"    associated with a <key>.",
            b"FREQ <key>",
            b"    Return the access frequency index of the <key>. The returned integer is",
            b"    proportional to the logarithm of the recent access frequency of the key.",
            b"IDLETIME <key>",
            b"    Return the idle time of the <key>, that is the approximated number of",
            b"    seconds elapsed since the last access to the key.",
            b"REFCOUNT <key>",
            b"    Return the number of references of the value associated with the specified",
            b"    <key>.",
        ],
    )
