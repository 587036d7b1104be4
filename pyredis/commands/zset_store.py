"""Sorted sets: unions, intersections and differences, with weights; sets take part with the score 1."""

from __future__ import annotations

from math import isnan
from typing import Final

from pyredis.core.args import get_float, get_int, get_positive, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_DENYOOM,
    CMD_MOVABLEKEYS,
    CMD_READONLY,
    CMD_WRITE,
    KEY_ACCESS,
    KEY_OW,
    KEY_RO,
    KEY_UPDATE,
    K,
    KNum,
    command,
)
from pyredis.core.zsets import pairs_reply, store_zset
from pyredis.engines.set import SetObj
from pyredis.engines.zset import ZSetObj
from pyredis.lib.intersect import count_common
from pyredis.resp.errors import WRONGTYPE, CommandError
from pyredis.resp.reply import integer

UNION, INTER, DIFF = 0, 1, 2
Scores = dict[bytes, float]

_COMBINED: Final = "[WEIGHTS weight:int...] [AGGREGATE aggregate=(SUM|MIN|MAX)]"
_STORE_KEYS: Final = (K(1, KEY_OW | KEY_UPDATE), KNum(2, KEY_RO | KEY_ACCESS))
_INTER_COMPLEXITY: Final = (
    "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets "
    "and M being the number of elements in the resulting sorted set."
)
_DIFF_COMPLEXITY: Final = (
    "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first "
    "set, and K is the size of the result set."
)


class Operation:
    """The parsed arguments: source keys, one weight each, how scores are combined, LIMIT, WITHSCORES."""

    __slots__ = ("aggregate", "keys", "limit", "weights", "with_scores")

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys
        self.weights = [1.0] * len(keys)
        self.aggregate = b"SUM"
        self.limit = 0
        self.with_scores = False


def parse_operation(argv: list[bytes], at: int, numkeys: int, kind: int, form: str) -> Operation:
    """``key … [options]`` from position ``at``; ``form`` is "store", "read" or "card"."""
    op = Operation(argv[at : at + numkeys])
    at += numkeys
    while at < len(argv):
        word = argv[at].upper()
        left = len(argv) - at - 1
        if word == b"WEIGHTS" and form != "card" and kind != DIFF and left >= numkeys:
            texts = argv[at + 1 : at + 1 + numkeys]
            op.weights = [get_float(text, b"ERR weight value is not a float") for text in texts]
            at += numkeys
        elif word == b"AGGREGATE" and form != "card" and kind != DIFF and left >= 1:
            op.aggregate = argv[at + 1].upper()
            if op.aggregate not in (b"SUM", b"MIN", b"MAX"):
                raise syntax_error()
            at += 1
        elif word == b"WITHSCORES" and form == "read":
            op.with_scores = True
        elif word == b"LIMIT" and form == "card" and left >= 1:
            op.limit = get_positive(argv[at + 1], b"ERR LIMIT can't be negative")
            at += 1
        else:
            raise syntax_error()
        at += 1
    return op


def _source(value: object) -> Scores:
    if value is None:
        return {}
    if type(value) is ZSetObj:
        return value.scores
    if type(value) is SetObj:
        return dict.fromkeys(value.members, 1.0)
    raise CommandError(WRONGTYPE)


def _combine(aggregate: bytes, a: float, b: float) -> float:
    if aggregate == b"SUM":
        total = a + b
        return 0.0 if isnan(total) else total  # inf + -inf
    return min(a, b) if aggregate == b"MIN" else max(a, b)


def _weigh(score: float, weight: float) -> float:
    product = score * weight
    return 0.0 if isnan(product) else product  # 0 * inf


def compute(op: Operation, sources: list[Scores], kind: int) -> Scores:
    """The result's members and scores."""
    if kind == DIFF:
        others = set().union(*sources[1:])
        return {member: score for member, score in sources[0].items() if member not in others}
    weighted = sorted(zip(sources, op.weights), key=lambda pair: len(pair[0]))
    if kind == UNION:
        result: Scores = {}
        for scores, weight in weighted:
            for member, score in scores.items():
                value = _weigh(score, weight)
                result[member] = _combine(op.aggregate, result[member], value) if member in result else value
        return result
    result = {}
    first, first_weight = weighted[0]
    for member, score in first.items():
        value = _weigh(score, first_weight)
        for scores, weight in weighted[1:]:
            other = scores.get(member)
            if other is None:
                break
            value = _combine(op.aggregate, value, _weigh(other, weight))
        else:
            result[member] = value
    return result


def _parse(c: Client, argv: list[bytes], at: int, name: bytes, kind: int, form: str) -> tuple[Operation, list[Scores]]:
    """The operation and its sources; their types are checked before the options are read."""
    numkeys = get_int(argv[at])
    if numkeys < 1:
        raise CommandError(b"ERR at least 1 input key is needed for '%b' command" % name)
    if numkeys > len(argv) - at - 1:
        raise syntax_error()
    lookup = c.db.lookup_read
    sources = [_source(lookup(key)) for key in argv[at + 1 : at + 1 + numkeys]]
    return parse_operation(argv, at + 1, numkeys, kind, form), sources


def _read(c: Client, argv: list[bytes], name: bytes, kind: int) -> bytes:
    op, sources = _parse(c, argv, 1, name, kind, "read")
    scores = compute(op, sources, kind)
    pairs = [(member, score) for score, member in sorted((score, member) for member, score in scores.items())]
    return pairs_reply(c, pairs, op.with_scores)


def _store(c: Client, argv: list[bytes], name: bytes, kind: int) -> bytes:
    op, sources = _parse(c, argv, 2, name, kind, "store")
    return store_zset(c, argv[1], compute(op, sources, kind), name)


@command(
    b"ZUNION",
    -3,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="6.2.0",
    summary="Return the members that any of the sorted sets has.",
    complexity=(
        "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
        "number of elements in the resulting sorted set."
    ),
    usage=f"numkeys:int key... {_COMBINED} [WITHSCORES]",
)
def zunion_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _read(c, argv, b"zunion", UNION)


@command(
    b"ZINTER",
    -3,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="6.2.0",
    summary="Return the members that all the sorted sets have.",
    complexity=_INTER_COMPLEXITY,
    usage=f"numkeys:int key... {_COMBINED} [WITHSCORES]",
)
def zinter_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _read(c, argv, b"zinter", INTER)


@command(
    b"ZDIFF",
    -3,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="6.2.0",
    summary="Return the first sorted set's members that the others lack.",
    complexity=_DIFF_COMPLEXITY,
    usage="numkeys:int key... [WITHSCORES]",
)
def zdiff_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _read(c, argv, b"zdiff", DIFF)


@command(
    b"ZUNIONSTORE",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=_STORE_KEYS,
    group="sorted_set",
    since="2.0.0",
    summary="Store the members that any of the sorted sets has.",
    complexity=(
        "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the "
        "number of elements in the resulting sorted set."
    ),
    usage=f"destination:key numkeys:int key#1... {_COMBINED}",
)
def zunionstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, argv, b"zunionstore", UNION)


@command(
    b"ZINTERSTORE",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=_STORE_KEYS,
    group="sorted_set",
    since="2.0.0",
    summary="Store the members that all the sorted sets have.",
    complexity=_INTER_COMPLEXITY,
    usage=f"destination:key numkeys:int key#1... {_COMBINED}",
)
def zinterstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, argv, b"zinterstore", INTER)


@command(
    b"ZDIFFSTORE",
    -4,
    CMD_WRITE | CMD_DENYOOM | CMD_MOVABLEKEYS,
    keys=_STORE_KEYS,
    group="sorted_set",
    since="6.2.0",
    summary="Store the first sorted set's members that the others lack.",
    complexity=_DIFF_COMPLEXITY,
    usage="destination:key numkeys:int key#1...",
)
def zdiffstore_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _store(c, argv, b"zdiffstore", DIFF)


@command(
    b"ZINTERCARD",
    -3,
    CMD_READONLY | CMD_MOVABLEKEYS,
    keys=(KNum(1, KEY_RO | KEY_ACCESS),),
    group="sorted_set",
    since="7.0.0",
    summary="Count the members that all the sorted sets have.",
    complexity="O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
    usage="numkeys:int key... [LIMIT limit:int]",
)
def zintercard_command(c: Client, argv: list[bytes]) -> bytes | None:
    op, sources = _parse(c, argv, 1, b"zintercard", INTER, "card")
    return integer(count_common(sources, op.limit))
