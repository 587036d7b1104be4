"""``pyredis top``: true figures of our server and of redis-server, printed once or in a terminal."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
import redis

from pyredis.cli.client.options import Options
from pyredis.cli.client.session import Session
from pyredis.cli.top.figures import Reader
from tests.support.background import repeated
from tests.support.servers import ServerProcess, start_ours

TOP = [sys.executable, "-m", "pyredis.cli", "top"]


def client_of(server: ServerProcess) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def reader(server: ServerProcess) -> Reader:
    options = Options()
    options.target.port = server.port
    return Reader(Session(options, "raw"), "here")


@contextmanager
def busy(server: ServerProcess) -> Iterator[None]:
    """Somebody who works all the time."""
    with client_of(server) as client, repeated(lambda: client.incr("worked")):
        yield


@contextmanager
def terminal(server: ServerProcess, interval: str, rows: int, columns: int) -> Iterator[pexpect.spawn]:
    """It runs in a terminal; when the block ends it ends."""
    argv = [*TOP[1:], "-p", str(server.port), "-i", interval]
    child = pexpect.spawn(TOP[0], argv, dimensions=(rows, columns), timeout=60)
    try:
        yield child
        child.expect(pexpect.EOF)
    finally:
        child.close()


@pytest.mark.parametrize("which", ["server", "oracle"])
def test_figures(which: str, request: pytest.FixtureRequest) -> None:
    """What happened between two looks, at ours and at redis-server."""
    server: ServerProcess = request.getfixturevalue(which)
    with client_of(server) as client:
        client.mset({"a": 1, "b": 2})
        looking = reader(server)
        for _ in range(40):
            client.get("a")
        for _ in range(10):
            client.get("none")
        with pytest.raises(redis.ResponseError):
            client.lpush("a", "x")
        client.config_set("slowlog-log-slower-than", 0)
        client.echo("a slow one")
        client.config_set("slowlog-log-slower-than", 10000)
        client.expire("a", 100)
        figures = looking.read()
        assert figures.hits == pytest.approx(4 * figures.misses) and figures.misses > 0
        calls = {call.name: call for call in figures.calls}
        assert calls["GET"].per_second == pytest.approx(5 * figures.misses)
        assert calls["GET"].usec > 0 and 0 < calls["GET"].share <= 1 and calls["GET"].total >= 50
        assert calls["LPUSH"].per_second > 0 and figures.errors == pytest.approx(calls["LPUSH"].per_second)
        assert sum(call.share for call in figures.calls) == pytest.approx(1)
        assert figures.ops >= calls["GET"].per_second and figures.bytes_in > 0
        assert figures.databases == [("db0", 2, 1)]
        p50, p99, p999 = figures.percentiles
        assert p50 is not None and p99 is not None and p999 is not None and 0 < p50 <= p99 <= p999
        assert "ECHO a slow one" in [words for _, _, words in figures.slow] or "echo" in str(figures.slow).lower()
        client.config_resetstat()
        again = looking.read()
        assert again.ops >= 0 and all(call.per_second >= 0 for call in again.calls)


def test_once(server: ServerProcess) -> None:
    with client_of(server) as client, busy(server):
        client.set("k", "v")
        done = subprocess.run(
            [*TOP, "-p", str(server.port), "--once", "-i", "0.5"], capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr
    assert f"127.0.0.1:{server.port}" in done.stdout and "master" in done.stdout
    for title in ("Commands/s", "Latency p99", "Memory", "Hit ratio", "INCRBY", "Clients", "db0"):
        assert title in done.stdout, title
    assert "\x1b" not in done.stdout


def test_in_a_terminal(server: ServerProcess) -> None:
    with busy(server), terminal(server, "0.2", 40, 140) as child:
        child.expect("Commands/s")
        child.expect("INCRBY")
        child.expect("every 0.2 s")
        child.send("-")
        child.expect("every 0.5 s")
        child.send("p")
        child.expect("go on")
        child.send("p")
        child.expect("hold")
        child.send("q")
    assert child.exitstatus == 0
    assert b"\x1b[?1049h" in child.before or child.signalstatus is None


def test_a_small_terminal_and_an_interrupt(server: ServerProcess) -> None:
    for rows, columns in ((10, 40), (24, 80)):
        with terminal(server, "0.1", rows, columns) as child:
            child.expect("every 0.1 s|q quit")
            child.sendintr()
        assert child.exitstatus == 130
        assert b"Traceback" not in child.before


def test_passwords_and_errors(tmp_path: Path) -> None:
    server = start_ours(tmp_path, "--requirepass", "secret")
    with redis.Redis.from_url(server.url, password="secret") as client:
        client.execute_command("ACL", "SETUSER", "low", "on", ">pw", "+ping")
    where = ["-p", str(server.port), "--once", "-i", "0.1"]
    try:

        def run(*args: str) -> tuple[int, str]:
            done = subprocess.run([*TOP, *where, *args], capture_output=True, text=True, timeout=60)
            return done.returncode, done.stdout + done.stderr

        code, text = run()
        assert code == 1 and "NOAUTH" in text
        code, text = run("-a", "secret", "--no-auth-warning")
        assert code == 0 and "Warning" not in text
        code, text = run("--user", "low", "--pass", "pw")
        assert code == 1 and "NOPERM" in text and "Warning" in text
        code, text = run("nonsense")
        assert code == 1 and "nonsense" in text
        assert run("-i", "0.01")[0] == 1
        assert run("--help") == (0, run("--help")[1]) and "--once" in run("--help")[1]
    finally:
        server.stop()
    code, text = run()
    assert code == 1 and "Could not connect" in text


def test_a_server_that_goes(tmp_path: Path) -> None:
    server = start_ours(tmp_path)
    with terminal(server, "0.1", 30, 120) as child:
        child.expect("every 0.1 s")
        server.stop()
        child.expect("Error: .*|Could not connect")
    assert child.exitstatus == 1


def test_what_a_server_says_is_not_markup(server: ServerProcess) -> None:
    """A command's name and arguments are text, even if they look like rich's markup or move the cursor."""
    with client_of(server) as client:
        client.config_set("slowlog-log-slower-than", 0)
        client.set("[red]\x1b[31mkey[/red]", "[bold]v")
        client.config_set("slowlog-log-slower-than", 10000)
    done = subprocess.run(
        [*TOP, "-p", str(server.port), "--once", "-i", "0.1"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"COLUMNS": "160", "PATH": "/usr/bin", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "[red]" in done.stdout and re.search(r"\\x1b", done.stdout) and "\x1b" not in done.stdout
