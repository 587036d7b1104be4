"""DEBUG RELOAD and LOADAOF: a keyspace through the disk and back is the same, and so is what is beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient
from tests.support.servers import start_oracle, start_ours

DEBUG = ("--enable-debug-command", "yes")


@pytest.mark.parametrize("seed", range(2))
def test_the_same_after_a_reload(tmp_path: Path, seed: int) -> None:
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    fill(client, f"reload {seed}")
    wanted = digest(server)
    encodings = _encodings(client)
    client.call("SCAN", "0")  # makes the index of keys, which must follow
    for _ in range(2):
        assert client.call("DEBUG", "RELOAD") == b"+OK\r\n"
        assert digest(server) == wanted
        assert _encodings(client) == encodings
    client.call("FLUSHALL")
    assert client.call("DEBUG", "RELOAD", "NOSAVE") == b"+OK\r\n"
    assert digest(server) == wanted
    server.stop()


def _encodings(client: RawClient) -> dict[bytes, bytes]:
    client.call("SELECT", "0")
    keys = client.call("KEYS", "key:*").split(b"\r\n")[2::2]
    return {key: client.call("OBJECT", "ENCODING", key) for key in keys}


@pytest.mark.parametrize("start", [start_ours, start_oracle])
def test_options(tmp_path: Path, start: type) -> None:
    server = start(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("MSET", "a", "1", "b", "2")
    client.call("DEBUG", "RELOAD")
    client.call("MSET", "a", "9", "c", "3")
    assert client.call("DEBUG", "RELOAD", "NOSAVE", "NOFLUSH", "MERGE") == b"+OK\r\n"
    assert client.call("MGET", "a", "b", "c") == b"*3\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n"
    assert client.call("DEBUG", "RELOAD", "nosave") == b"+OK\r\n"
    assert client.call("EXISTS", "c") == b":0\r\n"
    (tmp_path / "dump.rdb").unlink()
    assert client.call("DEBUG", "RELOAD", "NOSAVE") == b"-ERR Error trying to load the RDB dump\r\n"
    assert client.call("PING") == b"+PONG\r\n"
    server.stop()


def test_a_conflict_is_an_error(tmp_path: Path) -> None:
    """(redis-server ends itself.)"""
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("SET", "a", "1")
    assert client.call("DEBUG", "RELOAD", "NOFLUSH") == b"-ERR Error trying to load the RDB dump\r\n"
    assert client.call("GET", "a") == b"$1\r\n1\r\n"
    assert "RDB has duplicated key 'a' in DB 0" in server.log()
    server.stop()


def test_watchers_and_propagation(tmp_path: Path) -> None:
    """A reload touches watched keys; nothing of it goes to the append-only file."""
    server = start_ours(tmp_path, *DEBUG, "--appendonly", "yes", "--appendfsync", "always")
    client, other = RawClient(server.connect()), RawClient(server.connect())
    client.call("SET", "a", "1")
    client.call("WATCH", "a")
    before = next((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes()
    assert other.call("DEBUG", "RELOAD") == b"+OK\r\n"
    assert client.pipeline([[b"MULTI"], [b"GET", b"a"], [b"EXEC"]])[-1] == b"*-1\r\n"
    assert other.call("DEBUG", "LOADAOF") == b"+OK\r\n"
    assert client.call("GET", "a") == b"$1\r\n1\r\n"
    assert next((tmp_path / "appendonlydir").glob("*.incr.aof")).read_bytes() == before
    server.stop()


def test_load_aof(tmp_path: Path) -> None:
    server = start_ours(tmp_path, *DEBUG)
    client = RawClient(server.connect())
    client.call("SET", "a", "1")
    assert client.call("DEBUG", "LOADAOF") == b"-ERR Error trying to load the append-only file\r\n"
    assert client.call("GET", "a") == b"$1\r\n1\r\n"
    server.stop()
    server = start_ours(tmp_path, *DEBUG, "--appendonly", "yes", "--appendfsync", "no")
    client = RawClient(server.connect())
    fill(client, "load")
    wanted = digest(server)
    for _ in range(2):
        assert client.call("DEBUG", "LOADAOF") == b"+OK\r\n"
        assert digest(server) == wanted
    client.call("INCR", "n")
    wanted = digest(server)
    server.process.kill()
    server.process.wait()
    server = start_ours(tmp_path, *DEBUG, "--appendonly", "yes")
    assert digest(server) == wanted
    server.stop()
