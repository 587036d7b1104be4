"""What an instance's INFO changes: new replicas, roles that are not what they should be, steps of a failover."""

from __future__ import annotations

from pyredis.sentinel.failover import enter_state, reconfigure_clients, send_slaveof
from pyredis.sentinel.info_reply import InfoReply
from pyredis.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FAILOVER_RECONF_SLAVES,
    FAILOVER_WAIT_PROMOTION,
    MASTER_REBOOT,
    ODOWN,
    PROMOTED,
    RECONF_DONE,
    RECONF_INPROG,
    RECONF_SENT,
    SDOWN,
    Master,
    Monitored,
    Replica,
)
from pyredis.sentinel.links import Links
from pyredis.sentinel.state import NOTICE, SIMULATE_PROMOTION, VERBOSE, WARNING, InstanceError, Sentinel, decode


def refresh_from_info(sentinel: Sentinel, links: Links, ri: Monitored, raw: bytes) -> None:
    """Take over an instance's INFO, and act on it."""
    ri.info = raw
    info = InfoReply(decode(raw))
    now = sentinel.now()
    _note_run_id(sentinel, ri, info.runid, now)
    if isinstance(ri, Master):
        _note_replicas(sentinel, ri, info)
    else:
        assert isinstance(ri, Replica)
        _note_replica_fields(ri, info, now)
    ri.info_refresh = now
    if info.role and info.role != ri.role_reported:
        ri.role_reported_time = now
        ri.role_reported = info.role
        if info.role == "slave":
            ri.slave_conf_change_time = now
        kind = "+role-change" if ri.kind == info.role else "-role-change"
        sentinel.event(VERBOSE, kind, ri, f"new reported role is {info.role}")
    if sentinel.tilt or not isinstance(ri, Replica):
        return
    if info.role == "master":
        _replica_is_master(sentinel, links, ri, now)
    elif info.role == "slave":
        _follow_master(sentinel, links, ri, now)
        _reconfiguration(sentinel, ri)


def _note_run_id(sentinel: Sentinel, ri: Monitored, runid: str, now: int) -> None:
    if not runid or runid == ri.runid:
        return
    if ri.runid:
        sentinel.event(NOTICE, "+reboot", ri)
        if isinstance(ri, Master) and ri.master_reboot_down_after_period:
            ri.flags |= MASTER_REBOOT
            ri.master_reboot_since_time = now
    ri.runid = runid


def _note_replicas(sentinel: Sentinel, master: Master, info: InfoReply) -> None:
    """Enter the replicas that a master lists."""
    for host, port in info.replicas:
        if sentinel.find_replica(master, host, port) is not None:
            continue
        try:
            replica = sentinel.add_replica(master, host, port)
        except InstanceError:
            continue
        sentinel.event(NOTICE, "+slave", replica)
        sentinel.save()


def _note_replica_fields(ri: Replica, info: InfoReply, now: int) -> None:
    ri.master_link_down_time = info.link_down_time
    if info.master_host is not None and info.master_host.lower() != ri.slave_master_host.lower():
        ri.slave_master_host = info.master_host
        ri.slave_conf_change_time = now
    if info.master_port is not None and info.master_port != ri.slave_master_port:
        ri.slave_master_port = info.master_port
        ri.slave_conf_change_time = now
    if info.link_up is not None:
        ri.slave_master_link_up = info.link_up
    if info.priority is not None:
        ri.slave_priority = info.priority
    if info.repl_offset is not None:
        ri.slave_repl_offset = info.repl_offset
    if info.replica_announced is not None:
        ri.replica_announced = info.replica_announced


def _looks_sane(sentinel: Sentinel, master: Master, now: int) -> bool:
    """Whether the master is surely a working master."""
    return (
        master.role_reported == "master"
        and not master.flags & (SDOWN | ODOWN)
        and now - master.info_refresh < sentinel.times.info_period * 2
    )


def _replica_is_master(sentinel: Sentinel, links: Links, ri: Replica, now: int) -> None:
    """A replica says that it is a master: the promotion awaited, or an old master that has come back."""
    master = ri.master
    if ri.flags & PROMOTED and master.flags & FAILOVER_IN_PROGRESS and master.failover_state == FAILOVER_WAIT_PROMOTION:
        master.config_epoch = master.failover_epoch
        enter_state(sentinel, master, FAILOVER_RECONF_SLAVES)
        sentinel.save()
        sentinel.event(WARNING, "+promoted-slave", ri)
        if sentinel.simulate_failure & SIMULATE_PROMOTION:
            sentinel.crash()
        sentinel.event(WARNING, "+failover-state-reconf-slaves", master)
        reconfigure_clients(sentinel, master, "leader", master.addr, ri.addr)
        hasten_hello(sentinel, master)
        return
    wait = sentinel.times.publish_period * 4
    if (
        not ri.flags & PROMOTED
        and _looks_sane(sentinel, master, now)
        and sentinel.up_for(ri, wait)
        and now - ri.role_reported_time > wait
        and send_slaveof(sentinel, links, ri, master.addr)
    ):
        sentinel.event(NOTICE, "+convert-to-slave", ri)


def _follow_master(sentinel: Sentinel, links: Links, ri: Replica, now: int) -> None:
    """A replica of another master than ours is told the right one, after a time in which a failover may go on."""
    master = ri.master
    if ri.slave_master_port == master.addr.port and sentinel.resolver.same_host(master.addr, ri.slave_master_host):
        return
    wait = master.failover_timeout
    if (
        _looks_sane(sentinel, master, now)
        and sentinel.up_for(ri, wait)
        and now - ri.slave_conf_change_time > wait
        and send_slaveof(sentinel, links, ri, master.addr)
    ):
        sentinel.event(NOTICE, "+fix-slave-config", ri)


def _reconfiguration(sentinel: Sentinel, ri: Replica) -> None:
    """How far a replica that was sent to the promoted one has come."""
    promoted = ri.master.promoted
    if ri.flags & RECONF_SENT and promoted is not None:
        addr = promoted.addr
        if ri.slave_master_port == addr.port and sentinel.resolver.same_host(addr, ri.slave_master_host):
            ri.flags &= ~RECONF_SENT
            ri.flags |= RECONF_INPROG
            sentinel.event(NOTICE, "+slave-reconf-inprog", ri)
    if ri.flags & RECONF_INPROG and ri.slave_master_link_up:
        ri.flags &= ~RECONF_INPROG
        ri.flags |= RECONF_DONE
        sentinel.event(NOTICE, "+slave-reconf-done", ri)


def hasten_hello(sentinel: Sentinel, master: Master) -> None:
    """Tell everybody of the new configuration with the next turn, not when the publish period is over."""
    for ri in (master, *master.replicas.values(), *master.sentinels.values()):
        early = sentinel.times.publish_period + 1
        if ri.last_pub_time >= early:
            ri.last_pub_time -= early
