"""Sorted sets: scores, ranks, ranges and the simple removals."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import (
    get_cursor,
    get_int,
    get_positive,
    parse_scan_options,
    read_zset,
    syntax_error,
    write_zset,
)
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.zsets import add_scores, after_removal, pairs_reply, parse_score_bound
from pyredis.engines.zset import ADDED, NO_CHANGE, ZSetObj
from pyredis.keyspace.modified import modified
from pyredis.keyspace.state import NOTIFY_ZSET
from pyredis.lib.fpconv import format_double, parse_double
from pyredis.lib.glob import compile_filter
from pyredis.resp.reply import (
    EMPTY_ARRAY,
    NULL,
    NULL_ARRAY,
    ONE,
    ZERO,
    array,
    array_header,
    bulk,
    bulk_array,
    double,
    integer,
)

_OPTIONS: Final = frozenset((b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"))
_MAX_WHOLE: Final = float(1 << 62)
Pairs = list[tuple[bytes, float]]


@command(
    b"ZADD",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_UPDATE),),
    group="sorted_set",
    since="1.2.0",
    summary="Add members with scores, or change their scores.",
    complexity="O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    usage=(
        "key condition=[NX|XX]@3.0.2 comparison=[GT|LT]@6.2.0 [change=CH]@3.0.2 [increment=INCR]@3.0.2 "
        "(score:double member)..."
    ),
    history=(
        ("2.4.0", "Accepts multiple elements."),
        ("3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."),
        ("6.2.0", "Added the `GT` and `LT` options."),
    ),
)
def zadd_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 4:
        score = parse_double(argv[2])
        if score is not None:
            return _zadd_one(c, argv[1], score, argv[3])
    return _zadd_options(c, argv)


def _zadd_options(c: Client, argv: list[bytes]) -> bytes:
    at = 2
    nx = xx = gt = lt = ch = incr = False
    while at < len(argv):
        word = argv[at].upper()
        if word == b"NX":
            nx = True
        elif word == b"XX":
            xx = True
        elif word == b"GT":
            gt = True
        elif word == b"LT":
            lt = True
        elif word == b"CH":
            ch = True
        elif word == b"INCR":
            incr = True
        else:
            break
        at += 1
    return add_scores(c, argv, at, (nx, xx, gt, lt, ch, incr))


def _zadd_one(c: Client, key: bytes, score: float, member: bytes) -> bytes:
    """ZADD with one member and no option, as nearly all are."""
    db = c.db
    value = write_zset(db, key)
    if value is None:
        value = ZSetObj()
        db.add(key, value)
    config = c.server.config
    change = value.add(member, score, config.zset_max_listpack_entries, config.zset_max_listpack_value)
    if change != NO_CHANGE:
        modified(db, key, 1, NOTIFY_ZSET, b"zadd")
    return ONE if change == ADDED else ZERO


@command(
    b"ZINCRBY",
    4,
    CMD_WRITE | CMD_DENYOOM | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="sorted_set",
    since="1.2.0",
    summary="Add a number to a member's score.",
    complexity="O(log(N)) where N is the number of elements in the sorted set.",
    usage="key increment:int member",
)
def zincrby_command(c: Client, argv: list[bytes]) -> bytes | None:
    if argv[2].upper() in _OPTIONS:
        raise syntax_error()  # it would be an option of ZADD's, and then the score and the member are no pair
    return add_scores(c, argv, 2, (False, False, False, False, False, True))


@command(
    b"ZCARD",
    2,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO),),
    group="sorted_set",
    since="1.2.0",
    summary="Return the number of members of a sorted set.",
    complexity="O(1)",
    usage="key",
)
def zcard_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    return ZERO if value is None else integer(len(value))


@command(
    b"ZSCORE",
    3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="1.2.0",
    summary="Return a member's score.",
    complexity="O(1)",
    usage="key member",
)
def zscore_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    score = None if value is None else value.score(argv[2])
    return NULL[c.resp] if score is None else double(score, c.resp)


@command(
    b"ZMSCORE",
    -3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="6.2.0",
    summary="Return the scores of several members.",
    complexity="O(N) where N is the number of members being requested.",
    usage="key member...",
)
def zmscore_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = read_zset(c.db, argv[1])
    scores = [None if value is None else value.score(member) for member in argv[2:]]
    items = [NULL[c.resp] if score is None else double(score, c.resp) for score in scores]
    return array_header(len(items)) + b"".join(items)


def _rank(c: Client, argv: list[bytes], reverse: bool) -> bytes:
    with_score = len(argv) > 3
    if with_score and (len(argv) > 4 or argv[3].upper() != b"WITHSCORE"):
        raise syntax_error()
    value = read_zset(c.db, argv[1])
    rank = None if value is None else value.rank(argv[2], reverse)
    if value is None or rank is None:
        return NULL_ARRAY[c.resp] if with_score else NULL[c.resp]
    if not with_score:
        return integer(rank)
    return array([integer(rank), double(value.scores[argv[2]], c.resp)])


@command(
    b"ZRANK",
    -3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.0.0",
    summary="Return a member's position, lowest score first.",
    complexity="O(log(N))",
    usage="key member [WITHSCORE]@7.2.0",
    history=(("7.2.0", "Added the optional `WITHSCORE` argument."),),
    arity_before=("7.2.0", 3),
)
def zrank_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _rank(c, argv, False)


@command(
    b"ZREVRANK",
    -3,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.0.0",
    summary="Return a member's position, highest score first.",
    complexity="O(log(N))",
    usage="key member [WITHSCORE]@7.2.0",
    history=(("7.2.0", "Added the optional `WITHSCORE` argument."),),
    arity_before=("7.2.0", 3),
)
def zrevrank_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _rank(c, argv, True)


@command(
    b"ZREM",
    -3,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="sorted_set",
    since="1.2.0",
    summary="Remove members from a sorted set.",
    complexity=(
        "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed."
    ),
    usage="key member...",
    history=(("2.4.0", "Accepts multiple elements."),),
)
def zrem_command(c: Client, argv: list[bytes]) -> bytes | None:
    value = write_zset(c.db, argv[1])
    if value is None:
        return ZERO
    removed = 0
    for member in argv[2:]:
        removed += value.remove(member)
    after_removal(c, argv[1], value, removed, b"zrem")
    return integer(removed)


# --- ranges ---------------------------------------------------------------------------------------------------------


@command(
    b"ZCOUNT",
    4,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.0.0",
    summary="Count members with scores in a range.",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    usage="key min:double max:double",
)
def zcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    (low, low_ex), (high, high_ex) = parse_score_bound(argv[2]), parse_score_bound(argv[3])
    value = read_zset(c.db, argv[1])
    return ZERO if value is None else integer(value.count_by_score(low, low_ex, high, high_ex))


@command(
    b"ZREMRANGEBYSCORE",
    4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="sorted_set",
    since="1.2.0",
    summary="Remove members with scores in a range.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    usage="key min:double max:double",
)
def zremrangebyscore_command(c: Client, argv: list[bytes]) -> bytes | None:
    (low, low_ex), (high, high_ex) = parse_score_bound(argv[2]), parse_score_bound(argv[3])
    value = write_zset(c.db, argv[1])
    if value is None:
        return ZERO
    removed = len(value.remove_by_score(low, low_ex, high, high_ex))
    after_removal(c, argv[1], value, removed, b"zremrangebyscore")
    return integer(removed)


@command(
    b"ZREMRANGEBYRANK",
    4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="sorted_set",
    since="2.0.0",
    summary="Remove members by position.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    usage="key start:int stop:int",
)
def zremrangebyrank_command(c: Client, argv: list[bytes]) -> bytes | None:
    start, stop = get_int(argv[2]), get_int(argv[3])
    value = write_zset(c.db, argv[1])
    if value is None:
        return ZERO
    removed = len(value.remove_by_rank(start, stop))
    after_removal(c, argv[1], value, removed, b"zremrangebyrank")
    return integer(removed)


def _pop(c: Client, argv: list[bytes], lowest: bool) -> bytes:
    if len(argv) > 3:
        raise syntax_error()
    count = get_positive(argv[2]) if len(argv) == 3 else 1
    value = write_zset(c.db, argv[1])
    if value is None or count == 0:
        return EMPTY_ARRAY
    pairs = value.pop_min(count) if lowest else value.pop_max(count)
    after_removal(c, argv[1], value, len(pairs), b"zpopmin" if lowest else b"zpopmax")
    if len(argv) == 2 and c.resp == 3:
        return array_header(2) + bulk(pairs[0][0]) + double(pairs[0][1], 3)
    return pairs_reply(c, pairs, True)


@command(
    b"ZPOPMIN",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="sorted_set",
    since="5.0.0",
    summary="Take the members with the lowest scores.",
    complexity=(
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."
    ),
    usage="key [count:int]",
)
def zpopmin_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _pop(c, argv, True)


@command(
    b"ZPOPMAX",
    -2,
    CMD_WRITE | CMD_FAST,
    keys=(K(1, KEY_RW | KEY_ACCESS | KEY_DELETE),),
    group="sorted_set",
    since="5.0.0",
    summary="Take the members with the highest scores.",
    complexity=(
        "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped."
    ),
    usage="key [count:int]",
)
def zpopmax_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _pop(c, argv, False)


def _show_packed(score: float) -> bytes:
    """A score as ZSCAN shows it where the small encoding keeps whole numbers as such: 100000000000000000, not 1e+17."""
    return b"%d" % score if abs(score) <= _MAX_WHOLE and score == int(score) else format_double(score)


@command(
    b"ZSCAN",
    -3,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.8.0",
    summary="Walk through the members of a sorted set.",
    complexity=(
        "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
        "cursor to return back to 0. N is the number of elements inside the collection.."
    ),
    usage="key cursor:int [MATCH pattern] [COUNT count:int]",
    tips=(b"nondeterministic_output",),
)
def zscan_command(c: Client, argv: list[bytes]) -> bytes | None:
    cursor = get_cursor(argv[2])
    value = read_zset(c.db, argv[1])
    if value is None:
        return array_header(2) + bulk(b"0") + EMPTY_ARRAY
    options = parse_scan_options(argv, 3, "zset", c.server.compat)
    cursor, members = value.scan(cursor, options.count)
    if options.pattern is not None:
        members = list(filter(compile_filter(options.pattern), members))
    show = _show_packed if value.packed else format_double
    flat = [part for member in members for part in (member, show(value.scores[member]))]
    return array_header(2) + bulk(b"%d" % cursor) + bulk_array(flat)
