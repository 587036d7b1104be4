"""The server as a whole: INFO, TIME, SLOWLOG, SHUTDOWN."""

from __future__ import annotations

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_ADMIN,
    ACL_DANGEROUS,
    CMD_ADMIN,
    CMD_ALLOW_BUSY,
    CMD_FAST,
    CMD_LOADING,
    CMD_NO_MULTI,
    CMD_NOSCRIPT,
    CMD_READONLY,
    CMD_STALE,
    command,
    container,
)
from pyredis.core.info import info
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, array, array_header, bulk, bulk_array, integer, verbatim


@command(
    b"INFO",
    -1,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="1.0.0",
    summary="Report on the server, section by section.",
    complexity="O(1)",
    usage="[section]...",
    tips=(
        b"nondeterministic_output",
        b"request_policy:all_shards",
        b"response_policy:special",
    ),
    acl=ACL_DANGEROUS,
    history=(("7.0.0", "Added support for taking multiple section arguments."),),
)
def info_command(c: Client, argv: list[bytes]) -> bytes | None:
    wanted = {section.decode("latin-1").lower() for section in argv[1:]}
    return verbatim(info(c.server, wanted), c.resp)


@command(
    b"TIME",
    1,
    CMD_LOADING | CMD_STALE | CMD_FAST,
    group="server",
    since="2.6.0",
    summary="Return the server's time.",
    complexity="O(1)",
    tips=(b"nondeterministic_output",),
)
def time_command(c: Client, argv: list[bytes]) -> bytes | None:
    now = c.server.clock.time()
    return bulk_array([b"%d" % int(now), b"%d" % int(now % 1 * 1e6)])


@command(
    b"LOLWUT",
    -1,
    CMD_READONLY | CMD_FAST,
    group="server",
    since="5.0.0",
    summary="Show generated art and the version.",
    usage="[VERSION version:int]",
)
def lolwut_command(c: Client, argv: list[bytes]) -> bytes | None:
    art = b"".join([b"/" if c.server.rng.random() < 0.5 else b"\\" for _ in range(66)])
    rows = b"\n".join([art[at : at + 22] for at in range(0, 66, 22)])
    return verbatim(rows + b"\nRedis ver. 7.0.15\n", c.resp)


@command(
    b"ROLE",
    1,
    CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_FAST,
    group="server",
    since="2.8.12",
    summary="Tell the role in replication.",
    complexity="O(1)",
    acl=ACL_ADMIN | ACL_DANGEROUS,
)
def role_command(c: Client, argv: list[bytes]) -> bytes | None:
    return array([bulk(b"master"), integer(0), array_header(0)])


container(
    b"SLOWLOG",
    -2,
    0,
    group="server",
    since="2.2.12",
    summary="Look at slow commands.",
    complexity="Depends on subcommand.",
)


@command(
    b"SLOWLOG|GET",
    -2,
    CMD_ADMIN | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.2.12",
    summary="Return the entries of the slow log.",
    complexity="O(N) where N is the number of entries returned",
    usage="[count:int]",
    tips=(
        b"request_policy:all_nodes",
        b"nondeterministic_output",
    ),
    history=(("4.0.0", "Added client IP address, port and name to the reply."),),
)
def slowlog_get_command(c: Client, argv: list[bytes]) -> bytes | None:
    entries = list(c.server.slowlog.entries)
    count = 10
    if len(argv) == 3:
        count = get_int(argv[2])
        if count < -1:
            raise CommandError(b"ERR count should be greater than or equal to -1")
    elif len(argv) > 3:
        raise syntax_error()
    chosen = entries if count == -1 else entries[:count]
    return array(
        [
            array([integer(e.id), integer(e.time), integer(e.usec), bulk_array(e.argv), bulk(e.addr), bulk(e.name)])
            for e in chosen
        ]
    )


@command(
    b"SLOWLOG|LEN",
    2,
    CMD_ADMIN | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.2.12",
    summary="Count the entries of the slow log.",
    complexity="O(1)",
    tips=(
        b"request_policy:all_nodes",
        b"response_policy:agg_sum",
        b"nondeterministic_output",
    ),
)
def slowlog_len_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.server.slowlog.entries))


@command(
    b"SLOWLOG|RESET",
    2,
    CMD_ADMIN | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.2.12",
    summary="Empty the slow log.",
    complexity="O(N) where N is the number of entries in the slowlog",
    tips=(
        b"request_policy:all_nodes",
        b"response_policy:all_succeeded",
    ),
)
def slowlog_reset_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.slowlog.entries.clear()
    return OK


@command(
    b"SHUTDOWN",
    -1,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_NO_MULTI | CMD_ALLOW_BUSY,
    group="server",
    since="1.0.0",
    summary="End the server.",
    complexity=(
        "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)"
    ),
    usage="[NOSAVE|SAVE] [NOW]@7.0.0 [FORCE]@7.0.0 [ABORT]@7.0.0",
    history=(("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."),),
)
def shutdown_command(c: Client, argv: list[bytes]) -> bytes | None:
    words = {word.lower() for word in argv[1:]}
    if not words <= {b"nosave", b"now", b"force"} or len(words) != len(argv) - 1:
        if b"save" in words:
            raise CommandError(b"ERR SHUTDOWN SAVE needs persistence, which is not available yet")
        if words == {b"abort"}:
            raise CommandError(b"ERR No shutdown in progress.")
        raise syntax_error()
    if c.server.on_shutdown is None:
        raise CommandError(b"ERR Errors trying to SHUTDOWN. Check logs.")
    c.server.on_shutdown(0)
    return None
