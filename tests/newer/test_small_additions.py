"""Options that came after 7.0, by the examples and sentences of their public documentation (each names its page)."""

from __future__ import annotations

import pytest

from pyredis.resp.command import encode_command
from tests.support.local import DrivenServer, LocalClient, LocalServer
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess


@pytest.fixture
def c() -> LocalClient:
    return LocalServer().client()


def test_rank_with_score(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/zrank/ and /zrevrank/"""
    c.call("ZADD", "myzset", 1, "one", 2, "two", 3, "three")
    assert c.call("ZRANK", "myzset", "three") == b":2\r\n"
    assert c.call("ZRANK", "myzset", "four") == b"$-1\r\n"
    assert c.call("ZRANK", "myzset", "three", "WITHSCORE") == b"*2\r\n:2\r\n$1\r\n3\r\n"
    assert c.call("ZRANK", "myzset", "four", "WITHSCORE") == b"*-1\r\n"
    assert c.call("ZREVRANK", "myzset", "three", "withscore") == b"*2\r\n:0\r\n$1\r\n3\r\n"
    assert c.call("ZREVRANK", "none", "four", "WITHSCORE") == b"*-1\r\n"
    for more in (("SCORE",), ("WITHSCORES",), ("WITHSCORE", "x")):
        assert c.call("ZRANK", "none", "a", *more) == b"-ERR syntax error\r\n"
    c.call("HELLO", 3)
    assert c.call("ZRANK", "myzset", "one", "WITHSCORE") == b"*2\r\n:0\r\n,1\r\n"
    assert c.call("ZRANK", "myzset", "four", "WITHSCORE") == b"_\r\n"


def test_rank_before_7_2() -> None:
    c = LocalServer("7.0").client()
    assert c.call("ZRANK", "z", "m", "WITHSCORE") == b"-ERR wrong number of arguments for 'zrank' command\r\n"
    assert b"\r\n:3\r\n" in c.call("COMMAND", "INFO", "zrank")
    assert b"\r\n:-3\r\n" in LocalServer("7.2").client().call("COMMAND", "INFO", "zrank")


def test_hscan_novalues(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/hscan/"""
    c.call("HSET", "myhash", "a", 1, "b", 2)
    assert c.call("HSCAN", "myhash", 0) == b"*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"
    assert c.call("HSCAN", "myhash", 0, "NOVALUES") == b"*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n"
    only_b = b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"
    assert c.call("HSCAN", "myhash", 0, "MATCH", "b*", "novalues", "COUNT", 5) == only_b
    error = b"-ERR NOVALUES option can only be used in HSCAN\r\n"
    c.call("SADD", "s", "x")
    c.call("ZADD", "z", 1, "x")
    assert c.call("SSCAN", "s", 0, "NOVALUES") == c.call("ZSCAN", "z", 0, "NOVALUES") == error
    assert c.call("SCAN", 0, "NOVALUES") == error
    old = LocalServer("7.2").client()
    old.call("HSET", "h", "a", 1)
    assert old.call("HSCAN", "h", 0, "NOVALUES") == b"-ERR syntax error\r\n"


def test_key_sizes(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/info/ (Keysizes): by powers of two"""
    for size in (0, 1, 2, 3, 4, 1023, 1024, 5000, 1 << 20):
        c.call("SET", f"s{size}", "x" * size)
    c.call("SETBIT", "bits", 80, 1)
    c.call("RPUSH", "l", *range(70))
    c.call("SADD", "set", "a")
    c.call("ZADD", "z", 1, "a", 2, "b")
    c.call("HSET", "plain", "a", 1, "b", 2, "c", 3)
    c.call("HSET", "volatile", "a", 1)
    c.call("HEXPIRE", "volatile", 100, "FIELDS", 1, "a")
    c.call("XADD", "stream", "*", "a", "b")
    c.call("SELECT", 3)
    c.call("SADD", "set", *range(17))
    lines = c.call("INFO", "KEYSIZES").split(b"\r\n")[1:]
    assert lines[:-2] == [
        b"# Keysizes",
        b"db0_distrib_strings_sizes:0=1,1=1,2=2,4=1,8=1,512=1,1K=1,4K=1,1M=1",
        b"db0_distrib_lists_items:64=1",
        b"db0_distrib_sets_items:1=1",
        b"db0_distrib_zsets_items:2=1",
        b"db0_distrib_hashes_items:1=1,2=1",
        b"db3_distrib_sets_items:16=1",
    ]
    assert b"# Keysizes" not in c.call("INFO") + c.call("INFO", "everything")


def test_totals_of_a_client(newest: ServerProcess) -> None:
    """https://redis.io/docs/latest/commands/client-list/: bytes in both directions, and commands that have run"""
    one, other = RawClient(newest.connect()), RawClient(newest.connect())
    number = int(one.call("CLIENT", "ID")[1:])

    def totals() -> tuple[int, int, int]:
        line = other.call("CLIENT", "LIST", "ID", number)
        return tuple(
            int(line.split(b" %b=" % name)[1].split()[0]) for name in (b"tot-net-in", b"tot-net-out", b"tot-cmds")
        )

    def grown(sent: list[list[bytes]]) -> tuple[int, int, int]:
        before = totals()
        replies = one.pipeline(sent)
        after = totals()
        size = sum(len(encode_command(argv)) for argv in sent)
        assert (after[0] - before[0], after[1] - before[1]) == (size, sum(map(len, replies)))
        return after[2] - before[2]

    assert grown([[b"SET", b"k", b"v"]]) == 1
    assert grown([[b"GET", b"k"]] * 50) == 50
    assert grown([[b"SET", b"k%d" % n, b"v" * n] for n in range(50)]) == 50
    assert grown([[b"GET", b"k"], [b"APPEND", b"k", b"x" * 20000], [b"GET", b"k"], [b"LPUSH", b"k", b"v"]]) == 4
    assert grown([[b"NOSUCH"], [b"GET"]]) == 0  # refused before it ran
    assert grown([[b"MULTI"], [b"INCR", b"n"], [b"INCR", b"n"], [b"EXEC"]]) == 4
    assert grown([[b"BLPOP", b"empty", b"0.01"], [b"PING"]]) >= 1


def test_xread_last_entry(c: LocalClient) -> None:
    """https://redis.io/docs/latest/commands/xread/ ("The special + ID")"""
    for stream in ("streamA", "streamB"):
        for number in (1, 2, 3):
            c.call("XADD", stream, f"{number}-0", "f", number)
    c.call("XDEL", "streamB", "3-0")
    a = b"*2\r\n$7\r\nstreamA\r\n*1\r\n*2\r\n$3\r\n3-0\r\n*2\r\n$1\r\nf\r\n$1\r\n3\r\n"
    b = b"*2\r\n$7\r\nstreamB\r\n*1\r\n*2\r\n$3\r\n2-0\r\n*2\r\n$1\r\nf\r\n$1\r\n2\r\n"
    assert c.call("XREAD", "STREAMS", "streamA", "streamB", "streamC", "+", "+", "+") == b"*2\r\n" + a + b
    assert c.call("XREAD", "COUNT", 5, "BLOCK", 0, "STREAMS", "streamA", "+") == b"*1\r\n" + a
    c.call("XADD", "empty", "5-0", "f", "v")
    c.call("XTRIM", "empty", "MAXLEN", 0)
    assert c.call("XREAD", "STREAMS", "empty", "+") == c.call("XREAD", "STREAMS", "none", "+") == b"*-1\r\n"
    c.call("XGROUP", "CREATE", "streamA", "g", 0)
    error = c.call("XREADGROUP", "GROUP", "g", "me", "STREAMS", "streamA", "+")
    assert error.startswith(b"-ERR The + ID is meaningless in the context of XREADGROUP:")
    old = LocalServer("7.2").client()
    assert old.call("XREAD", "STREAMS", "a", "+").startswith(b"-ERR Invalid stream ID")


def test_xread_waits_for_the_first_entry() -> None:
    """https://redis.io/docs/latest/commands/xread/ ("The special + ID")"""
    server = LocalServer()
    reader, writer = server.client(), server.client()
    writer.call("XADD", "s", "5-0", "f", "v")
    writer.call("XTRIM", "s", "MAXLEN", 0)
    assert reader.call("XREAD", "BLOCK", 0, "STREAMS", "none", "s", "+", "+") == b""
    writer.call("XADD", "s", "6-0", "f", "v")
    assert reader.output == b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n6-0\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"


def test_client_kill_maxage() -> None:
    """https://redis.io/docs/latest/commands/client-kill/"""
    server = DrivenServer()
    server.update_time()
    old = server.client()
    server.now += 5000
    server.update_time()
    killer, young = server.client(), server.client()
    assert killer.call("CLIENT", "KILL", "MAXAGE", 6) == b":0\r\n"
    assert killer.call("CLIENT", "KILL", "maxage", 5, "ID", young.client.id) == b":0\r\n"
    assert killer.call("CLIENT", "KILL", "SKIPME", "no", "TYPE", "normal", "MAXAGE", 5) == b":1\r\n"
    assert set(server.clients) == {killer.client.id, young.client.id} and old.client.id not in server.clients
    for value in ("0", "-1"):
        assert killer.call("CLIENT", "KILL", "MAXAGE", value) == b"-ERR maxage should be greater than 0\r\n"
    for value in ("x", "", "9223372036854775808"):
        error = killer.call("CLIENT", "KILL", "MAXAGE", value)
        assert error == b"-ERR maxage is not an integer or out of range\r\n"
    assert killer.call("CLIENT", "KILL", "MAXAGE") == b"-ERR No such client\r\n", "the old form: an address"
    assert LocalServer("7.2").client().call("CLIENT", "KILL", "MAXAGE", 5) == b"-ERR syntax error\r\n"


def test_info_of_later_releases() -> None:
    """https://redis.io/docs/latest/commands/info/"""
    names = {
        "7.2": [b"total_blocking_keys", b"client_query_buffer_limit_disconnections", b"acl_access_denied_cmd"],
        "7.4": [b"pubsub_clients", b"watching_clients", b"total_watched_keys"],
    }
    for release in ("7.0", "7.2", "7.4", "8.0"):
        shown = LocalServer(release).client().call("INFO")
        for since, some in names.items():
            assert all((b"\r\n%b:" % name in shown) is (release >= since) for name in some)


def test_what_info_counts() -> None:
    """https://redis.io/docs/latest/commands/info/"""
    server = LocalServer()
    clients = [server.client() for _ in range(7)]
    clients[0].call("SUBSCRIBE", "x")
    clients[1].call("SSUBSCRIBE", "x")
    clients[2].call("WATCH", "a", "b")
    clients[3].call("WATCH", "b")
    clients[4].call("BLPOP", "p", "q", 0)
    clients[5].call("XGROUP", "CREATE", "s", "g", "$", "MKSTREAM")
    clients[5].call("XREADGROUP", "GROUP", "g", "me", "BLOCK", 0, "STREAMS", "s", ">")
    last = clients[6]
    last.call("ACL", "SETUSER", "eve", "on", "nopass", "+get", "+acl|whoami", "~ok")
    last.call("AUTH", "eve", "")
    for line in ("GET no", "SET ok 1", "AUTH eve2 x", "GET no"):
        last.call(*line.split())
    last.call("AUTH", "default", "")
    shown = dict(line.split(b":", 1) for line in last.call("INFO").split(b"\r\n") if b":" in line)
    counted = {
        "pubsub_clients": 2,
        "watching_clients": 2,
        "total_watched_keys": 2,
        "blocked_clients": 2,
        "total_blocking_keys": 3,
        "total_blocking_keys_on_nokey": 1,
        "acl_access_denied_key": 2,
        "acl_access_denied_cmd": 1,
        "acl_access_denied_auth": 1,
        "acl_access_denied_channel": 0,
    }
    assert {name: int(shown[name.encode()]) for name in counted} == counted
    last.call("CONFIG", "RESETSTAT")
    assert b"\r\nacl_access_denied_key:0\r\n" in last.call("INFO", "stats")
