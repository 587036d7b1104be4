"""The figures behind the charts: one sample a second while the console is on, the last quarter of an hour kept."""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.memory import MemoryReport
from pyredis.lib.histogram import Histogram, fold, percentiles

if TYPE_CHECKING:
    from pyredis.core.server import Server

KEPT: Final = 900
PERIOD: Final = 1.0
"""Seconds between two samples."""
_PERCENTILES: Final = (50.0, 99.0, 99.9)

Sample = dict[str, Any]


class Sampler:
    """Takes samples. ``t`` is in Unix milliseconds, ``p50`` … in microseconds; rates are per second."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.samples: deque[Sample] = deque(maxlen=KEPT)
        self._loop = loop
        self._before: dict[str, int] = self._counters()
        self._durations: dict[bytes, Histogram] = {}
        self._latencies()
        self._at = monotonic()
        self._timer = loop.call_later(PERIOD, self._look)

    def close(self) -> None:
        """Take no more."""
        self._timer.cancel()

    def since(self, t: int) -> list[Sample]:
        """The samples later than a time."""
        return [sample for sample in self.samples if sample["t"] > t]

    def _counters(self) -> dict[str, int]:
        s = self.server
        return {
            "ops": s.stat_numcommands,
            "hits": s.stat_keyspace_hits,
            "misses": s.stat_keyspace_misses,
            "in": s.stats.net_input_bytes,
            "out": s.stats.net_output_bytes,
            "expired": s.stat_expired_keys,
            "evicted": s.eviction.evicted_keys,
            "errors": s.stats.error_replies,
        }

    def _look(self) -> None:
        self._timer = self._loop.call_later(PERIOD, self._look)
        server = self.server
        server.update_time()
        now, counters = monotonic(), self._counters()
        seconds = max(now - self._at, 0.001)
        sample: Sample = {
            name: round(max(count - self._before[name], 0) / seconds, 2) for name, count in counters.items()
        }
        self._at, self._before = now, counters
        memory = MemoryReport(server)
        sample.update(
            t=server.mstime,
            memory=memory.used,
            rss=memory.resident,
            clients=len(server.clients) - server.replication.connected_replicas(),
            blocked=len(server.blocked_clients),
            keys=sum(map(len, server.dbs)),
        )
        for name, value in zip(("p50", "p99", "p999"), self._latencies(), strict=True):
            sample[name] = value
        sample["lag"], sample["behind"] = self._lag()
        self.samples.append(sample)

    def _latencies(self) -> list[float | None]:
        """Percentiles of the calls since the last look, in microseconds; None without calls."""
        fresh: Histogram = {}
        for cmd in self.server.counted:
            recorded = cmd.recorded
            before = self._durations.get(cmd.fullname)
            if not recorded or recorded == before:
                continue
            if before is not None and len(recorded) < len(before):
                fold(before)  # the server has joined classes meanwhile, or forgotten all
            for unit, count in recorded.items():
                added = count - (before.get(unit, 0) if before is not None else 0)
                if added > 0:
                    fresh[unit] = fresh.get(unit, 0) + added
            self._durations[cmd.fullname] = dict(recorded)
        if not fresh:
            return [None] * len(_PERCENTILES)
        return [round(value, 1) for value in percentiles(fresh, list(_PERCENTILES))]

    def _lag(self) -> tuple[float | None, int | None]:
        """Seconds and bytes by which the furthest replica is behind, or this one; None where there is none."""
        replication = self.server.replication
        if replication.master is not None:
            idle = dict(replication.info()).get("master_last_io_seconds_ago")
            return (float(idle), None) if isinstance(idle, int) and idle >= 0 else (None, None)
        replicas: list[dict[str, Any]] = [dict(fields) for fields in replication.describe_replicas()]
        if not replicas:
            return None, None
        furthest = min(replica["offset"] for replica in replicas)
        return float(max(replica["lag"] for replica in replicas)), max(replication.offset - furthest, 0)
