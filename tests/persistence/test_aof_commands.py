"""Reading append-only files: what is whole, what is cut off, what is damaged, and where."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyredis.persistence.aof_commands import AofDamage, read_commands
from pyredis.resp.command import encode_command

argvs = st.lists(st.lists(st.binary(max_size=600), min_size=1, max_size=70), max_size=6)


def read(data: bytes) -> list[tuple[int, list[bytes]]]:
    return list(read_commands(io.BytesIO(data), 0, len(data)))


@given(argvs)
def test_round_trip(commands: list[list[bytes]]) -> None:
    assert [argv for _, argv in read(b"".join(map(encode_command, commands)))] == commands


@given(argvs, st.data())
def test_cut_anywhere(commands: list[list[bytes]], data: st.DataObject) -> None:
    encoded = [encode_command(argv) for argv in commands]
    whole = b"".join(encoded)
    size = data.draw(st.integers(0, len(whole)))
    ends = [sum(map(len, encoded[:n])) for n in range(len(encoded) + 1)]
    fits = max(end for end in ends if end <= size)
    found = []
    try:
        for end, _ in read_commands(io.BytesIO(whole[:size]), 0, size):
            found.append(end)
    except AofDamage as e:
        assert e.cut and e.offset == fits != size
    else:
        assert fits == size
    assert found == ends[1 : ends.index(fits) + 1]


def test_annotations_are_passed_over() -> None:
    data = b"#TS:1700000000\r\n" + encode_command([b"A"]) + b"#" + b"x" * 900 + b"\r\n" + encode_command([b"B"])
    assert [argv for _, argv in read(data)] == [[b"A"], [b"B"]]


@pytest.mark.parametrize(
    "tail",
    [
        b"SET a b\r\n",
        b"*x\r\n",
        b"*0\r\n",
        b"*-1\r\n",
        b"*1\r\n+OK\r\n",
        b"*1\r\n$-1\r\n\r\n",
        b"*1\r\n$1x\r\na\r\n",
        b"*" + b"9" * 200 + b"\r\n",
        b"\x00\x00",
    ],
)
def test_damage(tail: bytes) -> None:
    good = encode_command([b"SET", b"a", b"b"])
    with pytest.raises(AofDamage) as caught:
        read(good + tail)
    assert caught.value.offset == len(good)
    assert not caught.value.cut


@pytest.mark.parametrize("tail", [b"*", b"*3\r\n", b"*1\r\n$1152921504606846976\r\n", b"*1\r\n$5\r\nab", b"#TS:1"])
def test_cut_off(tail: bytes) -> None:
    """A length of 2^60 is seen to be behind the end before anything is allocated."""
    good = encode_command([b"SET", b"a", b"b"])
    with pytest.raises(AofDamage) as caught:
        read(good + tail)
    assert caught.value.offset == len(good)
    assert caught.value.cut
