"""WAIT: until replicas have what this client wrote. There are no replicas, so what is waited for is the timeout."""

from __future__ import annotations

from pyredis.core.args import get_int
from pyredis.core.blocked import BLOCKED_WAIT, block_for_keys
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import ACL_CONNECTION, CMD_NOSCRIPT, command
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import ZERO


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
    wanted = get_int(argv[1])
    timeout = get_int(argv[2], b"ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError(b"ERR timeout is negative")
    if timeout and timeout > LLONG_MAX - c.server.mstime:
        raise CommandError(b"ERR timeout is out of range")
    if wanted <= 0 or c.flags & CLIENT_DENY_BLOCKING:
        return ZERO
    block_for_keys(c, BLOCKED_WAIT, [], timeout / 1000, argv, ZERO)
    return None
