"""Deadlines of keys: setting, reading, taking away."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_GENERIC
from pyredis.lib.intparse import LLONG_MAX, LLONG_MIN
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import ONE, ZERO, integer

_CONDITION: Final = "condition=[NX|XX|GT|LT]@7.0.0"
_CONDITIONS_ADDED: Final = (("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),)
_MINUS_TWO_ADDED: Final = (("2.8.0", "Added the -2 reply."),)


def _conditions(words: list[bytes]) -> tuple[bool, bool, bool, bool]:
    """NX, XX, GT, LT, in this order. Raises CommandError."""
    given = [word.upper() for word in words]
    for word, upper in zip(words, given):
        if upper not in (b"NX", b"XX", b"GT", b"LT"):
            raise CommandError(b"ERR Unsupported option " + word.split(b"\0")[0])
    nx, xx, gt, lt = [word in given for word in (b"NX", b"XX", b"GT", b"LT")]
    if nx and (xx or gt or lt):
        raise CommandError(b"ERR NX and XX, GT or LT options at the same time are not compatible")
    if gt and lt:
        raise CommandError(b"ERR GT and LT options at the same time are not compatible")
    return nx, xx, gt, lt


def _is_met(conditions: tuple[bool, bool, bool, bool], current: int, when: int) -> bool:
    """Whether a key whose deadline is ``current`` (-1: none) may get ``when``."""
    nx, xx, gt, lt = conditions
    return not (
        (nx and current >= 0)
        or (xx and current < 0)
        or (gt and (current < 0 or when <= current))
        or (lt and 0 <= current <= when)
    )


def _expire(c: Client, argv: list[bytes], base: int, unit: int, name: bytes) -> bytes:
    """The deadline is ``base`` (now, or 0) plus what is given, in units of so many milliseconds."""
    db, key, server = c.db, argv[1], c.server
    conditions = _conditions(argv[3:]) if len(argv) > 3 else None
    when = get_int(argv[2]) * unit
    if not LLONG_MIN <= when <= LLONG_MAX - base:
        raise CommandError(b"ERR invalid expire time in '%b' command" % name)
    when += base
    if db.lookup_write(key) is None:
        return ZERO
    if conditions is not None and not _is_met(conditions, db.get_expire(key), when):
        return ZERO
    if when <= server.mstime:
        db.delete(key)
        modified(db, key, 1, NOTIFY_GENERIC, b"del")
        rewrite(c, [b"DEL", key])
    else:
        db.set_expire(key, when)
        modified(db, key, 1, NOTIFY_GENERIC, b"expire")
        if server.feeders:
            rewrite(c, [b"PEXPIREAT", key, b"%d" % when, *argv[3:]])
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
    usage=f"key seconds:int {_CONDITION}",
    history=_CONDITIONS_ADDED,
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
    usage=f"key milliseconds:int {_CONDITION}",
    history=_CONDITIONS_ADDED,
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
    usage=f"key unix-time-seconds:time {_CONDITION}",
    history=_CONDITIONS_ADDED,
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
    usage=f"key unix-time-milliseconds:time {_CONDITION}",
    history=_CONDITIONS_ADDED,
)
def pexpireat_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _expire(c, argv, 0, 1, b"pexpireat")


def _ttl(c: Client, key: bytes, relative: bool, milliseconds: bool) -> bytes:
    if c.db.look(key) is None:
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
    usage="key",
    tips=(b"nondeterministic_output",),
    history=_MINUS_TWO_ADDED,
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
    usage="key",
    tips=(b"nondeterministic_output",),
    history=_MINUS_TWO_ADDED,
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
    usage="key",
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
    usage="key",
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
    usage="key",
)
def persist_command(c: Client, argv: list[bytes]) -> bytes | None:
    db, key = c.db, argv[1]
    if db.lookup_write(key) is None or not db.persist(key):
        return ZERO
    modified(db, key, 1, NOTIFY_GENERIC, b"persist")
    return ONE
