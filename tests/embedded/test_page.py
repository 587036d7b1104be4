"""The examples of docs/embedding.md: programs print what their comments say, tests pass."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.embedded.test_plugin import ROOT, run_pytest

PAGE = (ROOT / "docs" / "embedding.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", [code for code in BLOCKS if "def test_" not in code])
def test_programs(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"^ *print\(.*\)  +# (.+)$", code, re.MULTILINE)


@pytest.mark.parametrize("code", [code for code in BLOCKS if "def test_" in code])
def test_tests(code: str, tmp_path: Path) -> None:
    assert f"{code.count('def test_')} passed" in run_pytest(tmp_path, code)
