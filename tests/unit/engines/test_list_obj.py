"""ListObj against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pyredis.engines import list as list_engine
from pyredis.engines.list import ListObj

VALUES = st.sampled_from([b"", b"a", b"b", b"c", b"\xff\x00"])
INDEXES = st.one_of(st.integers(-25, 25), st.sampled_from([-(2**63), 2**63 - 1]))


def model_range(model: list[bytes], start: int, stop: int) -> tuple[int, int]:
    size = len(model)
    start = max(start + size, 0) if start < 0 else start
    stop = min(stop + size if stop < 0 else stop, size - 1)
    return (start, stop + 1) if start <= stop else (0, 0)


class ListMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model: list[bytes] = []
        self.o = ListObj()

    @rule(values=st.lists(VALUES, max_size=12))
    def push_tail(self, values: list[bytes]) -> None:
        self.o.push_tail_many(values)
        self.model += values

    @rule(values=st.lists(VALUES, max_size=12))
    def push_head(self, values: list[bytes]) -> None:
        self.o.push_head_many(values)
        self.model[:0] = values[::-1]

    @rule(value=VALUES)
    def push_one(self, value: bytes) -> None:
        self.o.push_head(value)
        self.o.push_tail(value)
        self.model = [value, *self.model, value]

    @rule(times=st.integers(1, 8))
    def pop_head(self, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            assert self.o.pop_head() == self.model.pop(0)

    @rule(times=st.integers(1, 8))
    def pop_tail(self, times: int) -> None:
        for _ in range(min(times, len(self.model))):
            assert self.o.pop_tail() == self.model.pop()

    @rule(count=st.integers(0, 15))
    def pop_head_n(self, count: int) -> None:
        assert self.o.pop_head_n(count) == self.model[:count]
        del self.model[:count]

    @rule(count=st.integers(0, 15))
    def pop_tail_n(self, count: int) -> None:
        expected = self.model[::-1][:count]
        assert self.o.pop_tail_n(count) == expected
        del self.model[len(self.model) - len(expected) :]

    @rule(i=INDEXES, value=VALUES)
    def at(self, i: int, value: bytes) -> None:
        inside = -len(self.model) <= i < len(self.model)
        assert self.o.index(i) == (self.model[i] if inside else None)
        assert self.o.set(i, value) == inside
        if inside:
            self.model[i] = value

    @rule(start=INDEXES, stop=INDEXES)
    def range(self, start: int, stop: int) -> None:
        low, high = model_range(self.model, start, stop)
        assert self.o.range(start, stop) == self.model[low:high]

    @rule(start=INDEXES, stop=INDEXES)
    def trim(self, start: int, stop: int) -> None:
        low, high = model_range(self.model, start, stop)
        self.o.trim(start, stop)
        self.model = self.model[low:high]

    @rule(n=st.integers(0, 4), m=st.integers(0, 4))
    def trim_little(self, n: int, m: int) -> None:
        """Cuts small enough to leave most of the list."""
        self.trim(n, -1 - m)

    @rule(pivot=VALUES, value=VALUES, before=st.booleans())
    def insert(self, pivot: bytes, value: bytes, before: bool) -> None:
        if pivot not in self.model:
            assert self.o.insert(pivot, value, before) == -1
            return
        self.model.insert(self.model.index(pivot) + (not before), value)
        assert self.o.insert(pivot, value, before) == len(self.model)

    @rule(count=st.integers(-4, 4), value=VALUES)
    def remove(self, count: int, value: bytes) -> None:
        at = [i for i, v in enumerate(self.model) if v == value]
        if count > 0:
            at = at[:count]
        elif count < 0:
            at = at[count:]
        assert self.o.remove(count, value) == len(at)
        self.model = [v for i, v in enumerate(self.model) if i not in at]

    @rule(
        value=VALUES,
        rank=st.integers(-6, 6).filter(bool),
        count=st.integers(0, 4),
        maxlen=st.integers(0, 20),
    )
    def positions(self, value: bytes, rank: int, count: int, maxlen: int) -> None:
        order = list(range(len(self.model)))
        if rank < 0:
            order.reverse()
        order = order[: maxlen or None]
        hits = [i for i in order if self.model[i] == value][abs(rank) - 1 :]
        assert self.o.positions(value, rank, count, maxlen) == hits[: count or None]

    @rule()
    def copy(self) -> None:
        other = self.o.copy()
        self.o.push_tail(b"x")
        self.o.push_head(b"x")
        self.o = other

    @invariant()
    def agrees(self) -> None:
        self.o.check()
        assert len(self.o) == len(self.model)
        assert list(self.o) == self.model
        # A memo of other elements than these would be a change that did not forget it.
        assert self.o.memo is None or self.o.memo == self.model
        self.o.memo = self.model.copy()


TestList = ListMachine.TestCase
TestList.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.fixture(params=[1, 3, 512])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(list_engine, "_CHUNK", request.param)
    return int(request.param)


def test_positions_do_not_depend_on_the_chunks(chunk: int) -> None:
    values = [b"ab"[i % 2 : i % 2 + 1] if i % 5 else b"c" for i in range(40)]
    o = ListObj(values[17:])
    o.push_head_many(reversed(values[:17]))
    for rank in (1, 2, 5, -1, -3, 100, -(2**63)):
        for count in (0, 1, 3):
            for maxlen in (0, 7, 39, 100):
                order = list(range(40)) if rank > 0 else list(range(39, -1, -1))
                hits = [i for i in order[: maxlen or None] if values[i] == b"c"][abs(rank) - 1 :]
                assert o.positions(b"c", rank, count, maxlen) == hits[: count or None]


def test_popping_from_an_empty_list_is_an_error() -> None:
    for pop in (ListObj().pop_head, ListObj().pop_tail):
        with pytest.raises(IndexError):
            pop()
    assert ListObj().pop_head_n(3) == ListObj().pop_tail_n(3) == []


def test_a_queue_empties_in_order_from_either_end() -> None:
    o = ListObj()
    values = [b"%d" % i for i in range(1000)]
    o.push_tail_many(values)
    assert [o.pop_head() for _ in values] == values
    o.push_head_many(values)
    assert [o.pop_tail() for _ in values] == values
    o.push_tail_many(values)
    both = [o.pop_head() if i % 2 else o.pop_tail() for i in range(1000)]
    assert sorted(both) == sorted(values)
    assert not len(o)


def test_encoding() -> None:
    assert ListObj([b"a"]).encoding() == "quicklist"
