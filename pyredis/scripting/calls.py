"""``redis.call`` and its like: commands that a script runs, through the core's own tables and bookkeeping.

A command that needs no check now is found in a table, as for any other client; the others are asked Redis's questions
in its order. Nothing here may raise: an exception would reach the script as a Python object.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.acl import ALLOWED, DENIED_CMD, DENIED_KEY
from pyredis.core.checks import write_refusal
from pyredis.core.client import (
    CLIENT_DENY_BLOCKING,
    CLIENT_NO_TOUCH,
    CLIENT_SCRIPT,
    CLIENT_TRACKING,
    Client,
    NoConnection,
)
from pyredis.core.command import CMD_DENYOOM, CMD_NOSCRIPT, CMD_STALE, CMD_WRITE, Command
from pyredis.core.dispatch import EMPTY, after_command, call, error_reply, log_denial, lookup_command
from pyredis.core.propagate import Only
from pyredis.lib.histogram import UNIT_BITS
from pyredis.resp.errors import OOM, CommandError
from pyredis.resp.reply import OK
from pyredis.scripting.convert import AGAIN, CODE_ERROR, KILLED, LARGE, Converter

if TYPE_CHECKING:
    from pyredis.core.server import Server

_FLAGS: Final = CLIENT_SCRIPT | CLIENT_DENY_BLOCKING
_ASKED: Final = CLIENT_TRACKING | CLIENT_NO_TOUCH
"""Flags of a caller of whose script every command takes the path with all checks."""
_EXACT: Final = 10**17
"""Numbers below it have all their digits as a C ``%.17g`` of a double."""
_NOTABLE_NS: Final = 20_000
"""How long a command takes that is no entry of the slow log, nor a reason to look at the clock: ``tick`` will."""
_CAREFUL: Final = CMD_WRITE | CMD_NOSCRIPT

NEVER: Final = 1 << 63
"""A reading of ``perf_counter_ns`` that does not come."""

_REPL_NONE: Final = 0
_REPL_ALL: Final = 3
_UNKNOWN: Final = b"ERR Unknown Redis command called from script"
_ARITY: Final = b"ERR Wrong number of args calling Redis command from script"
_NOT_ALLOWED: Final = b"ERR This Redis command is not allowed from script"
_STALE: Final = b"ERR Can not execute the command on a stale replica"
_READ_ONLY: Final = b"ERR Write commands are not allowed from read-only scripts."


class Calls:
    """The commands of the script that runs now."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = Client(server, 0, NoConnection(), b"lua", b"")
        """Runs the commands, in the name of ``caller``."""
        self.client.authenticated = True
        self.client.flags = _FLAGS
        self.caller: Client = self.client
        self.fast: dict[bytes, Command] = EMPTY
        """The commands that may run without a question, unless they write or are not for scripts."""
        self.targets = _REPL_ALL
        """Where changes go: bits for the append-only file and for replicas."""
        self.out_of_memory = False
        """Whether memory was short when the script began: it may not take more, unless it has written before."""
        self.read_only = False
        self.wrote = False
        """Whether a command that writes was run: such a script cannot be killed."""
        self.failed = False
        """Whether there were errors among the values that the script returned."""
        self.kill = b""
        """Why the script must end: the error that it gets."""
        self.leave_at = NEVER
        """A reading of ``perf_counter_ns`` from which on the script is left for the loop's sake."""
        self.on_long: Callable[[], None] = _nothing
        """Called from then on: leaves the script, and sets a new time."""

    def begin(self, caller: Client, read_only: bool, allow_oom: bool = False) -> None:
        """A script of this client begins; ``allow_oom``: it may take memory although there is none."""
        c, server = self.client, self.server
        c.db, c.user, c.resp = caller.db, caller.user, 2
        self.caller, self.read_only = caller, read_only
        self.wrote = self.failed = False
        self.targets = _REPL_ALL
        eviction = server.eviction
        self.out_of_memory = eviction.limit != 0 and not allow_oom and eviction.out_of_memory()
        self.fast = EMPTY if server.gates or caller.flags & _ASKED else caller.user.fast

    def end(self) -> None:
        """The script has ended: nothing that was to end or to leave it is for the next one."""
        self.kill, self.leave_at = b"", NEVER

    def functions(self, converter: Converter) -> dict[bytes, Callable[..., Any]]:
        """What an interpreter calls, by name."""
        return {
            b"call": self._make_call(converter),
            b"packed": self._make_packed(converter),
            b"acl": self._guarded(self._may_run),
            b"log": self._guarded(self._log),
            b"setresp": self._guarded(self._set_resp),
            b"set_repl": self._guarded(self._set_repl),
            b"sha1": self._guarded(_sha1hex),
            b"count_error": self._guarded(self._count_error),
        }

    def tick(self) -> bytes | None:
        """Every 100,000 instructions of a script: why it must end, None if it may go on."""
        try:
            if perf_counter_ns() > self.leave_at:
                self.on_long()
            return self.kill or None
        except BaseException:
            self._caught()
            return b"ERR internal error"

    # --- commands ---------------------------------------------------------------------------------------------

    def _make_call(self, converter: Converter) -> Callable[..., Any]:
        server, c = self.server, self.client
        convert = converter.convert

        def redis_call(*arguments: Any) -> Any:
            try:
                cmd = self.fast.get(arguments[0])
                if cmd is None or not cmd.argc_min <= len(arguments) <= cmd.argc_max:
                    return self._checked_call(converter, arguments)
                if cmd.flags & _CAREFUL:
                    if self.read_only or cmd.flags & CMD_NOSCRIPT:
                        return self._checked_call(converter, arguments)
                    self.wrote = True
                argv = [*arguments]
                at = 0
                for argument in arguments:
                    if type(argument) is not bytes:
                        if type(argument) is not int or not 0 < abs(argument) < _EXACT:
                            return AGAIN
                        argv[at] = b"%d" % argument
                    at += 1  # noqa: SIM113  # enumerate() takes longer
                dirty = server.dirty
                started = perf_counter_ns()
                try:
                    reply = cmd.proc(c, argv)  # type: ignore[misc]  # only commands with a body are in the table
                except CommandError as e:
                    reply = error_reply(server, e.message)
                    cmd.failed_calls += 1
                elapsed = perf_counter_ns() - started
                cmd.calls += 1
                cmd.nsec += elapsed
                unit = elapsed >> UNIT_BITS
                histogram = cmd.histogram
                histogram[unit] = histogram.get(unit, 0) + 1
                if server.feeders:
                    after_command(c, argv, dirty)
                if elapsed > _NOTABLE_NS:
                    if elapsed > server.slowlog_threshold_ns:
                        server.slow_command(c, cmd, argv, elapsed)
                    if started > self.leave_at:
                        self.on_long()
                        if self.kill:
                            return KILLED
                # What `convert` does with the most frequent replies, without the call.
                if reply is OK:
                    return True
                if reply is None:
                    return self._internal_error(cmd)
                kind = reply[0]
                if kind == 58:  # :
                    return int(reply[1:-2])
                if kind == 36 and len(reply) < LARGE:  # $
                    return False if reply[1] == 45 else reply[reply.index(b"\n") + 1 : -2]
                return convert(reply, c.resp)
            except BaseException:
                return self._caught()

        return redis_call

    def _make_packed(self, converter: Converter) -> Callable[[bytes, bytes], Any]:
        def redis_call_packed(sizes: bytes, data: bytes) -> Any:
            """A call with many arguments: their lengths, and all of them in one string."""
            try:
                return self._checked_call(converter, tuple(_split(sizes, data)))
            except BaseException:
                return self._caught()

        return redis_call_packed

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any) -> Any:
            try:
                return function(*arguments)
            except BaseException:
                self._caught()
                return None

        return guarded

    def _caught(self) -> tuple[None, int, bytes]:
        self.server.log_exception(b"in a script's call")
        return None, CODE_ERROR, b"ERR internal error"

    def _internal_error(self, cmd: Command) -> tuple[None, int, bytes]:
        self.server.log.warning(f"'{cmd.fullname.decode()}' gave no reply to a script")
        return None, CODE_ERROR, b"ERR internal error"

    def _checked_call(self, converter: Converter, arguments: tuple[Any, ...]) -> Any:
        """A call that needs all questions asked, or whose arguments are not strings yet."""
        argv = list(arguments)
        if not argv or not _to_strings(argv):
            return AGAIN
        server, c = self.server, self.client
        cmd = lookup_command(server, argv)
        refusal = self._refusal(cmd, argv)
        if refusal is not None:
            if cmd is not None:
                cmd.rejected_calls += 1
            server.count_error(refusal)
            return None, CODE_ERROR, refusal
        assert cmd is not None
        if cmd.flags & CMD_WRITE:
            self.wrote = True
        caller = self.caller
        c.flags = _FLAGS | caller.flags & CLIENT_NO_TOUCH
        tracking = server.tracking if caller.flags & CLIENT_TRACKING else None
        queued = len(server.also_propagate)
        reply = call(c, cmd, argv)
        c.flags = _FLAGS
        if self.targets != _REPL_ALL:
            self._redirect(queued)
        if perf_counter_ns() > self.leave_at:
            self.on_long()
            if self.kill:
                return KILLED
        if tracking is not None and cmd.flags & CMD_WRITE == 0:
            tracking.remember(caller, cmd, argv)
        if reply is None:
            return self._internal_error(cmd)
        return converter.convert(reply, c.resp)

    def _redirect(self, start: int) -> None:
        """What was propagated from ``start`` on goes only where ``redis.set_repl`` says."""
        queue = self.server.also_propagate
        if self.targets == _REPL_NONE:
            del queue[start:]
        else:
            queue[start:] = [(db, Only(argv, self.targets)) for db, argv in queue[start:]]

    def _refusal(self, cmd: Command | None, argv: list[bytes]) -> bytes | None:
        """Why a command may not run in this script; None if it may."""
        if cmd is None:
            return _UNKNOWN
        if not cmd.argc_min <= len(argv) <= cmd.argc_max or cmd.proc is None:
            return _ARITY
        if cmd.flags & CMD_NOSCRIPT:
            return _NOT_ALLOWED
        reason, at = self.caller.user.check(cmd, argv)
        if reason != ALLOWED:
            return self._denied(cmd, argv, reason, at)
        if cmd.flags & CMD_WRITE:
            if self.read_only:
                return _READ_ONLY
            refusal = write_refusal(self.server)
            if refusal is not None:
                return refusal
        if cmd.flags & CMD_DENYOOM and self.out_of_memory and not self.wrote:
            return OOM
        if not cmd.flags & CMD_STALE and self.server.replication.stale():
            return _STALE
        return None

    def _denied(self, cmd: Command, argv: list[bytes], reason: int, at: int) -> bytes:
        log_denial(self.caller, cmd, argv, reason, at, b"lua")
        if reason == DENIED_CMD:
            return b"ERR The user executing the script can't run this command or subcommand"
        if reason == DENIED_KEY:
            return (
                b"ERR The user executing the script can't access at least one of the keys mentioned in the command "
                b"arguments"
            )
        return b"ERR The user executing the script can't publish to the channel mentioned in the command"

    # --- the other functions ----------------------------------------------------------------------------------

    def _may_run(self, sizes: bytes, data: bytes) -> bool | None:
        """``redis.acl_check_cmd``; None if there is no such command."""
        argv = _split(sizes, data)
        cmd = lookup_command(self.server, argv)
        if cmd is None:
            return None
        return self.caller.user.check(cmd, argv)[0] == ALLOWED

    def _log(self, level: int, text: bytes) -> None:
        log = self.server.log
        (log.debug, log.verbose, log.notice, log.warning)[level](text.decode("utf-8", "surrogateescape"))

    def _count_error(self, message: bytes, counted: bool) -> None:
        """A script returned this error within other values; ``counted``: it is that of a command."""
        self.failed = True
        if not counted:
            self.server.count_error(message)

    def _set_resp(self, version: int) -> None:
        self.client.resp = version

    def _set_repl(self, flags: int) -> None:
        """What goes only to some is taken out of the queue again, command by command."""
        self.targets = flags
        if flags != _REPL_ALL:
            self.fast = EMPTY


def _to_strings(argv: list[Any]) -> bool:
    """Make numbers strings; False if Lua has to do it, or to refuse: a zero may be a negative one there."""
    for at, argument in enumerate(argv):
        kind = type(argument)
        if kind is int and 0 < abs(argument) < _EXACT:
            argv[at] = b"%d" % argument
        elif kind is not bytes:
            return False
    return True


def _nothing() -> None:
    pass


def _sha1hex(text: bytes) -> bytes:
    return sha1(text).hexdigest().encode()


def _split(sizes: bytes, data: bytes) -> list[bytes]:
    """Arguments from their lengths (``b"3,1,0"``) and all of them in one string."""
    argv = []
    at = 0
    for size in sizes.split(b","):
        end = at + int(size)
        argv.append(data[at:end])
        at = end
    return argv
