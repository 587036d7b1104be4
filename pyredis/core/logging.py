"""The server's log: a file, syslog, or standard output in Redis's line format, readable if that is a terminal."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from pyredis.core.options import Config

LEVELS: Final = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3}
_MARKS: Final = ".-*#"
_COLOURS: Final = ("\033[2m", "\033[2m", "", "\033[33m")
_MAX_SYSLOG: Final = 1024


class Logger:
    """Writes lines of at least ``loglevel``. The file is opened for each line, so that it may be moved away."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.role = "X" if config.sentinel_mode else "C"
        """The letter behind the pid: ``C`` until the server is set up, then ``M`` (a primary); ``X``: a sentinel."""
        out = sys.stdout
        self.terminal = out is not None and out.isatty()
        """Whether standard output is a terminal: then people read it, and lines are short."""
        self.colour = self.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._syslog_open = False
        self._crash_file: TextIO | None = None

    def write(self, level: int, message: str) -> None:
        """One line: ``pid:role day month year time mark message``; on a terminal ``time mark message``."""
        if level < LEVELS[self.config.loglevel]:
            return
        now = time.time()
        local = time.localtime(now)
        ms = f"{int(now % 1 * 1000):03d}"
        if self.terminal and not self.config.logfile:
            line = time.strftime("%H:%M:%S", local) + f".{ms} {_MARKS[level]} {message}"
            if self.colour and _COLOURS[level]:
                line = f"{_COLOURS[level]}{line}\033[0m"
        else:
            line = (
                f"{os.getpid()}:{self.role} {time.strftime('%d %b %Y %H:%M:%S', local)}.{ms} {_MARKS[level]} {message}"
            )
        self._put((line + "\n").encode("utf-8", "surrogateescape"))
        if self.config.syslog_enabled:
            self._syslog(level, message)

    def from_signal(self, message: str) -> None:
        """A line from a signal handler, in one system call: no buffer of the interrupted code may be touched."""
        self._put(f"{os.getpid()}:signal-handler ({int(time.time())}) {message}\n".encode())

    def _put(self, line: bytes) -> None:
        try:
            if self.config.logfile:
                fd = os.open(self.config.logfile, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
                try:
                    os.write(fd, line)
                finally:
                    os.close(fd)
            elif sys.stdout is not None:
                os.write(sys.stdout.fileno(), line)
        except (OSError, ValueError):
            pass  # a log that cannot be written must not stop the server

    def _syslog(self, level: int, message: str) -> None:
        try:
            import syslog  # not on Windows
        except ImportError:
            return
        if not self._syslog_open:
            facility = getattr(syslog, "LOG_" + self.config.syslog_facility.upper())
            syslog.openlog(self.config.syslog_ident, syslog.LOG_PID | syslog.LOG_NDELAY, facility)
            self._syslog_open = True
        priorities = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
        syslog.syslog(priorities[level], message.replace("\0", "")[:_MAX_SYSLOG])

    def crash_file(self) -> TextIO:
        """Where the report of a crash goes: the log file (kept open from now on) or standard error."""
        if not self.config.logfile:
            return sys.stderr
        if self._crash_file is None:
            self._crash_file = open(self.config.logfile, "a", encoding="utf-8")  # noqa: SIM115 (kept open)
        return self._crash_file

    def banner(self, lines: list[str]) -> None:
        """Lines without time and mark, for a terminal."""
        for line in lines:
            self._put((line + "\n").encode())

    def debug(self, message: str) -> None:
        """For finding faults."""
        self.write(0, message)

    def verbose(self, message: str) -> None:
        """More than most want to read."""
        self.write(1, message)

    def notice(self, message: str) -> None:
        """What an operator wants to know."""
        self.write(2, message)

    def warning(self, message: str) -> None:
        """What needs attention."""
        self.write(3, message)

    def exception(self, message: str) -> None:
        """The exception being handled, with its traceback."""
        self.warning(message + "\n" + traceback.format_exc())
