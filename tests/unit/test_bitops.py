"""Bit operations beside the same done one bit at a time."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyredis.lib import bitops
from pyredis.lib.bitops import combine, count_bits, find_bit, fit, get_unsigned, put, signed

CHUNK = 64


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks so small that short strings have several."""
    monkeypatch.setattr(bitops, "_CHUNK", CHUNK)
    monkeypatch.setattr(bitops, "_BLANK", (b"\xff" * CHUNK, bytes(CHUNK)))


def bits_of(data: bytes) -> str:
    return "".join(f"{byte:08b}" for byte in data)


PLAIN = st.tuples(st.integers(0, 300), st.sampled_from([b"\x00", b"\xff"]), st.binary(max_size=4)).map(
    lambda t: t[1] * t[0] + t[2] + t[1] * (t[0] // 2)
)
STRINGS = st.one_of(st.binary(max_size=200), PLAIN)


@given(STRINGS.filter(bool), st.data())
def test_count_and_find(data: bytes, draw: st.DataObject) -> None:
    last = draw.draw(st.integers(0, len(data) * 8 - 1))
    first = draw.draw(st.integers(0, last))
    text = bits_of(data)
    assert count_bits(data, first, last) == text[first : last + 1].count("1")
    for bit in (0, 1):
        assert find_bit(bytearray(data), bit, first, last) == text.find(str(bit), first, last + 1)


RULES = {
    b"AND": lambda x: all(x),
    b"OR": lambda x: any(x),
    b"XOR": lambda x: sum(x) % 2,
    b"DIFF": lambda x: x[0] and not any(x[1:]),
    b"DIFF1": lambda x: not x[0] and any(x[1:]),
    b"ANDOR": lambda x: x[0] and any(x[1:]),
    b"ONE": lambda x: sum(x) == 1,
}


@pytest.mark.parametrize("operation", sorted(RULES))
@given(st.lists(STRINGS, min_size=2, max_size=4))
def test_combine(operation: bytes, sources: list[bytes]) -> None:
    """The operations of https://redis.io/docs/latest/commands/bitop/."""
    size = max(map(len, sources))
    texts = [bits_of(source.ljust(size, b"\0")) for source in sources]
    expected = "".join(
        str(int(bool(RULES[operation]([int(bit) for bit in bits])))) for bits in zip(*texts, strict=True)
    )
    assert bits_of(combine(operation, sources)) == expected


@given(STRINGS)
def test_not(data: bytes) -> None:
    for kind in (bytes, bytearray):
        result = combine(b"NOT", [kind(data)])
        assert type(result) is bytearray
        assert result == bytes(255 - byte for byte in data)


@given(st.binary(min_size=1, max_size=20), st.integers(1, 64), st.integers(0, 200), st.integers(-(2**63), 2**63 - 1))
def test_integers(data: bytes, bits: int, offset: int, number: int) -> None:
    text = bits_of(data).ljust(300, "0")[offset : offset + bits]
    assert get_unsigned(data, offset, bits) == int(text, 2)
    assert signed(int(text, 2), bits) == int(text, 2) - (1 << bits if text[0] == "1" else 0)
    written = bytearray(data.ljust((offset + bits + 7) // 8, b"\0"))
    before = bits_of(written)
    put(written, offset, bits, number)
    assert bits_of(written) == before[:offset] + f"{number % (1 << bits):0{bits}b}" + before[offset + bits :]


def test_fit() -> None:
    rng = random.Random(7)
    for _ in range(5000):
        bits, is_signed = rng.randint(1, 63), rng.random() < 0.5
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
        value, increment = rng.randint(low, high), rng.choice([rng.randint(-9, 9), rng.randint(-(2**62), 2**62)])
        total = value + increment
        fits = low <= total <= high
        assert fit(value, increment, bits, is_signed, b"FAIL") == (total if fits else None)
        assert fit(value, increment, bits, is_signed, b"SAT") == min(max(total, low), high)
        wrapped = fit(value, increment, bits, is_signed, b"WRAP")
        assert wrapped is not None
        assert low <= wrapped <= high
        assert (wrapped - total) % (1 << bits) == 0
