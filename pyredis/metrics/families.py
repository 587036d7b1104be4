"""A reading as families of samples for Prometheus, under redis_exporter's names and labels."""

from __future__ import annotations

import re
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
from pyredis.metrics.reading import Reading

_WORDS: Final = {"ok": 1.0, "true": 1.0, "up": 1.0, "err": 0.0, "fail": 0.0, "false": 0.0, "down": 0.0}
_INSTANCE: Final = (
    *("role", "redis_version", "redis_build_id", "redis_mode", "os", "maxmemory_policy", "tcp_port", "run_id"),
    *("process_id", "master_replid"),
)
_SENTINEL: Final = ("master_name", "master_address")
_REPLICA: Final = ("slave_ip", "slave_port", "slave_state")
_MASTER: Final = ("master_host", "master_port")

Fields = dict[str, str]


def _number(text: str) -> float | None:
    """A field's value; words of state are 1 or 0; None for anything else."""
    try:
        return float(text)
    except ValueError:
        return _WORDS.get(text)


def _pairs(text: str) -> Fields:
    """``a=1,b=2`` as a dict."""
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)


def _gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"redis_{name}", text, labels=labels)


def _counter(name: str, text: str, labels: tuple[str, ...] = ()) -> CounterMetricFamily:
    return CounterMetricFamily(f"redis_{name}", text, labels=labels)


def _single(name: str, value: float, text: str) -> GaugeMetricFamily:
    family = _gauge(name, text)
    family.add_metric([], value)
    return family


def families(reading: Reading) -> Iterator[Metric]:
    """Everything that one reading says."""
    yield _single("up", 1, "Whether the server answers")
    yield from _plain(reading)
    yield from _databases(reading)
    yield from _commands(reading)
    yield from _errors(reading)
    yield from _replication(reading)
    yield from _instance(reading)
    yield from _latency(reading)
    yield from _slowlog(reading)
    yield from _sentinel(reading)


def _plain(reading: Reading) -> Iterator[Metric]:
    """Fields that are one number."""
    for _, field, text in reading.info:
        value = _number(text)
        if value is None:
            continue
        if field in GAUGES:
            yield _single(GAUGES[field], value, f"{field} of INFO")
        elif field in COUNTERS:
            counter = _counter(COUNTERS[field], f"{field} of INFO")
            counter.add_metric([], value)
            yield counter
        elif field in COUNTERS_BY_ANOTHER_NAME:
            unknown = UnknownMetricFamily(f"redis_{field}", f"{field} of INFO")
            unknown.add_metric([], value)
            yield unknown
        if field == "latest_fork_usec":
            yield _single("latest_fork_seconds", value / 1e6, "How long the latest fork took")
        elif field == "uptime_in_seconds":
            yield _single("start_time_seconds", int(time.time() - value), "Unix time of the server's start")
    yield _single("config_maxclients", reading.maxclients, "The directive maxclients")
    yield _single("config_maxmemory", reading.maxmemory, "The directive maxmemory, in bytes")


def _databases(reading: Reading) -> Iterator[Metric]:
    """All databases, the empty ones too, so that no series ends with the last key."""
    keys = _gauge("db_keys", "Keys of each database", ("db",))
    expiring = _gauge("db_keys_expiring", "Keys with a deadline of each database", ("db",))
    ttl = _gauge("db_avg_ttl_seconds", "Mean time to live of each database", ("db",))
    partly = _gauge("db_keys_with_expiring_items", "Hashes with fields that have deadlines", ("db",))
    found = {name: _pairs(text) for section, name, text in reading.info if section == "Keyspace"}
    for n in range(reading.databases):
        fields = found.get(f"db{n}", {})
        keys.add_metric([f"db{n}"], float(fields.get("keys", 0)))
        expiring.add_metric([f"db{n}"], float(fields.get("expires", 0)))
        if fields:
            ttl.add_metric([f"db{n}"], float(fields["avg_ttl"]) / 1000)
        if "subexpiry" in fields:
            partly.add_metric([f"db{n}"], float(fields["subexpiry"]))
    yield keys
    yield expiring
    yield ttl
    yield partly


def _commands(reading: Reading) -> Iterator[Metric]:
    calls = _counter("commands_total", "Calls of each command", ("cmd",))
    seconds = _counter("commands_duration_seconds_total", "Time spent in each command", ("cmd",))
    rejected = _counter("commands_rejected_calls_total", "Calls refused before they ran", ("cmd",))
    failed = _counter("commands_failed_calls_total", "Calls that ended in an error", ("cmd",))
    summary = SummaryMetricFamily(
        "redis_latency_percentiles_usec", "Percentiles of the duration in microseconds", labels=["cmd"]
    )
    counted: dict[str, tuple[float, float]] = {}
    for section, field, text in reading.info:
        fields = _pairs(text)
        if section == "Commandstats":
            cmd = field.removeprefix("cmdstat_")
            count, usec = float(fields["calls"]), float(fields["usec"])
            counted[cmd] = count, usec
            calls.add_metric([cmd], count)
            seconds.add_metric([cmd], usec / 1e6)
            rejected.add_metric([cmd], float(fields["rejected_calls"]))
            failed.add_metric([cmd], float(fields["failed_calls"]))
        elif section == "Latencystats":
            cmd = field.removeprefix("latency_percentiles_usec_")
            count, usec = counted.get(cmd, (0, 0))
            summary.add_metric([cmd], int(count), usec)
            for percent, value in fields.items():
                labels = {"cmd": cmd, "quantile": f"{float(percent[1:]) / 100:g}"}
                summary.add_sample("redis_latency_percentiles_usec", labels, float(value))
    yield calls
    yield seconds
    yield rejected
    yield failed
    yield summary


def _errors(reading: Reading) -> Iterator[Metric]:
    errors = _counter("errors_total", "Errors by their code", ("err",))
    for section, field, text in reading.info:
        if section == "Errorstats":
            errors.add_metric([field.removeprefix("errorstat_")], float(_pairs(text)["count"]))
    yield errors


def _replication(reading: Reading) -> Iterator[Metric]:
    fields = {name: value for section, name, value in reading.info if section == "Replication"}
    offset = _gauge("connected_slave_offset_bytes", "How far each replica is", _REPLICA)
    lag = _gauge("connected_slave_lag_seconds", "Seconds since each replica acknowledged anything", _REPLICA)
    for name, text in fields.items():
        if re.fullmatch(r"slave\d+", name):
            replica = _pairs(text)
            labels = [replica["ip"], replica["port"], replica["state"]]
            offset.add_metric(labels, float(replica["offset"]))
            lag.add_metric(labels, float(replica["lag"]))
    yield offset
    yield lag
    if fields.get("role") != "slave":
        return
    labels = [fields["master_host"], fields["master_port"]]
    for field, name, text in (
        ("master_link_status", "master_link_up", "Whether the link to the master is up"),
        ("master_last_io_seconds_ago", "master_last_io_seconds_ago", "Seconds since the master sent anything"),
        ("master_sync_in_progress", "master_sync_in_progress", "Whether the master sends its data"),
        ("slave_repl_offset", "slave_repl_offset", "How far this replica is"),
    ):
        family = _gauge(name, text, _MASTER)
        family.add_metric(labels, _number(fields.get(field, "0")) or 0.0)
        yield family
    info = _gauge("slave_info", "Whose replica this is", (*_MASTER, "read_only"))
    info.add_metric([*labels, fields.get("slave_read_only", "")], 1)
    yield info


def _instance(reading: Reading) -> Iterator[Metric]:
    family = _gauge("instance_info", "What this instance is", _INSTANCE)
    family.add_metric([reading.value(name) for name in _INSTANCE], 1)
    yield family


def _latency(reading: Reading) -> Iterator[Metric]:
    last = _gauge("latency_spike_last", "Unix time of the latest spike", ("event_name",))
    duration = _gauge("latency_spike_duration_seconds", "Duration of the latest spike", ("event_name",))
    for event, when, ms in reading.spikes:
        last.add_metric([event], when)
        duration.add_metric([event], ms / 1000)
    yield last
    yield duration
    usec = {
        field.removeprefix("cmdstat_"): float(_pairs(text)["usec"])
        for section, field, text in reading.info
        if section == "Commandstats"
    }
    histogram = HistogramMetricFamily(
        "redis_commands_latencies_usec", "Calls of each command by their duration in microseconds", labels=["cmd"]
    )
    for cmd, rows in reading.durations.items():
        if rows:
            buckets = [(str(float(most)), float(calls)) for most, calls in rows]
            histogram.add_metric([cmd], [*buckets, ("+Inf", float(rows[-1][1]))], usec.get(cmd, 0.0))
    yield histogram


def _slowlog(reading: Reading) -> Iterator[Metric]:
    yield _single("slowlog_length", reading.slowlog_length, "Entries of the slow log")
    yield _single("slowlog_last_id", reading.slowlog_last_id, "Number of the latest entry of the slow log")
    seconds = reading.slowlog_last_usec / 1e6
    yield _single("last_slow_execution_duration_seconds", seconds, "Duration of the latest slow command")


def _sentinel(reading: Reading) -> Iterator[Metric]:
    status = _gauge("sentinel_master_status", "1 if the master is well", (*_SENTINEL, "master_status"))
    replicas = _gauge("sentinel_master_slaves", "Replicas of each master", _SENTINEL)
    sentinels = _gauge("sentinel_master_sentinels", "Sentinels of each master, this one too", _SENTINEL)
    for section, field, text in reading.info:
        if section == "Sentinel" and re.fullmatch(r"master\d+", field):
            master = _pairs(text)
            labels = [master["name"], master["address"]]
            status.add_metric([*labels, master["status"]], float(master["status"] == "ok"))
            replicas.add_metric(labels, float(master["slaves"]))
            sentinels.add_metric(labels, float(master["sentinels"]))
    if status.samples:
        yield status
        yield replicas
        yield sentinels
