"""The memory limit: which keys go when ``maxmemory`` is reached, and what is kept of their use for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyredis.keyspace.access import Lfu

if TYPE_CHECKING:
    from pyredis.core.server import Server


def configure_access(server: Server) -> None:
    """What the policy in force needs to know of the use of keys is kept from now on, nothing else is."""
    config = server.config
    policy = config.maxmemory_policy
    if policy.endswith("-lfu"):
        server.set_access(True, Lfu(config.lfu_log_factor, config.lfu_decay_time, server.mstime, server.rng))
    else:
        server.set_access(policy.endswith("-lru") and config.maxmemory > 0, None)
