"""A reading as families of samples for Prometheus, under redis_exporter's names and labels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
    UnknownMetricFamily,
)

from pyredis.metrics.names import COUNTERS, COUNTERS_BY_ANOTHER_NAME, GAUGES
from pyredis.metrics.reading import Reading, label

_WORDS: Final = {"ok": 1.0, "true": 1.0, "up": 1.0, "err": 0.0, "fail": 0.0, "false": 0.0, "down": 0.0}
_INSTANCE: Final = (
    *("role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id"),
    *("process_id", "master_replid"),
)
_REPLICA: Final = ("slave_ip", "slave_port", "slave_state")
_MASTER: Final = ("master_host", "master_port")


def number(value: object) -> float | None:
    """A field's value; words of state are 1 or 0; None for anything else."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value))
    except ValueError:
        return _WORDS.get(str(value))


def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    """A family of redis_exporter's."""
    return GaugeMetricFamily(f"redis_{name}", text, labels=labels)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(f"redis_{name}", text, labels=labels)


def single(name: str, value: float, text: str) -> GaugeMetricFamily:
    """A family of one sample."""
    family = gauge(name, text)
    family.add_metric([], value)
    return family


def common_families(reading: Reading) -> Iterator[Metric]:
    """What databases and sentinels have to tell."""
    yield single("up", 1, "Whether the server answers")
    yield from _plain(reading)
    yield from _commands(reading)
    yield from _durations(reading)
    yield from _errors(reading)
    yield from _instance(reading)


def families(reading: Reading) -> Iterator[Metric]:
    """Everything that one reading of a database says."""
    yield from common_families(reading)
    yield single("config_maxclients", reading.maxclients, "The directive maxclients")
    yield single("config_maxmemory", reading.maxmemory, "The directive maxmemory, in bytes")
    yield single("config_io_threads", reading.io_threads, "The directive io-threads")
    yield from _databases(reading)
    yield from _replication(reading)
    yield from _spikes(reading)
    yield from _slowlog(reading)


def _plain(reading: Reading) -> Iterator[Metric]:
    """Fields that are one number."""
    for field, found in reading.info:
        value = number(found)
        if value is None:
            continue
        if field in GAUGES:
            yield single(GAUGES[field], value, f"{field} of INFO")
        elif field in COUNTERS:
            counter = _counter(COUNTERS[field], f"{field} of INFO")
            counter.add_metric([], value)
            yield counter
        elif field in COUNTERS_BY_ANOTHER_NAME:
            unknown = UnknownMetricFamily(f"redis_{field}", f"{field} of INFO")
            unknown.add_metric([], value)
            yield unknown
        if field == "latest_fork_usec":
            yield single("latest_fork_seconds", value / 1e6, "How long the latest fork took")
        elif field == "uptime_in_seconds":
            yield single("start_time_seconds", int(time.time() - value), "Unix time of the server's start")


def _databases(reading: Reading) -> Iterator[Metric]:
    """All databases, the empty ones too, so that no series ends with the last key."""
    keys = gauge("db_keys", "Keys of each database", ("db",))
    expiring = gauge("db_keys_expiring", "Keys with a deadline of each database", ("db",))
    ttl = gauge("db_avg_ttl_seconds", "Mean time to live of each database", ("db",))
    partly = gauge("db_keys_with_expiring_items", "Hashes with fields that have deadlines", ("db",))
    for n, fields in enumerate(reading.databases):
        keys.add_metric([f"db{n}"], fields.get("keys", 0))
        expiring.add_metric([f"db{n}"], fields.get("expires", 0))
        if fields:
            ttl.add_metric([f"db{n}"], fields["avg_ttl"] / 1000)
        if "subexpiry" in fields:
            partly.add_metric([f"db{n}"], fields["subexpiry"])
    yield keys
    yield expiring
    yield ttl
    yield partly


def _commands(reading: Reading) -> Iterator[Metric]:
    calls = _counter("commands_total", "Calls of each command", ("cmd",))
    seconds = _counter("commands_duration_seconds_total", "Time spent in each command", ("cmd",))
    rejected = _counter("commands_rejected_calls_total", "Calls refused before they ran", ("cmd",))
    failed = _counter("commands_failed_calls_total", "Calls that ended in an error", ("cmd",))
    for use in reading.uses:
        calls.add_metric([use.name], use.calls)
        seconds.add_metric([use.name], use.seconds)
        rejected.add_metric([use.name], use.rejected)
        failed.add_metric([use.name], use.failed)
    yield calls
    yield seconds
    yield rejected
    yield failed


def _durations(reading: Reading) -> Iterator[Metric]:
    """Percentiles and histograms of what commands took."""
    name = "redis_latency_percentiles_usec"
    summary = SummaryMetricFamily(name, "Percentiles of the duration in microseconds", labels=["cmd"])
    histogram = HistogramMetricFamily(
        "redis_commands_latencies_usec", "Calls of each command by their duration in microseconds", labels=["cmd"]
    )
    for use in reading.uses:
        if use.percentiles:
            summary.add_metric([use.name], use.calls, use.seconds * 1e6)
            for percent, usec in use.percentiles:
                summary.add_sample(name, {"cmd": use.name, "quantile": f"{percent:g}"}, usec)
        if use.durations:
            buckets = [(str(float(most)), float(calls)) for most, calls in use.durations]
            total = float(use.durations[-1][1])
            histogram.add_metric([use.name], [*buckets, ("+Inf", total)], use.seconds * 1e6)
    yield summary
    yield histogram


def _errors(reading: Reading) -> Iterator[Metric]:
    errors = _counter("errors_total", "Errors by their code", ("err",))
    for code, count in reading.errors.items():
        errors.add_metric([code], count)
    yield errors


def _replication(reading: Reading) -> Iterator[Metric]:
    offset = gauge("connected_slave_offset_bytes", "How far each replica is", _REPLICA)
    lag = gauge("connected_slave_lag_seconds", "Seconds since each replica acknowledged anything", _REPLICA)
    seen = set()
    for replica in reading.replicas:
        labels = (label(str(replica["ip"])), str(replica["port"]), str(replica["state"]))
        if labels not in seen:  # several may announce the same address
            seen.add(labels)
            offset.add_metric(labels, number(replica["offset"]) or 0.0)
            lag.add_metric(labels, number(replica["lag"]) or 0.0)
    yield offset
    yield lag
    if reading.master is None:
        return
    fields = dict(reading.info)
    where = (label(reading.master[0]), str(reading.master[1]))
    for field, name, text in (
        ("master_link_status", "master_link_up", "Whether the link to the master is up"),
        ("master_last_io_seconds_ago", "master_last_io_seconds_ago", "Seconds since the master sent anything"),
        ("master_sync_in_progress", "master_sync_in_progress", "Whether the master sends its data"),
        ("slave_repl_offset", "slave_repl_offset", "How far this replica is"),
    ):
        family = gauge(name, text, _MASTER)
        family.add_metric(where, number(fields.get(field, 0)) or 0.0)
        yield family
    info = gauge("slave_info", "Whose replica this is", (*_MASTER, "read_only"))
    info.add_metric([*where, str(fields.get("slave_read_only", ""))], 1)
    yield info


def _instance(reading: Reading) -> Iterator[Metric]:
    fields = dict(reading.info)
    family = gauge("instance_info", "What this instance is", _INSTANCE)
    family.add_metric([label(str(fields.get(name, ""))) for name in _INSTANCE], 1)
    yield family


def _spikes(reading: Reading) -> Iterator[Metric]:
    last = gauge("latency_spike_last", "Unix time of the latest spike", ("event_name",))
    duration = gauge("latency_spike_duration_seconds", "Duration of the latest spike", ("event_name",))
    for event, when, ms in reading.spikes:
        last.add_metric([event], when)
        duration.add_metric([event], ms / 1000)
    yield last
    yield duration


def _slowlog(reading: Reading) -> Iterator[Metric]:
    yield single("slowlog_length", reading.slowlog_length, "Entries of the slow log")
    yield single("slowlog_last_id", reading.slowlog_last_id, "Number of the latest entry of the slow log")
    seconds = reading.slowlog_last_usec / 1e6
    yield single("last_slow_execution_duration_seconds", seconds, "Duration of the latest slow command")
