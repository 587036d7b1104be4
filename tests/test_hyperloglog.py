"""HyperLogLog beside redis-server: after the same commands, the same bytes at the key."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pyredis.lib.hyperloglog import DENSE_SIZE, REGISTERS, estimate
from tests.support.local import LocalServer
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess


class Both:
    """A connection to each; what they answer must be the same."""

    def __init__(self, *servers: ServerProcess) -> None:
        self.clients = [RawClient(one.connect()) for one in servers]

    def call(self, *argv: bytes | str | int) -> bytes:
        mine, other = [client.call(*argv) for client in self.clients]
        assert mine == other, f"{argv[:6]}: ours {mine[:200]!r}, redis {other[:200]!r}"
        return mine


@pytest.fixture
def both(server: ServerProcess, oracle: ServerProcess) -> Iterator[Both]:
    pair = Both(server, oracle)
    yield pair
    pair.call("CONFIG", "SET", "hll-sparse-max-bytes", 3000)
    for client in pair.clients:
        client.close()


def elements(rng: random.Random, n: int) -> list[bytes]:
    return [rng.randbytes(rng.choice((0, 1, 3, 7, 8, 9, 16, 40, 300))) for _ in range(n)]


@pytest.mark.parametrize("sparse_max", [0, 20, 300, 3000, 20_000])
def test_same_bytes(both: Both, sparse_max: int) -> None:
    rng = random.Random(sparse_max)
    both.call("CONFIG", "SET", "hll-sparse-max-bytes", sparse_max)
    size = 1
    for _ in range(150):
        size = min(size + rng.randrange(3), 40)
        both.call("PFADD", rng.choice("ab"), *elements(rng, size))
        both.call("GET", "a")
        if rng.random() < 0.3:
            both.call("PFCOUNT", rng.choice("ab"))
        both.call("GET", "b")
    both.call("PFCOUNT", "a", "b", "nokey")
    both.call("PFDEBUG", "GETREG", "a")


def test_merging(both: Both) -> None:
    rng = random.Random(5)
    for turn in range(120):
        both.call("CONFIG", "SET", "hll-sparse-max-bytes", rng.choice((100, 500, 3000, 20_000)))
        key = rng.choice("abcd")
        if rng.random() < 0.1:
            both.call("DEL", key)
        both.call("PFADD", key, *elements(rng, rng.choice((0, 1, 3, 50, 400))))
        if rng.random() < 0.05:
            both.call("PFDEBUG", "TODENSE", key)
        both.call("PFMERGE", rng.choice("abcde"), *rng.choices("abcde", k=rng.randrange(3)))
        for name in "abcde":
            both.call("GET", name)
        both.call("PFCOUNT", *rng.choices("abcde", k=1 + turn % 3))


def test_runs_are_joined_alike(both: Both) -> None:
    """Merging strings of neighbouring equal values: the runs are split and joined in every way."""
    rng = random.Random(9)
    for _ in range(150):
        for key in "ab":
            both.call("SET", key, sparse(rng, rng.choice((2, 3, 32))))
        both.call("PFMERGE", "a", "b")
        both.call("GET", "a")
        both.call("PFADD", "b", *elements(rng, 5))
        both.call("GET", "b")
        both.call("PFCOUNT", "a")
        both.call("PFDEBUG", "DECODE", "b")


def sparse(rng: random.Random, values: int) -> bytes:
    """A sparse string of random runs with values up to ``values``."""
    runs = bytearray()
    left = REGISTERS
    for _ in range(rng.randrange(200)):
        kind = rng.random()
        if kind < 0.8:
            value, n = rng.randint(1, values), rng.randint(1, 4)
            runs.append(0x80 | (value - 1) << 2 | n - 1)
        elif kind < 0.9:
            n = rng.randint(1, 64)
            runs.append(n - 1)
        else:
            n = rng.randint(1, 80)
            runs += bytes([0x40, n - 1])
        left -= n
    runs += bytes([0x40 | (left - 1) >> 8, (left - 1) & 0xFF])
    return b"HYLL\x01" + bytes(10) + b"\x80" + runs


@pytest.mark.parametrize("seed", range(3))
def test_corrupt_strings(both: Both, seed: int) -> None:
    """Errors for what is no HyperLogLog, or is one with too few or too many registers, and nothing changed by them."""
    rng = random.Random(f"corrupt {seed}")
    for _ in range(150):
        value = bytearray(sparse(rng, 32))
        what = rng.random()
        if what < 0.4:
            value[rng.randrange(len(value))] = rng.randrange(256)
        elif what < 0.6:
            del value[rng.randrange(len(value) - 1) :]
        elif what < 0.8:
            value = bytearray(b"HYLL" + bytes(11) + b"\x80" + rng.randbytes(DENSE_SIZE - 16 + rng.randrange(-1, 2)))
        else:
            value += rng.choice([b"\x00", b"\x84", b"\x40\x00"])
        if len(value) > 16 and 0x40 <= value[-1] < 0x80:
            value[-1] = 0x80  # where half of a run is missing, Redis reads a byte that is not there
        both.call("SET", "c", value.replace(b"\r", b"_"))
        both.call("SET", "ok", sparse(rng, 3))
        for argv in (
            ["PFCOUNT", "c"],
            ["PFCOUNT", "ok", "c"],
            ["PFADD", "c", *elements(rng, 1)],
            ["PFMERGE", "ok", "c"],
            ["PFDEBUG", "DECODE", "c"],
            ["PFDEBUG", "TODENSE", "c"],
            ["PFMERGE", "c", "ok"],
        ):
            both.call(*argv)
            both.call("GET", "c")
            both.call("GET", "ok")


def test_an_error_changes_nothing() -> None:
    """Of several elements, those before the one that meets the damage are not added either (Redis keeps them)."""
    client = LocalServer().client()
    damaged = b"HYLL\x01" + bytes(11) + b"\x5f\xff"  # the first half of the registers
    client.call("SET", "k", damaged)
    assert (
        client.call("PFADD", "k", *[b"%d" % n for n in range(50)]) == b"-INVALIDOBJ Corrupted HLL object detected\r\n"
    )
    assert client.call("GET", "k") == b"$18\r\n%b\r\n" % damaged


def test_half_a_run_is_missing() -> None:
    client = LocalServer().client()
    client.call("SET", "k", b"HYLL\x01" + bytes(10) + b"\x80\x40\xff\x7e")
    for argv in (["PFCOUNT", "k"], ["PFADD", "k", "hello"], ["PFMERGE", "x", "k"], ["PFCOUNT", "k", "k"]):
        assert client.call(*argv) == b"-INVALIDOBJ Corrupted HLL object detected\r\n"


def test_endless_runs_are_refused_at_once() -> None:
    """A string that claims billions of registers."""
    client = LocalServer().client()
    client.call("SET", "k", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x7f\xff" * 1_000_000)
    assert client.call("PFCOUNT", "k") == b"-INVALIDOBJ Corrupted HLL object detected\r\n"
    client.call("SET", "k", b"HYLL\x01" + bytes(10) + b"\x80" + b"\x3f" * 1_000_000)
    assert client.call("PFMERGE", "x", "k") == b"-INVALIDOBJ Corrupted HLL object detected\r\n"


def test_long_elements(both: Both) -> None:
    rng = random.Random(3)
    for size in (255, 256, 257, 263, 264, 272, 5000, 65_537):
        both.call("PFADD", "k", rng.randbytes(size))
        both.call("GET", "k")


def test_self_test(both: Both) -> None:
    assert both.call("PFSELFTEST") == b"+OK\r\n"


def test_estimates_of_impossible_registers() -> None:
    assert estimate(bytes(REGISTERS)) == 0
    assert estimate(b"\x3f" * REGISTERS) == -(1 << 63)
