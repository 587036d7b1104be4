"""WAIT: until replicas have what was written.

What is waited for is all that the server had written when the command came, by whichever client."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_milliseconds
from pyredis.core.blocked import BLOCKED_WAIT, block_for_keys
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import ACL_CONNECTION, CMD_NOSCRIPT, command
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import integer

ON_REPLICA: Final = (
    b"ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured "
    b"to be writable (which is not the default) writes to replicas are just local and are not propagated."
)


@command(
    b"WAIT",
    3,
    CMD_NOSCRIPT,
    group="generic",
    since="3.0.0",
    summary="Wait until replicas have the client's earlier changes.",
    complexity="O(1)",
    usage="numreplicas:int timeout:int",
    tips=(b"request_policy:all_shards", b"response_policy:agg_min"),
    acl=ACL_CONNECTION,
)
def wait_command(c: Client, argv: list[bytes]) -> bytes | None:
    if c.server.replication.master is not None:
        raise CommandError(ON_REPLICA)
    wanted = get_int(argv[1])
    timeout = get_milliseconds(argv[2])
    if timeout and timeout > LLONG_MAX - c.server.mstime:
        raise CommandError(b"ERR timeout is out of range")
    replication = c.server.replication
    offset = replication.offset

    def state() -> tuple[bool, bytes]:
        reached = replication.acknowledged(offset, on_disk=False)
        return reached >= wanted, integer(reached)

    done, reply = state()
    if done or c.flags & CLIENT_DENY_BLOCKING:
        return reply
    block_for_keys(c, BLOCKED_WAIT, [], timeout / 1000, argv, reply)
    if c.blocked is not None:
        c.blocked.request = state
    replication.request_acks()
    return None
