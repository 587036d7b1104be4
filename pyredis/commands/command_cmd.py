"""COMMAND: the command table as clients see it.

Invariants: what is said about a command follows from its declaration alone, which never changes.
"""

from __future__ import annotations

from functools import cache

from pyredis.core.client import Client
from pyredis.core.command import (
    ACL_CATEGORY_NAMES,
    ACL_CONNECTION,
    CMD_LOADING,
    CMD_NO_MANDATORY_KEYS,
    CMD_SENTINEL,
    CMD_STALE,
    FLAG_NAMES,
    KEY_FLAG_NAMES,
    KEY_NOT_KEY,
    CommandSpec,
    KeySpec,
    command,
    find_command,
)
from pyredis.core.compat import known_arguments, version_number
from pyredis.core.dispatch import lookup_command
from pyredis.core.keyspec import KeysError, extract_keys
from pyredis.core.usage import Argument, parse_usage
from pyredis.lib.glob import compile_pattern
from pyredis.resp.errors import SYNTAX_ERROR, CommandError
from pyredis.resp.reply import (
    NULL,
    array,
    array_header,
    bulk,
    bulk_array,
    help_reply,
    integer,
    map_header,
    set_header,
    simple,
)


def _names(bits: int, table: tuple[tuple[int, bytes], ...], resp: int, prefix: bytes = b"") -> bytes:
    names = [simple(prefix + name) for bit, name in table if bits & bit]
    return set_header(len(names), resp) + b"".join(names)


def _map(resp: int, *fields: tuple[bytes, bytes]) -> bytes:
    return map_header(len(fields), resp) + b"".join([bulk(name) + value for name, value in fields])


def _key_spec(key: KeySpec, resp: int) -> bytes:
    if key.begin == "index":
        begin = _map(resp, (b"index", integer(key.index)))
    elif key.begin == "keyword":
        begin = _map(resp, (b"keyword", bulk(key.keyword)), (b"startfrom", integer(key.startfrom)))
    else:
        begin = _map(resp)
    if key.find == "range":
        find = _map(
            resp, (b"lastkey", integer(key.last)), (b"keystep", integer(key.step)), (b"limit", integer(key.limit))
        )
    elif key.find == "keynum":
        find = _map(
            resp,
            (b"keynumidx", integer(key.keynumidx)),
            (b"firstkey", integer(key.first)),
            (b"keystep", integer(key.step)),
        )
    else:
        find = _map(resp)
    fields = [
        (b"flags", _names(key.flags, KEY_FLAG_NAMES, resp)),
        (b"begin_search", _map(resp, (b"type", bulk(key.begin.encode())), (b"spec", begin))),
        (b"find_keys", _map(resp, (b"type", bulk(key.find.encode())), (b"spec", find))),
    ]
    if key.notes:
        fields.insert(0, (b"notes", bulk(key.notes.encode())))
    return _map(resp, *fields)


def _legacy_range(spec: CommandSpec) -> tuple[int, int, int]:
    """First key, last key, step, as COMMAND INFO has them beside the specifications."""
    ranges = [key for key in spec.keys if key.begin == "index" and key.find == "range"]
    if not ranges:
        return 0, 0, 0
    first = min(key.index for key in ranges)
    lasts = [key.index + key.last if key.last >= 0 else key.last for key in ranges]
    last = min(lasts) if any(n < 0 for n in lasts) else max(lasts)
    return first, last, ranges[0].step


def _known_subs(spec: CommandSpec, compat: int) -> list[CommandSpec]:
    """A container's subcommands, as far as a release has them."""
    return [sub for sub in spec.subs.values() if version_number(sub.since) <= compat]


@cache
def info_entry(spec: CommandSpec, resp: int, compat: int) -> bytes:
    """The ten elements of a COMMAND INFO entry. Remembered: clients ask for all of them when they connect."""
    first, last, step = _legacy_range(spec)
    subs = [info_entry(sub, resp, compat) for sub in _known_subs(spec, compat)]
    return array(
        [
            bulk(spec.fullname),
            integer(spec.arity_of(compat)),
            _names(spec.flags, FLAG_NAMES, resp),
            integer(first),
            integer(last),
            integer(step),
            _names(spec.acl, ACL_CATEGORY_NAMES, resp, b"@"),
            set_header(len(spec.tips), resp) + b"".join([bulk(tip) for tip in spec.tips]),
            set_header(len(spec.keys), resp) + b"".join([_key_spec(key, resp) for key in spec.keys]),
            array(subs) if subs else set_header(0, resp),  # an array, in RESP3 too
        ]
    )


@command(
    b"COMMAND",
    -1,
    CMD_LOADING | CMD_STALE | CMD_SENTINEL,
    group="server",
    since="2.8.13",
    summary="Describe all commands.",
    complexity="O(N) where N is the total number of Redis commands",
    tips=(b"nondeterministic_output_order",),
    acl=ACL_CONNECTION,
)
def command_command(c: Client, argv: list[bytes]) -> bytes | None:
    return array([info_entry(cmd.spec, c.resp, c.server.compat) for cmd in c.server.commands.values()])


@command(
    b"COMMAND|COUNT",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="2.8.13",
    summary="Count the commands.",
    complexity="O(1)",
    acl=ACL_CONNECTION,
)
def command_count_command(c: Client, argv: list[bytes]) -> bytes | None:
    return integer(len(c.server.commands))


def _find(c: Client, name: bytes) -> CommandSpec | None:
    cmd = find_command(c.server.commands, name)
    return None if cmd is None else cmd.spec


@command(
    b"COMMAND|INFO",
    -2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="2.8.13",
    summary="Describe some commands.",
    complexity="O(N) where N is the number of commands to look up",
    usage="[command-name]...",
    tips=(b"nondeterministic_output_order",),
    acl=ACL_CONNECTION,
    history=(("7.0.0", "Allowed to be called with no argument to get info on all commands."),),
)
def command_info_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 2:
        return command_command(c, argv)
    specs = [_find(c, name) for name in argv[2:]]
    return array([NULL[c.resp] if spec is None else info_entry(spec, c.resp, c.server.compat) for spec in specs])


@command(
    b"COMMAND|LIST",
    -2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="7.0.0",
    summary="Return the names of commands.",
    complexity="O(N) where N is the total number of Redis commands",
    usage="[FILTERBY filterby=(MODULE module-name|ACLCAT category|PATTERN pattern)]",
    tips=(b"nondeterministic_output_order",),
    acl=ACL_CONNECTION,
)
def command_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    specs = [cmd.spec for cmd in c.server.counted]
    if len(argv) == 5 and argv[2].upper() == b"FILTERBY":
        kind, text = argv[3].upper(), argv[4]
        if kind == b"MODULE":
            specs = []
        elif kind == b"ACLCAT":
            bit = {name: bit for bit, name in ACL_CATEGORY_NAMES}.get(text.lower(), 0)
            specs = [spec for spec in specs if spec.acl & bit]
        elif kind == b"PATTERN":
            fits = compile_pattern(text, True)
            specs = [spec for spec in specs if fits(spec.fullname)]
        else:
            raise CommandError(SYNTAX_ERROR)
    elif len(argv) != 2:
        raise CommandError(SYNTAX_ERROR)
    return bulk_array([spec.fullname for spec in specs])


def _argument(arg: Argument, resp: int) -> bytes:
    fields = [(b"name", bulk(arg.name.encode())), (b"type", bulk(arg.type.encode()))]
    if arg.key_spec >= 0:
        fields.append((b"key_spec_index", integer(arg.key_spec)))
    if arg.token is not None:
        fields.append((b"token", bulk(arg.token.encode())))
    if arg.since:
        fields.append((b"since", bulk(arg.since.encode())))
    if arg.deprecated_since:
        fields.append((b"deprecated_since", bulk(arg.deprecated_since.encode())))
    flags = (
        (arg.optional, b"optional"),
        (arg.multiple, b"multiple"),
        (arg.multiple_token, b"multiple_token"),
    )
    if any(on for on, _ in flags):
        names = [simple(name) for on, name in flags if on]
        fields.append((b"flags", set_header(len(names), resp) + b"".join(names)))
    if arg.arguments:
        fields.append((b"arguments", array([_argument(child, resp) for child in arg.arguments])))
    return _map(resp, *fields)


@cache
def docs_entry(spec: CommandSpec, resp: int, compat: int) -> bytes:
    """The map of COMMAND DOCS for one command, as far as the release ``compat`` has it; remembered as well."""
    fields = [
        (b"summary", bulk(spec.summary.encode())),
        (b"since", bulk(spec.since.encode())),
        (b"group", bulk(spec.group.replace("_", "-").encode())),
    ]
    if spec.complexity:
        fields.append((b"complexity", bulk(spec.complexity.encode())))
    if spec.doc_flags:
        names = [simple(flag.encode()) for flag in spec.doc_flags]
        fields.append((b"doc_flags", set_header(len(names), resp) + b"".join(names)))
    deprecated = bool(spec.deprecated_since) and version_number(spec.deprecated_since) <= compat
    if deprecated:
        fields.append((b"deprecated_since", bulk(spec.deprecated_since.encode())))
    if deprecated and spec.replaced_by:
        fields.append((b"replaced_by", bulk(spec.replaced_by.encode())))
    history = [(version, text) for version, text in spec.history if version_number(version) <= compat]
    if history:
        lines = [array([bulk(version.encode()), bulk(text.encode())]) for version, text in history]
        fields.append((b"history", set_header(len(lines), resp) + b"".join(lines)))
    arguments = known_arguments(parse_usage(spec.usage), compat)
    if arguments:
        fields.append((b"arguments", array([_argument(arg, resp) for arg in arguments])))
    if spec.subs:
        subs = [bulk(sub.fullname) + docs_entry(sub, resp, compat) for sub in _known_subs(spec, compat)]
        fields.append((b"subcommands", map_header(len(subs), resp) + b"".join(subs)))
    return _map(resp, *fields)


@command(
    b"COMMAND|DOCS",
    -2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="7.0.0",
    summary="Return the documentation of commands.",
    complexity="O(N) where N is the number of commands to look up",
    usage="[command-name]...",
    tips=(b"nondeterministic_output_order",),
    acl=ACL_CONNECTION,
)
def command_docs_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) == 2:
        specs = [cmd.spec for cmd in c.server.commands.values()]
    else:
        specs = [spec for spec in (_find(c, name) for name in argv[2:]) if spec is not None]
    entries = [bulk(spec.fullname) + docs_entry(spec, c.resp, c.server.compat) for spec in specs]
    return map_header(len(specs), c.resp) + b"".join(entries)


def _keys_of(c: Client, argv: list[bytes]) -> list[tuple[int, int]]:
    cmd = lookup_command(c.server, argv)
    if cmd is None:
        raise CommandError(b"ERR Invalid command specified")
    if all(key.flags & KEY_NOT_KEY for key in cmd.spec.keys):
        raise CommandError(b"ERR The command has no key arguments")
    if not cmd.argc_min <= len(argv) <= cmd.argc_max:
        raise CommandError(b"ERR Invalid number of arguments specified for command")
    try:
        keys = extract_keys(cmd.spec, argv)
    except KeysError:
        keys = []
    if not keys and not cmd.flags & CMD_NO_MANDATORY_KEYS:
        raise CommandError(b"ERR Invalid arguments specified for command")
    return keys


@command(
    b"COMMAND|GETKEYS",
    -4,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="2.8.13",
    summary="Find the keys in a command line.",
    complexity="O(N) where N is the number of arguments to the command",
    acl=ACL_CONNECTION,
)
def command_getkeys_command(c: Client, argv: list[bytes]) -> bytes | None:
    rest = argv[2:]
    return bulk_array([rest[at] for at, _ in _keys_of(c, rest)])


@command(
    b"COMMAND|GETKEYSANDFLAGS",
    -4,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="7.0.0",
    summary="Find the keys in a command line and what happens to them.",
    complexity="O(N) where N is the number of arguments to the command",
    acl=ACL_CONNECTION,
)
def command_getkeysandflags_command(c: Client, argv: list[bytes]) -> bytes | None:
    rest = argv[2:]
    items = [array_header(2) + bulk(rest[at]) + _names(f, KEY_FLAG_NAMES, c.resp) for at, f in _keys_of(c, rest)]
    return array(items)


@command(
    b"COMMAND|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="5.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
    acl=ACL_CONNECTION,
)
def command_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(
        b"COMMAND",
        (
            b"(no subcommand)",
            b"    All commands: arity, flags, where the keys are, categories, subcommands.",
            b"COUNT",
            b"    How many commands there are; subcommands are not counted.",
            b"LIST",
            b"    The names of all commands and subcommands, or of those that fit a filter:",
            b"    FILTERBY (MODULE <module-name>|ACLCAT <category>|PATTERN <pattern>).",
            b"INFO [<command-name> ...]",
            b"    As without a subcommand, for the commands that are named.",
            b"DOCS [<command-name> ...]",
            b"    What the commands do and which arguments they take; all commands if none is named.",
            b"GETKEYS <full-command>",
            b"    The keys in a command line.",
            b"GETKEYSANDFLAGS <full-command>",
            b"    The keys in a command line, each with what would be done to it.",
        ),
    )
