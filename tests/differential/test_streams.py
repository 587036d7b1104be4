"""The whole stream of one connection: long pipelines of everything, in chunks cut anywhere, small requests and large,
waiting, subscribing and transactions in the middle. What comes back is the same bytes as from redis-server, to the end.
"""

from __future__ import annotations

import random
import threading
from itertools import pairwise

import pytest

from tests.differential.pair import connect
from tests.support.raw import encode
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

_END = b"#end#"
_KEYS = "a b c"
_LINES = [
    *["SET <key> <value>", "GET <key>", "INCR n", "LPUSH l x", "RPUSH l e e e", "LRANGE l 0 -1", "DEL l n", "GET"],
    *["SADD s <digit>", "ZADD z <digit> <digit>", "ZRANGE z 0 -1 WITHSCORES", "PEXPIRE <key> 100000", "NOSUCH x"],
    *["MULTI", "EXEC", "DISCARD", "WATCH <key>", "BLPOP l 0.01", "BLPOP no 0.01", "DEBUG SLEEP 0.001", "RESET"],
    *["SUBSCRIBE a", "UNSUBSCRIBE", "PSUBSCRIBE *", "PUNSUBSCRIBE", "SSUBSCRIBE q", "SUNSUBSCRIBE", "PUBLISH a hi"],
    *["CLIENT REPLY OFF", "CLIENT REPLY ON", "CLIENT REPLY ON", "SELECT 0", "SELECT 1", "SELECT 99", "SWAPDB 0 1"],
    *["PING", "PING x", "ECHO <value>", "CLIENT GETNAME", "CLIENT SETNAME <key>", "HELLO 3 AUTH x"],
]
_RAW = [b"PING\r\n", b"GET a\n", b"\r\n", b"SET a 'x y'\r\n", b"*0\r\n", b"*-1\r\n"]
_ONCE = (b"MULTI", b"BLPOP", b"SLEEP")
_ENDS = [b"*1\r\n:3\r\n", b"*x\r\n", b"*1\r\n$-5\r\n", b"QUIT\r\n", b"*2\r\n$3\r\nGE"]


def _line(rng: random.Random) -> bytes:
    words = {
        "<key>": rng.choice(_KEYS.split()).encode(),
        "<value>": b"v" * rng.choice([1, 10, 1000, 20_000, 70_000]),
        "<digit>": b"%d" % rng.randrange(10),
    }
    return encode([words.get(word, word.encode()) for word in rng.choice(_LINES).split()])


def _stream(rng: random.Random) -> bytes:
    parts: list[bytes] = []
    n = rng.choice([3, 20, 150, 600])
    while len(parts) < n:
        kind = rng.random()
        if kind < 0.1:
            parts.append(rng.choice(_RAW))
        else:
            line = _line(rng)
            many = kind < 0.25 and not any(word in line for word in _ONCE)
            parts += [line] * (rng.choice([5, 150]) if many else 1)
    if rng.random() < 0.3:
        parts.insert(rng.randrange(n), rng.choice(_ENDS))
    return b"".join([*parts, encode([b"CLIENT", b"REPLY", b"ON"]), encode([b"RESET"]), encode([b"PING", _END])])


def _answer(server: ServerProcess, chunks: list[bytes]) -> bytes:
    """All that the server sends until the end is reached or the connection is over."""
    client = connect(server)
    assert client.call("FLUSHALL") == b"+OK\r\n"
    got = bytearray()

    def read() -> None:
        try:
            while not got.endswith(_END + b"\r\n"):
                part = client.sock.recv(1 << 20)
                if not part:
                    break
                got.extend(part)
        except ConnectionResetError:
            pass  # what was sent behind the request that ended the connection

    client.sock.settimeout(PATIENCE)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for chunk in chunks:
            client.sock.sendall(chunk)
    except (BrokenPipeError, ConnectionResetError):
        pass
    reader.join()
    client.close()
    return bytes(got)


def _same(server: ServerProcess, oracle: ServerProcess, chunks: list[bytes]) -> None:
    ours, theirs = _answer(server, chunks), _answer(oracle, chunks)
    if ours != theirs:
        at = next(
            (n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
        )
        sizes = f"{len(ours)} and {len(theirs)} bytes, different from {at} on"
        raise AssertionError(f"{sizes}\n ours {ours[max(0, at - 200) : at + 100]!r}\nredis {theirs[at : at + 100]!r}")


@pytest.mark.parametrize("part", range(4))
def test_generated(server: ServerProcess, oracle: ServerProcess, part: int) -> None:
    for seed in range(part * 15, part * 15 + 15):
        rng = random.Random(seed)
        data = _stream(rng)
        cuts = sorted(rng.sample(range(len(data)), min(rng.choice([0, 0, 1, 5]), len(data))))
        _same(server, oracle, [data[a:b] for a, b in pairwise([0, *cuts, len(data)])])


def test_much_behind_a_command_that_waits(server: ServerProcess, oracle: ServerProcess) -> None:
    large = encode([b"SET", b"a", b"v" * 70_000])
    stream = [encode([b"BLPOP", b"no", b"0.01"]), *[large, encode([b"GET", b"b"])] * 20, encode([b"PING", _END])]
    _same(server, oracle, [b"".join(stream)])
