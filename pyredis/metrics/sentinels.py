"""What a sentinel tells: the masters that it watches, and whether a failover could be agreed on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client.metrics_core import Metric

from pyredis.metrics.families import gauge
from pyredis.metrics.reading import label
from pyredis.sentinel.election import check_quorum
from pyredis.sentinel.instance import ODOWN, SDOWN, Instance, Master
from pyredis.sentinel.state import Sentinel

_MASTER: Final = ("master_name", "master_address")


def _well(instances: dict[str, Instance]) -> int:
    return sum(not one.flags & (SDOWN | ODOWN) for one in instances.values())


def _state(master: Master) -> str:
    return "odown" if master.flags & ODOWN else "sdown" if master.flags & SDOWN else "ok"


def sentinel_families(sentinel: Sentinel) -> Iterator[Metric]:
    """Under redis_exporter's names."""
    status = gauge("sentinel_master_status", "1 if the master is well", (*_MASTER, "master_status"))
    quorum = gauge("sentinel_master_ckquorum_status", "1 if a failover could be agreed on", ("master_name", "message"))
    for master in sentinel.masters.values():
        name, state = label(master.name), _state(master)
        status.add_metric([name, _address(sentinel, master), state], float(state == "ok"))
        possible, message = check_quorum(master)
        quorum.add_metric([name, message], float(possible))
    yield status
    yield quorum
    for field, text in _NUMBERS:
        family = gauge(f"sentinel_{field}", text, _MASTER)
        for master in sentinel.masters.values():
            family.add_metric([label(master.name), _address(sentinel, master)], _numbers(sentinel, master)[field])
        yield family


def _address(sentinel: Sentinel, master: Master) -> str:
    return label(f"{sentinel.shown(master.addr)}:{master.addr.port}")


_NUMBERS: Final = (
    ("master_slaves", "Replicas of each master"),
    ("master_ok_slaves", "Replicas of each master that are not down"),
    ("master_sentinels", "Sentinels of each master, this one too"),
    ("master_ok_sentinels", "Sentinels of each master that are not down, this one too"),
    ("master_setting_ckquorum", "How many sentinels must agree that the master is down"),
    ("master_setting_failover_timeout", "Milliseconds that a failover may take"),
    ("master_setting_parallel_syncs", "How many replicas turn to a new master at a time"),
    ("master_setting_down_after_milliseconds", "Milliseconds of silence after which the master counts as down"),
    ("master_config_epoch", "The failover that made this one the master"),
    ("master_last_ok_ping_reply_seconds", "Seconds since the master answered a PING"),
)


def _numbers(sentinel: Sentinel, master: Master) -> dict[str, float]:
    return {
        "master_slaves": len(master.replicas),
        "master_ok_slaves": _well(dict(master.replicas)),
        "master_sentinels": len(master.sentinels) + 1,
        "master_ok_sentinels": _well(dict(master.sentinels)) + 1,
        "master_setting_ckquorum": master.quorum,
        "master_setting_failover_timeout": master.failover_timeout,
        "master_setting_parallel_syncs": master.parallel_syncs,
        "master_setting_down_after_milliseconds": master.down_after_period,
        "master_config_epoch": master.config_epoch,
        "master_last_ok_ping_reply_seconds": (sentinel.now() - master.link.last_avail_time) / 1000,
    }
