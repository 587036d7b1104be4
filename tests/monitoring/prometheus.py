"""The real Prometheus (Debian's): reads /metrics of some servers and answers queries."""

from __future__ import annotations

import json
import shutil
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.program import running
from tests.support.servers import free_port
from tests.test_metrics import get

PROMETHEUS = "/usr/bin/prometheus"
PROMTOOL = "/usr/bin/promtool"
needs_prometheus = pytest.mark.skipif(shutil.which(PROMETHEUS) is None, reason="prometheus is missing")


@dataclass
class Prometheus:
    port: int

    def api(self, path: str, **arguments: str) -> Any:
        """What the HTTP API answers under ``data``."""
        status, body = get(self.port, f"/api/v1/{path}?{urllib.parse.urlencode(arguments)}")
        answer = json.loads(body)
        assert status == 200 and answer["status"] == "success", body
        return answer["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        found: list[dict[str, Any]] = self.api("query", query=expr)["result"]
        return found

    def readings(self) -> int:
        """How often the server that was read least often was read."""
        counts = [float(one["value"][1]) for one in self.query("count_over_time(up[10m])")]
        return int(min(counts, default=0))


@contextmanager
def prometheus(directory: Path, targets: dict[int, dict[str, str]]) -> Iterator[Prometheus]:
    """Runs it. ``targets``: port of /metrics → labels. It reads them every second."""
    port = free_port()
    static = [{"targets": [f"127.0.0.1:{at}"], "labels": labels} for at, labels in targets.items()]
    job = {"job_name": "redis", "scrape_interval": "1s", "scrape_timeout": "1s", "static_configs": static}
    (directory / "prometheus.yml").write_text(json.dumps({"scrape_configs": [job]}))
    argv = [
        PROMETHEUS,
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(argv, directory / "prometheus.log", port, "/-/ready"):
        yield Prometheus(port)
