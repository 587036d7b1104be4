"""More than 100,000 mutated requests in a run; after every batch the server answers and the keyspace is consistent.

Over sockets: well-framed requests with spoilt arguments on connections that stay, and streams of spoilt bytes on
connections that do not live long. In process: the same commands, after which every data structure checks itself.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import hiredis
import pytest

from pyredis.app import all_commands
from pyredis.core.client import Client
from pyredis.core.dispatch import run_batch, run_pending
from pyredis.core.logging import Logger
from pyredis.core.options import Config
from pyredis.core.server import Server
from pyredis.keyspace.db import Database
from tests.hostile.commands import AWKWARD, TEMPLATES, mutated_argv, valid
from tests.hostile.streams import mutated
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_ours

FRAMED = 100_000
BATCH = 5_000
CONNECTIONS = 5
SHORT_LIVED = 4_000

assert all_commands  # the commands are declared


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of which SETRANGE can ask no more than a megabyte, which would only cost time."""
    server = start_ours(tmp_path_factory.mktemp("victim"), "--proto-max-bulk-len", "1mb", "--databases", "4", compat="")
    yield server
    assert server.alive(), server.log()
    log = server.log_path.read_text(errors="replace")
    server.stop()
    assert "Internal error" not in log
    assert "Traceback" not in log


class Framed:
    """A connection on which every request gets one reply."""

    def __init__(self, server: ServerProcess) -> None:
        self.sock = server.connect()
        self.reader = hiredis.Reader(notEnoughData=...)

    def run(self, batch: list[list[bytes]]) -> None:
        for at in range(0, len(batch), 500):
            part = batch[at : at + 500]
            self.sock.sendall(b"".join(map(encode, part)))
            missing = len(part)
            while missing:
                data = self.sock.recv(1 << 18)
                assert data, f"closed, after one of {part[-missing:][:3]}"
                self.reader.feed(data)
                while missing and self.reader.gets() is not ...:
                    missing -= 1
        assert not self.reader.has_data()


def replies(client: RawClient, commands: list[list[bytes]]) -> list[Any]:
    """Each command's reply as an object."""
    reader = hiredis.Reader()
    reader.feed(b"".join(client.pipeline(commands)))
    return [reader.gets() for _ in commands]


LENGTHS: dict[bytes, tuple[list[bytes], list[bytes], int]] = {
    b"string": ([b"STRLEN"], [b"GET"], 1),
    b"list": ([b"LLEN"], [b"LRANGE", b"0", b"-1"], 1),
    b"set": ([b"SCARD"], [b"SMEMBERS"], 1),
    b"hash": ([b"HLEN"], [b"HGETALL"], 2),
    b"zset": ([b"ZCARD"], [b"ZRANGE", b"0", b"-1", b"WITHSCORES"], 2),
}


def check_database(client: RawClient, number: int) -> int:
    """What one command says of a key agrees with the others. All in transactions, for keys may expire.

    Returns the number of keys.
    """
    multi, execute = [b"MULTI"], [b"EXEC"]
    scan = [b"SCAN", b"0", b"COUNT", b"9999"]
    select = [b"SELECT", b"%d" % number]
    keys, size, scanned = replies(client, [select, multi, [b"KEYS", b"*"], [b"DBSIZE"], scan, execute])[-1]
    assert len(keys) == len(set(keys)) <= size
    assert scanned[0] == b"0"
    assert sorted(scanned[1]) == sorted(keys)
    types = [reply for (reply,) in (replies(client, [multi, [b"TYPE", key], execute])[-1] for key in keys)]
    for key, kind in zip(keys, types, strict=True):
        if kind == "none" or kind == b"none":
            continue
        length, whole, per_item = LENGTHS[kind if isinstance(kind, bytes) else kind.encode()]
        n, content, still, encoding = replies(
            client,
            [
                multi,
                [length[0], key],
                [whole[0], key, *whole[1:]],
                [b"EXISTS", key],
                [b"OBJECT", b"ENCODING", key],
                execute,
            ],
        )[-1]
        if still:
            assert n * per_item == len(content), key
            assert n or kind in (b"string", "string"), "an empty aggregate"
            assert isinstance(encoding, bytes)
            if whole[0] == b"ZRANGE":
                scores = [float(score) for score in content[1::2]]
                assert scores == sorted(scores)
            if whole[0] != b"LRANGE" and whole[0] != b"GET":
                assert len(set(content[::per_item])) == n, "a member twice"
    return len(keys)


def check(server: ServerProcess) -> int:
    """The server answers and its data are consistent; returns how many keys there are."""
    client = RawClient(server.connect())
    assert client.call("PING") == b"+PONG\r\n"
    keys = sum([check_database(client, number) for number in range(4)])
    client.close()
    return keys


def test_spoilt_arguments(victim: ServerProcess) -> None:
    rng = random.Random(8001)
    connections = [Framed(victim) for _ in range(CONNECTIONS)]
    before = processed(victim)
    keys = 0
    for _ in range(FRAMED // BATCH):
        for connection in connections:
            connection.run(
                [valid(rng) if rng.random() < 0.2 else mutated_argv(rng) for _ in range(BATCH * 5 // 4 // CONNECTIONS)]
            )
        keys += check(victim)
    assert processed(victim) - before >= FRAMED
    assert keys > 200, "there was something to check"


def processed(server: ServerProcess) -> int:
    """Commands that the server has run or refused."""
    client = RawClient(server.connect())
    stats = client.call("INFO", "everything")
    client.close()
    total = 0
    for line in stats.split(b"\r\n"):
        if line.startswith(b"cmdstat_"):
            fields = dict(field.split(b"=") for field in line.split(b":")[1].split(b","))
            total += int(fields[b"calls"]) + int(fields[b"rejected_calls"])
    return total


LONG = 30_000
LONG_ARGUMENTS = [
    b"1" * LONG,
    b"-" + b"9" * LONG,
    b"1" * LONG + b"x",
    b"0." + b"1" * LONG + b"x",
    b"1e" + b"1" * LONG,
    b"0x" + b"f" * LONG + b"g",
    b"0" * LONG + b"1",
    b"(" + b"1" * LONG + b"x",
    b"*a" * (LONG // 2),
    b"[a" * (LONG // 2),
    b"1 " * (LONG // 2),
    b"'" * LONG,
]
"""Numbers longer than Python converts, and what makes a careless regular expression try everything again and again."""


def test_long_arguments(victim: ServerProcess) -> None:
    """In every place of every command: each is answered within the time-out of a connection, most in no time."""
    rng = random.Random(8004)
    connection = Framed(victim)
    for template in TEMPLATES:
        argv = valid(rng, [template])
        if argv[0] in (b"MULTI", b"WATCH", b"APPEND", b"SETRANGE", b"LCS"):
            continue
        spoilt = [
            [*argv[:at], rng.choice(LONG_ARGUMENTS), *argv[at + 1 :]] for at in range(1, len(argv)) for _ in range(4)
        ]
        connection.run([[b"RPUSH", b"k1", b"1" * LONG + b"x"], *spoilt, [b"DEL", b"k1"]])
    check(victim)


def test_long_configuration(victim: ServerProcess) -> None:
    client = RawClient(victim.connect())
    names = [name for name in replies(client, [[b"CONFIG", b"GET", b"*"]])[0][::2] if name != b"requirepass"]
    for name in names:
        for value in LONG_ARGUMENTS:
            assert client.call(b"CONFIG", b"GET", value[:500] + name)[:1] == b"*"
            answer = client.call(b"CONFIG", b"SET", name, value)
            assert answer[:1] in b"+-", name
            if answer[:1] == b"+":
                break
    client.close()
    check(victim)


def test_spoilt_bytes(victim: ServerProcess) -> None:
    """Connections on which anything goes: waiting, subscribing, monitoring, half requests; then they are gone."""
    rng = random.Random(8002)
    for _ in range(8):
        socks = []
        for n in range(SHORT_LIVED // 8):
            parts = []
            for _ in range(rng.randint(1, 8)):
                kind = rng.random()
                argv = valid(rng, AWKWARD) if kind < 0.2 else mutated_argv(rng)
                parts.append(encode(argv) if kind < 0.5 else mutated(rng, encode(argv)))
            sock = victim.connect()
            sock.sendall(b"".join(parts))
            if n % 3 == 0:
                sock.close()
            else:
                socks.append(sock)
        for n, sock in enumerate(socks):
            try:
                sock.setblocking(False)
                sock.recv(1 << 16)
                if n % 2:
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            sock.close()
        check(victim)


class Nowhere:
    """A connection without a socket."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        pass

    def close(self, flush: bool) -> None:
        self.closed = True

    def may_run(self) -> bool:
        return True

    def resume_reading(self) -> None:
        pass

    def limits_changed(self) -> None:
        pass

    def output_bytes(self) -> int:
        return 0

    def input_bytes(self) -> int:
        return 0

    def fileno(self) -> int:
        return -1


def check_inside(db: Database) -> None:
    """The database's own invariants, and those of each value."""
    assert set(db.expires) <= set(db.dict)
    if db.index is not None:
        db.index.check(db.dict)
    if db.access is not None:
        assert set(db.access) == set(db.dict)
    known = {key for bucket in db.deadlines.buckets.values() for key in bucket}
    assert set(db.expires) <= known, "a deadline that nobody will notice"
    assert sum(map(len, db.deadlines.buckets.values())) == db.deadlines.entries
    assert not db.watched_keys or db.hooks
    for key, value in db.dict.items():
        if type(value) not in (bytes, bytearray):
            value.check()
            assert len(value), f"{key!r} is empty"


def test_structures_check_themselves(tmp_path: Path) -> None:
    config = Config()
    config.databases = 4
    config.proto_max_bulk_len = 1 << 20
    config.logfile = str(tmp_path / "log")
    server = Server(config, Logger(config))
    rng = random.Random(8003)
    clients = []
    for n in range(6):
        client = Client(server, server.new_client_id(), Nowhere(), b"127.0.0.1:%d" % (n + 1), b"127.0.0.1:6379")
        server.add_client(client)
        clients.append(client)
    for _ in range(200):
        for client in clients:
            server.update_time()
            batch = [mutated_argv(rng) if rng.random() < 0.8 else valid(rng) for _ in range(40)]
            run_batch(client, batch, perf_counter_ns())
            run_pending(client)
            client.out.clear()
        server.clock.advance(rng.choice((0, 0.01, 0.05, 5)))
        server.expire_cycle()
        for db in server.dbs:
            check_inside(db)
    assert not (tmp_path / "log").exists() or "Internal error" not in (tmp_path / "log").read_text()
    assert server.stat_numcommands > 20_000
    for client in clients:
        server.free_client(client)
    assert not any(db.watched_keys or db.blocking_keys for db in server.dbs)
    assert not server.clients and not server.channels and not server.blocked_clients
