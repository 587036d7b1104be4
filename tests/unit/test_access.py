"""When and how often keys were used, with a clock and chance of the test's own."""

from __future__ import annotations

import random

from pyredis.keyspace.access import Lfu
from tests.support.local import LocalServer, call


def _policy(server: LocalServer, name: str) -> None:
    server.config.maxmemory_policy = name
    server.eviction.configure()


def test_a_counter_grows_ever_more_slowly() -> None:
    rng = random.Random(1)
    for factor, uses, low, high in ((0, 300, 255, 255), (1, 1000, 40, 60), (10, 1000, 15, 22), (100, 1000, 7, 12)):
        lfu = Lfu(factor, 1, 0, rng)
        state = lfu.fresh
        for _ in range(uses):
            state = lfu.used(state)
        assert low <= lfu.counter(state) <= high, (factor, lfu.counter(state))


def test_a_counter_loses_one_for_each_period_without_use() -> None:
    lfu = Lfu(0, 2, 0, random.Random(1))
    state = lfu.with_counter(20)
    for minutes, counter in ((0, 20), (1, 20), (2, 19), (9, 16), (40, 0), (1000, 0)):
        lfu.set_time(minutes * 60_000)
        assert lfu.counter(state) == counter, minutes
    # Minutes are counted in 16 bits.
    lfu.set_time(65_530 * 60_000)
    state = lfu.with_counter(20)
    lfu.set_time(65_540 * 60_000)
    assert lfu.counter(state) in (15, 16)
    never = Lfu(0, 0, 0, random.Random(1))
    state = never.with_counter(20)
    never.set_time(10**9)
    assert never.counter(state) == 20


def test_idle_time_is_kept_from_the_first_question_until_the_database_is_empty() -> None:
    server = LocalServer()
    client = server.client()
    call(client, "set a 1")
    assert not server.dbs[0].gate
    assert call(client, "object idletime a") == 0
    server.clock.advance(100)
    assert call(client, "object idletime a") == 100
    call(client, "get a")
    server.clock.advance(7)
    call(client, "set b 1")
    assert call(client, "object idletime a") == 7
    assert call(client, "object idletime b") == 0
    for line in ("exists a", "type a", "ttl a", "object encoding a", "memory usage a"):
        call(client, line)
    assert call(client, "object idletime a") == 7
    call(client, "rename a c")
    server.clock.advance(5)
    assert call(client, "object idletime c") == 5
    call(client, "copy c d")
    server.clock.advance(3)
    call(client, "move d 1")
    call(client, "select 1")
    assert call(client, "object idletime d") == 0
    call(client, "flushall")
    assert not any(db.gate for db in server.dbs)


def test_uses_are_kept_while_a_policy_needs_them_and_forgotten_after() -> None:
    server = LocalServer()
    client = server.client()
    call(client, "set a 1")
    _policy(server, "allkeys-lru")
    assert not server.dbs[0].gate, "without a limit nothing has to be known"
    server.config.maxmemory = 1 << 40
    _policy(server, "allkeys-lru")
    server.clock.advance(30)
    assert call(client, "object idletime a") == 30
    call(client, "flushall")
    call(client, "set a 1")
    server.clock.advance(30)
    assert call(client, "object idletime a") == 30
    server.config.maxmemory = 0
    _policy(server, "allkeys-lru")
    assert not server.dbs[0].gate
    _policy(server, "volatile-lfu")
    assert call(client, "object freq a") == 5
    server.clock.advance(180)
    assert call(client, "object freq a") == 2
    call(client, "get a")
    assert call(client, "object freq a") == 3
    _policy(server, "noeviction")
    assert not server.dbs[0].gate


def test_what_a_snapshot_says_of_uses_is_entered_where_it_fits_the_policy() -> None:
    server = LocalServer()
    db = server.dbs[0]
    client = server.client()
    call(client, "mset a 1 b 1")
    db.restore_use(b"a", idle=50)
    assert call(client, "object idletime a") == 50
    assert call(client, "object idletime b") == 0
    db.restore_use(b"b", frequency=7)
    assert db.frequency(b"b") == 0
    _policy(server, "allkeys-lfu")
    db.restore_use(b"a", idle=50)
    db.restore_use(b"b", frequency=77)
    assert (call(client, "object freq a"), call(client, "object freq b")) == (5, 77)
