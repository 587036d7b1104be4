"""The pages of ``metrics-port``: /metrics, /health, /ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from pyredis import __version__
from pyredis.metrics.families import common_families, families, gauge, single
from pyredis.metrics.http import Page, Request, Response, Site
from pyredis.metrics.http_server import HttpServer
from pyredis.metrics.own import Watch, own_families
from pyredis.metrics.reading import Reading, read_server

if TYPE_CHECKING:
    from pyredis.core.server import Server

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _ServerCollector(Collector):
    """Looks at the server whenever it is asked."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.scrapes = 0
        self.seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        started = perf_counter()
        reading = read_server(self.server)
        if self.server.config.sentinel_mode:
            yield from self._sentinel(reading)
        else:
            yield from families(reading)
        yield from own_families(self.server)
        yield from self._exporter(perf_counter() - started)

    def _sentinel(self, reading: Reading) -> Iterator[Metric]:
        from pyredis.metrics.sentinels import sentinel_families
        from pyredis.sentinel.server import SentinelServer

        assert isinstance(self.server, SentinelServer)
        yield from common_families(reading)
        yield from sentinel_families(self.server.sentinel)

    def _exporter(self, took: float) -> Iterator[Metric]:
        """What redis_exporter tells of itself; this is the last reading, which took so many seconds."""
        self.scrapes += 1
        self.seconds += took
        scrapes = CounterMetricFamily("redis_exporter_scrapes_total", "How often this page was read")
        scrapes.add_metric([], self.scrapes)
        yield scrapes
        durations = SummaryMetricFamily("redis_exporter_scrape_duration_seconds", "How long gathering this took")
        durations.add_metric([], self.scrapes, self.seconds)
        yield durations
        refused = CounterMetricFamily("redis_target_scrape_request_errors_total", "Always 0: nobody else is asked")
        refused.add_metric([], 0)
        yield refused
        error = gauge("exporter_last_scrape_error", "Always 0: it is the server itself", ("err",))
        error.add_metric([""], 0)
        yield error
        build = gauge("exporter_build_info", "Who says this", ("version",))
        build.add_metric([f"pyredis-{__version__}"], 1)
        yield build
        yield single("exporter_last_scrape_duration_seconds", took, "How long gathering this took")


class Endpoint:
    """The HTTP side of one server."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.registry = CollectorRegistry()
        self.watch = Watch(loop, self.registry)
        self.registry.register(_ServerCollector(server))
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.http = HttpServer()
        pages = {"/metrics": Page(self._metrics), "/health": Page(self._health), "/ready": Page(self._ready)}
        self.http.sites.append(Site(pages, server.config.metrics_bind))

    async def start(self) -> None:
        """Listen where the configuration says. Raises OSError."""
        await self.http.start(self.server.config.metrics_port)
        self.server.log.notice(f"Metrics are served at port {self.http.port}")

    def close(self) -> None:
        """End."""
        self.watch.close()
        self.http.close()

    def _metrics(self, request: Request) -> Response:
        return Response(generate_latest(self.registry), _CONTENT_TYPE)

    def _health(self, request: Request) -> Response:
        """The process lives and its loop turns; whether it has its data is another question."""
        return Response(b"ok\n")

    def _ready(self, request: Request) -> Response:
        reason = self._why_not_ready()
        if reason:
            return Response(reason.encode() + b"\n", status=HTTPStatus.SERVICE_UNAVAILABLE)
        return Response(b"ready\n")

    def _why_not_ready(self) -> str:
        """Why clients should go elsewhere for now; empty if they need not."""
        server = self.server
        if server.loading is not None:
            return "loading the data"
        if server.disk_error() is not None:
            return "the disk cannot be written"
        if server.replication.master is not None and not server.replication.link_up:
            return "the link to the master is down"
        return ""
