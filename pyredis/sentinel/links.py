"""Links to instances: making their connections, again after they broke, and what is sent first on them."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from pyredis.core.tls import TlsError, client_context
from pyredis.sentinel.connection import Callback, Connection, Endpoint, Reply
from pyredis.sentinel.instance import Instance, Link, Peer
from pyredis.sentinel.state import DEBUG, HELLO_CHANNEL, Sentinel, encode

Message = Callable[[bytes], None]


class Links:
    """Connects one sentinel's instances. ``on_message`` gets what comes over the hello channel."""

    def __init__(self, sentinel: Sentinel, loop: asyncio.AbstractEventLoop, on_message: Message) -> None:
        self.sentinel = sentinel
        self.loop = loop
        self.on_message = on_message

    def reconnect(self, ri: Instance) -> bool:
        """Make the connections that are missing, at most once per ping period; whether commands' is a new one."""
        sentinel, link = self.sentinel, ri.link
        if not link.disconnected or not ri.addr.port:
            return False
        now = sentinel.now()
        if now - link.last_reconn_time < sentinel.times.ping_period:
            return False
        link.last_reconn_time = now
        if sentinel.resolver.names and ri.addr.host != ri.addr.ip:
            ri.addr.ip = sentinel.resolver.resolve(ri.addr.host) or ri.addr.ip
        if not ri.addr.ip:
            return False
        fresh = link.cc is None
        if link.cc is None:
            link.pending_commands = 0
            link.info_pending = False
            link.cc_conn_time = now
            link.cc = self._connect(ri, "cmd")
        if link.pc is None and not isinstance(ri, Peer):
            link.pc_conn_time = link.pc_last_activity = now
            link.pc = self._connect(ri, "pubsub")
            if link.pc is not None:
                link.pc.on_message = functools.partial(self._message, link)
                link.pc.subscribe(encode(HELLO_CHANNEL))
        link.disconnected = link.cc is None or (link.pc is None and not isinstance(ri, Peer))
        return fresh and link.cc is not None

    def _connect(self, ri: Instance, kind: str) -> Connection | None:
        """Begin to connect; None (logged) if the TLS settings are wrong."""
        sentinel = self.sentinel
        connection = Connection(self.loop, functools.partial(self._ended, ri, kind))
        connection.on_turn = sentinel.server.after_event
        try:
            connection.open(self._endpoint(ri))
        except TlsError as e:
            sentinel.log.warning(str(e))
            connection.close()
            return None
        first = []
        credentials = self._credentials(ri)
        if credentials:
            first.append(_request(ri, "AUTH", *credentials))
        name = f"sentinel-{sentinel.myid[:8]}-{kind}"
        first.append(_request(ri, "CLIENT", "SETNAME", name))
        for argv in first:
            connection.call(argv, self._count(ri) if kind == "cmd" else None)
            ri.link.pending_commands += kind == "cmd"
        return connection

    def _endpoint(self, ri: Instance) -> Endpoint:
        config = self.sentinel.server.config
        context = client_context(config) if config.tls_replication else None
        return Endpoint(ri.addr.ip, ri.addr.port, config.bind_source_addr, context)

    def _credentials(self, ri: Instance) -> list[str]:
        """The arguments of AUTH; none if there is no password."""
        sentinel = self.sentinel
        master = ri.monitored_master()
        if not isinstance(ri, Peer):
            user, password = master.auth_user, master.auth_pass
        elif sentinel.sentinel_pass:
            user, password = sentinel.sentinel_user, sentinel.sentinel_pass
        else:
            user, password = "", sentinel.server.config.requirepass
        if not password:
            return []
        return [user, password] if user else [password]

    def _count(self, ri: Instance, callback: Callback | None = None) -> Callback:
        """One command less is under way, then ``callback`` unless the instance is not monitored any more."""
        link = ri.link

        def received(reply: Reply) -> None:
            link.pending_commands -= 1
            if callback is not None and not ri.released:
                self._guarded(callback, reply)

        return received

    def call(self, ri: Instance, *words: str, callback: Callback | None = None) -> bool:
        """Send a command (under the name that it has there) to an instance; False if there is no connection."""
        cc = ri.link.cc
        if cc is None or cc.closed:
            return False
        cc.call(_request(ri, *words), self._count(ri, callback))
        ri.link.pending_commands += 1
        return True

    def _ended(self, ri: Instance, kind: str, reason: str) -> None:
        """A connection has ended without our doing."""
        link = ri.link
        link.drop(kind == "cmd")
        if not ri.released:
            self.sentinel.event(DEBUG, f"-{kind}-link-reconnection", ri, f"#{reason}")

    def _message(self, link: Link, reply: Reply) -> None:
        link.pc_last_activity = self.sentinel.now()
        if isinstance(reply, list) and len(reply) == 3 and reply[0] == b"message" and isinstance(reply[2], bytes):
            self._guarded(self.on_message, reply[2])

    def _guarded(self, callback: Callable[[Reply], None], reply: Reply) -> None:
        """A bug in one callback must not end the connection, nor the watch."""
        try:
            callback(reply)
        except Exception:
            self.sentinel.server.log_exception(b"in the sentinel, with what an instance answered")


def _request(ri: Instance, name: str, *arguments: str) -> list[bytes]:
    """A command for an instance: masters and replicas may have renamed it (``rename-command``)."""
    if not isinstance(ri, Peer):
        name = ri.monitored_master().renamed_commands.get(name, name)
    return [encode(word) for word in (name, *arguments)]
