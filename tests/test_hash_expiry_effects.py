"""Hash fields that expire: events, what is propagated, encodings, statistics, and what is left behind."""

from __future__ import annotations

from time import perf_counter_ns

import hiredis
import pytest

from pyredis.core.compat import RELEASES, version_number
from pyredis.core.dispatch import run_batch
from pyredis.engines.volatile_hash import VolatileHashObj
from tests.support.local import DRIVEN_FROM as START
from tests.support.local import DrivenServer, LocalClient, LocalServer, call, run
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.waiting import wait_until


@pytest.fixture
def server() -> DrivenServer:
    return DrivenServer()


@pytest.fixture
def client(server: DrivenServer) -> LocalClient:
    return server.client()


# --- events, propagation, transactions ------------------------------------------------------------------------------


def events(server: DrivenServer, listener: LocalClient) -> list[str]:
    """What happened to the key ``h`` since the last time."""
    server.after_event()
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(listener.output)
    listener.output = b""
    found = []
    while (message := reader.gets()) is not False:
        assert message[2] == "__keyspace@0__:h"
        found.append(message[3])
    return found


def test_events(server: DrivenServer, client: LocalClient) -> None:
    """https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/ names hexpire, hexpired and hpersist."""
    listener = server.client()
    call(client, "CONFIG SET notify-keyspace-events KA")
    listener.call("PSUBSCRIBE", "__key*__:h")
    for line, expected in {
        "HSET h a 1 b 2 c 3 d 4 e 5": "hset",
        "HEXPIRE h 10 FIELDS 3 a zz b": "hexpire",
        "HEXPIRE h 10 NX FIELDS 1 a": "",
        "HPERSIST h FIELDS 2 a c": "hpersist",
        "HPERSIST h FIELDS 1 a": "",
        "HGETEX h FIELDS 2 a b": "",
        "HGETEX h PX 50 FIELDS 2 a b": "hexpire",
        "HGETEX h PERSIST FIELDS 2 a c": "hpersist",
        "HGETEX h PERSIST FIELDS 1 c": "",
        "HGETEX h PX 0 FIELDS 2 zz c": "hdel",
        "HSETEX h FIELDS 1 c 3": "hset",
        "HSETEX h FNX FIELDS 1 c 3": "",
        "HSETEX h PX 50 FIELDS 1 c 3": "hset hexpire",
        "HSETEX h KEEPTTL FIELDS 1 c 3": "hset",
        "HSETEX h EX 0 FIELDS 1 d 3": "hset hdel",
        "HGETDEL h FIELDS 2 e zz": "hdel",
        "HGETDEL h FIELDS 1 zz": "",
    }.items():
        call(client, line)
        assert events(server, listener) == expected.split(), line
    server.now += 50
    assert call(client, "HGET h b") is None
    assert events(server, listener) == ["hexpired"]
    assert call(client, "HGETALL h") == ["a", "1"]
    assert events(server, listener) == ["hexpired"]
    assert call(client, "HEXPIREAT h 5 FIELDS 1 a") == [2]
    assert events(server, listener) == ["hdel", "del"]
    call(client, "HSETEX h PX 10 FIELDS 1 a 1")
    server.now += 100
    server.expire_cycle()
    assert events(server, listener) == ["hset", "hexpire", "hexpired", "del"]
    call(client, "HSETEX h PX 0 FIELDS 1 a 1")
    assert events(server, listener) == ["hset", "hdel", "del"]
    run(client, "HSETEX h PX 10 FIELDS 1 a 1\nHGETDEL h FIELDS 1 a")
    assert events(server, listener) == ["hset", "hexpire", "hdel", "del"]


def feeding(server: DrivenServer) -> list[list[str]]:
    """What is propagated, as commands."""
    fed: list[list[str]] = []

    def take(db: int, data: bytes) -> None:
        reader = hiredis.Reader(encoding="utf-8")
        reader.feed(data)
        while (argv := reader.gets()) is not False:
            fed.append(argv)

    server.feeders.append(take)
    return fed


def test_propagation(server: DrivenServer, client: LocalClient) -> None:
    run(client, "HSET h a 1 b 2 c 3 d 4 e 5")
    fed = feeding(server)
    for line, expected in {
        "HEXPIRE h 10 NX FIELDS 3 a zz b": f"HPEXPIREAT h {START + 10_000} FIELDS 2 a b",
        "HEXPIRE h 20 NX FIELDS 2 a c": f"HPEXPIREAT h {START + 20_000} FIELDS 1 c",
        "HEXPIRE h 10 XX FIELDS 1 d": "",
        "HPEXPIRE h 0 FIELDS 2 d zz": "HDEL h d",
        "HPERSIST h FIELDS 1 d": "",
        "HGETEX h PX 50 FIELDS 2 a zz": f"HPEXPIREAT h {START + 50} FIELDS 1 a",
        "HGETEX h PERSIST FIELDS 2 a e": "HPERSIST h FIELDS 1 a",
        "HGETEX h FIELDS 2 a e": "",
        "HGETDEL h FIELDS 2 e zz": "HDEL h e",
        "HSETEX h FNX EX 1 FIELDS 1 x 1": f"HSETEX h PXAT {START + 1000} FIELDS 1 x 1",
        "HSETEX h KEEPTTL FIELDS 1 x 2": "HSETEX h KEEPTTL FIELDS 1 x 2",
        "HSETEX h EX 0 FIELDS 2 x 2 y 3": "HDEL h x y",
        "HSETEX h FNX EX 0 FIELDS 1 a 2": "",
        "HINCRBY h b 1": "HINCRBY h b 1",
    }.items():
        call(client, line)
        assert [" ".join(argv) for argv in fed] == [expected] * bool(expected), line
        fed.clear()
    call(client, "HINCRBYFLOAT h b 0.5")
    inside = [["HSET", "h", "b", "3.5"], ["HPEXPIREAT", "h", str(START + 10_000), "FIELDS", "1", "b"]]
    assert fed == [["MULTI"], *inside, ["EXEC"]]
    fed.clear()
    server.now += 10_000
    assert call(client, "HGET h b") is None
    server.now += 10_000
    server.expire_cycle()
    run(client, "HSETEX h PX 5 FIELDS 2 a 1 b 2")
    assert fed[:2] == [["HDEL", "h", "b"], ["HDEL", "h", "c"]]
    fed.clear()
    server.now += 5
    run(client, "MULTI\nHSET h a 1\nHKEYS h\nEXEC")
    assert fed == [["MULTI"], ["HDEL", "h", "a"], ["HSET", "h", "a", "1"], ["HDEL", "h", "b"], ["EXEC"]]


def test_who_watches_is_told(server: DrivenServer, client: LocalClient) -> None:
    other = server.client()
    for change in (
        "HEXPIRE h 10 FIELDS 1 a",
        "HPERSIST h FIELDS 1 a",
        "HGETEX h PX 10 FIELDS 1 a",
        "HSETEX h PX 10 FIELDS 1 a 1",
        "HGETDEL h FIELDS 1 a",
        "wait",
    ):
        run(client, "DEL h\nHSETEX h PX 20 FIELDS 1 a 1\nHSET h b 1\nWATCH h\nMULTI\nPING")
        if change == "wait":
            server.now += 100
            server.expire_cycle()
        else:
            call(other, change)
        assert call(client, "EXEC") is None, change
    run(client, "HSET h c 1\nWATCH h\nMULTI\nPING")
    call(other, "HEXPIRE h 10 XX FIELDS 1 c")
    assert call(client, "EXEC") == ["PONG"]


# --- encodings, digests, statistics ---------------------------------------------------------------------------------


def test_encodings(client: LocalClient) -> None:
    script = """
        CONFIG SET hash-max-listpack-entries 3
        CONFIG SET hash-max-listpack-value 5
        HSET h a 1 b 2
        OBJECT ENCODING h
        HEXPIRE h 10 FIELDS 1 zz
        HEXPIRE h 10 FIELDS 1 a
        OBJECT ENCODING h
        HPERSIST h FIELDS 1 a
        OBJECT ENCODING h
        COPY h copy
        OBJECT ENCODING copy
        HSETEX h EX 10 FIELDS 2 c 3 d 4
        OBJECT ENCODING h
        HSETEX g EX 10 FIELDS 1 a 123456
        OBJECT ENCODING g
        HSETEX x KEEPTTL FIELDS 1 a 123456
        OBJECT ENCODING x
        TYPE g
    """
    shown = [reply for reply in run(client, script) if isinstance(reply, str) and reply != "OK"]
    assert shown == ["listpack", *["listpackex"] * 3, *["hashtable"] * 3, "hash"]


def test_digests(server: DrivenServer, client: LocalClient) -> None:
    """It counts that a field has a deadline, not which."""
    server.config.enable_debug_command = "yes"
    script = """
        HSET a f 1 g 2
        HSET b g 2 f 1
        HEXPIRE a 10 FIELDS 1 f
        HEXPIRE b 20 FIELDS 1 f
        HSET c f 1 g 2
        HSET d f 1 g 2
        HEXPIRE d 10 FIELDS 1 g
        HSET e f 1 g 2
        HEXPIRE e 10 FIELDS 1 f
        HPERSIST e FIELDS 1 f
        DEBUG DIGEST-VALUE a b c d e
    """
    a, b, c, d, e = run(client, script)[-1]
    assert a == b and c == e
    assert len({a, c, d}) == 3


def test_memory_and_snapshot_sizes_grow(server: DrivenServer, client: LocalClient) -> None:
    server.config.enable_debug_command = "yes"
    for n in (10, 1000):
        pairs = " ".join(f"f{i} v" for i in range(n))
        call(client, f"HSET h {pairs}")
        plain = call(client, "MEMORY USAGE h SAMPLES 0"), serialized(client)
        call(client, f"HEXPIRE h 100 FIELDS {n} {' '.join(pairs.split()[::2])}")
        assert call(client, "MEMORY USAGE h SAMPLES 0") >= plain[0] + 28 * n
        assert serialized(client) >= plain[1] + n
        call(client, "DEL h")


def serialized(client: LocalClient) -> int:
    [found] = [word for word in call(client, "DEBUG OBJECT h").split() if word.startswith("serializedlength")]
    return int(found.split(":")[1])


@pytest.mark.parametrize("release", RELEASES)
def test_info(release: str) -> None:
    """Fields that 7.4 brought; the commands come and go with their releases."""
    server = LocalServer(release)
    client = server.client()
    newer = version_number(release) >= 704
    call(client, "HSET h a 1 b 2 c 3")
    codes = call(client, "HPEXPIRE h 1 FIELDS 2 a b")
    assert (codes == [1, 1]) is newer
    assert call(client, "HSETEX h EX 5 FIELDS 1 c 1") == 1 or version_number(release) < 800
    assert (",subexpiry=1\r\n" in call(client, "INFO keyspace")) is newer
    assert ("subexpiry" in call(client, "INFO keyspace")) is newer
    server.clock.advance(1)
    assert call(client, "HMGET h a b") == ([None, None] if newer else ["1", "2"])
    assert ("\r\nexpired_subkeys:2\r\n" in call(client, "INFO stats")) is newer
    assert "\r\nexpired_keys:0\r\n" in call(client, "INFO stats")
    call(client, "CONFIG RESETSTAT")
    assert ("\r\nexpired_subkeys:0\r\n" in call(client, "INFO stats")) is newer


# --- what is due but not gone, what is left behind ------------------------------------------------------------------


def test_the_keys_own_deadline_is_independent(server: DrivenServer, client: LocalClient) -> None:
    run(client, "HSETEX h PX 10 FIELDS 1 a 1\nHSET h b 1\nPEXPIRE h 100")
    server.now += 10
    assert run(client, "HKEYS h\nPTTL h\nHPEXPIRE h 500 FIELDS 1 b") == [["b"], 90, [1]]
    server.now += 90
    assert run(client, "HKEYS h\nHPTTL h FIELDS 1 b\nEXISTS h") == [[], [-2], 0]
    assert not server.dbs[0].volatile and not server.dbs[0].gate


def test_kept_while_clients_are_paused(server: DrivenServer, client: LocalClient) -> None:
    """Who reads does not see the fields that are due, but they stay until the pause is over."""
    fed = feeding(server)
    run(client, "HSETEX h PX 10 FIELDS 2 a 1 b 2\nHSET h c 3\nHSETEX g PX 10 FIELDS 1 a 1\nRPUSH l h g")
    server.pause_clients(START + 1000, False)
    server.now += 10
    fed.clear()
    server.expire_cycle()
    script = """
        HGET h a
        HMGET h b c
        HEXISTS h b
        HSTRLEN h a
        HGETALL h
        HKEYS h
        HVALS h
        HRANDFIELD h 10
        HSCAN h 0
        HPTTL h FIELDS 3 a b c
        SORT_RO l BY nosort GET *->a GET *->c
        HGETALL g
        HRANDFIELD g
        HSCAN g 0
    """
    assert run(client, script) == [
        None,
        [None, "3"],
        0,
        0,
        ["c", "3"],
        ["c"],
        ["3"],
        ["c"],
        ["0", ["c", "3"]],
        [-2, -2, -1],
        [None, "3", None, None],
        [],
        None,
        ["0", []],
    ]
    assert not fed and server.stat_expired_subkeys == 0
    assert server.dbs[0].dict[b"h"].fields.keys() == {b"a", b"b", b"c"}
    server.unpause_clients()
    server.expire_cycle()
    server.now += 100
    server.expire_cycle()
    assert sorted(call(client, "KEYS *")) == ["h", "l"] and server.stat_expired_subkeys == 3


@pytest.mark.parametrize("n", [3000, 10_000])
def test_many_fields_due_at_once(server: DrivenServer, client: LocalClient, n: int) -> None:
    """More than one command removes: each reader is right all the same, and the rest goes by itself."""
    for at in range(0, n, 1000):
        fields = [b"f%d" % i for i in range(at, at + 1000)]
        client.call("HSETEX", "h", "PX", 10, "FIELDS", 1000, *[x for f in fields for x in (f, b"v")])
    client.call("HSET", "h", "stays", "v", "f0", "again")
    server.now += 10
    assert call(client, "HGET h f1") is None
    assert call(client, "HMGET h f2 stays f0") == [None, "v", "again"]
    assert call(client, "HLEN h") >= 2
    assert sorted(call(client, "HKEYS h")) == ["f0", "stays"]
    assert sorted(call(client, "HRANDFIELD h 100")) == ["f0", "stays"]
    cursor, seen = "0", []
    while True:
        cursor, some = call(client, f"HSCAN h {cursor} COUNT 500")
        seen += some[::2]
        if cursor == "0":
            break
    assert set(seen) == {"f0", "stays"}  # a field may come twice
    assert call(client, "HSETNX h f1 new") == 1
    for _ in range(n):
        server.now += 64
        server.expire_cycle()
        if call(client, "HLEN h") == 3:
            break
    assert server.stat_expired_subkeys == n - 1
    assert sorted(call(client, "HKEYS h")) == ["f0", "f1", "stays"]
    assert not server.dbs[0].volatile and not server.dbs[0].gate


def test_fields_and_hashes_go_by_themselves(newest: ServerProcess) -> None:
    """10,000 fields of one hash and 10,000 hashes, at about the same moment, without being asked for."""
    client = RawClient(newest.connect())
    client.call("CONFIG", "RESETSTAT")
    some = [b"%d" % i for i in range(10_000)]
    client.call("HSET", "big", "stays", "v", *[x for f in some for x in (f, b"v")])
    client.call("HPEXPIRE", "big", 30, "FIELDS", len(some), *some)
    client.pipeline(
        [[b"HSETEX", b"h" + f, b"PX", b"%d" % (1 + i % 50), b"FIELDS", b"1", f, b"v"] for i, f in enumerate(some)]
    )
    wait_until(lambda: client.call("DBSIZE") == b":1\r\n")
    wait_until(lambda: b"expired_subkeys:20000\r\n" in client.call("INFO", "stats"))
    assert client.call("HGETALL", "big") == b"*2\r\n$5\r\nstays\r\n$1\r\nv\r\n"
    client.close()


def test_nothing_is_left_of_keys_that_are_gone(server: DrivenServer, client: LocalClient) -> None:
    db = server.dbs[0]
    for turn in range(3000):
        client.call("HSETEX", f"k{turn}", "EX", 10_000 + turn, "FIELDS", 1, "f", "v")
        client.call("DEL" if turn % 2 else "SET", f"k{turn}", *([] if turn % 2 else ["v"]))
        client.call("HSETEX", "h", "EX", 10_000 - turn, "FIELDS", 1, "f", "v")
    assert db.volatile.keys() == {b"h"}
    assert db.field_deadlines.entries < 1100
    client.call("HDEL", "h", "f")
    assert not db.volatile and not db.field_deadlines.entries and not db.gate


def test_other_databases(server: DrivenServer, client: LocalClient) -> None:
    run(client, "HSETEX h PX 100 FIELDS 1 a 1\nHSETEX i PX 100 FIELDS 1 a 1\nSWAPDB 0 1")
    assert not server.dbs[0].volatile and server.dbs[1].volatile.keys() == {b"h", b"i"}
    assert run(client, "SELECT 1\nMOVE h 2\nHPTTL i FIELDS 1 a") == ["OK", 1, [100]]
    server.now += 164
    server.expire_cycle()
    assert not any(db.dict or db.volatile or db.gate for db in server.dbs)
    run(client, "HSETEX h PX 100 FIELDS 1 a 1\nFLUSHALL\nHSET h a 1\nHSET g b 1")
    server.now += 200
    server.expire_cycle()
    assert call(client, "DBSIZE") == 2 and not server.dbs[1].gate


def test_pipelines_do_not_pass_over_deadlines(server: DrivenServer, client: LocalClient) -> None:
    """Several HSETs or SETs in one chunk take a short cut, which must not be taken here."""
    run(client, "HSETEX h PX 100 FIELDS 3 a 1 b 2 c 3")
    lines = [[b"HSET", b"h", field, b"new"] for field in (b"a", b"b", b"d", b"e")]
    run_batch(client.client, lines, perf_counter_ns())
    client.client.out.clear()
    assert call(client, "HPTTL h FIELDS 4 a b c d") == [-1, -1, 100, -1]
    run_batch(client.client, [[b"SET", b"h", b"v"]] * 5, perf_counter_ns())
    client.client.out.clear()
    assert call(client, "GET h") == "v" and not server.dbs[0].volatile
    assert not isinstance(server.dbs[0].dict[b"h"], VolatileHashObj)
