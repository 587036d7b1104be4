"""OBJECT: how values are kept inside."""

from __future__ import annotations

from typing import Final

from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_LOADING,
    CMD_READONLY,
    CMD_STALE,
    KEY_RO,
    K,
    command,
    container,
)
from pyredis.keyspace.encoding import encoding_of, reference_count
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import (
    NULL,
    bulk,
    help_reply,
    integer,
)

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
    usage="key",
    tips=(b"nondeterministic_output",),
)
def object_encoding_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.look(argv[2], announce=False)
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
    usage="key",
    tips=(b"nondeterministic_output",),
)
def object_refcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = c.db.look(argv[2], announce=False)
    if value is None:
        return NULL[c.resp]
    return integer(reference_count(value))


@command(
    b"OBJECT|IDLETIME",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="2.2.3",
    summary="Return the seconds since a key was last used.",
    complexity="O(1)",
    usage="key",
    tips=(b"nondeterministic_output",),
)
def object_idletime_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.db.look(argv[2], announce=False) is None:
        return NULL[c.resp]
    if c.server.lfu is not None:
        raise CommandError(b"ERR An LFU maxmemory policy is selected, idle time not tracked." + _ADJUSTING)
    c.db.track_access()
    return integer(c.db.idle_seconds(argv[2]))


@command(
    b"OBJECT|FREQ",
    3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="generic",
    since="4.0.0",
    summary="Return how often a key is used, on a logarithmic scale.",
    complexity="O(1)",
    usage="key",
    tips=(b"nondeterministic_output",),
)
def object_freq_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.db.look(argv[2], announce=False) is None:
        return NULL[c.resp]
    if c.server.lfu is None:
        raise CommandError(b"ERR An LFU maxmemory policy is not selected, access frequency not tracked." + _ADJUSTING)
    return integer(c.db.frequency(argv[2]))


_ADJUSTING: Final = (
    b" Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust."
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
            b"    How the value is held: int, embstr, raw, listpack, quicklist, hashtable, ...",
            b"FREQ <key>",
            b"    How often the key is asked for, on a logarithmic scale (LFU policies only).",
            b"IDLETIME <key>",
            b"    For how many seconds nobody has asked for the key, roughly.",
            b"REFCOUNT <key>",
            b"    How many places refer to the value.",
        ],
    )
