"""Sorted sets with waiting: ZMPOP, BZPOPMIN, BZPOPMAX, BZMPOP."""

from __future__ import annotations

from pyredis.core.args import get_timeout, parse_mpop, write_zset
from pyredis.core.blocked import BLOCKED_ZSET, block_for_keys, keys_to_try
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import (
    CMD_BLOCKING,
    CMD_FAST,
    CMD_MOVABLEKEYS,
    CMD_NOSCRIPT,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_RW,
    K,
    KNum,
    command,
)
from pyredis.core.propagate import rewrite
from pyredis.core.zsets import after_removal
from pyredis.engines.zset import Pairs
from pyredis.resp.reply import NULL_ARRAY, array_header, bulk, double


def _wait(c: Client, argv: list[bytes], keys: list[bytes], timeout: float) -> bytes | None:
    nothing = NULL_ARRAY[c.resp]
    if c.flags & CLIENT_DENY_BLOCKING:
        return nothing
    block_for_keys(c, BLOCKED_ZSET, keys, timeout, argv, nothing)
    return None


def _pop_first(c: Client, keys: list[bytes], lowest: bool, count: int | None) -> tuple[bytes, Pairs] | None:
    """Pop from the first key that holds a sorted set: ``count`` members, one if None."""
    for key in keys:
        value = write_zset(c.db, key)
        if value is not None:
            pairs = value.pop_min(count or 1) if lowest else value.pop_max(count or 1)
            after_removal(c, key, value, len(pairs), b"zpopmin" if lowest else b"zpopmax")
            name = b"ZPOPMIN" if lowest else b"ZPOPMAX"
            rewrite(c, [name, key] if count is None else [name, key, b"%d" % len(pairs)])
            return key, pairs
    return None


def _bzpop(c: Client, argv: list[bytes], lowest: bool) -> bytes | None:
    timeout = get_timeout(argv[-1])
    found = _pop_first(c, keys_to_try(c, argv[1:-1]), lowest, None)
    if found is None:
        return _wait(c, argv, argv[1:-1], timeout)
    key, [(member, score)] = found
    return array_header(3) + bulk(key) + bulk(member) + double(score, c.resp)


@command(
    b"BZPOPMIN",
    -3,
    CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE, last=-2),),
    group="sorted_set",
    since="5.0.0",
    summary="Take the member with the lowest score, waiting for one if need be.",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    usage="key... timeout:double",
    history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),),
)
def bzpopmin_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _bzpop(c, argv, True)


@command(
    b"BZPOPMAX",
    -3,
    CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE, last=-2),),
    group="sorted_set",
    since="5.0.0",
    summary="Take the member with the highest score, waiting for one if need be.",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    usage="key... timeout:double",
    history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),),
)
def bzpopmax_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _bzpop(c, argv, False)


def _mpop_reply(c: Client, key: bytes, pairs: Pairs) -> bytes:
    items = [array_header(2) + bulk(member) + double(score, c.resp) for member, score in pairs]
    return array_header(2) + bulk(key) + array_header(len(items)) + b"".join(items)


@command(
    b"ZMPOP",
    -4,
    CMD_WRITE | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="sorted_set",
    since="7.0.0",
    summary="Take members from the first of several sorted sets that has any.",
    complexity=(
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
        "the sorted set, and M being the number of elements popped."
    ),
    usage="numkeys:int key... where=(MIN|MAX) [COUNT count:int]",
)
def zmpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys, lowest, count = parse_mpop(argv, 1, b"MIN", b"MAX")
    found = _pop_first(c, keys, lowest, count)
    return NULL_ARRAY[c.resp] if found is None else _mpop_reply(c, *found)


@command(
    b"BZMPOP",
    -5,
    CMD_WRITE | CMD_BLOCKING | CMD_MOVABLEKEYS,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="sorted_set",
    since="7.0.0",
    summary="Take members from the first sorted set that has any, waiting if need be.",
    complexity=(
        "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in "
        "the sorted set, and M being the number of elements popped."
    ),
    usage="timeout:double numkeys:int key... where=(MIN|MAX) [COUNT count:int]",
)
def bzmpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys, lowest, count = parse_mpop(argv, 2, b"MIN", b"MAX")
    timeout = get_timeout(argv[1])
    found = _pop_first(c, keys_to_try(c, keys), lowest, count)
    return _wait(c, argv, keys, timeout) if found is None else _mpop_reply(c, *found)
