"""The real redis_exporter (Debian's) in front of a server."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.test_metrics import Samples, get, samples

EXPORTER = "/usr/bin/prometheus-redis-exporter"
needs_exporter = pytest.mark.skipif(shutil.which(EXPORTER) is None, reason="prometheus-redis-exporter is missing")


@contextmanager
def exporter(directory: Path, url: str, *options: str) -> Iterator[int]:
    """Runs it; the port at which it answers. It has no words but those for the server."""
    port = free_port()
    argv = [EXPORTER, "-redis.addr", url, "-web.listen-address", f"127.0.0.1:{port}", "-redis-only-metrics", *options]
    with (directory / "exporter.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                assert get(port, "/health")[0] == 200
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def exported(directory: Path, url: str, *options: str) -> tuple[Samples, dict[str, str]]:
    """What it makes of a server: samples, and the type of each family."""
    with exporter(directory, url, *options) as port:
        found = samples(port)
        lines = get(port, "/metrics")[1].splitlines()
    return found, dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))
