"""A master, its replicas and their sentinels in one process: for tests of what clients do when the master changes."""

from __future__ import annotations

from typing import Any

from pyredis.embedded.server import Server
from pyredis.embedded.waiting import wait_until

_PAUSE = 0.02


class SentinelSet:
    """``with SentinelSet() as found:`` a master, ``replicas`` replicas and ``sentinels`` sentinels.

    A master that is gone is replaced after about ``down_after`` milliseconds. Begins when all sentinels know each other
    and the replicas.
    """

    def __init__(
        self, replicas: int = 1, sentinels: int = 3, *, name: str = "mymaster", down_after: int = 500, **directives: Any
    ) -> None:
        self.name = name
        self.servers: list[Server] = []
        """The first is the master at the beginning."""
        self.sentinels: list[Server] = []
        self._sizes = (replicas, sentinels)
        self._down_after = down_after
        self._directives = directives
        self._clients: list[Any] = []

    def __enter__(self) -> SentinelSet:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _start(self) -> None:
        replicas, sentinels = self._sizes
        master = Server(repl_diskless_sync_delay=0, **self._directives).start()
        self.servers.append(master)
        address = f"127.0.0.1 {master.port}"
        for _ in range(replicas):
            replica = Server(replicaof=address, repl_diskless_sync_delay=0, **self._directives)
            self.servers.append(replica.start())
        for replica in self.servers[1:]:
            replica.wait_until_synced()
        lines = [
            f"monitor {self.name} {address} {sentinels // 2 + 1}",
            f"down-after-milliseconds {self.name} {self._down_after}",
            f"failover-timeout {self.name} {max(2000, 4 * self._down_after)}",
        ]
        for _ in range(sentinels):
            self.sentinels.append(Server(sentinel=lines).start())
        wait_until(lambda: all(self._knows_all(s) for s in self.sentinels), "the sentinels know each other", 30, _PAUSE)

    def _knows_all(self, sentinel: Server) -> bool:
        replicas, sentinels = self._sizes
        found = sentinel.client.sentinel_master(self.name)
        return bool(found["num-slaves"] == replicas and found["num-other-sentinels"] == sentinels - 1)

    def stop(self) -> None:
        """End them all, and close the clients."""
        self._close_clients()
        for server in [*self.sentinels, *reversed(self.servers)]:
            server.stop()
        self.sentinels, self.servers = [], []

    def reset(self) -> None:
        """As new, for the next test: empty, without faults, all of them running. Whatever is not well is begun anew.

        Clients of :meth:`sentinel` are closed.
        """
        self._close_clients()
        for server in self.servers:
            if not server.stopped:
                server.faults.clear()
        if not self._well():
            self.stop()
            self._start()
            return
        master = self.master
        master.reset()
        position = master.core.replication.offset
        for replica in self.servers:
            replication = replica.core.replication
            if replica is not master:
                wait_until(lambda r=replication: r.offset >= position, "the replicas have what the master has", 30)  # type: ignore[misc]

    def _well(self) -> bool:
        """Whether all run, and agree on the master, whose replicas all others are."""
        if any(server.stopped for server in (*self.servers, *self.sentinels)):
            return False
        ports = {s.client.sentinel_get_master_addr_by_name(self.name)[1] for s in self.sentinels}
        masters = [s for s in self.servers if s.core.replication.master is None]
        followers = [s for s in self.servers if s.core.replication.link_up]
        return (
            [s.port for s in masters] == list(ports)
            and len(followers) == len(self.servers) - 1
            and all(self._knows_all(s) for s in self.sentinels)
        )

    # --- use --------------------------------------------------------------------------------------------------

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Of the sentinels: what ``redis.sentinel.Sentinel`` takes."""
        return [(s.host, s.port) for s in self.sentinels]

    def sentinel(self, **options: Any) -> Any:
        """A ``redis.sentinel.Sentinel`` that knows them; it and the clients that it makes are closed with the set."""
        from redis.sentinel import Sentinel

        clients = self._clients

        class KeptSentinel(Sentinel):
            def master_for(self, *args: Any, **kwargs: Any) -> Any:
                clients.append(client := super().master_for(*args, **kwargs))  # type: ignore[no-untyped-call]
                return client

            def slave_for(self, *args: Any, **kwargs: Any) -> Any:
                clients.append(client := super().slave_for(*args, **kwargs))  # type: ignore[no-untyped-call]
                return client

        found = KeptSentinel(self.addresses, **options)  # type: ignore[no-untyped-call]
        clients.extend(found.sentinels)
        return found

    def _close_clients(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()

    @property
    def master(self) -> Server:
        """The server that the sentinels take for the master."""
        _, port = self.sentinels[0].client.sentinel_get_master_addr_by_name(self.name)
        return next(s for s in self.servers if s.port == port)

    def fail_over(self, timeout: float = 30) -> Server:
        """Have the sentinels choose another master, without a fault; returns it when all agree."""
        old = self.master
        self.sentinels[0].client.sentinel_failover(self.name)
        return self.wait_for_new_master(old, timeout)

    def wait_for_new_master(self, old: Server, timeout: float = 30) -> Server:
        """The master after ``old``, when all sentinels agree and it takes writes. Raises TimeoutError."""

        def changed() -> bool:
            ports = {s.client.sentinel_get_master_addr_by_name(self.name)[1] for s in self.sentinels}
            if len(ports) != 1 or old.port in ports:
                return False
            return bool(self.master.core.replication.master is None)

        wait_until(changed, "the sentinels agree on another master", timeout, _PAUSE)
        return self.master
