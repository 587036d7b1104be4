"""Functions: FCALL, FCALL_RO, and FUNCTION with its subcommands."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import count_keys
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ALLOW_BUSY,
    CMD_DENYOOM,
    CMD_LOADING,
    CMD_MAY_REPLICATE,
    CMD_NOSCRIPT,
    CMD_READONLY,
    CMD_STALE,
    CMD_WRITE,
    CMDS_OF_SCRIPTS,
    KEY_ACCESS,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    NOTE_RO,
    NOTE_RW,
    KNum,
    command,
    container,
)
from pyredis.lib.glob import compile_pattern
from pyredis.persistence.payload import dump_functions, load_functions, verify_payload
from pyredis.resp.errors import BAD_PAYLOAD, CommandError, c_text, subcommand_syntax
from pyredis.resp.reply import (
    NULL,
    OK,
    array,
    array_header,
    bulk,
    bulk_or_null,
    help_reply,
    integer,
    map_header,
    set_header,
    simple,
)
from pyredis.scripting.engine import engine_of
from pyredis.scripting.functions import Library

_ALL_SHARDS: Final = (b"request_policy:all_shards", b"response_policy:all_succeeded")


def _call(c: Client, argv: list[bytes], read_only: bool) -> bytes | None:
    if c.server.monitors:
        c.server.feed_monitors(c, argv)  # before the commands of the function
    engine = engine_of(c)
    function = engine.library.functions.get(argv[1].lower())
    if function is None:
        raise CommandError(b"ERR Function not found")
    keys = count_keys(argv, b"ERR Bad number of keys provided")
    return engine.turns.run(c, argv, engine.run, c, function, keys, argv, read_only)


@command(
    b"FCALL",
    -3,
    CMDS_OF_SCRIPTS | CMD_MAY_REPLICATE,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_UPDATE, notes=NOTE_RW),),
    group="scripting",
    since="7.0.0",
    summary="Call a function of a library.",
    complexity="Depends on the function that is executed.",
    usage="function numkeys:int [key...] [arg...]",
)
def fcall_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _call(c, argv, False)


@command(
    b"FCALL_RO",
    -3,
    CMDS_OF_SCRIPTS | CMD_READONLY,
    keys=(KNum(2, KEY_RO | KEY_ACCESS, notes=NOTE_RO),),
    group="scripting",
    since="7.0.0",
    summary="Call a function of a library that does not write.",
    complexity="Depends on the function that is executed.",
    usage="function numkeys:int [key...] [arg...]",
)
def fcall_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _call(c, argv, True)


container(
    b"FUNCTION",
    -2,
    group="scripting",
    since="7.0.0",
    summary="Commands about functions.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"FUNCTION|DELETE",
    3,
    CMD_NOSCRIPT | CMD_WRITE,
    group="scripting",
    since="7.0.0",
    summary="Delete a library with its functions.",
    complexity="O(1)",
    usage="library-name",
    tips=_ALL_SHARDS,
)
def function_delete_command(c: Client, argv: list[bytes]) -> bytes | None:
    engine_of(c).library.delete(argv[2])
    c.server.dirty += 1
    return OK


@command(
    b"FUNCTION|DUMP",
    2,
    CMD_NOSCRIPT,
    group="scripting",
    since="7.0.0",
    summary="Return all libraries as one payload.",
    complexity="O(N) where N is the number of functions",
)
def function_dump_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk(dump_functions(engine_of(c).library.dump(), c.server.config.rdbcompression))


@command(
    b"FUNCTION|FLUSH",
    -2,
    CMD_NOSCRIPT | CMD_WRITE,
    group="scripting",
    since="7.0.0",
    summary="Delete all libraries.",
    complexity="O(N) where N is the number of functions deleted",
    usage="async=[ASYNC|SYNC]",
    tips=_ALL_SHARDS,
)
def function_flush_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise subcommand_syntax(b"FUNCTION", argv[1])
    if len(argv) == 3 and argv[2].lower() not in (b"sync", b"async"):
        raise CommandError(b"ERR FUNCTION FLUSH only supports SYNC|ASYNC option")
    engine_of(c).library.clear()
    c.server.dirty += 1
    return OK


@command(
    b"FUNCTION|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="scripting",
    since="7.0.0",
    summary="Show what the subcommands do.",
    complexity="O(1)",
)
def function_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        argv[0],
        (
            b"LOAD [REPLACE] <FUNCTION CODE>",
            b"    Take a library; its first line names it: #!lua name=mylib",
            b"DELETE <LIBRARY NAME>",
            b"    Delete a library with its functions.",
            b"LIST [LIBRARYNAME PATTERN] [WITHCODE]",
            b"    Show the libraries (those whose names fit) with their functions, and on request their code.",
            b"STATS",
            b"    Show what runs at the moment, and how many libraries and functions there are.",
            b"KILL",
            b"    End the function that runs, unless it has written.",
            b"FLUSH [ASYNC|SYNC]",
            b"    Delete all libraries.",
            b"DUMP",
            b"    Return all libraries as one payload, for RESTORE.",
            b"RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
            b"    Take the libraries of a payload, after deleting all others (FLUSH), beside them (APPEND, which is",
            b"    what happens without a word), or in place of those with the same names (REPLACE).",
        ),
    )


@command(
    b"FUNCTION|KILL",
    2,
    CMD_NOSCRIPT | CMD_ALLOW_BUSY,
    group="scripting",
    since="7.0.0",
    summary="End the function that runs.",
    complexity="O(1)",
    tips=(b"request_policy:all_shards", b"response_policy:one_succeeded"),
)
def function_kill_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.scripts.kill(True)
    return OK


def _library_reply(library: Library, with_code: bool, resp: int) -> bytes:
    parts = [map_header(4 if with_code else 3, resp), bulk(b"library_name"), bulk(library.name)]
    parts += [bulk(b"engine"), bulk(b"LUA"), bulk(b"functions"), array_header(len(library.functions))]
    for function in library.functions:
        flags = [simple(name) for name in function.flag_names()]
        parts += [map_header(3, resp), bulk(b"name"), bulk(function.name), bulk(b"description")]
        parts += [bulk_or_null(function.description, resp), bulk(b"flags"), set_header(len(flags), resp), *flags]
    if with_code:
        parts += [bulk(b"library_code"), bulk(library.source)]
    return b"".join(parts)


@command(
    b"FUNCTION|LIST",
    -2,
    CMD_NOSCRIPT,
    group="scripting",
    since="7.0.0",
    summary="Show the libraries and their functions.",
    complexity="O(N) where N is the number of functions",
    usage="[LIBRARYNAME library-name-pattern] [withcode=WITHCODE]",
    tips=(b"nondeterministic_output_order",),
)
def function_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    pattern: bytes | None = None
    with_code = False
    at = 2
    while at < len(argv):
        word = argv[at].lower()
        if word == b"withcode" and not with_code:
            with_code = True
        elif word == b"libraryname" and pattern is None:
            at += 1
            if at == len(argv):
                raise CommandError(b"ERR library name argument was not given")
            pattern = argv[at]
        else:
            raise CommandError(b"ERR Unknown argument " + c_text(argv[at]))
        at += 1
    libraries = list(engine_of(c).library.by_name.values())
    if pattern is not None:
        fits = compile_pattern(pattern.lower())
        libraries = [library for library in libraries if fits(library.name.lower())]
    return array([_library_reply(library, with_code, c.resp) for library in libraries])


@command(
    b"FUNCTION|LOAD",
    -3,
    CMD_NOSCRIPT | CMD_WRITE | CMD_DENYOOM,
    group="scripting",
    since="7.0.0",
    summary="Take a library of functions.",
    complexity="O(1) (considering compilation time is redundant)",
    usage="[REPLACE] function-code",
    tips=_ALL_SHARDS,
)
def function_load_command(c: Client, argv: list[bytes]) -> bytes | None:
    replace = False
    for word in argv[2:-1]:
        if word.lower() != b"replace":
            raise CommandError(b"ERR Unknown option given: " + c_text(word))
        replace = True
    name = engine_of(c).library.add(argv[-1], replace)
    c.server.dirty += 1
    return bulk(name)


_POLICIES: Final = (b"flush", b"append", b"replace")


@command(
    b"FUNCTION|RESTORE",
    -3,
    CMD_NOSCRIPT | CMD_WRITE | CMD_DENYOOM,
    group="scripting",
    since="7.0.0",
    summary="Take the libraries of a payload.",
    complexity="O(N) where N is the number of functions on the payload",
    usage="serialized-value policy=[FLUSH|APPEND|REPLACE]",
    tips=_ALL_SHARDS,
)
def function_restore_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 4:
        raise subcommand_syntax(b"FUNCTION", argv[1])
    policy = argv[3].lower() if len(argv) == 4 else b"append"
    if policy not in _POLICIES:
        raise CommandError(b"ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.")
    if not verify_payload(argv[2], c.server.snapshots.verify_payloads):
        raise CommandError(BAD_PAYLOAD)
    sources = load_functions(argv[2])
    if sources is None:
        raise CommandError(b"ERR given type is not a function")
    engine_of(c).library.restore(sources, policy)
    c.server.dirty += 1
    return OK


@command(
    b"FUNCTION|STATS",
    2,
    CMD_NOSCRIPT | CMD_ALLOW_BUSY,
    group="scripting",
    since="7.0.0",
    summary="Show what runs, and how many libraries and functions there are.",
    complexity="O(1)",
    tips=(b"nondeterministic_output", *_ALL_SHARDS[:1], b"response_policy:special"),
)
def function_stats_command(c: Client, argv: list[bytes]) -> bytes | None:
    engine = engine_of(c)
    resp = c.resp
    running = engine.running_call()
    if running is None:
        shown = NULL[resp]
    else:
        name, words, ms = running
        shown = b"".join(
            (map_header(3, resp), bulk(b"name"), bulk(name), bulk(b"command"), array([bulk(word) for word in words]))
        )
        shown += bulk(b"duration_ms") + integer(ms)
    counts = bulk(b"libraries_count") + integer(engine.libraries())
    counts += bulk(b"functions_count") + integer(engine.functions())
    engines = map_header(1, resp) + bulk(b"LUA") + map_header(2, resp) + counts
    return map_header(2, resp) + bulk(b"running_script") + shown + bulk(b"engines") + engines
