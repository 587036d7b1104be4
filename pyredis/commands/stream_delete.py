"""XDEL, XDELEX and XACKDEL: removing entries of a stream by their IDs, with or without what groups remember of them."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_range_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import CMD_FAST, CMD_WRITE, KEY_DELETE, KEY_RW, KEY_UPDATE, K, command
from pyredis.core.streams import REFERENCE_POLICIES, parse_id, write_stream
from pyredis.engines.stream import StreamObj
from pyredis.keyspace.modified import counted, modified
from pyredis.keyspace.state import NOTIFY_STREAM
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import ONE, ZERO, array, integer

_ABSENT: Final = integer(-1)
_STILL_NEEDED: Final = integer(2)


@command(
    b"XDEL",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="stream",
    since="5.0.0",
    summary="Delete entries of a stream by their IDs.",
    complexity="O(1) for each single item to delete in the stream, regardless of the stream size.",
    usage="key id...",
)
def xdel_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = write_stream(c.db, argv[1])
    if value is None:
        return ZERO
    removed = sum(map(value.delete, [parse_id(text) for text in argv[2:]]))
    if removed:
        modified(c.db, argv[1], removed, NOTIFY_STREAM, b"xdel")
    return integer(removed)


def _parse(argv: list[bytes], at: int) -> tuple[bytes, list[int]]:
    """``[KEEPREF|DELREF|ACKED] IDS numids id …`` in any order: the policy and the IDs."""
    policy, ids = b"", None
    while at < len(argv):
        word = argv[at].upper()
        if word in REFERENCE_POLICIES and not policy:
            policy = word
            at += 1
        elif word == b"IDS" and at + 1 < len(argv):
            count = get_range_int(argv[at + 1], 1, LLONG_MAX, b"ERR Number of IDs must be a positive integer")
            at += 2
            if count > len(argv) - at:
                raise CommandError(b"ERR The `numids` parameter must match the number of arguments")
            ids = argv[at : at + count]
            at += count
        else:
            raise syntax_error()
    if ids is None:
        raise CommandError(b"ERR IDS option is required")
    return policy or b"KEEPREF", [parse_id(text) for text in ids]


def _may_go(value: StreamObj, entry_id: int, policy: bytes) -> bool:
    return policy != b"ACKED" or not value.is_needed(entry_id)


@command(
    b"XDELEX",
    -5,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="stream",
    since="8.2.0",
    summary="Delete entries of a stream, and say what becomes of those that groups refer to.",
    complexity="O(1) for each single item to delete in the stream, regardless of the stream size.",
    usage="key condition=[KEEPREF|DELREF|ACKED] IDS ids=(numids:int id...)",
)
def xdelex_command(c: Client, argv: list[bytes]) -> bytes | None:
    policy, ids = _parse(argv, 2)
    value = write_stream(c.db, argv[1])
    if value is None:
        return array([_ABSENT] * len(ids))
    items = []
    removed = forgotten = 0
    for entry_id in ids:
        if entry_id in value and not _may_go(value, entry_id, policy):
            items.append(_STILL_NEEDED)
            continue
        there = value.delete(entry_id)
        removed += there
        forgotten += policy == b"DELREF" and value.forget(entry_id)
        items.append(ONE if there else _ABSENT)
    _tell(c, argv[1], removed, forgotten)
    return array(items)


@command(
    b"XACKDEL",
    -6,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE | KEY_DELETE),),
    group="stream",
    since="8.2.0",
    summary="Acknowledge entries for a group and delete them, as XDELEX does.",
    complexity="O(1) for each entry ID processed.",
    usage="key group condition=[KEEPREF|DELREF|ACKED] IDS ids=(numids:int id...)",
)
def xackdel_command(c: Client, argv: list[bytes]) -> bytes | None:
    policy, ids = _parse(argv, 3)
    value = write_stream(c.db, argv[1])
    group = None if value is None else value.groups.get(argv[2])
    if value is None or group is None:
        return array([_ABSENT] * len(ids))
    items = []
    removed = forgotten = 0
    for entry_id in ids:
        if not group.forget(entry_id):
            forgotten += policy == b"DELREF" and entry_id not in value and value.forget(entry_id)
            items.append(_ABSENT)
            continue
        forgotten += 1
        if _may_go(value, entry_id, policy):
            if policy == b"DELREF":
                value.forget(entry_id)
            removed += value.delete(entry_id)
            items.append(ONE)
        else:
            items.append(_STILL_NEEDED)
    _tell(c, argv[1], removed, forgotten)
    return array(items)


def _tell(c: Client, key: bytes, removed: int, forgotten: int) -> None:
    if removed:
        modified(c.db, key, removed, NOTIFY_STREAM, b"xdel")
    counted(c.db, key, forgotten, NOTIFY_STREAM, b"")
