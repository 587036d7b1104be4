"""Questions that are asked before a command runs (see ``core/dispatch``), about its flags and the server's state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_MONITOR, CLIENT_REPLICA, Client
from pyredis.core.command import CMD_MAY_REPLICATE, CMD_WRITE, Command
from pyredis.resp.errors import NOREPLICAS, OOM, PROTECTED, READONLY, CommandError, sanitize, unknown_subcommand

if TYPE_CHECKING:
    from pyredis.core.server import Server


GATE_INJECTED: Final = 128
"""One of the gates of ``core/dispatch``: tests have commands fail."""
GATE_OOM: Final = 256
"""Likewise: memory is short and no key may go."""


def write_refusal(server: Server) -> bytes | None:
    """Why nobody may write now: the disk, too few replicas, or being a replica; None if one may."""
    error = server.disk_error()
    if error is not None:
        return error
    if server.replication.refuses_writes():
        return NOREPLICAS
    return READONLY if server.replication.read_only() else None


def refused_by_state(c: Client, cmd: Command) -> bytes | None:
    """Why memory, the disk or the place in replication forbids the command now; None if they do not."""
    server = c.server
    if server.injected is not None and (error := server.injected(c, cmd)) is not None:
        return error
    if server.eviction.limit and server.eviction.refuses(c, cmd):
        return OOM
    if has_flags(c, cmd, CMD_WRITE):
        return write_refusal(server)
    return server.disk_error() if cmd.fullname == b"ping" else None


def has_flags(c: Client, cmd: Command, flags: int) -> bool:
    """True if the command has one of ``flags``, or is an EXEC of one that has."""
    if cmd.fullname == b"exec" and c.multi is not None:
        return any(queued.flags & flags for queued, _ in c.multi)
    return bool(cmd.flags & flags)


def lacks_flags(c: Client, cmd: Command, flags: int) -> bool:
    """True if the command does not have ``flags``, or is an EXEC of one that does not."""
    if cmd.fullname == b"exec" and c.multi is not None:
        return any(not queued.flags & flags for queued, _ in c.multi)
    return not cmd.flags & flags


def protection(c: Client, cmd: Command) -> bytes | None:
    """The error where ``enable-debug-command`` or ``enable-module-command`` (no, yes, or local) forbids a command."""
    config = c.server.config
    name = cmd.fullname.partition(b"|")[0]
    setting = config.enable_debug_command if name == b"debug" else config.enable_module_command
    if c.is_local() if setting == "local" else setting == "yes":
        return None
    return PROTECTED % (name.upper(), name)


def paused(server: Server, c: Client, cmd: Command) -> bool:
    """True if CLIENT PAUSE (or FAILOVER) holds this command back: all of them, or those that (may) write.

    Never a monitor's or a replica's.
    """
    if c.flags & (CLIENT_MONITOR | CLIENT_REPLICA):
        return False
    return server.pause_all or has_flags(c, cmd, CMD_WRITE | CMD_MAY_REPLICATE)


def unknown_command(server: Server, argv: list[bytes]) -> CommandError:
    """The error for a name that is no command, with the beginning of its arguments."""
    parent = server.commands.get(argv[0].upper())
    if parent is not None and parent.subs:
        return unknown_subcommand(parent.fullname, argv[1])
    args = b""
    for arg in argv[1:]:
        if len(args) >= 128:
            break
        # Redis prints C strings: what follows a zero byte is not shown.
        args += b"'%b' " % arg[: 128 - len(args)].split(b"\0")[0]
    text = b"ERR unknown command '%b', with args beginning with: %b" % (argv[0][:128].split(b"\0")[0], args)
    return CommandError(sanitize(text))
