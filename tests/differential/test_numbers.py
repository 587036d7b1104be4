"""Numbers in every spelling: how integers, doubles and long doubles are read, added and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.differential.pair import Pair
from tests.support.servers import ServerProcess

_DIGITS = st.one_of(
    st.integers(0, 99).map(str),
    st.integers(0, 10**20).map(str),
    st.text("0123456789", max_size=30),
    st.tuples(st.text("0123456789", max_size=4), st.integers(0, 5200)).map(lambda pair: pair[0] + "7" * pair[1]),
)
_EXPONENT = st.one_of(
    st.integers(-30, 30), st.integers(-340, 340), st.integers(-5000, 5000), st.integers(-(10**25), 10**25)
)
_DECIMAL = st.tuples(
    st.sampled_from(["", "", "", "-", "+", " ", "--"]),
    _DIGITS,
    st.one_of(st.just(""), _DIGITS.map(lambda digits: "." + digits)),
    st.one_of(st.just(""), _EXPONENT.map(lambda n: f"e{n}"), st.sampled_from(["e", "e+", "E5", "e+5", "e1.5"])),
).map("".join)
_HEX = st.tuples(
    st.sampled_from(["0x", "-0X", "+0x"]),
    st.text("0123456789abcdefABCDEF", max_size=20),
    st.one_of(st.just(""), st.text("0123456789abcdef", max_size=20).map(lambda digits: "." + digits)),
    st.one_of(st.just(""), st.integers(-17000, 17000).map(lambda n: f"p{n}"), st.sampled_from(["p", "P3", "p+2"])),
).map("".join)
_EXACT = st.floats(allow_nan=False).map(repr)
_INTEGER = st.one_of(st.integers(-10, 10), st.integers(-(2**65), 2**65)).map(str)
_EDGE = st.tuples(
    st.sampled_from([2**31, 2**32, 2**52, 2**53, 2**62, 2**63, 2**64, 10**15, 10**17, 10**18]),
    st.integers(-3, 3),
    st.sampled_from([1, -1]),
    st.sampled_from(["", ".0", ".5", "e0"]),
).map(lambda t: f"{(t[0] + t[1]) * t[2]}{t[3]}")
_ODD = st.sampled_from(
    ["inf", "-inf", "Infinity", "nan", "-nan", "infinit", "", " ", "1\0", "\t1", "1\n", "1_0", "(1", "x"]
)
NUMBERS = st.one_of(_INTEGER, _EDGE, _EXACT, _DECIMAL, _HEX, _ODD).map(lambda text: text[:5130].encode())


def _commands(a: bytes, b: bytes) -> list[list[bytes]]:
    """Everything that reads a number, with these two."""
    return [
        [b"SET", b"f", a],
        [b"INCRBYFLOAT", b"f", b],
        [b"INCRBYFLOAT", b"f", b],
        [b"HSET", b"fh", b"a", a],
        [b"HINCRBYFLOAT", b"fh", b"a", b],
        [b"HINCRBYFLOAT", b"fh", b"b", b],
        [b"SET", b"i", a],
        [b"INCRBY", b"i", b],
        [b"DECRBY", b"i", b],
        [b"HSET", b"ih", b"a", a],
        [b"HINCRBY", b"ih", b"a", b],
        [b"ZADD", b"fz", a, b"m"],
        [b"ZINCRBY", b"fz", b, b"m"],
        [b"ZADD", b"fz", b"INCR", b, b"m"],
        [b"ZADD", b"fz", b, b"n"],
        [b"ZSCORE", b"fz", b"n"],
        [b"ZCOUNT", b"z1", a, b],
        [b"ZRANGEBYSCORE", b"fz", b"(" + a, b, b"WITHSCORES"],
        [b"ZUNION", b"2", b"z1", b"fz", b"WEIGHTS", a, b, b"WITHSCORES"],
        [b"ZSCAN", b"fz", b"0"],
        [b"ZRANGE", b"fz", a, b],
        [b"LRANGE", b"l1", a, b],
        [b"GETRANGE", b"s2", a, b],
        [b"EXPIREAT", b"s1", a],
        [b"SORT", b"l2", b"BY", b"f"],
        [b"MULTI"],
        [b"BLPOP", b"nokey", a],
        [b"EXEC"],
    ]


@pytest.mark.parametrize("protocol", [2, 3])
def test_same_numbers(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    pair = Pair(server, oracle, protocol)

    @given(NUMBERS, NUMBERS)
    def run(a: bytes, b: bytes) -> None:
        pair.check(_commands(a, b))

    run()
