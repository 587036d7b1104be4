"""Hash fields that expire: the examples of the documentation, and errors.

redis-server 7.0 knows nothing of them. Each page meant is https://redis.io/docs/latest/commands/<command>/.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.local import DRIVEN_FROM as START
from tests.support.local import DrivenServer, LocalClient, call, run

LATEST = (1 << 46) - 1


@pytest.fixture
def server() -> DrivenServer:
    return DrivenServer()


@pytest.fixture
def client(server: DrivenServer) -> LocalClient:
    return server.client()


# --- the documentation's examples -----------------------------------------------------------------------------------


def test_hexpire_page(client: LocalClient) -> None:
    """The key that is missing gets a reply per field, as under "Return information" (the example still shows nil)."""
    script = """
        HEXPIRE no-key 20 NX FIELDS 2 field1 field2
        HSET mykey field1 hello field2 world
        HEXPIRE mykey 10 FIELDS 3 field1 field2 field3
        HEXPIRE mykey 20 NX FIELDS 1 field1
        HEXPIRE mykey 0 FIELDS 1 field1
        HGETALL mykey
    """
    assert run(client, script) == [[-2, -2], 2, [1, 1, -2], [0], [2], ["field2", "world"]]


def test_hexpireat_and_hpexpireat_pages(client: LocalClient) -> None:
    script = f"""
        HSET mykey field1 hello field2 world
        HEXPIREAT mykey {START // 1000 + 567} FIELDS 2 field1 field2
        HTTL mykey FIELDS 2 field1 field2
        HPEXPIREAT mykey {START + 303_340} FIELDS 2 field1 field2
        HPTTL mykey FIELDS 2 field1 field2
        HEXPIREAT mykey 1 FIELDS 1 field1
    """
    assert run(client, script) == [2, [1, 1], [567, 567], [1, 1], [303_340, 303_340], [2]]


def test_hpexpire_page(server: DrivenServer, client: LocalClient) -> None:
    assert run(client, "HSET mykey field1 hello field2 world\nHPEXPIRE mykey 2000 FIELDS 2 field1 field2") == [
        2,
        [1, 1],
    ]
    server.now += 1999
    assert call(client, "HLEN mykey") == 2
    server.now += 1
    assert call(client, "HGETALL mykey") == []
    assert call(client, "EXISTS mykey") == 0


def test_httl_hpttl_and_hpersist_pages(server: DrivenServer, client: LocalClient) -> None:
    script = """
        HTTL no-key FIELDS 3 field1 field2 field3
        HPTTL no-key FIELDS 3 field1 field2 field3
        HSET mykey field1 hello field2 world
        HEXPIRE mykey 300 FIELDS 2 field1 field3
    """
    assert run(client, script) == [[-2, -2, -2], [-2, -2, -2], 2, [1, -2]]
    server.now += 7_798
    script = """
        HPTTL mykey FIELDS 3 field1 field2 field3
        HTTL mykey FIELDS 3 field1 field2 field3
        HEXPIRE mykey 300 FIELDS 2 field1 field2
        HPERSIST mykey FIELDS 1 field2
        HTTL mykey FIELDS 2 field1 field2
    """
    assert run(client, script) == [[292_202, -1, -2], [293, -1, -2], [1, 1], [1], [300, -1]]


def test_hexpiretime_and_hpexpiretime_pages(server: DrivenServer, client: LocalClient) -> None:
    server.now += 613_659
    script = """
        HSET mykey field1 hello field2 world
        HEXPIRE mykey 300  FIELDS 2 field1 field2
        HEXPIRETIME mykey FIELDS 2 field1 field2
        HPEXPIRETIME mykey FIELDS 2 field1 field2
    """
    # Parts of a second count as a whole one.
    seconds, milliseconds = 1_700_000_914, 1_700_000_913_659
    assert run(client, script) == [2, [1, 1], [seconds] * 2, [milliseconds] * 2]


def test_hgetdel_page(client: LocalClient) -> None:
    script = """
        HSET mykey field1 Hello field2 World field3 !
        HGETDEL mykey FIELDS 2 field3 field4
        HGETALL mykey
        HGETDEL mykey FIELDS 2 field1 field2
        KEYS *
    """
    assert run(client, script) == [
        3,
        ["!", None],
        ["field1", "Hello", "field2", "World"],
        ["Hello", "World"],
        [],
    ]


def test_hgetex_page(server: DrivenServer, client: LocalClient) -> None:
    script = """
        HSET mykey field1 Hello field2 World
        HGETEX mykey EX 120 FIELDS 1 field1
        HGETEX mykey EX 100 FIELDS 1 field2
        HTTL mykey FIELDS 3 field1 field2 field3
    """
    assert run(client, script) == [2, ["Hello"], ["World"], [120, 100, -2]]
    server.now += 120_000
    assert run(client, "HTTL mykey FIELDS 2 field1 field2\nHGETALL mykey") == [[-2, -2], []]


def test_hsetex_page(client: LocalClient) -> None:
    script = f"""
        HSETEX mykey EXAT {START // 1000 + 55_627} FIELDS 2 field1 Hello field2 World
        HTTL mykey FIELDS 2 field1 field2
        HSETEX mykey FNX EX 60 FIELDS 2 field1 Hello field2 World
        HSETEX mykey FXX EX 60 KEEPTTL FIELDS 2 field1 hello field2 world
        HSETEX mykey FXX KEEPTTL FIELDS 2 field1 hello field2 world
        HTTL mykey FIELDS 2 field1 field2
        HGETALL mykey
    """
    assert run(client, script) == [
        1,
        [55_627, 55_627],
        0,
        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        1,
        [55_627, 55_627],
        ["field1", "hello", "field2", "world"],
    ]


# --- errors ---------------------------------------------------------------------------------------------------------

WRONGTYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NEGATIVE = "ERR invalid expire time, must be >= 0"
MISMATCH = "ERR The `numfields` parameter must match the number of arguments"
POSITION = "ERR Mandatory argument FIELDS is missing or not at the right position"
TOO_FEW = "ERR Parameter `numFields` should be greater than 0"
NOT_POSITIVE = "ERR Number of fields must be a positive integer"
ONE_CONDITION = "ERR Only one of FXX or FNX arguments can be specified"
ONE_EXPIRATION = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"


def arity(name: str) -> str:
    return f"ERR wrong number of arguments for '{name}' command"


def invalid(name: str) -> str:
    return f"ERR invalid expire time in '{name}' command"


SETTERS = [
    ("X str abc FIELDS 0", arity("x")),
    ("X str abc FIELDS 0 a", WRONGTYPE),
    ("X h abc NOPE 0 a", NOT_AN_INTEGER),
    ("X h 99999999999999999999 FIELDS 1 a", NOT_AN_INTEGER),
    ("X h -1 NOPE 0 a", NEGATIVE),
    ("X h -9223372036854775808 FIELDS 1 a", NEGATIVE),
    ("X h 9223372036854775807 FIELDS 1 a", invalid("x")),
    (f"X h {LATEST + 1} NOPE 1 a", invalid("x")),
    ("X h 10 NOPE 1 a", POSITION),
    ("X h 10 NX XX FIELDS 1 a", POSITION),
    ("X h 10 1 FIELDS a", POSITION),
    ("X h 10 FIELDS 0 a", TOO_FEW),
    ("X h 10 FIELDS -1 a", TOO_FEW),
    ("X h 10 FIELDS 9223372036854775808 a", TOO_FEW),
    ("X h 10 FIELDS x a", TOO_FEW),
    ("X h 10 FIELDS 2 a", MISMATCH),
    ("X h 10 FIELDS 1 a b", MISMATCH),
    ("X h 10 NX FIELDS 1", MISMATCH),
    ("X h 10 FIELDS 9223372036854775807 a", MISMATCH),
    ("X nokey 10 FIELDS 2 a", MISMATCH),
]
READERS = [
    ("X h FIELDS 1", arity("x")),
    ("X str FIELDS x a", WRONGTYPE),
    ("X h NOPE 1 a", POSITION),
    ("X h FIELDS 0 a", NOT_POSITIVE),
    ("X h FIELDS x a", NOT_POSITIVE),
    ("X h FIELDS 2 a", MISMATCH),
    ("X h FIELDS 1 a b", MISMATCH),
    ("X nokey FIELDS 1 a b", MISMATCH),
]
GETDEL = [(line, NOT_POSITIVE if "str" in line else error) for line, error in READERS]
GETDEL += [("X str FIELDS 1 a", WRONGTYPE)]
GETEX = [
    *GETDEL,
    ("X h EX 10 FIELDS", arity("x")),
    ("X h EX FIELDS 1 a", POSITION),
    ("X h KEEPTTL FIELDS 1 a", POSITION),
    ("X h EX 10 PERSIST FIELDS 1 a", POSITION),
    ("X h PERSIST FIELDS 1", MISMATCH),
    ("X h EX abc FIELDS 1 a", NOT_AN_INTEGER),
    ("X str PX -1 FIELDS 1 a", NEGATIVE),
    (f"X str EXAT {LATEST // 1000 + 1} FIELDS 1 a", invalid("x")),
    (f"X nokey PX {LATEST - START + 1} FIELDS 1 a", invalid("x")),
]
SETEX = [
    ("X h FIELDS 1 a", arity("x")),
    ("X h FIELDS 2 a 1 b", arity("x")),
    ("X h FIELDS 1 a 1 b 2", arity("x")),
    ("X h FIELDS 3 a 1 b 2", arity("x")),
    ("X h FNX EX 1 FIELDS", arity("x")),
    ("X h FNX EX 1 FIELDS 0 a", arity("x")),
    ("X h FIELDS 0 a 1", "ERR invalid number of fields"),
    ("X h FIELDS -1 a 1", "ERR invalid number of fields"),
    ("X h FIELDS x a 1", "ERR invalid number of fields"),
    ("X h FIELDS 2147483648 a 1", "ERR invalid number of fields"),
    ("X h FIELDS 2147483647 a 1", arity("x")),
    ("X h NOPE 1 a 1", "ERR unknown argument: NOPE"),
    ("X h EX 1 NOPE 1 a 1", "ERR unknown argument: NOPE"),
    ("X h FXX FNX FIELDS 1 a 1", ONE_CONDITION),
    ("X h FXX FXX FIELDS 1 a 1", ONE_CONDITION),
    ("X h EX 1 PXAT 1 FIELDS 1 a 1", ONE_EXPIRATION),
    ("X h KEEPTTL KEEPTTL FIELDS 1 a 1", ONE_EXPIRATION),
    ("X h FXX EX abc FIELDS 1 a 1", NOT_AN_INTEGER),
    ("X nokey FXX EX -5 FIELDS 1 a 1", NEGATIVE),
    ("X h PX 9223372036854775807 FIELDS 1 a 1", invalid("x")),
    ("X h FXX EX 1 KEEPTTL", ONE_EXPIRATION),
    ("X h KEEPTTL FXX FNX PX", ONE_CONDITION),
    ("X h FXX KEEPTTL EX EX", ONE_EXPIRATION),
    ("X str FIELDS 1 a 1", WRONGTYPE),
]


@pytest.mark.parametrize(
    ("names", "cases"),
    [
        ("HEXPIRE HPEXPIRE HEXPIREAT HPEXPIREAT", SETTERS),
        ("HTTL HPTTL HEXPIRETIME HPEXPIRETIME HPERSIST", READERS),
        ("HGETDEL", GETDEL),
        ("HGETEX", GETEX),
        ("HSETEX", SETEX),
    ],
)
def test_errors_change_nothing(server: DrivenServer, client: LocalClient, names: str, cases: list[Any]) -> None:
    server.config.enable_debug_command = "yes"
    run(client, "SET str v\nHSET h a 1 b 2\nHEXPIRE h 100 FIELDS 1 b")
    before = client.call("DEBUG", "DIGEST")
    for name in names.split():
        for line, error in cases:
            expected = error.replace("'x'", f"'{name.lower()}'")
            assert call(client, line.replace("X ", name + " ", 1)) == expected, line
            assert call(client, line.lower().replace("x ", name.lower() + " ", 1)).lower() == expected.lower()
    assert client.call("DEBUG", "DIGEST") == before


def test_the_latest_deadline(client: LocalClient) -> None:
    script = f"""
        HSET h a 1
        HPEXPIREAT h {LATEST} FIELDS 1 a
        HPEXPIRE h {LATEST - START} FIELDS 1 a
        HEXPIREAT h {LATEST // 1000} FIELDS 1 a
        HEXPIRE h {(LATEST - START) // 1000} FIELDS 1 a
        HEXPIRE h {(LATEST - START) // 1000 + 1} FIELDS 1 a
    """
    assert run(client, script) == [1, [1], [1], [1], [1], invalid("hexpire")]


def test_a_field_named_twice(client: LocalClient) -> None:
    script = """
        HSET h a 1 b 2 c 3
        HEXPIRE h 10 NX FIELDS 2 a a
        HEXPIRE h 10 FIELDS 2 a a
        HEXPIRE h 0 FIELDS 3 a b a
        HGETEX h PX 0 FIELDS 2 c c
        EXISTS h
        HSETEX h FNX FIELDS 2 a 1 a 2
        HGETDEL h FIELDS 2 a a
    """
    assert run(client, script) == [3, [1, 0], [1, 1], [2, 2, -2], ["3", None], 0, 1, ["2", None]]


def test_replies_in_resp3(client: LocalClient) -> None:
    client.call("HELLO", 3)
    assert client.call("HGETDEL", "h", "FIELDS", 1, "a") == b"*1\r\n_\r\n"
    assert client.call("HGETEX", "h", "FIELDS", 2, "a", "b") == b"*2\r\n_\r\n_\r\n"
    assert client.call("HSETEX", "h", "FXX", "FIELDS", 1, "a", "b") == b":0\r\n"
    assert client.call("HTTL", "h", "FIELDS", 1, "a") == b"*1\r\n:-2\r\n"
