"""Odd and malformed streams get the bytes that redis-server sends, and the connection ends where it does there.

The streams come from ``streams.py``. Each connection sends one and closes its sending side; compared is all that comes
back until the server closes. Lines over 64 KB are left out: whether they are refused depends on how the bytes arrive,
in redis-server too.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.resp.request import RequestReader
from tests.hostile.streams import normalised, shrunk, split, stream
from tests.support.raw import encode
from tests.support.servers import ServerProcess, start_oracle, start_ours

STREAMS = 5000
AT_ONCE = 100


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """Ours and redis-server, both with a password."""
    ours = start_ours(tmp_path_factory.mktemp("ours"), "--requirepass", "secret")
    oracle = start_oracle(tmp_path_factory.mktemp("oracle"), "--requirepass", "secret")
    yield ours, oracle
    ours.stop()
    oracle.stop()


def answers(server: ServerProcess, streams: list[list[bytes]]) -> list[bytes]:
    """What the server says to each stream (given in pieces), each on a connection of its own, all open at once."""
    socks = []
    for _ in streams:
        sock = server.connect()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        socks.append(sock)
    for n in range(max(map(len, streams))):
        for sock, pieces in zip(socks, streams, strict=True):
            try:
                if n < len(pieces):
                    sock.sendall(pieces[n])
                if n == len(pieces) - 1:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # closed already, because of an earlier piece
    out = []
    for sock in socks:
        got = b""
        try:
            while data := sock.recv(1 << 16):
                got += data
        except ConnectionError:
            pass  # closed with bytes unread: what was received before counts
        sock.close()
        out.append(normalised(got))
    return out


def compare(ours: ServerProcess, oracle: ServerProcess, rng: Random, count: int) -> None:
    for _ in range(count // AT_ONCE):
        streams = [stream(rng) for _ in range(AT_ONCE)]
        for data, got, expected in zip(
            streams,
            answers(ours, [[one] for one in streams]),
            answers(oracle, [[one] for one in streams]),
            strict=True,
        ):
            if got != expected:
                least = shrunk(data, lambda d: answers(ours, [[d]]) != answers(oracle, [[d]]))
                assert answers(ours, [[least]]) == answers(oracle, [[least]]), f"stream: {least!r}"
                pytest.fail(f"not every time: {data!r} gave {got!r}, not {expected!r}")


def test_streams(server: ServerProcess, oracle: ServerProcess) -> None:
    compare(server, oracle, Random(7001), STREAMS)


def test_streams_without_the_password(guarded: tuple[ServerProcess, ServerProcess]) -> None:
    """Half of these never authenticate, others do in the middle: the limits change with the request after AUTH."""
    compare(*guarded, Random(7002), STREAMS)


@given(st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=300)
def test_streams_that_shrink(_ours: ServerProcess, _oracle: ServerProcess, rng: Random) -> None:
    data = [stream(rng)]
    assert answers(_ours, [data]) == answers(_oracle, [data])


def test_pieces_over_sockets(server: ServerProcess, guarded: tuple[ServerProcess, ServerProcess]) -> None:
    """The replies do not depend on where the stream is cut."""
    rng = Random(7003)
    for one in (server, guarded[0]):
        for _ in range(6):
            streams = [stream(rng) for _ in range(50)]
            whole = answers(one, [[data] for data in streams])
            assert answers(one, [split(rng, data) for data in streams]) == whole


def parse(pieces: list[bytes], authenticated: bool) -> tuple[list[list[bytes]], bytes | None, int]:
    """All requests, the error's text, and how many bytes are left over."""
    reader = RequestReader()
    reader.limits.authenticated = authenticated
    requests: list[list[bytes]] = []
    for piece in pieces:
        batch = reader.feed(piece)
        while batch:
            requests += batch
            if reader.limits.authenticated:
                break
            batch = reader.feed(b"")
    error = None if reader.error is None else reader.error.message
    return requests, error, 0 if error is not None else reader.pending_bytes()


@given(st.randoms(use_true_random=False), st.booleans())
@settings(deadline=None, max_examples=500)
def test_any_split_gives_the_same_requests(rng: Random, authenticated: bool) -> None:
    data = stream(rng)
    whole = parse([data], authenticated)
    assert parse([data[i : i + 1] for i in range(len(data))], authenticated) == whole
    for _ in range(3):
        assert parse(split(rng, data), authenticated) == whole


def test_any_split_gives_the_same_requests_many_times() -> None:
    rng = Random(7004)
    for n in range(10_000):
        data = stream(rng)
        authenticated = n % 4 != 0
        whole = parse([data], authenticated)
        pieces = [data[i : i + 1] for i in range(len(data))] if n % 10 == 0 else split(rng, data)
        if parse(pieces, authenticated) != whole:
            least = shrunk(data, lambda d: parse([d], True) != parse([d[i : i + 1] for i in range(len(d))], True))
            pytest.fail(f"the pieces {pieces!r} are read otherwise than the whole; smallest: {least!r}")


def test_long_pipelines_cut_anywhere() -> None:
    """Chunks that begin and end inside of requests, with lines in the values that look like the next request."""
    rng = Random(7005)
    for _ in range(20):
        commands = [
            [b"SET", b"key:%d" % n, rng.choice([b"x", b"\r\n*1\r\n$4\r\nPING", b"+1", b"", b"y" * 3000])]
            for n in range(2000)
        ]
        data = b"".join(map(encode, commands))
        assert parse(split(rng, data), True) == (commands, None, 0)
        data = data[:-7]
        assert parse(split(rng, data), True)[0] == commands[:-1]


FORGED = [
    b">1\r\n$4\r\nPING\r\n",
    b"~1\r\n$4\r\nPING\r\n",
    b"%1\r\n$4\r\nPING\r\n$1\r\nx\r\n",
    b"|1\r\n$4\r\nPING\r\n$1\r\nx\r\n",
    b"*2\r\n$4\r\nECHOxx+abc\r\n",
    b"*1\r\n$4\r\nPINGxx>1\r\n$4\r\nPING\r\n",
    b"*2\r\n$4\r\nECHO\r\n(123\r\n",
    b"*2\r\n$4\r\nECHO\r\n=7\r\ntxt:abc\r\n",
    b":0\r\n*2\r\n$6\r\nab\r\n",
    b"#f\r\n*2\r\n$6\r\nab\r\n",
    b"|2147483647\r\n",
    b"~1000000000\r\n",
    b"%99999999999999999999\r\n",
    b"*1\r\n$0\r\n\r\n",
    b"$0\r\n\r\n",
    b"*0\r\n*-1\r\n*-7\r\n*1\r\n$4\r\nPING\r\n",
]


@pytest.mark.parametrize("data", FORGED, ids=[repr(data) for data in FORGED])
def test_replies_do_not_pass_as_requests(server: ServerProcess, oracle: ServerProcess, data: bytes) -> None:
    """What a reader of replies would make byte strings and lists of."""
    streams = [[encode([b"PING"]) + data], [data + encode([b"PING"])]]
    assert answers(server, streams) == answers(oracle, streams)
