"""LATENCY: what the latency monitor and the commands' histograms have recorded."""

from __future__ import annotations

from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_LOADING,
    CMD_NOSCRIPT,
    CMD_STALE,
    Command,
    command,
    container,
    find_command,
)
from pyredis.lib.histogram import cumulative
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import EMPTY_ARRAY, array, bulk, help_reply, integer, integer_array, map_header, verbatim

_FLAGS = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
_TIPS = (b"nondeterministic_output", b"request_policy:all_nodes", b"response_policy:special")

container(
    b"LATENCY",
    -2,
    0,
    group="server",
    since="2.8.13",
    summary="Look at what took long.",
    complexity="Depends on subcommand.",
)


@command(
    b"LATENCY|LATEST",
    2,
    _FLAGS,
    group="server",
    since="2.8.13",
    summary="Return the latest spike of each event.",
    complexity="O(1)",
    tips=_TIPS,
)
def latency_latest_command(c: Client, argv: list[bytes]) -> bytes | None:
    latency = c.server.latency
    return array(
        [
            array([bulk(event), integer(series[-1][0]), integer(series[-1][1]), integer(latency.worst[event])])
            for event, series in latency.events.items()
        ]
    )


@command(
    b"LATENCY|HISTORY",
    3,
    _FLAGS,
    group="server",
    since="2.8.13",
    summary="Return the spikes of an event.",
    complexity="O(1)",
    usage="event",
    tips=_TIPS,
)
def latency_history_command(c: Client, argv: list[bytes]) -> bytes | None:
    series = c.server.latency.events.get(argv[2])
    return EMPTY_ARRAY if series is None else array([integer_array(sample) for sample in series])


@command(
    b"LATENCY|GRAPH",
    3,
    _FLAGS,
    group="server",
    since="2.8.13",
    summary="Draw the spikes of an event.",
    complexity="O(1)",
    usage="event",
    tips=_TIPS,
)
def latency_graph_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    if argv[2] not in server.latency.events:
        raise CommandError(b"ERR No samples available for event '%b'" % c_text(argv[2]))
    return verbatim(server.latency.graph(argv[2], server.mstime // 1000).encode("latin-1"), c.resp)


@command(
    b"LATENCY|DOCTOR",
    2,
    _FLAGS,
    group="server",
    since="2.8.13",
    summary="Explain the spikes seen, and what may help.",
    complexity="O(1)",
    tips=_TIPS,
)
def latency_doctor_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    config = server.config
    report = server.latency.doctor(
        config.latency_monitor_threshold, config.slowlog_log_slower_than, server.mstime // 1000
    )
    return verbatim(report.encode("latin-1"), c.resp)


@command(
    b"LATENCY|RESET",
    -2,
    _FLAGS,
    group="server",
    since="2.8.13",
    summary="Forget the spikes of some events, or of all.",
    complexity="O(1)",
    usage="[event]...",
    tips=(b"request_policy:all_nodes", b"response_policy:all_succeeded"),
)
def latency_reset_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(c.server.latency.reset(argv[2:]))


def _distribution(cmd: Command, resp: int) -> bytes:
    """One command's entry of LATENCY HISTOGRAM: its name, and how many calls there were within each duration."""
    rows = cumulative(cmd.recorded)
    return b"".join(
        [
            bulk(cmd.fullname),
            map_header(2, resp),
            bulk(b"calls"),
            integer(rows[-1][1]),
            bulk(b"histogram_usec"),
            map_header(len(rows), resp),
            *[integer(usec) + integer(calls) for usec, calls in rows],
        ]
    )


@command(
    b"LATENCY|HISTOGRAM",
    -2,
    _FLAGS,
    group="server",
    since="7.0.0",
    summary="Return how long the calls of some commands, or of all, took.",
    complexity="O(N) where N is the number of commands with latency information being retrieved.",
    usage="[command]...",
    tips=_TIPS,
)
def latency_histogram_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 2:
        asked = c.server.counted
    else:
        found = [cmd for name in argv[2:] if (cmd := find_command(c.server.commands, name)) is not None]
        asked = [one for cmd in found for one in (cmd, *cmd.subs.values())]
    entries = [_distribution(cmd, c.resp) for cmd in asked if cmd.recorded]
    return map_header(len(entries), c.resp) + b"".join(entries)


@command(
    b"LATENCY|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="2.8.13",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def latency_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"LATENCY",
        [
            b"DOCTOR",
            b"    What was slow, and what may help, for people to read.",
            b"GRAPH <event>",
            b"    The spikes of an event as a chart of characters.",
            b"HISTORY <event>",
            b"    The spikes of an event: Unix time and milliseconds of each.",
            b"LATEST",
            b"    For each event the time and duration of its latest spike, and its longest.",
            b"RESET [<event> ...]",
            b"    Forget the spikes of the events named, or of all of them.",
            b"HISTOGRAM [COMMAND ...]",
            b"    How many calls of the commands named, or of all, took no longer than 1, 2, 4, 8 ...",
            b"    microseconds.",
        ],
    )
