"""The append-only file: BGREWRITEAOF, WAITAOF."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import get_int, get_milliseconds
from pyredis.core.blocked import BLOCKED_WAITAOF, block_for_keys
from pyredis.core.client import CLIENT_DENY_BLOCKING, Client
from pyredis.core.command import (
    ACL_CONNECTION,
    CMD_ADMIN,
    CMD_BLOCKING,
    CMD_NO_ASYNC_LOADING,
    CMD_NOSCRIPT,
    command,
)
from pyredis.core.durability import AOF_OFF
from pyredis.resp.errors import MUST_BE_POSITIVE, CommandError
from pyredis.resp.reply import array, integer, simple

_ON_REPLICA: Final = (
    b"ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and "
    b"are not propagated."
)


@command(
    b"BGREWRITEAOF",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    summary="Write the append-only file anew in the background.",
    complexity="O(1)",
)
def bgrewriteaof_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    aof = server.aof
    if aof.rewriting:
        raise CommandError(b"ERR Background append only file rewriting already in progress")
    if server.background is not None or c.flags & CLIENT_DENY_BLOCKING:
        aof.rewrite_scheduled = True
        return simple(b"Background append only file rewriting scheduled")
    try:
        aof.rewrite()
    except OSError as e:
        aof.last_rewrite_ok = False
        server.log.warning(f"Can't rewrite append only file in background: {e.strerror or e}")
        raise CommandError(
            b"ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        ) from None
    return simple(b"Background append only file rewriting started")


@command(
    b"WAITAOF",
    4,
    CMD_NOSCRIPT | CMD_BLOCKING,
    group="generic",
    since="7.2.0",
    summary="Wait until the client's earlier changes are on this server's disk, and on replicas' disks.",
    complexity="O(1)",
    usage="numlocal:int numreplicas:int timeout:int",
    tips=(b"request_policy:all_shards", b"response_policy:agg_min"),
    acl=ACL_CONNECTION,
)
def waitaof_command(c: Client, argv: list[bytes]) -> bytes | None:
    """Two numbers: 1 if the local file is synced so far, and how many replicas' files are."""
    local = get_int(argv[1])
    if not 0 <= local <= 1:
        raise CommandError(b"ERR value is out of range, value must between 0 and 1")
    replicas = get_int(argv[2])
    if replicas < 0:
        raise CommandError(MUST_BE_POSITIVE)
    timeout = get_milliseconds(argv[3])
    server = c.server
    aof, replication = server.aof, server.replication
    if replication.master is not None:
        raise CommandError(_ON_REPLICA)
    if local and aof.state == AOF_OFF:
        raise CommandError(b"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    fed, offset = c.fed, replication.offset

    def state() -> tuple[bool, bytes]:
        here = aof.state != AOF_OFF and aof.synced >= fed
        there = replication.acknowledged(offset, on_disk=True)
        return here >= local and there >= replicas, array([integer(here), integer(there)])

    done, reply = state()
    if done or c.flags & CLIENT_DENY_BLOCKING:
        return reply
    block_for_keys(c, BLOCKED_WAITAOF, [], timeout / 1000, argv, reply)
    if c.blocked is not None:
        c.blocked.request = state
    if replicas:
        replication.request_acks()
    return None
