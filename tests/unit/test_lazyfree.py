"""Large values are released bit by bit, whole, and only if nobody else has them."""

from __future__ import annotations

from collections.abc import Callable
from sys import getrefcount

import pytest

from pyredis.keyspace import lazyfree
from pyredis.keyspace.lazyfree import LazyFree
from tests.support.local import LocalServer

SIZE = 20_000


class Loop:
    """Keeps what is to be called."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []
        self.turns = 0

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> bool:
        """False if there was nothing to do."""
        if not self.waiting:
            return False
        self.turns += 1
        self.waiting.pop()()
        return True


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """Of its turns each takes some hundred elements: a look at the clock takes a third of the time."""
    now = [0]

    def clock() -> int:
        now[0] += lazyfree._TURN_NS // 3
        return now[0]

    monkeypatch.setattr(lazyfree, "perf_counter_ns", clock)
    return Loop()


def new(loop: Loop) -> LazyFree:
    lazy = LazyFree()
    lazy.call_later = loop.call_later
    return lazy


def test_each_type_bit_by_bit(loop: Loop) -> None:
    for command in ("RPUSH", "HSET", "SADD", "ZADD"):
        client = LocalServer().client()
        lazy = client.client.server.lazy
        lazy.call_later = loop.call_later
        elements = [b"element %d" % n for n in range(SIZE)]
        token = elements[SIZE // 2]
        before = getrefcount(token)
        words = elements
        if command == "ZADD":
            words = [word for n, one in enumerate(elements) for word in (b"%d" % n, one)]
        assert client.call(command, "k", *words)[:1] == b":"
        client.call("RANDOMKEY")
        client.call("SRANDMEMBER", "k")
        del words
        assert client.call("UNLINK", "k") == b":1\r\n"
        assert client.call("EXISTS", "k") == b":0\r\n"
        assert lazy.pending == 1
        loop.turns = 0
        while loop.turn():
            if loop.turns == 5:
                assert lazy.pending == 1
        assert loop.turns > SIZE // 1500, command
        assert (lazy.pending, lazy.freed) == (0, 1)
        assert getrefcount(token) <= before + 1, command


def test_what_others_have_is_left_alone(loop: Loop) -> None:
    lazy = new(loop)
    table = {b"%d" % n: n for n in range(SIZE)}
    inner = list(range(1000))
    lazy.value(table)
    lazy.value(dict.fromkeys(range(1000), inner))
    while loop.turn():
        pass
    assert len(table) == SIZE
    assert len(inner) == 1000
    assert lazy.freed == 2


def test_small_ones_go_at_once(loop: Loop) -> None:
    lazy = new(loop)
    for value in (None, b"x" * 100_000, dict.fromkeys(range(10)), [b"x"] * 64):
        lazy.value(value)
    assert not loop.waiting
    assert lazy.pending == lazy.freed == 0


def test_commands_and_directives(loop: Loop) -> None:
    """Which of them free later; INFO counts keys."""
    c = LocalServer().client()
    lazy = c.client.server.lazy
    lazy.call_later = loop.call_later

    def freed(*argv: str | int) -> int:
        c.call("SADD", "k", *[f"m{n}" for n in range(100)])
        c.call("MSET", *[word for n in range(200) for word in (f"key{n}", n)])
        before = lazy.pending + lazy.freed
        assert c.call(*argv)[:1] in (b":", b"+", b"$")
        count = lazy.pending + lazy.freed - before
        assert b"\r\nlazyfree_pending_objects:%d\r\n" % lazy.pending in c.call("INFO", "memory")
        while loop.turn():
            pass
        assert b"\r\nlazyfreed_objects:%d\r\n" % lazy.freed in c.call("INFO", "memory")
        return count

    assert freed("DEL", "k") == 0
    assert freed("UNLINK", "k") == 1
    assert freed("UNLINK", "key1", "key2") == 0
    assert freed("FLUSHDB") == freed("FLUSHALL", "SYNC") == 0
    assert freed("FLUSHDB", "ASYNC") == freed("FLUSHALL", "async") == 201
    for name in ("user-del", "user-flush", "expire"):
        assert c.call("CONFIG", "SET", f"lazyfree-lazy-{name}", "yes") == b"+OK\r\n"
    assert freed("DEL", "k") == 1
    assert freed("FLUSHALL") == 201
    assert freed("FLUSHALL", "SYNC") == 0
    c.call("SADD", "due", *range(100))
    c.call("PEXPIRE", "due", 1)
    c.client.server.clock.advance(1)
    c.client.server.update_time()
    assert freed("GET", "due") == 1
    c.call("CONFIG", "RESETSTAT")
    assert b"\r\nlazyfreed_objects:0\r\n" in c.call("INFO", "memory")
