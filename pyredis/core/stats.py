"""Counters of INFO's Stats and Errorstats, the rates sampled by the cron, and the peaks of memory and buffers."""

from __future__ import annotations

from collections import deque
from time import monotonic, thread_time
from typing import TYPE_CHECKING, Final

from pyredis.core.key_sizes import KeySizes
from pyredis.core.memory import client_bytes
from pyredis.lib.histogram import fold

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server

_MAX_ERRORS: Final = 128
_MAX_CODE: Final = 31
_PEAK_SECONDS: Final = 8
_FOLD_OVER: Final = 4096


class Rate:
    """A rate per second, as the mean of the last 16 samples (100 ms apart with hz 10)."""

    __slots__ = ("last_count", "last_time", "samples")

    def __init__(self) -> None:
        self.samples: deque[float] = deque([0.0] * 16, maxlen=16)
        self.last_count = 0
        self.last_time = monotonic()

    def sample(self, count: int) -> None:
        """Take the counter's present value; one that went back was reset."""
        now = monotonic()
        if now - self.last_time >= 0.1:
            self.samples.append(max(count - self.last_count, 0) / (now - self.last_time))
            self.last_count, self.last_time = count, now

    def resume(self) -> None:
        """There were no samples for a while, as nothing happened."""
        self.last_time = monotonic()

    def per_second(self) -> float:
        """The mean rate."""
        return sum(self.samples) / len(self.samples)


class ClientBuffers:
    """The largest input and output buffers of the last 8 seconds, and all clients' memory, in bytes.

    Clients are looked at a slice per cron, so that each is seen about once a second, however many there are.
    """

    __slots__ = ("_adding", "_queue", "_second", "_slice", "memory", "recent_input", "recent_output")

    def __init__(self) -> None:
        self.recent_input: deque[int] = deque([0], maxlen=_PEAK_SECONDS)
        self.recent_output: deque[int] = deque([0], maxlen=_PEAK_SECONDS)
        self.memory = 0
        """Bytes of all clients, as of the last round."""
        self._queue: list[Client] = []
        self._slice = 1
        self._adding = 0
        self._second = 0

    def sample(self, server: Server) -> None:
        """Once per cron."""
        second = server.mstime // 1000
        if second != self._second:
            self._second = second
            self.recent_input.append(0)
            self.recent_output.append(0)
        if not self._queue:
            self.memory, self._adding = self._adding, 0
            self._queue = list(server.clients.values())
            self._slice = len(self._queue) // server.config.hz + 1
        part = self._queue[-self._slice :]
        del self._queue[-self._slice :]
        for c in part:
            waiting_in, waiting_out = c.conn.input_bytes(), c.conn.output_bytes()
            if waiting_in > self.recent_input[-1]:
                self.recent_input[-1] = waiting_in
            if waiting_out > self.recent_output[-1]:
                self.recent_output[-1] = waiting_out
            self._adding += client_bytes(c) + waiting_in + waiting_out

    def resume(self) -> None:
        """There were no samples for a while, as there was no client."""
        self.recent_input.append(0)
        self.recent_output.append(0)


class Stats:
    """Counters since the start or the last CONFIG RESETSTAT; bytes and counts."""

    def __init__(self) -> None:
        self.commands_rate = Rate()
        self.input_rate = Rate()
        self.output_rate = Rate()
        self.replication_input_rate = Rate()
        self.replication_output_rate = Rate()
        self.cycles_rate = Rate()
        self.busy_rate = Rate()
        self.buffers = ClientBuffers()
        self.key_sizes = KeySizes()
        self.latest_fork_usec = 0
        self._folded = 0.0
        self.reset()

    def reset(self) -> None:
        """CONFIG RESETSTAT (the server resets its own counters beside)."""
        self.connections_received = 0
        self.rejected_connections = 0
        self.net_input_bytes = 0
        self.net_output_bytes = 0
        self.reads_processed = 0
        self.writes_processed = 0
        self.forks = 0
        self.error_replies = 0
        self.errors: dict[bytes, int] = {}
        self.denied: dict[int, int] = {}
        """How often ACL rules denied what: by the reasons of ``core/acl``."""
        self.crons = 0
        self._busy_before = -1.0
        self.query_buffer_limit_disconnections = 0
        self.output_buffer_limit_disconnections = 0

    def cycles(self) -> int:
        """How often the loop has called the server: a chunk that arrived, or the cron."""
        return self.reads_processed + self.crons

    def busy(self) -> int:
        """Microseconds that the loop's thread was at work, the kernel's part included."""
        now = thread_time()
        if self._busy_before < 0:
            self._busy_before = now
        return int((now - self._busy_before) * 1e6)

    def count_error(self, message: bytes) -> None:
        """Count an error reply under its first word, ERR if it has none; the number of different codes is bounded."""
        self.error_replies += 1
        code, space, _ = message[:_MAX_CODE].partition(b" ")
        if not space:
            code = b"ERR"
        if code in self.errors or len(self.errors) < _MAX_ERRORS:
            self.errors[code] = self.errors.get(code, 0) + 1

    def _rates(self) -> tuple[Rate, ...]:
        return (
            *(self.commands_rate, self.input_rate, self.output_rate),
            *(self.replication_input_rate, self.replication_output_rate),
        )

    def recent(self) -> bool:
        """Whether samples still tell of something that is over."""
        buffers = self.buffers
        told = any(buffers.recent_input) or any(buffers.recent_output) or buffers.memory
        return bool(told) or any(any(rate.samples) for rate in self._rates())

    def resume(self) -> None:
        """After a time without samples."""
        for rate in (*self._rates(), self.cycles_rate, self.busy_rate):
            rate.resume()
        self.busy_rate.last_count = self.busy()  # the thread may have been at work for others
        self.buffers.resume()

    def sample(self, server: Server) -> None:
        """Once per cron."""
        self.commands_rate.sample(server.stat_numcommands)
        self.input_rate.sample(self.net_input_bytes)
        self.output_rate.sample(self.net_output_bytes)
        self.replication_input_rate.sample(server.replication.input_bytes)
        self.replication_output_rate.sample(server.replication.output_bytes)
        self.crons += 1
        self.cycles_rate.sample(self.cycles())
        self.busy_rate.sample(self.busy())
        server.eviction.meter.note_peak()
        self.buffers.sample(server)
        now = monotonic()
        if now - self._folded >= 1:
            self._folded = now
            for cmd in server.counted:
                if len(cmd.recorded) > _FOLD_OVER:
                    fold(cmd.recorded)
