"""What DUMP returns for values of all types, and payloads that RESTORE must refuse."""

from __future__ import annotations

from typing import Final

from pyredis.lib.crc64 import crc64
from tests.support.local import LocalServer

_VALUES: Final = (
    "SET s hello",
    "SET n -129",
    "SET long " + "ab" * 300,
    "RPUSH l a 1 2 b 40000000000 -7",
    "SADD i 1 2 3 -70000",
    "SADD t a",  # one member: the order of several differs from process to process
    "HSET h a 1 b 2",
    "HSET wide f " + "x" * 70,
    "ZADD z 1 a 2.5 b -inf c",
    "ZADD far 1 " + "m" * 70,
    "XADD x 1-1 f v g w",
)


def sealed(body: bytes, version: int = 10) -> bytes:
    """A body (type and value) with the version and a checksum that fits."""
    body += version.to_bytes(2, "little")
    return body + crc64(body).to_bytes(8, "little")


def payload_of(reply: bytes) -> bytes:
    """The payload in DUMP's reply."""
    return reply.split(b"\r\n", 1)[1][:-2]


def _good() -> list[bytes]:
    client = LocalServer("7.0").client()
    found = []
    for line in _VALUES:
        client.call(*line.split())
        found.append(payload_of(client.call("DUMP", line.split()[1])))
    return found


GOOD: Final = _good()
BAD: Final = [
    b"",
    b"x",
    GOOD[0][:-1],
    GOOD[0][:-1] + b"\x00",
    sealed(b""),
    sealed(b"\x00"),
    sealed(b"\x00\x05abc"),
    sealed(b"\x63abc"),
    sealed(b"\x00\x01a", 99),
    sealed(b"\x01\x00"),
    sealed(b"\x02\x02\x01a\x01a"),
]
PAYLOADS: Final = [*GOOD, *BAD]
