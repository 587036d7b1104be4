"""What the core knows of replication: whose replica this server is, if any, and what INFO and dispatch ask.

:class:`Replication` is the state of a server that can have no links; ``pyredis.replication`` puts its own kind in its
place. An *offset* counts the bytes of the stream of changes that the replication ID names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pyredis.core.blocked import BLOCKED_WAIT, BLOCKED_WAITAOF, end_wait
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import array, array_header, bulk, integer

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.command import Command
    from pyredis.core.server import Server

Fields = list[tuple[str, object]]

NO_ID: Final = b"0" * 40
_UNAVAILABLE: Final = b"ERR replication is not available in this server"


def new_id() -> bytes:
    """A replication ID: 40 hexadecimal digits."""
    return os.urandom(20).hex().encode()


class Replication:
    """State of replication. Offsets are bytes, times Unix milliseconds."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.replid = new_id()
        """The replication ID: names this history of changes."""
        self.replid2 = NO_ID
        """The ID before the last failover, under which replicas may go on up to ``second_offset``."""
        self.offset = 0
        self.second_offset = -1
        self.master: tuple[str, int] | None = None
        """Host and port of this server's master; None: it is a master itself."""
        self.link_up = False
        """True while this replica follows its master."""
        self.async_loading = False
        """True while a new dataset is loaded beside the old one, which is served meanwhile."""
        self.failing_over = False
        self.reset_stats()

    def reset_stats(self) -> None:
        """CONFIG RESETSTAT."""
        self.full_syncs = 0
        self.partial_syncs = 0
        self.refused_partial_syncs = 0
        self.input_bytes = 0
        self.output_bytes = 0

    def needs_cron(self) -> bool:
        """Whether something of it is looked after by the cron, although there is no client."""
        return self.master is not None

    # --- what is told -----------------------------------------------------------------------------------------

    def connected_replicas(self) -> int:
        """How many replicas are connected."""
        return 0

    def backlog_bytes(self) -> int:
        """Memory of the backlog."""
        return 0

    def buffer_bytes(self) -> int:
        """What waits for replicas, beside the backlog."""
        return 0

    def describe_replicas(self) -> list[Fields]:
        """``ip``, ``port``, ``state``, ``offset`` and ``lag`` of each replica."""
        return []

    def info(self) -> Fields:
        """The Replication section of INFO."""
        return [("role", "master"), ("connected_slaves", 0), ("master_failover_state", "no-failover"), *self.history()]

    def history(self) -> Fields:
        """The end of the section: IDs, offsets, the backlog."""
        return [
            ("master_replid", self.replid.decode()),
            ("master_replid2", self.replid2.decode()),
            ("master_repl_offset", self.offset),
            ("second_repl_offset", self.second_offset),
            ("repl_backlog_active", 0),
            ("repl_backlog_size", self.server.config.repl_backlog_size),
            ("repl_backlog_first_byte_offset", 0),
            ("repl_backlog_histlen", 0),
        ]

    def role(self) -> bytes:
        """The reply of ROLE."""
        return array([bulk(b"master"), integer(self.offset), array_header(0)])

    # --- what may run -----------------------------------------------------------------------------------------

    def read_only(self) -> bool:
        """Whether clients may not write, as this is a replica."""
        return self.master is not None and self.server.config.replica_read_only

    def refuses_writes(self) -> bool:
        """``min-replicas-to-write``: whether too few replicas keep up."""
        return False

    def stale(self) -> bool:
        """Whether clients may not read: the link is down and ``replica-serve-stale-data`` is off."""
        return self.master is not None and not self.link_up and not self.server.config.replica_serve_stale_data

    def refresh_gates(self) -> None:
        """The configuration or a state that decides about commands has changed."""

    def read_only_changed(self) -> None:
        """``replica-read-only`` was changed."""

    def tracked_expires(self) -> int:
        """How many keys with deadlines clients of a replica that takes writes have written."""
        return 0

    def count_good(self) -> None:
        """Count the replicas that keep up anew, and decide what that means."""

    def resize_backlog(self) -> None:
        """``repl-backlog-size`` was changed."""

    # --- the stream -------------------------------------------------------------------------------------------

    def feed_replicas(self, db: int, argv: list[bytes]) -> None:
        """Give replicas a command that is no change of data: PUBLISH."""

    def lagging(self) -> list[str]:
        """A line for each replica that does not have everything."""
        return []

    def client_gone(self, c: Client) -> None:
        """A connection has ended."""

    def replied(self, c: Client, cmd: Command | None) -> None:
        """A command of a replica would get a reply, which its stream has no place for."""

    def serve_waiting(self) -> None:
        """Something was acknowledged or synced: clients in WAIT and WAITAOF that have what they want go on.

        What the others are told when their time is up is brought up to date.
        """
        for c in list(self.server.blocked_clients):
            state = c.blocked
            if state is not None and state.kind in (BLOCKED_WAIT, BLOCKED_WAITAOF):
                done, reply = state.request()
                state.on_timeout = reply
                if done:
                    end_wait(c, reply)

    def snapshot_fields(self) -> dict[bytes, bytes]:
        """What a snapshot says about replication, so that a restarted server can go on from it."""
        return {}

    def restore(self, fields: dict[bytes, bytes]) -> None:
        """Take what the snapshot that was loaded at start says about replication."""

    # --- commands ---------------------------------------------------------------------------------------------

    def replicate(self, host: str, port: int) -> None:
        """Become the replica of another server."""
        raise CommandError(_UNAVAILABLE)

    def promote(self) -> None:
        """Become a master."""
        raise CommandError(_UNAVAILABLE)

    def sync(self, c: Client, argv: list[bytes]) -> None:
        """SYNC and PSYNC: make the client a replica."""
        raise CommandError(_UNAVAILABLE)

    def configure(self, c: Client, argv: list[bytes]) -> bytes | None:
        """REPLCONF."""
        raise CommandError(_UNAVAILABLE)

    def failover(self, address: tuple[str, int] | None, timeout: int, force: bool) -> None:
        """FAILOVER: hand the role to a replica; ``timeout`` in milliseconds, 0 = none."""
        raise CommandError(_UNAVAILABLE)

    def abort_failover(self) -> None:
        """FAILOVER ABORT."""
        raise CommandError(b"ERR No failover in progress.")

    def acknowledged(self, offset: int, on_disk: bool) -> int:
        """How many replicas have the stream up to ``offset``, in memory or on their disks."""
        return 0

    def request_acks(self) -> None:
        """Ask the replicas how far they are."""
