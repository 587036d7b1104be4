"""The SCAN family while the collection changes between the steps: what stays is returned, whoever asks for the next
part, and what never was there is not. Options and errors are compared with redis-server."""

from __future__ import annotations

import random
from typing import Any

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.local import LocalClient, LocalServer
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

FAMILY = ["SCAN", "HSCAN", "SSCAN", "ZSCAN"]
Caller = LocalClient | RawClient


def value(client: Caller, *argv: bytes | str | int) -> Any:
    reader = hiredis.Reader()
    reader.feed(client.call(*argv))
    return reader.gets()


def put(client: Caller, name: str, item: bytes) -> None:
    argv = {
        "SCAN": (b"SET", item, b"v"),
        "HSCAN": (b"HSET", b"key", item, b"v"),
        "SSCAN": (b"SADD", b"key", item),
        "ZSCAN": (b"ZADD", b"key", len(item), item),
    }[name]
    client.call(*argv)


def drop(client: Caller, name: str, item: bytes) -> None:
    argv = {
        "SCAN": (b"DEL", item),
        "HSCAN": (b"HDEL", b"key", item),
        "SSCAN": (b"SREM", b"key", item),
        "ZSCAN": (b"ZREM", b"key", item),
    }[name]
    client.call(*argv)


def step(client: Caller, name: str, cursor: bytes, *options: bytes | str | int) -> tuple[bytes, list[bytes]]:
    """The next cursor and the keys, fields or members."""
    where = [] if name == "SCAN" else [b"key"]
    cursor, found = value(client, name, *where, cursor, *options)
    return cursor, found[::2] if name in ("HSCAN", "ZSCAN") else found


def walk(rng: random.Random, clients: list[Caller], name: str, stays: set[bytes], comes: list[bytes]) -> None:
    """One whole scan during which ``comes`` come and go; raises AssertionError where the promise is broken."""
    ever = set(stays)
    there: set[bytes] = set()
    for item in stays:
        put(rng.choice(clients), name, item)
    for item in comes:
        if rng.random() < 0.5:
            put(clients[0], name, item)
            there.add(item)
    ever |= there
    seen: set[bytes] = set()
    cursor, steps = b"0", 0
    while True:
        cursor, found = step(rng.choice(clients), name, cursor, "COUNT", rng.choice([1, 2, 7, 30]))
        assert set(found) <= ever
        seen.update(found)
        steps += 1
        if cursor == b"0":
            break
        assert steps < 20 * (len(ever) + 10), "the scan does not end"
        for item in rng.sample(comes, min(len(comes), rng.randint(0, 12))):
            if item in there:
                drop(clients[0], name, item)
                there.discard(item)
            else:
                put(clients[0], name, item)
                there.add(item)
                ever.add(item)
    assert stays <= seen


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(FAMILY),
    stays=st.sets(st.binary(max_size=8), max_size=60),
    comes=st.sets(st.binary(min_size=1, max_size=8), max_size=200),
    seed=st.integers(0, 1 << 30),
)
def test_what_stays_is_returned(name: str, stays: set[bytes], comes: set[bytes], seed: int) -> None:
    server = LocalServer()
    if name == "SCAN":
        stays, comes = {b"k" + x for x in stays}, {b"k" + x for x in comes}
    clients: list[Caller] = [server.client() for _ in range(3)]
    walk(random.Random(seed), clients, name, stays, sorted(comes - stays))


@pytest.mark.parametrize("name", FAMILY)
def test_over_sockets(server: ServerProcess, name: str) -> None:
    clients: list[Caller] = [RawClient(server.connect()) for _ in range(3)]
    rng = random.Random(name)
    walk(rng, clients, name, {b"s%d" % i for i in range(700)}, [b"c%d" % i for i in range(700)])
    for client in clients:
        assert isinstance(client, RawClient)
        client.close()


def test_all_keys_leave_meanwhile(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    client.pipeline([[b"SET", b"k%d" % i, b"v"] for i in range(100)])
    cursor, _ = step(client, "SCAN", b"0")
    client.call("FLUSHALL")
    assert step(client, "SCAN", cursor) == (b"0", [])
    client.pipeline([[b"SET", b"k%d" % i, b"v"] for i in range(5)])
    seen: set[bytes] = set()
    while True:
        cursor, found = step(client, "SCAN", cursor, "COUNT", 2)
        seen.update(found)
        if cursor == b"0":
            break
    assert seen == {b"k%d" % i for i in range(5)}
    client.close()


def collect(client: RawClient, name: str, *options: str) -> list[bytes]:
    """What a whole scan returns, sorted (values and scores left out)."""
    seen: list[bytes] = []
    cursor = b"0"
    while True:
        cursor, found = step(client, name, cursor, *options)
        seen += found
        if cursor == b"0":
            return sorted(set(seen))


@pytest.mark.parametrize("name", FAMILY)
def test_options(server: ServerProcess, oracle: ServerProcess, name: str) -> None:
    options: list[tuple[str, ...]] = [
        (),
        ("MATCH", "*"),
        ("MATCH", "a*"),
        ("match", "*1", "count", "3"),
        ("COUNT", "1000", "MATCH", "[ab]?"),
        ("MATCH", "none*"),
        ("MATCH", "a1", "MATCH", "b*"),
    ]
    if name == "SCAN":
        options += [
            ("TYPE", "string"),
            ("TYPE", "LIST", "COUNT", "1"),
            ("type", "hash", "match", "h*"),
            ("TYPE", "foo"),
        ]
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        for i in range(40):
            put(client, name, b"a%d" % i)
            put(client, name, b"b%d" % i)
        if name == "SCAN":
            client.call("RPUSH", "l", "1")
            client.call("HSET", "h", "f", "v")
            client.call("HSET", "g", "f", "v")
        answers.append([collect(client, name, *words) for words in options])
        client.close()
    assert answers[0] == answers[1]


@pytest.mark.parametrize("protocol", [2, 3])
def test_errors(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    tails = [
        "x",
        "1.5",
        "18446744073709551616",
        "99999999999999999999999",
        " 0",
        "+0",
        "00",
        "0 COUNT",
        "0 COUNT 0",
        "0 COUNT -1",
        "0 COUNT x",
        "0 COUNT 99999999999999999999",
        "0 MATCH",
        "0 TYPE",
        "0 TYPE string",
        "0 FOO 1",
        "0 COUNT 10 FOO",
        "x COUNT 0",
        "",
    ]
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("HELLO", protocol)
        client.call("SET", "s", "v")
        replies = []
        for tail in tails:
            replies.append(client.call("SCAN", *tail.split(" ")))
            replies += [client.call(name, key, *tail.split(" ")) for name in FAMILY[1:] for key in ("none", "s")]
        answers.append(replies)
        client.close()
    labels = [f"{name} {tail}" for tail in tails for name in ("SCAN", *[f"{n} {k}" for n in FAMILY[1:] for k in "ns"])]
    different = [pair for pair in zip(labels, *answers, strict=True) if pair[1] != pair[2]]
    assert not different, "\n".join(map(str, different))


@pytest.mark.parametrize("cursor", ["-1", "18446744073709551615", "-18446744073709551615", "12345678", "+3", ""])
def test_any_number_is_a_cursor(server: ServerProcess, oracle: ServerProcess, cursor: str) -> None:
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("SET", "k", "v")
        assert client.call("SCAN", cursor).startswith(b"*2\r\n$1\r\n0\r\n")
        client.close()


@pytest.mark.parametrize("count", ["1", "2", "100"])
def test_small_collections_are_returned_at_once(server: ServerProcess, oracle: ServerProcess, count: str) -> None:
    """Compact encodings are not cut into parts, whatever COUNT says."""
    answers = []
    for one in (server, oracle):
        client = RawClient(one.connect())
        client.call("HSET", "h", "a", "1", "b", "2", "c", "3")
        client.call("SADD", "s", "1", "2", "3")
        client.call("ZADD", "z", "1", "a", "2", "b", "3.5", "c")
        answers.append(
            [client.call(n, k, "0", "COUNT", count) for n, k in (("HSCAN", "h"), ("SSCAN", "s"), ("ZSCAN", "z"))]
        )
        client.close()
    assert answers[0] == answers[1]
