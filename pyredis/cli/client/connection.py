"""A blocking connection and the replies that come over it, in RESP2 and RESP3."""

from __future__ import annotations

import socket
from typing import Any, Final

from pyredis.resp.command import encode_command

CONNECT_SECONDS: Final = 10
_CHUNK: Final = 1 << 16
_AGGREGATES: Final = b"*%~>|"


class ConnectionLost(Exception):
    """The server has gone, or what it says is no reply."""


class Reply:
    """``kind`` is the byte that a reply begins with (``b"$"``); nulls of every form are ``b"_"``.

    ``value`` is bytes, an int, a bool or None; of an aggregate it is its elements, a map's keys and values in turn.
    """

    __slots__ = ("kind", "value")

    def __init__(self, kind: bytes, value: Any) -> None:
        self.kind = kind
        self.value = value


class Target:
    """Where to connect, and as whom. TLS files are paths."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        self.port = 6379
        self.path = ""
        self.user = ""
        self.password = ""
        self.db = 0
        self.protocol = 0
        """2 or 3 as asked for; 0 = what the server begins with."""
        self.tls: dict[str, str] = {}
        self.use_tls = False

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def connect(target: Target) -> Connection:
    """A connection to a server. Raises OSError."""
    if target.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(target.path)
    else:
        sock = socket.create_connection((target.host, target.port), timeout=CONNECT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    return Connection(_with_tls(sock, target) if target.use_tls else sock)


class Connection:
    """Sends commands, reads replies, over a socket or what is like one. Raises ConnectionLost."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._buf = b""
        self._pos = 0

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    def send(self, argv: list[bytes]) -> None:
        """Send one command."""
        try:
            self._sock.sendall(encode_command(argv))
        except OSError as e:
            raise ConnectionLost(str(e)) from e

    def call(self, *argv: bytes) -> Reply:
        """Send one command and read its reply."""
        self.send(list(argv))
        return self.read()

    def _fill(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except OSError as e:
            raise ConnectionLost(str(e)) from e
        if not data:
            raise ConnectionLost("Server closed the connection")
        self._buf = self._buf[self._pos :] + data
        self._pos = 0

    def _line(self) -> bytes:
        while (end := self._buf.find(b"\r\n", self._pos)) < 0:
            self._fill()
        line = self._buf[self._pos : end]
        self._pos = end + 2
        return line

    def _exactly(self, size: int) -> bytes:
        if len(self._buf) - self._pos < size + 2:
            parts = [self._buf[self._pos :]]
            missing = size + 2 - len(parts[0])
            while missing > 0:
                self._buf, self._pos = b"", 0
                self._fill()
                parts.append(self._buf[:missing])
                self._pos = len(parts[-1])
                missing -= self._pos
            return b"".join(parts)[:size]
        data = self._buf[self._pos : self._pos + size]
        self._pos += size + 2
        return data

    def read(self) -> Reply:
        """The next reply. Raises ConnectionLost."""
        try:
            return self._read()
        except (ValueError, IndexError):
            raise ConnectionLost("Protocol error") from None

    def _read(self) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in (b"+", b"-"):
            return Reply(kind, rest)
        if kind == b":":
            return Reply(kind, int(rest))
        if kind in (b",", b"("):
            return Reply(kind, rest)
        if kind == b"#":
            return Reply(kind, rest == b"t")
        if kind == b"_":
            return Reply(kind, None)
        size = int(rest)
        if kind in (b"$", b"="):
            if size < 0:
                return Reply(b"_", None)
            data = self._exactly(size)
            return Reply(kind, data[4:] if kind == b"=" else data)
        if kind not in _AGGREGATES or not kind:
            raise ConnectionLost(f"Protocol error, got {kind!r} as reply type byte")
        if size < 0:
            return Reply(b"_", None)
        elements = [self._read() for _ in range(2 * size if kind in b"%|" else size)]
        if kind == b"|":  # attributes stand before the reply that they belong to
            return self._read()
        return Reply(kind, elements)


def _with_tls(sock: socket.socket, target: Target) -> socket.socket:
    import ssl

    options = target.tls
    context = ssl.create_default_context(cafile=options.get("cacert"), capath=options.get("cacertdir"))
    context.check_hostname = False  # as redis-cli: the certificate counts, not the name in it
    if "insecure" in options:
        context.verify_mode = ssl.CERT_NONE
    if "cert" in options:
        context.load_cert_chain(options["cert"], options.get("key"))
    if "tls-ciphers" in options:
        context.set_ciphers(options["tls-ciphers"])
    return context.wrap_socket(sock, server_hostname=options.get("sni") or target.host)
