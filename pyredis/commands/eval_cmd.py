"""Scripts: EVAL, EVALSHA, their read-only forms, and SCRIPT."""

from __future__ import annotations

from typing import Final

from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ALLOW_BUSY,
    CMD_LOADING,
    CMD_MAY_REPLICATE,
    CMD_MOVABLEKEYS,
    CMD_NO_MANDATORY_KEYS,
    CMD_NOSCRIPT,
    CMD_READONLY,
    CMD_RUNS_SCRIPTS,
    CMD_SKIP_MONITOR,
    CMD_STALE,
    KEY_ACCESS,
    KEY_RO,
    KEY_RW,
    KEY_UPDATE,
    KNum,
    command,
    container,
)
from pyredis.lib.intparse import string2ll
from pyredis.resp.errors import NOSCRIPT, NOT_AN_INTEGER, CommandError
from pyredis.resp.reply import OK, array_header, bulk, help_reply
from pyredis.scripting.engine import Engine

_COMMON: Final = (
    CMD_NOSCRIPT | CMD_STALE | CMD_SKIP_MONITOR | CMD_NO_MANDATORY_KEYS | CMD_MOVABLEKEYS | CMD_RUNS_SCRIPTS
)
_FLAGS: Final = _COMMON | CMD_MAY_REPLICATE
_FLAGS_RO: Final = _COMMON | CMD_READONLY
_NOTE_RW: Final = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE"
_NOTE_RO: Final = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS"

_DIGEST = 40


def _engine(c: Client) -> Engine:
    engine = c.server.scripts
    assert isinstance(engine, Engine)
    return engine


def _begin(c: Client, argv: list[bytes], by_digest: bool = False) -> int:
    """Monitors see the command before those of the script. The number of keys that it is given; raises CommandError."""
    if c.server.monitors:
        c.server.feed_monitors(c, argv)
    if by_digest and len(argv[1]) != _DIGEST:
        raise CommandError(NOSCRIPT)
    count = string2ll(argv[2])
    if count is None:
        raise CommandError(NOT_AN_INTEGER)
    if count > len(argv) - 3:
        raise CommandError(b"ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise CommandError(b"ERR Number of keys can't be negative")
    return count


@command(
    b"EVAL",
    -3,
    _FLAGS,
    keys=(KNum(2, KEY_RW | KEY_ACCESS | KEY_UPDATE, notes=_NOTE_RW),),
    group="scripting",
    since="2.6.0",
    summary="Run a script.",
    complexity="Depends on the script that is executed.",
    usage="script numkeys:int [key...] [arg...]",
)
def eval_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys = _begin(c, argv)
    engine = _engine(c)
    return engine.turns.run(c, argv, engine.run_script, c, engine.evaluated(argv[1]), keys, argv, False)


@command(
    b"EVAL_RO",
    -3,
    _FLAGS_RO,
    keys=(KNum(2, KEY_RO | KEY_ACCESS, notes=_NOTE_RO),),
    group="scripting",
    since="7.0.0",
    summary="Run a script that may not write.",
    complexity="Depends on the script that is executed.",
    usage="script numkeys:int [key...] [arg...]",
)
def eval_ro_command(c: Client, argv: list[bytes]) -> bytes | None:
    keys = _begin(c, argv)
    engine = _engine(c)
    return engine.turns.run(c, argv, engine.run_script, c, engine.evaluated(argv[1]), keys, argv, True)


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
    keys = _begin(c, argv, True)
    engine = _engine(c)
    return engine.turns.run(c, argv, engine.run_script, c, engine.known(argv[1]), keys, argv, False)


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
    keys = _begin(c, argv, True)
    engine = _engine(c)
    return engine.turns.run(c, argv, engine.run_script, c, engine.known(argv[1]), keys, argv, True)


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
    known = _engine(c).scripts
    return array_header(len(argv) - 2) + b"".join([b":%d\r\n" % (sha.lower() in known) for sha in argv[2:]])


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
    _engine(c).flush()
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
    return bulk(_engine(c).load(argv[2]).sha)
