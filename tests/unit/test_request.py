"""The request reader: every chunking gives the same requests, and what is no request gets Redis's words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.resp.request import RequestReader
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess

ARGV = st.lists(st.binary(max_size=40), min_size=1, max_size=5)


def reader() -> RequestReader:
    new = RequestReader()
    new.limits.authenticated = True
    return new


@given(st.lists(ARGV, max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=8))
@settings(deadline=None, max_examples=200)
def test_any_chunking(commands: list[list[bytes]], sizes: list[int]) -> None:
    data = b"".join(map(encode, commands))
    r = reader()
    got: list[list[bytes]] = []
    at = 0
    while at < len(data):
        size = sizes[at % len(sizes)]
        got += r.feed(data[at : at + size])
        at += size
    assert got == commands
    assert r.error is None
    assert r.pending_bytes() == 0


@given(st.binary(min_size=1, max_size=80), st.integers(1, 20))
@settings(deadline=None, max_examples=500)
def test_whole_or_in_parts_is_the_same(data: bytes, size: int) -> None:
    """Whatever comes: the fast path and the strict parser agree."""
    data = b"*1\r\n$4\r\nPING\r\n" + data
    whole, parts = reader(), reader()
    one = whole.feed(data)
    many: list[list[bytes]] = []
    for at in range(0, len(data), size):
        many += parts.feed(data[at : at + size])
    assert one == many
    assert (whole.error and whole.error.message) == (parts.error and parts.error.message)


BAD = [
    b"*1\r\n:1\r\n",
    b"*1\r\n+PING\r\n",
    b"*2\r\n$4\r\nECHO\r\n:1\r\n",
    b"*2\r\n$4\r\nECHO\r\n+abc\r\n",
    b"*1\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$-1\r\n",
    b"*03\r\n",
    b"*x\r\n",
    b"*3000000000\r\n",
    b"*1\r\n$+4\r\nPING\r\n",
    b"*1\r\n$600000000\r\n",
    b"*1\r\n%1\r\n+a\r\n+b\r\n",
    b'SET "a\r\n',
    b"SET 'a'b\r\n",
    b"*1\r\n$x\r\n",
    b"*1\r\n_\r\n",
    b"*" + b"1" * 70000,
    b"x" * 70000,
]


@pytest.mark.parametrize("data", BAD, ids=[repr(bad[:24]) for bad in BAD])
def test_refusals_are_those_of_redis(server: ServerProcess, oracle: ServerProcess, data: bytes) -> None:
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.sock.sendall(b"*1\r\n$4\r\nPING\r\n" + data)
        replies = [client.read(), client.read()]
        with pytest.raises((EOFError, ConnectionError)):
            client.read()
        client.close()
        answers.append(replies)
    assert answers[0] == answers[1]


@pytest.mark.parametrize("data", [b"*1000000000\r\n", b"*2\r\n$3\r\nGET\r\n$500000000\r\nabc", b"*1\r\n$4\r\nPI"])
def test_promises_that_are_not_kept_cost_nothing(server: ServerProcess, data: bytes) -> None:
    clients = [RawClient(server.connect()) for _ in range(20)]
    for client in clients:
        client.sock.sendall(data)
    other = RawClient(server.connect())
    assert other.call("PING") == b"+PONG\r\n"
    for client in (*clients, other):
        client.close()


def test_inline(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    client.sock.sendall(b'\r\n  SET k "a b\\x41"  \r\nGET k\nPING\r\n')
    assert [client.read() for _ in range(3)] == [b"+OK\r\n", b"$4\r\na bA\r\n", b"+PONG\r\n"]
    client.close()
