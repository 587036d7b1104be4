"""One connection: bytes to the dispatcher, replies to the transport, and the limits of both directions.

Replies of one wake-up leave in one write. A client that does not read costs its output buffer up to
``client-output-buffer-limit`` of its class; beyond 256 MB of unread replies its requests wait too, whatever the limit.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Final, cast

from pyredis.core.client import (
    CLIENT_CLOSE_AFTER_REPLY,
    CLIENT_CLOSED,
    CLIENT_HAS_MORE,
    CLIENT_METERED,
    CLIENT_REPLICA,
    CLIENT_STOP,
    CLIENT_UNIX_SOCKET,
    Client,
)
from pyredis.core.dispatch import end_after_reply, error_reply, run_alike, run_batch, run_one, run_pending
from pyredis.resp.request import RequestReader, split_request

if TYPE_CHECKING:
    from pyredis.core.server import Server

_AT_ONCE: Final = 128
"""A chunk of more commands is run in parts, with other clients in between."""
_PIECE: Final = 64 << 10
"""A chunk of more bytes is read in pieces, with other clients in between: the loop's chunks are four times as large,
and it takes many of them from one connection before it turns to another."""
_BEHIND_FROM: Final = 64 << 10
"""Unsent reply bytes from which on a client's output limits are looked at."""
_LONGEST_NAME: Final = 77
"""Redis cuts the name of a unix socket in CLIENT LIST."""
_STATIC_REPLY: Final = 16 << 10
"""Reply bytes that Redis keeps in a client's own buffer, which no limit counts."""
_LOOK_FIRST: Final = CLIENT_STOP | CLIENT_METERED
"""Flags with which there is something to ask before what was received is run."""
_STOP_READING_AT: Final = 256 << 20
"""Unsent reply bytes from which on a client is not read any more."""


def _nowhere(data: bytes) -> None:
    """Where a connection that has ended writes to."""


def _address(name: object) -> bytes:
    """A socket's name as Redis writes it: ``ip:port``, ``[ip6]:port``."""
    if isinstance(name, tuple):
        host, port = str(name[0]), int(name[1])
        return (f"[{host}]:{port}" if ":" in host else f"{host}:{port}").encode()
    return b""


class ClientProtocol(asyncio.Protocol):
    """A client's connection over TCP, TLS or a unix socket."""

    def __init__(self, server: Server, unix_path: str = "") -> None:
        self.server = server
        self.unix_path = unix_path
        self.transport: asyncio.Transport | None = None
        self.send: Callable[[bytes], None] = _nowhere
        """The transport's own ``write``."""
        self.client: Client | None = None
        config = server.config
        self.reader = RequestReader(
            proto_max_bulk_len=config.proto_max_bulk_len, query_buffer_limit=config.client_query_buffer_limit
        )
        self.held = bytearray()
        """What a client has sent that waits, or the rest of a large chunk: not looked at before it goes on."""
        self.behind = False
        """True while the peer has not taken what was written: more than the transport's high-water mark waits."""
        self.on_drained: Callable[[], None] | None = None
        """Who wants to know when the peer has caught up."""
        self.paused = False
        self.writing_paused = False
        self.closing = False

    # --- asyncio's side ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse what may not connect, else make the client."""
        server = self.server
        self.transport = cast(asyncio.Transport, transport)
        self.send = self.transport.write
        self._set_high_water()
        server.update_time()
        config = server.config
        if server.is_full():
            server.stats.rejected_connections += 1
            self._refuse(b"-ERR max number of clients reached\r\n")
            return
        if self.unix_path:
            peer = name = f"{self.unix_path}:0".encode()[:_LONGEST_NAME]
        else:
            peer = _address(transport.get_extra_info("peername"))
            name = _address(transport.get_extra_info("sockname"))
            if config.protected_mode and server.users.default.nopass and not _is_loopback(peer):
                server.stats.rejected_connections += 1
                self._refuse(_PROTECTED)
                return
            self._set_keepalive(transport)
        client = Client(server, server.new_client_id(), self, peer, name)
        if self.unix_path:
            client.flags |= CLIENT_UNIX_SOCKET
        self.client = client
        server.add_client(client)
        self.reader.limits.authenticated = not client.auth_required()

    def _refuse(self, message: bytes) -> None:
        assert self.transport is not None
        self.transport.write(message)
        self.closing = True
        self.transport.close()

    def _set_keepalive(self, transport: asyncio.BaseTransport) -> None:
        sock = transport.get_extra_info("socket")
        seconds = self.server.config.tcp_keepalive
        if sock is None or not seconds:
            return
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, seconds)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, seconds // 3))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        except OSError:
            pass  # a peer that has gone already

    def data_received(self, data: bytes) -> None:
        """Run what has arrived completely; write the replies."""
        c = self.client
        if c is None or self.closing:
            return
        if c.flags & _LOOK_FIRST and not self._may_run_now(c, data):
            return
        if len(data) > _PIECE and self.reader.missing_bytes() < len(data):
            self._pause_reading()
            self.held += memoryview(data)[_PIECE:]
            data = data[:_PIECE]
        server = self.server
        stats = server.stats
        size = len(data)
        stats.net_input_bytes += size
        c.net_in += size
        stats.reads_processed += 1
        started = perf_counter_ns()
        server.mstime = c.last_interaction = (started + server.clock.base) // 1_000_000
        reader = self.reader
        if not c.authenticated or not reader.idle:
            self._run_requests(c, data, started)
        elif (
            (shape := reader.shape) is not None
            and shape.size == size
            and (arguments := shape.arguments(data)) is not None
        ):
            run_alike(c, shape, arguments, data, started)
        elif (argv := split_request(data)) is not None:
            run_one(c, argv, started)
        else:
            self._run_requests(c, data, started)
        out = c.out
        if out and server.uncommitted:
            server.pending_writes[c] = None
        elif out:
            reply = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            size = len(reply)
            stats.net_output_bytes += size
            stats.writes_processed += 1
            c.net_out += size
            if size <= _STATIC_REPLY or not self._is_too_much(size):
                self.send(reply)
                if self.behind:
                    self._check_output_limit(c)
        if server.pending_writes or server.ready_keys or c.flags & CLIENT_CLOSE_AFTER_REPLY:
            server.flush_client(c)
            server.after_event()
        if self.paused or c.pending:
            self._go_on(c)

    def _run_requests(self, c: Client, data: bytes, started: int) -> None:
        """Run what has arrived completely of anything but a single short request."""
        reader = self.reader
        if reader.limits.authenticated != c.authenticated:
            reader.limits.authenticated = not c.auth_required()
        batch = reader.feed(data)
        if batch:
            if len(batch) > _AT_ONCE:
                c.pending = batch
                run_pending(c)
            else:
                run_batch(c, batch, started)
            if not reader.limits.authenticated:
                self._one_by_one(c, reader)
        if reader.error is not None and not c.pending:
            self._protocol_error(c, reader.error.message)

    def _one_by_one(self, c: Client, reader: RequestReader) -> None:
        """Before authentication requests are parsed one at a time: each may be the AUTH that widens the limits."""
        while not c.flags & CLIENT_STOP and reader.error is None:
            reader.limits.authenticated = not c.auth_required()
            batch = reader.feed(b"")
            if not batch:
                break
            run_batch(c, batch, perf_counter_ns())

    def _may_run_now(self, c: Client, data: bytes) -> bool:
        """Keep what a waiting client sends; with a limit of memory, see whether it is getting short."""
        if c.flags & CLIENT_STOP:
            self._hold(c, data)
            return False
        self.server.eviction.received(len(data))
        return not self.closing

    def _hold(self, c: Client, data: bytes) -> None:
        """Keep what a waiting client sends, up to the limit of the query buffer."""
        if not c.flags & CLIENT_CLOSE_AFTER_REPLY:
            c.last_interaction = int(self.server.clock.time() * 1000)
            self.held += data
            if len(self.held) > self.server.config.client_query_buffer_limit:
                self.server.stats.query_buffer_limit_disconnections += 1
                self.abort()

    def _protocol_error(self, c: Client, message: bytes) -> None:
        """Answer what is no request and close; a query buffer over its limit closes without a word, as Redis does.

        The commands before it come first: while one of them waits, so does this.
        """
        if c.flags & CLIENT_STOP:
            return
        if c.flags & CLIENT_REPLICA:
            self.abort()  # there is no place for an error in its stream
        elif message:
            end_after_reply(c, error_reply(self.server, b"ERR " + message))
        else:
            self.server.stats.query_buffer_limit_disconnections += 1
            c.flags |= CLIENT_CLOSE_AFTER_REPLY

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self.closing = True
        if self.client is not None:
            self.server.free_client(self.client)
            self.client = None
            self.server.after_event()
        self.transport = None
        self.send = _nowhere

    def pause_writing(self) -> None:
        """The peer reads more slowly than it asks: from now on its limits are looked at."""
        self.behind = True

    def resume_writing(self) -> None:
        """The peer has caught up."""
        self.behind = self.writing_paused = False
        if self.client is not None:
            self.client.out_soft_since = 0
            self._go_on(self.client)
        callback, self.on_drained = self.on_drained, None
        if callback is not None:
            callback()

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, when (nearly) everything written has been sent; in the next turn if that is so already."""
        if self.behind:
            self.on_drained = callback
        elif self.server.loop is not None:
            self.server.loop.call_soon(callback)

    def _set_high_water(self) -> None:
        """Below the mark nothing is looked at, so it must not be above any limit."""
        limits = self.server.config.client_output_buffer_limit.values()
        mark = min([_BEHIND_FROM, *(limit for hard, soft, _ in limits for limit in (hard, soft) if limit)])
        cast(asyncio.Transport, self.transport).set_write_buffer_limits(high=mark, low=mark // 2)

    # --- the client's side ------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send; closes the client when its output buffer is over its limit."""
        if self.closing:
            return
        stats = self.server.stats
        stats.net_output_bytes += len(data)
        stats.writes_processed += 1
        if self.client is not None:
            self.client.net_out += len(data)
        if len(data) > _STATIC_REPLY and self._is_too_much(len(data)):
            return
        self.send(data)
        if self.behind and self.client is not None:
            self._check_output_limit(self.client)

    def _limits(self, c: Client) -> tuple[int, int, int]:
        """The hard limit, the soft one, and its seconds. A monitor is a normal client."""
        kind = "replica" if c.flags & CLIENT_REPLICA else "pubsub" if c.subscribed() else "normal"
        limits = self.server.config.client_output_buffer_limit[kind]
        if kind == "replica" and limits[0]:
            # A replica that is as far behind as the backlog reaches would come back at once.
            return max(limits[0], self.server.config.repl_backlog_size), limits[1], limits[2]
        return limits

    def _is_too_much(self, size: int) -> bool:
        """Whether a reply of ``size`` bytes ends the connection: over the hard limit nothing of it is sent, however
        quick the peer would be; the first 16 KB do not count, as in Redis."""
        c = self.client
        if c is None:
            return False
        hard = self._limits(c)[0]
        if not hard or self.output_bytes() + size - _STATIC_REPLY <= hard:
            return False
        self._end_over_limit(c)
        return True

    def _end_over_limit(self, c: Client) -> None:
        self.server.stats.output_buffer_limit_disconnections += 1
        self.server.log.warning(
            f"Client id={c.id} addr={c.addr.decode()} closed for overcoming of output buffer limits."
        )
        self.abort()

    def _check_output_limit(self, c: Client) -> None:
        waiting = self.output_bytes()
        hard, soft, seconds = self._limits(c)
        over = bool(hard) and waiting > hard
        if soft and waiting > soft:
            c.out_soft_since = c.out_soft_since or self.server.mstime
            over = over or self.server.mstime - c.out_soft_since > seconds * 1000
        else:
            c.out_soft_since = 0
        if self.server.config.maxmemory_clients:
            self.server.eviction.clients.look()
        if over:
            self._end_over_limit(c)
        elif waiting > _STOP_READING_AT:
            self.writing_paused = True
            self._pause_reading()

    def check_limits(self) -> None:
        """For the cron: a soft limit is over its time even if nothing more is written."""
        if self.client is not None and self.transport is not None and self.client.out_soft_since:
            self._check_output_limit(self.client)

    def abort(self) -> None:
        """Close at once; what was not sent is lost."""
        self.closing = True
        self.send = _nowhere
        if self.client is not None:
            self.client.flags |= CLIENT_CLOSED
        if self.transport is not None:
            self.transport.abort()

    def close(self, flush: bool) -> None:
        """End the connection."""
        if self.closing:
            return
        if not flush:
            self.abort()
            return
        self.closing = True
        self.send = _nowhere
        if self.transport is not None:
            self.transport.close()

    def may_run(self) -> bool:
        """False while the replies written already fill the memory: it goes on when they have left."""
        return not self.writing_paused

    def resume_reading(self) -> None:
        """The client waits no more, or has its next turn: parse and run what it has sent meanwhile."""
        c, reader = self.client, self.reader
        if c is None or self.closing:
            return
        if c.pending:
            self._go_on(c)
        elif self.held:
            size = max(_PIECE, reader.missing_bytes())
            data = bytes(self.held[:size])
            del self.held[:size]
            self.data_received(data)
            self._go_on(c)  # there may be more, though nothing has paused the reading
        elif self.paused or not reader.limits.authenticated or reader.error is not None:
            self.data_received(b"")

    def _pause_reading(self) -> None:
        if not self.paused and self.transport is not None and not self.closing:
            self.paused = True
            self.transport.pause_reading()

    def _go_on(self, c: Client) -> None:
        """After a turn: the next one if there is more to run, else the peer is read again.

        A client that waits is read too, or its end would not be noticed.
        """
        if self.writing_paused:
            return
        if (c.pending or self.held) and not c.flags & CLIENT_STOP:
            self._pause_reading()
            self.server.next_turn(c)
        elif self.paused and self.transport is not None and not self.closing and not c.flags & CLIENT_HAS_MORE:
            self.paused = False
            self.transport.resume_reading()

    def limits_changed(self) -> None:
        """The configuration has other limits for clients now."""
        config = self.server.config
        limits = self.reader.limits
        limits.proto_max_bulk_len = config.proto_max_bulk_len
        limits.query_buffer_limit = config.client_query_buffer_limit
        if self.transport is not None and not self.closing:
            self._set_high_water()

    def output_bytes(self) -> int:
        """Bytes written and not sent yet."""
        return self.transport.get_write_buffer_size() if self.transport is not None else 0

    def input_bytes(self) -> int:
        """Bytes received and not parsed yet."""
        return len(self.held) + self.reader.pending_bytes()

    def fileno(self) -> int:
        """The socket's number; -1 once it is closed."""
        sock = self.transport.get_extra_info("socket") if self.transport is not None else None
        return sock.fileno() if sock is not None else -1


def _is_loopback(peer: bytes) -> bool:
    return peer.startswith((b"127.", b"[::1]", b"[::ffff:127."))


_PROTECTED: Final = (
    b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the "
    b"default user. In this mode connections are only accepted from the loopback interface. If you want to connect "
    b"from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode "
    b"sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the "
    b"same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. "
    b"Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by "
    b"editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the "
    b"server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' "
    b"option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above "
    b"things in order for the server to start accepting connections from the outside.\r\n"
)
