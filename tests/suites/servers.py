"""The servers that the suites run against, and where what they need is kept."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.servers import ServerProcess, start_oracle, start_ours

CACHE: Final = Path(sys.prefix) / "suites"


@contextlib.contextmanager
def servers(*wanted: str) -> Iterator[list[ServerProcess]]:
    """``ours`` (as the oracle's release), ``oracle`` and ``newest``, each in a directory of its own."""
    started: list[ServerProcess] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for kind in wanted:
                cwd = Path(folder) / kind
                cwd.mkdir()
                options = ("--enable-debug-command", "yes", "--enable-module-command", "yes")
                if kind == "oracle":
                    started.append(start_oracle(cwd, *options))
                else:
                    started.append(start_ours(cwd, *options, compat="7.0" if kind == "ours" else ""))
            yield started
        finally:
            for server in started:
                server.stop()
