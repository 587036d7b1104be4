"""A replica of this server, as this server sees it: how far it is, and what waits for it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_CLOSED

if TYPE_CHECKING:
    from pyredis.core.client import Client

NO_SYNC: Final = 0
"""It has told things about itself, and asked for nothing yet."""
WAIT_START: Final = 1
"""It waits for a snapshot to be begun."""
WAIT_END: Final = 2
"""A snapshot is being written for it."""
SEND_BULK: Final = 3
"""A snapshot's file is being sent to it."""
ONLINE: Final = 4
STATE_NAMES: Final = {
    WAIT_START: "wait_bgsave",
    WAIT_END: "wait_bgsave",
    SEND_BULK: "send_bulk",
    ONLINE: "online",
}


class Replica:
    """One replica. Offsets are bytes of the stream, times Unix milliseconds."""

    __slots__ = (
        "ack_offset",
        "ack_time",
        "address",
        "capa_eof",
        "capa_psync2",
        "client",
        "disk_offset",
        "functions_only",
        "no_data",
        "old_protocol",
        "over_soft_since",
        "port",
        "queue",
        "queued",
        "rdb_only",
        "since",
        "snapshot_offset",
        "start_on_ack",
        "state",
        "streaming",
    )

    def __init__(self, client: Client) -> None:
        self.client = client
        self.state = NO_SYNC
        self.since = 0
        """When it asked for a snapshot."""
        self.port = 0
        """Where it listens, by its own account."""
        self.address = b""
        """Its host, by its own account; empty: what the connection says."""
        self.capa_eof = False
        """It can take a snapshot whose length is not known before."""
        self.capa_psync2 = False
        self.rdb_only = False
        """It wants a snapshot and no stream (redis-cli --rdb)."""
        self.no_data = False
        """It wants a snapshot without keys …"""
        self.functions_only = False
        """… but with functions."""
        self.old_protocol = False
        """It asked with SYNC: it sends no acknowledgements."""
        self.snapshot_offset = 0
        """Where in the stream its snapshot was taken; nothing of that counts before it acknowledges it."""
        self.ack_offset = 0
        self.ack_time = 0
        self.disk_offset = 0
        """Up to where its append-only file is on its disk."""
        self.start_on_ack = False
        """The stream begins when it says that it has loaded the snapshot."""
        self.streaming = False
        """True once the stream goes straight to its connection; until then it is queued."""
        self.queue: deque[bytes] = deque()
        self.queued = 0
        self.over_soft_since = 0

    def host(self) -> str:
        """Its host, for INFO and ROLE."""
        if self.address:
            # What is no name must not break the lines of INFO.
            return "".join([chr(c) if 32 < c < 127 else "?" for c in self.address])
        return self.client.addr.rpartition(b":")[0].strip(b"[]").decode()

    def name(self) -> str:
        """``host:port`` for the log."""
        host = self.host()
        host = f"[{host}]" if ":" in host else host
        return f"{host}:{self.port}" if self.port else f"{host}:<unknown-replica-port>"

    def gone(self) -> bool:
        """True once its connection has ended."""
        return bool(self.client.flags & CLIENT_CLOSED)

    def enqueue(self, data: bytes) -> None:
        """Keep a part of the stream until the snapshot is there."""
        self.queue.append(data)
        self.queued += len(data)

    def start_streaming(self) -> None:
        """From now on the stream goes to the connection, what was queued first."""
        self.streaming = True
        queue, self.queue = self.queue, deque()
        self.queued = 0
        write = self.client.conn.write
        for data in queue:
            if self.gone():
                break
            write(data)
