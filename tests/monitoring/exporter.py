"""The real redis_exporter (Debian's) in front of a server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.monitoring.program import running
from tests.support.servers import free_port
from tests.test_metrics import Samples, get, samples

EXPORTER = "/usr/bin/prometheus-redis-exporter"
needs_exporter = pytest.mark.skipif(shutil.which(EXPORTER) is None, reason="prometheus-redis-exporter is missing")


@contextmanager
def exporter(directory: Path, url: str, *options: str) -> Iterator[int]:
    """Runs it; the port at which it answers. It has no words but those for the server."""
    port = free_port()
    argv = [EXPORTER, "-redis.addr", url, "-web.listen-address", f"127.0.0.1:{port}", "-redis-only-metrics", *options]
    with running(argv, directory / "exporter.log", port, "/health"):
        yield port


def exported(directory: Path, url: str, *options: str) -> tuple[Samples, dict[str, str]]:
    """What it makes of a server: samples, and the type of each family."""
    with exporter(directory, url, *options) as port:
        found = samples(port)
        lines = get(port, "/metrics")[1].splitlines()
    return found, dict(line.split(" ")[2:4] for line in lines if line.startswith("# TYPE "))
