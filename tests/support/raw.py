"""A raw client: sends bytes, returns each reply's exact bytes."""

from __future__ import annotations

import socket


class RawClient:
    """One connection; replies are split, not interpreted."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.file = sock.makefile("rb")

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def send(self, *argv: bytes | str | int) -> None:
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in argv]
        self.sock.sendall(encode(parts))

    def call(self, *argv: bytes | str | int) -> bytes:
        self.send(*argv)
        return self.read()

    def pipeline(self, commands: list[list[bytes]]) -> list[bytes]:
        """One reply for each command."""
        self.sock.sendall(b"".join(map(encode, commands)))
        return [self.read() for _ in commands]

    def read(self) -> bytes:
        """The next reply's bytes; raises EOFError when the connection has ended."""
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        kind, count = line[:1], line[1:-2]
        if kind in b"$=!" and count != b"-1":
            return line + self.file.read(int(count) + 2)
        if kind in b"*~>%" and count != b"-1":
            n = int(count) * (2 if kind == b"%" else 1)
            return line + b"".join([self.read() for _ in range(n)])
        return line


def encode(argv: list[bytes]) -> bytes:
    """A request as an array of bulk strings."""
    return b"*%d\r\n" % len(argv) + b"".join([b"$%d\r\n%b\r\n" % (len(a), a) for a in argv])
