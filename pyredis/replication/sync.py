"""SYNC and PSYNC: a connection becomes a replica's, by the backlog if that has what it lacks, else by a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.core.args import get_int
from pyredis.core.client import CLIENT_REPLICA, Client
from pyredis.core.client_info import client_info
from pyredis.core.replication import NO_ID
from pyredis.replication.peers import ONLINE, WAIT_START, Replica
from pyredis.resp.errors import CommandError

if TYPE_CHECKING:
    from pyredis.replication.node import Node

_UNKNOWN: Final = b"?"
_NOT_CONNECTED: Final = b"NOMASTERLINK Can't SYNC while not connected with my master"


class Syncs:
    """The synchronisations that replicas ask one server for."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.server = node.server

    def sync(self, c: Client, argv: list[bytes]) -> None:
        """``[SYNC]`` or ``[PSYNC, id, offset]`` or ``[PSYNC, id, offset, FAILOVER]``."""
        node, log = self.node, self.server.log
        if c.flags & CLIENT_REPLICA:
            return  # it is one already
        if len(argv) > 3 and argv[3].lower() == b"failover":
            self._take_over(c, argv[1])
        if node.failing_over and node.takeover.in_progress():
            raise CommandError(b"NOMASTERLINK Can't SYNC while failing over")
        if node.master is not None and not node.link_up:
            raise CommandError(_NOT_CONNECTED)
        if c.out or c.conn.output_bytes():
            raise CommandError(b"ERR SYNC and PSYNC are invalid with pending output")
        replica = node.following.replica(c)
        if replica.no_data and not replica.capa_eof:
            raise CommandError(b"ERR Filtered replica requires EOF capability")
        log.notice(f"Replica {replica.name()} asks for synchronization")
        if len(argv) >= 3:
            offset = get_int(argv[2])
            if self._partial(replica, argv[1], offset):
                node.partial_syncs += 1
                return
            if argv[1] != _UNKNOWN:
                node.refused_partial_syncs += 1
        else:
            replica.old_protocol = True
        self._full(replica)

    def _take_over(self, c: Client, replid: bytes) -> None:
        """The master asks this replica to take its place."""
        node, log = self.node, self.server.log
        log.warning(f"Failover request received for replid {replid.decode('utf-8', 'backslashreplace')}.")
        if node.master is None:
            raise CommandError(b"ERR PSYNC FAILOVER can't be sent to a master.")
        if replid.lower() != node.replid:
            raise CommandError(b"ERR PSYNC FAILOVER replid must match my replid.")
        node.promote()
        log.notice(f"MASTER MODE enabled (failover request from '{client_info(c).decode()}')")

    def _partial(self, replica: Replica, replid: bytes, offset: int) -> bool:
        """Go on from the backlog, if that is possible."""
        node, log = self.node, self.server.log
        following = node.following
        name = replica.name()
        replid = replid.lower()
        if replid != node.replid and (replid != node.replid2 or offset > node.second_offset):
            if replid == _UNKNOWN:
                log.notice(f"Full resync requested by replica {name}")
            elif replid not in (node.replid, node.replid2) or replid == NO_ID:
                log.notice(
                    "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for "
                    f"'{replid.decode('utf-8', 'backslashreplace')}', my replication IDs are '{node.replid.decode()}' "
                    f"and '{node.replid2.decode()}')"
                )
            else:
                log.notice(
                    "Partial resynchronization not accepted: Requested offset for second ID was "
                    f"{offset}, but I can reply up to {node.second_offset}"
                )
            return False
        following.flush()
        backlog = following.backlog
        if backlog is None or not backlog.has(offset):
            log.notice(
                f"Unable to partial resync with replica {name} for lack of backlog (Replica request was: {offset})."
            )
            if backlog is not None and offset > backlog.end:
                log.warning(
                    f"Warning: replica {name} tried to PSYNC with an offset that is greater than the master "
                    "replication offset."
                )
            return False
        missing = backlog.since(offset)
        following.enlist(replica, ONLINE)
        conn = replica.client.conn
        conn.write(b"+CONTINUE %b\r\n" % node.replid if replica.capa_psync2 else b"+CONTINUE\r\n")
        if missing:
            conn.write(missing)
        replica.streaming = True
        log.notice(
            f"Partial resynchronization request from {name} accepted. Sending {len(missing)} bytes of backlog starting "
            f"from offset {offset}."
        )
        following.count_good()
        return True

    def _full(self, replica: Replica) -> None:
        """By a snapshot."""
        node, log = self.node, self.server.log
        node.full_syncs += 1
        following = node.following
        first = not following.connected()
        following.enlist(replica, WAIT_START)
        if following.backlog is None:
            if first and node.master is None:
                node.change_id()
            following.start_backlog()
            log.notice(
                f"Replication backlog created, my new replication IDs are '{node.replid.decode()}' and "
                f"'{node.replid2.decode()}'"
            )
        node.transfers.request(replica)
