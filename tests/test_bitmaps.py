"""Bitmaps: what generated commands do not reach. Long strings, limits, and the operations that came after 7.0."""

from __future__ import annotations

import random

import pytest

from tests.support.local import LocalServer
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess


def both(server: ServerProcess, oracle: ServerProcess, *lines: list[bytes]) -> None:
    """The same replies to the same lines."""
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    try:
        for argv in lines:
            mine, other = [client.call(*argv) for client in clients]
            assert mine == other, argv[:4]
    finally:
        for client in clients:
            client.close()


def test_long_strings(server: ServerProcess, oracle: ServerProcess) -> None:
    rng = random.Random(1)
    strings = {b"a": rng.randbytes(300_001), b"b": rng.randbytes(200_000), b"z": bytes(150_000) + b"\x01"}
    lines = [[b"SET", key, value] for key, value in strings.items()]
    for operation in (b"AND", b"OR", b"XOR"):
        lines += [[b"BITOP", operation, b"d", b"a", b"b", b"z"], [b"GET", b"d"], [b"BITCOUNT", b"d"]]
    lines += [[b"BITOP", b"NOT", b"n", b"z"], [b"GET", b"n"], [b"BITPOS", b"n", b"0"], [b"BITPOS", b"z", b"1"]]
    for _ in range(200):
        key = rng.choice(sorted(strings))
        start, end = sorted(rng.randrange(-3_000_000, 3_000_000) for _ in range(2))
        unit = rng.choice([[], [b"BIT"], [b"BYTE"]])
        lines.append([b"BITCOUNT", key, b"%d" % start, b"%d" % end, *unit])
        lines.append([b"BITPOS", key, b"%d" % rng.randrange(2), b"%d" % start, b"%d" % end, *unit])
    both(server, oracle, *lines)


def test_reads_allocate_nothing(server: ServerProcess, oracle: ServerProcess) -> None:
    lines = [[b"GETBIT", b"nokey", b"4294967295"], [b"BITFIELD_RO", b"nokey", b"GET", b"u63", b"4294967295"]]
    lines += [[b"SET", b"k", b"x"], [b"BITFIELD", b"k", b"GET", b"i64", b"#67108863"], [b"GETBIT", b"k", b"4294967295"]]
    both(server, oracle, *lines, [b"STRLEN", b"k"], [b"EXISTS", b"nokey"])


def test_limit_of_a_string(server: ServerProcess, oracle: ServerProcess) -> None:
    """Offsets end where ``proto-max-bulk-len`` does."""
    lines = [[b"CONFIG", b"SET", b"proto-max-bulk-len", b"1mb"]]
    for offset in (b"8388607", b"8388608"):
        lines += [[b"SETBIT", b"k", offset, b"1"], [b"GETBIT", b"k", offset], [b"STRLEN", b"k"]]
        lines += [[b"BITFIELD", b"f", b"SET", b"u8", offset, b"255"], [b"STRLEN", b"f"]]
        lines += [
            [b"BITFIELD_RO", b"f", b"GET", b"u8", b"#1048575"],
            [b"BITFIELD_RO", b"f", b"GET", b"u8", b"#1048576"],
        ]
    try:
        both(server, oracle, *lines)
    finally:
        both(server, oracle, [b"CONFIG", b"SET", b"proto-max-bulk-len", b"512mb"])


def test_a_long_string_is_written_in_place() -> None:
    """The first SETBIT makes the string writable; the ones after it change that very object."""
    server = LocalServer()
    client = server.client()
    client.call("SET", "k", "x" * 100_000)
    client.call("SETBIT", "k", 3, 1)
    value = server.dbs[0].dict[b"k"]
    for offset in range(0, 800_000, 997):
        client.call("SETBIT", "k", offset, 1)
        client.call("BITFIELD", "k", "SET", "u7", offset, 5)
    assert server.dbs[0].dict[b"k"] is value
    assert len(value) == 100_000


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("DIFF", b"\x80\x02"), ("DIFF1", b"\x09\x00"), ("ANDOR", b"\x50\x00"), ("ONE", b"\x89\x02"), ("one", b"\x89\x02")],
)
def test_operations_of_redis_8_2(operation: str, expected: bytes) -> None:
    """https://redis.io/docs/latest/commands/bitop/: DIFF, DIFF1, ANDOR and ONE."""
    client = LocalServer().client()
    client.call("SET", "x", b"\xd0\x02")
    client.call("SET", "y1", b"\x58")
    client.call("SET", "y2", b"\x51")
    assert client.call("BITOP", operation, "d", "x", "y1", "y2") == b":2\r\n"
    assert client.call("GET", "d") == b"$2\r\n%b\r\n" % expected


def test_newer_operations_need_several_sources() -> None:
    client = LocalServer().client()
    client.call("SET", "x", "a")
    for operation in ("DIFF", "DIFF1", "ANDOR"):
        text = b"-ERR BITOP %b must be called with multiple source keys.\r\n" % operation.encode()
        assert client.call("BITOP", operation, "d", "x") == text
    assert client.call("BITOP", "ONE", "d", "x") == b":1\r\n"
    assert client.call("EXISTS", "d") == b":1\r\n"
