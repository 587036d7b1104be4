"""Keys of any type: removing, renaming, moving, copying; whole databases."""

from __future__ import annotations

from pyredis.core.args import get_range_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_DANGEROUS,
    ACL_KEYSPACE,
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
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
)
from pyredis.core.multi import touch_all_watched_keys
from pyredis.keyspace.db import Database
from pyredis.keyspace.encoding import TYPE_NAMES, copy_value
from pyredis.keyspace.modified import modified, ready
from pyredis.keyspace.state import HOOK_BLOCKING, NOTIFY_GENERIC
from pyredis.resp.errors import DB_OUT_OF_RANGE, NO_SUCH_KEY, SAME_OBJECT, CommandError
from pyredis.resp.reply import (
    OK,
    ONE,
    ZERO,
    integer,
    simple,
)


def _delete(c: Client, argv: list[bytes], lazily: bool) -> bytes:
    db = c.db
    removed = 0
    for key in argv[1:]:
        if db.expires:
            db.expire_if_needed(key)
        if lazily:
            c.server.lazy.value(db.dict.get(key))
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
    usage="key...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def del_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _delete(c, argv, c.server.config.lazyfree_lazy_user_del)


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
    usage="key...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def unlink_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _delete(c, argv, True)


@command(
    b"EXISTS",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO, last=-1),),
    group="generic",
    since="1.0.0",
    summary="Count how many of the keys are there.",
    complexity="O(N) where N is the number of keys to check.",
    usage="key...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
    history=(("3.0.3", "Accepts multiple `key` arguments."),),
)
def exists_command(c: Client, argv: list[bytes]) -> bytes | None:
    look = c.db.look
    return integer(sum(look(key) is not None for key in argv[1:]))


@command(
    b"TOUCH",
    -2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO, last=-1),),
    group="generic",
    since="3.2.1",
    summary="Mark keys as used just now.",
    complexity="O(N) where N is the number of keys that will be touched.",
    usage="key...",
    tips=(
        b"request_policy:multi_shard",
        b"response_policy:agg_sum",
    ),
)
def touch_command(c: Client, argv: list[bytes]) -> bytes | None:
    lookup = c.db.lookup_read
    return integer(sum(lookup(key) is not None for key in argv[1:]))


@command(
    b"TYPE",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="generic",
    since="1.0.0",
    summary="Return the type of a key's value.",
    complexity="O(1)",
    usage="key",
)
def type_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.look(argv[1])
    return simple(b"none" if value is None else TYPE_NAMES[type(value)])


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
    when, use = db.get_expire(old), db.use_of(old)
    db.delete(old)
    db.adopt(new, value, use)
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
    usage="key newkey:key#1",
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
    usage="key newkey:key#1",
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
    usage="key db:int",
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
    target.adopt(key, value, source.use_of(key))
    if when >= 0:
        target.set_expire(key, when)
    source.delete(key)
    modified(source, key, 0, NOTIFY_GENERIC, b"move_from")
    modified(target, key, 1, NOTIFY_GENERIC, b"move_to")
    return ONE


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
    usage="source:key destination:key#1 [DB destination-db:int] [REPLACE]",
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
    target.adopt(argv[2], copy_value(value))
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
    usage="index1:int index2:int",
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
                for key in db.blocking_keys:
                    ready(db, key)
    c.server.dirty += 1
    return OK


def _flush(c: Client, argv: list[bytes], dbs: list[Database]) -> bytes:
    if len(argv) > 2 or (len(argv) == 2 and argv[1].upper() not in (b"SYNC", b"ASYNC")):
        raise syntax_error()
    lazily = argv[1].upper() == b"ASYNC" if len(argv) == 2 else c.server.config.lazyfree_lazy_user_flush
    for db in dbs:
        touch_all_watched_keys(db)
        c.server.dirty += db.clear(lazily)
        for key in db.blocking_keys:
            ready(db, key)  # who reads a stream for a group waits no longer
    c.server.tracking.flushed()
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
    usage="async=[ASYNC@4.0.0|SYNC@6.2.0]",
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
    usage="async=[ASYNC@4.0.0|SYNC@6.2.0]",
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
    server = c.server
    before = server.dirty
    reply = _flush(c, argv, server.dbs)
    server.snapshots.flushed()
    if server.dirty == before:
        server.dirty += 1  # it must be propagated, although a snapshot has been written
    return reply
