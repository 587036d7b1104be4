"""Our server as it finds a system that is not POSIX: without uvloop, fork, unix sockets, most signals and their kin.

Run as a script, with the arguments of the server. The standard library keeps its own idea of the
system, so what this shows is that our own code asks before it calls.
"""

from __future__ import annotations

import asyncio
import builtins
import logging.handlers
import os
import signal
import socket
import sys
import tempfile
from functools import partial
from typing import Any

import click

ABSENT = {
    os: (
        *("fork", "setsid", "getuid", "geteuid", "getgid", "sched_setaffinity", "sched_getaffinity", "memfd_create"),
        *("O_DIRECTORY", "O_NOFOLLOW", "getloadavg", "sysconf", "statvfs", "chown", "mkfifo", "posix_fadvise"),
        *("posix_fallocate", "nice", "setpriority", "wait4", "WNOHANG", "sync_file_range", "fdatasync", "preadv"),
    ),
    signal: ("SIGHUP", "SIGPIPE", "SIGSTOP", "SIGKILL", "SIGCHLD", "SIGUSR1", "SIGUSR2", "SIGALRM", "setitimer"),
    socket: ("AF_UNIX", "TCP_KEEPIDLE", "SO_REUSEPORT"),
}
MODULES = ("uvloop", "resource", "fcntl", "syslog", "pwd", "grp", "termios", "pty", "tty")


_open = builtins.open


def _without_proc(file: Any, *args: Any, **options: Any) -> Any:
    """``open`` where there is no /proc."""
    if isinstance(file, str) and file.startswith(("/proc", "/sys")):
        raise FileNotFoundError(file)
    return _open(file, *args, **options)


def main() -> None:
    """Take it all away, then start."""
    assert asyncio and click and logging.handlers and tempfile  # imported before anything is missing
    socket.socketpair = partial(socket.socketpair, socket.AF_UNIX)  # the event loop's own
    for module, names in ABSENT.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in MODULES:
        sys.modules[name] = None  # type: ignore[assignment]
    builtins.open = _without_proc
    sys.platform = "win32"
    from pyredis.cli.server import main as serve

    serve()


if __name__ == "__main__":
    main()
