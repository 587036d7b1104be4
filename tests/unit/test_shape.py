"""Chunks read by their shape: what a shape takes is what the strict parser reads, and whatever else it leaves alone."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.resp.request import RequestReader
from pyredis.resp.shape import Shape, Shaper
from tests.support.raw import encode

Lines = list[list[bytes]]


def strictly(data: bytes) -> Lines | None:
    """The requests of a chunk, fed byte by byte to a reader; None if they are not whole."""
    reader = RequestReader()
    reader.limits.authenticated = True
    found = [argv for at in range(len(data)) for argv in reader.feed(data[at : at + 1])]
    return found if reader.error is None and reader.idle else None


def lines(shape: Shape, data: bytes) -> Lines | None:
    """The same by the shape."""
    arguments = shape.arguments(data) if len(data) == shape.size else None
    if arguments is None:
        return None
    found = [list(arguments[at : at + shape.width]) for at in range(0, len(arguments), shape.width or 1)]
    return [[shape.name, *line] for line in found or [[]] * shape.count]


SIZES = st.lists(st.integers(0, 12), max_size=4).map(tuple)


@given(st.binary(max_size=6), SIZES, st.integers(1, 9), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=300)
def test_reads_what_has_the_shape(name: bytes, sizes: tuple[int, ...], count: int, rng: random.Random) -> None:
    # Values that look like what stands between values.
    commands = [[name, *(bytes(rng.choices(b"$*\r\n13", k=size)) for size in sizes)] for _ in range(count)]
    data = b"".join(map(encode, commands))
    assert lines(Shape(name, sizes, count), data) == commands


@pytest.mark.parametrize("sizes", [(), (1,), (2, 0), (3, 1, 10)])
def test_any_byte_may_be_wrong(sizes: tuple[int, ...]) -> None:
    """Every byte of a chunk becomes another one: the shape refuses it, or reads it as the strict parser does."""
    shape = Shape(b"SET", sizes, 3)
    data = b"".join(encode([b"SET", *(b"$" * size for size in sizes)]) for _ in range(3))
    for at in range(len(data)):
        for other in b"\0\r\n $*+-:019AsET\xff":
            changed = data[:at] + bytes((other,)) + data[at + 1 :]
            found = lines(shape, changed)
            assert found is None or found == strictly(changed), (at, other)
    assert lines(shape, data[:-1]) is None
    assert lines(shape, data + b"\0") is None


def chunk(*argv: bytes, count: int = 4) -> tuple[bytes, Lines]:
    return encode(list(argv)) * count, [list(argv) for _ in range(count)]


def test_two_like_chunks_make_a_shape() -> None:
    shaper = Shaper()
    assert shaper.saw(*chunk(b"GET", b"a")) is None
    shape = shaper.saw(*chunk(b"GET", b"b"))
    assert shape is not None
    assert lines(shape, chunk(b"GET", b"c")[0]) == chunk(b"GET", b"c")[1]


def test_changing_shapes_are_given_up() -> None:
    """Work that is never of use is done less and less often."""
    shaper = Shaper()
    made = 0
    for n in range(3000):
        for _ in range(2):
            made += shaper.saw(*chunk(b"GET", b"k" * (n % 30))) is not None
    assert made == 1


def test_the_same_size_is_not_the_same_shape() -> None:
    shaper = Shaper()
    data = encode([b"GET", b"ab"]) + encode([b"SET", b"ab"]) + encode([b"GET", b"a"]) + encode([b"GET", b"abc"])
    batch = [[b"GET", b"ab"], [b"SET", b"ab"], [b"GET", b"a"], [b"GET", b"abc"]]
    assert [shaper.saw(data, batch) for _ in range(100)] == [None] * 100


@pytest.mark.parametrize("argv,count", [([b"SET", b"k", b"v" * 5000], 3), ([b"SET", b"k", b"v"], 129)])
def test_large_chunks_have_none(argv: list[bytes], count: int) -> None:
    shaper = Shaper()
    assert [shaper.saw(*chunk(*argv, count=count)) for _ in range(5)] == [None] * 5
