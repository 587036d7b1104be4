"""DEBUG beside redis-server's: errors, the types of PROTOCOL, OBJECT, POPULATE; and DIGEST on generated keyspaces."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import wait_until

WRONG = """
DEBUG|DEBUG FOO|debug foo|DEBUG SLEEP|DEBUG SLEEP 0|DEBUG SLEEP x|DEBUG SLEEP -1|DEBUG SLEEP nan|DEBUG SLEEP 0 1
DEBUG OBJECT|DEBUG OBJECT nokey|DEBUG OBJECT str fast|DEBUG SET-ACTIVE-EXPIRE|DEBUG SET-ACTIVE-EXPIRE x
DEBUG SET-ACTIVE-EXPIRE 1|DEBUG JMAP|DEBUG DIGEST x|DEBUG DIGEST-VALUE|DEBUG DIGEST-VALUE nokey|DEBUG ERROR
DEBUG ERROR FOO bar|DEBUG ERROR FOO|DEBUG ERROR -x|DEBUG LOG|DEBUG LOG hello|DEBUG LOG hello a
DEBUG HTSTATS|DEBUG HTSTATS x|DEBUG HTSTATS 99|DEBUG HTSTATS -1|DEBUG HTSTATS 0 full|DEBUG HTSTATS 9
DEBUG HTSTATS-KEY|DEBUG HTSTATS-KEY str|DEBUG HTSTATS-KEY nokey|DEBUG HTSTATS-KEY hash|DEBUG HTSTATS-KEY zset
DEBUG HTSTATS-KEY list|DEBUG HTSTATS-KEY iset|DEBUG SDSLEN int|DEBUG SDSLEN list|DEBUG SDSLEN nokey|DEBUG SDSLEN
DEBUG LISTPACK str|DEBUG LISTPACK hash|DEBUG LISTPACK zset|DEBUG LISTPACK set|DEBUG LISTPACK list
DEBUG LISTPACK nokey|DEBUG LISTPACK|DEBUG QUICKLIST list|DEBUG QUICKLIST list 1|DEBUG QUICKLIST list x
DEBUG QUICKLIST str|DEBUG QUICKLIST nokey|DEBUG QUICKLIST list 1 2|DEBUG QUICKLIST
DEBUG QUICKLIST-PACKED-THRESHOLD 10|DEBUG QUICKLIST-PACKED-THRESHOLD x|DEBUG QUICKLIST-PACKED-THRESHOLD 5gb
DEBUG QUICKLIST-PACKED-THRESHOLD -1|DEBUG QUICKLIST-PACKED-THRESHOLD 4294967295|DEBUG QUICKLIST-PACKED-THRESHOLD 0
DEBUG STRINGMATCH-LEN a b|DEBUG STRINGMATCH-TEST x|DEBUG STRUCTSIZE x
DEBUG POPULATE|DEBUG POPULATE x|DEBUG POPULATE -1|DEBUG POPULATE 3|DEBUG POPULATE 3 pre|DEBUG POPULATE 3 pre 10
DEBUG POPULATE 2 big 100|DEBUG POPULATE 2 two 2|DEBUG POPULATE 2 nil 0|DEBUG POPULATE 2 pr3 2 3|DEBUG POPULATE 1 q -1
GET key:0|GET pre:2|GET big:1|GET two:0|GET nil:1|TYPE key:1|OBJECT ENCODING big:1|OBJECT ENCODING key:0|DBSIZE
DEBUG PROTOCOL|DEBUG PROTOCOL foo|DEBUG PROTOCOL string x|DEBUG CLIENT-EVICTION|DEBUG CLIENT-EVICTION x
DEBUG PAUSE-CRON|DEBUG PAUSE-CRON 0|DEBUG PAUSE-CRON x|DEBUG REPLYBUFFER|DEBUG REPLYBUFFER PEAK-RESET-TIME
DEBUG REPLYBUFFER a b c|DEBUG DICT-RESIZING 1|DEBUG CHANGE-REPL-ID|DEBUG CHANGE-REPL-ID x
DEBUG CONFIG-REWRITE-FORCE-ALL x|DEBUG SET-SKIP-CHECKSUM-VALIDATION|DEBUG AOF-FLUSH-SLEEP|DEBUG AOF-FLUSH-SLEEP 1 2
DEBUG MALLCTL|DEBUG MALLCTL-STR|DEBUG REPLICATE|DEBUG CLUSTERLINK KILL to abc|DEBUG CLUSTERLINK FOO to abc
DEBUG DROP-CLUSTER-PACKET-FILTER x|DEBUG DROP-CLUSTER-PACKET-FILTER|DEBUG RELOAD FOO|DEBUG RELOAD NOSAVE foo
DEBUG HELP x|DEBUG LEAK|DEBUG LEAK a b
"""

REFUSED = """
ASSERT|CRASH-AND-RECOVER|CRASH-AND-RECOVER 1|LEAK abc|MALLCTL a|MALLCTL-STR a b|OOM|PANIC|REPLICATE a b|RESTART
SEGFAULT|SET-DISABLE-DENY-SCRIPTS 0|AOF-FLUSH-SLEEP 5|CONFIG-REWRITE-FORCE-ALL
REPLYBUFFER RESIZING 0|REPLYBUFFER PEAK-RESET-TIME never
"""

VALUES = """
SET str abc|SET int 123|SET big 123456789012|SET neg -129|SET raw xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx1
RPUSH list a b c|SADD set a b|SADD iset 1 2|SADD iset3 1 70000|SADD iset6 1 5000000000|HSET hash a 1|ZADD zset 1 a
RPUSH nums 1 2 100 127 128 -1 -4096 4095 4096 70000 -8388608 123456789 12345678901 01 +1 1.5|ZADD zs 1.5 a inf b -3 c
"""


def split(text: str) -> list[list[str]]:
    return [c.split(" ") for line in text.strip().splitlines() for c in line.split("|")]


@pytest.fixture(params=[2, 3])
def both(server: ServerProcess, oracle: ServerProcess, request: pytest.FixtureRequest) -> list[RawClient]:
    clients = [RawClient(server.connect()), RawClient(oracle.connect())]
    for client in clients:
        client.call("HELLO", request.param)
        for argv in split(VALUES):
            client.call(*argv)
    return clients


def test_same_replies(both: list[RawClient]) -> None:
    different = {}
    for argv in split(WRONG):
        ours, theirs = (client.call(*argv) for client in both)
        if ours != theirs:
            different[" ".join(argv)] = (ours, theirs)
    assert not different


def test_what_would_end_or_harm_the_server_is_refused(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    for argv in split(REFUSED):
        reply = client.call("DEBUG", *argv)
        assert reply.startswith(b"-ERR DEBUG %b is not available: " % argv[0].encode()), argv
    assert client.call("PING") == b"+PONG\r\n"
    client.close()


KINDS = "string integer double bignum null array set map attrib push verbatim true false STRING Null"


@pytest.mark.parametrize("kind", KINDS.split())
def test_protocol_types(both: list[RawClient], kind: str) -> None:
    """All bytes up to the reply to PING: an attribute and a push come before the reply itself."""
    found = []
    for client in both:
        client.send("DEBUG", "PROTOCOL", kind)
        client.send("ECHO", "that is all")
        data = b""
        while not data.endswith(b"that is all\r\n"):
            data += client.sock.recv(4096)
        found.append(data)
    assert found[0] == found[1]


def test_object(both: list[RawClient]) -> None:
    for name in [argv[1] for argv in split(VALUES)]:
        shown = [re.sub(rb"at:0x[0-9a-f]+|lru:\d+", b"", client.call("DEBUG", "OBJECT", name)) for client in both]
        ours, theirs = (re.sub(rb"idle:\d\d?\d?\r", b"idle:some\r", text) for text in shown)
        if name == "raw":  # Redis would compress this one
            ours, theirs = (re.sub(rb"serializedlength:\d+", b"", text) for text in (ours, theirs))
        assert ours == theirs, name


@pytest.mark.parametrize("fill", [-2, -1, -3, -5, -9, 1, 10, 0, 100000])
def test_nodes_of_a_long_list(both: list[RawClient], fill: int) -> None:
    for client in both:
        client.call("CONFIG", "SET", "list-max-listpack-size", fill)
        client.pipeline([[b"RPUSH", b"long", b"%d" % i * (i % 50), b"x" * (i * 7 % 3000)] for i in range(400)])
    found = [re.search(rb" ql_.*", client.call("DEBUG", "OBJECT", "long"))[0] for client in both]
    for client in both:
        client.call("CONFIG", "SET", "list-max-listpack-size", -2)
    assert found[0] == found[1]


def fill(rng: random.Random, clients: list[RawClient]) -> None:
    def text() -> bytes:
        return rng.choice([b"", b"1", b"-7", b"3.5", b"abc", b"\x00\xff", b"x" * 100, b"%d" % rng.randrange(10**6)])

    commands: list[list[bytes]] = [[b"FLUSHALL"]]
    for _ in range(200):
        key = b"k%d" % rng.randrange(60)
        kind = rng.randrange(7)
        commands.append([b"SELECT", b"%d" % rng.choice([0, 0, 1, 9])])
        if kind == 0:
            commands.append([b"SET", key, text()])
        elif kind == 1:
            commands.append([b"APPEND", key, text()])
        elif kind == 2:
            commands.append([b"RPUSH", key, *[text() for _ in range(rng.randrange(1, 40))]])
        elif kind == 3:
            commands.append([b"SADD", key, *[text() for _ in range(rng.randrange(1, 40))]])
        elif kind == 4:
            commands.append([b"HSET", key, *[text() for _ in range(2 * rng.randrange(1, 300))]])
        elif kind == 5:
            scores = [b"1", b"-0.1", b"inf", b"-inf", b"1e300", b"3.14159", b"-0", b"100000000000000000000"]
            pairs = [(rng.choice(scores), text()) for _ in range(rng.randrange(1, 200))]
            commands.append([b"ZADD", key, *[word for pair in pairs for word in pair]])
        else:
            commands.append([b"PEXPIREAT", key, b"%d" % (int(time.time() * 1000) + 10**7)])
    for client in clients:
        client.pipeline(commands)


@pytest.mark.parametrize("seed", range(5))
def test_digest_is_that_of_redis(both: list[RawClient], seed: int) -> None:
    rng = random.Random(seed)
    empty = b"+" + b"0" * 40 + b"\r\n"
    for client in both:
        client.call("FLUSHALL")
        assert client.call("DEBUG", "DIGEST") == empty
    for _ in range(3):
        fill(rng, both)
        digests = [client.call("DEBUG", "DIGEST") for client in both]
        assert digests[0] == digests[1] != empty
        for db in (0, 1, 9):
            names = [f"k{n}" for n in range(61)]
            for client in both:
                client.call("SELECT", db)
            values = [client.call("DEBUG", "DIGEST-VALUE", *names) for client in both]
            assert values[0] == values[1]
        both[0].call("SET", "one more", "1")
        assert both[0].call("DEBUG", "DIGEST") != digests[0]


def test_errors_made_up_are_not_counted(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    client.call("CONFIG", "RESETSTAT")
    assert client.call("DEBUG", "ERROR", "MINE of\r\nmany lines") == b"-MINE of  many lines\r\n"
    assert b"errorstat" not in client.call("INFO", "errorstats")
    client.close()


def test_string_matcher(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    assert client.call("DEBUG", "STRINGMATCH-TEST") == b"+Apparently Redis did not crash: test passed\r\n"
    assert re.fullmatch(rb"\+bits:64 (\w+:\d+ )+\r\n", client.call("DEBUG", "STRUCTSIZE"))
    client.close()


def test_active_expire_can_be_stopped(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    assert client.call("DEBUG", "SET-ACTIVE-EXPIRE", 0) == b"+OK\r\n"
    client.call("SET", "k", "v", "PX", 1)
    client.call("DEBUG", "SLEEP", "0.3")
    assert client.call("DBSIZE") == b":1\r\n"
    assert b"expired_stale_perc:100.00" in client.call("INFO", "stats")
    client.call("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    wait_until(lambda: client.call("DBSIZE") == b":0\r\n")
    client.close()


def test_cron_can_be_paused(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    assert client.call("DEBUG", "PAUSE-CRON", 1) == b"+OK\r\n"
    client.call("SET", "k", "v", "PX", 1)
    client.call("DEBUG", "SLEEP", "0.3")
    assert client.call("DBSIZE") == b":1\r\n"
    client.call("DEBUG", "PAUSE-CRON", 0)
    wait_until(lambda: client.call("DBSIZE") == b":0\r\n")
    client.close()


def test_the_replication_id_changes(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    before = re.search(rb"master_replid:([0-9a-f]{40})\r", client.call("INFO", "replication"))
    client.call("DEBUG", "CHANGE-REPL-ID")
    after = re.search(rb"master_replid:([0-9a-f]{40})\r", client.call("INFO", "replication"))
    assert before and after and before[1] != after[1]
    client.close()


@pytest.mark.parametrize("setting", ["no", "local", "yes"])
def test_the_command_is_off_unless_allowed(tmp_path: Path, setting: str) -> None:
    replies = []
    for name, start in (("ours", start_ours), ("oracle", start_oracle)):
        folder = tmp_path / name
        folder.mkdir()
        args = [] if setting == "no" else ["--enable-debug-command", setting]
        server = start(folder, *args)
        try:
            client = RawClient(server.connect())
            answers = [client.call(*argv.split()) for argv in ("DEBUG SLEEP 0", "DEBUG", "DEBUG FOO", "debug object x")]
            answers.append(client.call("CONFIG", "GET", "enable-debug-command"))
            answers.append(client.call("CONFIG", "SET", "enable-debug-command", "yes"))
            answers += [client.call("MULTI"), client.call("DEBUG", "SLEEP", "0"), client.call("EXEC")]
            replies.append(answers)
            client.close()
        finally:
            server.stop()
    assert replies[0] == replies[1]


def test_spikes_are_recorded(both: list[RawClient]) -> None:
    """LATENCY after real spikes, as redis-server tells of them."""
    shown = []
    for client in both:
        client.call("LATENCY", "RESET")
        client.call("CONFIG", "SET", "latency-monitor-threshold", 20)
        client.call("DEBUG", "SLEEP", "0.03")
        client.call("DEBUG", "SLEEP", "1.05")
        client.call("DEBUG", "SLEEP", "0.06")
        latest = client.call("LATENCY", "LATEST").split(b"\r\n")
        history = client.call("LATENCY", "HISTORY", "command")
        graph = client.call("LATENCY", "GRAPH", "command").decode()
        doctor = client.call("LATENCY", "DOCTOR").decode()
        client.call("CONFIG", "SET", "latency-monitor-threshold", 0)
        at = latest.index(b"command")  # whatever else has taken that long on a loaded machine
        assert latest[at - 2 : at] == [b"*4", b"$7"]
        assert 1050 <= int(latest[at + 3][1:]) < 60_000
        samples = [int(part.split(b"\r\n")[1][1:]) for part in history.split(b"*2\r\n:")[1:]]
        assert samples[-1] >= 60 and max(samples) >= 1050
        heading, line, *rows = graph[graph.index("command") :].split("\n")
        assert re.fullmatch(r"command - high \d+ ms, low \d+ ms \(all time high \d+ ms\)", heading)
        assert line == "-" * 80
        assert re.search(
            r"1\. command: \d latency spikes \(average \d+ms, mean deviation \d+ms, period \d+\.\d\d sec\)\."
            r" Worst all time event \d+ms\.",
            doctor,
        )
        shown.append([re.sub(r"\d", "9", row) for row in rows])
        assert client.call("LATENCY", "RESET", "command", "nosuch") == b":1\r\n"
        assert client.call("LATENCY", "HISTORY", "command") == b"*0\r\n"
    assert len(shown[0]) == len(shown[1])
