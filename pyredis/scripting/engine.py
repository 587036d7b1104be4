"""Scripts of one server: the cache of EVAL, and the running of one script.

Scripts that came with EVAL alone are kept in the order of their last use, and the oldest goes when there are too many;
those of SCRIPT LOAD stay until SCRIPT FLUSH.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha1
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.checks import write_refusal
from pyredis.core.client import CLIENT_PAUSED
from pyredis.core.dispatch import error_reply, lookup_command
from pyredis.core.propagate import flush, prevent
from pyredis.core.scripts import Body, Scripts
from pyredis.resp.errors import BUSY, MASTERDOWN, NOSCRIPT, OOM, CommandError, sanitize
from pyredis.resp.reply import NULL, bulk, bulk_array, error, integer
from pyredis.scripting.calls import NEVER, Calls
from pyredis.scripting.functions import Function, FunctionLibraries
from pyredis.scripting.interpreter import Code, CompileError, Interpreter
from pyredis.scripting.shebang import ALLOW_OOM, ALLOW_STALE, COMPATIBLE, NO_WRITES, script_flags
from pyredis.scripting.turns import Turns

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server

_MOST_EVALUATED: Final = 500
"""Scripts of EVAL that are kept."""
_TURN_NS: Final = 2_000_000
"""How long a script that takes long runs before the loop has its next turn, at least."""
_LOAD_NS: Final = 500_000_000
"""How long the code of a library may run while it is loaded."""
_UNKILLABLE: Final = (
    b"UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script "
    b"termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
)
_SMALLEST: Final = -(1 << 63)
"""What a number that is no 64-bit integer becomes."""


class Script(Code):
    """A compiled script: its name is its digest. ``loaded``: by SCRIPT LOAD, so that it stays."""

    __slots__ = ("loaded", "size")

    def __init__(self, sha: bytes, interpreter: Interpreter, handle: int, flags: int) -> None:
        super().__init__(sha, interpreter, handle, flags)
        self.size = 0
        self.loaded = False


def engine_of(c: Client) -> Engine:
    """The engine of the client's server."""
    return c.server.scripts  # type: ignore[return-value]  # an assertion would cost more than all else here


class Engine(Scripts):
    """Runs scripts; see :class:`pyredis.core.scripts.Scripts`."""

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server
        self.calls = Calls(server)
        self.calls.on_long = self._long
        self.turns = Turns(server)
        self.turns.on_end = self._ended
        self.running: Code | None = None
        """The script or function that runs."""
        self._call: list[bytes] = []
        """The command that it was called by."""
        self._began = 0
        self._loading = False
        self._idle: list[Callable[[], None]] = []
        self.library = FunctionLibraries(self._started_functions, self._load_code)
        self.library.on_clear = self._drop_functions
        server.libraries = self.library
        self.scripts: dict[bytes, Script] = {}
        """SHA-1 (hexadecimal) → script."""
        self._evaluated: dict[bytes, None] = {}
        """Those of EVAL alone, the one whose last use is longest ago first."""
        self._interpreter: Interpreter | None = None
        self._functions: Interpreter | None = None
        self._bytes = 0

    # --- figures ----------------------------------------------------------------------------------------------

    def cached(self) -> int:
        return len(self.scripts)

    def cached_bytes(self) -> int:
        return self._bytes

    def memory(self) -> tuple[int, int]:
        one, other = self._interpreter, self._functions
        return 0 if one is None else one.memory(), 0 if other is None else other.memory()

    def libraries(self) -> int:
        return len(self.library.by_name)

    def functions(self) -> int:
        return sum(len(library.functions) for library in self.library.by_name.values())

    def library_bytes(self) -> int:
        return sum(len(library.source) for library in self.library.by_name.values())

    # --- the cache --------------------------------------------------------------------------------------------

    def load(self, body: bytes) -> Script:
        """Compile a script, or find it compiled, and keep it (SCRIPT LOAD). Raises CommandError."""
        script = self._script(body)
        if not script.loaded:
            script.loaded = True
            self._evaluated.pop(script.name, None)
        return script

    def evaluated(self, body: bytes) -> Script:
        """The script of an EVAL. Raises CommandError."""
        script = self._script(body)
        if not script.loaded:
            self._used(script)
        return script

    def known(self, sha: bytes) -> Script:
        """The script of an EVALSHA. Raises CommandError."""
        script = self.scripts.get(sha) or self.scripts.get(sha.lower())
        if script is None:
            raise CommandError(NOSCRIPT)
        if not script.loaded:
            self._used(script)
        return script

    def flush(self) -> None:
        """Forget all scripts, and the interpreter with them."""
        self.scripts.clear()
        self._evaluated.clear()
        self._bytes = 0
        if self._interpreter is not None:
            self._interpreter.close()
        self._interpreter = None

    def _script(self, body: bytes) -> Script:
        sha = sha1(body, usedforsecurity=False).hexdigest().encode()
        script = self.scripts.get(sha)
        if script is not None:
            return script
        flags, text = script_flags(body)
        interpreter = self._started()
        try:
            handle = interpreter.compile(text)
        except CompileError as e:
            raise CommandError(b"ERR Error compiling script (new function): " + sanitize(e.message)) from e
        script = self.scripts[sha] = Script(sha, interpreter, handle, flags)
        script.size = len(body)
        self._bytes += len(body)
        return script

    def _used(self, script: Script) -> None:
        """A script that came with EVAL alone is the last one used now; the oldest goes if there are too many."""
        evaluated = self._evaluated
        evaluated.pop(script.name, None)
        evaluated[script.name] = None
        if len(evaluated) > _MOST_EVALUATED:
            oldest = self.scripts.pop(next(iter(evaluated)))
            del evaluated[oldest.name]
            self._bytes -= oldest.size
            oldest.interpreter.forget(oldest.handle)
            self.evicted += 1

    def _started(self) -> Interpreter:
        if self._interpreter is None:
            self._interpreter = Interpreter(self.calls, self.server.redis_version, self.server.compat)
        return self._interpreter

    def _started_functions(self) -> Interpreter:
        if self._functions is None:
            self._functions = Interpreter(self.calls, self.server.redis_version, self.server.compat, True)
        return self._functions

    def _drop_functions(self) -> None:
        if self._functions is not None:
            self._functions.close()
        self._functions = None

    # --- running ----------------------------------------------------------------------------------------------

    def run(self, c: Client, code: Code, keys: int, argv: list[bytes], read_only: bool) -> bytes:
        """Run a script or function for the command ``argv``: its reply. ``read_only``: EVAL_RO. Raises CommandError."""
        server, calls, flags = self.server, self.calls, code.flags
        if flags != COMPATIBLE or server.gates:
            self._may_run(flags, read_only)
        calls.begin(c, read_only or flags & NO_WRITES != 0, flags & ALLOW_OOM != 0)
        self._began = began = perf_counter_ns()
        if not server.nesting:
            self.turns.started = began
        threshold = server.config.busy_reply_threshold
        calls.leave_at = began + threshold * 1_000_000 if threshold else NEVER
        self.running, self._call = code, argv
        server.nesting += 1
        try:
            result = code.interpreter.run(code.handle, c.resp, keys, argv[3:])
        finally:
            server.nesting -= 1
            self.running = None
            calls.kill, calls.leave_at = b"", NEVER  # what calls.end() does, without the call
        if server.also_propagate and not server.nesting:
            flush(server)
        if server.feeders:
            prevent(c)  # its effects have been propagated
        kind = type(result)
        if kind is bytes:
            return bulk(result)
        if kind is int:
            return integer(result)
        return self._reply(result, code.name, c.resp, argv)

    def running_call(self) -> tuple[bytes, list[bytes], int] | None:
        """The function that runs: its name, the command that called it, and for how many milliseconds it has run.

        Raises CommandError while a script runs.
        """
        running = self.running
        if running is None:
            return None
        if not self.runs_function():
            raise CommandError(self.busy_error)
        return running.name, self._call, (perf_counter_ns() - self._began) // 1_000_000

    def runs_function(self) -> bool:
        """Whether what runs is a function, not a script."""
        return isinstance(self.running, Function)

    def _load_code(self, load: Callable[[bytes], Any], code: bytes) -> Any:
        """Load a library's code, which may take half a second."""
        self.calls.begin(self.calls.client, True)
        self.calls.leave_at = perf_counter_ns() + _LOAD_NS
        self._loading = True
        try:
            return load(code)
        finally:
            self._loading = False
            self.calls.end()

    def run_in_turns(self, c: Client, argv: list[bytes], body: Body, *arguments: object) -> bytes | None:
        self.turns.started = perf_counter_ns()
        return self.turns.run(c, argv, body, *arguments)

    # --- scripts that take long -------------------------------------------------------------------------------

    def _long(self) -> None:
        """The script at hand has had its time: the loop goes on until it is its turn again."""
        calls = self.calls
        turns = self.turns
        if self._loading:
            calls.kill = b"ERR FUNCTION LOAD timeout"
            return
        if not turns.can_leave():
            calls.leave_at = NEVER
            return
        if not self.busy_error:
            kind = "FUNCTION" if self.runs_function() else "SCRIPT"
            name = b"" if self.running is None else self.running.name
            threshold = self.server.config.busy_reply_threshold
            self.server.log.warning(
                f"Slow script detected: still in execution after {threshold} milliseconds. "
                f"You can try killing the script using the {kind} KILL command. "
                f"Script name is: {name.decode('latin-1')}."
            )
            self.busy_error = BUSY % kind.encode()
        turns.pause()
        calls.leave_at = perf_counter_ns() + _TURN_NS

    def _ended(self) -> None:
        """A script that took long is over."""
        self.busy_error = b""
        parked, self.parked = self.parked, {}
        for c in parked:
            c.flags &= ~CLIENT_PAUSED
            self.server.resume(c)
        idle, self._idle = self._idle, []
        for callback in idle:
            callback()

    def when_idle(self, callback: Callable[[], None]) -> None:
        if self.busy_error:
            self._idle.append(callback)
        else:
            callback()

    def kill(self, function: bool) -> None:
        if self.running is None:
            raise CommandError(b"NOTBUSY No scripts in execution right now.")
        if self.calls.wrote:
            raise CommandError(_UNKILLABLE)
        if function != self.runs_function():
            raise CommandError(self.busy_error)
        self.calls.kill = b"ERR Script killed by user with SCRIPT KILL..."
        self.server.log.warning("Lua script killed by user with SCRIPT KILL.")

    def end(self) -> None:
        if self.turns.busy:
            self.calls.kill = b"ERR The server is shutting down"
            self.server.also_propagate.clear()
            self.turns.finish()

    # --- checks and replies -----------------------------------------------------------------------------------

    def _may_run(self, flags: int, read_only: bool) -> None:
        """Whether a script that has declared what it does may run now. Raises CommandError."""
        writes = not flags & (NO_WRITES | COMPATIBLE)
        failure = write_refusal(self.server) if writes else None
        if failure is None and not flags & ALLOW_STALE and self.server.replication.stale():
            failure = MASTERDOWN
        if failure is None and writes and read_only:
            failure = b"ERR Can not execute a script with write flag using *_ro command."
        if (
            failure is None
            and not flags & (ALLOW_OOM | NO_WRITES | COMPATIBLE)
            and self.server.eviction.out_of_memory()
        ):
            failure = OOM
        if failure is not None:
            raise CommandError(failure)

    def _reply(self, result: Any, name: bytes, resp: int, argv: list[bytes]) -> bytes:
        """The reply that an interpreter's result means that is neither bytes nor an int; see ``api.lua``."""
        if type(result) is float:
            return integer(int(result) if -(2.0**63) <= result < 2.0**63 else _SMALLEST)
        if type(result) is not tuple:
            return NULL[resp]
        if result[1] is True:
            return bulk_array(result[2:])
        if len(result) == 2:
            encoded: bytes = result[1]
            if self.calls.failed:
                self._count_failure(argv)
            return encoded
        self._count_failure(argv)
        _, _, message, source, line, counted = (*result, None, None, None)[:6]
        message = message.partition(b"\0")[0]  # where C's strings end
        if source:
            message += b" script: %b, on %b:%d." % (name, source, line)
        elif source is None:
            message += b" script: %b." % name
        if not counted:
            return error_reply(self.server, message)
        return error(sanitize(message))

    def _count_failure(self, argv: list[bytes]) -> None:
        cmd = lookup_command(self.server, argv)
        if cmd is not None:
            cmd.failed_calls += 1
