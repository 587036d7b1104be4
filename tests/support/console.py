"""The web console of a server for tests: its port, and requests as its page sends them."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from tests.support.servers import ServerProcess, free_port, start_ours
from tests.support.waiting import PATIENCE

AJAX = {"Content-Type": "application/json", "X-Pyredis-Console": "1"}


def basic(user: str, password: str) -> dict[str, str]:
    """The header of HTTP Basic."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class ConsoleServer:
    """A server with its console on a free port; ``client`` is the user who may do everything."""

    def __init__(self, directory: Path, *args: str, password: str = "") -> None:
        for _ in range(5):
            self.port = free_port()
            secret = ["--requirepass", password] if password else []
            try:
                self.server: ServerProcess = start_ours(
                    directory, "--metrics-port", str(self.port), "--console-bind", "127.0.0.1", *secret, *args
                )
                break
            except RuntimeError as e:
                if "Failed listening on port" not in str(e):
                    raise
        self.url = f"http://127.0.0.1:{self.port}/"
        self.client = redis.Redis.from_url(self.server.url, password=password or None)

    def stop(self) -> None:
        """End it."""
        self.client.close()
        self.server.stop()

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: str | bytes | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower-case names), body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def post(self, value: Any, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Send what is to be run."""
        return self.ask("/console/api/run", {**AJAX, **(headers or {})}, "POST", json.dumps(value))

    def run(self, *commands: list[Any], db: int = 0, headers: Mapping[str, str] | None = None) -> list[Any]:
        """The replies of commands."""
        status, _, body = self.post({"db": db, "commands": list(commands)}, headers)
        assert status == 200, (status, body)
        replies: list[Any] = json.loads(body)["replies"]
        return replies
