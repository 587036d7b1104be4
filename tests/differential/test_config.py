"""CONFIG beside redis-server: every directive with odd values, several at once, patterns, both protocols."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.core.options import Config
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours

VISIBLE = sorted(name for name, one in Config.names.items() if not one.hidden and not one.own)
RESTRICTED = {name for name, one in Config.names.items() if one.only is not None}
OWN = {"port", "bind", "dir", "maxclients", "requirepass", "save"}
"""Directives that cut the tests off, depend on the process, or differ in their default: tests of their own."""
SAME = [name for name in VISIBLE if name not in OWN]
ODD_VALUES = (
    b"",
    b" ",
    b"0",
    b"1",
    b"-1",
    b"-0",
    b"+1",
    b"05",
    b" 5",
    b"5 ",
    b"10",
    b"100",
    b"65535",
    b"65536",
    b"2147483647",
    b"2147483648",
    b"-2147483648",
    b"-2147483649",
    b"4294967295",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"99999999999999999999999",
    b"99999999999gb",
    b"1k",
    b"1KB",
    b"2Mb",
    b"1gb",
    b"1tb",
    b"kb",
    b"1.5",
    b"5%",
    b"101%",
    b"-5%",
    b"1.5%",
    b"yes",
    b"NO",
    b"maybe",
    b"always",
    b"local",
    b"verbose",
    b"nothing",
    b"default",
    b"now force",
    b"save nosave",
    b"allkeys-lru",
    b"KEA",
    b"gn",
    b"KQ",
    b"1 2 3",
    b"1 2 a",
    b"-2000 0 2000",
    b"-2001 0 0",
    b"50 99.9",
    b"50.1234567 100 0",
    b"100.1",
    b"-0.1",
    b"nan",
    b"inf",
    b"0x10",
    b"1e1",
    b"normal 1 2 3",
    b"normal 1mb 2kb 3 slave 4 5 6",
    b"replica 1 2 -3",
    b"normal a b c",
    b"master 1 2 3",
    b"pubsub  1 2 3",
    b"{title} {port}",
    b"{title} {x}",
    b"{",
    b"a/b",
    b"host.name",
    b"ho st",
    b"\xff\x00\x01",
    b"line\r\nend",
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    ours = start_ours(tmp_path_factory.mktemp("ours"))
    oracle = start_oracle(tmp_path_factory.mktemp("oracle"))
    yield ours, oracle
    ours.stop()
    oracle.stop()


@pytest.fixture
def both(pair: tuple[ServerProcess, ServerProcess]) -> Iterator[tuple[RawClient, RawClient]]:
    clients = RawClient(pair[0].connect()), RawClient(pair[1].connect())
    for c in clients:
        assert c.call("CONFIG", "SET", "timeout", 0) == b"+OK\r\n"  # a slow test would lose its connections
    yield clients
    for c in clients:
        c.close()


def ask(both: tuple[RawClient, RawClient], *argv: bytes | str) -> bytes:
    ours, theirs = (c.call(*argv) for c in both)
    assert ours == theirs, argv
    return ours


def as_dict(reply: bytes) -> dict[bytes, bytes]:
    parts = reply.split(b"\r\n")
    flat = parts[2:-1:2]
    return dict(zip(flat[::2], flat[1::2], strict=True))


def test_every_directive_of_redis_is_there(both: tuple[RawClient, RawClient]) -> None:
    """No name is missing or invented, and all values are Redis's defaults."""
    ours, theirs = (as_dict(c.call("CONFIG", "GET", "*")) for c in both)
    assert sorted(ours) == sorted(theirs)
    differing = {name for name in ours if ours[name] != theirs[name]}
    assert differing <= {b"port", b"dir"}


@pytest.mark.parametrize("name", SAME)
def test_odd_values(both: tuple[RawClient, RawClient], name: str) -> None:
    before = as_dict(ask(both, "CONFIG", "GET", name))
    value = before[name.encode()]
    for odd in ODD_VALUES:
        ours, theirs = (c.call("CONFIG", "SET", name, odd) for c in both)
        if ours != theirs and theirs == b"+OK\r\n":
            refusable = name in RESTRICTED or name.startswith("shutdown-on-")
            assert refusable and b" needs " in ours and b" which pyredis does not have yet" in ours, (odd, ours)
            assert both[1].call("CONFIG", "SET", name, value) == b"+OK\r\n"
        elif name in RESTRICTED and b"Unable to update TLS configuration" in theirs:
            assert b"this needs " in ours
        else:
            assert ours == theirs, odd
        ask(both, "CONFIG", "GET", name)
    ask(both, "CONFIG", "SET", name, value)


NAMES = st.one_of(
    st.sampled_from([name for name in SAME if name not in RESTRICTED]),
    st.sampled_from(["hz", "timeout", "slave-priority", "replica-priority", "databases", "dbfilename", "dir"]),
    st.sampled_from(["HZ", "TimeOut", "nope", "", "no\r\npe", "use-exit-on-panic", "key-load-delay"]),
)


@settings(max_examples=300, deadline=None)
@given(pairs=st.lists(st.tuples(NAMES, st.sampled_from(ODD_VALUES)), max_size=5), lonely=st.booleans())
def test_several_at_once(
    pair: tuple[ServerProcess, ServerProcess], pairs: list[tuple[str, bytes]], lonely: bool
) -> None:
    both = RawClient(pair[0].connect()), RawClient(pair[1].connect())
    before = as_dict(both[1].call("CONFIG", "GET", "*"))
    argv = [part for name, value in pairs for part in (name, value)]
    ours, theirs = (c.call("CONFIG", "SET", *argv, *(["hz"] if lonely else [])) for c in both)
    if ours != theirs:  # refused for what is not there yet; then nothing has changed
        assert theirs == b"+OK\r\n" and b" needs " in ours
        restore = {name.lower() for name, _ in pairs}
        for name in restore:
            both[1].call("CONFIG", "SET", name, before[name.encode()])
    ours_all, theirs_all = (as_dict(c.call("CONFIG", "GET", "*")) for c in both)
    for name in SAME:
        assert ours_all[name.encode()] == theirs_all[name.encode()], (name, argv)
    for c in both:
        c.close()


@settings(max_examples=300, deadline=None)
@given(
    patterns=st.lists(
        st.one_of(
            st.sampled_from(VISIBLE),
            st.sampled_from(VISIBLE).map(str.upper),
            st.sampled_from(["use-exit-on-panic", "watchdog-period", "nope", "", "[", "*", "?z", "[a-c]*", "[^a-y]*"]),
            st.tuples(st.sampled_from(VISIBLE), st.integers(0, 8)).map(lambda t: t[0][: t[1]] + "*"),
            st.tuples(st.sampled_from(VISIBLE), st.integers(0, 8)).map(lambda t: "*" + t[0][t[1] :]),
        ),
        max_size=4,
    ),
    resp3=st.booleans(),
)
def test_get(pair: tuple[ServerProcess, ServerProcess], patterns: list[str], resp3: bool) -> None:
    replies = []
    for server in pair:
        c = RawClient(server.connect())
        if resp3:
            c.call("HELLO", 3)
        reply = c.call("CONFIG", "GET", *patterns)
        c.close()
        if reply[:1] in b"*%":
            values = {k.lower(): v for k, v in as_dict(reply).items() if k.lower() not in (b"port", b"dir")}
            replies.append((reply.split(b"\r\n")[0], values))
        else:
            replies.append((reply, {}))
    assert replies[0] == replies[1]


def test_requests_that_are_none(both: tuple[RawClient, RawClient]) -> None:
    ask(both, "CONFIG")
    # The explanations, which are indented, are in our own words.
    ours, theirs = ([line for line in c.call("CONFIG", "HELP").split(b"\r\n") if line[1:2] != b" "] for c in both)
    assert ours == theirs
    for argv in (("GET",), ("HELP", "x"), ("RESETSTAT", "x"), ("REWRITE", "x"), ("SET",), ("SET", "hz"), ("nope",)):
        ask(both, "CONFIG", *argv)
    ask(both, "CONFIG", "SET", "hz", "10", "timeout")
    ask(both, "CONFIG", "SET", "\r\n", "x")
    ask(both, "CONFIG", "REWRITE")


def test_save_points(both: tuple[RawClient, RawClient]) -> None:
    for odd in (*ODD_VALUES, b"3600", b"0 1", b"1 -1", b"a 1", b"3600 1 300"):
        ask(both, "CONFIG", "SET", "save", odd)
        ask(both, "CONFIG", "GET", "save")
    ask(both, "CONFIG", "SET", "save", "")


def test_password(both: tuple[RawClient, RawClient], pair: tuple[ServerProcess, ServerProcess]) -> None:
    waiting = []
    try:
        ask(both, "CONFIG", "SET", "requirepass", "secret")
        waiting = [RawClient(server.connect()) for server in pair]
        ask((waiting[0], waiting[1]), "GET", "k")
        ask(both, "GET", "k")
        ask(both, "CONFIG", "GET", "requirepass")
    finally:
        ask(both, "CONFIG", "SET", "requirepass", "")
    ask((waiting[0], waiting[1]), "GET", "k")
    for c in waiting:
        c.close()
