"""A master that cannot or must not fork serves snapshots all the same, while it is written to."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest

from tests.support.raw import encode
from tests.support.replication import KINDS, Node, group, wait_in_step, write
from tests.support.waiting import wait_until


def fill(node: Node, keys: int) -> None:
    """Keys of 400 bytes that do not compress."""
    rng = random.Random(7)
    node.client.pipeline([[b"SET", b"key:%d" % n, rng.randbytes(400)] for n in range(keys)])


def output_bytes(master: Node) -> int:
    """What waits for the replica in the master's memory."""
    line = master.call("CLIENT", "LIST", "TYPE", "replica").decode()
    return int(line.partition(" omem=")[2].partition(" ")[0] or 0)


@pytest.mark.parametrize("diskless", ["yes", "no"])
@pytest.mark.parametrize("kind", KINDS)
def test_full_sync(tmp_path: Path, kind: str, diskless: str) -> None:
    """Keys change, go, come and are renamed while slices of the loop write; two replicas have the same in the end."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--snapshot-mode", "incremental", "--repl-diskless-sync", diskless)
        replicas = [servers.start(kind), servers.start("ours", "--repl-diskless-load", "swapdb")]
        fill(master, 20_000)
        write(master, 1)
        for replica in replicas:
            replica.ok("REPLICAOF", "127.0.0.1", master.port)
        rng = random.Random(2)
        changed = 0
        while any(replica.info()["master_link_status"] != "up" for replica in replicas):
            keys = [b"key:%d" % rng.randrange(20_000) for _ in range(50)]
            master.client.pipeline(
                [rng.choice(([b"DEL", key], [b"APPEND", key, b"x"], [b"RENAME", key, key + b"x"])) for key in keys]
            )
            write(master, changed, 50)
            changed += 1
        write(master, 3)
        wait_in_step(master, *replicas)
        assert changed
        assert master.info("stats")["total_forks"] == "0"
        started = "Background RDB transfer" if diskless == "yes" else "Background saving"
        assert f"{started} started in the event loop" in master.log()
        assert not list(master.directory.glob("temp-*"))
        assert "Traceback" not in master.log()


def test_functions_only(tmp_path: Path) -> None:
    """What asks for functions without keys does not get keys, and no file is written for it."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--snapshot-mode", "incremental", "--repl-diskless-sync", "no")
        master.ok("SET", "key:1", "value")
        code = "#!lua name=mine\nredis.register_function('f', function() return 1 end)"
        master.call("FUNCTION", "LOAD", code)
        for wanted, capa in ((b"functions", b"eof"), (b"", b"eof"), (b"functions", b"psync2")):
            with master.server.connect() as sock:
                file = sock.makefile("rb")
                sock.sendall(encode([b"REPLCONF", b"rdb-filter-only", wanted]))
                assert file.readline() == b"+OK\r\n"
                sock.sendall(b"REPLCONF capa %b\r\n" % capa)
                assert file.readline() == b"+OK\r\n"
                sock.sendall(b"SYNC\r\n")
                line = b"\n"
                while line == b"\n":
                    line = file.readline()
                if capa == b"psync2":
                    assert line == b"-ERR Filtered replica requires EOF capability\r\n"
                    continue
                mark = line.removeprefix(b"$EOF:").strip()
                assert len(mark) == 40
                data = b""
                while not data.endswith(mark):
                    part = sock.recv(1) if not file.peek(1) else file.read1()
                    assert part
                    data += part
                assert data.startswith(b"REDIS0")
                assert b"key:1" not in data
                assert (b"register_function" in data) == (wanted == b"functions")
        assert not (master.directory / "dump.rdb").exists()


def test_a_replica_that_stands_still(tmp_path: Path) -> None:
    """Slices stop while it takes nothing, so that the memory does not hold the snapshot; another one has to wait."""
    with group(tmp_path) as servers:
        master = servers.start("ours", "--snapshot-mode", "incremental")
        fill(master, 50_000)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.connect(("127.0.0.1", master.port))
            sock.sendall(b"REPLCONF capa eof\r\n")
            assert sock.recv(5) == b"+OK\r\n"
            sock.sendall(b"PSYNC ? -1\r\n")
            wait_until(lambda: master.info()["connected_slaves"] == "1")
            wait_until(lambda: output_bytes(master) > 0)
            master.ok("CONFIG", "SET", "repl-timeout", "2")
            while master.info()["connected_slaves"] == "1":
                assert output_bytes(master) < 4 << 20
                master.ok("SET", "key:1", "x")
            assert "Disconnecting timedout replica (full sync)" in master.log()
        master.ok("CONFIG", "SET", "repl-timeout", "60")  # the next one may be slow
        replica = servers.start("ours")
        replica.replicate(master)
        wait_in_step(master, replica)
