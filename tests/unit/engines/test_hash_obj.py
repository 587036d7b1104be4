"""HashObj against a dict."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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

    @rule(field=FIELDS)
    def delete(self, field: bytes) -> None:
        assert (field in self.o) == (field in self.model)
        assert self.o.delete(field) == (field in self.model)
        assert self.o.get(field) is None
        self.model.pop(field, None)
        self.stayed.discard(field)

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
        self.o.set(b"old", b"1", MAX_ENTRIES, MAX_VALUE)
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


def test_an_empty_hash_has_no_random_field() -> None:
    with pytest.raises(KeyError):
        HashObj().random(random.Random(1))
