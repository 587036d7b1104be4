"""Append-only files that begin with a snapshot: a base of its own, or all in one file as before Redis 7."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.inprocess import refusal
from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_oracle, start_ours

ON = ("--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "yes")
"""With everysec a write may wait for the fsync under way, and a server that is killed then has not written it."""
NAMES = ["appendonly.aof.1.base.rdb", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]


def snapshot_of(directory: Path, seed: str) -> tuple[bytes, bytes]:
    """A snapshot that redis-server wrote, and its digest."""
    oracle = start_oracle(directory, "--enable-debug-command", "yes")
    client = RawClient(oracle.connect())
    fill(client, seed)
    client.call("SAVE")
    found = digest(oracle)
    oracle.stop()
    path = directory / "dump.rdb"
    data = path.read_bytes()
    path.unlink()
    return data, found


def test_a_new_directory(tmp_path: Path) -> None:
    """The same files as redis-server makes, and it goes on with them."""
    for start in (start_ours, start_oracle, start_ours):
        server = start(tmp_path, *ON)
        assert sorted(path.name for path in (tmp_path / "appendonlydir").iterdir()) == NAMES
        RawClient(server.connect()).call("INCR", "starts")
        server.stop()
    assert (tmp_path / "appendonlydir" / NAMES[0]).read_bytes().startswith(b"REDIS0010")
    checked = subprocess.run(
        ["/usr/bin/redis-check-aof", "appendonlydir/appendonly.aof.manifest"], cwd=tmp_path, capture_output=True
    )
    assert checked.returncode == 0, checked.stdout
    server = start_ours(tmp_path, *ON)
    assert RawClient(server.connect()).call("GET", "starts") == b"$1\r\n3\r\n"
    server.stop()


def test_all_in_one_file(tmp_path: Path) -> None:
    """A snapshot with commands behind it; a command that is cut off at the end is left out."""
    data, _ = snapshot_of(tmp_path, "one file")
    tail = encode([b"SELECT", b"0"]) + encode([b"SET", b"behind", b"1"])
    for rest in (b"", encode([b"SET", b"behind", b"2"])[:-3]):
        found: list[bytes] = []
        for start in (start_oracle, start_ours):
            directory = tmp_path / f"{start.__name__}{len(rest)}"
            directory.mkdir()
            (directory / "appendonly.aof").write_bytes(data + tail + rest)
            server = start(directory, *ON)
            assert RawClient(server.connect()).call("GET", "behind") == b"$1\r\n1\r\n"
            found.append(digest(server))
            server.stop()
        assert found[0] == found[1]


def test_keys_that_were_due_wait_for_the_commands_behind(tmp_path: Path) -> None:
    """The snapshot's deadline has passed, but a later command had taken it away."""
    server = start_ours(tmp_path, *ON)
    client = RawClient(server.connect())
    later, passed = 4_000_000_000_000, 1_600_000_000_000
    client.call("MSET", "stays", "1", "goes", "2")
    for key in ("stays", "goes"):
        assert client.call("PEXPIREAT", key, later) == b":1\r\n"
    _rewrite(client)
    assert client.call("PERSIST", "stays") == b":1\r\n"
    server.stop()
    # As if the time had come while the server was down.
    [path] = (tmp_path / "appendonlydir").glob("*.base.rdb")
    data = path.read_bytes()
    assert data.count(later.to_bytes(8, "little")) == 2
    path.write_bytes(data.replace(later.to_bytes(8, "little"), passed.to_bytes(8, "little")))
    server = start_ours(tmp_path, *ON, "--rdbchecksum", "no")
    assert RawClient(server.connect()).call("MGET", "stays", "goes") == b"*2\r\n$1\r\n1\r\n$-1\r\n"
    server.stop()


def _rewrite(client: RawClient) -> None:
    assert client.call("BGREWRITEAOF").startswith(b"+Background")
    while b"aof_rewrite_in_progress:0" not in client.call("INFO", "persistence"):
        pass
    assert b"aof_last_bgrewrite_status:ok" in client.call("INFO", "persistence")


def test_damage_in_the_snapshot_ends_the_start(tmp_path: Path) -> None:
    """Whatever aof-load-truncated says: what follows cannot be found."""
    server = start_ours(tmp_path, *ON)
    client = RawClient(server.connect())
    fill(client, "damage", large=False)
    _rewrite(client)
    server.stop()
    path = next((tmp_path / "appendonlydir").glob("*.base.rdb"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert "Error reading the RDB preamble of the AOF file" in refusal(tmp_path, "appendonly yes")
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "wrong checksum: " in refusal(tmp_path, "appendonly yes")
    path.write_bytes(b"REDIS9999" + whole[9:])
    assert "Can't handle RDB format version 9999 at offset 5" in refusal(tmp_path, "appendonly yes")


def _state(server: ServerProcess) -> tuple[bytes, bytes]:
    return digest(server), RawClient(server.connect()).call("DBSIZE")


@pytest.mark.parametrize("seed", range(2))
def test_their_directory(tmp_path: Path, seed: int) -> None:
    """Written by redis-server with a rewrite in between: the same data in ours, and the other way round."""
    for write, read in ((start_oracle, start_ours), (start_ours, start_oracle)):
        directory = tmp_path / write.__name__
        directory.mkdir()
        server = write(directory, *ON)
        client = RawClient(server.connect())
        fill(client, f"before {seed}")
        _rewrite(client)
        fill(client, f"after {seed}", large=False)
        wanted = _state(server)
        server.process.kill()
        server.process.wait()
        server = read(directory, *ON)
        assert _state(server) == wanted
        server.stop()
