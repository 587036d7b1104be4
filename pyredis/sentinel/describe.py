"""Instances as SENTINEL MASTERS, REPLICAS and SENTINELS describe them, and the section of INFO."""

from __future__ import annotations

from typing import Final

from pyredis.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FAILOVER_NAMES,
    FORCE_FAILOVER,
    MASTER_DOWN,
    MASTER_REBOOT,
    ODOWN,
    PROMOTED,
    RECONF_DONE,
    RECONF_INPROG,
    RECONF_SENT,
    SCRIPT_KILL_SENT,
    SDOWN,
    Instance,
    Master,
    Monitored,
    Peer,
    Replica,
)
from pyredis.sentinel.state import Sentinel

Fields = list[tuple[str, object]]

_BEFORE_KIND: Final = ((SDOWN, "s_down"), (ODOWN, "o_down"))
_AFTER_KIND: Final = (
    (MASTER_DOWN, "master_down"),
    (FAILOVER_IN_PROGRESS, "failover_in_progress"),
    (PROMOTED, "promoted"),
    (RECONF_SENT, "reconf_sent"),
    (RECONF_INPROG, "reconf_inprog"),
    (RECONF_DONE, "reconf_done"),
    (FORCE_FAILOVER, "force_failover"),
    (SCRIPT_KILL_SENT, "script_kill_sent"),
    (MASTER_REBOOT, "master_reboot"),
)


def flags_text(ri: Instance) -> str:
    """``s_down,master,disconnected`` …"""
    names = [name for bit, name in _BEFORE_KIND if ri.flags & bit] + [ri.kind]
    if ri.link.disconnected:
        names.append("disconnected")
    return ",".join(names + [name for bit, name in _AFTER_KIND if ri.flags & bit])


def instance_fields(s: Sentinel, ri: Instance) -> Fields:
    """Fields and values in Redis's order."""
    now, link = s.now(), ri.link
    fields: Fields = [
        ("name", ri.name),
        ("ip", s.shown(ri.addr)),
        ("port", ri.addr.port),
        ("runid", ri.runid),
        ("flags", flags_text(ri)),
        ("link-pending-commands", link.pending_commands),
        ("link-refcount", link.refcount),
    ]
    if ri.flags & FAILOVER_IN_PROGRESS and isinstance(ri, Master):
        fields.append(("failover-state", FAILOVER_NAMES[ri.failover_state]))
    fields += [
        ("last-ping-sent", now - link.act_ping_time if link.act_ping_time else 0),
        ("last-ok-ping-reply", now - link.last_avail_time),
        ("last-ping-reply", now - link.last_pong_time),
    ]
    if ri.flags & SDOWN:
        fields.append(("s-down-time", now - ri.s_down_since_time))
    if ri.flags & ODOWN:
        fields.append(("o-down-time", now - ri.o_down_since_time))
    fields.append(("down-after-milliseconds", ri.monitored_master().down_after_period))
    if isinstance(ri, Monitored):
        fields += [
            ("info-refresh", now - ri.info_refresh if ri.info_refresh else 0),
            ("role-reported", ri.role_reported),
            ("role-reported-time", now - ri.role_reported_time),
        ]
    if isinstance(ri, Master):
        fields += _master_fields(ri)
    elif isinstance(ri, Replica):
        fields += _replica_fields(ri)
    elif isinstance(ri, Peer):
        fields += [
            ("last-hello-message", now - ri.last_hello_time),
            ("voted-leader", ri.leader or "?"),
            ("voted-leader-epoch", ri.leader_epoch),
        ]
    return fields


def _master_fields(ri: Master) -> Fields:
    fields: Fields = [
        ("config-epoch", ri.config_epoch),
        ("num-slaves", len(ri.replicas)),
        ("num-other-sentinels", len(ri.sentinels)),
        ("quorum", ri.quorum),
        ("failover-timeout", ri.failover_timeout),
        ("parallel-syncs", ri.parallel_syncs),
    ]
    if ri.notification_script:
        fields.append(("notification-script", ri.notification_script))
    if ri.client_reconfig_script:
        fields.append(("client-reconfig-script", ri.client_reconfig_script))
    return fields


def _replica_fields(ri: Replica) -> Fields:
    return [
        ("master-link-down-time", ri.master_link_down_time),
        ("master-link-status", "ok" if ri.slave_master_link_up else "err"),
        ("master-host", ri.slave_master_host or "?"),
        ("master-port", ri.slave_master_port),
        ("slave-priority", ri.slave_priority),
        ("slave-repl-offset", ri.slave_repl_offset),
        ("replica-announced", int(ri.replica_announced)),
    ]


def info_fields(s: Sentinel) -> Fields:
    """The section ``# Sentinel``."""
    fields: Fields = [
        ("sentinel_masters", len(s.masters)),
        ("sentinel_tilt", int(s.tilt)),
        ("sentinel_tilt_since_seconds", (s.now() - s.tilt_start_time) // 1000 if s.tilt else -1),
        ("sentinel_running_scripts", s.scripts.running()),
        ("sentinel_scripts_queue_length", len(s.scripts.queue)),
        ("sentinel_simulate_failure_flags", s.simulate_failure),
    ]
    for at, master in enumerate(s.masters.values()):
        status = "odown" if master.flags & ODOWN else "sdown" if master.flags & SDOWN else "ok"
        where = f"{s.shown(master.addr)}:{master.addr.port}"
        text = f"name={master.name},status={status},address={where}"
        fields.append((f"master{at}", f"{text},slaves={len(master.replicas)},sentinels={len(master.sentinels) + 1}"))
    return fields
