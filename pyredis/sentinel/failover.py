"""The failover of a master, step by step: one call of :func:`failover_turn` per turn of the timer."""

from __future__ import annotations

import time

from pyredis.sentinel.address import Address
from pyredis.sentinel.election import MAX_DESYNC, elected_leader
from pyredis.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FAILOVER_NONE,
    FAILOVER_RECONF_SLAVES,
    FAILOVER_SELECT_SLAVE,
    FAILOVER_SEND_SLAVEOF_NOONE,
    FAILOVER_UPDATE_CONFIG,
    FAILOVER_WAIT_PROMOTION,
    FAILOVER_WAIT_START,
    FORCE_FAILOVER,
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
from pyredis.sentinel.state import NOTICE, SIMULATE_ELECTION, WARNING, Sentinel

_NO_RUN_ID = "\U0010ffff"
"""Behind every run ID: a replica whose run ID is not known is the last choice."""


def reconfigure_clients(sentinel: Sentinel, master: Master, role: str, old: Address, new: Address) -> None:
    """Run the script that tells clients of the new address. ``role``: ``leader`` or ``observer``."""
    if master.client_reconfig_script:
        sentinel.scripts.schedule(
            [
                master.client_reconfig_script,
                master.name,
                role,
                "start",
                sentinel.shown(old),
                str(old.port),
                sentinel.shown(new),
                str(new.port),
            ]
        )


def select_replica(sentinel: Sentinel, master: Master) -> Replica | None:
    """The best replica to promote: by priority, then how much it has of the master's data, then run ID."""
    now, times = sentinel.now(), sentinel.times
    longest_down = master.down_after_period * 10
    info_age = times.info_period * 3
    if master.flags & SDOWN:
        longest_down += now - master.s_down_since_time
        info_age = times.ping_period * 5
    able = [
        replica
        for replica in master.replicas.values()
        if not replica.flags & (SDOWN | ODOWN)
        and not replica.link.disconnected
        and now - replica.link.last_avail_time <= times.ping_period * 5
        and replica.slave_priority
        and now - replica.info_refresh <= info_age
        and replica.master_link_down_time <= longest_down
    ]
    return min(
        able, key=lambda r: (r.slave_priority, -r.slave_repl_offset, (r.runid or _NO_RUN_ID).lower()), default=None
    )


def start_failover(sentinel: Sentinel, master: Master) -> None:
    """Begin a failover in a new epoch."""
    master.failover_state = FAILOVER_WAIT_START
    master.flags |= FAILOVER_IN_PROGRESS
    sentinel.current_epoch += 1
    master.failover_epoch = sentinel.current_epoch
    sentinel.announce(WARNING, "+new-epoch", master, str(sentinel.current_epoch))
    sentinel.event(WARNING, "+try-failover", master)
    master.failover_start_time = sentinel.now() + sentinel.random(MAX_DESYNC)
    master.failover_state_change_time = sentinel.now()


def start_failover_if_needed(sentinel: Sentinel, master: Master) -> bool:
    """Begin a failover if the master is objectively down, unless one is under way or was tried not long ago."""
    if not master.flags & ODOWN or master.flags & FAILOVER_IN_PROGRESS:
        return False
    if sentinel.now() - master.failover_start_time < master.failover_timeout * 2:
        if master.failover_delay_logged != master.failover_start_time:
            when = (master.failover_start_time + master.failover_timeout * 2) // 1000
            sentinel.log.warning(
                f"Next failover delay: I will not start a failover before {time.asctime(time.localtime(when))}"
            )
            master.failover_delay_logged = master.failover_start_time
        return False
    start_failover(sentinel, master)
    return True


def abort_failover(sentinel: Sentinel, master: Master, event: str) -> None:
    """Give up, which ``event`` tells; another attempt comes later, of this sentinel or another."""
    sentinel.event(WARNING, event, master)
    master.flags &= ~(FAILOVER_IN_PROGRESS | FORCE_FAILOVER)
    master.failover_state = FAILOVER_NONE
    master.failover_state_change_time = sentinel.now()
    if master.promoted is not None:
        master.promoted.flags &= ~PROMOTED
        master.promoted = None


def failover_turn(sentinel: Sentinel, links: Links, master: Master) -> None:
    """Go on with the failover under way, if there is one."""
    if not master.flags & FAILOVER_IN_PROGRESS:
        return
    state = master.failover_state
    if state == FAILOVER_WAIT_START:
        _wait_start(sentinel, master)
    elif state == FAILOVER_SELECT_SLAVE:
        _select(sentinel, master)
    elif state == FAILOVER_SEND_SLAVEOF_NOONE:
        _send_slaveof_noone(sentinel, links, master)
    elif state == FAILOVER_WAIT_PROMOTION:
        # The promotion is seen in the replica's INFO.
        if sentinel.now() - master.failover_state_change_time > master.failover_timeout:
            abort_failover(sentinel, master, "-failover-abort-slave-timeout")
    elif state == FAILOVER_RECONF_SLAVES:
        reconfigure_replicas(sentinel, links, master)


def enter_state(sentinel: Sentinel, master: Master, state: int) -> None:
    """The next step begins."""
    master.failover_state = state
    master.failover_state_change_time = sentinel.now()


def _wait_start(sentinel: Sentinel, master: Master) -> None:
    leader = elected_leader(sentinel, master, master.failover_epoch)
    if leader != sentinel.myid and not master.flags & FORCE_FAILOVER:
        patience = min(sentinel.times.election_timeout, master.failover_timeout)
        if sentinel.now() - master.failover_start_time > patience:
            abort_failover(sentinel, master, "-failover-abort-not-elected")
        return
    sentinel.event(WARNING, "+elected-leader", master)
    if sentinel.simulate_failure & SIMULATE_ELECTION:
        sentinel.crash()
    enter_state(sentinel, master, FAILOVER_SELECT_SLAVE)
    sentinel.event(WARNING, "+failover-state-select-slave", master)


def _select(sentinel: Sentinel, master: Master) -> None:
    replica = select_replica(sentinel, master)
    if replica is None:
        abort_failover(sentinel, master, "-failover-abort-no-good-slave")
        return
    sentinel.event(WARNING, "+selected-slave", replica)
    replica.flags |= PROMOTED
    master.promoted = replica
    enter_state(sentinel, master, FAILOVER_SEND_SLAVEOF_NOONE)
    sentinel.event(NOTICE, "+failover-state-send-slaveof-noone", replica)


def _send_slaveof_noone(sentinel: Sentinel, links: Links, master: Master) -> None:
    replica = master.promoted
    assert replica is not None
    if replica.link.disconnected:
        if sentinel.now() - master.failover_state_change_time > master.failover_timeout:
            abort_failover(sentinel, master, "-failover-abort-slave-timeout")
        return
    if send_slaveof(sentinel, links, replica, None):
        sentinel.event(NOTICE, "+failover-state-wait-promotion", replica)
        enter_state(sentinel, master, FAILOVER_WAIT_PROMOTION)


def reconfigure_replicas(sentinel: Sentinel, links: Links, master: Master) -> None:
    """Send the other replicas to the new master, ``parallel-syncs`` at a time."""
    assert master.promoted is not None
    under_way = sum(bool(r.flags & (RECONF_SENT | RECONF_INPROG)) for r in master.replicas.values())
    now = sentinel.now()
    for replica in master.replicas.values():
        if under_way >= master.parallel_syncs:
            break
        if replica.flags & (PROMOTED | RECONF_DONE):
            continue
        if replica.flags & RECONF_SENT and now - replica.slave_reconf_sent_time > sentinel.times.slave_reconf_timeout:
            sentinel.event(NOTICE, "-slave-reconf-sent-timeout", replica)
            replica.flags &= ~RECONF_SENT
            replica.flags |= RECONF_DONE
            continue
        if replica.flags & (RECONF_SENT | RECONF_INPROG) or replica.link.disconnected:
            continue
        if send_slaveof(sentinel, links, replica, master.promoted.addr):
            replica.flags |= RECONF_SENT
            replica.slave_reconf_sent_time = now
            sentinel.event(NOTICE, "+slave-reconf-sent", replica)
            under_way += 1
    _detect_end(sentinel, links, master)


def _detect_end(sentinel: Sentinel, links: Links, master: Master) -> None:
    """The failover is over when all replicas that can be reached are the new master's, or its time is up."""
    promoted = master.promoted
    if promoted is None or promoted.flags & SDOWN:
        return
    left = [r for r in master.replicas.values() if not r.flags & (PROMOTED | RECONF_DONE | SDOWN)]
    timeout = sentinel.now() - master.failover_state_change_time > master.failover_timeout
    if timeout:
        sentinel.event(WARNING, "+failover-end-for-timeout", master)
    elif left:
        return
    sentinel.event(WARNING, "+failover-end", master)
    enter_state(sentinel, master, FAILOVER_UPDATE_CONFIG)
    if not timeout:
        return
    for replica in master.replicas.values():
        if replica.flags & (PROMOTED | RECONF_DONE | RECONF_SENT) or replica.link.disconnected:
            continue
        if send_slaveof(sentinel, links, replica, promoted.addr):
            sentinel.event(NOTICE, "+slave-reconf-sent-be", replica)
            replica.flags |= RECONF_SENT


def switch_to_promoted(sentinel: Sentinel, master: Master) -> None:
    """The end of a failover: the promoted replica is the master that is monitored."""
    addr = master.promoted.addr if master.promoted is not None else master.addr
    old, new = master.addr, addr
    sentinel.announce(
        WARNING,
        "+switch-master",
        master,
        f"{master.name} {sentinel.shown(old)} {old.port} {sentinel.shown(new)} {new.port}",
    )
    sentinel.move_master(master, new.host, new.port)


def send_slaveof(sentinel: Sentinel, links: Links, ri: Monitored, addr: Address | None) -> bool:
    """Make an instance a replica of ``addr``, or a master (None): in one transaction with the end of its clients'
    connections, so that they ask for the master anew. False if there is no connection."""
    where = ["NO", "ONE"] if addr is None else [sentinel.shown(addr), str(addr.port)]
    lines = [
        ["MULTI"],
        ["SLAVEOF", *where],
        ["CONFIG", "REWRITE"],
        ["CLIENT", "KILL", "TYPE", "normal"],
        ["CLIENT", "KILL", "TYPE", "pubsub"],
        ["EXEC"],
    ]
    return all(links.call(ri, *line) for line in lines)
