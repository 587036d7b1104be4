"""The end of a server by request (SHUTDOWN, a signal): what must be on the disk comes first, and if that fails the
server goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.core.blocked import BLOCKED_SHUTDOWN, end_wait
from pyredis.core.durability import AOF_WAIT_REWRITE

if TYPE_CHECKING:
    from collections.abc import Collection

    from pyredis.core.server import Server

SHUTDOWN_SAVE: Final = 1
SHUTDOWN_NOSAVE: Final = 2
SHUTDOWN_NOW: Final = 4
SHUTDOWN_FORCE: Final = 8
_WORDS: Final = {
    "save": SHUTDOWN_SAVE,
    "nosave": SHUTDOWN_NOSAVE,
    "now": SHUTDOWN_NOW,
    "force": SHUTDOWN_FORCE,
}


def shutdown_flags(words: Collection[str]) -> int:
    """``save``, ``nosave``, ``now``, ``force`` → SHUTDOWN_* bits; other words count as nothing."""
    flags = 0
    for word in words:
        flags |= _WORDS.get(word, 0)
    return flags


class PendingShutdown:
    """A shutdown that waits for replicas, at most ``shutdown-timeout`` seconds, with writes held back meanwhile."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.deadline = 0
        """Unix milliseconds; 0: there is none."""
        self._flags = 0

    def begin(self, flags: int) -> bool:
        """Wait, if that is worth it."""
        server = self.server
        timeout = server.config.shutdown_timeout
        if flags & SHUTDOWN_NOW or not timeout or server.loop is None or not server.replication.lagging():
            return False
        server.log.notice("Waiting for replicas before shutting down.")
        self._flags = flags
        self.deadline = server.mstime + timeout * 1000
        server.pause_writes("shutdown", True)
        server.replication.request_acks()
        server.cron_jobs.append(self.look)
        return True

    def look(self) -> None:
        """Go on once all replicas have everything, or time is up."""
        server = self.server
        lagging = server.replication.lagging()
        if not self.deadline or (lagging and server.mstime < self.deadline):
            return
        for line in lagging:
            server.log.notice(line)
        total = server.replication.connected_replicas()
        server.log.notice(f"{total - len(lagging)} of {total} replicas are in sync when shutting down.")
        if not _finish(server, self._flags):
            self._end()

    def abort(self) -> bool:
        """SHUTDOWN ABORT; False if there is none."""
        if not self.deadline:
            return False
        self.server.log.notice("Shutdown manually aborted.")
        self._end()
        return True

    def _end(self) -> None:
        """The server goes on; who asked for the shutdown is told."""
        server = self.server
        self.deadline = 0
        server.cron_jobs.remove(self.look)
        server.pause_writes("shutdown", False)
        for c in list(server.blocked_clients):
            if c.blocked is not None and c.blocked.kind == BLOCKED_SHUTDOWN:
                end_wait(c, c.blocked.on_timeout)


def shut_down(server: Server, flags: int) -> bool:
    """End the server with SHUTDOWN_* ``flags``, now or when replicas have everything (``server.shutdown``).

    False if what had to be saved could not be, and the server goes on.
    """
    if server.shutdown.deadline:
        return True
    server.log.warning("User requested shutdown...")
    return server.shutdown.begin(flags) or _finish(server, flags)


def _finish(server: Server, flags: int) -> bool:
    log = server.log
    if server.process is not None:
        server.process.notify("STOPPING=1\n")
    if server.loading is not None:
        flags = flags & ~SHUTDOWN_SAVE | SHUTDOWN_NOSAVE  # half of the data must not replace the file
    if not _save_all(server, flags):
        log.warning("Errors trying to shut down the server. Check the logs for more information.")
        return False
    server.end(0)
    return True


def _save_all(server: Server, flags: int) -> bool:
    """End what writes in the background, and write what has to be written; False if the server must go on."""
    log = server.log
    force = flags & SHUTDOWN_FORCE
    if server.snapshots.saving:
        log.warning("There is a child saving an .rdb. Killing it!")
        server.snapshots.kill()
    if server.aof.rewriting:
        # Until the first rewrite is done, there is no append-only file with what is in memory.
        if server.aof.state == AOF_WAIT_REWRITE:
            if not force:
                log.warning("Writing initial AOF, can't exit.")
                return False
            log.warning("Writing initial AOF. Exit anyway.")
        log.warning("There is a child rewriting the AOF. Killing it!")
    if not flags & SHUTDOWN_SAVE and (flags & SHUTDOWN_NOSAVE or not server.config.save):
        return True
    log.notice("Saving the final RDB snapshot before exiting.")
    if server.process is not None:
        server.process.notify("STATUS=Saving the final RDB snapshot\n")
    if server.snapshots.save():
        return True
    if force:
        log.warning("Error trying to save the DB. Exit anyway.")
        return True
    log.warning("Error trying to save the DB, can't exit.")
    if server.process is not None:
        server.process.notify("STATUS=Error trying to save the DB, can't exit.\n")
    return False
