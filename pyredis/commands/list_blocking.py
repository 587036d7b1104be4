"""Lists with waiting: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP. Each body is run again when a key is ready."""

from __future__ import annotations

from pyredis.core.args import get_timeout, parse_mpop, write_list
from pyredis.core.blocked import BLOCKED_LIST, block_for_keys, keys_to_try
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import (
    CMD_BLOCKING,
    CMD_DENYOOM,
    CMD_MOVABLEKEYS,
    CMD_NOSCRIPT,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_RW,
    K,
    KNum,
    command,
)
from pyredis.core.lists import lmove_generic, lmpop_from, parse_end, pop_one
from pyredis.core.propagate import rewrite
from pyredis.resp.reply import NULL, NULL_ARRAY, array_header, bulk


def _wait(c: Client, argv: list[bytes], keys: list[bytes], timeout: float, nothing: bytes) -> bytes | None:
    """``nothing`` is the reply where waiting is not allowed; who has waited in vain gets a null array from all."""
    if c.flags & CLIENT_DENY_BLOCKING:
        return nothing
    block_for_keys(c, BLOCKED_LIST, keys, timeout, argv, NULL_ARRAY[c.resp])
    return None


def _blocking_pop(c: Client, argv: list[bytes], head: bool) -> bytes | None:
    timeout = get_timeout(argv[-1])
    keys = argv[1:-1]
    for key in keys_to_try(c, keys):
        value = write_list(c.db, key)
        if value is not None:
            item = pop_one(c.db, key, value, head)
            rewrite(c, [b"LPOP" if head else b"RPOP", key])
            return array_header(2) + bulk(key) + bulk(item)
    return _wait(c, argv, keys, timeout, NULL_ARRAY[c.resp])


@command(
    b"BLPOP",
    -3,
    CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE, last=-2),),
    group="list",
    since="2.0.0",
    summary="Take the first element of a list, waiting for one if need be.",
    complexity="O(N) where N is the number of provided keys.",
    usage="key... timeout:double",
    history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),),
)
def blpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _blocking_pop(c, argv, True)


@command(
    b"BRPOP",
    -3,
    CMD_WRITE | CMD_NOSCRIPT | CMD_BLOCKING,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE, last=-2),),
    group="list",
    since="2.0.0",
    summary="Take the last element of a list, waiting for one if need be.",
    complexity="O(N) where N is the number of provided keys.",
    usage="key... timeout:double",
    history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),),
)
def brpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _blocking_pop(c, argv, False)


def _blocking_move(c: Client, argv: list[bytes], from_head: bool, to_head: bool, timeout: float) -> bytes | None:
    item = lmove_generic(c, argv[1], argv[2], from_head, to_head)
    if item is None:
        return _wait(c, argv, [argv[1]], timeout, NULL[c.resp])
    ends = [b"LEFT" if end else b"RIGHT" for end in (from_head, to_head)]
    rewrite(c, [b"LMOVE", argv[1], argv[2], *ends])
    return bulk(item)


@command(
    b"BLMOVE",
    6,
    CMD_WRITE | CMD_DENYOOM | CMD_NOSCRIPT | CMD_BLOCKING,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_RW | KEY_INSERT),
    ),
    group="list",
    since="6.2.0",
    summary="Move an element between lists, waiting for one if need be.",
    complexity="O(1)",
    usage="source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT) timeout:double",
)
def blmove_command(c: Client, argv: list[bytes]) -> bytes | None:
    from_head, to_head = parse_end(argv[3]), parse_end(argv[4])
    return _blocking_move(c, argv, from_head, to_head, get_timeout(argv[5]))


@command(
    b"BRPOPLPUSH",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_NOSCRIPT | CMD_BLOCKING,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_RW | KEY_INSERT),
    ),
    group="list",
    since="2.2.0",
    summary="Move a list's last element to another's front, waiting if need be.",
    complexity="O(1)",
    usage="source:key destination:key#1 timeout:double",
    history=(("6.0.0", "`timeout` is interpreted as a double instead of an integer."),),
    deprecated_since="6.2.0",
    replaced_by="`BLMOVE` with the `RIGHT` and `LEFT` arguments",
    doc_flags=("deprecated",),
)
def brpoplpush_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _blocking_move(c, argv, False, True, get_timeout(argv[3]))


@command(
    b"BLMPOP",
    -5,
    CMD_WRITE | CMD_BLOCKING | CMD_MOVABLEKEYS,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="list",
    since="7.0.0",
    summary="Take elements from the first list that has any, waiting if need be.",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    usage="timeout:double numkeys:int key... where=(LEFT|RIGHT) [COUNT count:int]",
)
def blmpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys, head, count = parse_mpop(argv, 2, b"LEFT", b"RIGHT")
    timeout = get_timeout(argv[1])
    reply = lmpop_from(c, keys_to_try(c, keys), head, count)
    return reply if reply is not None else _wait(c, argv, keys, timeout, NULL_ARRAY[c.resp])
