"""The turns of the timer: links, PING, INFO and hello to every instance, and what follows from the answers."""

from __future__ import annotations

import functools

import hiredis

from pyredis.sentinel.connection import Reply
from pyredis.sentinel.down import ask_others, check_objectively_down, check_subjectively_down
from pyredis.sentinel.failover import failover_turn, start_failover_if_needed, switch_to_promoted
from pyredis.sentinel.hello import hello_text
from pyredis.sentinel.instance import (
    FAILOVER_IN_PROGRESS,
    FAILOVER_UPDATE_CONFIG,
    MASTER_REBOOT,
    ODOWN,
    SCRIPT_KILL_SENT,
    SDOWN,
    Instance,
    Link,
    Master,
    Monitored,
    Replica,
)
from pyredis.sentinel.links import Links
from pyredis.sentinel.refresh import refresh_from_info
from pyredis.sentinel.state import HELLO_CHANNEL, WARNING, Sentinel, decode, encode

_MAX_PENDING = 100
"""Commands under way on a link from which on nothing more is sent."""


class Monitor:
    """The periodic work of one sentinel."""

    def __init__(self, sentinel: Sentinel, links: Links) -> None:
        self.sentinel = sentinel
        self.links = links

    def turn(self) -> None:
        """All that is due now."""
        sentinel = self.sentinel
        self._check_tilt()
        for master in list(sentinel.masters.values()):
            if sentinel.masters.get(master.name) is not master:
                continue
            try:
                self._handle_master(master)
            except Exception:  # a bug that one master shows must not leave the others unwatched
                sentinel.server.log_exception(b"in the sentinel's watch of " + encode(master.name))
        sentinel.scripts.turn()

    def _check_tilt(self) -> None:
        """The clock jumped, or this process stood still: what was measured meanwhile says nothing about the others."""
        sentinel = self.sentinel
        now = sentinel.now()
        delta = now - sentinel.previous_time
        if delta < 0 or delta > sentinel.times.tilt_trigger:
            sentinel.tilt = True
            sentinel.tilt_start_time = now
            sentinel.announce(WARNING, "+tilt", None, "#tilt mode entered")
        sentinel.previous_time = now

    def _in_tilt(self) -> bool:
        """In TILT nothing is decided; it ends when all has been normal for a while."""
        sentinel = self.sentinel
        if sentinel.tilt and sentinel.now() - sentinel.tilt_start_time >= sentinel.times.tilt_period:
            sentinel.tilt = False
            sentinel.announce(WARNING, "-tilt", None, "#tilt mode exited")
        return sentinel.tilt

    def _handle_master(self, master: Master) -> None:
        self._handle(master)
        for ri in [*master.replicas.values(), *master.sentinels.values()]:
            self._handle(ri)
        if master.failover_state == FAILOVER_UPDATE_CONFIG:
            switch_to_promoted(self.sentinel, master)

    def _handle(self, ri: Instance) -> None:
        sentinel, links = self.sentinel, self.links
        if links.reconnect(ri):
            self._ping(ri)
        self._send_periodic(ri)
        if self._in_tilt():
            return
        check_subjectively_down(sentinel, ri)
        if isinstance(ri, Master):
            check_objectively_down(sentinel, ri)
            if start_failover_if_needed(sentinel, ri):
                ask_others(sentinel, links, ri, True)
            failover_turn(sentinel, links, ri)
            ask_others(sentinel, links, ri, False)

    # --- what is sent -----------------------------------------------------------------------------------------

    def _send_periodic(self, ri: Instance) -> None:
        link, times = ri.link, self.sentinel.times
        if link.disconnected or link.pending_commands >= _MAX_PENDING * link.refcount:
            return
        now = self.sentinel.now()
        if isinstance(ri, Monitored) and not link.info_pending and self._info_due(ri, now):
            self._ask_info(ri)
        ping_period = min(ri.monitored_master().down_after_period, times.ping_period)
        if now - link.last_pong_time > ping_period and now - link.last_ping_time > ping_period // 2:
            self._ping(ri)
        if now - ri.last_pub_time > times.publish_period:
            self._say_hello(ri)

    def _info_due(self, ri: Monitored, now: int) -> bool:
        """Replicas are asked each second while their master is in trouble, or they have lost it."""
        period = self.sentinel.times.info_period
        if isinstance(ri, Replica) and (ri.master.flags & (ODOWN | FAILOVER_IN_PROGRESS) or ri.master_link_down_time):
            period = 1000
        return not ri.info_refresh or now - ri.info_refresh > period

    def _ask_info(self, ri: Monitored) -> None:
        if self.links.call(ri, "INFO", callback=functools.partial(self._info_answered, ri, ri.link)):
            ri.link.info_pending = True

    def _ping(self, ri: Instance) -> None:
        if self.links.call(ri, "PING", callback=functools.partial(self._ping_answered, ri)):
            link = ri.link
            link.last_ping_time = self.sentinel.now()
            if not link.act_ping_time:
                link.act_ping_time = link.last_ping_time

    def _say_hello(self, ri: Instance) -> None:
        cc = ri.link.cc
        if cc is None or cc.closed:
            return
        text = hello_text(self.sentinel, ri, cc)
        if text:
            self.links.call(ri, "PUBLISH", HELLO_CHANNEL, text, callback=functools.partial(self._hello_answered, ri))

    # --- answers ----------------------------------------------------------------------------------------------

    def _info_answered(self, ri: Monitored, link: Link, reply: Reply) -> None:
        link.info_pending = False
        if isinstance(reply, bytes):
            refresh_from_info(self.sentinel, self.links, ri, reply)

    def _ping_answered(self, ri: Instance, reply: Reply) -> None:
        """PONG, and two errors that a working instance may answer, count as valid."""
        link = ri.link
        now = self.sentinel.now()
        text = decode(reply) if isinstance(reply, bytes) else str(reply)
        if text.startswith(("PONG", "LOADING", "MASTERDOWN")):
            link.last_avail_time = now
            link.act_ping_time = 0
            if text.startswith("PONG"):
                ri.flags &= ~MASTER_REBOOT
        elif text.startswith("BUSY") and ri.flags & SDOWN and not ri.flags & SCRIPT_KILL_SENT:
            ri.flags |= SCRIPT_KILL_SENT
            self.links.call(ri, "SCRIPT", "KILL")
        link.last_pong_time = now

    def _hello_answered(self, ri: Instance, reply: Reply) -> None:
        if not isinstance(reply, hiredis.ReplyError):
            ri.last_pub_time = self.sentinel.now()
