"""Connections without sockets: what a client sends goes into the server's protocol, byte for byte, and back.

A *place* is where a server runs: in nobody's thread (:class:`InlinePlace`, whoever calls runs it), on a loop in a
thread of its own or on the caller's loop (:class:`LoopPlace`). A *wire* is one connection: the server's side is a
transport that :class:`~pyredis.net.protocol.ClientProtocol` writes to; the client's side is a :class:`WireSocket`
(blocking) or an asyncio reader and writer (:func:`open_wire`).
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol, TypeVar

from pyredis.embedded.inline import InlineLoop
from pyredis.net.protocol import ClientProtocol

T = TypeVar("T")
_ports: Final = itertools.count(1)


class Place(Protocol):
    """Where a server runs."""

    condition: threading.Condition
    """Notified when something was written to a wire."""
    loop: Any
    """The server's; to be touched from its place only."""

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """Have the server do something; when it is done cannot be told."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Have the server do something, and wait until it is done."""

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until ``ready`` or for ``timeout`` seconds (None: for ever); the caller holds the condition."""

    def drive(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        """See to it that what becomes due happens while ``loop`` runs; returns what ends that."""


class InlinePlace:
    """A server that whoever calls runs, one at a time."""

    def __init__(self) -> None:
        self.condition = threading.Condition(threading.RLock())
        self.loop = InlineLoop(self.condition)

    def post(self, function: Callable[..., object], *args: Any) -> None:
        with self.condition:
            self.loop.run_due()
            function(*args)
            self.loop.run_due()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        with self.condition:
            self.loop.run_due()
            result = function(*args)
            self.loop.run_due()
            return result

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        end = None if timeout is None else monotonic() + timeout
        while not ready():
            rest = self.loop.rest()
            if end is not None:
                left = end - monotonic()
                if left <= 0:
                    return False
                rest = left if rest is None else min(rest, left)
            if rest is None or rest > 0:
                self.condition.wait(rest)
            self.loop.run_due()
        return True

    def drive(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        return _Driver(self, loop).stop


class _Driver:
    """Runs an inline server's timers on an event loop that has connections to it."""

    def __init__(self, place: InlinePlace, loop: asyncio.AbstractEventLoop) -> None:
        self.place = place
        self.loop = loop
        self.timer: asyncio.TimerHandle | None = None
        self.stopped = False
        place.loop.on_earlier.append(self.tell)
        self.run()

    def tell(self) -> None:
        """From any thread: look again."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.run)

    def run(self) -> None:
        if self.stopped:
            return
        if self.timer is not None:
            self.timer.cancel()
        with self.place.condition:
            self.place.loop.run_due()
            rest = self.place.loop.rest()
        self.timer = self.loop.call_later(0.1 if rest is None else min(max(rest, 0.001), 0.1), self.run)

    def stop(self) -> None:
        self.stopped = True
        if self.timer is not None:
            self.timer.cancel()
        if self.tell in self.place.loop.on_earlier:
            self.place.loop.on_earlier.remove(self.tell)


class LoopPlace:
    """A server on an event loop: of a thread of its own, or of the caller."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.condition = threading.Condition()
        self.loop = loop
        self.thread = threading.get_ident()
        """The loop's; the place is made in it."""

    def post(self, function: Callable[..., object], *args: Any) -> None:
        if threading.get_ident() == self.thread:
            function(*args)
        elif self.loop.is_closed():
            raise ConnectionResetError(errno.ECONNRESET, "the server has ended")
        else:
            self.loop.call_soon_threadsafe(function, *args)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        if threading.get_ident() == self.thread:
            return function(*args)
        done = threading.Event()
        results: list[T] = []
        errors: list[BaseException] = []

        def run() -> None:
            try:
                results.append(function(*args))
            except BaseException as e:
                errors.append(e)
            done.set()

        self.loop.call_soon_threadsafe(run)
        done.wait()
        if errors:
            raise errors[0]
        return results[0]

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        if timeout == 0:
            return ready()
        if not ready() and threading.get_ident() == self.thread:
            raise RuntimeError("a blocking client would stop the loop that its server runs on: use redis.asyncio")
        return self.condition.wait_for(ready, timeout)

    def drive(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        return _nothing


def _nothing() -> None:
    """There is nothing to end."""


class WireTransport(asyncio.Transport):
    """The server's side: hands what the protocol writes to ``deliver`` (None: that was all)."""

    def __init__(self, place: Place, protocol: ClientProtocol, deliver: Callable[[bytes | None], int]) -> None:
        number = next(_ports)
        super().__init__({"peername": ("127.0.0.1", number), "sockname": ("127.0.0.1", 0)})
        self.place = place
        self.protocol = protocol
        self.deliver = deliver
        """Returns how many bytes the client has not read."""
        self.high, self.low = 1 << 16, 1 << 15
        self.unread = 0
        self.full = False
        self.closing = False

    def write(self, data: Any) -> None:
        if self.closing:
            return
        self.unread = self.deliver(bytes(data))
        if self.unread > self.high and not self.full:
            self.full = True
            self.protocol.pause_writing()

    def taken(self, unread: int) -> None:
        """In the server's place: the client has read."""
        self.unread = unread
        if self.full and unread <= self.low and not self.closing:
            self.full = False
            self.protocol.resume_writing()

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self.deliver(None)
            if not self.place.loop.is_closed():
                self.place.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self.closing

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = 1 << 16 if high is None else high
        self.low = self.high // 2 if low is None else low

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        """The protocol keeps what comes meanwhile."""

    def resume_reading(self) -> None:
        """See above."""


class Wire:
    """A new connection to a server, from the client's side. Raises ConnectionRefusedError."""

    def __init__(
        self, place: Place, make_protocol: Callable[[], ClientProtocol], deliver: Callable[[bytes | None], int]
    ) -> None:
        self.place = place

        def connect() -> WireTransport:
            protocol = make_protocol()
            transport = WireTransport(place, protocol, deliver)
            protocol.connection_made(transport)
            return transport

        self.transport = place.call(connect)

    def send(self, data: bytes) -> None:
        """Raises BrokenPipeError when the server has closed the connection."""
        if self.transport.closing:
            raise BrokenPipeError(errno.EPIPE, "the server has closed the connection")
        self.place.post(self._received, data)

    def _received(self, data: bytes) -> None:
        transport = self.transport
        if transport.closing:
            return
        protocol = transport.protocol
        if protocol.paused:
            protocol.held += data  # a socket would not have been read
        else:
            protocol.data_received(data)

    def taken(self, unread: int) -> None:
        """The client has read all but so many bytes."""
        if self.transport.full:
            self.place.post(self.transport.taken, unread)

    def close(self) -> None:
        try:
            self.place.post(self.transport.close)
        except (ConnectionError, RuntimeError):
            pass  # the server has ended before


class WireSocket:
    """The client's side of a wire, looking like a blocking socket."""

    def __init__(self, place: Place, make_protocol: Callable[[], ClientProtocol], timeout: float | None = None) -> None:
        self.place = place
        self.timeout = timeout
        self._buffer = bytearray()
        self._ended = False
        self.wire = Wire(place, make_protocol, self._deliver)

    def _deliver(self, data: bytes | None) -> int:
        with self.place.condition:
            if data is None:
                self._ended = True
            else:
                self._buffer += data
            self.place.condition.notify_all()
            return len(self._buffer)

    def _readable(self) -> bool:
        return bool(self._buffer) or self._ended

    def wait_readable(self, timeout: float | None) -> bool:
        """Wait until there is something to read, or the end."""
        with self.place.condition:
            return self.place.wait(self._readable, timeout)

    def ended(self) -> bool:
        """Whether the server has closed the connection, and everything it sent was read."""
        return self._ended and not self._buffer

    def sendall(self, data: Any) -> None:
        self.wire.send(bytes(data))

    def send(self, data: Any) -> int:
        self.sendall(data)
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        with self.place.condition:
            if not self.place.wait(self._readable, self.timeout):
                if self.timeout == 0:
                    raise BlockingIOError(errno.EAGAIN, "nothing to read")
                raise TimeoutError("timed out")
            data = bytes(self._buffer[:size])
            if flags & socket.MSG_PEEK:
                return data
            del self._buffer[:size]
            unread = len(self._buffer)
        self.wire.taken(unread)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        data = self.recv(nbytes or len(buffer), flags)
        buffer[: len(data)] = data
        return len(data)

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def gettimeout(self) -> float | None:
        return self.timeout

    def setblocking(self, blocking: bool) -> None:
        self.timeout = None if blocking else 0

    def getpeername(self) -> tuple[str, int]:
        return ("127.0.0.1", 0)

    def fileno(self) -> int:
        return -1

    def shutdown(self, how: int) -> None:
        self.wire.close()

    def close(self) -> None:
        self.wire.close()


class WireWriter:
    """The client's side of a wire for asyncio: what redis-py uses of a StreamWriter."""

    def __init__(self, wire: Wire, stop_driving: Callable[[], None]) -> None:
        self.wire = wire
        self.stop_driving = stop_driving
        self.transport = wire.transport

    def write(self, data: Any) -> None:
        self.wire.send(bytes(data))

    def writelines(self, pieces: Any) -> None:
        self.wire.send(b"".join(pieces))

    async def drain(self) -> None:
        if self.transport.closing:
            raise ConnectionResetError(errno.ECONNRESET, "Connection lost")

    def is_closing(self) -> bool:
        return self.transport.closing

    def close(self) -> None:
        self.stop_driving()
        self.wire.close()

    async def wait_closed(self) -> None:
        """It is closed at once."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.transport.get_extra_info(name, default)


def open_wire(place: Place, make_protocol: Callable[[], ClientProtocol]) -> tuple[asyncio.StreamReader, WireWriter]:
    """A connection for the running loop."""
    loop = asyncio.get_running_loop()
    thread = threading.get_ident()
    reader = asyncio.StreamReader(limit=1 << 24, loop=loop)

    def feed(data: bytes | None) -> None:
        if data is None:
            reader.feed_eof()
        else:
            reader.feed_data(data)

    def deliver(data: bytes | None) -> int:
        if threading.get_ident() == thread:
            feed(data)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(feed, data)
        return 0

    wire = Wire(place, make_protocol, deliver)
    return reader, WireWriter(wire, place.drive(loop))
