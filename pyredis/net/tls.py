"""TLS between a connection's transport and its protocol: the event loop moves encrypted bytes, OpenSSL works in memory.

The loops' own TLS is not used. What comes before a connection is a client's belongs to the server here: an unfinished
handshake counts for ``maxclients``, has a time limit and reports its failure; the certificate is that of the moment,
so that a reload needs no new listening socket; and what waits unsent is known to the byte, as without TLS.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final, cast

from pyredis.core.server import Server
from pyredis.core.tls import reason
from pyredis.net.protocol import ClientProtocol

_RECORD: Final = 16 << 10
"""The most that one record holds, and so one call reads."""
_PIECE: Final = 256 << 10
"""Large replies are encrypted in pieces of this size, so that there is no second copy of the whole."""
_HANDSHAKE_SECONDS: Final = 60
"""How long a handshake may take; ``timeout`` may make it less."""


class TlsTransport(asyncio.Transport):
    """A transport that encrypts; what it does not do itself is done by the one below."""

    def __init__(self, raw: asyncio.Transport, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
        super().__init__()
        self.raw = raw
        self.tls = tls
        self.outgoing = outgoing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        try:
            if len(data) <= _RECORD:
                self.tls.write(data)
                self.raw.write(self.outgoing.read())
            else:
                self._write_pieces(memoryview(data))
        except ssl.SSLError:
            if not self.raw.is_closing():
                self.raw.abort()  # the session is broken: nothing can be said to the peer any more

    def _write_pieces(self, rest: memoryview) -> None:
        while rest:
            rest = rest[self.tls.write(rest[:_PIECE]) :]
            self.raw.write(self.outgoing.read())

    def close(self) -> None:
        """Say goodbye and close, once everything is sent."""
        if not self.raw.is_closing():
            try:
                self.tls.unwrap()
            except ssl.SSLError:
                pass  # the peer's goodbye has not come, or the handshake was not over
            self.flush()
            self.raw.close()

    def flush(self) -> None:
        """Send what OpenSSL has to say by itself: steps of the handshake, alerts, new keys."""
        if self.outgoing.pending and not self.raw.is_closing():
            self.raw.write(self.outgoing.read())

    def abort(self) -> None:
        """Close at once."""
        self.raw.abort()

    def is_closing(self) -> bool:
        """Whether the connection ends or has ended."""
        return self.raw.is_closing()

    def pause_reading(self) -> None:
        """Leave what the peer sends to the network."""
        self.raw.pause_reading()

    def resume_reading(self) -> None:
        """Go on receiving."""
        self.raw.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From which amount of unsent bytes on the protocol is told that its peer is behind."""
        self.raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """Bytes not sent yet, encrypted."""
        return self.raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """About the socket, as the transport below knows it."""
        return self.raw.get_extra_info(name, default)


class TlsProtocol(asyncio.Protocol):
    """Receives encrypted bytes: first the handshake, then what the client's own protocol is to read."""

    def __init__(self, server: Server, context: ssl.SSLContext) -> None:
        self.server = server
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.read = self.tls.read
        self.raw: asyncio.Transport | None = None
        self.transport: TlsTransport | None = None
        self.client: ClientProtocol | None = None
        """There from the end of the handshake on."""
        self.timer: asyncio.TimerHandle | None = None

    # --- the handshake ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the peer's greeting, if there is room for one more client; a text could not be read yet."""
        raw = self.raw = cast(asyncio.Transport, transport)
        server = self.server
        if server.is_full():
            server.stats.rejected_connections += 1
            raw.abort()
            return
        server.handshakes.add(raw)
        self.transport = TlsTransport(raw, self.tls, self.outgoing)
        seconds = min(server.config.timeout or _HANDSHAKE_SECONDS, _HANDSHAKE_SECONDS)
        self.timer = asyncio.get_running_loop().call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self.server.log.verbose("Closing a connection whose TLS handshake takes too long")
        if self.raw is not None:
            self.raw.abort()

    def _end_handshake(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.raw is not None:
            self.server.handshakes.discard(self.raw)

    def _shake_hands(self, transport: TlsTransport) -> None:
        """One step; the last one makes the client."""
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            transport.flush()
            return
        except (ssl.SSLError, ValueError) as e:
            self._end_handshake()
            self.server.log.warning(f"Error accepting a client connection: {reason(e)}")
            transport.flush()
            transport.raw.close()
            return
        transport.flush()
        self._end_handshake()
        self.client = ClientProtocol(self.server)
        self.client.connection_made(transport)

    # --- the connection ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Decrypt what is whole and hand it on."""
        transport = self.transport
        if transport is None:
            return
        self.incoming.write(data)
        if self.client is None:
            self._shake_hands(transport)
        client = self.client
        if client is None or not self.incoming.pending:
            return
        ended = False
        parts: list[bytes] = []
        try:
            while self.incoming.pending:
                part = self.read(_RECORD)
                if not part:
                    ended = True
                    break
                parts.append(part)
        except ssl.SSLWantReadError:
            pass  # the rest of a record is to come
        except ssl.SSLError:
            ended = True  # the peer's goodbye, or bytes that are none of this session
        if self.outgoing.pending:
            transport.flush()
        if parts:
            client.data_received(parts[0] if len(parts) == 1 else b"".join(parts))
        if ended:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer has gone, or the connection was closed."""
        self._end_handshake()
        if self.client is not None:
            self.client.connection_lost(exc)
        self.raw = self.transport = None

    def pause_writing(self) -> None:
        """The peer reads more slowly than it asks."""
        if self.client is not None:
            self.client.pause_writing()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        if self.client is not None:
            self.client.resume_writing()
