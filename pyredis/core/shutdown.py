"""The end of a server by request (SHUTDOWN, a signal): what must be on the disk comes first, and if that fails the
server goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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


def shut_down(server: Server, flags: int) -> bool:
    """End the server with SHUTDOWN_* ``flags``; False if what had to be saved could not be, and the server goes on."""
    log = server.log
    log.warning("User requested shutdown...")
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
