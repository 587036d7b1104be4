"""HashObj against a dict."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyredis.engines.hash import HashObj

FIELDS = st.one_of(
    st.integers(0, 30).map(lambda i: b"f%d" % i),
    st.sampled_from([b"", b"\xff\x00", b"long field"]),
)
VALUES = st.sampled_from([b"", b"1", b"value", b"too long a value"])
MAX_ENTRIES = 10
MAX_VALUE = 8


class HashMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model: dict[bytes, bytes] = {}
        self.o = HashObj()
        self.packed = True
        self.rng = random.Random(2)
        self.cursor = 0
        self.scanning = False
        self.stayed: set[bytes] = set()
        self.found: set[bytes] = set()

    def note(self, field: bytes, value: bytes) -> bool:
        new = field not in self.model
        self.model[field] = value
        if max(len(field), len(value)) > MAX_VALUE or len(self.model) > MAX_ENTRIES:
            self.packed = False
        return new

    @rule(field=FIELDS, value=VALUES)
    def set(self, field: bytes, value: bytes) -> None:
        assert self.o.set(field, value, MAX_ENTRIES, MAX_VALUE) == self.note(field, value)
        assert self.o.get(field) == value

    @rule(pairs=st.lists(st.tuples(FIELDS, VALUES), max_size=8))
    def set_pairs(self, pairs: list[tuple[bytes, bytes]]) -> None:
        new = sum(self.note(field, value) for field, value in pairs)
        args = [b"HSET", b"key"] + [word for pair in pairs for word in pair]
        assert self.o.set_pairs(args, 2, MAX_ENTRIES, MAX_VALUE) == new

    @rule(field=FIELDS)
    def delete(self, field: bytes) -> None:
        assert (field in self.o) == (field in self.model)
        assert self.o.delete(field) == (field in self.model)
        assert self.o.get(field) is None
        self.model.pop(field, None)
        self.stayed.discard(field)

    @rule(words=st.lists(st.sampled_from([b"short", b"12345678", b"123456789"]), max_size=4))
    def convert(self, words: list[bytes]) -> None:
        self.o.try_conversion([b"HSETNX", b"a very long key", *words], 2, MAX_VALUE)
        if b"123456789" in words:
            self.packed = False

    @precondition(lambda self: self.model)
    @rule(data=st.data(), when=st.integers(0, 9))
    def expire(self, data: st.DataObject, when: int) -> None:
        if self.o.expires is None:
            self.o.expires = {}
        self.o.expires[data.draw(st.sampled_from(sorted(self.model)))] = when

    @rule(count=st.integers(0, 40))
    def pick(self, count: int) -> None:
        if self.model:
            assert self.o.random(self.rng) in self.model
        picked = self.o.random_distinct(self.rng, count)
        assert len(picked) == len(set(picked)) == min(count, len(self.model))
        repeated = self.o.random_repeating(self.rng, count)
        assert len(repeated) == (count if self.model else 0)
        assert set(picked) | set(repeated) <= self.model.keys()

    @rule(count=st.integers(1, 5))
    def scan(self, count: int) -> None:
        if not self.scanning:
            self.scanning, self.cursor = True, 0
            self.stayed, self.found = set(self.model), set()
        self.cursor, some = self.o.scan(self.cursor, count)
        assert set(some) <= self.model.keys()
        self.found |= set(some)
        if not self.cursor:
            self.scanning = False
            assert self.stayed <= self.found

    @rule()
    def copy(self) -> None:
        other = self.o.copy()
        assert other.expires == self.o.expires
        self.o.set(b"old", b"1", MAX_ENTRIES, MAX_VALUE)
        if self.o.expires is not None:
            self.o.expires[b"old"] = 1
        self.o = other
        self.scanning = False

    @invariant()
    def agrees(self) -> None:
        self.o.check()
        assert self.o.fields == self.model
        assert len(self.o) == len(self.model)
        assert list(self.o) == list(self.model)
        assert self.o.encoding() == ("listpack" if self.packed else "hashtable")


TestHash = HashMachine.TestCase
TestHash.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_setting_or_deleting_a_field_forgets_its_deadline() -> None:
    o = HashObj()
    for field in (b"a", b"b", b"c"):
        o.set(field, b"1", 128, 64)
    o.expires = {b"a": 1, b"b": 2, b"c": 3}
    o.set(b"a", b"2", 128, 64)
    o.delete(b"b")
    assert o.expires == {b"c": 3}
    o.set_pairs([b"c", b"4"], 0, 128, 64)
    assert o.expires == {}


def test_an_empty_hash_has_no_random_field() -> None:
    with pytest.raises(KeyError):
        HashObj().random(random.Random(1))
