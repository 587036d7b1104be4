"""``pyredis rdb-to-json``: what it prints is the whole keyspace, as a server filled from it has the same digest."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyredis.cli.rdb_records import text
from pyredis.cli.rdb_to_json import main
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.volatile_hash import make_volatile
from pyredis.persistence import rdb_format
from pyredis.persistence.rdb_format import EncodingLimits
from pyredis.persistence.rdb_writer import RdbWriter
from tests.support.damage import ours
from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle

YEAR_2100 = 4102444800000
BINARY = [
    [b"SET", b"\x00\xff\n", bytes(range(256))],
    [b"HSET", b"hb", b"\xff", b"\xfe", b"f", b"", b"", b"x", b"base64:QQ==", b"base64:"],
    [b"SADD", b"sb", b"\xff\xfe", "é".encode(), b"\x00", b"\xed\xa0\x80"],
    [b"RPUSH", b"lb", b"\x80", b"", b"a" * 300],
    [b"ZADD", b"zb", b"inf", b"\xff", b"-inf", b"x", b"-0.0", b"z", b"0.1", b"y", b"1e300", b"w", b"3", b"v"],
    [b"XADD", b"xb", b"5-7", b"\xff", b"\xfe", b"\xff", b"2"],
    [b"XGROUP", b"CREATE", b"xb", b"\xff", b"0"],
    [b"XREADGROUP", b"GROUP", b"\xff", b"\xfe", b"STREAMS", b"xb", b">"],
    [b"XGROUP", b"CREATE", b"xb", b"other", b"$"],
    [b"SET", b"due", b"v", b"PXAT", b"%d" % YEAR_2100],
    [b"SET", "ключ".encode(), "значение".encode()],
]


def back(shown: str) -> bytes:
    return b64decode(shown[7:]) if shown.startswith("base64:") else shown.encode()


def commands(record: dict[str, Any]) -> Iterator[list[bytes]]:
    """What makes the key of a record."""
    key, kind, value = back(record["key"]), record["type"], record["value"]
    yield [b"SELECT", b"%d" % record["db"]]
    if kind == "string":
        yield [b"SET", key, back(value)]
    elif kind == "list":
        yield [b"RPUSH", key, *map(back, value)]
    elif kind == "set":
        yield [b"SADD", key, *map(back, value)]
    elif kind == "zset":
        yield [b"ZADD", key, *(x for member, score in value for x in (str(score).encode(), back(member)))]
    elif kind == "hash":
        yield [b"HSET", key, *(back(x) for pair in value.items() for x in pair)]
    else:
        yield from stream_commands(key, value)
    if "expire_at" in record:
        yield [b"PEXPIREAT", key, b"%d" % record["expire_at"]]


def stream_commands(key: bytes, value: dict[str, Any]) -> Iterator[list[bytes]]:
    for entry in value["entries"]:
        yield [b"XADD", key, entry["id"].encode(), *(back(x) for pair in entry["fields"] for x in pair)]
    if not value["entries"]:
        yield [b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"]
    added, deleted = b"%d" % value["entries_added"], value["max_deleted_id"].encode()
    yield [b"XSETID", key, value["last_id"].encode(), b"ENTRIESADDED", added, b"MAXDELETEDID", deleted]
    for group in value["groups"]:
        name = back(group["name"])
        read = b"%d" % (-1 if group["entries_read"] is None else group["entries_read"])
        yield [b"XGROUP", b"CREATE", key, name, group["last_id"].encode(), b"ENTRIESREAD", read]
        for consumer in group["consumers"]:
            yield [b"XGROUP", b"CREATECONSUMER", key, name, back(consumer["name"])]
        for one in group["pending"]:
            when, count = b"%d" % one["delivered_at"], b"%d" % one["delivery_count"]
            owner = back(one["consumer"])
            tail = [b"TIME", when, b"RETRYCOUNT", count, b"JUSTID", b"FORCE"]
            yield [b"XCLAIM", key, name, owner, b"0", one["id"].encode(), *tail]


def records(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A redis-server with a bit of everything, saved."""
    server = start_oracle(tmp_path_factory.mktemp("filled"), "--enable-debug-command", "yes")
    client = RawClient(server.connect())
    fill(client, "json")
    client.call("SELECT", "0")
    for argv in BINARY:
        reply = client.call(*argv)
        assert not reply.startswith(b"-"), (argv, reply)
    assert client.call("SAVE") == b"+OK\r\n"
    client.close()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def snapshot(filled: ServerProcess) -> Path:
    return filled.log_path.parent / "dump.rdb"


def test_nothing_is_lost(filled: ServerProcess, snapshot: Path, oracle: ServerProcess) -> None:
    code, output = ours(main, snapshot)
    assert code == 0
    client = RawClient(oracle.connect())
    keys = 0
    for record in records(output):
        if "key" in record:
            keys += 1
            for argv in commands(record):
                reply = client.call(*argv)
                assert not reply.startswith(b"-"), (argv, reply)
    client.close()
    assert keys > 30
    assert digest(oracle) == digest(filled)


def test_the_same_as_one_array(snapshot: Path) -> None:
    assert json.loads(ours(main, "--array", snapshot)[1]) == records(ours(main, snapshot)[1])
    assert ours(main, "--array", "--match", "no-such-key", snapshot)[1] == "[]\n"


def test_filters(snapshot: Path) -> None:
    everything = [record for record in records(ours(main, snapshot)[1]) if "key" in record]
    for options, keep in (
        (["--db", "1"], lambda r: r["db"] == 1),
        (["--db", "0", "--db", "2"], lambda r: r["db"] in (0, 2)),
        (["--type", "zset", "--type", "stream"], lambda r: r["type"] in ("zset", "stream")),
        (["--match", "?b"], lambda r: len(back(r["key"])) == 2 and back(r["key"])[1:] == b"b"),
        (["--match", "*s*", "--type", "set"], lambda r: b"s" in back(r["key"]) and r["type"] == "set"),
    ):
        assert records(ours(main, *options, snapshot)[1]) == [r for r in everything if keep(r)], options


def test_strings_can_be_told_apart() -> None:
    rng = random.Random(1)
    samples = [b"", b"base64:", b"base64:QQ==", b"\xff", "ü€😀".encode(), b"\xed\xa0\x80", b"base64", b'"\\\n\x00']
    samples += [rng.randbytes(rng.randrange(12)) for _ in range(500)]
    shown = {one: json.loads(json.dumps(text(one), ensure_ascii=False).encode()) for one in samples}
    assert all(back(string) == one for one, string in shown.items())
    assert len(set(shown.values())) == len(shown)


def write(path: Path, fill_with: Any) -> None:
    with path.open("wb") as file:
        writer = RdbWriter(file.write, EncodingLimits())
        writer.begin(rdb_format.VERSION_HASH_FIELDS, {b"redis-ver": b"8.0.0"})
        fill_with(writer)
        writer.end()


def test_deadlines_of_fields_and_times_of_use(tmp_path: Path) -> None:
    value = HashObj()
    value.fields = {b"a": b"1", b"\xff": b"2"}
    volatile = make_volatile(value)
    volatile.set_deadline(b"\xff", YEAR_2100)

    def content(writer: RdbWriter) -> None:
        writer.select(3, 2, 0)
        writer.key(b"h", volatile)
        writer.key(b"k", b"v", YEAR_2100, idle=77)
        writer.key(b"f", b"v", freq=5)

    path = tmp_path / "dump.rdb"
    write(path, content)
    head = {"db": 3, "type": "string", "value": "v"}
    assert records(ours(main, path)[1])[1:] == [
        {
            **{"db": 3, "key": "h", "type": "hash", "value": {"a": "1", "base64:/w==": "2"}},
            **{"fields_expire_at": {"base64:/w==": YEAR_2100}},
        },
        {**head, "key": "k", "expire_at": YEAR_2100, "idle": 77},
        {**head, "key": "f", "freq": 5},
    ]


def test_memory(filled: ServerProcess, snapshot: Path) -> None:
    """The sums are those of the server; what is in the file adds up to its size."""
    code, output = ours(main, "--memory", "--json", "--largest", "5", snapshot)
    report = json.loads(output)
    assert code == 0
    client = RawClient(filled.connect())
    info = client.call("INFO", "keyspace").decode()
    client.close()
    for number, sizes in report["dbs"].items():
        assert f"db{number}:keys={sizes['keys']},expires={sizes['expires']}," in info
    everything = [record for record in records(ours(main, snapshot)[1]) if "key" in record]
    for kind, sizes in report["types"].items():
        found = [record for record in everything if record["type"] == kind]
        assert sizes["keys"] == len(found)
        assert sizes["expires"] == len([record for record in found if "expire_at" in record])
        if kind in ("list", "set", "zset", "hash"):
            assert sizes["elements"] == sum(len(record["value"]) for record in found)
    size = snapshot.stat().st_size
    assert size - 400 < report["total"]["file_bytes"] < size
    assert sum(report["deadlines"].values()) == report["total"]["keys"] == len(everything)
    largest = report["largest"]
    assert len(largest) == 5 and largest == sorted(largest, key=lambda one: -one["memory_bytes"])
    shown = ours(main, "--memory", snapshot)[1]
    assert f"all {report['total']['keys']:>21}" in shown and "The largest keys" in shown
    assert len(shown.split("The largest keys")[1].splitlines()) == 21


def test_memory_filters(snapshot: Path) -> None:
    report = json.loads(ours(main, "--memory", "--json", "--type", "set", "--db", "0", snapshot)[1])
    assert list(report["types"]) == ["set"] and list(report["dbs"]) == ["0"]


def test_damage(snapshot: Path, tmp_path: Path) -> None:
    """What was read before is printed; then comes the offset, and exit code 1."""
    path = tmp_path / "dump.rdb"
    whole = records(ours(main, snapshot)[1])
    data = snapshot.read_bytes()
    for length in range(0, len(data), len(data) // 12):
        path.write_bytes(data[:length])
        code, output = ours(main, path)
        assert code == 1
        *printed, message = output.splitlines()
        assert message.startswith(f"{path} is damaged: ") and " at offset " in message
        assert [json.loads(line) for line in printed] == whole[: len(printed)]
    path.write_bytes(data + b"*1\r\n$4\r\nPING\r\n")
    code, output = ours(main, path)
    assert code == 0 and output.endswith("14 bytes behind the snapshot (of an append-only file?) were left out.\n")


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Eighty megabytes of small values and a limit of memory in which they would not fit."""
    path = tmp_path / "dump.rdb"

    def content(writer: RdbWriter) -> None:
        writer.compression = False
        writer.select(0, 0, 0)
        for number in range(160):
            value = ListObj()
            value.tail = [b"%d:" % number + b"x" * 5000] * 100
            writer.key(b"key:%d" % number, value)

    write(path, content)
    assert path.stat().st_size > 80_000_000
    for options in ([], ["--memory"]):
        argv = [sys.executable, "-m", "pyredis.cli", "rdb-to-json", *options, str(path)]

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_AS, (140 << 20, 140 << 20))

        with subprocess.Popen(argv, stdout=subprocess.PIPE, preexec_fn=limit) as process:
            assert process.stdout is not None
            size = sum(map(len, iter(lambda: process.stdout.read(1 << 16), b"")))
        assert process.returncode == 0
        assert (size > 80_000_000) == (not options)
