"""redis-cli and redis-benchmark on our server: interactive with its hints, and each of their ways of working."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

CLI = "/usr/bin/redis-cli"
BENCHMARK = "/usr/bin/redis-benchmark"


def run(server: ServerProcess, *argv: str, program: str = CLI, stdin: bytes = b"", timeout: float = 60) -> str:
    command = [program, "-p", str(server.port), *argv]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout, check=True)
    return done.stdout.decode(errors="replace")


def populate(server: ServerProcess) -> None:
    client = RawClient(server.connect())
    for i in range(100):
        client.call("SET", f"key:{i}", "x" * i)
    client.call("RPUSH", "list", *range(300))
    client.call("SADD", "set", *range(30))
    client.call("HSET", "hash", "f", "v")
    client.call("ZADD", "zset", 1, "a", 2, "b")
    client.close()


@pytest.mark.parametrize("mode", [(), ("-3",), ("--json",), ("--csv",), ("--no-raw",), ("--quoted-json",)])
@pytest.mark.parametrize(
    "command",
    [
        ("set", "a", "1"),
        ("get", "nokey"),
        ("lrange", "list", "0", "2"),
        ("hgetall", "hash"),
        ("zrange", "zset", "0", "-1", "withscores"),
        ("zscore", "zset", "a"),
        ("lpush", "hash", "x"),
        ("nonsense",),
        ("config", "get", "maxclients"),
        ("command", "getkeys", "get", "k"),
        ("smismember", "set", "1", "x"),
    ],
)
def test_replies_look_the_same(
    server: ServerProcess, oracle: ServerProcess, mode: tuple[str, ...], command: tuple[str, ...]
) -> None:
    populate(server)
    populate(oracle)
    assert run(server, *mode, *command) == run(oracle, *mode, *command)


def test_pipe(server: ServerProcess) -> None:
    data = b"".join(b"*3\r\n$3\r\nSET\r\n$5\r\nk%04d\r\n$1\r\nv\r\n" % i for i in range(2000))
    assert "errors: 0, replies: 2000" in run(server, "--pipe", stdin=data)
    assert run(server, "dbsize").strip() == "2000"
    command = [CLI, "-p", str(server.port), "--pipe"]
    done = subprocess.run(command, input=b"set a 1\r\nincr k0001\r\n", capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert b"errors: 1, replies: 2" in done.stdout


def test_scans_of_the_keyspace(server: ServerProcess, oracle: ServerProcess) -> None:
    populate(server)
    populate(oracle)
    for argv in (("--scan",), ("--scan", "--pattern", "key:1*")):
        assert sorted(run(server, *argv).split()) == sorted(run(oracle, *argv).split())
    for argv in (("--bigkeys",), ("--bigkeys", "-3")):
        ours, theirs = [sorted(run(one, *argv).split("summary")[1].split("\n")) for one in (server, oracle)]
        assert ours == theirs
    out = run(server, "--memkeys")
    assert "Sampled 104 keys in the keyspace!" in out
    assert re.search(r"Biggest +list found .* has [1-9]\d* bytes", out)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (("--latency",), r"min: \d+, max: \d+, avg: \d+\.\d+ \(\d+ samples\)"),
        (("--latency-history", "-i", "1"), r"\(\d+ samples\) -- 1\.\d+ seconds range"),
        (("--stat",), r"keys +mem +clients +blocked +requests +connections.*\r\n\d+ +\d+\.\d+. +\d+ +0 +\d+ \(\+\d+\)"),
        (("--latency-dist",), r"\.\d+ ?ms|---"),
    ],
)
def test_that_goes_on_until_it_is_stopped(server: ServerProcess, argv: tuple[str, ...], shown: str) -> None:
    import pexpect

    child = pexpect.spawn(CLI, ["-p", str(server.port), *argv], timeout=PATIENCE, dimensions=(24, 200))
    try:
        child.expect(shown)
    finally:
        child.close(force=True)


def test_repeated_and_from_standard_input(server: ServerProcess) -> None:
    assert run(server, "-r", "5", "incr", "n").split() == ["1", "2", "3", "4", "5"]
    assert run(server, stdin=b"set a 1\nget a\nget\n") == "OK\n1\nERR wrong number of arguments for 'get' command\n\n"
    assert run(server, "-x", "set", "b", stdin=b"from stdin") == "OK\n"
    assert run(server, "-n", "3", "dbsize") == "0\n"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
@pytest.mark.parametrize("mode", [[], ["-3"]])
def test_interactive(server: ServerProcess, mode: list[str]) -> None:
    import pexpect

    child = pexpect.spawn(CLI, ["-p", str(server.port), *mode], timeout=PATIENCE, dimensions=(24, 200))
    try:
        child.expect_exact(f":{server.port}> ")
        # The hint behind what has been typed comes from our COMMAND DOCS.
        child.send("set ")
        child.expect(r"key value.*NX\|XX.*KEEPTTL")
        child.send("mykey hello\r")
        child.expect_exact("OK")
        child.send("zadd ")
        child.expect(r"key .*score member")
        child.send("z 1.5 m\r")
        child.expect_exact("(integer) 1")
        child.send("zscore z m\r")
        child.expect_exact("(double) 1.5" if mode else '"1.5"')
        child.send("help lpush\r")
        child.expect(r"LPUSH.*key element")
        child.expect(r"summary:[^\n]*\w")
        child.expect(r"since:[^\n]*1\.0\.0")
        child.send("subscribe news\r")
        child.expect_exact("3) (integer) 1")
        publisher = RawClient(server.connect())
        publisher.call("PUBLISH", "news", "good")
        publisher.close()
        child.expect_exact("good")
        child.sendcontrol("c")
        if mode:
            child.expect_exact("> ")
            child.send("multi\r")
            child.expect_exact("(TX)> ")
            child.send("discard\r")
            child.expect_exact("OK")
            child.send("select 3\r")
            child.expect_exact("[3]> ")
    finally:
        child.close(force=True)


@pytest.mark.parametrize("argv", [(), ("-P", "16"), ("--threads", "2"), ("-3",), ("-r", "1000"), ("-k", "0")])
def test_benchmark(server: ServerProcess, argv: tuple[str, ...]) -> None:
    out = run(server, "-q", "-n", "200", "-c", "10", *argv, program=BENCHMARK, timeout=120)
    assert out.count("requests per second") == 20
    assert "rror" not in out


@pytest.mark.parametrize("command", ["incr n", "hset h f v", "zadd z 1 m", "lrange l 0 9", "publish c m"])
def test_benchmark_of_a_command(server: ServerProcess, command: str) -> None:
    out = run(server, "-q", "-n", "200", "-c", "10", *command.split(), program=BENCHMARK)
    assert "requests per second" in out
    assert "rror" not in out
