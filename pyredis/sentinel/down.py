"""Whether an instance is down: in this sentinel's eyes (SDOWN), and in those of a quorum (ODOWN)."""

from __future__ import annotations

import functools

from pyredis.sentinel.connection import Reply
from pyredis.sentinel.instance import (
    FAILOVER_NONE,
    MASTER_DOWN,
    MASTER_REBOOT,
    ODOWN,
    SCRIPT_KILL_SENT,
    SDOWN,
    Instance,
    Master,
    Monitored,
    Peer,
)
from pyredis.sentinel.links import Links
from pyredis.sentinel.state import WARNING, Sentinel, decode


def check_subjectively_down(sentinel: Sentinel, ri: Instance) -> None:
    """No valid answer for ``down-after-milliseconds``, or a master that says it is a replica: SDOWN, or its end."""
    now, link = sentinel.now(), ri.link
    elapsed = 0
    if link.act_ping_time:
        elapsed = now - link.act_ping_time
    elif link.disconnected:
        elapsed = now - link.last_avail_time
    _renew_silent(sentinel, ri, now)
    silent = elapsed > ri.monitored_master().down_after_period
    if silent or (isinstance(ri, Monitored) and _untrue_master(sentinel, ri, now)):
        if not ri.flags & SDOWN:
            sentinel.event(WARNING, "+sdown", ri)
            ri.s_down_since_time = now
            ri.flags |= SDOWN
    elif ri.flags & SDOWN:
        sentinel.event(WARNING, "-sdown", ri)
        ri.flags &= ~(SDOWN | SCRIPT_KILL_SENT)


def _renew_silent(sentinel: Sentinel, ri: Instance, now: int) -> None:
    """Close connections on which nothing comes, though it should: a new one may do better."""
    link, times = ri.link, sentinel.times
    half = ri.monitored_master().down_after_period // 2
    if (
        link.cc is not None
        and now - link.cc_conn_time > times.min_link_reconnect_period
        and link.act_ping_time
        and now - link.act_ping_time > half
        and now - link.last_pong_time > half
    ):
        link.drop(True)
    if (
        link.pc is not None
        and now - link.pc_conn_time > times.min_link_reconnect_period
        and now - link.pc_last_activity > times.publish_period * 3
    ):
        link.drop(False)


def _untrue_master(sentinel: Sentinel, ri: Monitored, now: int) -> bool:
    """A master that has said for long that it is a replica, or that restarted and has not answered since."""
    if not isinstance(ri, Master):
        return False
    patience = ri.down_after_period + sentinel.times.info_period * 2
    if ri.role_reported == "slave" and now - ri.role_reported_time > patience:
        return True
    rebooting = bool(ri.flags & MASTER_REBOOT)
    return rebooting and now - ri.master_reboot_since_time > ri.master_reboot_down_after_period


def check_objectively_down(sentinel: Sentinel, master: Master) -> None:
    """Do so many sentinels as the quorum asks for see the master down?"""
    agreed = 0
    if master.flags & SDOWN:
        agreed = 1 + sum(bool(peer.flags & MASTER_DOWN) for peer in master.sentinels.values())
    if agreed >= master.quorum:
        if not master.flags & ODOWN:
            sentinel.event(WARNING, "+odown", master, f"#quorum {agreed}/{master.quorum}")
            master.flags |= ODOWN
            master.o_down_since_time = sentinel.now()
    elif master.flags & ODOWN:
        sentinel.event(WARNING, "-odown", master)
        master.flags &= ~ODOWN


def ask_others(sentinel: Sentinel, links: Links, master: Master, at_once: bool) -> None:
    """Ask the other sentinels whether they see the master down, too; in a failover that also asks for their votes."""
    now, times = sentinel.now(), sentinel.times
    for peer in master.sentinels.values():
        elapsed = now - peer.last_master_down_reply_time
        if elapsed > times.ask_period * 5:
            peer.flags &= ~MASTER_DOWN
            peer.leader = ""
        if not master.flags & SDOWN or peer.link.disconnected:
            continue
        if not at_once and elapsed < times.ask_period:
            continue
        candidate = sentinel.myid if master.failover_state > FAILOVER_NONE else "*"
        question = ["is-master-down-by-addr", sentinel.shown(master.addr), str(master.addr.port)]
        question += [str(sentinel.current_epoch), candidate]
        links.call(peer, "SENTINEL", *question, callback=functools.partial(_answered, sentinel, peer))


def _answered(sentinel: Sentinel, peer: Peer, reply: Reply) -> None:
    """Down or not; whom it voted for, and in which epoch."""
    if not isinstance(reply, list) or len(reply) != 3:
        return
    down, leader, epoch = reply
    if not isinstance(down, int) or not isinstance(leader, bytes) or not isinstance(epoch, int):
        return
    peer.last_master_down_reply_time = sentinel.now()
    if down == 1:
        peer.flags |= MASTER_DOWN
    else:
        peer.flags &= ~MASTER_DOWN
    if leader != b"*":
        name = decode(leader)
        if peer.leader_epoch != epoch:
            sentinel.log.warning(f"{peer.name} voted for {name} {epoch}")
        peer.leader = name
        peer.leader_epoch = epoch
