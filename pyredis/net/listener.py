"""Listening sockets: TCP on every address of ``bind``, and a unix socket."""

from __future__ import annotations

import asyncio
import os
import socket

from pyredis.core.server import Server
from pyredis.net.protocol import ClientProtocol


class ListenError(Exception):
    """A socket could not be opened; the text says which and why."""


class Listeners:
    """The open listening sockets of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.tcp: list[asyncio.AbstractServer] = []
        self.unix: asyncio.AbstractServer | None = None
        self.unix_path = ""

    async def open_all(self) -> None:
        """Open what the configuration names. Raises ListenError."""
        config = self.server.config
        if config.port != 0 or not config.unixsocket:
            await self.open_tcp(config.port, config.bind)
        if config.unixsocket:
            await self._open_unix(config.unixsocket, config.unixsocketperm)

    async def open_tcp(self, port: int, addresses: list[str]) -> None:
        """Listen on ``port`` at every address; one with a leading ``-`` may be missing. Port 0 asks for none.

        Raises ListenError; then nothing that was open before is closed.
        """
        opened: list[asyncio.AbstractServer] = []
        if port:
            try:
                for address in addresses or ["*"]:
                    one = await self._listen(address, port)
                    if one is not None:
                        opened.append(one)
                if not opened:
                    raise ListenError(f"Could not listen on port {port}: no address of bind is available")
            except ListenError:
                for listener in opened:
                    listener.close()
                raise
        self.close_tcp()
        self.tcp = opened
        self.server.tcp_port = port

    async def _listen(self, address: str, port: int) -> asyncio.AbstractServer | None:
        optional = address.startswith("-")
        host = address.removeprefix("-")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(({"*": "", "::*": "::"}.get(host, host), port))
        except OSError as e:
            sock.close()
            if optional or (address == "::*"):
                return None
            raise ListenError(f"Could not create server TCP listening socket {host}:{port}: bind: {e.strerror}") from e
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        backlog = self.server.config.tcp_backlog
        return await loop.create_server(lambda: ClientProtocol(self.server), sock=sock, backlog=backlog)

    async def _open_unix(self, path: str, permissions: int) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise ListenError("unixsocket: this system has no unix sockets")
        loop = asyncio.get_running_loop()
        if os.path.exists(path):
            os.unlink(path)
        try:
            self.unix = await loop.create_unix_server(
                lambda: ClientProtocol(self.server, path), path, backlog=self.server.config.tcp_backlog
            )
            if permissions:
                os.chmod(path, permissions)
        except OSError as e:
            raise ListenError(f"Failed opening Unix socket: bind: {e.strerror}") from e
        self.unix_path = path

    def close_tcp(self) -> None:
        """Stop listening on TCP; connections stay."""
        for listener in self.tcp:
            listener.close()
        self.tcp = []

    def close(self) -> None:
        """Stop listening."""
        self.close_tcp()
        if self.unix is not None:
            self.unix.close()
            self.unix = None
            if os.path.exists(self.unix_path):
                os.unlink(self.unix_path)
