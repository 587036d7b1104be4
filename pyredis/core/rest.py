"""When the periodic work of a server may stand still: thousands of embedded ones in a process cost nothing then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyredis.core.checks import GATE_OOM
from pyredis.core.durability import AOF_OFF

if TYPE_CHECKING:
    from pyredis.core.server import Server


def nothing_to_do(s: Server) -> bool:
    """Whether nothing will change until a client comes, and INFO has nothing to forget."""
    links = s.moving.links
    return not (
        s.clients
        or s.handshakes
        or s.loading is not None
        or s.background is not None
        or s.snapshots.scheduled
        or s.shutdown.deadline
        or s.replication.needs_cron()
        or s.gates & GATE_OOM
        or s.aof.state != AOF_OFF
        or (s.config.save and s.dirty)
        or s.config.backup_dir
        or (links is not None and links.cached())
        or any(db.expires or db.volatile for db in s.dbs)
        or s.mode.start is not None
        or s.stats.recent()
    )
