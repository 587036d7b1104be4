"""Listening sockets: TCP and TLS on every address of ``bind``, and a unix socket.

A socket is bound and listens at once, so that every failure is known at once and no connection is missed; the event
loop begins to accept in a turn soon after.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import suppress
from typing import Final

from pyredis.core.server import Server
from pyredis.core.tls import TlsError, server_context
from pyredis.net.protocol import ClientProtocol
from pyredis.net.tls import TlsProtocol

_SO_MARK: Final = 36
_MISSING: Final = frozenset(("EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EPFNOSUPPORT"))
"""Errors with which an address with ``-`` before it is left out."""


class ListenError(Exception):
    """A socket could not be opened; the text says which and why."""


class Listeners:
    """The open listening sockets of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tcp = _Port(self, "TCP")
        self.tls = _Port(self, "TLS")
        self.tls_context: ssl.SSLContext | None = None
        """With what new connections to ``tls-port`` are met; those that are there keep theirs."""
        self.unix: _Listener | None = None
        self.unix_path = ""

    def open_all(self) -> None:
        """Open what the configuration names. Raises ListenError."""
        config = self.server.config
        if not self.configure_tls(False):
            raise ListenError("Failed to configure TLS. Check logs for more info.")
        for group, port in ((self.tcp, config.port), (self.tls, config.tls_port)):
            try:
                group.listen(port, config.bind)
            except ListenError as e:
                raise ListenError(f"Failed listening on port {port} ({group.kind}), aborting.") from e
        if config.unixsocket:
            self.open_unix(config.unixsocket, config.unixsocketperm)
        if not self.tcp.sockets and not self.tls.sockets and self.unix is None:
            raise ListenError("Configured to not listen anywhere, exiting.")

    def rebind(self) -> bool:
        """Listen where the configuration says now; False (logged) if that fails: that kind of port is as before."""
        config = self.server.config
        try:
            self.tcp.listen(config.port, config.bind)
            self.tls.listen(config.tls_port, config.bind)
        except ListenError:
            return False
        return True

    def configure_tls(self, again: bool) -> bool:
        """Read the certificates anew if TLS is on; see :class:`pyredis.core.server.Listening`."""
        config = self.server.config
        if (config.tls_port or config.tls_replication or config.tls_cluster) and (again or self.tls_context is None):
            try:
                self.tls_context = server_context(self.server.config)
            except TlsError as e:
                self.server.log.warning(str(e))
                return False
        return True

    def bind(self, address: str, port: int) -> socket.socket | None:
        """A listening socket; None for an address that may be missing and is."""
        optional = address.startswith("-")
        host = address.removeprefix("-")
        log = self.server.log
        sock: socket.socket | None = None
        try:
            where = {"*": "0.0.0.0", "::*": "::"}.get(host, host)
            family, kind, protocol, _, name = socket.getaddrinfo(
                where, port, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_PASSIVE
            )[0]
            sock = socket.socket(family, kind, protocol)
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._mark(sock)
            sock.bind(name)
            sock.listen(self.server.config.tcp_backlog)
        except (OSError, UnicodeError) as e:
            if sock is not None:
                sock.close()
            step = "" if isinstance(e, socket.gaierror) else "bind: "
            log.warning(f"Warning: Could not create server TCP listening socket {host}:{port}: {step}{_reason(e)}")
            if optional and _is_missing(e):
                return None
            raise ListenError("Failed to bind") from e
        sock.setblocking(False)
        return sock

    def _mark(self, sock: socket.socket) -> None:
        mark = self.server.config.socket_mark_id
        if mark:
            try:
                sock.setsockopt(socket.SOL_SOCKET, _SO_MARK, mark)
            except OSError as e:
                self.server.log.warning(f"Unable to set socket mark ID {mark}: {e.strerror}")

    def open_unix(self, path: str, permissions: int) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise ListenError("Failed opening Unix socket: this system has none")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if os.path.exists(path):
                os.unlink(path)
            sock.bind(path)
            sock.listen(self.server.config.tcp_backlog)
            if permissions:
                os.chmod(path, permissions)
        except OSError as e:
            sock.close()
            raise ListenError(f"Failed opening Unix socket: bind: {_reason(e)}") from e
        sock.setblocking(False)
        self.unix = _Listener(self, sock, "unix", path)
        self.unix_path = os.path.abspath(path)

    def protocol(self, unix_path: str) -> ClientProtocol:
        """What serves a new connection."""
        return ClientProtocol(self.server, unix_path)

    def close(self) -> None:
        """Stop listening; the unix socket's file goes."""
        self.tcp.close()
        self.tls.close()
        if self.unix is not None:
            self.unix.close()
            self.unix = None
            if os.path.exists(self.unix_path):
                self.server.log.notice("Removing the unix socket file.")
                os.unlink(self.unix_path)


class _Port:
    """One port at the addresses of ``bind``: a socket for each."""

    def __init__(self, listeners: Listeners, kind: str) -> None:
        self.listeners = listeners
        self.kind = kind
        """``TCP`` or ``TLS``."""
        self.sockets: list[_Listener] = []
        self.number = 0
        """0: nobody listens."""
        self._addresses: list[str] = []

    def listen(self, port: int, addresses: list[str]) -> None:
        """Listen on ``port`` (0 = not at all) at every address. Raises ListenError, and then nothing has changed."""
        if (port, addresses) == (self.number, self._addresses):
            return
        if port == self.number:
            # The same port at another set of addresses: the old sockets would be in the way.
            self.close()
        try:
            opened = self._bind_all(port, addresses) if port else []
        except ListenError:
            if not self.sockets and self.number:
                self.adopt(self._bind_all(self.number, self._addresses))
            raise
        self.close()
        self.adopt(opened)
        self.number, self._addresses = port, list(addresses)

    def adopt(self, sockets: list[socket.socket]) -> None:
        """Accept connections to these sockets."""
        self.sockets = [_Listener(self.listeners, sock, self.kind) for sock in sockets]

    def _bind_all(self, port: int, addresses: list[str]) -> list[socket.socket]:
        opened: list[socket.socket] = []
        try:
            for address in addresses:
                sock = self.listeners.bind(address, port)
                if sock is not None:
                    opened.append(sock)
        except ListenError:
            for sock in opened:
                sock.close()
            raise
        return opened

    def close(self) -> None:
        """Stop listening; connections stay."""
        for listener in self.sockets:
            listener.close()
        self.sockets = []


class _Listener:
    """A listening socket, handed to the event loop. ``kind``: ``TCP``, ``TLS``, or ``unix``."""

    def __init__(self, listeners: Listeners, sock: socket.socket, kind: str, unix_path: str = "") -> None:
        self.listeners = listeners
        self.server = listeners.server
        self.sock = sock
        self.kind = kind
        self.unix_path = unix_path
        self.accepting: asyncio.AbstractServer | None = None
        self.closed = False
        self.task = asyncio.get_running_loop().create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        backlog = self.server.config.tcp_backlog
        if self.unix_path:
            self.accepting = await loop.create_unix_server(self._protocol, sock=self.sock, backlog=backlog)
        else:
            self.accepting = await loop.create_server(self._protocol, sock=self.sock, backlog=backlog)
        if self.closed:
            self.accepting.close()

    def _protocol(self) -> asyncio.Protocol:
        context = self.listeners.tls_context
        if self.kind == "TLS" and context is not None:
            return TlsProtocol(self.server, context)
        return self.listeners.protocol(self.unix_path)

    def close(self) -> None:
        self.closed = True
        if self.accepting is not None:
            self.accepting.close()
        else:
            self.task.cancel()
            # asyncio's loop listens before it says so; were that left, it would miss the next socket of this number.
            with suppress(NotImplementedError, RuntimeError):
                self.task.get_loop().remove_reader(self.sock.fileno())
        self.sock.close()


def _reason(e: Exception) -> str:
    return (e.strerror if isinstance(e, OSError) else None) or str(e)


def _is_missing(e: Exception) -> bool:
    """Whether the address does not exist here, rather than being taken or forbidden."""
    return isinstance(e, OSError) and errno.errorcode.get(e.errno or 0, "") in _MISSING
