"""MEMORY: what the server's memory is used for."""

from __future__ import annotations

from pyredis.core.args import get_int, syntax_error
from pyredis.core.client import Client
from pyredis.core.command import CMD_LOADING, CMD_READONLY, CMD_STALE, KEY_RO, K, command, container
from pyredis.core.memory import MemoryReport, doctor, key_bytes, purge
from pyredis.lib.heap import report_by_stderr
from pyredis.resp.reply import NULL, OK, bulk, double, help_reply, integer, map_header, verbatim

_TIPS = (b"nondeterministic_output", b"request_policy:all_shards", b"response_policy:special")
_SAMPLES = 5

container(
    b"MEMORY",
    -2,
    0,
    group="server",
    since="4.0.0",
    summary="Look at the server's memory.",
    complexity="Depends on subcommand.",
)


@command(
    b"MEMORY|USAGE",
    -3,
    CMD_READONLY,
    keys=(K(2, KEY_RO),),
    group="server",
    since="4.0.0",
    summary="Estimate the memory that a key and its value take.",
    complexity="O(N) where N is the number of samples.",
    usage="key [SAMPLES count:int]",
    acl=0,
)
def memory_usage_command(c: Client, argv: list[bytes]) -> bytes | None:
    samples = _SAMPLES
    for at in range(3, len(argv), 2):
        if argv[at].lower() != b"samples" or at + 1 == len(argv):
            raise syntax_error()
        samples = get_int(argv[at + 1])
        if samples < 0:
            raise syntax_error()
    value = c.db.peek(argv[2])
    return NULL[c.resp] if value is None else integer(key_bytes(argv[2], value, samples))


@command(
    b"MEMORY|STATS",
    2,
    0,
    group="server",
    since="4.0.0",
    summary="Return what the server's memory is used for.",
    complexity="O(1)",
    tips=_TIPS,
)
def memory_stats_command(c: Client, argv: list[bytes]) -> bytes | None:
    m = MemoryReport(c.server)
    resp = c.resp
    one, zero = double(1.0, resp), integer(0)
    fragmentation = m.resident / max(m.heap, 1)
    fields = [
        (b"peak.allocated", integer(m.peak)),
        (b"total.allocated", integer(m.used)),
        (b"startup.allocated", integer(m.startup)),
        (b"replication.backlog", zero),
        (b"clients.slaves", zero),
        (b"clients.normal", integer(m.clients)),
        (b"cluster.links", zero),
        (b"aof.buffer", zero),
        (b"lua.caches", zero),
        (b"functions.caches", zero),
    ]
    for number, main, expires in m.tables:
        tables = (
            bulk(b"overhead.hashtable.main"),
            integer(main),
            bulk(b"overhead.hashtable.expires"),
            integer(expires),
            bulk(b"overhead.hashtable.slot-to-keys"),
            zero,
        )
        fields.append((b"db.%d" % number, map_header(3, resp) + b"".join(tables)))
    fields += [
        (b"overhead.total", integer(m.overhead)),
        (b"keys.count", integer(m.keys)),
        (b"keys.bytes-per-key", integer(max(m.used - m.startup, 0) // m.keys if m.keys else 0)),
        (b"dataset.bytes", integer(m.dataset)),
        (b"dataset.percentage", double(m.dataset_percent(), resp)),
        (b"peak.percentage", double(m.peak_percent(), resp)),
        (b"allocator.allocated", integer(m.heap)),
        (b"allocator.active", integer(m.resident)),
        (b"allocator.resident", integer(m.resident)),
        (b"allocator-fragmentation.ratio", double(fragmentation, resp)),
        (b"allocator-fragmentation.bytes", integer(m.resident - m.heap)),
        (b"allocator-rss.ratio", one),
        (b"allocator-rss.bytes", zero),
        (b"rss-overhead.ratio", one),
        (b"rss-overhead.bytes", zero),
        (b"fragmentation", double(m.resident / max(m.used, 1), resp)),
        (b"fragmentation.bytes", integer(m.resident - m.used)),
    ]
    return map_header(len(fields), resp) + b"".join([bulk(name) + value for name, value in fields])


@command(
    b"MEMORY|DOCTOR",
    2,
    0,
    group="server",
    since="4.0.0",
    summary="Explain what looks unusual in the server's memory.",
    complexity="O(1)",
    tips=_TIPS,
)
def memory_doctor_command(c: Client, argv: list[bytes]) -> bytes | None:
    return verbatim(doctor(MemoryReport(c.server), len(c.server.clients)).encode(), c.resp)


@command(
    b"MEMORY|MALLOC-STATS",
    2,
    0,
    group="server",
    since="4.0.0",
    summary="Return the report of the memory allocator.",
    complexity="Depends on how much memory is allocated, could be slow",
    tips=_TIPS,
)
def memory_malloc_stats_command(c: Client, argv: list[bytes]) -> bytes | None:
    report = report_by_stderr()
    return verbatim(report or b"Stats not supported for the current allocator", c.resp)


@command(
    b"MEMORY|PURGE",
    2,
    0,
    group="server",
    since="4.0.0",
    summary="Give free memory back to the system.",
    complexity="Depends on how much memory is allocated, could be slow",
    tips=(b"request_policy:all_shards", b"response_policy:all_succeeded"),
)
def memory_purge_command(c: Client, argv: list[bytes]) -> bytes | None:
    purge()
    return OK


@command(
    b"MEMORY|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="4.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def memory_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"MEMORY",
        [
            b"DOCTOR",
            b"    What looks unusual in the server's memory, for people to read.",
            b"MALLOC-STATS",
            b"    The memory allocator's own report.",
            b"PURGE",
            b"    Give free memory back to the system, as far as the allocator can.",
            b"STATS",
            b"    What the memory is used for.",
            b"USAGE <key> [SAMPLES <count>]",
            b"    About how many bytes a key and its value take. Of a collection <count> elements are",
            b"    measured (5 if it is left out, all with 0).",
        ],
    )
