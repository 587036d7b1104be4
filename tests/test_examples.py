"""The examples run against the server and check their own results."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ServerProcess

EXAMPLES = sorted(p for p in (Path(__file__).parent.parent / "examples").glob("*.py") if p.name != "common.py")


@pytest.mark.parametrize("path", EXAMPLES, ids=[p.stem for p in EXAMPLES])
def test_example(server: ServerProcess, path: Path) -> None:
    done = subprocess.run([sys.executable, str(path), "--url", server.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()


def test_all_six_are_there() -> None:
    assert len(EXAMPLES) == 6
