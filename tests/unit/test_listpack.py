"""Listpacks, ziplists, zipmaps, intsets: what is written is read again, and damage is an error, never anything else."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyredis.lib.listpack import LISTPACK_ENDS, decode_listpack, element_size, encode_element, encode_listpack
from pyredis.lib.lzf import compress, decompress
from pyredis.lib.ziplist import decode_intset, decode_ziplist, decode_zipmap, encode_intset

numbers = st.integers(-(1 << 63), (1 << 63) - 1)
texts = st.one_of(
    st.binary(max_size=80),
    numbers.map(lambda n: b"%d" % n),
    st.sampled_from([b"-0", b"007", b"+1", b"9223372036854775808", b"x" * 4095, b"x" * 4096, b"x" * 70000]),
)


def as_texts(elements: list[bytes | int]) -> list[bytes]:
    return [b"%d" % one if isinstance(one, int) else one for one in elements]


@given(st.lists(texts, max_size=30))
def test_listpack_and_back(elements: list[bytes]) -> None:
    blob = encode_listpack(elements)
    assert as_texts(decode_listpack(blob, True)) == elements
    assert len(blob) == LISTPACK_ENDS + sum(map(element_size, elements))


@given(texts)
def test_integers_are_integers(text: bytes) -> None:
    """Only what is exactly how a number is written becomes one."""
    [element] = decode_listpack(encode_listpack([text]), True)
    assert isinstance(element, int) == (
        text.lstrip(b"-").isdigit() and abs(int(text)) < 1 << 63 and b"%d" % int(text) == text
    )


@pytest.mark.parametrize("size", [127, 128, 16383, 16384, 2097151, 2097152])
def test_lengths_behind_elements(size: int) -> None:
    """They take another byte from certain lengths on."""
    for length in range(size - 8, size + 2):
        assert decode_listpack(encode_listpack([b"a" * length, b"end"]), True) == [b"a" * length, b"end"]
    assert encode_element(b"a" * 62)[-1] == 63


_ZIPLIST_ELEMENTS = bytes.fromhex("00 0161  03 c00100  04 f1  02 fe80  03 d0ffff7fff  06 f0ffff7f  05 026262")
ZIPLIST = (
    (10 + len(_ZIPLIST_ELEMENTS) + 1).to_bytes(4, "little")
    + (10 + len(_ZIPLIST_ELEMENTS) - 4).to_bytes(4, "little")
    + (7).to_bytes(2, "little")
    + _ZIPLIST_ELEMENTS
    + b"\xff"
)
ZIPMAP = bytes.fromhex("02 01 61 03 00 626364 02 6565 00 00 ff")


def test_ziplist() -> None:
    assert decode_ziplist(ZIPLIST) == [b"a", 1, 0, -128, -8388609, 8388607, b"bb"]


def test_zipmap() -> None:
    assert decode_zipmap(ZIPMAP) == [b"a", b"bcd", b"ee", b""]


@given(st.sets(numbers, min_size=1, max_size=20))
def test_intset_and_back(members: set[int]) -> None:
    ordered = sorted(members)
    assert list(decode_intset(encode_intset(ordered))) == ordered


@given(st.binary(max_size=400).map(lambda data: data + data[:100] * 3))
def test_lzf_and_back(data: bytes) -> None:
    packed = compress(data)
    if packed is not None:
        assert decompress(packed, len(data)) == data
        assert len(packed) <= len(data) - 4
        for wrong in (0, len(data) - 1, len(data) + 1, 1 << 60):
            with pytest.raises(ValueError):
                decompress(packed, wrong)


@pytest.mark.parametrize(
    "decode", [decode_ziplist, decode_zipmap, decode_intset, lambda blob: decode_listpack(blob, True)]
)
def test_damage_is_an_error(decode: object) -> None:
    """Whatever the bytes: a result or ValueError."""
    assert callable(decode)
    rng = random.Random(7)
    seeds = [
        ZIPLIST,
        ZIPMAP,
        encode_intset([1, 2, 70000]),
        encode_listpack([b"a", b"5", b"-99999", b"x" * 200, b"9" * 19]),
    ]
    for seed in seeds:
        for at in range(len(seed)):
            for value in range(256):
                with contextlib.suppress(ValueError):
                    decode(seed[:at] + bytes((value,)) + seed[at + 1 :])
            with contextlib.suppress(ValueError):
                decode(seed[:at])
        for _ in range(300):
            with contextlib.suppress(ValueError):
                decode(seed[: rng.randrange(12)] + rng.randbytes(rng.randrange(30)))
