"""Strings of Redis 8.4, by the examples and sentences of their public documentation (each test names its page)."""

from __future__ import annotations

import pytest

from tests.support.local import LocalClient, LocalServer
from tests.support.newer import Feeding

DIGEST = b"b6acb9d84a38ff74"


@pytest.fixture
def c() -> LocalClient:
    return LocalServer().client()


def test_digest(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/digest/"""
    assert c.call("DIGEST", "key1") == b"$-1\r\n"
    c.call("SET", "key1", "Hello world")
    assert c.call("DIGEST", "key1") == b"$16\r\n%b\r\n" % DIGEST
    c.call("SET", "empty", "")
    assert c.call("DIGEST", "empty") == b"$16\r\n2d06800538d394c2\r\n"
    c.call("SET", "zero", "v8")  # leading zeros are digits as well
    assert c.call("DIGEST", "zero") == b"$16\r\n0cc76dbb41381419\r\n"
    c.call("SETRANGE", "key1", 0, "H")  # kept in another form, the same string
    assert c.call("DIGEST", "key1") == b"$16\r\n%b\r\n" % DIGEST
    c.call("RPUSH", "list", "a")
    assert c.call("DIGEST", "list").startswith(b"-WRONGTYPE ")
    assert c.call("DIGEST", "key1", "x") == b"-ERR wrong number of arguments for 'digest' command\r\n"


TABLE = [
    # condition, operand, is met by the value there, is met by no key
    ("IFEQ", b"Hello world", True, False),
    ("IFEQ", b"hello world", False, False),
    ("IFEQ", b"", False, False),
    ("IFNE", b"Hello world", False, True),
    ("IFNE", b"other", True, True),
    ("IFDEQ", DIGEST, True, False),
    ("IFDEQ", DIGEST.upper(), True, False),
    ("IFDEQ", b"0" * 16, False, False),
    ("IFDNE", DIGEST, False, True),
    ("ifdne", b"0" * 16, True, True),
    ("IFDNE", b"no hexadecimals!", True, True),
]


@pytest.mark.parametrize(("condition", "operand", "met", "met_by_nothing"), TABLE)
def test_set_under_a_condition(c: LocalClient, condition: str, operand: bytes, met: bool, met_by_nothing: bool) -> None:
    """https://redis.io/docs/latest/commands/set/"""
    c.call("SET", "k", "Hello world", "EX", "100")
    assert c.call("SET", "k", "new", condition, operand) == (b"+OK\r\n" if met else b"$-1\r\n")
    assert c.call("GET", "k") == (b"$3\r\nnew\r\n" if met else b"$11\r\nHello world\r\n")
    assert (c.call("TTL", "k") == b":-1\r\n") is met
    assert c.call("SET", "none", "new", condition, operand) == (b"+OK\r\n" if met_by_nothing else b"$-1\r\n")
    assert c.call("EXISTS", "none") == b":%d\r\n" % met_by_nothing
    c.call("RPUSH", "list", "a")
    assert c.call("SET", "list", "new", condition, operand).startswith(b"-WRONGTYPE ")


@pytest.mark.parametrize(("condition", "operand", "met", "met_by_nothing"), TABLE)
def test_set_under_a_condition_with_get(
    c: LocalClient, condition: str, operand: bytes, met: bool, met_by_nothing: bool
) -> None:
    """The old value, whether the key was set or not: https://redis.io/docs/latest/commands/set/"""
    c.call("SET", "k", "Hello world")
    assert c.call("SET", "k", "new", "GET", condition, operand, "PXAT", 32503680000000) == b"$11\r\nHello world\r\n"
    assert (c.call("PEXPIRETIME", "k") == b":32503680000000\r\n") is met
    assert c.call("SET", "none", "new", condition, operand, "GET") == b"$-1\r\n"
    assert c.call("EXISTS", "none") == b":%d\r\n" % met_by_nothing


@pytest.mark.parametrize(
    "options",
    ["IFEQ", "IFEQ a NX", "NX IFEQ a", "XX IFNE a", "IFEQ a IFEQ a", "IFDEQ 1 IFDNE 2", "IFEQ a IFNE", "EX IFEQ a"],
)
def test_conditions_exclude_one_another(c: LocalClient, options: str) -> None:
    """https://redis.io/docs/latest/commands/set/"""
    c.call("SET", "k", "a")
    reply = c.call("SET", "k", "v", *options.split())
    assert reply in (b"-ERR syntax error\r\n", b"-ERR value is not an integer or out of range\r\n")
    assert c.call("GET", "k") == b"$1\r\na\r\n"


@pytest.mark.parametrize("release", ["7.0", "8.2"])
def test_not_before_8_4(release: str) -> None:
    c = LocalServer(release).client()
    c.call("SET", "k", "a")
    assert c.call("SET", "k", "v", "IFEQ", "a") == b"-ERR syntax error\r\n"
    for name in ("DELEX", "DIGEST", "MSETEX"):
        assert c.call(name, "k").startswith(b"-ERR unknown command '%b'" % name.encode())


@pytest.mark.parametrize("operand", [b"", b"0123", DIGEST[1:], b"0" + DIGEST])
@pytest.mark.parametrize("condition", ["IFDEQ", "IFDNE"])
def test_digests_have_sixteen_digits(c: LocalClient, condition: str, operand: bytes) -> None:
    c.call("SET", "k", "Hello world")
    error = b"-ERR must be exactly 16 hexadecimal characters\r\n"
    assert c.call("SET", "k", "v", condition, operand) == error
    assert c.call("DELEX", "k", condition, operand) == error
    assert c.call("GET", "k") == b"$11\r\nHello world\r\n"


@pytest.mark.parametrize(("condition", "operand", "met", "met_by_nothing"), TABLE)
def test_delex(c: LocalClient, condition: str, operand: bytes, met: bool, met_by_nothing: bool) -> None:
    """https://redis.io/docs/latest/commands/delex/"""
    assert c.call("DELEX", "k", condition, operand) == b":0\r\n"
    c.call("SET", "k", "Hello world")
    assert c.call("DELEX", "k", condition, operand) == b":%d\r\n" % met
    assert c.call("EXISTS", "k") == b":%d\r\n" % (not met)
    c.call("RPUSH", "list", "a")
    error = b"-ERR Key should be of string type if conditions are specified\r\n"
    assert c.call("DELEX", "list", condition, operand) == error


def test_delex_of_any_type_and_odd_arguments(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/delex/"""
    c.call("RPUSH", "list", "a")
    assert c.call("DELEX", "list") == b":1\r\n"
    assert c.call("DELEX", "list") == b":0\r\n"
    c.call("SET", "k", "v")
    assert c.call("DELEX", "k", "FOO", "v") == b"-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n"
    for more in (("IFEQ",), ("IFEQ", "v", "x")):
        assert c.call("DELEX", "k", *more) == b"-ERR wrong number of arguments for 'delex' command\r\n"
    assert c.call("EXISTS", "k") == b":1\r\n"


def test_msetex(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/msetex/"""
    assert c.call("MSETEX", 2, "a", "1", "b", "2", "EX", 100) == b":1\r\n"
    assert c.call("MGET", "a", "b") == b"*2\r\n$1\r\n1\r\n$1\r\n2\r\n"
    assert [c.call("TTL", key) for key in "ab"] == [b":100\r\n"] * 2
    assert c.call("MSETEX", 1, "a", "3", "KEEPTTL") == b":1\r\n"
    assert c.call("TTL", "a") == b":100\r\n"
    assert c.call("MSETEX", 1, "a", "3") == b":1\r\n"
    assert c.call("TTL", "a") == b":-1\r\n"
    assert c.call("MSETEX", 2, "a", "4", "c", "5", "NX", "PX", 9) == b":0\r\n"
    assert c.call("MSETEX", 2, "a", "4", "c", "5", "XX") == b":0\r\n"
    assert c.call("EXISTS", "c") == b":0\r\n"
    assert c.call("MSETEX", 2, "c", "4", "d", "5", "PX", 5000, "NX") == b":1\r\n"
    assert c.call("MSETEX", 2, "c", "6", "d", "7", "XX", "PXAT", 32503680000000) == b":1\r\n"
    assert c.call("PEXPIRETIME", "d") == b":32503680000000\r\n"
    c.call("RPUSH", "list", "a")
    assert c.call("MSETEX", 1, "list", "now a string") == b":1\r\n"
    assert c.call("MSETEX", 2, "x", "1", "x", "2", "NX") == b":1\r\n"
    assert c.call("GET", "x") == b"$1\r\n2\r\n"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("key1 val1 ex 10", b"invalid numkeys value"),
        ("0 a 1", b"invalid numkeys value"),
        ("-1 a 1", b"invalid numkeys value"),
        ("2147483648 a 1", b"invalid numkeys value"),
        ("2147483647 a 1", b"wrong number of key-value pairs"),
        ("2 a 1 b", b"wrong number of key-value pairs"),
        ("1 a 1 b 2", b"syntax error"),
        ("1 a 1 nx xx", b"syntax error"),
        ("1 a 1 ex 10 px 5", b"syntax error"),
        ("1 a 1 keepttl ex 10", b"syntax error"),
        ("1 a 1 ex", b"syntax error"),
        ("1 a 1 get", b"syntax error"),
        ("1 a 1 ifeq b", b"syntax error"),
        ("1 a 1 ex 0", b"invalid expire time in 'msetex' command"),
        ("1 a 1 px -5", b"invalid expire time in 'msetex' command"),
        ("1 a 1 ex x", b"value is not an integer or out of range"),
        ("1 a", b"wrong number of arguments for 'msetex' command"),
    ],
)
def test_msetex_that_is_none(c: LocalClient, line: str, error: bytes) -> None:
    assert c.call("MSETEX", *line.split()) == b"-ERR %b\r\n" % error
    assert c.call("DBSIZE") == b":0\r\n"


def test_keys_of_a_line(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/command-getkeysandflags/"""

    def keys(line: str) -> bytes:
        return c.call("COMMAND", "GETKEYS", *line.split())

    assert keys("msetex 2 a 1 b 2 ex 5") == b"*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    assert keys("delex k ifeq v") == b"*1\r\n$1\r\nk\r\n"
    flags = [c.call("COMMAND", "GETKEYSANDFLAGS", *line.split()) for line in ("delex k", "delex k ifeq v", "set k v")]
    assert [b"access" in reply for reply in flags] == [False, True, False]
    assert b"access" in c.call("COMMAND", "GETKEYSANDFLAGS", "set", "k", "v", "ifdeq", DIGEST)


def test_what_is_announced_and_propagated() -> None:
    """Effects: what holds here is done elsewhere without asking; deadlines are points in time."""
    f = Feeding()
    f.call("SET", "k", "a")
    f.clear()
    for line in ("SET k b IFEQ x", "DELEX k IFEQ x", "MSETEX 1 k x NX", "DELEX none"):
        f.call(*line.split())
    assert (f.events, f.fed) == ([], [])
    f.call("SET", "k", "b", "IFEQ", "a", "GET")
    f.call("SET", "k", "c", "IFNE", "a", "PX", 1000)
    f.call("MSETEX", 2, "k", "1", "l", "2", "NX")
    f.call("MSETEX", 2, "k", "1", "m", "2", "PX", 1000)
    f.call("DELEX", "k", "IFEQ", "1")
    at = b"%d" % (f.server.now + 1000)
    assert f.events == [b"set k", b"set k", b"expire k", b"set k", b"expire k", b"set m", b"expire m", b"del k"]
    assert f.fed == [
        [b"SET", b"k", b"b"],
        [b"SET", b"k", b"c", b"PXAT", at],
        [b"MSETEX", b"2", b"k", b"1", b"m", b"2", b"PXAT", at],
        [b"DEL", b"k"],
    ]
