"""SetObj against a built-in set."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyredis.engines.set import SetObj, is_canonical_int64

VALUES = st.one_of(
    st.integers(-20, 20).map(lambda i: b"%d" % i),
    st.sampled_from([b"", b"x", b"y", b"007", b"-0", b"+1", b"9223372036854775807", b"9223372036854775808"]),
)
NUMBERS = st.integers(-20, 20).map(lambda i: b"%d" % i)
MAX_INTSET = 12


def naive_int64(text: bytes) -> bool:
    try:
        value = int(text)
    except ValueError:
        return False
    return b"%d" % value == text and -(2**63) <= value < 2**63


class SetMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model: set[bytes] = set()
        self.o = SetObj()
        self.intset = True
        self.rng = random.Random(2)
        self.cursor = 0
        self.scanning = False
        self.stayed: set[bytes] = set()
        self.found: set[bytes] = set()

    def note_add(self, value: bytes) -> None:
        self.model.add(value)
        self.intset = self.intset and naive_int64(value) and len(self.model) <= MAX_INTSET

    def note_gone(self, value: bytes) -> None:
        self.model.discard(value)
        self.stayed.discard(value)

    @rule(value=st.one_of(NUMBERS, NUMBERS, VALUES))
    def add(self, value: bytes) -> None:
        new = value not in self.model
        assert self.o.add(value, MAX_INTSET) == new
        if new:
            self.note_add(value)
        assert value in self.o

    @rule(values=st.lists(VALUES, max_size=15))
    def add_many(self, values: list[bytes]) -> None:
        before = len(self.model)
        for value in values:
            if value not in self.model:
                self.note_add(value)
        assert self.o.add_many(values, MAX_INTSET) == len(self.model) - before

    @rule(value=VALUES)
    def discard(self, value: bytes) -> None:
        assert self.o.discard(value) == (value in self.model)
        self.note_gone(value)

    @precondition(lambda self: self.model)
    @rule()
    def pop(self) -> None:
        assert self.o.random(self.rng) in self.model
        value = self.o.pop_random(self.rng)
        assert value in self.model
        self.note_gone(value)

    @rule(count=st.integers(0, 40))
    def pick(self, count: int) -> None:
        picked = self.o.random_distinct(self.rng, count)
        assert len(picked) == len(set(picked)) == min(count, len(self.model))
        repeated = self.o.random_repeating(self.rng, count)
        assert len(repeated) == (count if self.model else 0)
        assert set(picked) | set(repeated) <= self.model

    @rule(count=st.integers(1, 5))
    def scan(self, count: int) -> None:
        if not self.scanning:
            self.scanning, self.cursor = True, 0
            self.stayed, self.found = set(self.model), set()
        self.cursor, some = self.o.scan(self.cursor, count)
        assert set(some) <= self.model
        self.found |= set(some)
        if not self.cursor:
            self.scanning = False
            assert self.stayed <= self.found

    @rule()
    def copy(self) -> None:
        other = self.o.copy()
        self.o.add(b"only in the old one", MAX_INTSET)
        self.o = other
        self.scanning = False

    @invariant()
    def agrees(self) -> None:
        self.o.check()
        assert self.o.members == self.model
        assert len(self.o) == len(self.model)
        assert self.o.encoding() == ("intset" if self.intset else "hashtable")
        if self.intset:
            assert list(self.o) == sorted(self.model, key=int)
        else:
            assert sorted(self.o) == sorted(self.model)


TestSet = SetMachine.TestCase
TestSet.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(
    st.one_of(
        st.integers(-(2**65), 2**65).map(lambda i: b"%d" % i),
        st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**18, -(10**18), 10**19]).map(lambda i: b"%d" % i),
        st.text("-+ 019_", max_size=21).map(str.encode),
        st.binary(max_size=4),
    )
)
def test_is_canonical_int64(text: bytes) -> None:
    assert is_canonical_int64(text) == naive_int64(text)


@given(members=st.sets(VALUES, max_size=20))
def test_from_members_has_the_encoding_of_single_adds(members: set[bytes]) -> None:
    one_by_one = SetObj()
    for value in members:
        one_by_one.add(value, MAX_INTSET)
    whole = SetObj.from_members(set(members), MAX_INTSET)
    whole.check()
    assert whole.members == members
    assert whole.encoding() == one_by_one.encoding()


def test_an_empty_set_has_no_random_member() -> None:
    rng = random.Random(1)
    for pick in (SetObj().random, SetObj().pop_random):
        with pytest.raises(KeyError):
            pick(rng)


def test_every_member_can_be_popped_first() -> None:
    rng = random.Random(4)
    firsts = {SetObj.from_members({b"a", b"b", b"c"}, 0).pop_random(rng) for _ in range(100)}
    assert firsts == {b"a", b"b", b"c"}
