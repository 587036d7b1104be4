"""Full resynchronisation, the master's side: one snapshot for all replicas that wait.

With ``repl-diskless-sync`` it goes straight to them (``diskless.py``); else it is a background save like any other, and
its file is sent when it is complete. Nothing is read from the file while a replica has too much unsent.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.replication.diskless import MOST_UNSENT, PIECE, DisklessTransfer, send
from pyredis.replication.peers import SEND_BULK, WAIT_END, WAIT_START, Replica

if TYPE_CHECKING:
    import asyncio

    from pyredis.replication.node import Node

_RETRY_SECONDS: Final = 0.1


class Transfers:
    """The snapshots that one master sends."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.server = node.server
        self._timer: asyncio.TimerHandle | None = None
        self._stream: DisklessTransfer | None = None
        self._receivers: list[Replica] = []
        """For whom a file is being written."""
        self._path = ""
        """That file, once it is complete."""
        self._files: dict[Replica, _FileSender] = {}
        self._closed = False
        node.server.snapshots.finished.append(self._saved)

    def to_sockets(self) -> bool:
        """Whether a snapshot is being written straight to the replicas."""
        return self._stream is not None

    def stalled(self, replica: Replica) -> bool:
        """Whether it is the replica that keeps a transfer from going on: it does not take what is sent."""
        if replica.state == SEND_BULK or (replica.state == WAIT_END and self._stream is not None):
            return replica.client.conn.output_bytes() > 0
        return False

    def waiting(self) -> list[Replica]:
        """Replicas for whom no snapshot is being written yet."""
        return [one for one in self.node.following.replicas.values() if one.state == WAIT_START and not one.gone()]

    # --- beginning --------------------------------------------------------------------------------------------

    def request(self, replica: Replica) -> None:
        """A replica needs a snapshot: attach it to the one that is being written, begin one, or let it wait."""
        log = self.server.log
        if self._receivers:
            if not self._attach(replica):
                log.notice("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
            return
        if self._stream is not None:
            log.notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
            return
        config = self.server.config
        if self.server.snapshots.saving:
            log.notice("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
        elif config.repl_diskless_sync and replica.capa_eof and config.repl_diskless_sync_delay:
            log.notice("Delay next BGSAVE for diskless SYNC")
        elif self.server.background is not None:
            log.notice("No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
        self.look()

    def _attach(self, replica: Replica) -> bool:
        """Let a replica have the snapshot that is being written to disk for others, who queue the same stream."""
        if replica.no_data:
            return False
        for other in self._receivers:
            if other.state == WAIT_END and not other.gone():
                replica.queue = other.queue.copy()
                replica.queued = other.queued
                self._announce(replica, other.snapshot_offset)
                self._receivers.append(replica)
                self.server.log.notice("Waiting for end of BGSAVE for SYNC")
                return True
        return False

    def look(self) -> None:
        """Begin a snapshot if replicas wait for one, and have waited long enough for others to join them."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting = self.waiting()
        loop = self.server.loop
        if not waiting or self._receivers or self._stream is not None or loop is None or self._closed:
            return
        config = self.server.config
        delay = 0.0
        if config.repl_diskless_sync and all(one.capa_eof for one in waiting):
            most = config.repl_diskless_sync_max_replicas
            if not most or len(waiting) < most:
                now = int(self.server.clock.time() * 1000)
                longest = max(now - one.since for one in waiting)
                delay = config.repl_diskless_sync_delay - longest / 1000
        if delay > 0 or self.server.background is not None or self.server.scripts.busy_error:
            self._timer = loop.call_later(max(delay, _RETRY_SECONDS), self.look)
            return
        first = waiting[0]
        self._begin([one for one in waiting if _same_content(first, one)])

    def _begin(self, replicas: list[Replica]) -> None:
        """Begin a snapshot. What changes from now on is queued for the replicas."""
        server = self.server
        # A snapshot without keys must not take the place of the last one.
        diskless = replicas[0].no_data or server.config.repl_diskless_sync
        sockets = diskless and all(one.capa_eof for one in replicas)
        server.log.notice(f"Starting BGSAVE for SYNC with target: {'replicas sockets' if sockets else 'disk'}")
        following = self.node.following
        following.flush()
        following.selected = -1  # the replica has selected no database
        try:
            if sockets:
                self._begin_sockets(replicas)
            else:
                self._begin_disk(replicas)
        except OSError as e:
            server.log.warning(f"BGSAVE for replication failed: {e.strerror or e}")
            for one in replicas:
                one.client.conn.write(b"-ERR BGSAVE failed, replication can't continue\r\n")
                server.close_client(one.client, flush=True)

    def _announce(self, replica: Replica, offset: int) -> None:
        """Tell a replica which history and offset its snapshot belongs to."""
        replica.snapshot_offset = offset
        replica.state = WAIT_END
        if not replica.old_protocol:
            replica.client.conn.write(b"+FULLRESYNC %b %d\r\n" % (self.node.replid, offset))

    def _begin_disk(self, replicas: list[Replica]) -> None:
        self.server.snapshots.start()
        self._receivers = replicas
        for one in replicas:
            self._announce(one, self.node.offset)

    def _begin_sockets(self, replicas: list[Replica]) -> None:
        stream = DisklessTransfer(self.node, replicas, self._streamed, self._abandoned)
        stream.start()
        self._stream = stream
        for one in list(replicas):
            self._announce(one, self.node.offset)
            one.start_on_ack = True
            one.client.conn.write(b"$EOF:%b\r\n" % stream.mark)
        stream.go_on()

    # --- straight to the sockets ------------------------------------------------------------------------------

    def _streamed(self, ok: bool) -> None:
        """All of it has been handed over: the mark, and the replicas are on their own."""
        stream, self._stream = self._stream, None
        assert stream is not None
        for one in stream.left():
            if not ok:
                self.server.log.warning(f"Streamed RDB transfer with replica {one.name()} failed")
                self.server.close_client(one.client)
                continue
            one.client.conn.write(stream.mark)
            self.server.log.notice(
                f"Streamed RDB transfer with replica {one.name()} succeeded (socket). Waiting for REPLCONF ACK from "
                "slave to enable streaming"
            )
            self.node.following.bring_online(one)
        self.look()

    def _abandoned(self) -> None:
        self._stream = None
        self.look()

    # --- by a file --------------------------------------------------------------------------------------------

    def _saved(self, ok: bool) -> None:
        """A background save is over: perhaps it was one for replicas."""
        receivers, self._receivers = self._receivers, []
        if receivers:
            self._path = self.server.snapshots.path()
            senders = [self._new_sender(one, ok) for one in receivers if not one.gone()]
            for sender in senders:
                if sender is not None:
                    sender.go_on()
            self._remove_file()
        if self.server.loop is not None:
            self.server.loop.call_soon(self.look)  # later, as it may be within a command that the save was ended

    def _new_sender(self, replica: Replica, ok: bool) -> _FileSender | None:
        try:
            if not ok:
                raise OSError("the snapshot could not be written")
            sender = self._files[replica] = _FileSender(self, replica, self._path)
            return sender
        except OSError as e:
            self.server.log.warning(f"SYNC failed. BGSAVE child returned an error: {e.strerror or e}")
            self.server.close_client(replica.client)
            return None

    def sent(self, replica: Replica) -> None:
        """The file has been handed to a replica's connection, or the replica has gone."""
        self._files.pop(replica, None)
        if not replica.gone():
            self.node.following.bring_online(replica)
        self._remove_file()

    def _remove_file(self) -> None:
        """``rdb-del-sync-files``: a server that keeps nothing on its disk does not keep this either."""
        if self._path and not self._files and not self._receivers and not self.node.persists():
            path, self._path = self._path, ""
            if self.server.config.rdb_del_sync_files:
                self.server.log.notice("Removing the RDB file used to feed replicas in an instance without persistence")
                self.server.snapshots.remove(path)

    # --- ending -----------------------------------------------------------------------------------------------

    def replica_gone(self, replica: Replica) -> None:
        """A connection has ended: what works for nobody any more ends, too."""
        sender = self._files.pop(replica, None)
        if sender is not None:
            sender.close()
            self._remove_file()
        if self._stream is not None and replica in self._stream.receivers:
            self._stream.pace()
        elif replica in self._receivers:
            last = all(one.gone() or one is replica for one in self._receivers)
            if last and not self.server.config.save:  # else the file is wanted all the same
                self.server.snapshots.kill()

    def close(self) -> None:
        """The server ends."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.kill()
        if self._receivers:
            self._receivers = []
            self.server.snapshots.kill()


class _FileSender:
    """Sends a snapshot's file to one replica. OSError if it cannot be opened."""

    def __init__(self, transfers: Transfers, replica: Replica, path: str) -> None:
        self.transfers = transfers
        self.replica = replica
        self.file = open(path, "rb", 0)  # noqa: SIM115 (closed by close)
        size = os.fstat(self.file.fileno()).st_size
        replica.state = SEND_BULK
        replica.client.conn.write(b"$%d\r\n" % size)

    def go_on(self) -> None:
        """Send as much as the connection takes."""
        replica = self.replica
        conn = replica.client.conn
        started = monotonic()
        while not replica.gone():
            if conn.output_bytes() > MOST_UNSENT or monotonic() - started > 0.005:
                conn.when_drained(self.go_on)
                return
            data = self.file.read(PIECE)
            if not data:
                self.close()
                self.transfers.sent(replica)
                return
            send(self.transfers.node, replica, data)

    def close(self) -> None:
        """Forget the file."""
        self.file.close()


def _same_content(one: Replica, other: Replica) -> bool:
    """Whether a snapshot for one replica does for another."""
    return (one.no_data, one.functions_only) == (other.no_data, other.functions_only)
