"""SLOWLOG."""

from __future__ import annotations

from itertools import islice

from pyredis.core.args import get_range_int
from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_STALE, command, container
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, array, bulk, bulk_array, help_reply, integer

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
    if len(argv) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '%b'. Try SLOWLOG HELP." % argv[1][:128]
        )
    entries = c.server.slowlog.entries
    count = 10
    if len(argv) == 3:
        count = get_range_int(argv[2], -1, LLONG_MAX, b"ERR count should be greater than or equal to -1")
    chosen = islice(entries, len(entries) if count == -1 else min(count, len(entries)))
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
    b"SLOWLOG|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="6.2.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def slowlog_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"SLOWLOG",
        [
            b"GET [<count>]",
            b"    The newest <count> entries (10 if it is left out, all with -1). An entry is: its number,",
            b"    the Unix time, how many microseconds the command took, its arguments, the client's",
            b"    address, the client's name.",
            b"LEN",
            b"    How many entries there are.",
            b"RESET",
            b"    Empty the log.",
        ],
    )
