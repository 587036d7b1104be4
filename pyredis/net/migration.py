"""The other side of MIGRATE: connections to the servers that keys are moved to, and what is said on them.

What is said is one generator, :func:`dialogue`, for the event loop as for a transaction, in which nothing can wait and
the loop is stopped as in Redis. Connections of the former are kept for some seconds and used again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Generator
from time import monotonic
from typing import TYPE_CHECKING, BinaryIO, Final

from pyredis.core.tls import TlsError, client_context
from pyredis.resp.command import encode_command

if TYPE_CHECKING:
    import ssl

    from pyredis.core.options import Config
    from pyredis.core.server import Server

CONNECTING: Final = "connecting to the client"
WRITING: Final = "writing to target instance"
READING: Final = "reading to target instance"
_CACHED: Final = 64
_CACHE_SECONDS: Final = 10.0
_PIECE: Final = 64 << 10
_LONGEST_REPLY: Final = 4096
Dialogue = Generator[bytes | None, bytes, None]
"""Yields bytes to send, or None to be sent the next line of the answer."""


class Entry:
    """A key as it goes over the wire; ``when`` is its deadline in Unix milliseconds, -1 for none."""

    __slots__ = ("key", "payload", "when")

    def __init__(self, key: bytes, payload: bytes, when: int) -> None:
        self.key = key
        self.payload = payload
        self.when = when


class Order:
    """What is to be moved where; ``timeout`` in seconds is how long nothing at all may happen."""

    def __init__(self, host: bytes, port: bytes, db: int, timeout: float) -> None:
        self.host = host
        self.port = port
        self.db = db
        self.timeout = timeout
        self.auth: list[bytes] = []
        """``[password]`` or ``[username, password]``."""
        self.replace = False
        self.entries: list[Entry] = []

    def address(self) -> tuple[str, int]:
        """As the system wants it; a port as C reads it. Raises ValueError for a host that is no name."""
        digits = self.port[: len(self.port) - len(self.port.lstrip(b"-0123456789"))]
        try:
            port = int(digits)
        except ValueError:
            port = 0
        return self.host.decode(), port & 0xFFFF


class Outcome:
    """What has come of an order."""

    def __init__(self) -> None:
        self.moved: list[bytes] = []
        """Keys that the other server has taken."""
        self.refusal = b""
        """The first error that it answered, without the ``-``."""
        self.problem = ""
        """CONNECTING, WRITING or READING; empty if the connection did its work."""
        self.answered = False
        """Whether any key was answered for, so that nothing may be sent again."""


def dialogue(order: Order, selected: int, now: Callable[[], int], outcome: Outcome) -> Dialogue:
    """Authenticate, select the database unless it is ``selected``, restore the keys."""
    parts: list[bytes] = []
    if order.auth:
        parts.append(encode_command([b"AUTH", *order.auth]))
    if selected != order.db:
        parts.append(encode_command((b"SELECT", b"%d" % order.db)))
    before = len(parts)
    sent: list[bytes] = []
    for entry in order.entries:
        left = 0
        if entry.when >= 0:
            left = entry.when - now()
            if left < 0:
                continue  # expired on the way here
            left = max(left, 1)
        line = [b"RESTORE", entry.key, b"%d" % left, entry.payload]
        parts.append(encode_command([*line, b"REPLACE"] if order.replace else line))
        sent.append(entry.key)
        if len(entry.payload) > _PIECE or len(parts) > 100:
            yield b"".join(parts)
            parts = []
    if parts:
        yield b"".join(parts)
    for _ in range(before):
        answer = yield None
        if answer.startswith(b"-") and not outcome.refusal:
            outcome.refusal = answer[1:]
    refused = bool(outcome.refusal)
    for key in sent:
        answer = yield None
        outcome.answered = True
        if answer.startswith(b"-") or refused:
            outcome.refusal = outcome.refusal or answer[1:]
        else:
            outcome.moved.append(key)


class _Link:
    """A connection that is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.selected = -1
        self.used_at = 0.0

    async def run(self, steps: Dialogue, timeout: float) -> str:
        """Carry on a dialogue; what went wrong, "" if nothing did. A timeout is raised as TimeoutError with that."""
        doing = WRITING
        try:
            step = next(steps)
            while True:
                if step is None:
                    doing = READING
                    line = await asyncio.wait_for(self.reader.readline(), timeout)
                    if not line.endswith(b"\n"):
                        return doing
                    step = steps.send(line.rstrip(b"\r\n"))
                else:
                    doing = WRITING
                    for at in range(0, len(step), _PIECE):
                        self.writer.write(step[at : at + _PIECE])
                        await asyncio.wait_for(self.writer.drain(), timeout)
                    step = next(steps)
        except StopIteration:
            return ""
        except TimeoutError:
            raise TimeoutError(doing) from None
        except (OSError, ValueError):  # ValueError: a line that is too long
            return doing


class PeerLinks:
    """The connections of one server to those it moves keys to."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._kept: dict[tuple[bytes, bytes], _Link] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def cached(self) -> int:
        return len(self._kept)

    def start(self, order: Order, done: Callable[[Outcome], None]) -> None:
        """Carry an order out; ``done`` is called when there is nothing more to hope for."""

        async def work() -> None:
            outcome = await self._carry_out(order)
            server = self.server
            while server.paused_until or server.write_pauses:
                await asyncio.sleep(0.01)  # nothing changes while writing is paused
            done(outcome)

        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, order: Order) -> Outcome:
        """Twice if need be: the first connection may be one that the other side has closed long since."""
        address = order.host, order.port
        for last in (False, True):
            outcome = Outcome()
            link = self._kept.pop(address, None)
            try:
                if link is None:
                    link = await self._connect(order)
                steps = dialogue(order, link.selected, self._now, outcome)
                outcome.problem = await link.run(steps, order.timeout)
            except ConnectionRefusedError:
                outcome.problem = WRITING
            except TimeoutError as e:
                outcome.problem = str(e) or CONNECTING
                last = True
            except (OSError, ValueError, TlsError):
                outcome.problem = CONNECTING
                last = True
            if not outcome.problem:
                assert link is not None
                link.selected = -1 if outcome.refusal else order.db
                self._keep(address, link)
                break
            if link is not None:
                link.writer.transport.abort()
            if last or outcome.answered or outcome.refusal:
                break
        return outcome

    async def _connect(self, order: Order) -> _Link:
        host, port, local, context = _way(order, self.server.config)
        async with asyncio.timeout(order.timeout):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, local_addr=local, limit=_LONGEST_REPLY
            )
        return _Link(reader, writer)

    def _now(self) -> int:
        return int(self.server.clock.time() * 1000)

    def _keep(self, address: tuple[bytes, bytes], link: _Link) -> None:
        if address in self._kept or len(self._kept) >= _CACHED:
            old = self._kept.pop(address, None) or self._kept.pop(next(iter(self._kept)))
            old.writer.transport.abort()
        link.used_at = monotonic()
        self._kept[address] = link

    def cron(self) -> None:
        """Close what was not used for a while."""
        if self._kept:
            limit = monotonic() - _CACHE_SECONDS
            for address, link in list(self._kept.items()):
                if link.used_at < limit:
                    link.writer.transport.abort()
                    del self._kept[address]

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        for link in self._kept.values():
            link.writer.transport.abort()
        self._kept.clear()


def carry_out_at_once(order: Order, config: Config, now: Callable[[], int]) -> Outcome:
    """Carry an order out on a connection of its own, without letting anybody else run meanwhile."""
    outcome = Outcome()
    try:
        sock = _connect_at_once(order, config)
    except ConnectionRefusedError:
        outcome.problem = WRITING
        return outcome
    except (OSError, ValueError, TlsError):
        outcome.problem = CONNECTING
        return outcome
    with sock, sock.makefile("rb") as answers:
        outcome.problem = _run(dialogue(order, -1, now, outcome), sock, answers)
    return outcome


def _way(order: Order, config: Config) -> tuple[str, int, tuple[str, int] | None, ssl.SSLContext | None]:
    """Host and port, the address to come from, and the context for TLS; None: any, and none.

    Raises ValueError, TlsError.
    """
    host, port = order.address()
    local = (config.bind_source_addr, 0) if config.bind_source_addr else None
    return host, port, local, client_context(config) if config.tls_cluster else None


def _connect_at_once(order: Order, config: Config) -> socket.socket:
    host, port, local, context = _way(order, config)
    sock = socket.create_connection((host, port), order.timeout, local)
    if context is None:
        return sock
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise


def _run(steps: Dialogue, sock: socket.socket, answers: BinaryIO) -> str:
    doing = WRITING
    try:
        step = next(steps)
        while True:
            if step is None:
                doing = READING
                line = answers.readline(_LONGEST_REPLY)
                if not line.endswith(b"\n"):
                    return doing
                step = steps.send(line.rstrip(b"\r\n"))
            else:
                doing = WRITING
                sock.sendall(step)
                step = next(steps)
    except StopIteration:
        return ""
    except OSError:
        return doing
