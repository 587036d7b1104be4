"""Checking an append-only file more strictly than loading does: every byte, the exact place of damage, no server.

``ok_up_to`` is where the file could be cut: behind the last whole command outside of a transaction.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, Final

from pyredis.lib.intparse import string2ll

_LONGEST_HEADER: Final = 128
_LONGEST_ANNOTATION: Final = 1024
_COMMANDS_PER_LOOK: Final = 1024
_TIMESTAMP: Final = b"#TS:"
_END: Final = "Unexpected end of file"
_HEADERS: Final = {
    kind + b"%d\r\n" % n: n for kind, limit in ((b"*", 64), (b"$", 512)) for n in range(kind == b"*", limit)
}


class Damage(Exception):
    """What is wrong at ``offset``."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"{reason} at offset {offset}")
        self.offset = offset
        self.reason = reason


class LaterTimestamp(Exception):
    """An annotation that is later than asked for; the file can be cut at ``offset``."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"a later timestamp at offset {offset}")
        self.offset = offset


class AofCheck:
    """One file that is being checked, from offset ``at`` (behind a snapshot at its beginning) to ``size``."""

    def __init__(self, file: BinaryIO, at: int, size: int, to_timestamp: int | None = None) -> None:
        self.file = file
        self.size = size
        self.to_timestamp = to_timestamp
        self.ok_up_to = at
        self.line = 1
        """The line of what is being read; an argument counts as one, whatever it contains."""
        self.commands = 0
        self._at = at

    def run(self) -> Iterator[int]:
        """Check the file; yields now and then how far it has come. Raises Damage, LaterTimestamp, OSError."""
        readline = self.file.readline
        in_multi = False
        self.file.seek(self._at)
        while True:
            begin = self._at
            line = readline(_LONGEST_HEADER)
            if not line:
                break
            if line.startswith(b"#"):
                self._annotation(line)
                if not in_multi:
                    self.ok_up_to = self._at
                continue
            name = self._command(line)
            self.commands += 1
            if len(name) < 6:
                word = name.lower()
                if word == b"multi":
                    if in_multi:
                        raise Damage(begin, "Unexpected MULTI")
                    in_multi = True
                elif word == b"exec":
                    if not in_multi:
                        raise Damage(begin, "Unexpected EXEC")
                    in_multi = False
            if not in_multi:
                self.ok_up_to = self._at
            if not self.commands % _COMMANDS_PER_LOOK:
                yield self._at
        if in_multi:
            raise Damage(self._at, "Reached EOF before reading EXEC for MULTI")
        yield self._at

    def _command(self, line: bytes) -> bytes:
        """Read a command that begins with ``line``; its name."""
        headers, readline, read = _HEADERS.get, self.file.readline, self.file.read
        argc = headers(line) if line.startswith(b"*") else None
        if argc is None:
            argc = self._number(line, b"*")
            if argc < 1:
                raise Damage(self._at, "A command without arguments")
        self._at += len(line)
        self.line += 1
        name = b""
        for index in range(argc):
            line = readline(_LONGEST_HEADER)
            size = headers(line) if line.startswith(b"$") else None
            if size is None:
                size = self._number(line, b"$")
            self._at += len(line)
            self.line += 1
            if size + 2 > self.size - self._at:
                left = self.size - self._at
                raise Damage(self._at, f"Expected to read {size + 2} bytes, got {left} bytes")
            text = read(size + 2)
            if len(text) != size + 2:
                raise Damage(self._at + len(text), _END)  # the file has become shorter
            if not text.endswith(b"\r\n"):
                raise Damage(self._at + size, f"Expected \\r\\n, got: {text[-2:].hex()}")
            self._at += size + 2
            self.line += 1
            if not index:
                name = text[:-2]
        return name

    def _number(self, line: bytes, kind: bytes) -> int:
        """The number of a header line that is not one of the usual ones."""
        if not line:
            raise Damage(self._at, _END)
        if line[:1] != kind:
            raise Damage(self._at, f"Expected prefix '{kind.decode()}', got: '{_shown(line[:1])}'")
        body = line[1:].rstrip(b"\r\n")
        if not line.endswith(b"\n") and len(line) < _LONGEST_HEADER:
            raise Damage(self._at + len(line), _END)
        digits = len(body) - len(body.lstrip(b"-0123456789"))
        if line[1 + digits : 3 + digits] != b"\r\n":
            raise Damage(self._at + 1 + digits, f"Expected \\r\\n, got: {line[1 + digits : 3 + digits].hex()}")
        number = string2ll(body)
        if number is None or number < 0:
            raise Damage(self._at + 1, f"Bad number '{_shown(body)}'")
        return number

    def _annotation(self, line: bytes) -> None:
        """Pass over a line that begins with ``#``; a timestamp may be the end."""
        if not line.endswith(b"\n"):
            line += self.file.readline(_LONGEST_ANNOTATION)
            if not line.endswith(b"\n"):
                at_end = self._at + len(line) >= self.size
                raise Damage(self._at + len(line), _END if at_end else "Annotation line too long")
        if self.to_timestamp is not None and line.startswith(_TIMESTAMP):
            when = string2ll(line[len(_TIMESTAMP) :].strip())
            if when is None:
                raise Damage(self._at + len(_TIMESTAMP), "Invalid timestamp annotation")
            if when > self.to_timestamp:
                raise LaterTimestamp(self.ok_up_to)
        self._at += len(line)
        self.line += 1


def cut(path: str, size: int) -> None:
    """Shorten a file, and wait until that is on the disk. Raises OSError."""
    fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.ftruncate(fd, size)
        os.fsync(fd)
    finally:
        os.close(fd)


def _shown(text: bytes) -> str:
    return text.decode("ascii", "backslashreplace")
