"""``maxmemory-clients``: when all clients together take too much memory, those that take most are closed.

Clients are measured when much has been received, when one of them does not read its replies, and by the cron.
"""

from __future__ import annotations

from time import perf_counter_ns
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_MASTER, CLIENT_NO_EVICT, CLIENT_REPLICA, Client
from pyredis.core.client_info import client_info
from pyredis.core.memory import client_bytes

if TYPE_CHECKING:
    from pyredis.core.server import Server

_LEAST_LIMIT: Final = 128 << 10
"""With less nobody could talk to the server, not even to set a better limit."""
_OTHERS: Final = CLIENT_REPLICA | CLIENT_MASTER
_PATIENCE: Final = 20
"""Measuring the clients may take this part of the time."""


def clients_limit(server: Server) -> int:
    """Bytes that all clients may take together; 0 = no limit."""
    limit = server.config.maxmemory_clients
    if limit < 0:
        limit = server.config.maxmemory * -limit // 100
    return max(limit, _LEAST_LIMIT) if limit else 0


class ClientEviction:
    """Closes the largest clients of one server. ``evicted``: how many it has closed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.evicted = 0
        self._next = 0
        """``perf_counter_ns`` before which clients are not measured again."""

    def look(self) -> None:
        """Measure the clients, unless that was just done and takes long; close the largest while all are too large."""
        limit = clients_limit(self.server)
        started = perf_counter_ns()
        if not limit or started < self._next:
            return
        clients = [c for c in self.server.clients.values() if not c.flags & _OTHERS]
        sizes = [client_bytes(c) + c.conn.input_bytes() + c.conn.output_bytes() for c in clients]
        total = sum(sizes)
        if total >= limit:
            self._evict(clients, sizes, total, limit)
        self._next = perf_counter_ns() + _PATIENCE * (perf_counter_ns() - started)

    def _evict(self, clients: list[Client], sizes: list[int], total: int, limit: int) -> None:
        server = self.server
        order = sorted(range(len(clients)), key=lambda at: -sizes[at])
        for at in order:
            c = clients[at]
            if total < limit:
                return
            if c.flags & CLIENT_NO_EVICT:
                continue
            server.log.notice("Evicting client: " + client_info(c).decode("latin-1"))
            total -= sizes[at]
            self.evicted += 1
            server.close_client(c)
            server.free_client(c)
