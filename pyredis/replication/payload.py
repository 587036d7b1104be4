"""A snapshot as it comes over a replication link: its header, its end, and what follows. No I/O.

``$<length>`` announces so many bytes; ``$EOF:<40 bytes>`` that those 40 bytes stand behind the last one. A receiver
that does not parse the snapshot finds the mark by looking at the last 40 bytes of what has come: the master sends
nothing behind it before it is told that the snapshot was loaded.
"""

from __future__ import annotations

from typing import Final

MARK_BYTES: Final = 40
_LONGEST: Final = 1024


class PayloadError(Exception):
    """The master sends no snapshot; the text is for the log."""


class Header:
    """The line before the snapshot."""

    def __init__(self) -> None:
        self.length = -1
        """Bytes of the snapshot; -1: unknown, ``mark`` ends it."""
        self.mark = b""
        self._line = b""

    def receive(self, data: bytes) -> tuple[bool, bytes]:
        """Take bytes: whether the header is complete, and what is behind it. Raises PayloadError."""
        while data:
            line, end, data = data.partition(b"\n")
            self._line += line
            if len(self._line) > _LONGEST:
                raise PayloadError("Bad protocol from MASTER, the header of the snapshot is too long")
            if not end:
                break
            whole, self._line = self._line.removesuffix(b"\r"), b""
            if whole:
                self._read(whole)
                return True, data
        return False, b""

    def _read(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace")
        if line.startswith(b"-"):
            raise PayloadError(f"MASTER aborted replication with an error: {text[1:]}")
        if not line.startswith(b"$"):
            raise PayloadError(
                f"Bad protocol from MASTER, the first byte is not '$' (we received '{text}'), are you sure the host "
                "and port are right?"
            )
        if line.startswith(b"$EOF:") and len(line) == 5 + MARK_BYTES:
            self.mark = line[5:]
        elif line[1:].isdigit() and len(line) < 20:
            self.length = int(line[1:])
        else:
            raise PayloadError(f"Bad protocol from MASTER, the header of the snapshot is '{text}'")


class Boundary:
    """Cuts what is received into the snapshot and what follows it, without parsing it."""

    def __init__(self, header: Header) -> None:
        self._left = header.length
        self._mark = header.mark
        self._tail = b""
        self.ended = False
        self.rest = b""
        """After the end: what follows the snapshot."""

    def take(self, data: bytes) -> bytes:
        """Take bytes: those of the snapshot. With a mark, up to 40 bytes are held back until more have come."""
        if not self._mark:
            part = data[: self._left]
            self._left -= len(part)
            if not self._left:
                self.ended = True
                self.rest = data[len(part) :]
            return part
        data = self._tail + data
        if data.endswith(self._mark):
            self.ended = True
            return data[:-MARK_BYTES]
        self._tail = data[-MARK_BYTES:]
        return data[:-MARK_BYTES]
