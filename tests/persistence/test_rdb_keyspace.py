"""The keyspace to a snapshot and back, without files of a server's own: against redis-server, and with what a snapshot
tells beside keys."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyredis.persistence.rdb_format import RdbError
from pyredis.persistence.rdb_load import KeyspaceSink, load_snapshot
from pyredis.persistence.rdb_save import new_writer, snapshot_fields, write_keyspace, write_steps
from tests.support.keyspaces import commands, fill
from tests.support.local import DrivenServer, LocalServer, run
from tests.support.raw import RawClient
from tests.support.servers import start_oracle

NOW = 1_700_000_000


def with_data(seed: str) -> LocalServer:
    server = LocalServer("7.0")
    server.config.enable_debug_command = "yes"
    client = server.client()
    for argv in commands(seed):
        client.call(*argv)
    return server


def saved(server: LocalServer, path: Path, fields: dict[bytes, bytes] | None = None) -> Path:
    with path.open("wb") as file:
        write_keyspace(server, new_writer(server, file.write, snapshot_fields(server, more=fields)))
    return path


def load(path: Path, server: LocalServer | None = None, replica: bool = False) -> tuple[LocalServer, KeyspaceSink]:
    server = server or LocalServer("7.0")
    server.config.enable_debug_command = "yes"
    sink = KeyspaceSink(server)
    sink.keep_expired = replica
    for _ in load_snapshot(server, str(path), sink):
        pass
    return server, sink


def digest(server: LocalServer) -> bytes:
    server.active_expire_enabled = False
    return server.client().call("DEBUG", "DIGEST")


@pytest.mark.parametrize("seed", range(3))
def test_ours_is_theirs_and_back(tmp_path: Path, seed: int) -> None:
    server = with_data(f"rdb {seed}")
    path = saved(server, tmp_path / "dump.rdb", {b"repl-id": b"a" * 40, b"repl-offset": b"12345"})
    checked = subprocess.run(["/usr/bin/redis-check-rdb", str(path)], capture_output=True)
    assert checked.returncode == 0, checked.stdout
    oracle = start_oracle(tmp_path, "--enable-debug-command", "yes")
    try:
        client = RawClient(oracle.connect())
        wanted = digest(server)
        assert client.call("DEBUG", "DIGEST") == wanted
        fill(client, f"more {seed}")
        wanted = client.call("DEBUG", "DIGEST")
        assert client.call("SAVE") == b"+OK\r\n"
        assert client.call("DEBUG", "DIGEST") == wanted
    finally:
        oracle.stop()
    loaded, sink = load(path)
    assert digest(loaded) == wanted
    assert sink.keys_loaded == sum(map(len, loaded.dbs))
    assert sink.fields[b"redis-ver"] == b"7.0.15"


def test_in_steps_as_at_once(tmp_path: Path) -> None:
    server = with_data("steps")
    server.clock.offset = 0.0
    fields = snapshot_fields(server)
    at_once: list[bytes] = []
    write_keyspace(server, new_writer(server, at_once.append, fields))
    parts: list[bytes] = []
    steps = sum(1 for _ in write_steps(server, new_writer(server, parts.append, fields)))
    assert b"".join(parts) == b"".join(at_once)
    assert steps > 2


def test_deadlines(tmp_path: Path) -> None:
    """What is due is left out by a master and kept by a replica; deadlines of fields are there again."""
    server = LocalServer()
    client = server.client()
    run(client, "SET a 1 PX 5000\nSET b 1\nSET c 1 PXAT 9999999999999\nHSET h f 1 g 2 i 3")
    run(client, "HPEXPIREAT h 9999999999999 FIELDS 1 f\nHPEXPIRE h 5000 FIELDS 1 g")
    path = saved(server, tmp_path / "dump.rdb")
    for replica, keys in ((False, 3), (True, 4)):
        other = LocalServer()
        other.clock.advance(100)
        other, sink = load(path, other, replica)
        assert (sink.keys_loaded, sink.keys_expired) == (keys, 4 - keys)
        reader = other.client()
        assert run(reader, "PEXPIRETIME c\nHPEXPIRETIME h FIELDS 3 f g i") == [
            9999999999999,
            [9999999999999, -2, -1],
        ]
        assert run(reader, "GET a\nDBSIZE\nHKEYS h") == [None, 3, ["f", "i"]]


def test_use_of_keys(tmp_path: Path) -> None:
    """How long nobody asked is written where the eviction policy goes by it, and told to OBJECT IDLETIME."""
    server = DrivenServer()
    server.config.maxmemory_policy = "allkeys-lru"
    client = server.client()
    run(client, "SET a 1\nSET b 1\nOBJECT IDLETIME a")
    server.now += 500_000
    run(client, "GET b")
    path = saved(server, tmp_path / "dump.rdb")
    other, _ = load(path, DrivenServer("7.0"))
    assert run(other.client(), "OBJECT IDLETIME a\nOBJECT IDLETIME b") == [500, 0]


def test_what_cannot_be_loaded(tmp_path: Path) -> None:
    server = LocalServer()
    run(server.client(), "SELECT 9\nSET k v")
    path = saved(server, tmp_path / "dump.rdb")
    with pytest.raises(RdbError, match=r"key 'k'|duplicated key 'k' in DB 9"):
        load(path, server)
    small = LocalServer()
    del small.dbs[9:]
    with pytest.raises(RdbError, match="handle more than 9 databases"):
        load(path, small)


def test_conflicting_keys_are_replaced_if_that_is_asked_for(tmp_path: Path) -> None:
    server = LocalServer()
    run(server.client(), "SET k v PX 100000\nHSET h a 1")
    path = saved(server, tmp_path / "dump.rdb")
    other = LocalServer()
    client = other.client()
    run(client, "HSET k a 1\nHPEXPIRE k 5000 FIELDS 1 a\nSET x y\nSCAN 0")
    sink = KeyspaceSink(other)
    sink.allow_duplicates = True
    for _ in load_snapshot(other, str(path), sink):
        pass
    assert run(client, "GET k\nDBSIZE\nGET x") == ["v", 3, "y"]
    assert sorted(run(client, "SCAN 0 COUNT 100")[0][1]) == ["h", "k", "x"]


def test_libraries_of_functions_are_kept(tmp_path: Path) -> None:
    """A snapshot of a server with functions loses none on its way through one that cannot run them."""
    oracle = start_oracle(tmp_path)
    code = "#!lua name=mylib\nredis.register_function('f', function() return 1 end)"
    client = RawClient(oracle.connect())
    assert client.call("FUNCTION", "LOAD", code) == b"$5\r\nmylib\r\n"
    client.call("SAVE")
    loaded, _ = load(tmp_path / "dump.rdb")
    saved(loaded, tmp_path / "dump.rdb")
    oracle.stop()
    oracle = start_oracle(tmp_path)
    assert RawClient(oracle.connect()).call("FCALL", "f", "0") == b":1\r\n"
    oracle.stop()
