"""Requests: bytes from a client to argv lists, and Redis's own refusals of everything that is no request.

hiredis's reader is made for replies, so it accepts what a server must refuse. It is used only for chunks of which it is
sure that they are whole, plain requests: nothing left over from before, no header that hiredis would answer with a huge
allocation, nothing but bytes in the result, and where other types could have become bytes or lists, the same bytes when
the result is encoded again.
Everything else goes through :class:`_StrictParser`, which is exact and incremental.
"""

from __future__ import annotations

import re
from itertools import chain
from random import randrange
from typing import Any, Final

import hiredis

from pyredis.lib.intparse import string2ll
from pyredis.lib.splitargs import split_args

_INLINE_MAX: Final = 64 << 10
_INT_MAX: Final = (1 << 31) - 1
_UNAUTHENTICATED_ARGC: Final = 10
_UNAUTHENTICATED_BULK: Final = 16384
_SENTINEL: Final = randrange(1 << 60, 1 << 61)
"""An integer put behind a chunk: nobody can send it, so it comes back only from there."""
_SENTINEL_BYTES: Final = b":%d\r\n" % _SENTINEL
_HUGE_HEADER: Final = re.compile(rb"\*\d{6}")


class ProtocolError(Exception):
    """What is no request; ``message`` goes out behind ``-ERR ``, then the connection closes (empty: without a word)."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class _StrictParser:
    """Redis's parser, step by step. Keeps what is incomplete; never looks at the same byte of a value twice."""

    __slots__ = ("argc", "argv", "at", "buffer", "bulk_len", "limits")

    def __init__(self, limits: RequestReader) -> None:
        self.limits = limits
        self.buffer = bytearray()
        self.at = 0
        """What is in front of this in the buffer has been read."""
        self.argc = 0
        """Arguments still to come; 0 = between requests."""
        self.argv: list[bytes] = []
        self.bulk_len = -1

    def idle(self) -> bool:
        return not self.buffer and not self.argc

    def feed(self, data: bytes, out: list[list[bytes]]) -> None:
        """Take a chunk, append complete requests to ``out``: only one at a time while the client is not authenticated,
        as it may be AUTH, which changes the limits for the next. Raises ProtocolError."""
        self.buffer += data
        buffer = self.buffer
        one = not self.limits.authenticated
        at = self.at
        try:
            while at < len(buffer):
                done = self._argument(at, out) if self.argc else self._begin(at, out)
                if done < 0:
                    break
                at = done
                if one and out:
                    self.at = at
                    return
        except ProtocolError:
            self.buffer = bytearray()
            self.at = 0
            raise
        self.at = 0
        if at:
            del buffer[:at]
        if len(buffer) > self.limits.query_buffer_limit:
            self.buffer = bytearray()
            raise ProtocolError(b"")

    def _line(self, at: int, too_big: bytes) -> int:
        """Position of the line's CR; -1 if it is not there yet."""
        end = self._find(b"\r", at)
        if end < 0:
            if len(self.buffer) - at > _INLINE_MAX:
                raise ProtocolError(too_big)
            return -1
        return end if end + 1 < len(self.buffer) else -1

    def _find(self, what: bytes, at: int) -> int:
        """As C's strchr: a zero byte hides everything behind it, so the line is never complete."""
        end = self.buffer.find(what, at)
        if self.buffer.find(b"\0", at, end if end >= 0 else len(self.buffer)) >= 0:
            return -1
        return end

    def _begin(self, at: int, out: list[list[bytes]]) -> int:
        buffer = self.buffer
        if buffer[at] != 0x2A:
            return self._inline(at, out)
        end = self._line(at, b"Protocol error: too big mbulk count string")
        if end < 0:
            return -1
        n = string2ll(bytes(buffer[at + 1 : end]))
        if n is None or n > _INT_MAX:
            raise ProtocolError(b"Protocol error: invalid multibulk length")
        if n > _UNAUTHENTICATED_ARGC and not self.limits.authenticated:
            raise ProtocolError(b"Protocol error: unauthenticated multibulk length")
        if n > 0:
            self.argc = n
        return end + 2

    def _inline(self, at: int, out: list[list[bytes]]) -> int:
        end = self._find(b"\n", at)
        if end < 0:
            if len(self.buffer) - at > _INLINE_MAX:
                raise ProtocolError(b"Protocol error: too big inline request")
            return -1
        line = bytes(self.buffer[at:end]).removesuffix(b"\r")
        words = split_args(line)
        if words is None:
            raise ProtocolError(b"Protocol error: unbalanced quotes in request")
        if words:
            out.append(words)
        return end + 1

    def _argument(self, at: int, out: list[list[bytes]]) -> int:
        buffer = self.buffer
        if self.bulk_len < 0:
            end = self._line(at, b"Protocol error: too big bulk count string")
            if end < 0:
                return -1
            if buffer[at] != 0x24:
                got = b" " if buffer[at] in b"\r\n" else bytes((buffer[at],))
                raise ProtocolError(b"Protocol error: expected '$', got '%b'" % got)
            n = string2ll(bytes(buffer[at + 1 : end]))
            if n is None or n < 0 or n > self.limits.proto_max_bulk_len:
                raise ProtocolError(b"Protocol error: invalid bulk length")
            if n > _UNAUTHENTICATED_BULK and not self.limits.authenticated:
                raise ProtocolError(b"Protocol error: unauthenticated bulk length")
            self.bulk_len = n
            return end + 2
        stop = at + self.bulk_len
        if len(buffer) < stop + 2:
            return -1
        # The two bytes behind the value are skipped, not looked at: so does Redis.
        self.argv.append(bytes(memoryview(buffer)[at:stop]))
        self.bulk_len = -1
        self.argc -= 1
        if not self.argc:
            out.append(self.argv)
            self.argv = []
        return stop + 2


class RequestReader:
    """The reader of one connection. ``authenticated`` False narrows the limits; ``error`` ends it."""

    __slots__ = ("_fast", "_strict", "authenticated", "error", "proto_max_bulk_len", "query_buffer_limit")

    def __init__(self, *, proto_max_bulk_len: int = 512 << 20, query_buffer_limit: int = 1 << 30) -> None:
        self.proto_max_bulk_len = proto_max_bulk_len
        self.query_buffer_limit = query_buffer_limit
        self.authenticated = False
        self.error: ProtocolError | None = None
        self._strict = _StrictParser(self)
        self._fast = hiredis.Reader(notEnoughData=None)

    def feed(self, data: bytes) -> list[list[bytes]]:
        """All requests that this chunk completes; what came before a protocol error (see ``error``) counts.

        While ``authenticated`` is False it is only the first: run it, then go on with an empty chunk.
        """
        if self.error is not None:
            return []
        if self.authenticated and data and data[0] == 0x2A and self._strict.idle():
            batch = self._read_fast(data)
            if batch is not None:
                return batch
        out: list[list[bytes]] = []
        try:
            self._strict.feed(data, out)
        except ProtocolError as e:
            self.error = e
        return out

    def _read_fast(self, data: bytes) -> list[list[bytes]] | None:
        """The requests of a chunk that is nothing but whole plain requests; None for any other."""
        if data[-1] != 0x0A or _HUGE_HEADER.search(data):
            return None
        reader = self._fast
        try:
            reader.feed(data)
            reader.feed(_SENTINEL_BYTES)
            batch: list[Any] = list(iter(reader.gets, None))
            # The sentinel comes back as itself only if nothing was left open before it.
            if batch and batch.pop() == _SENTINEL:
                b"".join(chain.from_iterable(batch))  # raises unless all arguments are byte strings
                if all(batch) and (not _may_hold_other_types(data) or _encoded(batch) == data):
                    return batch
        except (hiredis.HiredisError, TypeError):
            pass
        self._fast = hiredis.Reader(notEnoughData=None)
        return None

    def pending_bytes(self) -> int:
        """Bytes received of a request that is not complete."""
        return len(self._strict.buffer) - self._strict.at


def _may_hold_other_types(data: bytes) -> bool:
    """True if one of the types may be there that hiredis returns as byte strings or lists: ``+ = ( > ~ % |``.

    They need not be behind a line's end, because the two bytes behind a value are skipped unseen.
    """
    return 0x2B in data or 0x3D in data or 0x28 in data or 0x3E in data or 0x7E in data or 0x25 in data or 0x7C in data


def _encoded(batch: list[list[bytes]]) -> bytes:
    parts: list[bytes] = []
    for argv in batch:
        command: tuple[Any, ...] = tuple(argv)
        parts.append(hiredis.pack_command(command))
    return b"".join(parts)
