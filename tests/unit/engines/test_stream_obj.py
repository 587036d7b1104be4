"""Streams against plain lists and dicts: whatever is added, deleted and trimmed, and where blocks begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pyredis.engines.group import Consumer, Group, IdOrder
from pyredis.engines.stream import MAX_ID, MAX_PART, StreamObj, _tree_nodes

Model = dict[int, list[bytes]]
_TEXTS = st.sampled_from([b"", b"1", b"-77", b"v", b"x" * 70, b"field"])
_FLAT = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"12"]), _TEXTS), min_size=1, max_size=3).map(
    lambda pairs: [text for pair in pairs for text in pair]
)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 1 << 65), _FLAT),
        st.tuples(st.just("add"), st.integers(1, 3), _FLAT),
        st.tuples(st.just("delete"), st.integers(0, 60), st.just([])),
        st.tuples(st.just("length"), st.integers(0, 40), st.just([])),
        st.tuples(st.just("below"), st.integers(0, 60), st.just([])),
        st.tuples(st.just("copy"), st.just(0), st.just([])),
    ),
    max_size=80,
)


def contents(stream: StreamObj, low: int = 0, high: int = MAX_ID) -> Model:
    return {ms << 64 | seq: flat for ms, seq, flat in stream.range(low, high)}


@given(_STEPS, st.sampled_from([0, 1, 3, 100]), st.sampled_from([0, 60, 4096]))
def test_like_a_dict(steps: list[tuple[str, int, list[bytes]]], max_entries: int, max_bytes: int) -> None:
    stream, model = StreamObj(), Model()
    for step, number, flat in steps:
        ids = list(model)
        if step == "add" and stream.last_id + number <= MAX_ID:
            stream.append(stream.last_id + number, flat, max_bytes, max_entries)
            model[stream.last_id] = flat
        elif step == "delete":
            chosen = ids[number % len(ids)] if ids else number
            assert stream.delete(chosen) == (model.pop(chosen, None) is not None)
            assert not stream.delete(chosen)
        elif step == "length":
            assert stream.trim_to_length(number, False, 0) == max(len(ids) - number, 0)
            model = {entry_id: model[entry_id] for entry_id in ids[max(len(ids) - number, 0) :]}
        elif step == "below":
            low = ids[number % len(ids)] if ids else number
            stream.trim_below(low, False, 0)
            model = {entry_id: model[entry_id] for entry_id in ids if entry_id >= low}
        elif step == "copy":
            before, stream = stream, stream.copy()
            before.trim_to_length(0, False, 0)
        stream.check()
        assert len(stream) == len(model)
    assert contents(stream) == model
    assert [ms << 64 | seq for ms, seq, _ in stream.reverse_range(0, MAX_ID)] == list(model)[::-1]
    for low in list(model)[::3]:
        for high in (low, low + 2, MAX_ID):
            wanted = {entry_id: flat for entry_id, flat in model.items() if low <= entry_id <= high}
            assert contents(stream, low, high) == wanted
            backwards = [ms << 64 | seq for ms, seq, _ in stream.reverse_range(low, high)]
            assert backwards == list(wanted)[::-1]
        assert low in stream and (low + 1 in stream) == (low + 1 in model)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 50), st.integers(0, 150))
def test_trimming_by_blocks(count: int, most: int, per_block: int, limit: int) -> None:
    stream = StreamObj()
    for entry_id in range(1, count + 1):
        stream.append(entry_id << 64, [b"f", b"v"], 0, per_block)
    removed = stream.trim_to_length(most, True, limit)
    stream.check()
    assert len(stream) == count - removed >= min(most, count)
    if limit == 0:
        assert len(stream) < most + per_block
    else:
        assert removed <= limit
    assert removed % per_block == 0 or len(stream) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), max_size=200))
def test_ids_in_order(steps: list[tuple[int, int]]) -> None:
    order, model = IdOrder([]), set[int]()
    for step, number in steps:
        for entry_id in (number, *range(1000 * number, 1000 * number + 300 * (step == 2))):
            if step == 3 and entry_id in model:
                order.remove(entry_id)
                model.remove(entry_id)
            elif step != 3 and entry_id not in model:
                order.add(entry_id)
                model.add(entry_id)
        assert order.after(number, 7) == sorted(i for i in model if i >= number)[:7]
    assert order.after(0, len(model) + 1) == sorted(model)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 12), st.integers(0, 2)), max_size=60))
def test_groups(steps: list[tuple[int, int, int]]) -> None:
    group = Group(0, 0)
    owners: dict[int, bytes] = {}
    for step, entry_id, number in steps:
        name = b"abc"[number : number + 1]
        consumer = group.consumers.setdefault(name, Consumer(name, 0))
        if step == 0:
            group.deliver(entry_id, consumer, 1)
            owners[entry_id] = name
        elif step == 1:
            assert group.forget(entry_id) == (owners.pop(entry_id, None) is not None)
        elif step == 2 and entry_id in owners:
            group.assign(entry_id, group.pending.entries[entry_id], consumer)
            owners[entry_id] = name
        elif step == 3:
            group.delete_consumer(consumer)
            owners = {i: owner for i, owner in owners.items() if owner != name}
        elif step == 4:
            group = group.copy()
            assert [i for i, _ in group.pending.walk(entry_id, 10)] == sorted(i for i in owners if entry_id <= i <= 10)
        group.check()
        assert {i: entry.consumer.name for i, entry in group.pending.entries.items() if entry.consumer} == owners


def test_nodes_of_the_tree() -> None:
    """Figures that XINFO STREAM of redis-server 7.0.15 gave for one entry a node."""
    keys = [first.to_bytes(16, "big") for first in (1 << 64, 2 << 64, 3 << 64, 256 << 64, 256 << 64 | 1)]
    assert _tree_nodes(keys[:1]) == 2
    assert [_tree_nodes(keys[:n]) for n in range(2, 6)] == [6, 8, 11, 13]
    assert StreamObj().tree_nodes() == 1


def test_ids_run_out() -> None:
    stream = StreamObj()
    stream.append(MAX_ID, [b"f", b"v"], 0, 0)
    stream.check()
    assert contents(stream) == {MAX_ID: [b"f", b"v"]} and list(stream.range(0, MAX_ID - 1)) == []
    assert next(stream.reverse_range(0, MAX_ID))[:2] == (MAX_PART, MAX_PART)
