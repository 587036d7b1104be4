"""Scripts: EVAL, EVALSHA, their read-only forms, and SCRIPT."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import count_keys
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ALLOW_BUSY,
    CMD_LOADING,
    CMD_MAY_REPLICATE,
    CMD_NOSCRIPT,
    CMD_READONLY,
    CMD_STALE,
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
from pyredis.resp.errors import NOSCRIPT, CommandError
from pyredis.resp.reply import OK, bulk, help_reply, integer_array
from pyredis.scripting.engine import engine_of

_FLAGS: Final = CMDS_OF_SCRIPTS | CMD_MAY_REPLICATE
_FLAGS_RO: Final = CMDS_OF_SCRIPTS | CMD_READONLY
_DIGEST: Final = 40


def _eval(c: Client, argv: list[bytes], read_only: bool) -> bytes | None:
    if c.server.monitors:
        c.server.feed_monitors(c, argv)  # before the commands of the script
    keys = count_keys(argv)
    engine = engine_of(c)
    return engine.turns.run(c, argv, engine.run, c, engine.evaluated(argv[1]), keys, argv, read_only)


def _evalsha(c: Client, argv: list[bytes], read_only: bool) -> bytes | None:
    if c.server.monitors:
        c.server.feed_monitors(c, argv)
    if len(argv[1]) != _DIGEST:
        raise CommandError(NOSCRIPT)
    keys = count_keys(argv)
    engine = engine_of(c)
    return engine.turns.run(c, argv, engine.run, c, engine.known(argv[1]), keys, argv, read_only)


@command(
    b"EVAL",
    -3,
    _FLAGS,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_UPDATE, notes=NOTE_RW),),
    group="scripting",
    since="2.6.0",
    summary="Run a script.",
    complexity="Depends on the script that is executed.",
    usage="script numkeys:int [key...] [arg...]",
)
def eval_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _eval(c, argv, False)


@command(
    b"EVAL_RO",
    -3,
    _FLAGS_RO,
    keys=(KNum(2, KEY_RO | KEY_ACCESS, notes=NOTE_RO),),
    group="scripting",
    since="7.0.0",
    summary="Run a script that may not write.",
    complexity="Depends on the script that is executed.",
    usage="script numkeys:int [key...] [arg...]",
)
def eval_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _eval(c, argv, True)


@command(
    b"EVALSHA",
    -3,
    _FLAGS,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_UPDATE),),
    group="scripting",
    since="2.6.0",
    summary="Run a script that is known, by its SHA-1 digest.",
    complexity="Depends on the script that is executed.",
    usage="sha1 numkeys:int [key...] [arg...]",
)
def evalsha_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _evalsha(c, argv, False)


@command(
    b"EVALSHA_RO",
    -3,
    _FLAGS_RO,
    keys=(KNum(2, KEY_RO | KEY_ACCESS),),
    group="scripting",
    since="7.0.0",
    summary="Run a script that is known, by its SHA-1 digest, and may not write.",
    complexity="Depends on the script that is executed.",
    usage="sha1 numkeys:int [key...] [arg...]",
)
def evalsha_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _evalsha(c, argv, True)


container(
    b"SCRIPT",
    -2,
    group="scripting",
    since="2.6.0",
    summary="Commands about scripts.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"SCRIPT|DEBUG",
    3,
    CMD_NOSCRIPT,
    group="scripting",
    since="3.2.0",
    summary="Set the debug mode of scripts (there is no debugger).",
    complexity="O(1)",
    usage="mode=(YES|SYNC|NO)",
)
def script_debug_command(c: Client, argv: list[bytes]) -> bytes | None:
    mode = argv[2].lower()
    if mode == b"no":
        return OK
    if mode not in (b"yes", b"sync"):
        raise CommandError(b"ERR Use SCRIPT DEBUG YES/SYNC/NO")
    raise CommandError(b"ERR SCRIPT DEBUG is not supported: this server has no debugger for scripts")


@command(
    b"SCRIPT|EXISTS",
    -3,
    CMD_NOSCRIPT,
    group="scripting",
    since="2.6.0",
    summary="Tell which scripts are known.",
    complexity=("O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation)."),
    usage="sha1...",
    tips=(b"request_policy:all_shards", b"response_policy:agg_logical_and"),
)
def script_exists_command(c: Client, argv: list[bytes]) -> bytes | None:
    known = engine_of(c).scripts
    return integer_array([sha.lower() in known for sha in argv[2:]])


@command(
    b"SCRIPT|FLUSH",
    -2,
    CMD_NOSCRIPT,
    group="scripting",
    since="2.6.0",
    summary="Forget all scripts.",
    complexity="O(N) with N being the number of scripts in cache",
    usage="async=[ASYNC|SYNC]@6.2.0",
    history=(("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."),),
    tips=(b"request_policy:all_nodes", b"response_policy:all_succeeded"),
)
def script_flush_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3 or (len(argv) == 3 and argv[2].lower() not in (b"sync", b"async")):
        raise CommandError(b"ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    engine_of(c).flush()
    return OK


@command(
    b"SCRIPT|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="scripting",
    since="5.0.0",
    summary="Show what the subcommands do.",
    complexity="O(1)",
)
def script_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        argv[0],
        (
            b"DEBUG (YES|SYNC|NO)",
            b"    Switch the debugger of scripts; there is none here, so only NO is accepted.",
            b"EXISTS <sha1> [<sha1> ...]",
            b"    Tell for each digest whether its script is known.",
            b"FLUSH [ASYNC|SYNC]",
            b"    Forget all scripts.",
            b"KILL",
            b"    End the script that runs, unless it has written.",
            b"LOAD <script>",
            b"    Compile a script and keep it, without running it.",
        ),
    )


@command(
    b"SCRIPT|KILL",
    2,
    CMD_NOSCRIPT | CMD_ALLOW_BUSY,
    group="scripting",
    since="2.6.0",
    summary="End the script that runs.",
    complexity="O(1)",
    tips=(b"request_policy:all_shards", b"response_policy:one_succeeded"),
)
def script_kill_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.scripts.kill(False)
    return OK


@command(
    b"SCRIPT|LOAD",
    3,
    CMD_NOSCRIPT | CMD_STALE,
    group="scripting",
    since="2.6.0",
    summary="Compile a script and keep it.",
    complexity="O(N) with N being the length in bytes of the script body.",
    usage="script",
    tips=(b"request_policy:all_nodes", b"response_policy:all_succeeded"),
)
def script_load_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk(engine_of(c).load(argv[2]).name)
