"""Requests: bytes from a client to argv lists, and Redis's own refusals of everything that is no request.

Four ways, the cheapest first; each takes only chunks of which it is sure and hands the others on:

- A chunk that looks like the ones before (``RequestReader.shape``) is taken apart as one: see ``resp/shape``.
- A chunk that is one short request is split at its line ends; it is one exactly if all lengths fit. Inline requests of
  plain words are split as well.
- hiredis reads pipelines. Its reader is made for replies, so it accepts what a server must refuse. It is used only for
  chunks that are whole, plain requests: nothing left over from before, no header that hiredis would answer with a huge
  allocation, nothing but bytes in the result, and where other types could have become bytes or lists, the same bytes
  when the result is encoded again. A request that the chunk cuts off is kept until its rest has come.
- Everything else goes through :class:`_StrictParser`, which is exact and incremental.
"""

from __future__ import annotations

import re
from typing import Any, Final

import hiredis

from pyredis.lib.intparse import string2ll
from pyredis.lib.splitargs import split_args
from pyredis.resp.shape import Shape, Shaper

_INLINE_MAX: Final = 64 << 10
_INT_MAX: Final = (1 << 31) - 1
_UNAUTHENTICATED_ARGC: Final = 10
_UNAUTHENTICATED_BULK: Final = 16384
_SENTINEL: Final = b":0\r\n"
"""Put behind a chunk: hiredis gives it back as 0, with nothing left to read, only if no request was left open."""
_HUGE_HEADER: Final = re.compile(rb"\*\d{6}")
_HUGE_OTHER_HEADER: Final = re.compile(rb"[~>%|]\d{6}")
_NOT_PLAIN: Final = re.compile(rb"""[\0"'\v\f]|\n\*""")
"""What makes inline requests more than words between blanks; a vertical tab is a blank at a line's beginning only."""
_CRLF: Final = b"\r\n"
_NEXT: Final = b"\r\n*"
_SHORT: Final = 4096
_BULK_LINES: Final = tuple(b"$%d" % n for n in range(_SHORT + 1))
_PARTS: Final = {b"*%d\r\n" % argc: 2 * argc + 2 for argc in range(1, 10)}
"""The first four bytes of a short request → into how many parts its line ends split it."""
_join: Final = b"".join


class ProtocolError(Exception):
    """What is no request; ``message`` goes out behind ``-ERR ``, then the connection closes (empty: without a word)."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message


class Limits:
    """What a connection may send; its reader and parser look here. ``authenticated`` False narrows it."""

    __slots__ = ("authenticated", "proto_max_bulk_len", "query_buffer_limit")

    def __init__(self, proto_max_bulk_len: int, query_buffer_limit: int) -> None:
        self.authenticated = False
        self.proto_max_bulk_len = proto_max_bulk_len
        self.query_buffer_limit = query_buffer_limit


class _StrictParser:
    """Redis's parser, step by step. Keeps what is incomplete; never looks at the same byte of a value twice."""

    __slots__ = ("argc", "argv", "at", "buffer", "bulk_len", "limits", "taken")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.buffer = bytearray()
        self.at = 0
        """What is in front of this in the buffer has been read."""
        self.argc = 0
        """Arguments still to come; 0 = between requests."""
        self.argv: list[bytes] = []
        self.bulk_len = -1
        self.taken = 0
        """Bytes of the open request that have been read."""

    def idle(self) -> bool:
        return not self.buffer and not self.argc

    def feed(self, data: bytes, out: list[list[bytes]], one: bool = False) -> None:
        """Take a chunk, append complete requests to ``out``: with ``one`` the first only. Raises ProtocolError."""
        self.buffer += data
        buffer = self.buffer
        at = self.at
        try:
            while at < len(buffer):
                done = self._argument(at, out) if self.argc else self._begin(at, out)
                if done < 0:
                    break
                self.taken = self.taken + done - at if self.argc else 0
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

    def take_rest(self) -> bytes:
        """Behind a complete request: what has not been read yet, taken away."""
        rest = bytes(memoryview(self.buffer)[self.at :])
        self.buffer = bytearray()
        self.at = 0
        return rest

    def missing(self) -> int:
        """Bytes that the open argument still lacks."""
        return max(0, self.bulk_len - len(self.buffer))

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
    """The reader of one connection; ``error`` ends it."""

    __slots__ = ("_fast", "_shaper", "_strict", "error", "idle", "limits", "shape")

    def __init__(self, *, proto_max_bulk_len: int = 512 << 20, query_buffer_limit: int = 1 << 30) -> None:
        self.limits = Limits(proto_max_bulk_len, query_buffer_limit)
        self.error: ProtocolError | None = None
        self.idle = True
        """True between requests: what comes next begins a new one."""
        self.shape: Shape | None = None
        """How the next chunk may look; only good while ``idle``, and it is the caller who asks it."""
        self._shaper = Shaper()
        self._strict = _StrictParser(self.limits)
        self._fast = hiredis.Reader(notEnoughData=None)

    def feed(self, data: bytes) -> list[list[bytes]]:
        """All requests that this chunk completes; what came before a protocol error (see ``error``) counts.

        A caller in a hurry asks :func:`split_request` first, while ``idle``: it is not asked again here.
        While ``limits.authenticated`` is False it is only the first: run it, then go on with an empty chunk.
        """
        if self.error is not None:
            return []
        out: list[list[bytes]] = []
        strict = self._strict
        try:
            if not self.limits.authenticated:
                # It may be AUTH, which changes the limits of what follows.
                strict.feed(data, out, one=True)
                return out
            if not strict.idle():
                strict.feed(data, out, one=True)
                if not out:
                    return out
                data = strict.take_rest()
            if not data:
                return out
            if data[0] == 0x2A:
                if data[-1] != 0x0A and (cut := data.rfind(_NEXT) + 2) > 2 and self._read_fast(data[:cut], out):
                    # A long chunk that ends within a request: all of them but that one, found without encoding them.
                    strict.feed(data[cut:], out)
                    return out
                if self._read_fast(data, out):
                    return out
            elif _split_lines(data, out):
                return out
            strict.feed(data, out)
        except ProtocolError as e:
            self.error = e.with_traceback(None)  # its frames would refer to themselves
        finally:
            self.idle = self.error is None and strict.idle()
        return out

    def _read_fast(self, data: bytes, out: list[list[bytes]]) -> bool:
        """Append the requests of a chunk of plain requests to ``out``; False, and nothing done, for any other chunk.

        What is behind the last whole request is given to the strict parser to keep. Raises ProtocolError.
        """
        other_types = _may_hold_other_types(data)
        if _HUGE_HEADER.search(data) or (other_types and _HUGE_OTHER_HEADER.search(data)):
            return False
        reader = self._fast
        batch: list[list[bytes]] = []
        try:
            reader.feed(data + _SENTINEL)
            gets = reader.gets
            argv = gets()
            while type(argv) is list:
                _join(argv)  # raises unless all arguments are byte strings
                batch.append(argv)
                argv = gets()
        except (hiredis.HiredisError, TypeError):
            self._fast = hiredis.Reader(notEnoughData=None)
            return False
        if argv == 0 and not reader.has_data():
            if all(batch) and (not other_types or _encoded(batch) == data):
                out += batch
                self.shape = self._shaper.saw(data, batch) or self.shape
                return True
            return False
        self._fast = hiredis.Reader(notEnoughData=None)
        if argv is None and batch and all(batch):
            whole = _encoded(batch)
            if data.startswith(whole):
                out += batch
                self._strict.feed(data[len(whole) :], out)
                return True
        return False

    def missing_bytes(self) -> int:
        """Bytes that the open argument still lacks, as far as it is known."""
        return self._strict.missing()

    def pending_bytes(self) -> int:
        """Bytes received of a request that is not complete, without its arguments that are."""
        return len(self._strict.buffer) - self._strict.at

    def open_bytes(self) -> int:
        """Bytes received of a request that is not complete."""
        return self._strict.taken + len(self._strict.buffer) - self._strict.at


def _may_hold_other_types(data: bytes) -> bool:
    """True if one of the types may be there that hiredis returns as byte strings or lists: ``+ = ( > ~ % |``.

    They need not be behind a line's end, because the two bytes behind a value are skipped unseen.
    """
    return 0x2B in data or 0x3D in data or 0x28 in data or 0x3E in data or 0x7E in data or 0x25 in data or 0x7C in data


def split_request(data: bytes) -> list[bytes] | None:
    """The request of a chunk that is exactly one, of at most 9 short arguments without line ends; None for any other.

    >>> split_request(b"*2\\r\\n$3\\r\\nGET\\r\\n$1\\r\\nk\\r\\n")
    [b'GET', b'k']
    """
    n = _PARTS.get(data[:4], 0)
    if not n:
        return None
    # A chunk of several requests is given up early: at most n parts are made.
    parts = data.split(_CRLF, n - 1)
    if len(parts) != n or parts[-1] or len(data) > _SHORT:
        return None
    lines = _BULK_LINES
    if n == 6:
        _, name_line, name, key_line, key, _ = parts
        if name_line == lines[len(name)] and key_line == lines[len(key)]:
            return [name, key]
        return None
    if n == 8:
        _, name_line, name, key_line, key, value_line, value, _ = parts
        if name_line == lines[len(name)] and key_line == lines[len(key)] and value_line == lines[len(value)]:
            return [name, key, value]
        return None
    argv = parts[2:n:2]
    at = 1
    for arg in argv:
        if parts[at] != lines[len(arg)]:
            return None
        at += 2
    return argv


def _split_lines(data: bytes, out: list[list[bytes]]) -> bool:
    """Append the requests of a chunk that is nothing but whole inline requests of plain words; False for any other."""
    if data[-1] != 0x0A or len(data) > _INLINE_MAX or _NOT_PLAIN.search(data):
        return False
    out += filter(None, map(bytes.split, data.split(b"\n")))
    return True


def _encoded(batch: list[list[bytes]]) -> bytes:
    parts: list[bytes] = []
    for argv in batch:
        command: tuple[Any, ...] = tuple(argv)
        parts.append(hiredis.pack_command(command))
    return b"".join(parts)
