"""What a server does to its process: title, open files, processors, pid file, the kernel's and systemd's view of it.

Only the process that runs a server for its own sake has a :class:`Process`; servers inside tests or other programs
have none and leave their process alone. Everything that a system lacks is left out.
"""

from __future__ import annotations

import faulthandler
import os
import re
import signal
import socket
import sys
from typing import TYPE_CHECKING, Final

from pyredis.core.option_kinds import parse_cpu_list

if TYPE_CHECKING:
    from pyredis.core.logging import Logger
    from pyredis.core.options import Config

RESERVED_FDS: Final = 32
"""Open files that are not clients: sockets to listen on, the log, the event loop."""
DEFAULT_PIDFILE: Final = "/var/run/redis.pid"
_PR_SET_THP_DISABLE: Final = 41
_OOM_SELF: Final = 0
_OOM_CHILD: Final = 2
"""Places in ``oom-score-adj-values``."""
_OOM_SCORE: Final = "/proc/self/oom_score_adj"


class Process:
    """This process, run for one server."""

    def __init__(self, log: Logger) -> None:
        self.log = log
        self.supervisor = "no"
        """``systemd`` or ``upstart``, if that started this process and ``supervised`` lets us speak to it."""
        self.pidfile = ""
        self.title_program = sys.argv[0] or "redis-server"
        self._base_oom_score: int | None = None

    # --- limits -----------------------------------------------------------------------------------------------

    def raise_open_files(self, maxclients: int) -> int:
        """Allow so many clients' sockets; returns how many clients are possible, at most ``maxclients``."""
        try:
            import resource  # not on Windows
        except ImportError:
            return maxclients
        wanted = maxclients + RESERVED_FDS
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            return maxclients
        problem = ""
        best = wanted
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted) if hard >= 0 else hard))
        except (OSError, ValueError) as e:
            problem = e.strerror if isinstance(e, OSError) and e.strerror else "Operation not permitted"
            best = max(soft, hard)
            if best > soft:
                resource.setrlimit(resource.RLIMIT_NOFILE, (best, hard))
        if best >= wanted:
            self.log.notice(f"Increased maximum number of open files to {wanted} (it was originally set to {soft}).")
            return maxclients
        possible = best - RESERVED_FDS
        self.log.warning(f"You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors.")
        self.log.warning(f"Server can't set maximum open files to {wanted} because of OS error: {problem}.")
        if possible <= 0:
            self.log.warning(
                f"Your current 'ulimit -n' of {soft} is not enough for the server to start. "
                f"Please increase your open file limit to at least {wanted}. Exiting."
            )
        else:
            self.log.warning(
                f"Current maximum open files is {best}. maxclients has been reduced to {possible} to compensate for "
                "low ulimit. If you need higher maxclients increase 'ulimit -n'."
            )
        return possible

    def set_processors(self, processors: str) -> None:
        """Run on these processors only, a list such as ``0-7:2``; on all if it is empty."""
        if not processors or not hasattr(os, "sched_setaffinity"):
            return
        chosen = parse_cpu_list(processors)
        try:
            if chosen is None:
                raise ValueError("it is no list of processors such as 0-7:2 or 1,3")
            os.sched_setaffinity(0, chosen)
        except (OSError, ValueError) as e:
            self.log.warning(f"the list of processors {processors} has no effect: {e}")

    def become_child(self, config: Config, processors: str) -> None:
        """This is a forked child now: its place among processors, and in the kernel's choice when memory is short."""
        self.set_processors(processors)
        self.set_oom_score(config, _OOM_CHILD)

    def set_oom_score(self, config: Config, of: int = _OOM_SELF) -> bool:
        """Write the kernel's out-of-memory score as ``oom-score-adj`` says; False (logged) if it does not take it."""
        mode = config.oom_score_adj
        if mode == "no" and self._base_oom_score is None:
            return True
        try:
            if self._base_oom_score is None:
                with open(_OOM_SCORE, encoding="ascii") as file:
                    self._base_oom_score = int(file.read())
            score = self._base_oom_score
            if mode != "no":
                own = config.oom_score_adj_values[of]
                score = own if mode == "absolute" else score + own
            with open(_OOM_SCORE, "w", encoding="ascii") as file:
                file.write(str(max(-1000, min(score, 1000))))
        except OSError as e:
            self.log.warning(f"Unable to write oom_score_adj: {e.strerror}")
            return False
        return True

    def set_crash_log(self, config: Config) -> None:
        """Whether a crash of the interpreter leaves a traceback, in the log file or on standard error."""
        if not config.crash_log_enabled:
            faulthandler.disable()
        elif sys.stderr is not None:
            try:
                faulthandler.enable(self.log.crash_file())
            except (OSError, ValueError):
                pass  # no file descriptor to write to

    # --- how the process is seen ------------------------------------------------------------------------------

    def set_title(self, config: Config, config_file: str | None) -> None:
        """Show the title that ``proc-title-template`` describes in ``ps``; longer ones than the command line are cut.

        Linux only: a program may overwrite its own arguments, whose place the kernel tells.
        """
        if not config.set_proc_title or not sys.platform.startswith("linux"):
            return
        title = expand_title(config, self.title_program, config_file or "").encode("utf-8", "surrogateescape")
        try:
            import ctypes  # slow to import, and wanted after the start only

            with open("/proc/self/stat", "rb") as file:
                fields = file.read().rsplit(b")", 1)[1].split()
            start, end = int(fields[45]), int(fields[46])
            if start and end - start > 1:
                ctypes.memmove(start, title[: end - start - 1].ljust(end - start, b"\0"), end - start)
        except (ImportError, OSError, IndexError, ValueError):
            self.log.verbose("The process title cannot be set here")

    def disable_huge_pages(self, config: Config) -> None:
        """``disable-thp``: transparent huge pages cost latency and memory where they are always on."""
        if not config.disable_thp:
            return
        try:
            with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
                if "[always]" not in file.read():
                    return
            import ctypes  # see set_title

            ctypes.CDLL(None).prctl(_PR_SET_THP_DISABLE, 1, 0, 0, 0)
        except (ImportError, OSError, AttributeError):
            pass  # not on this system

    def write_pidfile(self, path: str) -> None:
        """Write the pid; a failure is only logged, as in Redis."""
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(f"{os.getpid()}\n")
        except OSError as e:
            self.log.warning(f"Failed to write PID file: {e.strerror}")
            return
        self.pidfile = os.path.abspath(path)

    def remove_pidfile(self) -> None:
        """At the end."""
        if self.pidfile:
            self.log.notice("Removing the pid file.")
            try:
                os.unlink(self.pidfile)
            except OSError:
                pass  # somebody else removed it
            self.pidfile = ""

    # --- supervisors ------------------------------------------------------------------------------------------

    def find_supervisor(self, config: Config) -> None:
        """Speak to systemd or upstart if they started this process and ``supervised`` names them (or ``auto``)."""
        mode = config.supervised
        if mode in ("systemd", "auto") and os.environ.get("NOTIFY_SOCKET"):
            self.supervisor = "systemd"
            self.log.warning(
                "supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and "
                "TimeoutStopSec in your service unit."
            )
            self.notify("STATUS=Starting up\n")
        elif mode in ("upstart", "auto") and os.environ.get("UPSTART_JOB"):
            self.supervisor = "upstart"
            self.log.notice("supervised by upstart, will stop to signal readiness")
            if hasattr(signal, "SIGSTOP"):
                os.kill(os.getpid(), signal.SIGSTOP)
            os.environ.pop("UPSTART_JOB", None)
        elif mode == "systemd":
            self.log.warning("systemd supervision requested or auto-detected, but NOTIFY_SOCKET not found")
        elif mode == "upstart":
            self.log.warning("upstart supervision requested, but UPSTART_JOB not found")

    def notify(self, state: str) -> None:
        """A datagram to systemd, if it supervises this process."""
        path = os.environ.get("NOTIFY_SOCKET", "")
        if self.supervisor != "systemd" or not path or not hasattr(socket, "AF_UNIX"):
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                sock.sendto(state.encode(), "\0" + path[1:] if path.startswith("@") else path)
        except OSError as e:
            self.log.warning(f"systemd was not told {state.splitlines()[0]}: {e}")


def expand_title(config: Config, program: str, config_file: str) -> str:
    """The process's title: ``proc-title-template`` with its variables filled in."""
    port = config.port or config.tls_port
    address = config.show("bind").split(" ")[0].removeprefix("-")
    unix = config.show("unixsocket")
    values = {
        "title": program,
        "listen-addr": f"{address or '*'}:{port}" if port or not unix else unix,
        "server-mode": "[sentinel]" if config.sentinel_mode else "",
        "port": config.show("port"),
        "tls-port": config.show("tls-port"),
        "unixsocket": unix,
        "config-file": config_file,
    }
    return re.sub(r"\{([^{}]*)\}", lambda found: values.get(found[1], ""), config.proc_title_template).rstrip()


def daemonize() -> None:
    """Leave the terminal: the parent ends, the child goes on in a session of its own. RuntimeError without fork."""
    if not hasattr(os, "fork"):
        raise RuntimeError("daemonize is not available on this system")
    if os.fork():
        os._exit(0)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)
