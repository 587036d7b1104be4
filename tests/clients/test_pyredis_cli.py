"""``pyredis cli`` beside redis-cli: the same commands give the same output, whatever the form asked for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_ours
from tests.support.waiting import PATIENCE

pexpect = pytest.importorskip("pexpect")

REDIS_CLI = ["/usr/bin/redis-cli"]
OURS = [sys.executable, "-m", "pyredis.cli.client.main"]
COMMANDS = rb"""
set a "\"b\n\x01\xc3\xa9\""
get a
get nosuch
rpush l 1 2 3 4 5 6 7 8 9 10 11 12
lrange l 0 -1
lrange none 0 -1
hset h f v g w
hgetall h
hgetall nosuch
sadd s a
smembers s
zadd z 1.5 a 2 b
zrange z 0 -1 withscores
zscore z a
incr a
ping
xadd st 1-1 f v
xrange st - +
xread streams st 0
xinfo stream st
xinfo stream st full
config get zset-max-listpack*
command info get set
command docs get
debug protocol map
debug protocol set
debug protocol true
debug protocol null
debug protocol double
debug protocol verbatim
debug protocol push
debug protocol string
info cluster
memory doctor
latency doctor
exists
get "unbalanced
   ping
object encoding l
multi
set x y
exec
nosuch "a b"
quit
get a
""".lstrip()


def run(
    program: list[str], args: list[str], stdin: bytes = b"", env: dict[str, str] | None = None
) -> tuple[bytes, bytes, int]:
    done = subprocess.run(
        [*program, *args], input=stdin, capture_output=True, timeout=60, env={**os.environ, **(env or {})}
    )
    return done.stdout, done.stderr, done.returncode


@pytest.mark.parametrize(
    "form", ["", "--raw", "--no-raw", "--csv", "-3", "-3 --no-raw", "-3 --csv", "--json", "-2 --json", "--quoted-json"]
)
def test_forms(oracle: ServerProcess, form: str) -> None:
    args = ["-p", str(oracle.port), *form.split()]
    client = RawClient(oracle.connect())
    said = []
    for program in (REDIS_CLI, OURS):
        client.call("FLUSHALL")
        said.append(run(program, args, COMMANDS)[0])
    ours, theirs = said[1].split(b"\n"), said[0].split(b"\n")
    assert ours == theirs


@pytest.mark.parametrize(
    "args",
    [
        "ping",
        "-e get",
        "-e ping",
        "-r 3 ping",
        "-n 3 dbsize",
        "-n 99 ping",
        "-a wrong ping",
        "-a wrong --no-auth-warning ping",
        "--user nobody --pass x --no-auth-warning ping",
        "--csv sentinel get-master-addr-by-name x",
        "-x set k",
        "-d , lrange l 0 -1",
        "-D ; -r 2 ping",
        "--scan --pattern k*",
        "get -n",
        "--nosuch",
        "-p",
        "--quoted-input set '\"q\\x41\"' v",
        "-3 hgetall h",
    ],
)
def test_options(oracle: ServerProcess, args: str) -> None:
    client = RawClient(oracle.connect())
    client.call("RPUSH", "l", "a", "b")
    client.call("SET", "kk", "v")
    client.call("HSET", "h", "f", "v")
    words = ["-p", str(oracle.port), *args.replace("'", "").split()] if args != "-p" else ["-p"]
    stdin = b"from stdin\n" if "-x" in words else b""
    theirs, ours = run(REDIS_CLI, words, stdin), run(OURS, words, stdin)
    if args in ("--nosuch", "-p"):
        assert (ours[0], ours[2]) == (b"", theirs[2]) and ours[1].startswith(theirs[1].split(b"\n")[0])
    else:
        assert ours == theirs


def test_nobody_listens() -> None:
    theirs, ours = (run(program, ["-p", "1", "ping"]) for program in (REDIS_CLI, OURS))
    assert ours == theirs


def test_password_from_the_environment(tmp_path: Path) -> None:
    server = start_ours(tmp_path, "--requirepass", "pw", "--unixsocket", "cli.sock")
    try:
        for args in (["-p", str(server.port)], ["-s", str(tmp_path / "cli.sock")]):
            assert run(OURS, [*args, "ping"]) == (b"NOAUTH Authentication required.\n\n", b"", 0)
            assert run(OURS, [*args, "ping"], env={"REDISCLI_AUTH": "pw"}) == (b"PONG\n", b"", 0)
        uri = f"redis://:pw@127.0.0.1:{server.port}/2"
        assert run(OURS, ["-u", uri, "--no-auth-warning", "client", "info"])[0].count(b" db=2 ") == 1
    finally:
        server.stop()


def test_a_connection_that_ends(oracle: ServerProcess) -> None:
    said = run(OURS, ["-p", str(oracle.port)], b"client kill type normal skipme no\nping\n")
    assert said[0].endswith(b"PONG\n") and said[2] == 0


def test_interactive(oracle: ServerProcess, tmp_path: Path) -> None:
    env = {**os.environ, "REDISCLI_HISTFILE": str(tmp_path / "history"), "TERM": "dumb"}
    child = pexpect.spawn(OURS[0], [*OURS[1:], "-p", str(oracle.port)], env=env, timeout=PATIENCE)
    prompt = f"127.0.0.1:{oracle.port}> "
    child.expect_exact(prompt)
    for line, answer in (
        ('set a "x y"', "OK"),
        ("get a", '"x y"'),
        ("incr a", "(error) ERR value is not an integer or out of range"),
        ("2 ping", "PONG\r\nPONG"),
        ('get "', "Invalid argument(s)"),
    ):
        child.sendline(line)
        child.expect_exact(answer)
        child.expect_exact(prompt)
    if importlib.util.find_spec("readline"):
        child.send("zrangebys\t")
        child.expect_exact("ZRANGEBYSCORE")
        child.sendline("")
        child.expect_exact(prompt)
    child.sendline("select 3")
    child.expect_exact(f"127.0.0.1:{oracle.port}[3]> ")
    child.sendline("multi")
    child.expect_exact("(TX)> ")
    child.sendline("discard")
    child.sendline("subscribe ch")
    child.expect_exact('1) "subscribe"')
    publisher = RawClient(oracle.connect())
    while publisher.call("PUBLISH", "ch", "hello") != b":1\r\n":
        pass
    child.expect_exact('3) "hello"')
    child.sendcontrol("c")
    child.expect_exact("[3]> ")
    child.sendline("exit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    if importlib.util.find_spec("readline"):
        assert "subscribe ch" in (tmp_path / "history").read_text()
