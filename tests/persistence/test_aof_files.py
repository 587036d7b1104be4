"""Append-only files of ours and of redis-server: each loads the other's, and what a crash leaves."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.keyspaces import digest, fill
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import wait_until

ON = ("--appendonly", "yes", "--appendfsync", "no", "--enable-debug-command", "yes")
"""With everysec a write may wait for the fsync under way, and a server that is killed then has not written it."""


def end(server: ServerProcess) -> None:
    """As a crash would."""
    server.process.kill()
    server.process.wait()


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("seed", range(2))
def test_there_and_back(tmp_path: Path, seed: int, preamble: str) -> None:
    """Ours, killed; ours again; redis-server; ours: always the same data. A rewrite is somewhere in between."""
    options = (*ON, "--aof-use-rdb-preamble", preamble)
    server = start_ours(tmp_path, *options)
    try:
        client = RawClient(server.connect())
        fill(client, f"there {seed}", large=False)
        if seed:
            assert client.call("BGREWRITEAOF").startswith(b"+Background append only file rewriting")
            fill(client, f"back {seed}", large=False)
        wanted = digest(server)
        end(server)
        for start in (start_ours, start_oracle, start_ours):
            server = start(tmp_path, *options)
            assert digest(server) == wanted, start.__name__
            client = RawClient(server.connect())
            client.call("BGREWRITEAOF")
            while b"aof_rewrite_in_progress:0" not in client.call("INFO", "persistence"):
                pass
            end(server)
        found = subprocess.run(
            ["/usr/bin/redis-check-aof", "appendonlydir/appendonly.aof.manifest"], cwd=tmp_path, capture_output=True
        )
        assert b"All AOF files and manifest are valid" in found.stdout
    finally:
        server.stop()


def test_a_file_of_one_piece(tmp_path: Path) -> None:
    """What servers before Redis 7 left is taken over."""
    (tmp_path / "appendonly.aof").write_bytes(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n")
    for _ in range(2):
        server = start_ours(tmp_path, *ON)
        client = RawClient(server.connect())
        assert client.call("GET", "a") == b"$1\r\nb\r\n"
        client.call("SET", "c", "d")
        server.stop()
    assert not (tmp_path / "appendonly.aof").exists()
    assert sorted(os.listdir(tmp_path / "appendonlydir")) == [
        "appendonly.aof",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.manifest",
    ]
    oracle = start_oracle(tmp_path, *ON)
    assert RawClient(oracle.connect()).call("MGET", "a", "c") == b"*2\r\n$1\r\nb\r\n$1\r\nd\r\n"
    oracle.stop()


def written(tmp_path: Path) -> Path:
    """A directory with a short append-only file; the increment's path."""
    server = start_ours(tmp_path, *ON)
    client = RawClient(server.connect())
    for n in range(4):
        client.call("RPUSH", "l", n)
    for argv in (["MULTI"], ["RPUSH", "l", "4"], ["RPUSH", "l", "5"], ["EXEC"]):
        client.call(*argv)
    server.stop()
    return tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"


def test_cut_off_anywhere(tmp_path: Path) -> None:
    """A torn end costs the command at the end only; a transaction is there as a whole or not at all."""
    path = written(tmp_path)
    whole = path.read_bytes()
    rng = random.Random(8)
    for size in sorted(rng.sample(range(len(whole)), 12)):
        path.write_bytes(whole[:size])
        server = start_ours(tmp_path, *ON)
        client = RawClient(server.connect())
        found = client.call("LRANGE", "l", 0, -1).split(b"\r\n")[2::2]
        assert found == [b"%d" % n for n in range(len(found))]
        assert len(found) != 5
        client.call("RPUSH", "l", len(found))  # and it goes on behind what was kept
        server.stop()
        server = start_ours(tmp_path, *ON)
        assert RawClient(server.connect()).call("LLEN", "l") == b":%d\r\n" % (len(found) + 1)
        server.stop()


def start_fails(tmp_path: Path, *options: str) -> str:
    """The log of a server that must not start."""
    with pytest.raises(RuntimeError) as caught:
        start_ours(tmp_path, *ON, *options)
    return str(caught.value)


def test_refusals(tmp_path: Path) -> None:
    """What would lose data silently ends the start, and says what to do."""
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert "Unexpected end of file reading the append only file" in start_fails(tmp_path, "--aof-load-truncated", "no")
    path.write_bytes(whole[:30] + b"x" + whole[31:])
    assert "Bad file format reading the append only file" in start_fails(tmp_path)
    for zeros in (b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\n1\0\0\0\0", b"*1\r\n$5\r\nMUL" + bytes(9)):
        path.write_bytes(whole + zeros)
        log = start_fails(tmp_path)
        assert f"got: 0000 at offset {len(whole)}" in log
        assert "pyredis check-aof --fix" in log
    path.write_bytes(b"*1\r\n$7\r\nNOTHING\r\n" + whole)
    assert "Unknown command 'NOTHING'" in start_fails(tmp_path)
    path.unlink()
    assert "appendonly.aof.1.incr.aof" in start_fails(tmp_path)
    (path.parent / "appendonly.aof.manifest").write_bytes(b"rubbish\n")
    assert "manifest" in start_fails(tmp_path)
    shutil.rmtree(path.parent)
    (tmp_path / "appendonlydir").write_bytes(b"")
    assert "appendonlydir" in start_fails(tmp_path)


def test_time_stamps(tmp_path: Path) -> None:
    server = start_ours(tmp_path, *ON, "--aof-timestamp-enabled", "yes")
    RawClient(server.connect()).call("SET", "a", "b")
    server.stop()
    assert (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes().startswith(b"#TS:1")
    for start in (start_oracle, start_ours):
        server = start(tmp_path, *ON)
        assert RawClient(server.connect()).call("GET", "a") == b"$1\r\nb\r\n"
        server.stop()


def test_switched_on_and_off(tmp_path: Path) -> None:
    """CONFIG SET appendonly: what was there before is in the base, what comes then in the increment."""
    server = start_ours(tmp_path, "--appendfsync", "no", "--enable-debug-command", "yes")
    client = RawClient(server.connect())
    for turn in range(3):
        client.call("SET", "before", turn)
        assert client.call("CONFIG", "SET", "appendonly", "yes") == b"+OK\r\n"
        client.call("SET", "after", turn)
        while b"aof_rewrite_in_progress:0" not in client.call("INFO", "persistence"):
            pass
        client.call("INCR", "later")
        if turn < 2:
            assert client.call("CONFIG", "SET", "appendonly", "no") == b"+OK\r\n"
            client.call("SET", "off", turn)
    wanted = digest(server)
    end(server)
    server = start_ours(tmp_path, *ON)
    assert digest(server) == wanted
    assert RawClient(server.connect()).call("MGET", "before", "after", "later", "off").count(b"$1") == 4
    server.stop()


def processors_of_threads(pid: int) -> list[set[int]]:
    """Where the threads of a process may run, its first one left out."""
    found = []
    for thread in map(int, os.listdir(f"/proc/{pid}/task")):
        with contextlib.suppress(ProcessLookupError):
            if thread != pid:
                found.append(os.sched_getaffinity(thread))
    return found


def test_history_goes_without_stopping_the_loop(tmp_path: Path) -> None:
    """The names are gone at once, also of large files; the disk's space follows when a thread has closed them."""
    server = start_ours(tmp_path, "--appendonly", "yes", "--bio_cpulist", "0")
    client = RawClient(server.connect())
    for n in range(3):
        client.call("SET", "large", bytes(6 << 20))
        client.call("BGREWRITEAOF")
        while b"aof_rewrite_in_progress:0" not in client.call("INFO", "persistence"):
            pass
        names = sorted(path.name for path in (tmp_path / "appendonlydir").iterdir())
        seq = n + 2
        assert names == [f"appendonly.aof.{seq}.base.rdb", f"appendonly.aof.{seq}.incr.aof", "appendonly.aof.manifest"]
    if os.path.isdir("/proc/self/task") and hasattr(os, "sched_getaffinity"):
        wait_until(lambda: {0} in processors_of_threads(server.pid))
        assert os.sched_getaffinity(server.pid) == os.sched_getaffinity(0)
    client.close()
    server.stop()
