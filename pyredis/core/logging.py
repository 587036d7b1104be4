"""The server's log in Redis's line format, to standard output, a file, or syslog; short and readable on a terminal."""

from __future__ import annotations

import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pyredis.core.config import Config

LEVELS: Final = {"debug": 0, "verbose": 1, "notice": 2, "warning": 3, "nothing": 4}
_MARKS: Final = ".-*#"


class Logger:
    """Writes lines of at least ``loglevel``. The file is opened for each line, so that it may be moved away."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def write(self, level: int, message: str) -> None:
        """One line: ``pid:M day month year time mark message``."""
        if level < LEVELS[self.config.loglevel]:
            return
        now = time.time()
        stamp = time.strftime("%d %b %Y %H:%M:%S", time.localtime(now)) + f".{int(now % 1 * 1000):03d}"
        line = f"{os.getpid()}:M {stamp} {_MARKS[level]} {message}\n"
        if self.config.logfile:
            try:
                with open(self.config.logfile, "a", encoding="utf-8", errors="replace") as file:
                    file.write(line)
            except OSError:
                return  # a log that cannot be written must not stop the server
        else:
            sys.stdout.write(line)
            sys.stdout.flush()
        if self.config.syslog_enabled:
            self._syslog(level, message)

    def _syslog(self, level: int, message: str) -> None:
        import syslog

        priorities = (syslog.LOG_DEBUG, syslog.LOG_INFO, syslog.LOG_NOTICE, syslog.LOG_WARNING)
        syslog.syslog(priorities[level], message)

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

    def ready(self) -> None:
        """Tell systemd, if it started this process with ``supervised systemd`` (or auto), that clients are served."""
        path = os.environ.get("NOTIFY_SOCKET")
        if path and self.config.supervised in ("systemd", "auto"):
            import socket

            address = "\0" + path[1:] if path.startswith("@") else path
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"READY=1\nSTATUS=Ready to accept connections\n", address)
