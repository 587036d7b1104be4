"""Configuration files and command lines, whole and malformed, beside redis-server's messages and exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pyredis.commands.all  # noqa: F401  # rename-command must know them
from pyredis.cli.server import Arguments
from pyredis.core.compat import NEWEST, RELEASES
from pyredis.core.config import FileError, OpenError
from pyredis.core.options import Config
from tests.support.servers import ORACLE
from tests.support.waiting import PATIENCE

NOT_ALONE = {
    *("daemonize", "logfile", "pidfile", "syslog-enabled", "supervised", "dir", "aclfile", "oom-score-adj"),
    *("unixsocket", "port", "tls-port", "bind", "server_cpulist", "socket-mark-id", "maxclients", "databases"),
}
"""Directives that would make a redis-server do more than read its configuration and end for want of a port."""
NAMES = [
    *(name for name in Config.names if name not in NOT_ALONE and not Config.names[name].own),
    *("nope", "rename-command", "a.b", "list-max-ziplist-value", "list-max-ziplist-entries", "include"),
]
VALUES = (
    *("", "0", "1", "-1", "10", "100", "yes", "no", "local", "abc", "a b", '""', '"a b"', "'x'", '"x', "'x", '"a"b'),
    *("1mb", "1gb", "5%", "KEA", '"\\x41\\n"', "normal 0 0 0", "normal 1 2 3 4", "50 99", "101", "1 2 3", "save"),
    *("nosave now", "default", "/x/y", "PING", 'get ""', "GET FOO", "SET GET", "#", "# x", "local1", "everysec"),
    *("\t3\t", "3\r", "{title}", '"{title} {config-file}"', "no one", "a 1", "\\", "'", "é", "\x7f"),
)
LINES = st.one_of(
    st.builds(
        lambda before, name, between, value, more: before + name + between + value + more,
        st.sampled_from(["", "", "  ", "\t"]),
        st.one_of(st.sampled_from(NAMES), st.sampled_from(NAMES).map(str.upper)),
        st.sampled_from([" ", "\t ", ""]),
        st.sampled_from(VALUES),
        st.sampled_from(["", "", "", " 1", " ''", ' "']),
    ),
    st.sampled_from(["", "# comment", '""', "''", '"', "   # comment", "\x00", "hz\x0020"]),
)
WORDS = (
    *("--port", "0", "--port 0", "--hz", "10", "--hz 10", "x", "--save", "3600", "1", "3600 1", "", "--save ''", "-"),
    *("--", "--loglevel", "debug", "--nope", "--requirepass", "--a b", 'a"b', "a\\b", "'q", "é", "--bind"),
    *("127.0.0.1", "--client-output-buffer-limit", "normal", "--PORT", "--timeout=5", "--include", "/nonexistent"),
    *("-x", "--oom-score-adj-values", "--shutdown-on-sigint", "nosave", "now", "--notify-keyspace-events", "KEA"),
    *("--databases", "#", "--#", "--replicaof", "no", "one", "--list-max-ziplist-entries"),
)


def oracle_says(argv: list[str], stdin: str = "") -> tuple[str, str]:
    """What redis-server writes to standard error and output. Those that find nothing wrong end for want of a port."""
    done = subprocess.run(
        [ORACLE, *argv],
        input=stdin.encode("utf-8", "surrogateescape"),
        capture_output=True,
        timeout=PATIENCE,
        cwd=tempfile.gettempdir(),
    )
    assert done.returncode == 1
    stderr, stdout = (out.decode("utf-8", "surrogateescape") for out in (done.stderr, done.stdout))
    return stderr.replace("(Redis 7.0.15)", f"(Redis {RELEASES[NEWEST]})"), stdout


def we_say(argv: list[str], stdin: str = "") -> str:
    arguments = Arguments(argv)
    try:
        Config().load(arguments.path, stdin if arguments.stdin else "", arguments.options)
    except FileError as e:
        return e.report()
    except OpenError as e:
        return str(e)
    return ""


def compare(argv: list[str], stdin: str = "") -> None:
    theirs, log = oracle_says(argv, stdin)
    ours = we_say(argv, stdin)
    if "pyredis" in ours:  # refused because it is not there yet; Redis either takes it or complains of a later line
        return
    if "can't open config file" in ours:
        assert ours in log
    else:
        assert ours == theirs


@settings(max_examples=250, deadline=None)
@given(lines=st.lists(LINES, min_size=1, max_size=3), end=st.sampled_from(["", "\n"]))
def test_files(lines: list[str], end: str) -> None:
    with tempfile.NamedTemporaryFile("wb", suffix=".conf") as file:
        file.write(("port 0\n" + "\n".join(lines) + end).encode())
        file.flush()
        compare([file.name])


@settings(max_examples=250, deadline=None)
@given(
    words=st.lists(st.sampled_from(WORDS), max_size=6),
    stdin=st.sampled_from(["", "hz 20\n", "nope\nhz 1", "timeout 5\n\n# x\n"]),
    listening=st.booleans(),
)
def test_command_lines(words: list[str], stdin: str, listening: bool) -> None:
    # Unknown at the end, twice as the first may be taken for a value: so every redis-server ends.
    end = ("--zzz 1", "--zzz 1")
    compare(["--port", "0", *words, *end] if listening else ["--hz", "10", *words, *end], stdin)
    compare(["-", *words, *end], stdin)


@pytest.mark.parametrize("value", ["/nonexistent/x.log", "."])
def test_log_file_that_cannot_be_opened(value: str) -> None:
    assert we_say(["--logfile", value]) == oracle_says(["--port", "0", "--logfile", value])[0] != ""


def test_directory() -> None:
    compare(["--port", "0", "--dir", "/nonexistent"])
    compare(["--port", "0", "--dir", ""])


def test_includes(tmp_path: Path) -> None:
    (tmp_path / "one.inc").write_text("hz 20\n")
    (tmp_path / "two.inc").write_text("hz 30\ntimeout abc\n")
    main = tmp_path / "main.conf"
    main.write_text(f"port 0\ninclude {tmp_path}/one.inc\n")
    config = Config()
    config.load(str(main))
    assert config.hz == 20
    main.write_text(f"port 0\ninclude {tmp_path}/*.inc\n")
    compare([str(main)])
    main.write_text(f"port 0\ninclude {tmp_path}/*.nothing\nhz abc\n")
    compare([str(main)])
    main.write_text(f"include {main}\n")
    assert "include one another" in we_say([str(main)])
    assert we_say([str(tmp_path)]).endswith(": Is a directory")  # redis-server takes it for an empty file
    compare([str(tmp_path / "missing.conf")])


def run_ours(*argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pyredis", *argv], input=stdin, capture_output=True, timeout=PATIENCE, text=True
    )


def test_exit_codes_of_the_process(tmp_path: Path) -> None:
    file = tmp_path / "bad.conf"
    file.write_text("# fine\nhz\n")
    done = run_ours(str(file))
    assert (done.returncode, done.stderr, done.stdout) == (1, oracle_says([str(file)])[0], "")
    done = run_ours("-", "--hz", "x", stdin="timeout 5\n")
    assert (done.returncode, done.stderr) == (1, oracle_says(["-", "--hz", "x"], "timeout 5\n")[0])
    done = run_ours(str(tmp_path / "missing"))
    assert done.returncode == 1
    assert done.stdout.endswith(f"can't open config file '{tmp_path}/missing': No such file or directory\n")
    done = run_ours("--port", "0")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith(" # Configured to not listen anywhere, exiting.\n")


def test_what_is_not_there_yet_is_refused_clearly() -> None:
    for words, what in (
        (["--cluster-enabled", "yes"], "cluster mode"),
        (["--tls-session-caching", "no"], "Python's ssl module"),
        (["--loadmodule", "x.so"], "modules of Redis cannot be run"),
    ):
        said = we_say(words)
        assert what in said and re.match(r"\n\*\*\* FATAL CONFIG FILE ERROR \(Redis [0-9.]+\) \*\*\*\nReading", said), (
            words
        )


def test_help_version_and_the_refused_tools() -> None:
    said = run_ours("--help")
    assert said.returncode == 0
    for name, one in Config.directives.items():
        assert one.hidden or re.search(rf"^  --{name}\s", said.stdout, re.MULTILINE), name
    assert run_ours("-h").stdout == said.stdout
    version = run_ours("-v")
    assert version.returncode == 0 and re.match("Redis server v=[0-9.]+ sha=00000000:0 malloc=", version.stdout)
    assert run_ours("--version").stdout == version.stdout
    for tool in ("--test-memory", "--check-system"):
        done = run_ours(tool, "10")
        assert (done.returncode, done.stdout) == (1, "") and f"{tool} is not available" in done.stderr
