"""ACL: users, what they may do, and what was denied to them."""

from __future__ import annotations

import os
from itertools import islice
from typing import Final

from pyredis.core.acl import DENIED_CMD, DENIED_KEY, Selector
from pyredis.core.acl_commands import CATEGORIES
from pyredis.core.acl_rules import (
    RuleError,
    UnmatchedParenthesis,
    describe_channels,
    describe_commands,
    describe_keys,
    has_spaces,
    merge_selectors,
    user_flags,
)
from pyredis.core.acl_users import DEFAULT, AclError
from pyredis.core.args import get_int, get_range_int
from pyredis.core.client import Client
from pyredis.core.command import (
    CMD_ADMIN,
    CMD_LOADING,
    CMD_NOSCRIPT,
    CMD_SENTINEL,
    CMD_STALE,
    command,
    container,
)
from pyredis.core.dispatch import lookup_command
from pyredis.lib.intparse import LLONG_MAX
from pyredis.resp.errors import CommandError, c_text, subcommand_syntax, wrong_arity
from pyredis.resp.reply import (
    NULL,
    OK,
    array,
    bulk,
    bulk_array,
    bulk_set,
    double,
    help_reply,
    integer,
    map_header,
)

_NO_FILE: Final = (
    b"ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER "
    b"command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store "
    b"users in the Redis configuration."
)
_NOT_SAVED: Final = b"ERR There was an error trying to save the ACLs. Please check the server logs for more information"
_BITS_RANGE: Final = (
    b"ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096"
)
_ADMIN: Final = CMD_ADMIN | CMD_NOSCRIPT | CMD_LOADING | CMD_STALE
_ANYONE: Final = CMD_NOSCRIPT | CMD_LOADING | CMD_STALE

container(
    b"ACL",
    -2,
    CMD_SENTINEL,
    group="server",
    since="6.0.0",
    summary="Manage users and what they may do.",
    complexity="Depends on subcommand.",
)


@command(
    b"ACL|WHOAMI",
    2,
    _ANYONE,
    group="server",
    since="6.0.0",
    summary="Return the name of the connection's user.",
    complexity="O(1)",
)
def acl_whoami_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk(c.user.name)


@command(
    b"ACL|USERS",
    2,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Return the names of all users.",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_users_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk_array(sorted(c.server.users.table))


@command(
    b"ACL|LIST",
    2,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Return all users as lines of an ACL file.",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_list_command(c: Client, argv: list[bytes]) -> bytes | None:
    return bulk_array(c.server.users.lines())


@command(
    b"ACL|SETUSER",
    -3,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Create or change a user.",
    complexity="O(N). Where N is the number of rules provided.",
    usage="username [rule]...",
    history=(
        ("6.2.0", "Added Pub/Sub channel patterns."),
        ("7.0.0", "Added selectors and key based permissions."),
    ),
)
def acl_setuser_command(c: Client, argv: list[bytes]) -> bytes | None:
    """All rules are applied, or none."""
    if has_spaces(argv[2]):
        raise CommandError(b"ERR Usernames can't contain spaces or null characters")
    try:
        rules = merge_selectors(argv[3:])
    except UnmatchedParenthesis as e:
        opening = c_text(argv[3 + e.position])
        raise CommandError(b"ERR Unmatched parenthesis in acl selector starting at '%b'." % opening) from None
    try:
        victims = c.server.users.set_user(argv[2], rules)
    except RuleError as e:
        raise CommandError(b"ERR Error in ACL SETUSER modifier '%b': %b" % (c_text(e.rule), e.message)) from None
    return c.server.end_clients(c, victims, OK)


@command(
    b"ACL|DELUSER",
    -3,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Delete users and close their connections.",
    complexity="O(1) amortized time considering the typical user.",
    usage="username...",
)
def acl_deluser_command(c: Client, argv: list[bytes]) -> bytes | None:
    if DEFAULT in argv[2:]:
        raise CommandError(b"ERR The 'default' user cannot be removed")
    deleted = 0
    victims: list[Client] = []
    for name in argv[2:]:
        clients = c.server.users.delete(name)
        if clients is not None:
            deleted += 1
            victims += clients
    return c.server.end_clients(c, victims, integer(deleted))


def _selector_fields(selector: Selector) -> bytes:
    return b"".join(
        [
            bulk(b"commands") + bulk(describe_commands(selector)),
            bulk(b"keys") + bulk(describe_keys(selector)),
            bulk(b"channels") + bulk(describe_channels(selector)),
        ]
    )


@command(
    b"ACL|GETUSER",
    3,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Return the rules of a user.",
    complexity="O(N). Where N is the number of password, command and pattern rules that the user has.",
    usage="username",
    history=(
        ("6.2.0", "Added Pub/Sub channel patterns."),
        (
            "7.0.0",
            "Added selectors and changed the format of key and channel patterns from a list to their rule "
            "representation.",
        ),
    ),
)
def acl_getuser_command(c: Client, argv: list[bytes]) -> bytes | None:
    user = c.server.users.table.get(argv[2])
    if user is None:
        return NULL[c.resp]
    flags = user_flags(user)
    selectors = [map_header(3, c.resp) + _selector_fields(selector) for selector in user.selectors[1:]]
    return b"".join(
        [
            map_header(6, c.resp),
            bulk(b"flags") + bulk_set(flags, c.resp),
            bulk(b"passwords") + bulk_array(list(user.passwords)),
            _selector_fields(user.selectors[0]),
            bulk(b"selectors") + array(selectors),
        ]
    )


@command(
    b"ACL|CAT",
    -2,
    _ANYONE,
    group="server",
    since="6.0.0",
    summary="Return the categories of commands, or the commands of one.",
    complexity="O(1) since the categories and commands are a fixed set.",
    usage="[categoryname]",
)
def acl_cat_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise subcommand_syntax(b"acl", argv[1])
    if len(argv) == 2:
        return bulk_array(list(CATEGORIES))
    category = CATEGORIES.get(argv[2].lower())
    if category is None:
        raise CommandError(b"ERR Unknown category '%b'" % c_text(argv[2]))
    return bulk_array([cmd.fullname for cmd in c.server.counted if cmd.spec.acl & category])


@command(
    b"ACL|DRYRUN",
    -4,
    _ADMIN,
    group="server",
    since="7.0.0",
    summary="Tell whether a user may run a command, without running it.",
    complexity="O(1).",
    usage="username command [arg]...",
)
def acl_dryrun_command(c: Client, argv: list[bytes]) -> bytes | None:
    user = c.server.users.table.get(argv[2])
    if user is None:
        raise CommandError(b"ERR User '%b' not found" % c_text(argv[2]))
    line = argv[3:]
    cmd = lookup_command(c.server, line)
    if cmd is None:
        raise CommandError(b"ERR Command '%b' not found" % c_text(line[0]))
    if not cmd.argc_min <= len(line) <= cmd.argc_max or cmd.subs:
        raise wrong_arity(cmd.fullname)
    reason, at = user.check(cmd, line)
    if not reason:
        return OK
    if reason == DENIED_CMD:
        return bulk(b"This user has no permissions to run the '%b' command" % cmd.fullname)
    what = b"key" if reason == DENIED_KEY else b"channel"
    return bulk(b"This user has no permissions to access the '%b' %b" % (line[at], what))


@command(
    b"ACL|GENPASS",
    -2,
    _ANYONE,
    group="server",
    since="6.0.0",
    summary="Return a random password.",
    complexity="O(1)",
    usage="[bits:int]",
)
def acl_genpass_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise subcommand_syntax(b"acl", argv[1])
    bits = get_int(argv[2]) if len(argv) == 3 else 256
    if not 0 < bits <= 4096:
        raise CommandError(_BITS_RANGE)
    digits = (bits + 3) // 4
    return bulk(os.urandom((digits + 1) // 2).hex()[:digits].encode())


@command(
    b"ACL|LOG",
    -2,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Return what was denied to clients.",
    complexity="O(N) with N being the number of entries shown.",
    usage="[operation=(count:int|RESET)]",
)
def acl_log_command(c: Client, argv: list[bytes]) -> bytes | None:
    if len(argv) > 3:
        raise subcommand_syntax(b"acl", argv[1])
    entries = c.server.users.log.entries
    count = 10
    if len(argv) == 3:
        if argv[2].lower() == b"reset":
            entries.clear()
            return OK
        count = max(get_range_int(argv[2], -LLONG_MAX - 1, LLONG_MAX), 0)
    now = c.server.mstime
    chosen = list(islice(entries, min(count, len(entries))))
    fields = [
        (
            (b"count", integer(entry.count)),
            (b"reason", bulk(entry.reason)),
            (b"context", bulk(entry.context)),
            (b"object", bulk(entry.name)),
            (b"username", bulk(entry.username)),
            (b"age-seconds", double((now - entry.time) / 1000, c.resp)),
            (b"client-info", bulk(entry.client)),
        )
        for entry in chosen
    ]
    return array([map_header(7, c.resp) + b"".join([bulk(name) + value for name, value in entry]) for entry in fields])


@command(
    b"ACL|LOAD",
    2,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Replace all users by those of the ACL file.",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_load_command(c: Client, argv: list[bytes]) -> bytes | None:
    """The users of the file, or none of them if it has a fault."""
    if not c.server.config.aclfile:
        raise CommandError(_NO_FILE)
    try:
        victims = c.server.users.load_file()
    except AclError as e:
        raise CommandError(c_text(b"ERR " + str(e).encode("utf-8", "surrogateescape"))) from None
    return c.server.end_clients(c, victims, OK)


@command(
    b"ACL|SAVE",
    2,
    _ADMIN,
    group="server",
    since="6.0.0",
    summary="Write all users into the ACL file.",
    complexity="O(N). Where N is the number of configured users.",
)
def acl_save_command(c: Client, argv: list[bytes]) -> bytes | None:
    if not c.server.config.aclfile:
        raise CommandError(_NO_FILE)
    try:
        c.server.users.save_file()
    except OSError as e:
        c.server.log.warning(f"Saving the users into {c.server.config.aclfile} failed: {e.strerror}")
        raise CommandError(_NOT_SAVED) from None
    return OK


@command(
    b"ACL|HELP",
    2,
    CMD_LOADING | CMD_STALE,
    group="server",
    since="6.0.0",
    summary="Explain the subcommands.",
    complexity="O(1)",
)
def acl_help_command(c: Client, argv: list[bytes]) -> bytes | None:
    return help_reply(b"ACL", _HELP)


_HELP: Final = (
    b"CAT [<category>]",
    b"    The categories of commands; the commands of one.",
    b"DELUSER <username> [<username> ...]",
    b"    Remove users; their connections are closed.",
    b"DRYRUN <username> <command> [<arg> ...]",
    b"    Whether a user may run a command, without running it.",
    b"GETUSER <username>",
    b"    The rules of a user.",
    b"GENPASS [<bits>]",
    b"    A random password of 256 bits, or of so many,",
    b"    in hexadecimal digits.",
    b"LIST",
    b"    All users, each as a line of an ACL file.",
    b"LOAD",
    b"    Replace all users by those of the ACL file.",
    b"LOG [<count> | RESET]",
    b"    What was denied lately; RESET forgets it.",
    b"SAVE",
    b"    Write all users into the ACL file.",
    b"SETUSER <username> <attribute> [<attribute> ...]",
    b"    Create a user, or change one.",
    b"USERS",
    b"    The names of all users.",
    b"WHOAMI",
    b"    The name of this connection's user.",
)
