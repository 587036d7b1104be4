"""``pyredis check-rdb`` beside redis-check-rdb, over damaged snapshots."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pyredis.cli.check_rdb import main
from tests.support.damage import damaged, ours, theirs
from tests.support.raw import RawClient
from tests.support.servers import start_oracle

CONTENT = [
    "RPUSH l 1 2 3 abc " + "z" * 100,
    "SADD is 1 2 3 -5 99999",
    "SADD s a b c " + "y" * 70,
    "ZADD z 1 a 2.5 b inf c",
    "ZADD zb 1 " + "y" * 70 + " 2 b",
    "HSET h f v g w",
    "HSET hb f " + "u" * 80 + " g 1",
    "XADD st 1-1 a b c d",
    "XADD st 1-2 a b c e",
    "XADD st 2-2 q r",
    "XGROUP CREATE st g 0",
    "XREADGROUP GROUP g me COUNT 2 STREAMS st >",
    "SET i 12345",
    "SET k v PX 99999999",
    "SET old v PXAT 4102444800000",
    "SET e " + "ab" * 60,
    "SELECT 3",
    "SET k v",
]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A snapshot of redis-server with all types, with and without a checksum."""
    directory = tmp_path_factory.mktemp("snapshots")
    server = start_oracle(directory)
    client = RawClient(server.connect())
    for line in CONTENT:
        assert not client.call(*line.split()).startswith(b"-"), line
    library = "#!lua name=l\nredis.register_function('f', function() end)"
    assert client.call("FUNCTION", "LOAD", library) == b"$1\r\nl\r\n"
    assert client.call("SAVE") == b"+OK\r\n"
    data = (directory / "dump.rdb").read_bytes()
    client.close()
    server.stop()
    return {"yes": data, "no": data[:-8] + bytes(8)}  # 0: none was computed


def test_a_good_one(tmp_path: Path, snapshots: dict[str, bytes]) -> None:
    path = tmp_path / "dump.rdb"
    for checksum, verdict in (("yes", "Checksum OK"), ("no", "saved with checksum disabled")):
        path.write_bytes(snapshots[checksum])
        code, output = ours(main, path)
        assert code == theirs("redis-check-rdb", path)[0] == 0
        assert f"[offset {path.stat().st_size}]" in output and verdict in output
        for line in ("13 keys read", "2 expires", "0 already expired", "1 of type stream", "1 libraries of functions"):
            assert f"[info] {line}\n" in output
        assert output.count("Selecting DB ID") == 2


def test_every_damage_is_seen(tmp_path: Path, snapshots: dict[str, bytes]) -> None:
    """The checksum finds whatever is changed before it; the offset is inside of the file."""
    path = tmp_path / "dump.rdb"
    for data in damaged(snapshots["yes"][:-8], random.Random(1), one_in=12):
        path.write_bytes(data + snapshots["yes"][-8:])
        code, output = ours(main, path)
        assert code == 1, output
        _, _, told = output.partition("--- RDB ERROR DETECTED ---\n[offset ")
        assert 0 <= int(told[: told.index("]")]) <= len(data) + 8


def test_nothing_passes_that_redis_refuses(tmp_path: Path, snapshots: dict[str, bytes]) -> None:
    """Without a checksum only the structure shows damage. Newer versions of the format are known here, and values
    without elements are left out by both servers."""
    path = tmp_path / "dump.rdb"
    stricter = cases = 0
    for data in damaged(snapshots["no"], random.Random(2), one_in=16):
        path.write_bytes(data)
        code, output = ours(main, path)
        their_code, their_output = theirs("redis-check-rdb", path)
        cases += 1
        if code != min(abs(their_code), 1):
            known = "handle RDB format version 1" in their_output or "keys without elements" in output
            assert code or known, (their_output, output)
            stricter += 1
    assert stricter < cases // 10


def test_what_is_no_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "dump.rdb"
    for data in (b"", b"RED", b"REDIS0000", b"REDIS0013", b"REDIS0007", b"*1\r\n$4\r\nPING\r\n", bytes(100)):
        path.write_bytes(data)
        code, output = ours(main, path)
        assert code == 1 == theirs("redis-check-rdb", path)[0]
        assert "RDB ERROR" in output
    assert ours(main, tmp_path / "missing") == (
        1,
        f"Cannot open file {tmp_path / 'missing'}: No such file or directory\n",
    )
    assert ours(main)[0] == 1 == theirs("redis-check-rdb")[0]
    assert ours(main, tmp_path)[0] == 1


def test_a_length_beyond_everything(tmp_path: Path) -> None:
    """A string of 2^60 bytes is refused before anything is allocated."""
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"REDIS0010\x00\x01k\x81" + (1 << 60).to_bytes(8, "big") + b"v\xff" + bytes(8))
    code, output = ours(main, path)
    assert code == 1 and "[offset 9] what begins here would end behind the end" in output


def test_modules_are_passed_over(tmp_path: Path) -> None:
    """The values of modules' types are counted by name, as the type says it."""
    number = 0
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for letter in "ReJSON-RL":
        number = number << 6 | letters.index(letter)
    module = b"\x81" + (number << 10 | 3).to_bytes(8, "big")
    value = module + b"\x05\x02{}\x02\x07\x00"  # a string, an unsigned number, the end
    path = tmp_path / "dump.rdb"
    path.write_bytes(b"REDIS0010\x07\x03doc" + value + b"\x00\x01k\x01v\xff" + bytes(8))
    code, output = ours(main, path)
    assert code == 0, output
    assert "2 keys read" in output and "1 values of module type ReJSON-RL, which this server cannot load" in output
