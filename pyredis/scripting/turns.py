"""Long scripts in turns: while one runs, the event loop goes on, and other clients get ``-BUSY``.

A script cannot be left and entered again by the loop's own means, as Lua's frames and the loop's share one stack. So
commands that run scripts do so on a stack of their own (a greenlet), which costs a third of a microsecond. One that
takes longer than ``busy-reply-threshold`` is left there now and then, the loop serves what has come, and comes back.

While it is left, nothing may see or change the keyspace: of clients' commands only those that Redis allows then run,
the stream of a master waits, and the cron does nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final

from pyredis.core.blocked import BLOCKED_SCRIPT, block_for_keys, end_wait
from pyredis.core.client import CLIENT_CLOSED, CLIENT_MASTER, CLIENT_TRACKING
from pyredis.core.command import CMD_SKIP_SLOWLOG
from pyredis.core.dispatch import GATE_BUSY, account, end_reply_skip, error_reply, lookup_command, set_gate
from pyredis.core.propagate import prevent
from pyredis.resp.errors import CommandError

if TYPE_CHECKING:
    from greenlet import greenlet

    from pyredis.core.client import Client
    from pyredis.core.server import Server

Work = Callable[..., "bytes | None"]


class _Left:
    """Stands for a result that is not there yet."""


_LEFT: Final = _Left()


class Turns:
    """Runs work that may be left in the middle, one at a time."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.busy = False
        """True from the first time that the work at hand was left until it has ended."""
        self._worker: greenlet | None = None
        self._loop_side: greenlet | None = None
        self._working = False
        self._failure: BaseException | None = None
        self._client: Client | None = None
        self.started = 0
        """When the work at hand began, as ``perf_counter_ns`` has it. Set by whoever hands it in, or by the work."""
        self._mstime = 0
        self.on_end: Callable[[], None] | None = None
        """Called when work that was left has ended, before its client gets the reply."""

    def run(self, c: Client, argv: list[bytes], work: Work, *arguments: Any) -> bytes | None:
        """The result of ``work``, the body of the command ``argv`` of ``c``; None if it is left: ``c`` waits then.

        Within such work (a script in a transaction), and for a master or a file, it is simply called.
        """
        if self._working or c.flags & CLIENT_MASTER or self.server.loop is None:
            return work(*arguments)
        if self._worker is None:
            self._make_worker()
        self._working = True
        assert self._worker is not None
        result = self._worker.switch(work, arguments)
        if result is _LEFT:
            self._leave(c, argv)
            return None
        self._working = False
        failure = self._failure
        if failure is not None:
            self._failure = None
            raise failure
        reply: bytes | None = result
        return reply

    def can_leave(self) -> bool:
        """Whether what runs now may be left: it is on the stack for that."""
        from greenlet import getcurrent

        return self._working and getcurrent() is self._worker

    def pause(self) -> None:
        """Leave the work that runs; returns when the loop comes back to it. To be called by the work itself."""
        assert self._loop_side is not None
        self._loop_side.switch(_LEFT)

    def finish(self) -> None:
        """Do what is left of the work at once, before the server ends."""
        while self.busy:
            self._continue()

    def _make_worker(self) -> None:
        # Loading it takes milliseconds, which a server without scripts need not wait for.
        from greenlet import getcurrent, greenlet

        self._loop_side = getcurrent()
        self._worker = greenlet(self._work)
        self._worker.switch()

    def _work(self) -> None:
        """The other stack: work, one after the other, for ever."""
        assert self._loop_side is not None
        result: Any = None
        while True:
            work, arguments = self._loop_side.switch(result)
            try:
                result = work(*arguments)
            except BaseException as e:
                self._failure, result = e, None

    # --- the loop's side of work that takes long --------------------------------------------------------------

    def _leave(self, c: Client, argv: list[bytes]) -> None:
        """The first time: the client waits, the others are told that the server is busy."""
        server = self.server
        self.busy = True
        self._client = c
        c.last_cmd = lookup_command(server, argv)
        self._mstime = server.mstime
        prevent(c)
        block_for_keys(c, BLOCKED_SCRIPT, [], 0, argv, b"")
        set_gate(server, GATE_BUSY, True)
        self._come_back_later()

    def _come_back_later(self) -> None:
        loop = self.server.loop
        assert loop is not None
        loop.call_soon(self._continue)

    def _continue(self) -> None:
        """Another turn of the work."""
        if not self.busy:
            return
        server, c = self.server, self._client
        assert c is not None and self._worker is not None
        server.mstime = self._mstime
        tracking = server.tracking if c.flags & CLIENT_TRACKING else None
        if tracking is not None:
            tracking.before_command(c)
        result = self._worker.switch(None)
        if tracking is not None:
            tracking.executing, tracking.current = False, None
        if result is _LEFT:
            self._come_back_later()
        else:
            self._end(c, result)

    def _end(self, c: Client, reply: bytes | None) -> None:
        """The work is over: what its command's caller does with a reply."""
        server = self.server
        self.busy = self._working = False
        self._client = None
        c.rewritten = None
        c.fed = server.fed
        failure, self._failure = self._failure, None
        set_gate(server, GATE_BUSY, False)
        server.update_time()
        cmd = c.last_cmd
        assert cmd is not None
        if isinstance(failure, CommandError):
            reply = error_reply(server, failure.message)
            cmd.failed_calls += 1
        elif failure is not None:
            server.log.warning(f"Internal error in a script: {failure!r}")
            reply = error_reply(server, b"ERR internal error while running '%b'" % cmd.fullname)
        elapsed = perf_counter_ns() - self.started
        account(c, cmd, 1, elapsed)
        if not cmd.flags & CMD_SKIP_SLOWLOG and c.blocked is not None:
            server.slow_command(c, cmd, c.blocked.argv, elapsed)
        if self.on_end is not None:
            self.on_end()
        if c.flags & CLIENT_TRACKING:
            server.tracking.after_command(c, cmd)
        if not c.flags & CLIENT_CLOSED and c.blocked is not None:
            end_wait(c, reply or b"")
            end_reply_skip(c)
        server.after_event()
