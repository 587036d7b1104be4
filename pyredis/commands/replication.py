"""Replication: REPLICAOF, SYNC, PSYNC, REPLCONF, ROLE, FAILOVER."""

from __future__ import annotations

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import CLIENT_REPLICA, Client
from pyredis.core.client_info import client_info
from pyredis.core.command import (
    ACL_ADMIN,
    ACL_DANGEROUS,
    CMD_ADMIN,
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_ASYNC_LOADING,
    CMD_NO_MULTI,
    CMD_NOSCRIPT,
    CMD_SENTINEL,
    CMD_STALE,
    command,
)
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, simple

_SUMMARY = "Become the replica of another server, or a master."
_USAGE = "args=(host-port=(host port:int)|no-one=(no=NO one=ONE))"


@command(
    b"REPLICAOF",
    3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING,
    group="server",
    since="5.0.0",
    summary=_SUMMARY,
    complexity="O(1)",
    usage=_USAGE,
)
def replicaof_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    replication, log = server.replication, server.log
    if replication.failing_over:
        raise CommandError(b"ERR REPLICAOF not allowed while failing over.")
    if (argv[1].lower(), argv[2].lower()) == (b"no", b"one"):
        if replication.master is not None:
            replication.promote()
            log.notice(f"MASTER MODE enabled (user request from '{client_info(c, argv).decode()}')")
        return OK
    if c.flags & CLIENT_REPLICA:
        raise CommandError(b"ERR Command is not valid when client is a replica.")
    port = string2ll(argv[2])
    if port is None or not 0 <= port <= 65535:
        raise CommandError(b"ERR Invalid master port")
    host = argv[1].decode("utf-8", "surrogateescape")
    if replication.master is not None and (replication.master[0].lower(), replication.master[1]) == (
        host.lower(),
        port,
    ):
        log.notice(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation "
            "performed."
        )
        return simple(b"OK Already connected to specified master")
    replication.replicate(host, port)
    log.notice(f"REPLICAOF {host}:{port} enabled (user request from '{client_info(c, argv).decode()}')")
    return OK


@command(
    b"SLAVEOF",
    3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE | CMD_NO_ASYNC_LOADING,
    group="server",
    since="1.0.0",
    summary=_SUMMARY,
    complexity="O(1)",
    usage=_USAGE,
    deprecated_since="5.0.0",
    replaced_by="`REPLICAOF`",
    doc_flags=("deprecated",),
)
def slaveof_command(c: Client, argv: list[bytes]) -> bytes | None:
    return replicaof_command(c, argv)


@command(
    b"SYNC",
    1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
    group="server",
    since="1.0.0",
    summary="Ask for a snapshot and the stream of changes, as replicas did long ago.",
)
def sync_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.replication.sync(c, argv)
    return None


@command(
    b"PSYNC",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_NO_MULTI,
    group="server",
    since="2.8.0",
    summary="Ask for the stream of changes from an offset on, as replicas do.",
    usage="replicationid offset:int",
)
def psync_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.replication.sync(c, argv)
    return None


@command(
    b"REPLCONF",
    -1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_ALLOW_BUSY,
    group="server",
    since="3.0.0",
    summary="Tell about a replica, as replicas and their master do.",
    complexity="O(1)",
    doc_flags=("syscmd",),
)
def replconf_command(c: Client, argv: list[bytes]) -> bytes | None:
    return c.server.replication.configure(c, argv)


@command(
    b"ROLE",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST | CMD_SENTINEL,
    group="server",
    since="2.8.12",
    summary="Tell the role in replication.",
    complexity="O(1)",
    acl=ACL_ADMIN | ACL_DANGEROUS,
)
def role_command(c: Client, argv: list[bytes]) -> bytes | None:
    return c.server.replication.role()


@command(
    b"FAILOVER",
    -1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_STALE,
    group="server",
    since="6.2.0",
    summary="Hand the role of master to a replica.",
    complexity="O(1)",
    usage="[TO target=(host port:int [FORCE])] [ABORT] [TIMEOUT milliseconds:int]",
)
def failover_command(c: Client, argv: list[bytes]) -> bytes | None:
    replication = c.server.replication
    if len(argv) == 2 and argv[1].lower() == b"abort":
        replication.abort_failover()
        return OK
    target: tuple[str, int] | None = None
    timeout = 0
    force = False
    at = 1
    while at < len(argv):
        word = argv[at].lower()
        if word == b"timeout" and at + 1 < len(argv) and not timeout:
            timeout = get_int(argv[at + 1])
            if timeout <= 0:
                raise CommandError(b"ERR FAILOVER timeout must be greater than 0")
            at += 2
        elif word == b"to" and at + 2 < len(argv) and target is None:
            target = (argv[at + 1].decode("utf-8", "surrogateescape"), get_int(argv[at + 2]))
            at += 3
        elif word == b"force" and not force:
            force = True
            at += 1
        else:
            raise syntax_error()
    replication.failover(target, timeout, force)
    return OK
