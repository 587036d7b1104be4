"""DEBUG: what tests of clients and of the server itself need; off unless ``enable-debug-command`` says so.

One command with subcommands of its own, as in Redis 7.0 (they are not in the command table). What would crash or stop
the server on purpose, or belongs to a subsystem that is not there, is refused with the reason.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from pyredis.core.args import get_int, get_positive
from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_PROTECTED, CMD_STALE, command
from pyredis.core.info import lru_clock
from pyredis.core.option_kinds import ConfigError, parse_memory
from pyredis.core.propagate import prevent
from pyredis.core.replication import NO_ID, new_id
from pyredis.engines.hash import HashObj
from pyredis.engines.list import ListObj
from pyredis.engines.set import SetObj
from pyredis.engines.stream import StreamObj
from pyredis.engines.zset import ZSetObj
from pyredis.keyspace.db import Database
from pyredis.keyspace.digest import dataset_digest, value_digest
from pyredis.keyspace.encoding import encoding_of, reference_count
from pyredis.keyspace.modified import touched
from pyredis.keyspace.serialized import packed_elements, quicklist_nodes, serialized_length
from pyredis.lib.fpconv import parse_double
from pyredis.lib.glob import match
from pyredis.resp.errors import NO_SUCH_KEY, CommandError, sanitize
from pyredis.resp.reply import (
    NULL,
    OK,
    array,
    boolean,
    bulk,
    error,
    help_reply,
    integer,
    integer_array,
    map_header,
    push_header,
    set_header,
    simple,
    verbatim,
)

_REFUSED: Final = {
    b"AOF-FLUSH-SLEEP": (1, 1, b"the append-only file is not slowed down on purpose"),
    b"ASSERT": (0, 99, b"this server does not end because a client asks for it"),
    b"CONFIG-REWRITE-FORCE-ALL": (0, 0, b"only CONFIG REWRITE writes the configuration"),
    b"CRASH-AND-RECOVER": (0, 99, b"this server does not end because a client asks for it"),
    b"LEAK": (1, 1, b"this server does not lose memory because a client asks for it"),
    b"MALLCTL": (1, 2, b"the allocator is CPython's, not jemalloc"),
    b"MALLCTL-STR": (1, 2, b"the allocator is CPython's, not jemalloc"),
    b"OOM": (0, 99, b"this server does not end because a client asks for it"),
    b"PANIC": (0, 99, b"this server does not end because a client asks for it"),
    b"REPLICATE": (1, 99, b"replicas get what changes data, and nothing else"),
    b"REPLYBUFFER": (2, 2, b"there are no reply buffers of a fixed size"),
    b"RESTART": (0, 99, b"this server does not end because a client asks for it"),
    b"SEGFAULT": (0, 99, b"this server does not end because a client asks for it"),
    b"SET-DISABLE-DENY-SCRIPTS": (1, 1, b"what scripts may not call is fixed"),
}
"""Subcommand → fewest and most arguments behind it, and why it is refused."""

_NO_CLUSTER: Final = b"ERR Debug option only available for cluster mode enabled setup!"
_PROTOCOL_TYPES: Final = (
    b"ERR Wrong protocol type name. Please use one of the following: "
    b"string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false"
)
_NO_TABLE: Final = b"ERR The value stored at the specified key is not represented using an hash table"


@command(
    b"DEBUG",
    -2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE | CMD_PROTECTED,
    group="server",
    since="1.0.0",
    summary="Look inside the server, and make it do what tests need.",
    complexity="Depends on subcommand.",
    doc_flags=("syscmd",),
)
def debug_command(c: Client, argv: list[bytes]) -> bytes | None:
    name = argv[1].upper()
    given = len(argv) - 2
    if name in _REFUSED:
        least, most, why = _REFUSED[name]
        if least <= given <= most:
            raise CommandError(b"ERR DEBUG %b is not available: %b" % (name, why))
    elif name in _SUBCOMMANDS:
        least, most, body = _SUBCOMMANDS[name]
        if least <= given <= most:
            return body(c, argv)
    raise _unknown(argv)


def _unknown(argv: list[bytes]) -> CommandError:
    return CommandError(
        b"ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP." % sanitize(argv[1][:128])
    )


def _value(c: Client, key: bytes) -> Any:
    value = c.db.peek(key)
    if value is None:
        raise CommandError(NO_SUCH_KEY)
    return value


def _flag(text: bytes) -> bool:
    """A number as C's atoi reads it: anything else is 0."""
    return parse_double(text) not in (None, 0.0)


# --- values -------------------------------------------------------------------------------------------------------


def _object(c: Client, argv: list[bytes]) -> bytes:
    value = _value(c, argv[2])
    server = c.server
    fill = min(max(server.config.list_max_listpack_size, -5), (1 << 15) - 1)
    threshold = server.quicklist_packed_threshold
    clock = lru_clock(server)
    idle = c.db.idle_seconds(argv[2])
    text = b"Value at:0x%x refcount:%d encoding:%b serializedlength:%d lru:%d lru_seconds_idle:%d" % (
        id(value),
        reference_count(value),
        encoding_of(value),
        serialized_length(value, fill, threshold),
        clock - idle & 0xFFFFFF,
        idle,
    )
    if type(value) is ListObj:
        nodes = quicklist_nodes(value, fill, threshold)
        text += b" ql_nodes:%d ql_avg_node:%.2f ql_listpack_max:%d ql_compressed:0 ql_uncompressed_size:%d" % (
            len(nodes),
            len(value) / len(nodes),
            fill,
            sum(node.size for node in nodes),
        )
    return simple(text)


def _sdslen(c: Client, argv: list[bytes]) -> bytes:
    key, value = argv[2], _value(c, argv[2])
    if encoding_of(value) not in (b"raw", b"embstr"):
        raise CommandError(b"ERR Not an sds encoded string.")
    return simple(
        b"key_sds_len:%d, key_sds_avail:0, key_zmalloc: %d, val_sds_len:%d, val_sds_avail:%d, val_zmalloc: %d"
        % (len(key), sys.getsizeof(key), len(value), _room(value), sys.getsizeof(value))
    )


def _room(value: bytes | bytearray) -> int:
    """Bytes that can be appended without a move."""
    return sys.getsizeof(value) - sys.getsizeof(bytearray()) - len(value) - 1 if type(value) is bytearray else 0


def _listpack(c: Client, argv: list[bytes]) -> bytes:
    value = _value(c, argv[2])
    if not isinstance(value, HashObj | ZSetObj) or not value.packed:
        raise CommandError(b"ERR Not a listpack encoded object.")
    for number, element in enumerate(packed_elements(value)):
        print(f"{{#{number}, {len(element)} bytes}} {element!r}")
    sys.stdout.flush()
    return simple(b"Listpack structure printed on stdout")


def _quicklist(c: Client, argv: list[bytes]) -> bytes:
    value = _value(c, argv[2])
    if type(value) is not ListObj:
        raise CommandError(b"ERR Not a quicklist encoded object.")
    full = len(argv) == 4 and _flag(argv[3])
    server = c.server
    nodes = quicklist_nodes(value, server.config.list_max_listpack_size, server.quicklist_packed_threshold)
    for number, node in enumerate(nodes):
        kind = "plain" if node.plain else "packed"
        print(f"{{node {number}, {kind}, {node.size} bytes, {len(node.elements)} elements}}")
        if full:
            for element in node.elements:
                print(f"  {element!r}")
    sys.stdout.flush()
    return simple(b"Quicklist structure printed on stdout")


def _packed_threshold(c: Client, argv: list[bytes]) -> bytes:
    try:
        size = parse_memory(argv[2].decode("latin-1"))
    except ConfigError:
        size = 1 << 32
    if size >= (1 << 32) - 1:
        raise CommandError(b"ERR argument must be a memory value bigger than 1 and smaller than 4gb")
    c.server.quicklist_packed_threshold = size or 1 << 30
    return OK


def _digest(c: Client, argv: list[bytes]) -> bytes:
    return simple(dataset_digest(c.server.dbs))


def _digest_value(c: Client, argv: list[bytes]) -> bytes:
    return array([simple(value_digest(c.db, key)) for key in argv[2:]])


def _table_text(title: bytes, entries: int, size: int) -> bytes:
    """What can be told of a dict: it has no chains, and its slots cannot be looked at."""
    if not entries:
        return title + b"No stats available for empty dictionaries\n"
    return title + b" number of elements: %d\n table bytes: %d\n" % (entries, size)


def _htstats(c: Client, argv: list[bytes]) -> bytes:
    number = get_int(argv[2])
    if not 0 <= number < len(c.server.dbs):
        raise CommandError(b"ERR Out of range database")
    db: Database = c.server.dbs[number]
    main, expires = db.table_bytes()
    heading = b"Hash table 0 stats (main hash table):\n"
    text = _table_text(b"[Dictionary HT]\n" + heading, len(db), main)
    text += _table_text(b"[Expires HT]\n" + heading, len(db.expires), expires)
    return verbatim(text, c.resp)


def _htstats_key(c: Client, argv: list[bytes]) -> bytes:
    value = _value(c, argv[2])
    table: Any = None
    if type(value) is SetObj and not value.intset:
        table = value.members
    elif isinstance(value, HashObj) and not value.packed:
        table = value.fields
    elif type(value) is ZSetObj and not value.packed:
        table = value.scores
    if table is None:
        raise CommandError(_NO_TABLE)
    heading = b"Hash table 0 stats (main hash table):\n"
    return verbatim(_table_text(heading, len(table), sys.getsizeof(table)), c.resp)


def _populate(c: Client, argv: list[bytes]) -> bytes:
    count = get_positive(argv[2])
    prefix = argv[3] if len(argv) > 3 else b"key"
    size = get_positive(argv[4]) if len(argv) > 4 else 0
    db = c.db
    for number in range(count):
        key = b"%b:%d" % (prefix, number)
        if not db.exists(key):
            value = b"value:%d" % number
            db.add(key, value[:size].ljust(size, b"\0") if size else value)
            touched(db, key)
    return OK


# --- protocol -----------------------------------------------------------------------------------------------------


def _error(c: Client, argv: list[bytes]) -> bytes:
    """An error made up by the client: not counted as one of the server's."""
    return error(sanitize(argv[2]))


def _protocol(c: Client, argv: list[bytes]) -> bytes:
    kind, resp = argv[2].lower(), c.resp
    if kind == b"push":
        if resp == 2:
            raise CommandError(b"ERR RESP2 is not supported by this command")
        push = push_header(2, resp) + bulk(b"server-cpu-usage") + integer(42)
        return push + bulk(b"Some real reply following the push reply")
    if kind == b"attrib":
        reply = bulk(b"Some real reply following the attribute")
        if resp == 2:
            return reply
        return b"|1\r\n" + bulk(b"key-popularity") + array([bulk(b"key:123"), integer(90)]) + reply
    if kind == b"map":
        return map_header(3, resp) + b"".join([integer(n) + boolean(n == 1, resp) for n in range(3)])
    number = b"1234567999999999999999999999999999999"
    replies = {
        b"string": bulk(b"Hello World"),
        b"integer": integer(12345),
        b"double": b",3.141\r\n" if resp == 3 else bulk(b"3.141"),
        b"bignum": b"(%b\r\n" % number if resp == 3 else bulk(number),
        b"null": NULL[resp],
        b"array": integer_array((0, 1, 2)),
        b"set": set_header(3, resp) + b"".join(map(integer, range(3))),
        b"verbatim": verbatim(b"This is a verbatim\nstring", resp),
        b"true": boolean(True, resp),
        b"false": boolean(False, resp),
    }
    if kind not in replies:
        raise CommandError(_PROTOCOL_TYPES)
    return replies[kind]


# --- the server ---------------------------------------------------------------------------------------------------


def _sleep(c: Client, argv: list[bytes]) -> bytes:
    seconds = parse_double(argv[2]) or 0.0
    if 0 < seconds < float("inf"):
        time.sleep(seconds)
    return OK


def _set_active_expire(c: Client, argv: list[bytes]) -> bytes:
    c.server.active_expire_enabled = _flag(argv[2])
    return OK


def _skip_checksums(c: Client, argv: list[bytes]) -> bytes:
    c.server.snapshots.verify_payloads = not _flag(argv[2])
    return OK


def _pause_cron(c: Client, argv: list[bytes]) -> bytes:
    c.server.cron_paused = _flag(argv[2])
    return OK


def _log(c: Client, argv: list[bytes]) -> bytes:
    c.server.log.warning("DEBUG LOG: " + argv[2].decode("utf-8", "replace"))
    return OK


def _change_repl_id(c: Client, argv: list[bytes]) -> bytes:
    c.server.log.notice("Changing replication IDs after receiving DEBUG change-repl-id")
    c.server.replication.replid, c.server.replication.replid2 = new_id(), NO_ID
    c.server.replication.second_offset = -1
    return OK


def _client_eviction(c: Client, argv: list[bytes]) -> bytes:
    raise CommandError(b"ERR maxmemory-clients is disabled.")


def _structsize(c: Client, argv: list[bytes]) -> bytes:
    """The sizes of empty objects of the kinds that hold data."""
    kinds: tuple[tuple[str, object], ...] = (
        ("bytes", b""),
        ("bytearray", bytearray()),
        ("int", 1),
        ("float", 1.0),
        ("dict", {}),
        ("list", ListObj()),
        ("set", SetObj()),
        ("hash", HashObj()),
        ("zset", ZSetObj()),
        ("stream", StreamObj()),
    )
    text = "".join(f"{name}:{sys.getsizeof(one)} " for name, one in kinds)
    return simple(f"bits:{64 if sys.maxsize > 1 << 32 else 32} {text}".encode())


def _stringmatch_test(c: Client, argv: list[bytes]) -> bytes:
    """Random patterns against random strings: an exception would be a bug."""
    rng = c.server.rng
    for _ in range(_FUZZ_ROUNDS):
        pattern = bytes(rng.choices(b"*?[]^-\\ab\x00\xff", k=rng.randrange(12)))
        match(pattern, bytes(rng.choices(b"ab]\\\x00\xff", k=rng.randrange(12))), rng.random() < 0.5)
    return simple(b"Apparently Redis did not crash: test passed")


_FUZZ_ROUNDS: Final = 2000


def _reload(c: Client, argv: list[bytes]) -> bytes:
    words = {word.upper() for word in argv[2:]}
    if not words <= {b"MERGE", b"NOFLUSH", b"NOSAVE"}:
        raise CommandError(b"ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")
    server = c.server
    prevent(c)  # nothing has changed, although a snapshot makes the count of changes begin anew
    if b"NOSAVE" not in words and not server.snapshots.save():
        raise CommandError(b"ERR")
    try:
        server.snapshots.reload(flush=b"NOFLUSH" not in words, replace=b"MERGE" in words)
    except ValueError:
        raise CommandError(b"ERR Error trying to load the RDB dump") from None
    server.log.warning("DB reloaded by DEBUG RELOAD")
    return OK


def _load_aof(c: Client, argv: list[bytes]) -> bytes:
    prevent(c)
    try:
        c.server.aof.reload()
    except ValueError:
        raise CommandError(b"ERR Error trying to load the append-only file") from None
    c.server.log.warning("Append Only File loaded by DEBUG LOADAOF")
    return OK


def _drop_cluster_packets(c: Client, argv: list[bytes]) -> bytes:
    get_int(argv[2])
    raise CommandError(_NO_CLUSTER)


def _clusterlink(c: Client, argv: list[bytes]) -> bytes:
    if argv[2].lower() != b"kill":
        raise _unknown(argv)
    raise CommandError(_NO_CLUSTER)


def _help(c: Client, argv: list[bytes]) -> bytes:
    return help_reply(b"DEBUG", _HELP)


_SUBCOMMANDS: Final[dict[bytes, tuple[int, int, Callable[[Client, list[bytes]], bytes]]]] = {
    b"CHANGE-REPL-ID": (0, 0, _change_repl_id),
    b"CLIENT-EVICTION": (0, 0, _client_eviction),
    b"CLUSTERLINK": (3, 3, _clusterlink),
    b"DIGEST": (0, 0, _digest),
    b"DIGEST-VALUE": (0, 1 << 31, _digest_value),
    b"DROP-CLUSTER-PACKET-FILTER": (1, 1, _drop_cluster_packets),
    b"ERROR": (1, 1, _error),
    b"HELP": (0, 0, _help),
    b"HTSTATS": (1, 1, _htstats),
    b"HTSTATS-KEY": (1, 1, _htstats_key),
    b"LISTPACK": (1, 1, _listpack),
    b"LOADAOF": (0, 1 << 31, _load_aof),
    b"LOG": (1, 1, _log),
    b"OBJECT": (1, 1, _object),
    b"PAUSE-CRON": (1, 1, _pause_cron),
    b"POPULATE": (1, 3, _populate),
    b"PROTOCOL": (1, 1, _protocol),
    b"QUICKLIST": (1, 2, _quicklist),
    b"QUICKLIST-PACKED-THRESHOLD": (1, 1, _packed_threshold),
    b"RELOAD": (0, 1 << 31, _reload),
    b"SDSLEN": (1, 1, _sdslen),
    b"SET-ACTIVE-EXPIRE": (1, 1, _set_active_expire),
    b"SET-SKIP-CHECKSUM-VALIDATION": (1, 1, _skip_checksums),
    b"SLEEP": (1, 1, _sleep),
    b"STRINGMATCH-TEST": (0, 0, _stringmatch_test),
    b"STRUCTSIZE": (0, 0, _structsize),
}
"""Subcommand → fewest and most arguments behind it, and its body."""

_HELP: Final = (
    b"AOF-FLUSH-SLEEP <microsec>",
    b"    Not available: the append-only file is not slowed down.",
    b"ASSERT",
    b"    Refused: no client ends this server.",
    b"CHANGE-REPL-ID",
    b"    Take another replication ID.",
    b"CONFIG-REWRITE-FORCE-ALL",
    b"    Not available: see CONFIG REWRITE.",
    b"CRASH-AND-RECOVER [<milliseconds>]",
    b"    Refused: no client ends this server.",
    b"DIGEST",
    b"    A checksum of all data, equal to redis-server's for the same data.",
    b"DIGEST-VALUE <key> [<key> ...]",
    b"    A checksum of each key's value.",
    b"ERROR <string>",
    b"    Reply with this error.",
    b"LEAK <string>",
    b"    Refused.",
    b"LOG <message>",
    b"    Write a message to the log.",
    b"HTSTATS <dbid>",
    b"    How many entries a database's tables have, and how many bytes they take.",
    b"HTSTATS-KEY <key>",
    b"    The same for the table that a set, hash or sorted set is kept in.",
    b"LOADAOF",
    b"    Write what waits for the append-only file, forget all data, and load it from there.",
    b"REPLICATE <string>",
    b"    Not available: replicas get what changes data only.",
    b"MALLCTL <key> [<val>]",
    b"    Not available: the allocator is CPython's.",
    b"MALLCTL-STR <key> [<val>]",
    b"    Not available: the allocator is CPython's.",
    b"OBJECT <key>",
    b"    How a value is kept, and how long it would be in a snapshot.",
    b"DROP-CLUSTER-PACKET-FILTER <packet-type>",
    b"    Only for a cluster.",
    b"OOM",
    b"    Refused: no client ends this server.",
    b"PANIC",
    b"    Refused: no client ends this server.",
    b"POPULATE <count> [<prefix>] [<size>]",
    b"    Add <count> strings named <prefix>:0, <prefix>:1 ... (the prefix is 'key' if it is left",
    b"    out), each of <size> bytes; keys that are there are kept as they are.",
    b"PROTOCOL <type>",
    b"    Reply with an example of a type: string, integer, double, bignum, null, array, set, map,",
    b"    attrib, push, verbatim, true, false.",
    b"RELOAD [option ...]",
    b"    Write a snapshot (unless NOSAVE), forget all data (unless NOFLUSH), and load the snapshot. With",
    b"    MERGE keys that are there are replaced; without, the first of them ends the loading.",
    b"RESTART [<milliseconds>]",
    b"    Refused: no client ends this server.",
    b"SDSLEN <key>",
    b"    Lengths and sizes of a key and its string.",
    b"SEGFAULT",
    b"    Refused: no client ends this server.",
    b"SET-ACTIVE-EXPIRE <0|1>",
    b"    With 0 keys that are due stay until they are asked for; 1 is the usual state.",
    b"QUICKLIST-PACKED-THRESHOLD <size>",
    b"    From how many bytes on OBJECT and QUICKLIST show an element in a node of its own (1gb",
    b"    unless set, and with 0; less than 4gb).",
    b"SET-SKIP-CHECKSUM-VALIDATION <0|1>",
    b"    With 1 RESTORE takes payloads whatever their checksum.",
    b"SLEEP <seconds>",
    b"    Hold up the whole server; fractions are fine.",
    b"STRINGMATCH-TEST",
    b"    Try the pattern matcher with random patterns.",
    b"STRUCTSIZE",
    b"    The sizes of empty objects.",
    b"LISTPACK <key>",
    b"    Write the elements of a small hash or sorted set to standard output.",
    b"QUICKLIST <key> [<0|1>]",
    b"    Write the nodes of a list to standard output, with 1 their elements too.",
    b"CLIENT-EVICTION",
    b"    Only with maxmemory-clients.",
    b"PAUSE-CRON <0|1>",
    b"    With 1 the periodic work is left undone.",
    b"REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
    b"    Not available: reply buffers have no fixed size.",
    b"REPLYBUFFER RESIZING <0|1>",
    b"    Not available: reply buffers have no fixed size.",
    b"CLUSTERLINK KILL <to|from|all> <node-id>",
    b"    Only for a cluster.",
)
