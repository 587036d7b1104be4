"""Hello messages, by which sentinels of a master find one another and spread the newest configuration:
``ip,port,runid,current epoch,master name,master ip,master port,master's configuration epoch``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pyredis.sentinel.failover import reconfigure_clients
from pyredis.sentinel.instance import Instance, Master, Peer
from pyredis.sentinel.numbers import leading_int, parse_epoch
from pyredis.sentinel.state import NOTICE, WARNING, InstanceError, Sentinel, decode

if TYPE_CHECKING:
    from pyredis.sentinel.connection import Connection

_RUN_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
"""What a run ID may look like: it goes into our configuration file."""


def hello_text(sentinel: Sentinel, ri: Instance, cc: Connection) -> str:
    """The message about the master of ``ri``, to be sent over ``cc``; empty if our own address is not known yet."""
    config = sentinel.server.config
    master = ri.monitored_master()
    host = sentinel.announce_ip or cc.local_host()
    if not host:
        return ""
    port = sentinel.announce_port or (config.tls_port if config.tls_replication and config.tls_port else config.port)
    addr = master.current_addr()
    mine = f"{host},{port},{sentinel.myid},{sentinel.current_epoch}"
    return f"{mine},{master.name},{sentinel.shown(addr)},{addr.port},{master.config_epoch}"


class Hello:
    """A message taken apart."""

    __slots__ = ("config_epoch", "current_epoch", "host", "master_host", "master_name", "master_port", "port", "runid")

    def __init__(self, tokens: list[str]) -> None:
        self.host, port, self.runid, current_epoch, self.master_name, self.master_host, master_port, epoch = tokens
        self.port = leading_int(port)
        self.current_epoch = parse_epoch(current_epoch)
        self.master_port = leading_int(master_port)
        self.config_epoch = parse_epoch(epoch)


def process_hello(sentinel: Sentinel, message: bytes) -> None:
    """Learn from another sentinel's message. What is none, or about a master that we do not watch, is passed over."""
    tokens = decode(message).split(",")
    if len(tokens) != 8 or tokens[2] == sentinel.myid or not _RUN_ID.fullmatch(tokens[2]):
        return
    hello = Hello(tokens)
    master = sentinel.masters.get(hello.master_name)
    if master is None:
        return
    peer = sentinel.find_peer(master, hello.host, hello.port, hello.runid)
    if peer is None:
        peer = _enter(sentinel, master, hello)
    if hello.current_epoch > sentinel.current_epoch:
        sentinel.current_epoch = hello.current_epoch
        sentinel.save()
        sentinel.announce(WARNING, "+new-epoch", master, str(sentinel.current_epoch))
    if peer is not None:
        if master.config_epoch < hello.config_epoch:
            _adopt(sentinel, master, peer, hello)
        peer.last_hello_time = sentinel.now()


def _enter(sentinel: Sentinel, master: Master, hello: Hello) -> Peer | None:
    """A sentinel that is new, or has moved."""
    known = master.sentinels.pop(hello.runid, None)
    if known is not None:
        sentinel.release(known)
        moved = f"ip {hello.host} port {hello.port} for {hello.runid}"
        sentinel.event(NOTICE, "+sentinel-address-switch", master, moved)
    else:
        other = sentinel.find_peer(master, hello.host, hello.port)
        if other is not None:
            # Somebody else answers at its address now; it will tell where it is.
            sentinel.event(NOTICE, "+sentinel-invalid-addr", other)
            other.addr.port = 0
            _spread_address(sentinel, other)
    try:
        peer = sentinel.add_peer(master, hello.runid, hello.host, hello.port)
    except InstanceError:
        return None
    if known is None:
        sentinel.event(NOTICE, "+sentinel", peer)
    sentinel.share_link(peer)
    if known is not None:
        _spread_address(sentinel, peer)
    sentinel.save()
    return peer


def _spread_address(sentinel: Sentinel, peer: Peer) -> None:
    """What one master knows of a sentinel's address holds for all."""
    others = 0
    for master in sentinel.masters.values():
        other = master.sentinels.get(peer.runid)
        if other is not None:
            other.link.close()
            if other is not peer:
                other.addr = peer.addr.copy()
                others += 1
    if others:
        sentinel.event(NOTICE, "+sentinel-address-update", peer, f"{others} additional matching instances")


def _adopt(sentinel: Sentinel, master: Master, peer: Peer, hello: Hello) -> None:
    """The other sentinel has a newer configuration of the master: it counts."""
    master.config_epoch = hello.config_epoch
    if hello.master_port == master.addr.port and sentinel.resolver.same_host(master.addr, hello.master_host):
        return
    sentinel.event(WARNING, "+config-update-from", peer)
    old = master.addr.copy()
    sentinel.announce(
        WARNING,
        "+switch-master",
        master,
        f"{master.name} {sentinel.shown(old)} {old.port} {hello.master_host} {hello.master_port}",
    )
    if sentinel.move_master(master, hello.master_host, hello.master_port):
        reconfigure_clients(sentinel, master, "observer", old, master.addr)
