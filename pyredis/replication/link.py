"""A replica's connection to its master: connecting, the handshake, the snapshot, then the stream of commands.

The stream is run by a client of its own (``CLIENT_MASTER``) through the usual dispatch; its replies go nowhere. What
has been applied is counted in the offset and goes on to this server's own replicas byte by byte as it came.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Final, cast

from pyredis.core.client import (
    CLIENT_CLOSED,
    CLIENT_DENY_BLOCKING,
    CLIENT_HAS_MORE,
    CLIENT_MASTER,
    CLIENT_MULTI,
    CLIENT_STOP,
    Client,
)
from pyredis.core.command import CMD_WRITE
from pyredis.core.dispatch import GATE_DISK_ERROR, lookup_command, refresh_fast, run_batch, run_pending
from pyredis.core.durability import AOF_OFF
from pyredis.core.tls import TlsError, client_context, reason
from pyredis.replication.payload import Header, PayloadError
from pyredis.replication.psync import CONTINUE, FULL, GOING_ON, REFUSED, Handshake
from pyredis.replication.receive import Receiver
from pyredis.resp.command import encode_command
from pyredis.resp.request import RequestReader

if TYPE_CHECKING:
    from pyredis.replication.node import Node

CONNECTING: Final = 0
HANDSHAKE: Final = 1
TRANSFER: Final = 2
CONNECTED: Final = 3
ENDED: Final = 4
STATE_NAMES: Final = {
    CONNECTING: b"connecting",
    HANDSHAKE: b"handshake",
    TRANSFER: b"sync",
    CONNECTED: b"connected",
    ENDED: b"connect",
}
_PIECE: Final = 64 << 10
"""Bytes of the stream that are run in one turn of the loop."""
_UNLIMITED: Final = 1 << 62
_WARN_SECONDS: Final = 10.0


class Link(asyncio.Protocol):
    """One connection to the master; another one is made when it has ended."""

    def __init__(self, node: Node, host: str, port: int) -> None:
        self.node = node
        self.server = node.server
        self.host = host
        self.port = port
        self.state = CONNECTING
        self.transport: asyncio.Transport | None = None
        self._made = self.last_io = monotonic()
        self.handshake: Handshake | None = None
        self.receiver: Receiver | None = None
        self.client: Client | None = None
        """Who runs the stream's commands, once there is a stream."""
        self.ack_wanted = False
        self._header: Header | None = None
        self._task: asyncio.Task[None] | None = None
        self._reader = RequestReader(proto_max_bulk_len=_UNLIMITED, query_buffer_limit=_UNLIMITED)
        self._reader.limits.authenticated = True
        self._raw = bytearray()
        """Received of the stream and not counted yet: an unfinished command or transaction."""
        self._held = bytearray()
        """Received and not looked at yet."""
        self._paused = False
        self._warned_at = -_WARN_SECONDS
        self._marks: deque[tuple[int, int]] = deque()
        """``server.fed`` and the offset that belongs to it, for what the append-only file has not synced yet."""

    # --- connecting -------------------------------------------------------------------------------------------

    def lasted(self) -> float:
        """Seconds since it was made."""
        return monotonic() - self._made

    def open(self, verb: str) -> None:
        """Begin to connect."""
        log = self.server.log
        log.notice(f"{verb} to MASTER {self.host}:{self.port}")
        self._task = asyncio.get_running_loop().create_task(self._connect())
        log.notice("MASTER <-> REPLICA sync started")

    async def _connect(self) -> None:
        config = self.server.config
        local = (config.bind_source_addr, 0) if config.bind_source_addr else None
        try:
            context = client_context(config) if config.tls_replication else None
            await asyncio.get_running_loop().create_connection(
                lambda: self,
                self.host,
                self.port,
                local_addr=local,
                ssl=context,
                server_hostname=self.host if context is not None else None,
            )
        except (OSError, TlsError, ValueError) as e:
            if self.state != ENDED:
                text = str(e) if isinstance(e, TlsError) else reason(e)
                if isinstance(e, ConnectionRefusedError):
                    text = "Connection refused"
                self.server.log.warning(f"Error condition on socket for SYNC: {text}")
                self.end()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast(asyncio.Transport, transport)
        if self.state == ENDED:
            self.transport.abort()
            return
        self._set_options()
        self.server.log.notice("Non blocking connect for SYNC fired the event.")
        self.state = HANDSHAKE
        self.last_io = monotonic()
        self.handshake = self.node.new_handshake()
        self.write_to_master(self.handshake.begin())

    def _set_options(self) -> None:
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        if sock is not None:
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            except OSError:
                pass  # a peer that has gone already

    def write_to_master(self, data: bytes) -> None:
        """Send."""
        if self.transport is not None and data and not self.transport.is_closing():
            self.node.output_bytes += len(data)
            self.transport.write(data)

    # --- receiving --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Whatever is due now."""
        self.last_io = monotonic()
        self.node.input_bytes += len(data)
        if self.state == CONNECTED:
            self._stream(data)
        elif self.state == HANDSHAKE:
            self._shake_hands(data)
        elif self.state == TRANSFER:
            self._receive(data)

    def _shake_hands(self, data: bytes) -> None:
        handshake = self.handshake
        assert handshake is not None
        out, rest = handshake.receive(data)
        log = self.server.log
        for warning, text in handshake.log:
            (log.warning if warning else log.notice)(text)
        handshake.log.clear()
        self.write_to_master(out)
        if handshake.result == GOING_ON:
            return
        self.node.handshake_over(handshake)
        if handshake.result == CONTINUE:
            self.node.take_continue(handshake)
            self.begin_stream()
            log.notice("MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization.")
            if rest:
                self._stream(rest)
        elif handshake.result == FULL:
            self.state = TRANSFER
            self._header = Header()
            self._receive(rest)
        else:
            self.end(refused=handshake.result == REFUSED)

    def _receive(self, data: bytes) -> None:
        """Bytes of the snapshot, or of the line before it."""
        if self.receiver is None:
            assert self._header is not None
            try:
                complete, data = self._header.receive(data)
            except PayloadError as e:
                self.server.log.warning(str(e))
                self.end()
                return
            if not complete:
                return
            self.receiver = Receiver(self, self._header)
            if not self.receiver.begin():
                self.end()
                return
        if data:
            self.receiver.receive(data)

    def snapshot_loaded(self, rest: bytes) -> None:
        """The receiver has loaded the snapshot: the stream begins with ``rest``."""
        receiver, self.receiver = self.receiver, None
        if self.transport is None or self.transport.is_closing() or self.state == ENDED:
            if self.state != ENDED:
                self.end()
            return
        self.begin_stream()
        self.ack()
        self._resume_reading()
        if rest or receiver is None:
            self._stream(rest)

    def snapshot_failed(self) -> None:
        """The receiver could not load the snapshot."""
        self.receiver = None
        self.end()

    def pause_reading(self) -> None:
        """The receiver has as much as it wants."""
        if not self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume_transfer(self) -> None:
        """The receiver can take more."""
        self._resume_reading()

    def _resume_reading(self) -> None:
        if self._paused and self.transport is not None and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    # --- the stream -------------------------------------------------------------------------------------------

    def begin_stream(self) -> None:
        """From now on commands come."""
        server = self.server
        assert self.transport is not None
        self.state = CONNECTED
        sock = self.transport.get_extra_info("sockname")
        mine = f"{sock[0]}:{sock[1]}" if isinstance(sock, tuple) else ""
        c = Client(server, server.new_client_id(), self, f"{self.host}:{self.port}".encode(), mine.encode())
        c.authenticated = True
        c.user = server.users.superuser
        c.flags |= CLIENT_MASTER | CLIENT_DENY_BLOCKING
        c.db = server.dbs[self.node.stream_db]
        server.clients[c.id] = c
        refresh_fast(c)
        self.client = c
        self.node.link_is_up()

    def _stream(self, data: bytes) -> None:
        c = self.client
        if c is None:
            return
        if self._held or c.flags & CLIENT_STOP or len(data) > _PIECE:
            self._held += data
            if not c.flags & CLIENT_STOP:
                self._go_on()
            return
        self._run(c, data)

    def _run(self, c: Client, data: bytes) -> None:
        """Run a piece of the stream. Its time is 0: no key is due here before the master says so."""
        server = self.server
        self._raw += data
        started = perf_counter_ns()
        batch = self._reader.feed(data)
        if batch:
            if server.gates & GATE_DISK_ERROR and not self._applies_without_disk(batch):
                self.end()
                return
            server.mstime = 0
            try:
                run_batch(c, batch, started)
            finally:
                server.update_time()
        c.last_interaction = server.mstime
        self._after_run(c)

    def _applies_without_disk(self, batch: list[list[bytes]]) -> bool:
        """``replica-ignore-disk-write-errors``, while what changes cannot be put on the disk.

        If it is off, a change ends the link (where redis-server ends itself), and the replica goes on from there when
        the disk works again.
        """
        server = self.server
        commands = [lookup_command(server, argv) for argv in batch if argv]
        if not any(cmd is not None and cmd.flags & CMD_WRITE for cmd in commands):
            return True
        if not server.config.replica_ignore_disk_write_errors:
            server.log.warning("Replica was unable to write command to disk.")
            return False
        now = monotonic()
        if now - self._warned_at >= _WARN_SECONDS:
            self._warned_at = now
            server.log.warning("Replica is applying a command even though it is unable to write to disk.")
        return True

    def _after_run(self, c: Client) -> None:
        self._drop_replies(c)
        if not c.pending and not c.flags & CLIENT_MULTI:
            n = len(self._raw) - self._reader.open_bytes()
            if n:
                done = bytes(memoryview(self._raw)[:n])
                del self._raw[:n]
                self.node.follow(done)
                self._mark_position()
        if self._reader.error is not None and not c.pending:
            text = self._reader.error.message.decode("latin-1")
            self.server.log.warning(f"Protocol error ({text}) from the master, closing the link")
            self.end()
        if self.ack_wanted:
            self.ack_wanted = False
            self.ack()
        self.server.after_event()

    def _drop_replies(self, c: Client) -> None:
        """Nobody reads the replies; errors among them are worth a line in the log."""
        for reply in c.out:
            if reply[:1] == b"-":
                text = reply[1:].decode("utf-8", "backslashreplace").strip()
                command = c.last_cmd.fullname.decode() if c.last_cmd is not None else ""
                self.server.log.warning(
                    f"== CRITICAL == This replica is sending an error to its master: '{text}' after processing the "
                    f"command '{command}'"
                )
        c.out.clear()
        self.server.pending_writes.pop(c, None)

    def _go_on(self) -> None:
        """The next piece of what is held, in a turn of its own."""
        if len(self._held) > _PIECE:
            self.pause_reading()
        asyncio.get_running_loop().call_soon(self._next_piece)

    def _next_piece(self) -> None:
        c = self.client
        if c is None or self.state != CONNECTED or c.flags & CLIENT_STOP or not self._held:
            return
        data = bytes(memoryview(self._held)[:_PIECE])
        del self._held[:_PIECE]
        self._run(c, data)
        if self._held:
            self._go_on()
        else:
            self._resume_reading()

    def _mark_position(self) -> None:
        aof = self.server.aof
        if aof.state != AOF_OFF:
            self._marks.append((self.server.fed, self.node.offset))

    def synced_offset(self) -> int:
        """Up to where the append-only file of this replica is on its disk; -1: it has none."""
        aof = self.server.aof
        if aof.state == AOF_OFF:
            return -1
        while self._marks and self._marks[0][0] <= aof.synced:
            self.node.synced_offset = self._marks.popleft()[1]
        return self.node.synced_offset

    def ack(self) -> None:
        """Tell the master how far this replica is."""
        words = [b"REPLCONF", b"ACK", b"%d" % self.node.offset]
        if self.server.compat >= 702:
            synced = self.synced_offset()
            if synced >= 0:
                words += [b"FACK", b"%d" % synced]
        self.write_to_master(encode_command(words))

    # --- ending -----------------------------------------------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """The master has gone. A snapshot that is complete already is loaded all the same."""
        self.transport = None
        if self.state == ENDED:
            return
        log = self.server.log
        if self.state == TRANSFER and self.receiver is not None and self.receiver.complete():
            return
        if self.state == HANDSHAKE:
            log.warning(f"Failed to read response from the server: {reason(exc) if exc else 'Connection closed'}")
        elif self.state == TRANSFER:
            log.warning("I/O error trying to sync with MASTER: connection lost")
        self.end()

    def end(self, refused: bool = False) -> None:
        """Close the connection, whatever it was at; the node makes the next one."""
        if self.state == ENDED:
            return
        was, self.state = self.state, ENDED
        if self._task is not None and was == CONNECTING:
            self._task.cancel()
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.cancel()
        c, self.client = self.client, None
        if c is not None:
            self.node.stream_db = c.db.id
            c.flags |= CLIENT_CLOSED
            self.server.free_client(c)
        if self.transport is not None:
            self.transport.abort() if was != CONNECTED else self.transport.close()
        self.node.link_ended(self, was == CONNECTED, refused)

    # --- the connection of the stream's client ------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Replies go nowhere."""

    def close(self, flush: bool) -> None:
        """CLIENT KILL: the link ends."""
        self.end()

    def may_run(self) -> bool:
        """There are no replies that could fill the memory."""
        return True

    def resume_reading(self) -> None:
        """A pause is over: go on with the stream."""
        c = self.client
        if c is None:
            return
        while c.pending and not c.flags & CLIENT_STOP:
            self.server.mstime = 0
            try:
                run_pending(c)
            finally:
                self.server.update_time()
            c.flags &= ~CLIENT_HAS_MORE
        self._after_run(c)
        if self._held and not c.flags & CLIENT_STOP:
            self._go_on()

    def limits_changed(self) -> None:
        """No limits."""

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Nothing is ever written here."""
        asyncio.get_running_loop().call_soon(callback)

    def output_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def input_bytes(self) -> int:
        """Bytes received and not parsed yet."""
        return len(self._held) + self._reader.pending_bytes()

    def fileno(self) -> int:
        """The socket's number; -1 once it is closed."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        return sock.fileno() if sock is not None else -1
