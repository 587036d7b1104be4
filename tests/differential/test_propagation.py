"""What is fed to an append-only file or a replica: beside what redis-server writes to its own file, and replayed.

The feeders are attached in-process; there is neither file nor replica here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import hiredis
import pytest

from tests.differential.test_notifications import EXTRA, SILENT
from tests.support.local import DrivenServer, LocalClient, LocalServer
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle
from tests.support.templates import GROUPS, POPULATE, build

Fed = list[tuple[int, list[bytes]]]
RANDOM = ["spop s", "spop s 2", "spop s 3", "spop c", "sadd s V V V"]


class AppendOnlyFile:
    """The commands that a redis-server has appended to its file, read as they come."""

    def __init__(self, directory: Path) -> None:
        self.file = (directory / "appendonlydir" / "appendonly.aof.1.incr.aof").open("rb")
        self.reader = hiredis.Reader()
        self.db = 0

    def take(self) -> Fed:
        """What is new, with the number of its database."""
        self.reader.feed(self.file.read())
        found: Fed = []
        while (argv := self.reader.gets()) is not False:
            if argv[0] == b"SELECT":
                self.db = int(argv[1])
            else:
                found.append((self.db, argv))
        return found


@pytest.fixture(scope="module")
def appending(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServerProcess, AppendOnlyFile]]:
    """A redis-server with an append-only file that is written before each reply."""
    directory = tmp_path_factory.mktemp("appending")
    server = start_oracle(directory, "--appendonly", "yes", "--appendfsync", "no")
    aof = AppendOnlyFile(directory)
    yield server, aof
    aof.file.close()
    server.stop()


S = TypeVar("S", bound=LocalServer)


def feeding(server: S) -> tuple[S, LocalClient, Fed]:
    """A server of ours, a client, and what is fed."""
    fed: Fed = []
    reader = hiredis.Reader()

    def feeder(db: int, data: bytes) -> None:
        reader.feed(data)
        while (argv := reader.gets()) is not False:
            fed.append((db, argv))

    server.feeders.append(feeder)
    return server, server.client(), fed


def comparable(fed: Fed, now: int) -> list[Any]:
    """Without upper and lower case, and with deadlines in whole seconds from now."""
    result: list[Any] = []
    for db, argv in fed:
        words = [word.lower() for word in argv]
        for at, word in enumerate(words):
            if word.isdigit() and len(word) == 13:
                words[at] = b"in %d s" % round((int(word) - now) / 10_000)
        # Nothing says to which database the frame of a transaction belongs.
        result.append((-1 if words[0] in (b"multi", b"exec") else db, words))
    return result


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_like_the_append_only_file(appending: tuple[ServerProcess, AppendOnlyFile], group: str, seed: int) -> None:
    rng = random.Random(f"aof {group} {seed}")
    process, aof = appending
    theirs = RawClient(process.connect())
    theirs.call("FLUSHALL")
    aof.take()
    server, ours, fed = feeding(LocalServer("7.0"))
    templates = [t for t in GROUPS[group] + EXTRA[group] if t.split()[0] not in SILENT]
    others = [t for g in GROUPS for t in GROUPS[g] + EXTRA[g] if t.split()[0] not in ("multi", "watch", *SILENT)]
    history: list[list[bytes]] = []
    for _ in range(5):
        commands = [line.encode().split() for line in POPULATE]
        commands += [build(rng, rng.choice(templates if rng.random() < 0.8 else others)) for _ in range(40)]
        for argv in commands:
            history.append(argv)
            fed.clear()
            ours.call(*argv)
            ours.stop_waiting()
            theirs.call(*argv)
            mine, other = comparable(fed, server.mstime), comparable(aof.take(), server.mstime)
            assert mine == other, f"{argv}: ours {mine!r}, redis {other!r}; before: {history[-12:]}"
    theirs.close()


def contents(server: LocalServer) -> dict[str, Any]:
    """Everything, deadlines and encodings included."""
    found: dict[str, Any] = {}
    client = server.client()
    reads = {
        b"+string\r\n": [b"GET"],
        b"+list\r\n": [b"LRANGE", 0, -1],
        b"+set\r\n": [b"SMEMBERS"],
        b"+hash\r\n": [b"HGETALL"],
        b"+zset\r\n": [b"ZRANGE", 0, -1, b"WITHSCORES"],
        b"+stream\r\n": [b"XRANGE", b"-", b"+"],
    }
    for number, db in enumerate(server.dbs):
        client.call("SELECT", number)
        for key in list(db.dict):
            if client.call("EXISTS", key) == b":0\r\n":
                continue  # expired just now
            kind = client.call("TYPE", key)
            name, *rest = reads[kind]
            value = client.call(name, key, *rest)
            if kind == b"+stream\r\n":
                value += client.call("XINFO", "STREAM", key).partition(b"last-generated-id")[2]
                value += client.call("XINFO", "GROUPS", key)
            if kind in (b"+set\r\n", b"+hash\r\n"):
                value = b"".join(sorted(value.split(b"\r\n")))
            # SORT, which is not propagated without STORE, converts sorted sets; SETBIT and PFADD that change nothing
            # are not propagated either, and leave a string raw.
            encoding = b"" if kind in (b"+zset\r\n", b"+string\r\n") else client.call("OBJECT", "ENCODING", key)
            found[f"{number}:{key!r}"] = (kind, value, encoding, client.call("PEXPIRETIME", key))
    return found


def replay(fed: Fed) -> LocalServer:
    """A server that was told nothing but what was fed; its time is before all that happened."""
    server = DrivenServer()
    client = server.client()
    for db, argv in fed:
        if argv[0] not in (b"MULTI", b"EXEC"):
            client.call("SELECT", db)
        reply = client.call(*argv)
        assert not reply.startswith(b"-"), (argv, reply)
    return server


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("group", sorted(GROUPS))
def test_replayed(group: str, seed: int) -> None:
    rng = random.Random(f"replay {group} {seed}")
    server, client, fed = feeding(DrivenServer())
    other_client = server.client()
    templates = GROUPS[group] + EXTRA[group] + RANDOM * (group in ("set", "generic"))
    others = [t for g in GROUPS for t in GROUPS[g] + EXTRA[g]] + RANDOM
    for _ in range(10):
        commands = [line.encode().split() for line in POPULATE]
        commands += [build(rng, rng.choice(templates if rng.random() < 0.8 else others)) for _ in range(50)]
        for argv in commands:
            client.call(*argv)
            if client.client.blocked is not None:
                # Somebody else serves whoever waits, sometimes.
                other_client.call(*build(rng, rng.choice(["rpush l V V", "lpush K V", "zadd z S V", "rpush a V"])))
                client.stop_waiting()
            if rng.random() < 0.02:
                server.now += rng.randrange(1_000_000)
        expected = contents(server)
        assert contents(replay(fed)) == expected


def test_expired_keys_are_deleted_by_name() -> None:
    server, client, fed = feeding(DrivenServer())
    client.call("SET", "k", "v", "PX", "50")
    client.call("MSET", "a", "1", "b", "2")
    client.call("PEXPIRE", "a", "50")
    deadline = b"%d" % (server.now + 50)
    server.now += 200
    assert client.call("GET", "k") == b"$-1\r\n"
    server.expire_cycle()
    assert client.call("DBSIZE") == b":1\r\n"
    assert fed == [
        (0, [b"SET", b"k", b"v", b"PXAT", deadline]),
        (0, [b"MSET", b"a", b"1", b"b", b"2"]),
        (0, [b"PEXPIREAT", b"a", deadline]),
        (0, [b"DEL", b"k"]),
        (0, [b"DEL", b"a"]),
    ]


def test_a_transaction_that_changes_nothing_does_not_hide_what_follows() -> None:
    server, client, fed = feeding(LocalServer())
    for argv in (["SET", "k", "v"], ["MULTI"], ["GET", "k"], ["EXEC"], ["DEL", "k"]):
        client.call(*argv)
    assert fed == [(0, [b"SET", b"k", b"v"]), (0, [b"DEL", b"k"])]
    assert not contents(server)
