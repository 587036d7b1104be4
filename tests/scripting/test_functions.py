"""Functions beside redis-server: loading, calling, listing; payloads, snapshots and append-only files of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripting.test_eval import Both, lines
from tests.scripting.test_long import running, wait_until_busy
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.tree import tree

CALLS = Path(__file__).with_name("function_calls.txt")

COUNTER = b"""#!lua name=counter
local function bump(keys, args)
  return redis.call('INCRBY', keys[1], args[1])
end
redis.register_function('bump', bump)
redis.register_function{
  function_name = 'peek', callback = function(keys) return redis.call('GET', keys[1]) end,
  flags = {'no-writes'}, description = 'Look at a counter',
}
"""
OTHER = b"#!lua name=other\nredis.register_function('other', function() return 'other' end)"


@pytest.mark.parametrize("resp", [2, 3])
def test_calls(server: ServerProcess, oracle: ServerProcess, resp: int) -> None:
    """Each line of the file, byte by byte."""
    both = Both(server, oracle, resp)
    commands = lines(CALLS)
    assert len(commands) > 150
    assert both.differences(commands) == []
    both.close()


def libraries(client: RawClient) -> list[dict[bytes, object]]:
    """FUNCTION LIST WITHCODE, in the order of the names."""
    shown = []
    for library in tree(client.call("FUNCTION", "LIST", "WITHCODE")).value:
        fields = dict(zip([node.value for node in library.value[::2]], library.value[1::2], strict=True))
        fields[b"functions"] = sorted(fields[b"functions"].value)
        shown.append(fields)
    return sorted(shown, key=lambda fields: fields[b"library_name"].value)


def test_list(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    both.same("FUNCTION", "FLUSH")
    for source in (COUNTER, OTHER):
        both.same("FUNCTION", "LOAD", source)
    ours, theirs = [libraries(client) for client in both.clients]
    assert ours == theirs and len(ours) == 2
    both.close()


@pytest.mark.parametrize("policy", [[], ["APPEND"], ["REPLACE"], ["FLUSH"]])
def test_payloads_are_interchangeable(server: ServerProcess, oracle: ServerProcess, policy: list[str]) -> None:
    """Each server takes the other's payload, by every policy, whether libraries are there already or not."""
    both = Both(server, oracle)
    both.same("FUNCTION", "FLUSH")
    both.same("FUNCTION", "LOAD", COUNTER)
    both.same("FUNCTION", "LOAD", OTHER)
    payloads = [client.call("FUNCTION", "DUMP").partition(b"\r\n")[2][:-2] for client in both.clients]
    for payload in payloads:
        # Refused, or all of it is there anew; which library is the first to be refused is left open.
        ours, theirs = both.call("FUNCTION", "RESTORE", payload, *policy)
        assert ours.split()[:2] == theirs.split()[:2]
        both.same("FUNCTION", "DELETE", "other")
        both.same("FUNCTION", "RESTORE", payload, *policy)
        both.same("FUNCTION", "FLUSH")
        both.same("FUNCTION", "LOAD", b"#!lua name=third\nredis.register_function('bump', function() return 0 end)")
        both.same("FUNCTION", "RESTORE", payload, *policy)
        both.same("FCALL", "bump", 1, "n", 5)
        both.same("FUNCTION", "STATS")
        both.same("FUNCTION", "FLUSH")
        both.same("FUNCTION", "RESTORE", payload, *policy)
        both.same("FUNCTION", "STATS")
        assert libraries(both.clients[0]) == libraries(both.clients[1])
    both.close()


def test_damaged_payloads(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    both.same("FUNCTION", "FLUSH")
    both.same("SET", "key", "value")
    both.same("FUNCTION", "LOAD", COUNTER)
    payload = both.clients[1].call("FUNCTION", "DUMP").partition(b"\r\n")[2][:-2]
    for at in range(0, len(payload), 7):
        both.same("FUNCTION", "RESTORE", payload[:at] + bytes((payload[at] ^ 0x55,)) + payload[at + 1 :], "REPLACE")
        both.same("FUNCTION", "RESTORE", payload[:at], "REPLACE")
    both.same("FUNCTION", "RESTORE", both.clients[1].call("DUMP", "key").partition(b"\r\n")[2][:-2])
    both.same("FUNCTION", "STATS")
    both.close()


def test_snapshots(tmp_path: Path) -> None:
    """What one server saves the other loads, functions included."""
    (tmp_path / "a").mkdir()
    for first, second in ((start_ours, start_oracle), (start_oracle, start_ours)):
        server = first(tmp_path / "a")
        client = RawClient(server.connect())
        client.call("FUNCTION", "FLUSH")
        client.call("FUNCTION", "LOAD", COUNTER)
        client.call("FUNCTION", "LOAD", OTHER)
        before = libraries(client)
        assert client.call("SAVE") == b"+OK\r\n"
        client.close()
        server.stop()
        server = second(tmp_path / "a")
        client = RawClient(server.connect())
        assert libraries(client) == before
        assert client.call("FCALL", "bump", 1, "n", 5).startswith(b":")
        client.close()
        server.stop()


def test_append_only_file(tmp_path: Path) -> None:
    """Functions come from the commands that made them, and from a file that was written anew."""
    args = ("--appendonly", "yes", "--aof-use-rdb-preamble", "no")
    for rewritten in (False, True):
        server = start_ours(tmp_path, *args)
        client = RawClient(server.connect())
        if not rewritten:
            client.call("FUNCTION", "LOAD", COUNTER)
            client.call("FUNCTION", "LOAD", OTHER)
            client.call("FUNCTION", "DELETE", "other")
        assert client.call("FCALL", "bump", 1, "n", 5) == (b":10\r\n" if rewritten else b":5\r\n")
        if not rewritten:
            client.call("BGREWRITEAOF")
            while b"aof_rewrite_in_progress:1" in client.call("INFO", "persistence"):
                pass
        client.close()
        server.stop()
    server = start_ours(tmp_path, *args)
    client = RawClient(server.connect())
    assert client.call("FCALL_RO", "peek", 1, "n") == b"$2\r\n10\r\n"
    assert client.call("FCALL", "other", 0) == b"-ERR Function not found\r\n"
    client.close()
    server.stop()


@pytest.fixture(params=["ours", "redis"])
def one(request: pytest.FixtureRequest, tmp_path: Path) -> ServerProcess:
    start = start_ours if request.param == "ours" else start_oracle
    server = start(tmp_path, "--busy-reply-threshold", "20")
    request.addfinalizer(server.stop)
    return server


def test_long_functions(one: ServerProcess) -> None:
    client = RawClient(one.connect())
    client.call(
        "FUNCTION", "LOAD", b"#!lua name=long\nredis.register_function('loop', function() while true do end end)"
    )
    busy = b"-BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.\r\n"
    with running(one, "FCALL", "loop", "0") as replies:
        wait_until_busy(client)
        assert client.call("PING") == client.call("SCRIPT", "KILL") == busy
        name, loop, word, command, duration, ms = tree(client.call("FUNCTION", "STATS")).value[1].value
        assert [name.value, loop.value, word.value, duration.value] == [b"name", b"loop", b"command", b"duration_ms"]
        assert [node.value for node in command.value] == [b"FCALL", b"loop", b"0"] and int(ms.value) >= 0
        assert client.call("FUNCTION", "KILL") == b"+OK\r\n"
    assert replies == [b"-ERR Script killed by user with SCRIPT KILL... script: loop, on @user_function:2.\r\n"]
    assert client.call("FUNCTION", "KILL") == b"-NOTBUSY No scripts in execution right now.\r\n"
    client.close()


def test_endless_library(one: ServerProcess) -> None:
    """Loading may take half a second."""
    client = RawClient(one.connect())
    expected = b"-ERR Error registering functions: ERR FUNCTION LOAD timeout\r\n"
    assert client.call("FUNCTION", "LOAD", b"#!lua name=endless\nwhile true do end") == expected
    assert client.call("FUNCTION", "LIST") == b"*0\r\n"
    assert client.call("FUNCTION", "LOAD", OTHER) == b"$5\r\nother\r\n"
    client.close()


def test_state_of_a_library(server: ServerProcess) -> None:
    """Local variables live as long as the library; a failed load leaves the one before it in place."""
    client = RawClient(server.connect())
    client.call("FUNCTION", "FLUSH")
    body = b"local n = 0 redis.register_function('count', function() n = n + 1 return n end)"
    client.call("FUNCTION", "LOAD", b"#!lua name=state\n" + body)
    assert [client.call("FCALL", "count", 0) for _ in range(3)] == [b":1\r\n", b":2\r\n", b":3\r\n"]
    assert client.call("FUNCTION", "LOAD", "REPLACE", b"#!lua name=state\nx = 1").startswith(b"-ERR Error registering")
    assert client.call("FCALL", "count", 0) == b":4\r\n"
    assert client.call("FUNCTION", "LOAD", "REPLACE", b"#!lua name=state\n" + body) == b"$5\r\nstate\r\n"
    assert client.call("FCALL", "count", 0) == b":1\r\n"
    client.close()


def test_nothing_is_left_of_a_timeout(server: ServerProcess) -> None:
    """Why a library had to end is nothing to the scripts that are compiled after it."""
    client = RawClient(server.connect())
    client.call("FUNCTION", "FLUSH")
    client.call("FUNCTION", "LOAD", b"#!lua name=endless\nwhile true do end")
    for start in range(0, 6000, 1000):
        scripts = [[b"SCRIPT", b"LOAD", b"return %d" % i] for i in range(start, start + 1000)]
        assert [reply for reply in client.pipeline(scripts) if not reply.startswith(b"$40")] == []
    client.call("SCRIPT", "FLUSH")
    client.close()


def test_garbage_beside_much_that_is_kept(tmp_path: Path) -> None:
    """A library that keeps much is not looked through after each call: garbage stays for some calls."""
    server = start_ours(tmp_path)  # where nothing else is to be collected
    client = RawClient(server.connect())
    body = b"""#!lua name=large
local kept = {}
redis.register_function('keep', function() for i = 1, 80 do kept[i] = ('x'):rep(1000000 + i) end return 1 end)
redis.register_function('waste', function(keys, args)
  local before = collectgarbage('count')
  local wasted = (args[1]):rep(1000000)
  return math.floor(before)
end)"""
    assert client.call("FUNCTION", "LOAD", body) == b"$5\r\nlarge\r\n"
    assert client.call("FCALL", "keep", 0) == b":1\r\n"
    sizes = [int(client.call("FCALL", "waste", 0, letter)[1:-2]) for letter in "abcdef"]
    client.close()
    server.stop()
    assert sizes[0] > 78_000
    assert sizes[-1] - sizes[0] > 4000
