"""What the console's page asks of the server: as whom it runs, what it may, whatever HTTP is thrown at it."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.console import AJAX, ConsoleServer, basic
from tests.support.servers import free_port, start_ours
from tests.support.waiting import PATIENCE, wait_until

TEXTS = [b"plain", b"", "ü – 漢".encode(), b"<script>alert(1)</script>", b"\x00\xff\xfe\r\n", b'"quoted" \\ \n\t']


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """Everybody may do everything."""
    one = ConsoleServer(tmp_path_factory.mktemp("open"), "--console-write", "--console-hosts", "here.example")
    yield one
    one.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """The default user has a password, and the console only looks."""
    one = ConsoleServer(tmp_path_factory.mktemp("guarded"), password="se:cret ü")
    one.client.execute_command(
        "ACL",
        "SETUSER",
        "ann",
        "on",
        ">pw",
        "~a:*",
        "%R~r:*",
        "&news.*",
        "+@read",
        "+ping",
        "+subscribe",
        "+info",
        "-keys",
    )
    yield one
    one.stop()


def sessions(console: ConsoleServer) -> list[str]:
    """What the sessions of the console do at the moment."""
    return [client["cmd"] for client in console.client.client_list() if client["name"] == "pyredis-console"]


@pytest.fixture(autouse=True)
def _emptied(request: pytest.FixtureRequest) -> None:
    for name in ("console", "guarded"):
        if name in request.fixturenames:
            console = request.getfixturevalue(name)
            console.client.flushall()
            wait_until(lambda console=console: not sessions(console))  # type: ignore[misc]  # those of earlier tests


def string(data: bytes) -> dict[str, str]:
    return {"b": base64.b64encode(data).decode()}


def bytes_of(value: Any) -> bytes:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value.encode()


def events(console: ConsoleServer, path: str, headers: dict[str, str] | None = None) -> Iterator[tuple[str, Any]]:
    """The events of a stream: name and data."""
    with socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE) as sock:
        lines = "".join(f"{k}: {v}\r\n" for k, v in (headers or {}).items())
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        with sock.makefile("rb") as file:
            assert file.readline().split(b" ")[1] == b"200"
            while file.readline() != b"\r\n":
                pass
            name = ""
            for line in file:
                if line.startswith(b"event: "):
                    name = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    yield name, json.loads(line[6:])


def listen(**what: list[Any]) -> str:
    return "/console/api/listen?q=" + quote(json.dumps(what))


# --- replies and arguments --------------------------------------------------------------------------------------------


def test_any_bytes(console: ConsoleServer) -> None:
    for text in TEXTS:
        replies = console.run(["SET", string(text), string(text + b"!")], ["GET", string(text)], ["KEYS", "*"])
        assert replies[0] == {"s": "OK"} and bytes_of(replies[1]) == text + b"!"
        assert text in [bytes_of(key) for key in replies[2]]
        assert console.client.get(text) == text + b"!"


def test_kinds_of_replies(console: ConsoleServer) -> None:
    big = 1 << 62
    replies = console.run(
        ["INCRBY", "n", str(big)],
        ["GET", "none"],
        ["RPUSH", "l", 1, "two"],
        ["LRANGE", "l", 0, -1],
        ["GET", "l"],
        ["NOSUCH"],
        ["EVAL", "return {1, {2, {'x'}}, false}", 0],
        ["BLPOP", "nothing", 0],
        ["XREAD", "BLOCK", 0, "STREAMS", "s", "$"],
    )
    assert replies[:4] == [{"i": str(big)}, None, 2, ["1", "two"]]
    assert replies[4]["e"].startswith("WRONGTYPE") and "unknown command" in replies[5]["e"]
    assert replies[6:] == [[1, [2, ["x"]], None], None, None]
    [long] = console.run(["SETRANGE", "long", 200_000, "x"])
    [cut] = console.run(["GET", "long"])
    assert long == 200_001 and cut["n"] == 200_001 and len(bytes_of(cut)) == 64 << 10
    console.client.setrange("huge", 20 << 20, "x")
    assert "too large" in console.run(["GET", "huge"])[0]["e"]
    console.client.rpush("many", *range(50_001))
    whole, part = console.run(["LRANGE", "many", 0, -1], ["LRANGE", "many", 0, 49_999])
    assert "too large" in whole["e"] and len(part) == 50_000
    nested = "local t = {} for _ = 1, 100 do t = {t} end return t"
    assert "nested too deeply" in console.run(["EVAL", nested, 0])[0]["e"]


def test_databases(console: ConsoleServer) -> None:
    console.run(["SET", "k", "in 3"], db=3)
    assert console.run(["GET", "k"]) == [None] and console.run(["GET", "k"], db=3) == ["in 3"]
    for db in (16, -1, "0", 1.5, None, True, [0]):
        assert console.post({"db": db, "commands": [["PING"]]})[0] == 400


def test_the_session(console: ConsoleServer, guarded: ConsoleServer) -> None:
    status, _, body = console.ask("/console/api/session")
    told = json.loads(body)
    assert status == 200 and (told["user"], told["write"], told["password"]) == ("default", True, False)
    told = json.loads(guarded.ask("/console/api/session", basic("ann", "pw"))[2])
    assert (told["user"], told["write"], told["password"]) == ("ann", False, True)


def test_nothing_is_left_behind(console: ConsoleServer) -> None:
    seen = console.run(["CLIENT", "LIST"])[0]
    assert "name=pyredis-console" in seen and f"laddr=127.0.0.1:{console.port}" in seen
    console.run(["CLIENT", "PAUSE", 50, "WRITE"], ["SET", "k", "1"])
    assert not sessions(console)
    assert console.client.info("clients")["blocked_clients"] == 0


def test_samples(console: ConsoleServer) -> None:
    def samples_since(t: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(console.ask(f"/console/api/samples?since={t}")[2])["samples"]
        return found

    def use_shows() -> bool:
        console.client.set("k", "v")
        console.client.get("k")
        return any(sample["ops"] and sample["p99"] and sample["hits"] for sample in samples_since(0))

    wait_until(use_shows)
    samples = json.loads(console.ask("/console/api/samples")[2])["samples"]
    last = samples[-1]
    assert last["memory"] > 0 and last["rss"] > 1 << 20 and last["clients"] >= 1 and last["lag"] is None
    wait_until(lambda: samples_since(last["t"]))
    assert all(sample["t"] > last["t"] for sample in samples_since(last["t"]))
    assert all(sample["t"] > samples[0]["t"] for sample in samples_since(samples[0]["t"]))
    assert all(a["t"] < b["t"] for a, b in pairwise(samples_since(0)))
    assert console.ask("/console/api/samples?since=x")[0] == 400


def test_samples_of_a_master_and_its_replica(console: ConsoleServer, tmp_path: Path) -> None:
    def last(server: ConsoleServer) -> dict[str, Any]:
        samples = json.loads(server.ask("/console/api/samples")[2])["samples"]
        return samples[-1] if samples else {"lag": None}

    console.client.config_set("repl-diskless-sync-delay", 0)
    replica = ConsoleServer(tmp_path, "--replicaof", f"127.0.0.1 {console.server.port}")
    try:
        wait_until(lambda: replica.client.info("replication")["master_link_status"] == "up")
        console.client.set("k", "v")
        assert console.client.wait(1, 60_000) == 1
        wait_until(lambda: last(console)["lag"] is not None and last(console)["behind"] == 0)
        wait_until(lambda: last(replica)["lag"] is not None)
        assert 0 <= last(console)["lag"] < PATIENCE and 0 <= last(replica)["lag"] < PATIENCE
        assert last(replica)["behind"] is None
    finally:
        replica.stop()
    wait_until(lambda: last(console)["lag"] is None and last(console)["behind"] is None)


# --- what goes on -----------------------------------------------------------------------------------------------------


def test_messages(console: ConsoleServer) -> None:
    stream = events(console, listen(channels=["a", string(b"\xff")], patterns=["p*"]))
    assert next(stream) == ("ready", 3)
    for channel in (b"a", b"\xff", b"pq", b"other"):
        console.client.publish(channel, b"to \x00 " + channel)
    found = [next(stream)[1] for _ in range(3)]
    assert [bytes_of(message["channel"]) for message in found] == [b"a", b"\xff", b"pq"]
    assert [message["pattern"] for message in found] == [None, None, "p*"]
    assert bytes_of(found[1]["data"]) == b"to \x00 \xff"
    stream.close()
    wait_until(lambda: not console.client.pubsub_numpat() and not console.client.pubsub_channels())


def test_a_flood_of_messages_is_cut(console: ConsoleServer) -> None:
    stream = events(console, listen(channels=["a"]))
    next(stream)
    with console.client.pipeline(transaction=False) as pipe:
        for n in range(5000):
            pipe.publish("a", f"{n}" * 100)
        pipe.execute()
    told = 0
    shown = 0
    while told + shown < 5000:
        name, data = next(stream)
        told += data if name == "skipped" else 0
        shown += name == "message"
    assert told + shown == 5000 and told > 0
    stream.close()


def test_entries_of_streams(console: ConsoleServer) -> None:
    path = "/console/api/tail?q=" + quote(json.dumps({"db": 2, "keys": ["s", "t"]}))
    console.client.execute_command("SELECT", 2)
    try:
        console.client.xadd("s", {"old": "1"}, id="5-1")
        stream = events(console, path)
        assert next(stream) == ("ready", 2)
        console.client.xadd("t", {"f": "1"}, id="1-1")
        console.client.xadd("s", {b"\xff": "2"}, id="5-2")
        found = sorted([next(stream)[1] for _ in range(2)], key=lambda entry: str(entry["key"]))
        assert [(entry["key"], entry["id"]) for entry in found] == [("s", "5-2"), ("t", "1-1")]
        assert [bytes_of(field) for field in found[0]["fields"]] == [b"\xff", b"2"]
        stream.close()
        again = events(console, path, {"Last-Event-ID": "5-1 1-1"})
        assert [next(again)[0] for _ in range(1)] == ["ready"] and next(again)[1]["id"] == "5-2"
        again.close()
        console.client.set("s", "no stream")
        assert [name for name, _ in events(console, path)][-1] == "problem"
    finally:
        console.client.execute_command("SELECT", 0)


def test_a_killed_session_ends(console: ConsoleServer) -> None:
    stream = events(console, listen(channels=["a"]))
    next(stream)
    [victim] = [c for c in console.client.client_list() if c["name"] == "pyredis-console"]
    console.client.client_kill_filter(_id=victim["id"])
    assert next(stream)[0] == "problem" and next(stream, None) is None


# --- who may what -----------------------------------------------------------------------------------------------------


def test_passwords(guarded: ConsoleServer) -> None:
    guarded.client.execute_command("ACL", "LOG", "RESET")
    for path in ("/", "/console/api/session", "/console/api/samples", listen(channels=["news.x"]), "/console/login"):
        status, headers, _ = guarded.ask(path)
        assert status == 401 and headers["www-authenticate"].startswith("Basic ")
        assert guarded.ask(path, basic("ann", "wrong"))[0] == 401
    assert guarded.post({"commands": [["PING"]]})[0] == 401
    for header in ("Basic", "Basic !!!", "Basic YW5u", "Bearer x", "basic " + base64.b64encode(b"\xff:\xff").decode()):
        assert guarded.ask("/console/api/session", {"Authorization": header})[0] == 401
    [entry] = [e for e in guarded.client.acl_log() if e["username"] == "ann"]
    assert entry["reason"] == "auth" and entry["count"] == 5 and entry["client-info"]["name"] == "pyredis-console"
    assert guarded.ask("/", basic("", "se:cret ü"))[0] == 200
    assert guarded.run(["ACL", "WHOAMI"], headers=basic("default", "se:cret ü")) == ["default"]
    assert guarded.ask("/console/login", basic("ann", "pw"))[0] == 303


def test_rights(guarded: ConsoleServer) -> None:
    """The user's commands, keys and channels, and denials in the log."""
    ann = basic("ann", "pw")
    guarded.client.mset({"a:1": "mine", "b:1": "not mine", "r:1": "to read"})
    guarded.client.execute_command("ACL", "LOG", "RESET")
    replies = guarded.run(
        ["GET", "a:1"], ["GET", "r:1"], ["GET", "b:1"], ["KEYS", "*"], ["CLIENT", "LIST"], ["ACL", "LIST"], headers=ann
    )
    assert replies[:2] == ["mine", "to read"] and all("NOPERM" in reply["e"] for reply in replies[2:])
    logged = {(e["reason"], e["object"]) for e in guarded.client.acl_log()}
    assert logged >= {("key", "b:1"), ("command", "keys")}
    assert list(events(guarded, listen(channels=["secret"]), ann))[-1][0] == "problem"
    stream = events(guarded, listen(channels=["news.x"]), ann)
    assert next(stream) == ("ready", 1)
    guarded.client.execute_command("ACL", "SETUSER", "ann", "resetchannels", "&other")
    assert next(stream)[0] == "problem"
    guarded.client.execute_command("ACL", "SETUSER", "ann", "resetchannels", "&news.*", "off")
    assert guarded.ask("/console/api/session", ann)[0] == 401
    guarded.client.execute_command("ACL", "SETUSER", "ann", "on", "-info")
    assert json.loads(guarded.ask("/console/api/samples", ann)[2])["samples"] == []
    guarded.client.execute_command("ACL", "SETUSER", "ann", "+info")


def test_read_only(guarded: ConsoleServer) -> None:
    """Even for a user who may do everything."""
    boss = basic("default", "se:cret ü")
    guarded.client.set("k", "v")
    before = guarded.client.info("stats")["total_error_replies"]
    for command in (
        *(["SET", "k", "x"], ["DEL", "k"], ["EXPIRE", "k", 1], ["FLUSHALL"], ["CONFIG", "SET", "hz", 20]),
        *(["CLIENT", "KILL", "ID", 1], ["EVAL", "return 1", 0], ["EVAL_RO", "return 1", 0], ["PUBLISH", "a", "b"]),
        *(["SHUTDOWN"], ["DEBUG", "SLEEP", 0], ["ACL", "SETUSER", "x"], ["SLOWLOG", "RESET"], ["ACL", "LOG", "RESET"]),
        *(["SAVE"], ["REPLICAOF", "NO", "ONE"], ["GETEX", "k", "EX", 1], ["SORT", "k", "STORE", "x"], ["SPOP", "k"]),
        *(["CONFIG", "REWRITE"], ["FUNCTION", "FLUSH"], ["SCRIPT", "KILL"], ["CLIENT", "PAUSE", 1000], ["GETDEL", "k"]),
    ):
        [reply] = guarded.run(command, headers=boss)
        assert "read-only" in reply["e"], command
    assert guarded.client.info("stats")["total_error_replies"] == before
    replies = guarded.run(["GET", "k"], ["SLOWLOG", "GET"], ["CLIENT", "LIST"], ["INFO"], ["ACL", "LOG"], headers=boss)
    assert replies[0] == "v" and not any(isinstance(reply, dict) for reply in replies)


def test_commands_that_need_a_connection(console: ConsoleServer) -> None:
    for command in (
        *(
            ["MULTI"],
            ["SUBSCRIBE", "a"],
            ["PSUBSCRIBE", "a"],
            ["SSUBSCRIBE", "a"],
            ["MONITOR"],
            ["AUTH", "x"],
            ["QUIT"],
        ),
        *(["HELLO", 3], ["SELECT", 1], ["RESET"], ["CLIENT", "REPLY", "OFF"], ["PSYNC", "?", -1], ["WATCH", "k"]),
        *(["CLIENT", "TRACKING", "ON"], ["SYNC"], ["REPLCONF", "x", "y"], ["client", "Setname", "x"]),
    ):
        assert "connection of its own" in console.run(command)[0]["e"], command
    assert console.run(["PUBLISH", "a", "b"], ["CLIENT", "ID"])[0] == 0
    assert console.run([])[0] == {"e": "ERR no command"}


def test_killing_oneself(console: ConsoleServer) -> None:
    own = f"127.0.0.1:{console.port}"
    status, _, _ = console.post({"commands": [["CLIENT", "KILL", "LADDR", own, "SKIPME", "no"], ["PING"]]})
    assert status == 409
    assert console.client.ping()


# --- browsers that are led astray -------------------------------------------------------------------------------------


def test_hosts(console: ConsoleServer) -> None:
    """A name that somebody else may have pointed here is refused."""
    for host in ("localhost", "LOCALHOST:99", "127.0.0.1", f"[::1]:{console.port}", "here.example:80", "10.1.2.3"):
        assert console.ask("/console/api/session", {"Host": host})[0] == 200, host
    for host in (
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
        "a b",
        "[",
        "here.example@evil",
    ):
        for path in ("/", "/console/api/session", "/console/login"):
            assert console.ask(path, {"Host": host})[0] in (421, 400), host
    assert console.ask("/metrics", {"Host": "prometheus.example"})[0] == 200


def test_other_sites(console: ConsoleServer) -> None:
    run = {"commands": [["SET", "k", "forged"]]}
    for bad in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"X-Pyredis-Console": "1", "Origin": "http://127.0.0.1.evil.example"},
    ):
        assert console.post(run, bad)[0] == 403, bad
    body = json.dumps(run)
    assert console.ask("/console/api/run", {"Content-Type": "application/json"}, "POST", body)[0] == 403
    assert (
        console.ask("/console/api/run", {"Content-Type": "application/x-www-form-urlencoded"}, "POST", body)[0] == 403
    )
    assert console.ask("/console/api/run", AJAX, "GET")[0] == 405
    assert console.ask(listen(channels=["a"]), {"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert console.client.get("k") is None
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}
    assert console.ask("/", link)[0] == 200 and console.ask("/console/api/session", link)[0] == 403
    assert console.ask("/", {**link, "Sec-Fetch-Dest": "iframe"})[0] == 403
    good = {"Origin": f"http://127.0.0.1:{console.port}", "Sec-Fetch-Site": "same-origin"}
    assert console.post(run, good)[0] == 200 and console.client.get("k") == b"forged"


def test_headers(console: ConsoleServer) -> None:
    for path in ("/", "/console/api/session", "/console/api/samples", "/console/login"):
        _, headers, _ = console.ask(path)
        policy = headers["content-security-policy"]
        assert (
            policy.startswith("default-src 'self';") and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        )
        assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in headers
    _, headers, _ = console.ask("/")
    assert console.ask("/", {"If-None-Match": headers["etag"]})[0] == 304


# --- hostile input ----------------------------------------------------------------------------------------------------


def test_bodies_that_are_no_requests(console: ConsoleServer) -> None:
    deep = "[" * 100_000
    for body in (
        *(
            "",
            "{",
            "[]",
            "null",
            '{"commands": []}',
            '{"commands": {}}',
            '{"commands": [[1.5]]}',
            '{"commands": [[null]]}',
        ),
        *(
            '{"commands": [[{"b": "!"}]]}',
            '{"commands": [[{"b": 1}]]}',
            '{"commands": "PING"}',
            '{"commands": ["PING"]}',
        ),
        *(json.dumps({"commands": [["PING"]] * 257}), deep, '{"commands": [' + deep, "\xff", '{"commands": [[[]]]}'),
        *('{"commands": [["SET", "k", "\\ud800"]], "db": "x"}', '{"commands": [["PING"]], "db": 99999999999999999999}'),
    ):
        status, _, _ = console.ask("/console/api/run", AJAX, "POST", body.encode("latin-1"))
        assert status == 400, body[:40]
    for query in ("", "?q=", "?q=[]", "?q={}", "?q=%7B%22channels%22:%5B%5D%7D", "?q=%7B%22keys%22:1%7D", "?q=%ff%fe"):
        assert console.ask("/console/api/listen" + query)[0] == 400
        assert console.ask("/console/api/tail" + query)[0] == 400
    many = quote(json.dumps({"channels": [str(n) for n in range(17)]}))
    assert console.ask("/console/api/listen?q=" + many)[0] == 400
    assert console.run(["PING"]) == [{"s": "PONG"}]


def test_paths(console: ConsoleServer) -> None:
    for path in (
        *("/console/", "/console/../redis.conf", "/console/%2e%2e/site.py", "/console/..%2fsite.py", "//etc/passwd"),
        *("/console/index.html", "/../../etc/passwd", "/console/assets/index.html", "/console/site.py", "/console//x"),
        *("/console/%00", "/console/app.js/", "http://evil/console/api/sessionx"),
    ):
        assert console.ask(path)[0] == 404, path


def test_requests_that_are_too_long_or_cut_off(console: ConsoleServer) -> None:
    assert console.ask("/console/api/run", AJAX, "POST", b"x" * (3 << 20))[0] == 413
    assert console.ask("/?" + "x" * 10_000)[0] == 431
    for bad in (
        b"POST /console/api/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /console/api/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n",
        b"POST /console/api/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"POST /console/api/run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"GET /" + b"?" + b"&".join(b"a%d=1" % n for n in range(100)) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE) as s:
            s.sendall(bad)
            assert s.recv(4096).split(b" ")[1] == b"400", bad
    for cut in (b"POST /console/api/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", b"GET / HT"):
        with socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE) as s:
            s.sendall(cut)
            s.shutdown(socket.SHUT_WR)
            assert s.recv(4096) == b""


def test_many_slow_connections(console: ConsoleServer) -> None:
    """Whoever does not finish its request makes room for the next one."""
    slow = []
    for n in range(1500):
        s = socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE)
        s.sendall(b"GET / HTTP/1.1\r\nX: " if n % 2 else b"")
        slow.append(s)
        if len(slow) > 200:
            slow.pop(0).close()
        if n % 300 == 299:
            assert console.ask("/console/api/session")[0] == 200
    for s in slow:
        s.close()
    assert console.client.ping()


def test_many_streams(console: ConsoleServer) -> None:
    opened = []
    for _ in range(40):
        s = socket.create_connection(("127.0.0.1", console.port), timeout=PATIENCE)
        s.sendall(f"GET {listen(channels=['a'])} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        opened.append(s)
    statuses = [s.recv(20).split(b" ")[1] for s in opened]
    assert statuses.count(b"200") == 24 and statuses.count(b"503") == 16
    assert console.run(["PING"]) == [{"s": "PONG"}]
    for s in opened:
        s.close()
    wait_until(lambda: console.client.pubsub_numsub("a") == [(b"a", 0)])
    wait_until(lambda: not sessions(console))


def test_many_at_once(console: ConsoleServer) -> None:
    console.client.set("n", 0)
    failures: list[Any] = []

    def work() -> None:
        for _ in range(20):
            status, _, body = console.post({"commands": [["INCR", "n"]] * 5})
            if status != 200:
                failures.append((status, body))

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and console.client.get("n") == b"1000"


def test_the_end_of_the_server(tmp_path: Path) -> None:
    """Whoever listens is told; nothing is complained of."""
    one = ConsoleServer(tmp_path)
    stream = events(one, listen(channels=["a"]))
    assert next(stream) == ("ready", 1)
    one.stop()
    assert [name for name, _ in stream] in ([], ["problem"])
    log = one.server.log()
    assert "ready to exit" in log and "Traceback" not in log and "Task" not in log


def test_a_sentinel(tmp_path: Path) -> None:
    """It has no keys, but clients, INFO and its own commands."""
    conf = tmp_path / "sentinel.conf"
    conf.write_text("sentinel monitor mymaster 127.0.0.1 1 1\n")
    port = free_port()
    argv = ["--sentinel", "--metrics-port", str(port), "--console-bind", "127.0.0.1"]
    server = start_ours(tmp_path, *argv, file=conf)
    try:

        def ask(method: str, path: str, body: str | None = None) -> Any:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request(method, path, body=body, headers=AJAX)
            answer = connection.getresponse().read()
            connection.close()
            return json.loads(answer)

        assert ask("GET", "/console/api/session")["mode"] == "sentinel"
        commands = [["INFO"], ["SENTINEL", "MASTERS"], ["CLIENT", "LIST"], ["SCAN", 0], ["SENTINEL", "RESET", "*"]]
        replies = ask("POST", "/console/api/run", json.dumps({"commands": commands}))["replies"]
        assert "# Sentinel" in replies[0] and "mymaster" in str(replies[1]) and "pyredis-console" in replies[2]
        assert "unknown command" in replies[3]["e"] and "read-only" in replies[4]["e"]
        assert "error" not in ask("GET", "/console/api/samples")
    finally:
        server.stop()


# --- where it is ------------------------------------------------------------------------------------------------------


def test_off_unless_asked(tmp_path: Path) -> None:
    one = ConsoleServer(tmp_path, "--console-bind", "")
    try:
        assert one.ask("/metrics")[0] == 200
        for path in ("/", "/console/api/session", "/console/login"):
            assert one.ask(path)[0] == 404
        for name, value in (("console-bind", ""), ("console-hosts", ""), ("console-write", "no")):
            assert one.client.config_get(name) == {name: value}
    finally:
        one.stop()


def test_at_some_addresses(tmp_path: Path) -> None:
    """Metrics everywhere, the console at one address."""
    one = ConsoleServer(tmp_path, "--metrics-bind", "*", "--console-bind", "127.0.0.2")
    try:
        assert one.ask("/metrics")[0] == 200 and one.ask("/")[0] == 404
        with socket.create_connection(("127.0.0.2", one.port), timeout=PATIENCE) as s:
            s.sendall(b"GET / HTTP/1.0\r\nHost: 127.0.0.2\r\n\r\n")
            assert b" 200 OK" in s.recv(100)
    finally:
        one.stop()


def test_without_a_port(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pyredis", "--port", str(free_port()), "--console-bind", "127.0.0.1"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "console-bind needs metrics-port" in done.stdout + done.stderr
