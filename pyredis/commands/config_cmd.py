"""CONFIG."""

from __future__ import annotations

from typing import Final

from pyredis.core.args import syntax_error
from pyredis.core.client import Client
from pyredis.core.command import CMD_ADMIN, CMD_LOADING, CMD_NOSCRIPT, CMD_STALE, command, container
from pyredis.core.config import SetError, UnknownDirective
from pyredis.core.config_rewrite import rewrite
from pyredis.resp.errors import CommandError, c_text
from pyredis.resp.reply import OK, bulk_map, help_reply

_HELP: Final = (
    b"GET <pattern>",
    b"    Show the directives whose names match the pattern, with their values.",
    b"SET <directive> <value>",
    b"    Change directives; several at once are all changed or none.",
    b"RESETSTAT",
    b"    Set the counters of INFO to zero.",
    b"REWRITE",
    b"    Write the present values into the configuration file.",
)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


container(
    b"CONFIG",
    -2,
    0,
    group="server",
    since="2.0.0",
    summary="Read and change the configuration.",
    complexity="Depends on subcommand.",
)


@command(
    b"CONFIG|GET",
    -3,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Return directives that match patterns.",
    complexity="O(N) when N is the number of configuration parameters provided",
    usage="(parameter)...",
    history=(("7.0.0", "Added the ability to pass multiple pattern parameters in one call"),),
)
def config_get_command(c: Client, argv: list[bytes]) -> bytes | None:
    found = c.server.config.get_matching(argv[2:])
    return bulk_map([_encode(part) for pair in found.items() for part in pair], c.resp)


@command(
    b"CONFIG|SET",
    -4,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Change directives.",
    complexity="O(N) when N is the number of configuration parameters provided",
    usage="(parameter value)...",
    tips=(
        b"request_policy:all_nodes",
        b"response_policy:all_succeeded",
    ),
    history=(("7.0.0", "Added the ability to set multiple parameters in one call."),),
)
def config_set_command(c: Client, argv: list[bytes]) -> bytes | None:
    """Several at once: all are set, or none."""
    if len(argv) % 2:
        raise syntax_error()
    words = [arg.decode("utf-8", "surrogateescape") for arg in argv[2:]]
    try:
        c.server.config.set_live(c.server, list(zip(words[::2], words[1::2])), c.is_local())
    except UnknownDirective as e:
        raise CommandError(
            b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % c_text(_encode(e.name))
        ) from None
    except SetError as e:
        text = f"ERR CONFIG SET failed (possibly related to argument '{e.name}') - {e.reason}"
        raise CommandError(c_text(_encode(text))) from None
    return OK


@command(
    b"CONFIG|RESETSTAT",
    2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.0.0",
    summary="Reset the counters of INFO.",
    complexity="O(1)",
)
def config_resetstat_command(c: Client, argv: list[bytes]) -> bytes | None:
    c.server.reset_stats()
    return OK


@command(
    b"CONFIG|REWRITE",
    2,
    CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE,
    group="server",
    since="2.8.0",
    summary="Write the present configuration into its file.",
    complexity="O(1)",
)
def config_rewrite_command(c: Client, argv: list[bytes]) -> bytes | None:
    server = c.server
    if server.config_file is None:
        raise CommandError(b"ERR The server is running without a config file")
    try:
        # With an ACL file the users are there, and not in the configuration.
        users = [] if server.config.aclfile else server.users.lines()
        rewrite(server.config_file, server.config, [line.decode("utf-8", "surrogateescape") for line in users])
    except OSError as e:
        server.log.warning(f"CONFIG REWRITE failed: {e.strerror}")
        raise CommandError(_encode(f"ERR Rewriting config file: {e.strerror}")) from None
    server.log.warning("CONFIG REWRITE executed with success.")
    return OK


@command(
    b"CONFIG|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="5.0.0",
    summary="Describe the subcommands.",
    complexity="O(1)",
)
def config_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(b"CONFIG", _HELP)
