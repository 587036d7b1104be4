"""VolatileHashObj against a dict of values and one of deadlines, with a clock that only moves forward."""

from __future__ import annotations

import random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from pyredis.engines.hash import HashObj
from pyredis.engines.volatile_hash import NEVER, VolatileHashObj, make_volatile

FEW = st.integers(0, 20).map(lambda i: b"f%d" % i)
MAX_ENTRIES, MAX_VALUE = 120, 8


class VolatileMachine(RuleBasedStateMachine):
    """``many``: so many fields that they are kept by time, too."""

    @initialize(many=st.booleans())
    def start(self, many: bool) -> None:
        plain = HashObj()
        self.now = 1_700_000_000_000
        self.values: dict[bytes, bytes] = {}
        self.deadlines: dict[bytes, int] = {}
        for i in range(100 if many else 3):
            self.values[b"f%d" % i] = b"v"
            plain.set(b"f%d" % i, b"v", MAX_ENTRIES, MAX_VALUE)
        plain.random(random.Random(1))  # makes the index
        self.o = make_volatile(plain)
        if many:
            for i in range(100):
                self.expire(b"f%d" % i, i * 3)

    @rule(field=FEW, value=st.sampled_from([b"", b"1", b"too long a value"]))
    def set(self, field: bytes, value: bytes) -> None:
        new = field not in self.values
        assert self.o.set(field, value, MAX_ENTRIES, MAX_VALUE) == new
        self.values[field] = value
        self.deadlines.pop(field, None)

    @rule(field=FEW)
    def keep(self, field: bytes) -> None:
        HashObj.set(self.o, field, b"kept", MAX_ENTRIES, MAX_VALUE)
        self.values[field] = b"kept"

    @rule(field=FEW)
    def delete(self, field: bytes) -> None:
        assert self.o.delete(field) == (field in self.values)
        self.values.pop(field, None)
        self.deadlines.pop(field, None)

    @rule(field=FEW, ms=st.integers(0, 500))
    def expire(self, field: bytes, ms: int) -> None:
        if field in self.values:
            self.o.set_deadline(field, self.now + ms)
            self.deadlines[field] = self.now + ms

    @rule(field=FEW)
    def persist(self, field: bytes) -> None:
        assert self.o.persist(field) == (self.deadlines.pop(field, None) is not None)

    @rule(ms=st.integers(0, 100))
    def wait(self, ms: int) -> None:
        self.now += ms

    @rule(limit=st.integers(1, 30))
    def remove_due(self, limit: int) -> None:
        due = self.o.due(self.now, limit)
        assert len(due) == len(set(due)) <= limit
        for field in due:
            assert self.deadlines.pop(field) <= self.now
            del self.values[field]
            assert self.o.delete(field)

    @rule()
    def remove_all_due(self) -> None:
        """With a limit that is not reached, only what came due in the last 64 ms is left."""
        self.now += 64
        while due := self.o.due(self.now, 200):
            for field in due:
                assert self.deadlines.pop(field) <= self.now
                del self.values[field]
                self.o.delete(field)
        assert all(when > self.now - 64 for when in self.deadlines.values())

    @rule()
    def copy(self) -> None:
        other = self.o.copy()
        self.o.set(b"old", b"1", MAX_ENTRIES, MAX_VALUE)
        self.o.set_deadline(b"old", 1)
        self.o = other

    @invariant()
    def agrees(self) -> None:
        self.o.check()
        assert self.o.fields == self.values
        assert self.o.expires == self.deadlines
        assert self.o.encoding() == ("listpackex" if self.o.packed else "hashtable")
        live = {f: v for f, v in self.values.items() if self.deadlines.get(f, NEVER) > self.now}
        assert self.o.live(list(self.o.fields), self.now) == list(live)
        for field in (b"f0", b"f1", b"f19", b"none"):
            assert self.o.live_value(field, self.now) == live.get(field)
            assert self.o.deadline(field) == self.deadlines.get(field, -1)


TestVolatile = VolatileMachine.TestCase
TestVolatile.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("n", [10, 10_000])
def test_deadlines_that_change_again_and_again_take_no_more_memory(n: int) -> None:
    o = VolatileHashObj()
    for i in range(n):
        o.set(b"%d" % i, b"", 0, 0)
    for turn in range(20):
        for i in range(n):
            o.set_deadline(b"%d" % i, 1000 * turn + 1_000_000)
    assert o.timeline is None or o.timeline.entries <= 2 * n + 1024
    for i in range(n):
        o.persist(b"%d" % i)
    assert o.timeline is None and o.next_due == NEVER and not o.expires
