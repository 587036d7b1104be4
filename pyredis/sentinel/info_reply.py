"""What a sentinel reads in an instance's INFO."""

from __future__ import annotations

import re
from typing import Final

from pyredis.sentinel.numbers import leading_int

_OLD_REPLICA: Final = re.compile(r"([^,]*),(\d+)")


class InfoReply:
    """The fields that count; those that the text does not have keep the values given here."""

    __slots__ = (
        "link_down_time",
        "link_up",
        "master_host",
        "master_port",
        "priority",
        "repl_offset",
        "replica_announced",
        "replicas",
        "role",
        "runid",
    )

    def __init__(self, text: str) -> None:
        self.runid = ""
        self.role = ""
        """``master`` or ``slave``; empty if the text does not say."""
        self.replicas: list[tuple[str, int]] = []
        self.link_down_time = 0
        """Milliseconds."""
        self.master_host: str | None = None
        self.master_port: int | None = None
        self.link_up: bool | None = None
        self.priority: int | None = None
        self.repl_offset: int | None = None
        self.replica_announced: bool | None = None
        for line in text.split("\r\n"):
            self._line(line)

    def _line(self, line: str) -> None:
        name, _, value = line.partition(":")
        if name == "run_id" and len(value) >= 40:
            self.runid = value[:40]
        elif name == "role" and value in ("master", "slave"):
            self.role = value
        elif name == "master_link_down_since_seconds":
            self.link_down_time = leading_int(value) * 1000
        elif name.startswith("slave") and name[5:6].isdigit():
            self._replica(value)
        elif self.role == "slave":
            self._as_replica(name, value)

    def _replica(self, value: str) -> None:
        """``ip=…,port=…,…``, or as Redis wrote it before 2.8: ``ip,port,…``."""
        if "ip=" in value:
            fields = dict(part.partition("=")[::2] for part in value.split(","))
            host, port = fields.get("ip", ""), fields.get("port", "")
        else:
            old = _OLD_REPLICA.match(value)
            host, port = (old[1], old[2]) if old else ("", "")
        if host and port:
            self.replicas.append((host, leading_int(port)))

    def _as_replica(self, name: str, value: str) -> None:
        """Fields that only a replica has."""
        if name == "master_host":
            self.master_host = value
        elif name == "master_port":
            self.master_port = leading_int(value)
        elif name == "master_link_status":
            self.link_up = value.lower() == "up"
        elif name == "slave_priority":
            self.priority = leading_int(value)
        elif name == "slave_repl_offset":
            self.repl_offset = leading_int(value)
        elif name == "replica_announced":
            self.replica_announced = leading_int(value) != 0
