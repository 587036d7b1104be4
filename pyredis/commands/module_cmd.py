"""MODULE: extensions of Redis are machine code for another program, so none can be loaded here."""

from __future__ import annotations

from typing import Final

from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_LOADING,
    CMD_NO_ASYNC_LOADING,
    CMD_NOSCRIPT,
    CMD_PROTECTED,
    CMD_STALE,
    command,
    container,
)
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import EMPTY_ARRAY, help_reply

_NOT_LOADED: Final = b"ERR Error loading the extension. Please check the server logs."
_CHANGES: Final = CMD_ADMIN | CMD_NOSCRIPT | CMD_NO_ASYNC_LOADING | CMD_PROTECTED

container(
    b"MODULE",
    -2,
    0,
    group="server",
    since="4.0.0",
    summary="Look after modules, of which there are none.",
    complexity="Depends on subcommand.",
    acl=0,
)


@command(
    b"MODULE|LIST",
    2,
    CMD_ADMIN | CMD_NOSCRIPT,
    group="server",
    since="4.0.0",
    summary="List the modules that are loaded: none.",
    complexity="O(N) where N is the number of loaded modules.",
    tips=(b"nondeterministic_output_order",),
)
def module_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    return EMPTY_ARRAY


def _refuse(c: Client, path: bytes) -> bytes | None:
    text = path.decode("utf-8", "backslashreplace")
    c.server.log.warning(f"Module {text} not loaded: modules of Redis cannot be run by pyredis")
    raise CommandError(_NOT_LOADED)


@command(
    b"MODULE|LOAD",
    -3,
    _CHANGES,
    group="server",
    since="4.0.0",
    summary="Refuse to load a module.",
    complexity="O(1)",
    usage="path [arg...]",
)
def module_load_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _refuse(c, argv[2])


@command(
    b"MODULE|LOADEX",
    -3,
    _CHANGES,
    group="server",
    since="7.0.0",
    summary="Refuse to load a module with directives.",
    complexity="O(1)",
    usage="path configs=[CONFIG (name value)]... [ARGS args=(arg)...]",
)
def module_loadex_command(c: Client, argv: list[bytes]) -> bytes | None:
    return _refuse(c, argv[2])


@command(
    b"MODULE|UNLOAD",
    3,
    _CHANGES,
    group="server",
    since="4.0.0",
    summary="Unload a module: there is none.",
    complexity="O(1)",
    usage="name",
)
def module_unload_command(c: Client, argv: list[bytes]) -> bytes | None:
    raise CommandError(b"ERR Error unloading module: no such module with that name")


@command(
    b"MODULE|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="5.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
    acl=0,
)
def module_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"MODULE",
        [
            b"LIST",
            b"    The modules that are loaded: none.",
            b"LOAD <path> [<arg> [...]]",
            b"    Refused: modules are machine code for Redis itself.",
            b"LOADEX <path> [CONFIG <name> <value> [...]] [ARGS <arg> [...]]",
            b"    Refused likewise.",
            b"UNLOAD <name>",
            b"    There is nothing to unload.",
        ],
    )
