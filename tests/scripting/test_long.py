"""Scripts that take long: -BUSY for the others, SCRIPT KILL, SHUTDOWN, transactions, replies of those who wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import PATIENCE

LOOP = "while true do end"

ENDLESS = [
    LOOP,
    "while true do pcall(function() while true do end end) end",
    "coroutine.wrap(function() while true do end end)()",
    "while true do coroutine.resume(coroutine.create(function() while true do pcall(error) end end)) end",
    "while true do pcall(redis.call, 'get', 'x') end",
    "local t = {} while true do t[#t + 1] = tostring(#t) if #t > 1e5 then t = {} end end",
    "table.sort({1, 2, 3, 4, 5, 6, 7, 8, 9}, function(a, b) while true do end end)",
    "string.gsub(('x'):rep(10), '.', function() while true do end end)",
    "while true do xpcall(function() while true do end end, function(m) while true do end end) end",
    "return setmetatable({}, {__index = function() while true do end end}).x",
    "for i = 1, 1e12 do redis.call('exists', 'k') end",
    "while true do redis.pcall('nosuch') end",
    "while true do cjson.decode(cjson.encode({1, 2, 3})) end",
    "local t = {} t[1] = t t[2] = t return t",
    "load(function() return '5' end)",
    "return ('a'):rep(99):gsub(('a?'):rep(99) .. ('a'):rep(99), function() return 'x' end)",
    "return ('a'):rep(99):gsub(('a?'):rep(99) .. ('a'):rep(99), {})",
    "for w in ('a'):rep(99):gmatch(('a?'):rep(99) .. ('a'):rep(99)) do end",
    # Endless coroutines within a loop that catches what ends them, at different distances from its next look.
    *[
        "local function f() while true do end end "
        f"while true do pcall(function() {'local x = 1 ' * n} coroutine.{call} end) end"
        for n in (0, 4, 16)
        for call in ("wrap(f)()", "resume(coroutine.create(f))")
    ],
    "local function f() while true do pcall(coroutine.wrap(function() while true do end end)) end end "
    "while true do pcall(coroutine.wrap(f)) end",
]


@contextmanager
def running(server: ServerProcess, *argv: str) -> Iterator[list[bytes]]:
    """Sends a command that will take long; the list gets its reply."""
    replies: list[bytes] = []
    client = RawClient(server.connect())

    def wait() -> None:
        replies.append(client.call(*argv))

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield replies
    finally:
        thread.join(PATIENCE)
        client.close()


def wait_until_busy(client: RawClient) -> None:
    while not client.call("PING").startswith(b"-BUSY"):
        pass


@pytest.fixture(scope="module", params=["ours", "redis"])
def one(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Both servers have to pass these."""
    start = start_ours if request.param == "ours" else start_oracle
    server = start(tmp_path_factory.mktemp(request.param), "--busy-reply-threshold", "20")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = start_ours(tmp_path_factory.mktemp("long"), "--busy-reply-threshold", "20")
    yield server
    server.stop()


BUSY = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n"


def test_others_are_told(one: ServerProcess) -> None:
    client = RawClient(one.connect())
    with running(one, "EVAL", LOOP, "0") as replies:
        wait_until_busy(client)
        other = RawClient(one.connect())  # accepted meanwhile
        for line in (
            "PING",
            "GET x",
            "SCRIPT EXISTS a",
            "EVAL x 0",
            "SHUTDOWN",
            "SHUTDOWN SAVE",
            "INFO",
            "CLIENT LIST",
        ):
            assert other.call(*line.split()) == BUSY, line
        assert other.call("GET") == b"-ERR wrong number of arguments for 'get' command\r\n"
        assert other.call("WATCH", "k") == other.call("UNWATCH") == b"+OK\r\n"
        assert other.call("MULTI") == b"+OK\r\n"
        assert other.call("SET", "k", "v") == BUSY
        assert other.call("EXEC") == b"-EXECABORT Transaction discarded because of: " + BUSY[1:]
        assert other.call("MULTI") == other.call("DISCARD") == b"+OK\r\n"
        assert other.call("RESET") == b"+RESET\r\n"
        assert other.call("SCRIPT", "KILL") == b"+OK\r\n"
        other.close()
    sha = client.call("SCRIPT", "LOAD", LOOP).split()[1]
    expected = b"-ERR Script killed by user with SCRIPT KILL... script: %b, on @user_script:1.\r\n" % sha
    assert replies == [expected]
    assert client.call("SCRIPT", "KILL") == b"-NOTBUSY No scripts in execution right now.\r\n"
    assert client.call("PING") == b"+PONG\r\n"
    client.close()


@pytest.mark.parametrize("script", ENDLESS)
def test_every_script_can_be_killed(ours: ServerProcess, script: str) -> None:
    """Those that catch errors, too."""
    client = RawClient(ours.connect())
    with running(ours, "EVAL", script, "0") as replies:
        wait_until_busy(client)
        assert client.call("SCRIPT", "KILL") == b"+OK\r\n"
    assert replies[0].startswith((b"-ERR Script killed by user with SCRIPT KILL...", b"-ERR not enough memory"))
    assert client.call("EVAL", "return 1", "0") == b":1\r\n"
    client.close()


def test_what_has_written_goes_on(one: ServerProcess) -> None:
    client = RawClient(one.connect())
    client.call("DEL", "stop", "n")
    with running(
        one, "EVAL", "redis.call('SET', 'n', 1) for i = 1, 3e8 do end return redis.call('INCR', 'n')", "0"
    ) as replies:
        wait_until_busy(client)
        assert client.call("SCRIPT", "KILL").startswith(b"-UNKILLABLE Sorry the script already executed write commands")
    assert replies == [b":2\r\n"]
    assert client.call("GET", "n") == b"$1\r\n2\r\n"
    client.close()


def test_transaction(one: ServerProcess) -> None:
    """The script of a transaction takes long: the whole transaction waits, and what follows it."""
    client = RawClient(one.connect())
    other = RawClient(one.connect())
    lines = [
        ["MULTI"],
        ["SET", "t", "1"],
        ["EVAL", "for i = 1, 2e8 do end return 7", "0"],
        ["INCR", "t"],
        ["EXEC"],
        ["PING"],
    ]
    replies: list[bytes] = []
    thread = threading.Thread(
        target=lambda: replies.extend(client.pipeline([[word.encode() for word in line] for line in lines]))
    )
    thread.start()
    wait_until_busy(other)
    thread.join(PATIENCE)
    assert replies[-2:] == [b"*3\r\n+OK\r\n:7\r\n:2\r\n", b"+PONG\r\n"]
    assert other.call("GET", "t") == b"$1\r\n2\r\n"
    client.close()
    other.close()


def test_no_threshold(one: ServerProcess) -> None:
    """With a threshold of 0 nobody is told anything: all wait."""
    client = RawClient(one.connect())
    client.call("CONFIG", "SET", "busy-reply-threshold", "0")
    with running(one, "EVAL", "redis.call('SET', 'began', 1) for i = 1, 2e7 do end return 7", "0") as replies:
        while (seen := client.call("GET", "began")) != b"$1\r\n1\r\n":
            assert seen == b"$-1\r\n"
    client.call("CONFIG", "SET", "busy-reply-threshold", "20")
    assert replies == [b":7\r\n"]
    assert client.call("DEL", "began") == b":1\r\n"
    client.close()


def test_waiting_clients(one: ServerProcess) -> None:
    """Whoever waits for a key that the script pushes to is served when it has ended."""
    waiter, client = RawClient(one.connect()), RawClient(one.connect())
    replies: list[bytes] = []
    thread = threading.Thread(target=lambda: replies.append(waiter.call("BLPOP", "list", "0")))
    thread.start()
    while b"blocked_clients:1" not in client.call("INFO", "clients"):
        pass
    pusher = "redis.call('RPUSH', 'list', 'a', 'b') for i = 1, 2e8 do end return redis.call('LLEN', 'list')"
    assert client.call("EVAL", pusher, "0") == b":2\r\n"
    thread.join(PATIENCE)
    assert replies == [b"*2\r\n$4\r\nlist\r\n$1\r\na\r\n"]
    waiter.close()
    client.close()


def test_client_that_goes(ours: ServerProcess) -> None:
    """The client of the script ends its connection: the script goes on, and its reply is nobody's."""
    client, gone = RawClient(ours.connect()), RawClient(ours.connect())
    gone.sock.sendall(b"EVAL \"redis.call('SET','gone',1) for i = 1, 3e8 do end redis.call('SET','gone',2)\" 0\r\n")
    wait_until_busy(client)
    gone.close()
    while client.call("PING").startswith(b"-BUSY"):
        pass
    assert client.call("GET", "gone") == b"$1\r\n2\r\n"
    client.close()


def test_shutdown(tmp_path: Path) -> None:
    """SHUTDOWN NOSAVE ends the server in the middle of a script that has written."""
    server = start_ours(tmp_path, "--busy-reply-threshold", "20")
    client = RawClient(server.connect())
    script = RawClient(server.connect())
    script.sock.sendall(b"EVAL \"redis.call('SET','x',1) while true do pcall(error) end\" 0\r\n")
    wait_until_busy(client)
    client.sock.sendall(b"SHUTDOWN NOSAVE\r\n")
    assert server.process.wait(PATIENCE) == 0
    client.close()
    script.close()
