"""Lists without waiting: pushes, pops, ranges, moves."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_positive, parse_mpop, read_list, syntax_error, write_list
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
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    KNum,
    command,
)
from pyredis.core.lists import lmove_generic, lmpop_from, parse_end, pop_many, pop_one
from pyredis.engines.list import ListObj
from pyredis.keyspace.modified import modified, notify
from pyredis.keyspace.state import NOTIFY_GENERIC, NOTIFY_LIST
from pyredis.lib.intparse import LLONG_MIN
from pyredis.resp.errors import INDEX_OUT_OF_RANGE, NO_SUCH_KEY, CommandError
from pyredis.resp.reply import (
    EMPTY_ARRAY,
    NULL,
    NULL_ARRAY,
    OK,
    ZERO,
    bulk,
    bulk_array,
    integer,
    integer_array,
)

HEAD: Final = True
TAIL: Final = False

_KEPT_REPLY: Final = 32 << 10
"""A reply of more bytes is not kept."""


class RangeReply:
    """A list's memo: LRANGE with these arguments, and its encoded reply if it was asked for twice."""

    __slots__ = ("reply", "start", "stop")

    def __init__(self, start: int, stop: int, reply: bytes) -> None:
        self.start = start
        self.stop = stop
        self.reply = reply


def _push(c: Client, argv: list[bytes], head: bool, only_existing: bool) -> bytes:
    db, key = c.db, argv[1]
    value = write_list(db, key)
    if value is None:
        if only_existing:
            return ZERO
        value = ListObj()
        db.add(key, value)
    items = argv[2:]
    if head:
        value.push_head_many(items)
    else:
        value.push_tail_many(items)
    modified(db, key, len(items), NOTIFY_LIST, b"lpush" if head else b"rpush")
    return integer(len(value))


@command(
    b"LPUSH",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="list",
    since="1.0.0",
    summary="Add elements to the front of a list.",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    usage="key element...",
    history=(("2.4.0", "Accepts multiple `element` arguments."),),
)
def lpush_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _push(c, argv, HEAD, False)


@command(
    b"RPUSH",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="list",
    since="1.0.0",
    summary="Add elements to the end of a list.",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    usage="key element...",
    history=(("2.4.0", "Accepts multiple `element` arguments."),),
)
def rpush_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _push(c, argv, TAIL, False)


@command(
    b"LPUSHX",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="list",
    since="2.2.0",
    summary="Add elements to the front of a list that exists.",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    usage="key element...",
    history=(("4.0.0", "Accepts multiple `element` arguments."),),
)
def lpushx_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _push(c, argv, HEAD, True)


@command(
    b"RPUSHX",
    -3,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="list",
    since="2.2.0",
    summary="Add elements to the end of a list that exists.",
    complexity=(
        "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments."
    ),
    usage="key element...",
    history=(("4.0.0", "Accepts multiple `element` arguments."),),
)
def rpushx_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _push(c, argv, TAIL, True)


def _pop(c: Client, argv: list[bytes], head: bool) -> bytes:
    if len(argv) > 3:
        raise CommandError(b"ERR wrong number of arguments for '%b' command" % (b"lpop" if head else b"rpop"))
    count = get_positive(argv[2]) if len(argv) == 3 else -1
    value = write_list(c.db, argv[1])
    if value is None:
        return NULL_ARRAY[c.resp] if count >= 0 else NULL[c.resp]
    if count < 0:
        return bulk(pop_one(c.db, argv[1], value, head))
    if count == 0:
        return EMPTY_ARRAY
    return bulk_array(pop_many(c.db, argv[1], value, head, count))


@command(
    b"LPOP",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="list",
    since="1.0.0",
    summary="Take elements from the front of a list.",
    complexity="O(N) where N is the number of elements returned",
    usage="key [count:int]@6.2.0",
    history=(("6.2.0", "Added the `count` argument."),),
)
def lpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _pop(c, argv, HEAD)


@command(
    b"RPOP",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="list",
    since="1.0.0",
    summary="Take elements from the end of a list.",
    complexity="O(N) where N is the number of elements returned",
    usage="key [count:int]@6.2.0",
    history=(("6.2.0", "Added the `count` argument."),),
)
def rpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _pop(c, argv, TAIL)


@command(
    b"LLEN",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="list",
    since="1.0.0",
    summary="Return the number of elements of a list.",
    complexity="O(1)",
    usage="key",
)
def llen_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_list(c.db, argv[1])
    return ZERO if value is None else integer(len(value))


@command(
    b"LINDEX",
    3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="list",
    since="1.0.0",
    summary="Return the element at a position of a list.",
    complexity=(
        "O(N) where N is the number of elements to traverse to get to the element at index. This makes "
        "asking for the first or the last element of the list O(1)."
    ),
    usage="key index:int",
)
def lindex_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_list(c.db, argv[1])
    if value is None:
        return NULL[c.resp]
    item = value.index(get_int(argv[2]))
    return NULL[c.resp] if item is None else bulk(item)


@command(
    b"LSET",
    4,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="list",
    since="1.0.0",
    summary="Replace the element at a position of a list.",
    complexity=(
        "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1)."
    ),
    usage="key index:int element",
)
def lset_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = write_list(c.db, argv[1])
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    if not value.set(get_int(argv[2]), argv[3]):
        raise CommandError(INDEX_OUT_OF_RANGE)
    modified(c.db, argv[1], 1, NOTIFY_LIST, b"lset")
    return OK


@command(
    b"LRANGE",
    4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="list",
    since="1.0.0",
    summary="Return a range of a list's elements.",
    complexity=(
        "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end "
        "(HEAD or TAIL) for large lists; and N is the number of elements in the specified range."
    ),
    usage="key start:int stop:int",
)
def lrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    start, stop = get_int(argv[2]), get_int(argv[3])
    value = read_list(c.db, argv[1])
    if value is None:
        return EMPTY_ARRAY
    # A list that is read again and again while nobody changes it is encoded once: kept from the second time on.
    memo = value.memo
    again = False
    if isinstance(memo, RangeReply) and memo.start == start and memo.stop == stop:
        if memo.reply:
            return memo.reply
        again = True
    reply = bulk_array(value.range(start, stop))
    if len(reply) <= _KEPT_REPLY:
        value.memo = RangeReply(start, stop, reply if again else b"")
    return reply


@command(
    b"LTRIM",
    4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="list",
    since="1.0.0",
    summary="Keep only a range of a list's elements.",
    complexity="O(N) where N is the number of elements to be removed by the operation.",
    usage="key start:int stop:int",
)
def ltrim_command(c: Client, argv: list[bytes]) -> bytes | None:
    start, stop = get_int(argv[2]), get_int(argv[3])
    db, key = c.db, argv[1]
    value = write_list(db, key)
    if value is None:
        return OK
    before = len(value)
    value.trim(start, stop)
    modified(db, key, before - len(value), NOTIFY_LIST, b"ltrim")
    if not len(value):
        db.delete(key)
        notify(db, key, NOTIFY_GENERIC, b"del")
    return OK


@command(
    b"LINSERT",
    5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(K(1, KEY_RW | KEY_INSERT),),
    group="list",
    since="2.2.0",
    summary="Insert an element beside another one.",
    complexity=(
        "O(N) where N is the number of elements to traverse before seeing the value pivot. This means "
        "that inserting somewhere on the left end on the list (head) can be considered O(1) and "
        "inserting somewhere on the right end (tail) is O(N)."
    ),
    usage="key where=(BEFORE|AFTER) pivot element",
)
def linsert_command(c: Client, argv: list[bytes]) -> bytes | None:
    where = argv[2].upper()
    if where not in (b"BEFORE", b"AFTER"):
        raise syntax_error()
    value = write_list(c.db, argv[1])
    if value is None:
        return ZERO
    size = value.insert(argv[3], argv[4], where == b"BEFORE")
    if size < 0:
        return integer(-1)
    modified(c.db, argv[1], 1, NOTIFY_LIST, b"linsert")
    return integer(size)


@command(
    b"LREM",
    4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="list",
    since="1.0.0",
    summary="Remove elements of a given value from a list.",
    complexity="O(N+M) where N is the length of the list and M is the number of elements removed.",
    usage="key count:int element",
)
def lrem_command(c: Client, argv: list[bytes]) -> bytes | None:
    count = get_int(argv[2])
    db, key = c.db, argv[1]
    value = write_list(db, key)
    if value is None:
        return ZERO
    removed = value.remove(count, argv[3])
    if removed:
        modified(db, key, removed, NOTIFY_LIST, b"lrem")
        if not len(value):
            db.delete(key)
            notify(db, key, NOTIFY_GENERIC, b"del")
    return integer(removed)


@command(
    b"LPOS",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="list",
    since="6.0.6",
    summary="Find the positions of a value in a list.",
    complexity=(
        "O(N) where N is the number of elements in the list, for the average case. When searching for "
        "elements near the head or the tail of the list, or when the MAXLEN option is provided, the "
        "command may run in constant time."
    ),
    usage="key element [RANK rank:int] [COUNT num-matches:int] [MAXLEN len:int]",
)
def lpos_command(c: Client, argv: list[bytes]) -> bytes | None:
    rank, count, maxlen = 1, -1, 0
    at = 3
    while at < len(argv):
        word = argv[at].upper()
        if at + 1 >= len(argv):
            raise syntax_error()
        text = argv[at + 1]
        if word == b"RANK":
            rank = get_int(text)
            if rank == LLONG_MIN:
                rank = -1  # has no absolute value; Redis 7.0 takes the first match from the end
            if rank == 0:
                raise CommandError(
                    b"ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                    b"or use negative to start from the end of the list"
                )
        elif word == b"COUNT":
            count = get_positive(text, b"ERR COUNT can't be negative")
        elif word == b"MAXLEN":
            maxlen = get_positive(text, b"ERR MAXLEN can't be negative")
        else:
            raise syntax_error()
        at += 2
    value = read_list(c.db, argv[1])
    found = value.positions(argv[2], rank, max(count, 0) if count >= 0 else 1, maxlen) if value is not None else []
    if count >= 0:
        return integer_array(found)
    return integer(found[0]) if found else NULL[c.resp]


# --- moves ----------------------------------------------------------------------------------------------------------


@command(
    b"LMOVE",
    5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_RW | KEY_INSERT),
    ),
    group="list",
    since="6.2.0",
    summary="Move an element from one list's end to another's.",
    complexity="O(1)",
    usage="source:key destination:key#1 wherefrom=(LEFT|RIGHT) whereto=(LEFT|RIGHT)",
)
def lmove_command(c: Client, argv: list[bytes]) -> bytes | None:
    from_head, to_head = parse_end(argv[3]), parse_end(argv[4])
    item = lmove_generic(c, argv[1], argv[2], from_head, to_head)
    return NULL[c.resp] if item is None else bulk(item)


@command(
    b"RPOPLPUSH",
    3,
    CMD_WRITE | CMD_DENYOOM,
    keys=(
        K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),
        K(2, KEY_RW | KEY_INSERT),
    ),
    group="list",
    since="1.2.0",
    summary="Move the last element of a list to the front of another.",
    complexity="O(1)",
    usage="source:key destination:key#1",
    deprecated_since="6.2.0",
    replaced_by="`LMOVE` with the `RIGHT` and `LEFT` arguments",
    doc_flags=("deprecated",),
)
def rpoplpush_command(c: Client, argv: list[bytes]) -> bytes | None:
    item = lmove_generic(c, argv[1], argv[2], TAIL, HEAD)
    return NULL[c.resp] if item is None else bulk(item)


@command(
    b"LMPOP",
    -4,
    CMD_WRITE | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="list",
    since="7.0.0",
    summary="Take elements from the first of several lists that has any.",
    complexity="O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    usage="numkeys:int key... where=(LEFT|RIGHT) [COUNT count:int]",
)
def lmpop_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys, head, count = parse_mpop(argv, 1, b"LEFT", b"RIGHT")
    reply = lmpop_from(c, keys, head, count)
    return NULL_ARRAY[c.resp] if reply is None else reply
