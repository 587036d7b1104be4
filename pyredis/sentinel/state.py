"""The sentinel itself: its settings, epoch and masters; how instances are found, made and forgotten; and events."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from pyredis.core.pubsub import publish
from pyredis.sentinel.address import Address, AddressError, Resolver, join_host_port
from pyredis.sentinel.instance import FAILOVER_NONE, Instance, Link, Master, Peer, Replica
from pyredis.sentinel.scripts import Scripts
from pyredis.sentinel.times import Times

if TYPE_CHECKING:
    from pyredis.core.server import Server
    from pyredis.sentinel.saver import Saver

HELLO_CHANNEL: Final = "__sentinel__:hello"

DEBUG: Final = 0
VERBOSE: Final = 1
NOTICE: Final = 2
WARNING: Final = 3
"""Levels of events: those of the log. DEBUG events are not published; WARNING ones also run the notification script."""

_MOST: Final = 1000
"""Replicas or sentinels of one master. Whoever may publish on a master can make up sentinels, which cost memory."""
SIMULATE_ELECTION: Final = 1
SIMULATE_PROMOTION: Final = 2
"""SENTINEL SIMULATE-FAILURE: crash once elected, once a replica is promoted."""


class InstanceError(ValueError):
    """An instance that cannot be monitored; the text says why, in Redis's words."""


def encode(text: str) -> bytes:
    """Text as it came from a file or a client, back to its bytes."""
    return text.encode("utf-8", "surrogateescape")


def decode(raw: bytes) -> str:
    """Bytes to text from which :func:`encode` makes the same bytes."""
    return raw.decode("utf-8", "surrogateescape")


class Sentinel:
    """All that a sentinel knows."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.log = server.log
        self.times = Times()
        self.resolver = Resolver()
        self.scripts = Scripts(self)
        self.myid = ""
        self.current_epoch = 0
        self.masters: dict[str, Master] = {}
        self.tilt = False
        self.tilt_start_time = 0
        self.previous_time = self.now()
        self.announce_ip = ""
        self.announce_port = 0
        self.announce_hostnames = False
        self.sentinel_user = ""
        self.sentinel_pass = ""
        self.deny_scripts_reconfig = True
        self.simulate_failure = 0
        self.saver: Saver | None = None
        """Saves the state; None before the start."""

    def save(self, done: Callable[[bool], None] | None = None) -> None:
        """The state has changed; ``done`` is told whether it could be saved, when that is over."""
        if self.saver is not None:
            self.saver.save(done)
        elif done is not None:
            done(True)

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self.server.clock.time() * 1000)

    def random(self, limit: int) -> int:
        """A number from 0 to below ``limit``."""
        return self.server.rng.randrange(limit)

    # --- names ------------------------------------------------------------------------------------------------

    def shown(self, addr: Address) -> str:
        """The host of an address as others are told it: the name with ``announce-hostnames``, else the IP address."""
        return addr.host if self.announce_hostnames or not addr.ip else addr.ip

    def replica_name(self, addr: Address) -> str:
        """``ip:port``."""
        return join_host_port(self.shown(addr), addr.port)

    def describe(self, ri: Instance) -> str:
        """``kind name ip port``, and for what is no master ``@ master-name ip port``."""
        text = f"{ri.kind} {ri.name} {self.shown(ri.addr)} {ri.addr.port}"
        master = ri.monitored_master()
        if master is not ri:
            text += f" @ {master.name} {self.shown(master.addr)} {master.addr.port}"
        return text

    # --- events -----------------------------------------------------------------------------------------------

    def event(self, level: int, kind: str, ri: Instance, more: str = "") -> None:
        """Something happened to ``ri``: described by its kind, name and address, and ``more`` behind."""
        self.announce(level, kind, ri, self.describe(ri) + (" " + more if more else ""))

    def announce(self, level: int, kind: str, ri: Instance | None, text: str) -> None:
        """Something happened: into the log, to the subscribers of the channel ``kind``, and to the notification
        script of the master concerned."""
        self.log.write(level, f"{kind} {text}")
        if level == DEBUG:
            return
        publish(self.server, encode(kind), encode(text))
        if level == WARNING and ri is not None:
            script = ri.monitored_master().notification_script
            if script:
                self.scripts.schedule([script, kind, text])

    # --- finding ----------------------------------------------------------------------------------------------

    def find_master(self, host: str, port: int) -> Master | None:
        """The master at an address; None if none of ours is there."""
        ip = self.resolver.resolve(host)
        for master in self.masters.values():
            if master.addr.port == port and ip and master.addr.ip == ip:
                return master
        return None

    def find_replica(self, master: Master, host: str, port: int) -> Replica | None:
        """A master's replica at an address, by IP address or name."""
        place = Address(host, self.resolver.resolve(host), port)
        return next((replica for replica in master.replicas.values() if replica.addr.is_at(place)), None)

    def find_peer(self, master: Master, host: str, port: int, runid: str = "") -> Peer | None:
        """Another sentinel of a master at an address, and with that run ID if one is given."""
        place = Address(host, self.resolver.resolve(host), port)
        for peer in master.sentinels.values():
            if peer.addr.is_at(place) and (not runid or peer.runid == runid):
                return peer
        return None

    # --- making and forgetting --------------------------------------------------------------------------------

    def _address(self, host: str, port: int, unresolved: bool) -> Address:
        try:
            return self.resolver.address(host, port, unresolved)
        except AddressError as e:
            if e.unresolved:
                self.log.warning(f"Failed to resolve hostname '{host}'")
            raise InstanceError(str(e)) from None

    def add_master(self, name: str, host: str, port: int, quorum: int) -> Master:
        """Monitor a master. Raises InstanceError."""
        if quorum <= 0:
            raise InstanceError("Quorum must be 1 or greater.")
        addr = self._address(host, port, True)
        if name in self.masters:
            raise InstanceError("Duplicate master name.")
        times = self.times
        timeout = times.default_failover_timeout
        master = Master(name, addr, self.now(), quorum, times.default_down_after, timeout)
        self.masters[name] = master
        return master

    def add_replica(self, master: Master, host: str, port: int) -> Replica:
        """Enter a replica. Raises InstanceError, also if it is there already."""
        addr = self._address(host, port, True)
        name = self.replica_name(addr)
        if len(master.replicas) >= _MOST:
            raise InstanceError(f"More than {_MOST} replicas.")
        if name in master.replicas:
            raise InstanceError("Duplicate hostname and port for replica.")
        replica = master.replicas[name] = Replica(name, addr, self.now(), master)
        return replica

    def add_peer(self, master: Master, runid: str, host: str, port: int) -> Peer:
        """Enter another sentinel. Raises InstanceError."""
        addr = self._address(host, port, True)
        if len(master.sentinels) >= _MOST:
            raise InstanceError(f"More than {_MOST} sentinels.")
        if runid in master.sentinels:
            raise InstanceError("Duplicate runid for sentinel.")
        peer = master.sentinels[runid] = Peer(runid, addr, self.now(), master)
        return peer

    def share_link(self, peer: Peer) -> None:
        """Use the link that another master's instance of the same sentinel has already."""
        for master in self.masters.values():
            other = master.sentinels.get(peer.runid)
            if other is not None and other is not peer and other.link is not peer.link:
                self.release_link(peer.link)
                peer.link = other.link
                peer.link.refcount += 1
                return

    def release_link(self, link: Link) -> None:
        """One instance less uses the link; the last one closes it."""
        link.refcount -= 1
        if link.refcount == 0:
            link.close()

    def release(self, ri: Instance) -> None:
        """``ri`` is not monitored any more."""
        ri.released = True
        self.release_link(ri.link)

    def renew_links(self, master: Master) -> None:
        """Connect anew to a master and its replicas: their passwords are others now."""
        for ri in (master, *master.replicas.values()):
            ri.link.close()

    def renew_peer_links(self) -> None:
        """Connect anew to all other sentinels."""
        for master in self.masters.values():
            for peer in master.sentinels.values():
                peer.link.close()

    def forget_replicas(self, master: Master) -> None:
        """No replica is known any more."""
        for replica in master.replicas.values():
            self.release(replica)
        master.replicas = {}
        master.promoted = None

    def forget_peers(self, master: Master) -> None:
        """No other sentinel is known any more."""
        for peer in master.sentinels.values():
            self.release(peer)
        master.sentinels = {}

    def remove_master(self, master: Master) -> None:
        """SENTINEL REMOVE."""
        del self.masters[master.name]
        self.forget_replicas(master)
        self.forget_peers(master)
        self.release(master)

    def reset_master(self, master: Master, keep_peers: bool = False, tell: bool = False) -> None:
        """Forget all that was found out about a master: replicas, other sentinels (unless kept), its state."""
        self.forget_replicas(master)
        if not keep_peers:
            self.forget_peers(master)
        master.link.close()
        now = self.now()
        master.flags = 0
        master.leader = ""
        master.failover_state = FAILOVER_NONE
        master.failover_state_change_time = master.failover_start_time = 0
        master.runid = ""
        master.info_refresh = 0  # ask at once: the replicas are to be known again soon
        link = master.link
        link.act_ping_time = link.last_avail_time = link.last_pong_time = now
        link.last_ping_time = 0
        link.last_reconn_time = 0  # connect at once: with a small down-after-milliseconds it would be found down else
        master.role_reported = "master"
        master.role_reported_time = now
        if tell:
            self.event(WARNING, "+reset-master", master)

    def move_master(self, master: Master, host: str, port: int) -> bool:
        """The master is at another address now. Its replicas stay known, and the old master becomes one of them.

        False, and nothing has changed, if the address is none.
        """
        try:
            addr = self._address(host, port, False)
        except InstanceError:
            return False
        kept = [replica.addr for replica in master.replicas.values() if not replica.addr.is_at(addr)]
        if not master.addr.is_at(addr):
            kept.append(master.addr)
        self.reset_master(master, keep_peers=True)
        master.addr = addr
        master.o_down_since_time = master.s_down_since_time = 0
        for old in kept:
            try:
                replica = self.add_replica(master, old.host, old.port)
            except InstanceError:
                continue
            self.event(NOTICE, "+slave", replica)
        self.save()
        return True

    # --- judging ----------------------------------------------------------------------------------------------

    def up_for(self, ri: Instance, ms: int) -> bool:
        """Whether ``ri`` has not been found down for so long."""
        since = max(ri.s_down_since_time, ri.o_down_since_time)
        return not since or self.now() - since > ms

    def crash(self) -> None:
        """SENTINEL SIMULATE-FAILURE: end this process at once."""
        self.log.warning("Sentinel CRASH because of SENTINEL simulate-failure")
        os._exit(99)
