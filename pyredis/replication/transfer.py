"""Full resynchronisation, the master's side: one forked child writes a snapshot for all replicas that wait.

With ``repl-diskless-sync`` the child writes into a pipe, and what comes out of it goes to the replicas piece by piece;
else it writes a file, which is sent when it is complete. Nothing is read from pipe or file while a replica has too much
unsent, so memory holds a megabyte per replica, whatever the size of the data.
"""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.core.replication import new_id
from pyredis.persistence.child import CAN_FORK, ForkedChild, Progress
from pyredis.persistence.rdb_save import encoding_limits, needed_version, new_writer, snapshot_fields, write_keyspace
from pyredis.persistence.rdb_writer import RdbWriter
from pyredis.replication.peers import SEND_BULK, WAIT_END, WAIT_START, Replica

if TYPE_CHECKING:
    import asyncio

    from pyredis.replication.node import Node

_PIECE: Final = 64 << 10
_MOST_UNSENT: Final = 1 << 20
"""Bytes that may wait for a replica before pipe or file are left alone."""
_RETRY_SECONDS: Final = 0.1


class Transfers:
    """The snapshots that one master sends."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.server = node.server
        self._child: ForkedChild | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._receivers: list[Replica] = []
        """For whom the child writes."""
        self._pipe = -1
        self._sending = False
        """True while the pipe is read."""
        self._mark = b""
        """The 40 bytes that end a snapshot of unknown length; empty: the child writes a file."""
        self._temporary = ""
        self._child_ok: bool | None = None
        self._pipe_ended = False
        self._files: dict[Replica, _FileSender] = {}

    def to_sockets(self) -> bool:
        """Whether the child at work writes straight to the replicas."""
        return bool(self._mark)

    def stalled(self, replica: Replica) -> bool:
        """Whether it is the replica that keeps a transfer from going on: it does not take what is sent."""
        if replica.state == SEND_BULK or (replica.state == WAIT_END and self._mark):
            return replica.client.conn.output_bytes() > 0
        return False

    def waiting(self) -> list[Replica]:
        """Replicas for whom no snapshot is being written yet."""
        return [one for one in self.node.following.replicas.values() if one.state == WAIT_START and not one.gone()]

    # --- beginning --------------------------------------------------------------------------------------------

    def request(self, replica: Replica) -> None:
        """A replica needs a snapshot: attach it to the one that is being written, begin one, or let it wait."""
        log = self.server.log
        if self._child is not None and not self._mark:
            if not self._attach(replica):
                log.notice("Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC")
            return
        if self._child is not None:
            log.notice("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC")
            return
        config = self.server.config
        if config.repl_diskless_sync and replica.capa_eof and config.repl_diskless_sync_delay:
            log.notice("Delay next BGSAVE for diskless SYNC")
        elif self.server.background is not None:
            log.notice("No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed")
        self.look()

    def _attach(self, replica: Replica) -> bool:
        """Let a replica have the snapshot that is being written to disk for others, who queue the same stream."""
        for other in self._receivers:
            if other.state == WAIT_END and not other.gone() and _same_content(other, replica):
                replica.queue = other.queue.copy()
                replica.queued = other.queued
                self._announce(replica, other.ack_offset)
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
        if not waiting or self._child is not None or loop is None:
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
        """Fork. What changes from now on is queued for the replicas."""
        server = self.server
        sockets = server.config.repl_diskless_sync and all(one.capa_eof for one in replicas)
        target = "replicas sockets" if sockets else "disk"
        server.log.notice(f"Starting BGSAVE for SYNC with target: {target}")
        following = self.node.following
        following.flush()
        following.selected = -1  # the replica has selected no database
        self._receivers = replicas
        self._child_ok = None
        self._pipe_ended = False
        try:
            if not CAN_FORK:
                raise OSError("this system has no fork")
            if sockets:
                self._begin_sockets(replicas)
            else:
                self._begin_disk(replicas)
        except OSError as e:
            server.log.warning(f"BGSAVE for replication failed: {e.strerror or e}")
            self._mark = b""
            self._child = None
            for one in replicas:
                one.client.conn.write(b"-ERR BGSAVE failed, replication can't continue\r\n")
                server.close_client(one.client, flush=True)

    def _announce(self, replica: Replica, offset: int) -> None:
        """Tell a replica which history and offset its snapshot belongs to."""
        replica.ack_offset = offset
        replica.state = WAIT_END
        if not replica.old_protocol:
            replica.client.conn.write(b"+FULLRESYNC %b %d\r\n" % (self.node.replid, offset))

    def _fields(self) -> dict[bytes, bytes]:
        return snapshot_fields(self.server, more=self.node.snapshot_fields())

    def _write(self, fd: int, fields: dict[bytes, bytes], progress: Progress, replica: Replica) -> None:
        """What the child does: write the part of the data that ``replica`` wants."""
        server = self.server

        def sink(data: bytes) -> None:
            _write_all(fd, data)

        if not replica.no_data:
            write_keyspace(server, new_writer(server, sink, fields), progress)
        elif replica.functions_only:
            new_writer(server, sink, fields).end()
        else:
            writer = RdbWriter(sink, encoding_limits(server))
            writer.begin(needed_version(server), fields)
            writer.end()

    def _begin_disk(self, replicas: list[Replica]) -> None:
        server = self.server
        self._mark = b""
        only = replicas[0]
        path = self._temporary = os.path.join(server.config.dir, f"temp-{os.getpid()}-repl.rdb")
        fields = self._fields()

        def work(progress: Progress) -> None:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            self._write(fd, fields, progress, only)
            os.fsync(fd)

        child = ForkedChild(server, "rdb", self._over)
        for one in replicas:
            self._announce(one, self.node.offset)
        child.start(work)
        self._child = child
        server.log.notice(f"Background saving started by pid {child.pid}")

    def _begin_sockets(self, replicas: list[Replica]) -> None:
        server = self.server
        fields = self._fields()
        only = replicas[0]
        reading, writing = os.pipe()

        def work(progress: Progress) -> None:
            self._write(writing, fields, progress, only)

        child = ForkedChild(server, "rdb", self._over)
        try:
            child.start(work, keep=(writing,))
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._child = child
        self._mark = new_id()
        os.set_blocking(reading, False)
        self._pipe = reading
        for one in replicas:
            self._announce(one, self.node.offset)
            one.start_on_ack = True
            one.client.conn.write(b"$EOF:%b\r\n" % self._mark)
        server.log.notice(f"Background RDB transfer started by pid {child.pid}")
        self._read_pipe()

    # --- straight to the sockets ------------------------------------------------------------------------------

    def _read_pipe(self) -> None:
        if not self._sending and self._pipe >= 0 and self.server.loop is not None:
            self._sending = True
            self.server.loop.add_reader(self._pipe, self._pipe_readable)

    def _leave_pipe(self) -> None:
        if self._sending and self.server.loop is not None:
            self._sending = False
            self.server.loop.remove_reader(self._pipe)

    def _pipe_readable(self) -> None:
        try:
            data = os.read(self._pipe, _PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._leave_pipe()
            os.close(self._pipe)
            self._pipe = -1
            self._pipe_ended = True
            up = sum(not one.gone() for one in self._receivers)
            self.server.log.warning(f"Diskless rdb transfer, done reading from pipe, {up} replicas still up.")
            self._finish_sockets()
            return
        for one in self._receivers:
            if not one.gone():
                self._send(one, data)
        self._pace()

    def _send(self, replica: Replica, data: bytes) -> None:
        before = self.server.stats.net_output_bytes
        replica.client.conn.write(data)
        replica.ack_time = self.server.mstime
        self.server.stats.net_output_bytes = before
        self.node.output_bytes += len(data)

    def _pace(self) -> None:
        """Wait for the slowest replica; with none left there is no need for the child."""
        if self._pipe < 0:
            return
        up = [one for one in self._receivers if not one.gone()]
        if not up:
            self.server.log.notice("Diskless rdb transfer, last replica dropped, killing fork child.")
            self.cancel()
            self.look()
            return
        slow = [one for one in up if one.client.conn.output_bytes() > _MOST_UNSENT]
        if not slow:
            self._read_pipe()
            return
        self._leave_pipe()
        for one in slow:
            one.client.conn.when_drained(self._pace)

    def _over(self, ok: bool) -> None:
        """The child has ended."""
        self._child = None
        self._child_ok = ok
        log = self.server.log
        if self._mark:
            if ok:
                log.notice("Background RDB transfer terminated with success")
            else:
                log.warning("Background RDB transfer error")
            self._finish_sockets()
        else:
            if ok:
                log.notice("Background saving terminated with success")
            else:
                log.warning("Background saving error")
            self._finish_disk(ok)

    def _finish_sockets(self) -> None:
        """Once the child has ended and the pipe is empty: the mark, and the replicas are on their own."""
        if not self._pipe_ended or self._child_ok is None:
            return
        mark, self._mark = self._mark, b""
        receivers, self._receivers = self._receivers, []
        for one in receivers:
            if one.gone():
                continue
            if not self._child_ok:
                self.server.log.warning(f"Streamed RDB transfer with replica {one.name()} failed")
                self.server.close_client(one.client)
                continue
            one.client.conn.write(mark)
            self.server.log.notice(
                f"Streamed RDB transfer with replica {one.name()} succeeded (socket). Waiting for REPLCONF ACK from "
                "slave to enable streaming"
            )
            self.node.following.bring_online(one)
        self.look()

    # --- by a file --------------------------------------------------------------------------------------------

    def _finish_disk(self, ok: bool) -> None:
        config = self.server.config
        receivers, self._receivers = self._receivers, []
        path = os.path.join(config.dir, config.dbfilename)
        if ok:
            try:
                os.replace(self._temporary, path)
            except OSError as e:
                self.server.log.warning(f"Error moving temp DB file on the final destination: {e.strerror}")
                ok = False
        for one in receivers:
            if one.gone():
                continue
            try:
                if not ok:
                    raise OSError("the snapshot could not be written")
                self._files[one] = _FileSender(self, one, path)
            except OSError as e:
                self.server.log.warning(f"SYNC failed. BGSAVE child returned an error: {e.strerror or e}")
                self.server.close_client(one.client)
        for sender in list(self._files.values()):
            sender.go_on()
        if not ok:
            _unlink(self._temporary)
        self.look()

    def sent(self, replica: Replica) -> None:
        """The file has been handed to a replica's connection, or the replica has gone."""
        self._files.pop(replica, None)
        if not replica.gone():
            self.node.following.bring_online(replica)

    # --- ending -----------------------------------------------------------------------------------------------

    def replica_gone(self, replica: Replica) -> None:
        """A connection has ended: the child goes, too, if it works for nobody any more."""
        sender = self._files.pop(replica, None)
        if sender is not None:
            sender.close()
        if replica not in self._receivers:
            return
        if self._mark:
            self._pace()
        elif self._child is not None and all(one.gone() or one is replica for one in self._receivers):
            self.cancel()
            self.look()

    def cancel(self) -> None:
        """End the child, without its result."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._child is not None:
            self._child.kill()
            self._child = None
            if not self._mark:
                _unlink(self._temporary)
        if self._pipe >= 0:
            self._leave_pipe()
            os.close(self._pipe)
            self._pipe = -1
        self._mark = b""
        self._receivers = []


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
            if conn.output_bytes() > _MOST_UNSENT or monotonic() - started > 0.005:
                conn.when_drained(self.go_on)
                return
            data = self.file.read(_PIECE)
            if not data:
                self.close()
                self.transfers.sent(replica)
                return
            self.transfers._send(replica, data)

    def close(self) -> None:
        """Forget the file."""
        self.file.close()


def _same_content(one: Replica, other: Replica) -> bool:
    """Whether a snapshot for one replica does for another."""
    return (one.no_data, one.functions_only) == (other.no_data, other.functions_only)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # the child had not come so far
