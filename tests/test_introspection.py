"""SLOWLOG, LATENCY, MEMORY, COMMAND, LOLWUT, SHUTDOWN … beside redis-server: errors, empty replies, HELP, shapes."""

from __future__ import annotations

import random
import re
from typing import Any

import hiredis
import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

FIXED = """
SLOWLOG|SLOWLOG FOO|SLOWLOG GET x|SLOWLOG GET -2|SLOWLOG GET 1 2|slowlog get 1 2 3|SLOWLOG LEN 1|SLOWLOG RESET 1
SLOWLOG HELP 1|SLOWLOG GET 9223372036854775808|SLOWLOG GET 1.5|SLOWLOG GET 0
LATENCY|LATENCY FOO|LATENCY HISTORY|LATENCY HISTORY foo|LATENCY HISTORY foo bar|LATENCY GRAPH foo|LATENCY GRAPH
LATENCY LATEST|LATENCY LATEST x|LATENCY RESET foo bar|LATENCY RESET|LATENCY DOCTOR x|LATENCY HISTOGRAM hsetnx foo
LATENCY HELP x
MEMORY|MEMORY FOO|MEMORY USAGE|MEMORY USAGE nokey|MEMORY USAGE nokey SAMPLES|MEMORY USAGE nokey SAMPLES x
MEMORY USAGE nokey SAMPLES -1|MEMORY USAGE nokey FOO 1|MEMORY USAGE nokey SAMPLES 1 SAMPLES 2|MEMORY DOCTOR x
MEMORY USAGE nokey samples 0 FOO|MEMORY MALLOC-STATS x|MEMORY PURGE x|MEMORY PURGE|MEMORY STATS x|MEMORY HELP x
TIME x|ROLE|ROLE x|INFO nonsense|INFO a b c|INFO modules
LOLWUT|LOLWUT x|LOLWUT VERSION|LOLWUT VERSION x|LOLWUT VERSION 3|LOLWUT VERSION 7|LOLWUT VERSION 5 x|LOLWUT 1 2 3 4
LOLWUT VERSION 5 66 8 x|LOLWUT VERSION 6 x|LOLWUT version 6 1 x
SHUTDOWN FOO|SHUTDOWN NOSAVE SAVE|SHUTDOWN ABORT|SHUTDOWN ABORT NOW|SHUTDOWN NOSAVE ABORT|SHUTDOWN FOO ABORT
shutdown save nosave now|SHUTDOWN ABORT ABORT|SHUTDOWN NOW FORCE x
COMMAND FOO|COMMAND COUNT x|COMMAND LIST FOO|COMMAND LIST FILTERBY|COMMAND LIST FILTERBY FOO x
COMMAND LIST FILTERBY MODULE x|COMMAND LIST FILTERBY ACLCAT x|COMMAND LIST FILTERBY ACLCAT @read
COMMAND LIST FILTERBY PATTERN zadd*|COMMAND LIST FILTERBY PATTERN x y|command list filterby pattern CONFIG|GET
COMMAND GETKEYS|COMMAND GETKEYS foo|COMMAND GETKEYS get|COMMAND GETKEYS foo bar|COMMAND GETKEYS get a b
COMMAND GETKEYS ping a|COMMAND GETKEYS lmpop 0 a left|COMMAND GETKEYS lmpop x a left|COMMAND GETKEYS config get x
COMMAND GETKEYS config foo x|COMMAND GETKEYS object encoding k|COMMAND GETKEYSANDFLAGS get a|COMMAND GETKEYSANDFLAGS x
COMMAND GETKEYSANDFLAGS mset a b c|COMMAND GETKEYSANDFLAGS mset a b c d|COMMAND HELP x
COMMAND INFO foo get#x|COMMAND INFO get|COMMAND INFO GET|COMMAND INFO config#get|COMMAND INFO #get|COMMAND INFO get#
COMMAND DOCS foo|COMMAND DOCS nonsense get#x|COMMAND INFO x y z
"""
"""A line's commands are parted by |, so # stands for that character in an argument."""


def commands() -> list[list[str]]:
    return [c.replace("#", "|").split(" ") for line in FIXED.strip().splitlines() for c in line.split("|")]


def parsed(reply: bytes) -> Any:
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(reply)
    return reader.gets()


@pytest.fixture(params=[2, 3])
def both(server: ServerProcess, oracle: ServerProcess, request: pytest.FixtureRequest) -> list[RawClient]:
    clients = [RawClient(server.connect()), RawClient(oracle.connect())]
    for client in clients:
        client.call("HELLO", request.param)
        client.call("SLOWLOG", "RESET")
        client.call("CONFIG", "RESETSTAT")
    return clients


def test_same_replies(both: list[RawClient]) -> None:
    different = {}
    for argv in commands():
        ours, theirs = (client.call(*argv) for client in both)
        if argv[:3] == ["COMMAND", "INFO", "get"] or argv[:3] == ["COMMAND", "INFO", "GET"]:
            ours, theirs = sorted_lines(ours), sorted_lines(theirs)
        if ours != theirs:
            different[" ".join(argv)] = (ours, theirs)
    assert not different


def sorted_lines(reply: bytes) -> bytes:
    """Flags and categories come in no particular order."""
    return b"".join(sorted(reply.split(b"\r\n")))


WORDS = [
    "get",
    "config|get",
    "debug",
    "GET",
    "set",
    "x",
    "k",
    "-1",
    "0",
    "1",
    "99999999999",
    "mset",
    "zunion",
    "2",
    "a",
    "b",
    "left",
    "store",
    "lmpop",
    "sort",
    "[",
    "*",
    "@read",
]
HEADS = [
    ["COMMAND", "GETKEYS"],
    ["COMMAND", "GETKEYSANDFLAGS"],
    ["COMMAND", "LIST", "FILTERBY"],
    ["COMMAND", "LIST"],
    ["COMMAND", "COUNT"],
    ["COMMAND"],
    ["SLOWLOG"],
    ["SLOWLOG", "GET"],
    ["LATENCY"],
    ["LATENCY", "HISTORY"],
    ["LATENCY", "RESET"],
    ["MEMORY"],
    ["MEMORY", "USAGE"],
    ["MEMORY", "USAGE", "nokey"],
    ["MEMORY", "USAGE", "nokey", "SAMPLES"],
    ["LOLWUT", "VERSION"],
    ["SHUTDOWN", "FOO"],
    ["SHUTDOWN", "SAVE", "NOSAVE"],
    ["INFO", "nonsense"],
    ["TIME"],
    ["ROLE"],
]


@pytest.mark.parametrize("seed", range(4))
def test_same_errors_for_generated_arguments(both: list[RawClient], seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(250):
        argv = [*rng.choice(HEADS), *rng.choices(WORDS, k=rng.randrange(5))]
        ours, theirs = (client.call(*argv) for client in both)
        if theirs[:1] == b"-" or argv[1:2] in (["GETKEYS"], ["GETKEYSANDFLAGS"]):
            assert ours == theirs, argv
        else:
            assert ours[:1] == theirs[:1], argv


@pytest.mark.parametrize(
    "version", ["5", "5 3 1 1", "5 4 2 2", "5 1000 200 1", "5 0 0 0", "6", "6 5 1", "6 0 0", "6 3"]
)
def test_lolwut_has_the_size_asked_for(both: list[RawClient], version: str) -> None:
    ours, theirs = (parsed(client.call("LOLWUT", "VERSION", *version.split())).split("\n") for client in both)
    shown = [[re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines] for lines in (ours, theirs)]
    assert [len(line) for line in shown[0]] == [len(line) for line in shown[1]]
    assert shown[0][-2:] == shown[1][-2:]


def test_memory_stats_has_the_same_fields(both: list[RawClient]) -> None:
    found = []
    for client in both:
        client.pipeline(
            [[b"SET", b"a", b"1"], [b"SET", b"b", b"2", b"EX", b"100"], [b"SELECT", b"3"], [b"SET", b"a", b"1"]]
        )
        reply = parsed(client.call("MEMORY", "STATS"))
        fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
        found.append({name: list(v) if isinstance(v, dict) else type(v) for name, v in fields.items()})
        db = fields["db.0"]
        found[-1]["db.0"] = list(db) if isinstance(db, dict) else db[::2]
        db = fields["db.3"]
        found[-1]["db.3"] = list(db) if isinstance(db, dict) else db[::2]
    assert list(found[0]) == list(found[1])
    assert found[0] == found[1]


def test_memory_usage_grows_with_the_value(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    for key, name, items in (
        ("str", "APPEND", 1),
        ("list", "RPUSH", 1),
        ("set", "SADD", 1),
        ("hash", "HSET", 2),
        ("zset", "ZADD", 2),
    ):
        sizes = []
        for step in range(3):
            for i in range(200):
                pair = [str(step * 1000 + i), f"m{step * 1000 + i}"]
                client.call(name, key, *(pair if items == 2 else [pair[1] * (40 if name == "APPEND" else 1)]))
            sizes.append(int(client.call("MEMORY", "USAGE", key, "SAMPLES", 0)[1:]))
            sampled = int(client.call("MEMORY", "USAGE", key)[1:])
            assert 0.5 < sampled / sizes[-1] < 2
        assert 3000 < sizes[0] < sizes[1] < sizes[2], key
    client.close()


def test_reports_for_people(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    assert b"little or no data" in client.call("MEMORY", "DOCTOR") or b"memory" in client.call("MEMORY", "DOCTOR")
    assert b"arenas" in client.call("MEMORY", "MALLOC-STATS")
    client.close()


BUCKETS = {int((1 << power) * 1.0078125 / 1000) for power in range(10, 30)} | {1073741}
"""Microseconds: 1, 2, 4, 8, 16, 33 … and the last, of all that took longer than a second."""


def test_latency_histogram(both: list[RawClient]) -> None:
    found = []
    for client in both:
        client.pipeline([[b"SET", b"a", b"1"]] * 20)
        client.pipeline([[b"CONFIG", b"GET", b"port"], [b"CONFIG", b"SET", b"hz", b"10"], [b"GET", b"a"]])
        reply = client.call("LATENCY", "HISTOGRAM", "set", "config", "nosuch", "getdel", "ECHO")
        value = parsed(reply)
        if isinstance(value, list):
            value = dict(zip(value[::2], value[1::2], strict=True))
            value = {k: dict(zip(v[::2], v[1::2], strict=True)) for k, v in value.items()}
        found.append({name: entry["calls"] for name, entry in value.items()})
        for entry in value.values():
            rows = entry["histogram_usec"]
            rows = list(rows.items()) if isinstance(rows, dict) else list(zip(rows[::2], rows[1::2], strict=True))
            assert rows == sorted(rows)
            assert rows[-1][1] == entry["calls"]
            assert {usec for usec, _ in rows} <= BUCKETS
    assert found[0] == found[1] == {"set": 20, "config|get": 1, "config|set": 1, "config|resetstat": 1}


def test_slow_log_is_the_same(both: list[RawClient]) -> None:
    logs = []
    for client in both:
        client.call("CONFIG", "SET", "slowlog-log-slower-than", 0)
        client.call("SLOWLOG", "RESET")
        for argv in (
            ["SET", "k", "x" * 300],
            ["SET", "k", "x" * 128],
            ["SET", "k", "x" * 129],
            ["SET", "k", ""],
            ["MSET", *["a"] * 40],
            ["MSET", *["a"] * 32],
            ["DEL", *["a"] * 31],
            ["AUTH", "foo"],
            ["AUTH", "foo", "bar"],
            ["HELLO", "2", "AUTH", "default", "pw"],
            ["CLIENT", "SETNAME", "abc"],
            ["CONFIG", "SET", "requirepass", "", "maxclients", "10000"],
            ["CONFIG", "SET", "maxclients", "x"],
            ["CONFIG", "GET", "requirepass"],
            ["NOSUCH", "x"],
            ["GET"],
            ["LPUSH", "a", "x"],
            ["MULTI"],
            ["SET", "a", "b"],
            ["AUTH", "x"],
            ["EXEC"],
            ["SLOWLOG", "LEN"],
            ["SLOWLOG", "GET", "1"],
        ):
            client.call(*argv)
        entries = parsed(client.call("SLOWLOG", "GET", "-1"))
        client.call("CONFIG", "SET", "slowlog-log-slower-than", 10000)
        logs.append([(entry[3], entry[5]) for entry in entries])
        numbers = [entry[0] for entry in entries]
        assert numbers == list(range(numbers[0], numbers[-1] - 1, -1))
        for entry in entries:
            assert len(entry) == 6
            assert abs(entry[1] - entries[0][1]) < 60
            assert 0 <= entry[2] < 10_000_000
            assert re.fullmatch(r"127\.0\.0\.1:\d+", entry[4])
    assert logs[0] == logs[1]
