"""Strings of Redis 8.4: digests, deleting under a condition, setting several with a deadline."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_range_int, read_string
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_OW,
    KEY_RM,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    KEY_VARIABLE_FLAGS,
    K,
    KNum,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.core.strings import CONDITIONS, digest, is_met, parse_msetex_options
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_STRING
from pyredis.resp.errors import CommandError, wrong_arity
from pyredis.resp.reply import NULL, ONE, ZERO, bulk

_INT_MAX: Final = (1 << 31) - 1


@command(
    b"DIGEST",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="string",
    since="8.4.0",
    summary="Return the XXH3 hash of a string in hexadecimal digits.",
    complexity="O(N) where N is the length of the string value.",
    usage="key",
)
def digest_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_string(c.db, argv[1])
    return NULL[c.resp] if value is None else bulk(digest(value))


def delex_get_keys(argv: list[bytes]) -> list[tuple[int, int]]:
    """DELEX's key: read only where there is a condition."""
    return [(1, KEY_RW | KEY_ACCESS | KEY_DELETE if len(argv) > 2 else KEY_RM | KEY_DELETE)]


@command(
    b"DELEX",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE | KEY_VARIABLE_FLAGS),),
    get_keys=delex_get_keys,
    group="string",
    since="8.4.0",
    summary="Delete a key, optionally only if its string has some value or digest, or has not.",
    complexity="O(1) for IFEQ/IFNE, O(N) for IFDEQ/IFDNE where N is the length of the string value.",
    usage="key condition=[IFEQ ifeq-value|IFNE ifne-value|IFDEQ ifdeq-digest:int|IFDNE ifdne-digest:int]",
)
def delex_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    if len(argv) not in (2, 4):
        raise wrong_arity(b"delex")
    value = db.lookup_write(key)
    if value is None:
        return ZERO
    if len(argv) == 4:
        if type(value) is not bytes and type(value) is not bytearray:
            raise CommandError(b"ERR Key should be of string type if conditions are specified")
        condition = argv[2].upper()
        if condition not in CONDITIONS:
            raise CommandError(b"ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE")
        if not is_met(condition, argv[3], value):
            return ZERO
    db.delete(key)
    modified(db, key, 1, NOTIFY_GENERIC, b"del")
    rewrite(c, [b"DEL", key])
    return ONE


@command(
    b"MSETEX",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_OW | KEY_UPDATE, step=2),),
    group="string",
    since="8.4.0",
    summary="Set several strings at once, optionally with a condition and a deadline for all.",
    complexity="O(N) where N is the number of keys to set.",
    usage=(
        "numkeys:int data=(key value)... condition=[NX|XX] expiration=[EX seconds:int|PX milliseconds:int|"
        "EXAT unix-time-seconds:time|PXAT unix-time-milliseconds:time|KEEPTTL]"
    ),
    tips=(b"request_policy:multi_shard", b"response_policy:all_succeeded"),
)
def msetex_command(c: Client, argv: list[bytes]) -> bytes | None:
    numkeys = get_range_int(argv[1], 1, _INT_MAX, b"ERR invalid numkeys value")
    end = 2 + 2 * numkeys
    if end > len(argv):
        raise CommandError(b"ERR wrong number of key-value pairs")
    o = parse_msetex_options(argv, end)
    o.resolve_expire(c.server.mstime, b"msetex")
    db = c.db
    keys, values = argv[2:end:2], argv[3:end:2]
    if o.nx or o.xx:
        for key in keys:
            if (db.lookup_write(key) is None) is o.xx:
                return ZERO
    for key, value in zip(keys, values):
        db.set_key(key, value, o.keep_ttl)
        if o.deadline:
            db.set_expire(key, o.deadline)
        modified(db, key, 1, NOTIFY_STRING, b"set")
        if o.deadline:
            notify(db, key, NOTIFY_GENERIC, b"expire")
    if o.deadline:
        rewrite(c, [*argv[:end], b"PXAT", b"%d" % o.deadline])
    return ONE
