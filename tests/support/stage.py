"""Several connections to one server, driven step by step; after each step everything that arrived anywhere is known.

The barrier: a loopback socket has its bytes before ``send`` returns, so once the server has answered a few requests on
another connection, it has also read and answered what was sent before. No step waits for time to pass.
"""

from __future__ import annotations

import contextlib
import socket

from tests.support.raw import encode
from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE

_ROUNDS = 3
"""Turns of the server's loop that the longest chain needs: read, serve who waits, what waited behind that."""


class Stage:
    """Clients by number, connected when first named."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.clients: dict[int, socket.socket] = {}
        self.closed: set[int] = set()

    def close(self) -> None:
        for sock in self.clients.values():
            sock.close()

    def client(self, number: int) -> socket.socket:
        if number not in self.clients:
            sock = self.clients[number] = self.server.connect()
            # Else a second request without a reply between would wait for the first one's acknowledgement.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.clients[number]

    def barrier(self) -> None:
        """Until everything sent so far has been read and answered. Works while commands are paused, too."""
        for _ in range(_ROUNDS):
            with self.server.connect() as control:
                control.sendall(b"*x\r\n")
                while control.recv(4096):
                    pass

    def step(self, number: int, data: bytes) -> dict[int, bytes]:
        """Send bytes on one connection; what arrived on which (``b"<closed>"`` at the end where the server hung up)."""
        with contextlib.suppress(OSError):
            self.client(number).sendall(data)
        self.barrier()
        return self.collect()

    def step_until(self, number: int, data: bytes, end: bytes) -> dict[int, bytes]:
        """As ``step``, for commands that take their time: until that client has received ``end``."""
        sock = self.client(number)
        sock.sendall(data)
        got = b""
        while not got.endswith(end):
            part = sock.recv(1 << 16)
            assert part, got
            got += part
        return {number: got} | self.collect()

    def collect(self) -> dict[int, bytes]:
        """What has arrived on each connection since the last time."""
        arrived: dict[int, bytes] = {}
        for number, sock in self.clients.items():
            if number not in self.closed:
                data = self._received(number, sock)
                if data:
                    arrived[number] = data
        return arrived

    def _received(self, number: int, sock: socket.socket) -> bytes:
        parts = []
        sock.setblocking(False)
        try:
            while True:
                part = sock.recv(1 << 16)
                if not part:
                    parts.append(b"<closed>")
                    self.closed.add(number)
                    break
                parts.append(part)
        except BlockingIOError:
            pass
        except ConnectionError:
            parts.append(b"<closed>")
            self.closed.add(number)
        finally:
            sock.settimeout(PATIENCE)
        return b"".join(parts)

    def leave(self, number: int) -> None:
        """Close one connection from this side."""
        self.clients.pop(number).close()
        self.barrier()


def commands(*lines: str | list[bytes]) -> bytes:
    """Lines of blank-separated words (or argv lists) as one pipeline."""
    return b"".join([encode(line.encode().split(b" ") if isinstance(line, str) else line) for line in lines])
