"""ZSetObj and ScoreOrder against a sorted list of pairs."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pyredis.engines import score_order
from pyredis.engines.score_order import ScoreOrder
from pyredis.engines.zset import ADDED, LEX_MAX, LEX_MIN, NO_CHANGE, UPDATED, LexBound, ZSetObj

MEMBERS = st.one_of(
    st.sampled_from([b"", b"a", b"aa", b"ab", b"b", b"\x00", b"\xff", b"\xff\x00"]),
    st.integers(0, 60).map(lambda i: b"m%d" % i),
)
SCORES = st.one_of(
    st.integers(-3, 3).map(float),
    st.sampled_from([math.inf, -math.inf, -0.0, 0.5, 1e300, 5e-324]),
    st.floats(allow_nan=False),
)
INDEXES = st.one_of(st.integers(-80, 80), st.sampled_from([-(2**63), 2**63 - 1]))
COUNTS = st.integers(-1, 20)
FLAGS = st.booleans()
LEX = st.one_of(
    st.sampled_from([LEX_MIN, LEX_MAX]),
    st.tuples(st.just(0), MEMBERS, FLAGS),
)

Model = dict[bytes, float]


def in_order(model: Model) -> list[tuple[bytes, float]]:
    return sorted(model.items(), key=lambda item: (item[1], item[0]))


def model_rank_range(pairs: list[tuple[bytes, float]], start: int, stop: int) -> list[tuple[bytes, float]]:
    size = len(pairs)
    start = max(start + size, 0) if start < 0 else start
    stop = stop + size if stop < 0 else stop
    return pairs[start : stop + 1] if stop >= 0 and start <= stop else []


def in_scores(score: float, low: float, low_ex: bool, high: float, high_ex: bool) -> bool:
    return (score > low if low_ex else score >= low) and (score < high if high_ex else score <= high)


def in_lex(member: bytes, low: LexBound, high: LexBound) -> bool:
    above = low[0] < 0 if low[0] else (member > low[1] if low[2] else member >= low[1])
    below = high[0] > 0 if high[0] else (member < high[1] if high[2] else member <= high[1])
    return above and below


def limited(pairs: list[tuple[bytes, float]], reverse: bool, offset: int, count: int) -> list[tuple[bytes, float]]:
    if reverse:
        pairs = pairs[::-1]
    if offset < 0:
        return []
    pairs = pairs[offset:]
    return pairs if count < 0 else pairs[:count]


class ZSetMachine(RuleBasedStateMachine):
    """Small chunks, so that splits and joins happen all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = {}
        self.o = ZSetObj()
        self.was_packed = True
        self.rng = random.Random(1)

    @initialize(pairs=st.dictionaries(MEMBERS, SCORES, max_size=60), built=FLAGS)
    def begin(self, pairs: Model, built: bool) -> None:
        self.model = dict(pairs)
        self.o = ZSetObj.from_scores(dict(pairs), 40, 5)
        self.was_packed = self.o.packed
        assert self.o.packed == (len(pairs) <= 40 and all(len(m) <= 5 for m in pairs))
        if built:
            self.o.order = ScoreOrder(self.o.scores, 4)

    @rule(member=MEMBERS, score=SCORES)
    def add(self, member: bytes, score: float) -> None:
        old = self.model.get(member)
        expected = ADDED if old is None else UPDATED if old != score else NO_CHANGE
        assert self.o.add(member, score, 40, 5) == expected
        if expected != NO_CHANGE:
            self.model[member] = score

    @rule(members=st.lists(MEMBERS, max_size=30), score=SCORES)
    def add_many(self, members: list[bytes], score: float) -> None:
        for member in members:
            self.add(member, score)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), delta=st.integers(-3, 3))
    def move(self, data: st.DataObject, delta: int) -> None:
        member = data.draw(st.sampled_from(sorted(self.model)))
        score = self.model[member] + delta
        if score == score:
            self.add(member, score)

    @rule(member=MEMBERS)
    def remove(self, member: bytes) -> None:
        assert self.o.remove(member) == (self.model.pop(member, None) is not None)

    @rule(member=MEMBERS, reverse=FLAGS)
    def rank(self, member: bytes, reverse: bool) -> None:
        names = [m for m, _ in in_order(self.model)]
        if reverse:
            names.reverse()
        assert self.o.rank(member, reverse) == (names.index(member) if member in names else None)
        assert self.o.score(member) == self.model.get(member)

    @rule(start=INDEXES, stop=INDEXES, reverse=FLAGS)
    def by_rank(self, start: int, stop: int, reverse: bool) -> None:
        pairs = in_order(self.model)
        expected = model_rank_range(pairs[::-1] if reverse else pairs, start, stop)
        assert self.o.by_rank(start, stop, reverse) == expected
        assert self.o.members_by_rank(start, stop, reverse) == [m for m, _ in expected]

    @rule(low=SCORES, low_ex=FLAGS, high=SCORES, high_ex=FLAGS, reverse=FLAGS, offset=COUNTS, count=COUNTS)
    def by_score(
        self, low: float, low_ex: bool, high: float, high_ex: bool, reverse: bool, offset: int, count: int
    ) -> None:
        hits = [p for p in in_order(self.model) if in_scores(p[1], low, low_ex, high, high_ex)]
        assert self.o.count_by_score(low, low_ex, high, high_ex) == len(hits)
        expected = limited(hits, reverse, offset, count)
        assert self.o.by_score(low, low_ex, high, high_ex, reverse, offset, count) == expected

    @rule(score=SCORES)
    def level(self, score: float) -> None:
        """Give all members one score, so that the lexicographic rules say something."""
        for member in list(self.model):
            self.add(member, score)

    @rule(low=LEX, high=LEX, reverse=FLAGS, offset=COUNTS, count=COUNTS)
    def by_lex(self, low: LexBound, high: LexBound, reverse: bool, offset: int, count: int) -> None:
        if len(set(self.model.values())) > 1:
            self.o.by_lex(low, high, reverse, offset, count)
            return
        hits = [p for p in in_order(self.model) if in_lex(p[0], low, high)]
        assert self.o.count_by_lex(low, high) == len(hits)
        expected = limited(hits, reverse, offset, count)
        assert self.o.by_lex(low, high, reverse, offset, count) == expected

    @rule(start=INDEXES, stop=INDEXES)
    def remove_by_rank(self, start: int, stop: int) -> None:
        expected = model_rank_range(in_order(self.model), start, stop)
        assert self.o.remove_by_rank(start, stop) == expected
        self.drop(expected)

    @rule(low=SCORES, low_ex=FLAGS, high=SCORES, high_ex=FLAGS)
    def remove_by_score(self, low: float, low_ex: bool, high: float, high_ex: bool) -> None:
        expected = [p for p in in_order(self.model) if in_scores(p[1], low, low_ex, high, high_ex)]
        assert self.o.remove_by_score(low, low_ex, high, high_ex) == expected
        self.drop(expected)

    @rule(low=LEX, high=LEX)
    def remove_by_lex(self, low: LexBound, high: LexBound) -> None:
        expected = self.o.by_lex(low, high)
        assert self.o.remove_by_lex(low, high) == expected
        self.drop(expected)

    @rule(count=st.integers(0, 12))
    def pop_min(self, count: int) -> None:
        expected = in_order(self.model)[:count]
        assert self.o.pop_min(count) == expected
        self.drop(expected)

    @rule(count=st.integers(0, 12))
    def pop_max(self, count: int) -> None:
        expected = in_order(self.model)[::-1][:count]
        assert self.o.pop_max(count) == expected
        self.drop(expected)

    def drop(self, pairs: list[tuple[bytes, float]]) -> None:
        for member, _ in pairs:
            del self.model[member]

    @rule(count=st.integers(0, 70))
    def pick(self, count: int) -> None:
        picked = self.o.random_distinct(self.rng, count)
        assert len(picked) == len(set(picked)) == min(count, len(self.model))
        repeated = self.o.random_repeating(self.rng, count)
        assert len(repeated) == (count if self.model else 0)
        assert set(picked) | set(repeated) <= self.model.keys()

    @rule()
    def scan(self) -> None:
        cursor, seen = self.o.scan(0, 3)
        while cursor:
            cursor, some = self.o.scan(cursor, 3)
            seen += some
        assert sorted(seen) == sorted(self.model)

    @rule()
    def copy(self) -> None:
        other = self.o.copy()
        other.check()
        assert other.encoding() == self.o.encoding()
        assert list(other) == list(self.o) == [m for m, _ in in_order(self.model)]
        self.o.pop_min(3)
        self.o.check()
        self.o = other

    @invariant()
    def agrees(self) -> None:
        self.o.check()
        assert self.o.scores == self.model
        assert self.was_packed or not self.o.packed
        self.was_packed = self.o.packed
        if self.o.packed:
            assert len(self.model) <= 40
        if self.o.order is not None:
            assert list(self.o) == [m for m, _ in in_order(self.model)]
            self.o.order.rank_at(len(self.o.order.chunks), 0)


TestZSet = ZSetMachine.TestCase
TestZSet.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(max_examples=150, deadline=None)
@given(
    members=st.lists(MEMBERS, unique=True, min_size=1, max_size=12),
    scores=st.lists(st.integers(0, 2).map(float), min_size=12, max_size=12),
    low=LEX,
    high=LEX,
)
def test_lex_ranges_over_unequal_scores_walk_along_the_members(
    members: list[bytes], scores: list[float], low: LexBound, high: LexBound
) -> None:
    o = ZSetObj.from_scores(dict(zip(members, scores)), 128, 64)
    ordered = list(o)
    got = [member for member, _ in o.by_lex(low, high)]
    # Like Redis, the walk looks for its first member from one end and then only minds the other bound.
    assert all(in_lex(m, LEX_MIN, high) for m in got)
    assert not got or in_lex(got[0], low, high)
    assert o.count_by_lex(low, high) == len(got)
    if got:
        at = ordered.index(got[0])
        assert ordered[at : at + len(got)] == got
        assert not any(in_lex(m, low, LEX_MAX) for m in ordered[:at])
    back = [member for member, _ in o.by_lex(low, high, True)]
    assert all(in_lex(m, low, LEX_MAX) for m in back)
    assert not back or in_lex(back[0], low, high)


@pytest.mark.parametrize("load", [1, 2, 3, 16])
def test_large_orders_keep_their_ranks(load: int) -> None:
    rng = random.Random(load)
    order = ScoreOrder({}, load)
    model: list[tuple[float, bytes]] = []
    for i in range(3000):
        score, member = float(rng.randrange(50)), b"%d" % i
        order.insert(member, score)
        model.append((score, member))
        if i % 500 == 499:
            order.rank_at(*order.locate(score, member))
    rng.shuffle(model)
    for score, member in model[:1000]:
        order.remove(member, score)
    model = sorted(model[1000:])
    order.check()
    for rank in range(0, len(model), 7):
        score, member = model[rank]
        place = order.locate(score, member)
        assert order.rank_at(*place) == rank
        assert order.select(rank) == place
    order.remove_ranks(100, 1900)
    del model[100:1900]
    order.check()
    assert list(order.members()) == [m for _, m in model]
    order.remove_ranks(0, len(model))
    order.check()
    assert not order.chunks


def test_order_is_kept_for_large_sets_without_being_asked() -> None:
    o = ZSetObj()
    for i in range(4096):
        o.add(b"%d" % i, float(i), 128, 64)
    assert o.order is None
    o.add(b"x", 1.5, 128, 64)
    assert o.order is not None
    o.check()
    assert o.rank(b"x") == 2


def test_encoding_goes_one_way() -> None:
    o = ZSetObj()
    o.add(b"a", 1.0, 2, 4)
    o.add(b"b", 1.0, 2, 4)
    assert o.encoding() == "listpack"
    o.add(b"c", 1.0, 2, 4)
    assert o.encoding() == "skiplist"
    o.remove(b"c")
    assert o.encoding() == "skiplist"
    o = ZSetObj()
    o.add(b"long!", 1.0, 2, 4)
    assert o.encoding() == "skiplist"


def test_random_of_an_empty_set_is_an_error() -> None:
    with pytest.raises(KeyError):
        ZSetObj().random(random.Random(1))


def test_a_load_is_sane() -> None:
    assert score_order.LOAD >= 64
