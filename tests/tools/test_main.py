"""``pyredis`` and its subcommands as processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pexpect
import pytest

from pyredis.cli.main import COMMANDS

PYREDIS = [sys.executable, "-m", "pyredis.cli"]


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PYREDIS, *args], capture_output=True, text=True, timeout=60)


def test_the_group() -> None:
    done = run("--help")
    assert done.returncode == 0
    for name in COMMANDS:
        assert f"  {name} " in done.stdout
    assert run("nonsense").returncode == 2
    assert run("--version").stdout.startswith("pyredis, version ")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_help(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"Usage: pyredis {name} "), done.stderr


def test_server() -> None:
    """The arguments are those of ``python -m pyredis``."""
    direct = subprocess.run([sys.executable, "-m", "pyredis", "-v"], capture_output=True, text=True, timeout=60)
    assert run("server", "-v").stdout == direct.stdout != ""
    assert "No such directive" in run("server", "--nonsense", "1").stderr or run("server", "--nonsense", "1").returncode


def test_progress_on_a_terminal_only(tmp_path: Path) -> None:
    path = tmp_path / "x.aof"
    path.write_bytes(b"*2\r\n$4\r\nPING\r\n$1000\r\n%b\r\n" % bytes(1000) * 4000)
    done = run("check-aof", str(path))
    assert done.returncode == 0 and done.stderr == ""
    shown, code = pexpect.run(" ".join([*PYREDIS, "check-aof", str(path)]), withexitstatus=True, timeout=60)
    assert code == 0 and b"Checking" in shown and b"100%" in shown
