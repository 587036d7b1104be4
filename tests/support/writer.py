"""A client that finds the master through the sentinels and writes without pause, as redis-py's users do it."""

from __future__ import annotations

import threading
import time

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.support.sentinels import NAME


class Writer:
    """Writes ``key:n`` → n until :meth:`stop`; errors are taken as they come, and the next number is tried."""

    def __init__(self, ports: list[int], name: str = NAME) -> None:
        settings = {"socket_timeout": 0.3, "retry": Retry(NoBackoff(), 0)}
        self.sentinel = Sentinel([("127.0.0.1", port) for port in ports], sentinel_kwargs=settings, **settings)
        self.master = self.sentinel.master_for(name, **settings)
        self.name = name
        self.acknowledged: list[tuple[float, int]] = []
        """When (monotonic seconds) each number was acknowledged."""
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        n = 0
        while not self._stop.is_set():
            n += 1
            try:
                self.master.set(f"key:{n}", n)
            except (RedisError, OSError) as e:
                self.errors.append(repr(e))
                time.sleep(0.01)
                continue
            self.acknowledged.append((time.monotonic(), n))
            time.sleep(0.002)

    def written_since(self, moment: float) -> int:
        """How many writes were acknowledged after a moment."""
        return sum(at > moment for at, _ in self.acknowledged)

    def stop(self) -> None:
        """End, and wait for that."""
        self._stop.set()
        self._thread.join(30)
        self.master.close()
        for client in self.sentinel.sentinels:
            client.close()
