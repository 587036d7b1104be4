"""Sorted sets: ZRANGE in all its forms, ZRANGESTORE, ranges by member, random members."""

from __future__ import annotations

from pyredis.core.args import get_int, get_range_int, random_picks, read_zset, syntax_error, write_zset
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_FAST,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_OW,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    K,
    command,
)
from pyredis.core.zsets import after_removal, pairs_reply, parse_score_bound, store_zset
from pyredis.engines.zset import LEX_MAX, LEX_MIN, LexBound, Pairs
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import MIN_OR_MAX_NOT_A_STRING, OUT_OF_RANGE, CommandError
from pyredis.resp.reply import EMPTY_ARRAY, NULL, ZERO, bulk, bulk_array, integer

BY_RANK = 0
BY_SCORE = 1
BY_LEX = 2


def parse_lex_bound(text: bytes) -> LexBound:
    """``-``, ``+``, ``[member`` or ``(member``."""
    if text == b"-":
        return LEX_MIN
    if text == b"+":
        return LEX_MAX
    if text[:1] in (b"[", b"("):
        return 0, text[1:], text[:1] == b"("
    raise CommandError(MIN_OR_MAX_NOT_A_STRING)


class RangeQuery:
    """A parsed range: what it goes by, its ends as sent (``first``, ``last``), LIMIT, REV, WITHSCORES."""

    __slots__ = ("by", "count", "first", "last", "limited", "offset", "reverse", "with_scores")

    def __init__(self, by: int, reverse: bool, first: bytes, last: bytes) -> None:
        self.by = by
        self.reverse = reverse
        self.first = first
        self.last = last
        self.offset = 0
        self.count = -1
        self.limited = False
        self.with_scores = False


def parse_range(argv: list[bytes], at: int, by: int, reverse: bool, unified: bool, store: bool) -> RangeQuery:
    """``first last [options]`` from position ``at``; BYSCORE, BYLEX and REV only where ``unified`` (ZRANGE)."""
    q = RangeQuery(by, reverse, argv[at], argv[at + 1])
    at += 2
    while at < len(argv):
        word = argv[at].upper()
        if word == b"WITHSCORES" and not store:
            q.with_scores = True
        elif word == b"LIMIT" and at + 2 < len(argv):
            q.offset, q.count = get_int(argv[at + 1]), get_int(argv[at + 2])
            q.limited = True
            at += 2
        elif word == b"REV" and unified and not q.reverse:
            q.reverse = True
        elif word in (b"BYLEX", b"BYSCORE") and unified and q.by == BY_RANK:
            q.by = BY_LEX if word == b"BYLEX" else BY_SCORE
        else:
            raise syntax_error()
        at += 1
    if q.count != -1 and q.limited and q.by == BY_RANK:
        raise CommandError(b"ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if q.with_scores and q.by == BY_LEX:
        raise CommandError(b"ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    if q.reverse and q.by != BY_RANK:
        q.first, q.last = q.last, q.first
    return q


def run_range(c: Client, key: bytes, q: RangeQuery) -> Pairs:
    """Read the ends, look the key up, and return what the range finds."""
    if q.by == BY_RANK:
        start, stop = get_int(q.first), get_int(q.last)
        value = read_zset(c.db, key)
        return [] if value is None else value.by_rank(start, stop, q.reverse)
    if q.by == BY_SCORE:
        (low, low_ex), (high, high_ex) = parse_score_bound(q.first), parse_score_bound(q.last)
        value = read_zset(c.db, key)
        return [] if value is None else value.by_score(low, low_ex, high, high_ex, q.reverse, q.offset, q.count)
    least, most = parse_lex_bound(q.first), parse_lex_bound(q.last)
    value = read_zset(c.db, key)
    return [] if value is None else value.by_lex(least, most, q.reverse, q.offset, q.count)


@command(
    b"ZRANGE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="1.2.0",
    summary="Return members by position, score or name.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned."
    ),
    usage="key start stop sortby=[BYSCORE|BYLEX]@6.2.0 [REV]@6.2.0 [LIMIT (offset:int count:int)]@6.2.0 [WITHSCORES]",
    history=(("6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."),),
)
def zrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_RANK, False, True, False)
    return pairs_reply(c, run_range(c, argv[1], q), q.with_scores)


@command(
    b"ZREVRANGE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="1.2.0",
    summary="Return members by position, highest score first.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned."
    ),
    usage="key start:int stop:int [WITHSCORES]",
    deprecated_since="6.2.0",
    replaced_by="`ZRANGE` with the `REV` argument",
    doc_flags=("deprecated",),
)
def zrevrange_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_RANK, True, False, False)
    return pairs_reply(c, run_range(c, argv[1], q), q.with_scores)


@command(
    b"ZRANGEBYSCORE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="1.0.5",
    summary="Return members with scores in a range.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), "
        "you can consider it O(log(N))."
    ),
    usage="key min:double max:double [WITHSCORES]@2.0.0 [LIMIT (offset:int count:int)]",
    history=(("2.0.0", "Added the `WITHSCORES` modifier."),),
    deprecated_since="6.2.0",
    replaced_by="`ZRANGE` with the `BYSCORE` argument",
    doc_flags=("deprecated",),
)
def zrangebyscore_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_SCORE, False, False, False)
    return pairs_reply(c, run_range(c, argv[1], q), q.with_scores)


@command(
    b"ZREVRANGEBYSCORE",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.2.0",
    summary="Return members with scores in a range, highest first.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), "
        "you can consider it O(log(N))."
    ),
    usage="key max:double min:double [WITHSCORES] [LIMIT (offset:int count:int)]",
    history=(("2.1.6", "`min` and `max` can be exclusive."),),
    deprecated_since="6.2.0",
    replaced_by="`ZRANGE` with the `REV` and `BYSCORE` arguments",
    doc_flags=("deprecated",),
)
def zrevrangebyscore_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_SCORE, True, False, False)
    return pairs_reply(c, run_range(c, argv[1], q), q.with_scores)


@command(
    b"ZRANGEBYLEX",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.8.9",
    summary="Return members by name, where all scores are equal.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), "
        "you can consider it O(log(N))."
    ),
    usage="key min max [LIMIT (offset:int count:int)]",
    deprecated_since="6.2.0",
    replaced_by="`ZRANGE` with the `BYLEX` argument",
    doc_flags=("deprecated",),
)
def zrangebylex_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_LEX, False, False, False)
    return pairs_reply(c, run_range(c, argv[1], q), False)


@command(
    b"ZREVRANGEBYLEX",
    -4,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.8.9",
    summary="Return members by name in reverse, where all scores are equal.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), "
        "you can consider it O(log(N))."
    ),
    usage="key max min [LIMIT (offset:int count:int)]",
    deprecated_since="6.2.0",
    replaced_by="`ZRANGE` with the `REV` and `BYLEX` arguments",
    doc_flags=("deprecated",),
)
def zrevrangebylex_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 2, BY_LEX, True, False, False)
    return pairs_reply(c, run_range(c, argv[1], q), False)


@command(
    b"ZRANGESTORE",
    -5,
    CMD_WRITE | CMD_DENYOOM,
    keys=(
        K(1, KEY_OW | KEY_UPDATE),
        K(2, KEY_RO | KEY_ACCESS),
    ),
    group="sorted_set",
    since="6.2.0",
    summary="Store a range of a sorted set.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "stored into the destination key."
    ),
    usage="dst:key src:key#1 min max sortby=[BYSCORE|BYLEX] [REV] [LIMIT (offset:int count:int)]",
)
def zrangestore_command(c: Client, argv: list[bytes]) -> bytes | None:
    q = parse_range(argv, 3, BY_RANK, False, True, True)
    return store_zset(c, argv[1], dict(run_range(c, argv[2], q)), b"zrangestore")


@command(
    b"ZLEXCOUNT",
    4,
    CMD_READONLY | CMD_FAST,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="2.8.9",
    summary="Count members by name, where all scores are equal.",
    complexity="O(log(N)) with N being the number of elements in the sorted set.",
    usage="key min max",
)
def zlexcount_command(c: Client, argv: list[bytes]) -> bytes | None:
    least, most = parse_lex_bound(argv[2]), parse_lex_bound(argv[3])
    value = read_zset(c.db, argv[1])
    return ZERO if value is None else integer(value.count_by_lex(least, most))


@command(
    b"ZREMRANGEBYLEX",
    4,
    CMD_WRITE,
    keys=(K(1, KEY_RW | KEY_DELETE),),
    group="sorted_set",
    since="2.8.9",
    summary="Remove members by name, where all scores are equal.",
    complexity=(
        "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements "
        "removed by the operation."
    ),
    usage="key min max",
)
def zremrangebylex_command(c: Client, argv: list[bytes]) -> bytes | None:
    least, most = parse_lex_bound(argv[2]), parse_lex_bound(argv[3])
    value = write_zset(c.db, argv[1])
    if value is None:
        return ZERO
    removed = len(value.remove_by_lex(least, most))
    after_removal(c, argv[1], value, removed, b"zremrangebylex")
    return integer(removed)


@command(
    b"ZRANDMEMBER",
    -2,
    CMD_READONLY,
    keys=(K(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="6.2.0",
    summary="Return random members of a sorted set.",
    complexity="O(N) where N is the number of elements returned",
    usage="key options=[count:int [WITHSCORES]]",
    tips=(b"nondeterministic_output",),
)
def zrandmember_command(c: Client, argv: list[bytes]) -> bytes | None:
    rng = c.server.rng
    if len(argv) == 2:
        value = read_zset(c.db, argv[1])
        return NULL[c.resp] if value is None else bulk(value.random(rng))
    count = get_range_int(argv[2], -LLONG_MAX, LLONG_MAX)
    with_scores = len(argv) > 3
    if len(argv) > 4 or (with_scores and argv[3].upper() != b"WITHSCORES"):
        raise syntax_error()
    if with_scores and abs(count) > LLONG_MAX // 2:
        raise CommandError(OUT_OF_RANGE)
    value = read_zset(c.db, argv[1])
    if value is None or count == 0:
        return EMPTY_ARRAY
    members = random_picks(value, rng, count)
    if not with_scores:
        return bulk_array(members)
    return pairs_reply(c, [(member, value.scores[member]) for member in members], True)
