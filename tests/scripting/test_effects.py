"""What scripts do to others: the append-only file, ACL, monitors, the slow log, statistics, memory limits."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

from tests.scripting.test_eval import Both
from tests.support import inprocess
from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import PATIENCE

WRITERS = [
    "return redis.call('SET', 'a', 1)",
    "redis.call('SET', 'b', 1) redis.call('INCR', 'b') return redis.call('EXPIRE', 'b', 1000)",
    "return redis.call('GET', 'a')",
    "redis.call('SELECT', 3) redis.call('SET', 'c', 1) redis.call('SELECT', 4) return redis.call('SET', 'd', 1)",
    "redis.set_repl(0) redis.call('SET', 'hidden', 1) redis.set_repl(redis.REPL_ALL) redis.call('SET', 'e', 1)",
    "redis.set_repl(redis.REPL_REPLICA) redis.call('SET', 'f', 1)",
    "redis.set_repl(redis.REPL_AOF) redis.call('SET', 'g', 1) redis.call('SET', 'g', 2)",
    "redis.call('RPUSH', 'l', 1, 2, 3) return redis.call('BLMOVE', 'l', 'm', 'LEFT', 'LEFT', 0)",
    "return redis.call('SPOP', 's')",
    "redis.call('SET', 'h', 1) error('x')",
    "redis.call('SADD', 's', 'only') return redis.call('SPOP', 's')",
    "return redis.call('INCRBYFLOAT', 'fl', 1.5)",
    "return redis.pcall('LPUSH', 'a', 1)",
    "return redis.call('PEXPIREAT', 'a', 99999999999999)",
]


def appended(directory: Path) -> bytes:
    """The commands in the append-only files, with times of day made equal."""
    data = b"".join([path.read_bytes() for path in sorted(directory.glob("appendonlydir/*.incr.aof"))])
    return re.sub(rb"\$13\r\n1\d{12}\r\n", b"$13\r\nTIME\r\n", data)


def test_append_only_file(tmp_path: Path) -> None:
    """Effects, as one transaction where there are several, byte by byte as redis-server writes them."""
    files = []
    for name, start in (("ours", start_ours), ("theirs", start_oracle)):
        (tmp_path / name).mkdir()
        server = start(tmp_path / name, "--appendonly", "yes", "--appendfsync", "no")
        client = RawClient(server.connect())
        for script in WRITERS:
            client.call("EVAL", script, 0)
        client.call("MULTI")
        client.call("EVAL", WRITERS[1], 0)
        client.call("INCR", "b")
        client.call("EXEC")
        body = "redis.register_function('w', function(k) redis.call('SET', k[1], 1) end)"
        client.call("FUNCTION", "LOAD", "#!lua name=l\n" + body)
        client.call("FCALL", "w", 1, "fk")
        client.call("FUNCTION", "FLUSH")
        client.close()
        server.stop()
        files.append(appended(tmp_path / name))
    assert files[0] == files[1]


def test_acl(server: ServerProcess, oracle: ServerProcess) -> None:
    """Scripts may do what their user may; the log has what was denied."""
    both, users = Both(server, oracle), Both(server, oracle)
    both.same("ACL", "LOG", "RESET")
    both.same("ACL", "SETUSER", "u", "reset", "on", "nopass", "+eval", "+eval_ro", "+get", "+set", "+publish", "~a*")
    users.same("AUTH", "u", "x")
    for call in ("'get', 'a'", "'get', 'b'", "'del', 'a'", "'publish', 'c', 'm'", "'set', 'a', 1"):
        for function in ("call", "pcall", "acl_check_cmd"):
            users.same("EVAL", f"return redis.{function}({call})", 0)
    users.same("EVAL", "return redis.call('get', KEYS[1])", 1, "b")
    users.same("EVAL_RO", "return redis.call('set', KEYS[1], 1)", 1, "a")
    users.same("EVALSHA", "x" * 40, 0)
    logs = []
    for log in both.call("ACL", "LOG"):
        log = re.sub(rb"age-seconds\r\n\$\d+\r\n[\d.e+-]+", b"", log)
        log = re.sub(rb"(entry-id|timestamp-created|timestamp-last-updated)\r\n:\d+", rb"\1", log)
        logs.append(re.sub(rb"client-info\r\n\$\d+\r\n.*\r\n", b"", log))
    assert logs[0] == logs[1] and logs[0].count(b"$3\r\nlua\r\n") >= 3
    users.close()
    both.same("ACL", "DELUSER", "u")
    both.close()


def test_monitor(server: ServerProcess, oracle: ServerProcess) -> None:
    shown = []
    for one in (server, oracle):
        monitor, client = RawClient(one.connect()), RawClient(one.connect())
        monitor.call("MONITOR")
        client.call("EVAL", "redis.call('set', KEYS[1], 1) return redis.pcall('get')", 1, "k")
        client.call("EVAL", "x =", 0)
        client.call("EVAL", "return 1", -1)
        client.call("EVAL_RO", "return redis.call('get', 'k')", 0)
        for line in ("MULTI", "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0", "FCALL x 0", "EXEC", "SELECT 3"):
            client.call(*line.split())
        client.call("EVAL", "redis.call('select', 5) return redis.call('incr', 'k')", 0)
        client.call("PING", "end")
        seen = b""
        while b'"end"' not in seen:
            seen += monitor.read()
        shown.append(re.sub(rb"\d+\.\d{6}|127\.0\.0\.1:\d+", b"", seen))
        monitor.close()
        client.close()
    assert shown[0] == shown[1] and shown[0].count(b" lua]") == 4


FAILURES = [
    "redis.call('set', 'k', 1) redis.call('get', 'k') return redis.pcall('get')",
    "return redis.call('lpush', 'k', 1)",
    "return redis.pcall('lpush', 'k', 1)",
    "return redis.error_reply('MYERR x')",
    "return {err = 'OTHER x'}",
    "error('x')",
    "error({err = 'THIRD x'})",
    "return redis.call('nosuch')",
    "return redis.pcall('eval')",
    "local t = redis.pcall('lpush', 'k', 1) return {1, t}",
    "return {{err = 'NESTED a'}}",
    "return redis.pcall('multi')",
    "x =",
    "local ok, e = pcall(redis.call, 'lpush', 'k', 1) return e",
]


def test_statistics(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    both.same("CONFIG", "RESETSTAT")
    for script in FAILURES:
        both.same("EVAL", script, 0)
    both.same("EVALSHA", "x", 0)
    both.same("INFO", "errorstats")
    stats = [re.sub(rb"usec=\d+,usec_per_call=[\d.]+", b"", reply) for reply in both.call("INFO", "commandstats")]
    assert sorted(stats[0].split(b"\r\n")[2:]) == sorted(stats[1].split(b"\r\n")[2:])
    both.close()


def test_slow_log(server: ServerProcess, oracle: ServerProcess) -> None:
    both = Both(server, oracle)
    both.same("CONFIG", "SET", "slowlog-log-slower-than", 0)
    both.same("SLOWLOG", "RESET")
    both.same("EVAL", "redis.call('set', 'k', 1) redis.call('get', 'k') return redis.pcall('get')", 0)
    both.same("CONFIG", "SET", "slowlog-log-slower-than", -1)  # which itself might take long
    logs = [re.sub(rb":\d+", b"", reply) for reply in both.call("SLOWLOG", "GET")]
    assert logs[0] == logs[1]
    both.same("CONFIG", "SET", "slowlog-log-slower-than", 10000)
    both.same("SLOWLOG", "RESET")
    both.close()


def test_memory(server: ServerProcess, oracle: ServerProcess) -> None:
    """What a script may do while there is no memory."""
    both = Both(server, oracle)
    both.same("SET", "k", 1)
    both.same("CONFIG", "SET", "maxmemory", 1)
    for script in (
        "return redis.call('set', 'k', 1)",
        "return redis.pcall('set', 'k', 1)",
        "return redis.call('get', 'k')",
        "redis.call('del', 'k') return redis.call('set', 'k', 1)",
        "#!lua\nreturn redis.call('get', 'k')",
        "#!lua flags=allow-oom\nreturn redis.call('set', 'k', 1)",
        "#!lua flags=no-writes\nreturn redis.call('get', 'k')",
    ):
        both.same("EVAL", script, 0)
    both.same("CONFIG", "SET", "maxmemory", 0)
    both.close()


def test_watch_and_waiting(server: ServerProcess) -> None:
    """A script's changes fail the transactions of those who watch, and serve those who wait, after it has ended."""
    watcher, waiter, client = [RawClient(server.connect()) for _ in range(3)]
    watcher.call("WATCH", "w")
    served: list[bytes] = []
    thread = threading.Thread(target=lambda: served.append(waiter.call("BLPOP", "q", "0")))
    thread.start()
    while b"blocked_clients:1" not in client.call("INFO", "clients"):
        pass
    script = "redis.call('set', 'w', 1) redis.call('rpush', 'q', 'a', 'b') return redis.call('llen', 'q')"
    assert client.call("EVAL", script, 0) == b":2\r\n"
    thread.join(PATIENCE)
    assert served == [b"*2\r\n$1\r\nq\r\n$1\r\na\r\n"]
    watcher.call("MULTI")
    watcher.call("PING")
    assert watcher.call("EXEC") == b"*-1\r\n"
    for one in (watcher, waiter, client):
        one.close()


def test_many_scripts(newest: ServerProcess) -> None:
    """Scripts of EVAL are forgotten when there are more than 500, those of SCRIPT LOAD are not."""
    client = RawClient(newest.connect())
    client.call("SCRIPT", "FLUSH")
    kept = client.call("SCRIPT", "LOAD", "return 'kept'").split()[1]
    first = b"47b8e37ca9d1c52d4c1cc0a6b8bb7c7b5a3d2f10"
    for at in range(1200):
        assert client.call("EVAL", f"return {at}", 0) == b":%d\r\n" % at
    assert client.call("SCRIPT", "EXISTS", kept, first) == b"*2\r\n:1\r\n:0\r\n"
    assert client.call("EVALSHA", kept, 0) == b"$4\r\nkept\r\n"
    memory = client.call("INFO", "memory", "stats")
    assert b"number_of_cached_scripts:501\r\n" in memory
    assert int(re.search(rb"evicted_scripts:(\d+)", memory)[1]) >= 700  # type: ignore[index]
    client.close()


def test_loading_evicts_nothing(newest: ServerProcess) -> None:
    """SCRIPT LOAD takes no place of those of EVAL."""
    client = RawClient(newest.connect())
    client.call("SCRIPT", "FLUSH")
    for at in range(500):
        client.call("EVAL", f"return {at}", 0)
    before = re.search(rb"evicted_scripts:\d+", client.call("INFO", "stats"))[0]  # type: ignore[index]
    assert client.call("SCRIPT", "LOAD", "return 'loaded'").startswith(b"$40\r\n")
    assert before in client.call("INFO", "stats")
    assert client.call("EVAL", "return 'one more'", 0) == b"$8\r\none more\r\n"
    assert before not in client.call("INFO", "stats")
    client.close()


def test_scripts_need_no_questions(tmp_path: Path) -> None:
    """They are among the commands that run unasked; what else is not for scripts is not."""

    async def look() -> None:
        async with inprocess.running(tmp_path) as (app, _):
            fast = app.server.fast
            assert {b"EVAL", b"eval", b"EVALSHA", b"EVALSHA_RO", b"EVAL_RO", b"FCALL", b"fcall_ro"} <= fast.keys()
            assert not {b"MULTI", b"EXEC", b"SUBSCRIBE", b"MONITOR", b"FUNCTION", b"SCRIPT", b"WATCH"} & fast.keys()

    asyncio.run(look())
