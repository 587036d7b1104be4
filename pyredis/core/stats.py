"""Counters of INFO's Stats and Errorstats, and the rates sampled by the cron."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyredis.core.server import Server

_MAX_ERRORS = 128


class Rate:
    """A rate per second, as the mean of the last 16 samples (100 ms apart with hz 10)."""

    __slots__ = ("last_count", "last_time", "samples")

    def __init__(self) -> None:
        self.samples: deque[float] = deque([0.0] * 16, maxlen=16)
        self.last_count = 0
        self.last_time = monotonic()

    def sample(self, count: int) -> None:
        """Take the counter's present value."""
        now = monotonic()
        if now - self.last_time >= 0.1:
            self.samples.append((count - self.last_count) / (now - self.last_time))
            self.last_count, self.last_time = count, now

    def per_second(self) -> float:
        """The mean rate."""
        return sum(self.samples) / len(self.samples)


class Stats:
    """Counters since the start or the last CONFIG RESETSTAT; bytes and counts."""

    def __init__(self) -> None:
        self.commands_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.peak_memory = 0
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT (the server resets its own counters beside)."""
        self.connections_received = 0
        self.rejected_connections = 0
        self.net_input_bytes = 0
        self.net_output_bytes = 0
        self.reads_processed = 0
        self.writes_processed = 0
        self.error_replies = 0
        self.errors: dict[bytes, int] = {}
        self.query_buffer_limit_disconnections = 0
        self.output_buffer_limit_disconnections = 0

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its first word; the number of different codes is bounded."""
        self.error_replies += 1
        code = message.split(b" ", 1)[0]
        if not code.isupper() and not code.isalnum():
            code = b"ERR"
        if code in self.errors or len(self.errors) < _MAX_ERRORS:
            self.errors[code] = self.errors.get(code, 0) + 1

    def sample(self, server: Server) -> None:
        """Once per cron."""
        self.commands_rate.sample(server.stat_numcommands)
        self.input_rate.sample(self.net_input_bytes)
        self.output_rate.sample(self.net_output_bytes)
