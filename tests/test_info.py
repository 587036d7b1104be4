"""INFO beside redis-server's: sections, fields, their order, the values' shape; and that what is counted is counted."""

from __future__ import annotations

import re

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until

MORE = {"server": ["python_version"]}
"""Fields that only ours has, at the end of their section."""

OTHER_SHAPE = {
    "redis_build_id": "names pyredis and its version",
    "atomicvar_api": "there are no atomic variables, but the interpreter's lock",
    "mem_allocator": "CPython's",
}


def text(client: RawClient, *sections: str) -> str:
    reply = client.call("INFO", *sections)
    return reply.split(b"\r\n", 1)[1][:-2].decode()


def sections(client: RawClient, *wanted: str) -> dict[str, list[str]]:
    """Title → lines."""
    found: dict[str, list[str]] = {}
    for block in text(client, *wanted).split("\r\n\r\n"):
        title, *lines = block.strip("\r\n").split("\r\n")
        if title:
            found[title] = lines
    return found


def fields(client: RawClient, *wanted: str) -> dict[str, str]:
    lines = [line for block in sections(client, *wanted).values() for line in block]
    return dict(line.split(":", 1) for line in lines)


def shape(value: str) -> str:
    """A value with digits for numbers: what a parser that reads it must cope with."""
    value = re.sub(r"^[0-9a-f]{40}$", "hex40", value)
    value = re.sub(r"-?\d+", "9", value)
    return re.sub(r"^9(\.9)?[BKMGT]$", "bytes for people", value)


@pytest.fixture
def both(server: ServerProcess, oracle: ServerProcess) -> tuple[RawClient, RawClient]:
    return RawClient(server.connect()), RawClient(oracle.connect())


@pytest.mark.parametrize(
    "wanted",
    [
        [],
        ["all"],
        ["everything"],
        ["default"],
        ["default", "commandstats"],
        ["ALL", "modules"],
        ["server", "clients", "Memory"],
        ["keyspace", "cpu"],
        ["modules"],
        ["latencystats", "commandstats"],
        ["nonsense"],
        ["nonsense", "stats"],
    ],
)
def test_sections(both: tuple[RawClient, RawClient], wanted: list[str]) -> None:
    ours, theirs = (list(sections(client, *wanted)) for client in both)
    assert ours == theirs


def test_fields_and_shapes(both: tuple[RawClient, RawClient]) -> None:
    for client in both:
        # What other tests have done shows in the names of errors.
        client.pipeline([[b"CONFIG", b"RESETSTAT"], [b"SET", b"k", b"v", b"EX", b"1000"], [b"GET", b"k"], [b"FOO"]])
    ours, theirs = (sections(client, "default") for client in both)
    for title, lines in theirs.items():
        mine = [line.split(":", 1) for line in ours[title]]
        other = [line.split(":", 1) for line in lines]
        names = [name for name, _ in other]
        assert [name for name, _ in mine] == names + MORE.get(title[2:].lower(), []), title
        if title == "# Errorstats":
            continue
        different = {
            name: (a, b)
            for (name, a), (_, b) in zip(mine, other, strict=False)
            if shape(a) != shape(b) and name not in OTHER_SHAPE and name not in ("os", "executable", "gcc_version")
        }
        assert not different, title


def test_the_word_role_stands_once_in_replication(both: tuple[RawClient, RawClient]) -> None:
    assert text(both[0], "replication").count("role") == 1


def test_what_happened_is_counted(server: ServerProcess) -> None:
    client, waiting = RawClient(server.connect()), RawClient(server.connect())
    client.call("CONFIG", "RESETSTAT")
    client.pipeline(
        [[b"SET", b"a", b"1"], [b"GET", b"a"], [b"GET", b"b"], [b"LPUSH", b"a", b"x"], [b"NOSUCH"], [b"GET"]]
    )
    client.pipeline([[b"PSETEX", b"gone", b"1", b"v"], [b"PSETEX", b"later", b"900000", b"v"]])
    wait_until(lambda: client.call("DBSIZE") == b":2\r\n")
    waiting.send("BLPOP", "q", 100)
    wait_until(lambda: fields(client)["blocked_clients"] == "1")
    found = fields(client)
    assert found["clients_in_timeout_table"] == "1"
    assert int(found["connected_clients"]) >= 2
    assert (found["keyspace_misses"], found["expired_keys"]) == ("1", "1")
    assert found["errorstat_WRONGTYPE"] == "count=1"
    assert found["errorstat_ERR"] == "count=2"
    assert found["total_error_replies"] == "3"
    assert re.fullmatch(r"keys=2,expires=1,avg_ttl=8\d{5}", found["db0"])
    used, startup, overhead, dataset = (
        int(found["used_memory" + part]) for part in ("", "_startup", "_overhead", "_dataset")
    )
    assert 0 == startup <= overhead <= used
    assert overhead + dataset == used <= int(found["used_memory_peak"])
    stats = fields(client, "commandstats")
    assert re.fullmatch(
        r"calls=2,usec=\d+,usec_per_call=\d+\.\d\d,rejected_calls=1,failed_calls=0", stats["cmdstat_get"]
    )
    assert stats["cmdstat_lpush"].startswith("calls=1,")
    assert stats["cmdstat_lpush"].endswith("failed_calls=1")
    waiting.close()
    client.close()


def test_latency_percentiles(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    client.call("CONFIG", "RESETSTAT")
    client.call("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99.9 100 0 12.34567")
    assert client.call("CONFIG", "GET", "latency-tracking-info-p*").endswith(b"\r\n50 99.9 100 0 12.34567\r\n")
    client.call("PING")
    line = fields(client, "latencystats")["latency_percentiles_usec_ping"]
    assert re.fullmatch(r"p50=\d+\.\d{3},p99\.9=\d+\.\d{3},p100=\d+\.\d{3},p0=\d+\.\d{3},p12\.34567=\d+\.\d{3}", line)
    client.call("CONFIG", "SET", "latency-tracking", "no")
    assert text(client, "latencystats") == "# Latencystats\r\n"
    client.call("ECHO", "x")
    client.call("CONFIG", "SET", "latency-tracking", "yes", "latency-tracking-info-percentiles", "50 99 99.9")
    assert "latency_percentiles_usec_echo" not in fields(client, "latencystats")
    assert "latency_percentiles_usec_ping" in fields(client, "latencystats")
    client.close()


def test_percentiles_that_cannot_be(both: tuple[RawClient, RawClient]) -> None:
    for value in ("abc", "50 101", "-1", "", "50 50", "99.9999"):
        replies = [client.call("CONFIG", "SET", "latency-tracking-info-percentiles", value) for client in both]
        assert replies[0] == replies[1]
    for client in both:
        client.call("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9")
