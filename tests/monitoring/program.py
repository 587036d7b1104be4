"""Programs of others that answer HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_until
from tests.test_metrics import get


@contextmanager
def running(argv: list[str], log: Path, port: int, path: str) -> Iterator[None]:
    """Runs it, in the directory of its log; it is ready once it answers ``path`` well."""
    with log.open("wb") as file:
        process = subprocess.Popen(argv, cwd=log.parent, stdout=file, stderr=file, stdin=subprocess.DEVNULL)

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return get(port, path)[0] == 200
        except OSError:
            return False

    try:
        wait_until(ready, log.read_text)
        yield
    finally:
        process.terminate()
        process.wait(60)
