"""Snapshots of all versions and encodings, and damaged ones: an error that says where, never wrong data of silence."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pyredis.core.compat import NEWEST
from pyredis.lib.crc64 import crc64
from pyredis.persistence.rdb_format import EncodingLimits, RdbError
from pyredis.persistence.rdb_load import KeyspaceSink, load_snapshot
from pyredis.persistence.rdb_reader import RdbReader
from tests.support.keyspaces import digest
from tests.support.local import LocalServer, run
from tests.support.old_snapshots import FAR, NEW, OLD, entry, length, select, snapshot, string
from tests.support.raw import RawClient
from tests.support.servers import start_oracle


def load(path: Path, compat: str) -> LocalServer:
    server = LocalServer(compat)
    server.config.enable_debug_command = "yes"
    server.active_expire_enabled = False
    for _ in load_snapshot(server, str(path), KeyspaceSink(server)):
        pass
    return server


@pytest.mark.parametrize("name", OLD)
def test_the_same_as_redis_server_reads(tmp_path: Path, name: str) -> None:
    path = tmp_path / "dump.rdb"
    path.write_bytes(OLD[name])
    ours = load(path, "7.0").client()
    oracle = start_oracle(tmp_path, "--enable-debug-command", "yes")
    try:
        assert ours.call("DEBUG", "DIGEST") == digest(oracle)
        assert ours.call("DEBUG", "DIGEST") != b"+" + b"0" * 40 + b"\r\n"
        client = RawClient(oracle.connect())
        for number in (0, 3, 15):
            for one in (ours, client):
                assert one.call("SELECT", number) == b"+OK\r\n"
            assert ours.call("DBSIZE") == client.call("DBSIZE")
            keys = ours.call("KEYS", "*").split(b"\r\n")[2::2]
            for key in keys:
                for question in (["TYPE", key], ["PEXPIRETIME", key], ["DEBUG", "DIGEST-VALUE", key]):
                    assert ours.call(*question) == client.call(*question), key
                if ours.call("TYPE", key) == b"+stream\r\n":
                    assert ours.call("XINFO", "STREAM", key, "FULL") == client.call("XINFO", "STREAM", key, "FULL")
    finally:
        oracle.stop()


def test_later_versions(tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    for content in NEW.values():
        path.write_bytes(content)
        client = load(path, NEWEST).client()
        assert run(client, "DBSIZE") == [2 if content[5:9] == b"0011" else 4]
        if content[5:9] == b"0011":
            assert [sorted(found) for found in run(client, "SMEMBERS t")] == [["5", "a", "bc"]]
            assert run(client, "XLEN x\nXPENDING x group - + 9")[0] == 2
        else:
            for key in ("h", "lp", "rc", "rclp"):
                assert run(client, f"HPEXPIRETIME {key} FIELDS 2 f g\nHGETALL {key}") == [
                    [FAR, -1],
                    ["f", "v", "g", "w"],
                ], key


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.records: list[Any] = []

    def select(self, number: int) -> None:
        self.records.append(number)

    def resize(self, keys: int, expires: int) -> None:
        pass

    def aux(self, name: bytes, value: bytes) -> None:
        self.records.append((name, value))

    def function(self, code: bytes) -> None:
        self.records.append(code)

    def module_data(self, name: str, key: bytes | None) -> None:
        self.records.append(name)

    def key(self, key: bytes, value: Any, when: int, idle: int, freq: int) -> None:
        self.records.append((key, type(value), when, idle, freq))

    def empty_key(self, key: bytes) -> None:
        pass


def read(data: bytes, checksum: bool) -> Collected:
    """Read it all, in one piece. Raises RdbError."""
    sink = Collected()
    reader = RdbReader(sink, EncodingLimits())
    reader.total = len(data)
    reader.verify_checksum = checksum
    reader.feed(data)
    turns = 0
    while not reader.done:
        turns += 1
        assert turns < 100
        if reader.run(1 << 62):
            assert reader.wanted() <= max(len(data), 1 << 20)
            reader.feed(b"")
    return sink


def error_of(data: bytes, checksum: bool) -> RdbError | None:
    try:
        read(data, checksum)
    except RdbError as e:
        assert 0 <= e.offset <= len(data)
        assert f"at offset {e.offset}" in str(e)
        return e
    return None


FILES = {**OLD, **NEW}


@pytest.mark.parametrize("name", FILES)
def test_cut_off_anywhere(name: str) -> None:
    data = FILES[name]
    assert error_of(data, True) is None
    step = max(len(data) // 400, 1)
    for size in range(0, len(data), step):
        assert error_of(data[:size], True) is not None, size
    for size in range(max(len(data) - 40, 0), len(data)):
        assert error_of(data[:size], False) is not None, size


@pytest.mark.parametrize("name", FILES)
def test_every_byte_changed(name: str) -> None:
    """With a checksum each change is found. Without one the reader says where it stops to make sense, or finds other
    data of the same size: it never fails otherwise, and never needs much more memory than the file has bytes."""
    data = FILES[name]
    has_checksum = data[5:9] >= b"0005" and data[-8:] != bytes(8)
    whole = read(data, True).records
    tracemalloc.start()
    try:
        for at in range(0, len(data), max(len(data) // 250, 1)):
            for change in (0x01, 0x80, 0xFF):
                damaged = bytearray(data)
                damaged[at] ^= change
                if error_of(bytes(damaged), True) is None and has_checksum:
                    # A version from before there were checksums, of which each was as readable as this one.
                    assert at < 9 and read(bytes(damaged), True).records == whole, at
                error_of(bytes(damaged), False)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25])
@pytest.mark.parametrize("size", [1 << 20, 1 << 32, 1 << 60, (1 << 64) - 1])
def test_impossible_lengths(kind: int, size: int) -> None:
    """A length that the file cannot hold is refused before anything is allocated for it."""
    lengths = b"\x81" + size.to_bytes(8, "big")
    tracemalloc.start()
    try:
        for content in (lengths, b"\xc3" + length(4) + lengths + b"\x03abcd", bytes(8) + lengths):
            data = snapshot(12, select(0), entry(kind, b"key", content + b"a" * 100))
            assert error_of(data, False) is not None
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", [6, 7, 8, 26, 99, 200])
def test_unknown_types(kind: int) -> None:
    assert error_of(snapshot(9, select(0), entry(kind, b"key", string(b"v"))), True) is not None


def test_a_wrong_checksum_is_told_last() -> None:
    """What is wrong in itself is told where it is."""
    data = bytearray(snapshot(10, select(0), entry(0, b"key", string(b"v")), entry(16, b"h", string(b"abc"))))
    found = error_of(bytes(data), True)
    assert found is not None and "key 'h'" in str(found)
    body = snapshot(10, select(0), entry(0, b"key", string(b"v")))[:-8]
    found = error_of(body + b"12345678", True)
    assert found is not None and f"wrong checksum: {crc64(body):016x} computed" in str(found)
    assert error_of(body + b"12345678", False) is None
