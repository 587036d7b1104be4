"""A small client: one blocking socket, requests sent in batches, replies read by hiredis."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

import hiredis

BATCH = 2000  # commands sent before their replies are read: less than socket buffers hold, so nobody waits for nobody


def encode(*argv: bytes) -> bytes:
    """A request as an array of bulk strings."""
    return b"*%d\r\n" % len(argv) + b"".join([b"$%d\r\n%b\r\n" % (len(arg), arg) for arg in argv])


class Wire:
    """One connection to a server on this machine."""

    def __init__(self, port: int, timeout: float = 120) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self.sock.close()

    def read(self) -> Any:
        """The next reply; an error reply is raised."""
        while (reply := self.reader.gets()) is False:
            data = self.sock.recv(1 << 18)
            if not data:
                raise EOFError("the server closed the connection")
            self.reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def call(self, *argv: bytes) -> Any:
        """Send one command and return its reply."""
        self.sock.sendall(encode(*argv))
        return self.read()

    def send(self, requests: Iterable[bytes]) -> int:
        """Send encoded requests in batches, reading each batch's replies; return how many they were."""
        total = 0
        batch: list[bytes] = []
        for request in requests:
            batch.append(request)
            if len(batch) == BATCH:
                total += self.exchange(batch)
                batch.clear()
        return total + self.exchange(batch)

    def exchange(self, batch: list[bytes]) -> int:
        """Send encoded requests at once and read a reply for each; return how many they were."""
        self.sock.sendall(b"".join(batch))
        for _ in batch:
            self.read()
        return len(batch)
