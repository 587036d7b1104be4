"""A snapshot that goes straight to the replicas, as ``repl-diskless-sync`` says: 40 random bytes mark its end.

A forked child writes into a pipe, and what comes out of it goes to the replicas piece by piece; without a fork, slices
of the event loop write. Neither goes on while a replica has too much unsent, so memory holds a megabyte per replica,
whatever the size of the data (and, without a fork, what is changed meanwhile).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from pyredis.core.replication import new_id
from pyredis.persistence.child import ForkedChild, Progress, start_background
from pyredis.persistence.files import FileSink
from pyredis.persistence.rdb_save import encoding_limits, needed_version, new_writer, snapshot_fields, write_keyspace
from pyredis.persistence.rdb_writer import RdbWriter
from pyredis.persistence.slices import SlicedSnapshot
from pyredis.replication.peers import Replica

if TYPE_CHECKING:
    from pyredis.replication.node import Node

PIECE: Final = 64 << 10
MOST_UNSENT: Final = 1 << 20
"""Bytes that may wait for a replica before nothing more is read or written for it."""


def send(node: Node, replica: Replica, data: bytes) -> None:
    """Give a replica a part of a snapshot."""
    stats = node.server.stats
    before = stats.net_output_bytes
    replica.client.conn.write(data)
    replica.ack_time = node.server.mstime
    stats.net_output_bytes = before
    node.output_bytes += len(data)


class DisklessTransfer:
    """One such snapshot, for ``receivers``. ``done(ok)`` is called when all of it has been handed to them.

    It is not called when none of them is left, or after :meth:`kill`: then ``abandoned`` is, or nothing.
    """

    def __init__(
        self, node: Node, receivers: list[Replica], done: Callable[[bool], None], abandoned: Callable[[], None]
    ) -> None:
        self.node = node
        self.server = node.server
        self.receivers = receivers
        self.mark = new_id()
        self._done = done
        self._abandoned = abandoned
        self._work: ForkedChild | SlicedSnapshot | None = None
        self._pipe = -1
        self._reading = False
        """True while the pipe is read."""
        self._slow: set[Replica] = set()
        """Those that will tell when they have taken what was sent."""
        self._ok: bool | None = None
        """Whether the child has succeeded; None while it is at work."""

    def start(self) -> None:
        """Begin: the snapshot is of this moment. Raises OSError."""
        start_background(self.server, self._start_child, self._start_slices)
        self.server.snapshots.begun()

    def go_on(self) -> None:
        """The replicas know what comes: send it."""
        work = self._work
        if type(work) is ForkedChild:
            self.server.log.notice(f"Background RDB transfer started by pid {work.pid}")
            self._read_pipe()
        else:
            self.server.log.notice("Background RDB transfer started in the event loop")

    def left(self) -> list[Replica]:
        """The receivers that are still there."""
        return [one for one in self.receivers if not one.gone()]

    # --- what is written --------------------------------------------------------------------------------------

    def _new_writer(self, sink: Callable[[bytes], object]) -> RdbWriter:
        """Whose beginning has what the replicas want beside the keys: all of them want the same."""
        server = self.server
        fields = snapshot_fields(server, more=self.node.snapshot_fields())
        wanted = self.receivers[0]
        if not wanted.no_data or wanted.functions_only:
            return new_writer(server, sink, fields)
        writer = RdbWriter(sink, encoding_limits(server))
        writer.begin(needed_version(server), fields)
        return writer

    def _start_child(self) -> None:
        reading, writing = os.pipe()

        def work(progress: Progress) -> None:
            writer = self._new_writer(FileSink(self.node.files, writing, False))
            if self.receivers[0].no_data:
                writer.end()
            else:
                write_keyspace(self.server, writer, progress)

        child = ForkedChild(self.server, "rdb", self._child_over)
        try:
            child.start(work, keep=(writing,))
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        os.set_blocking(reading, False)
        self._work, self._pipe = child, reading

    def _start_slices(self) -> None:
        work = SlicedSnapshot(self.server, "rdb", self._slices_over)
        work.begin(self._new_writer(self._take), [] if self.receivers[0].no_data else self.server.dbs)
        self._work = work

    # --- from slices ------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        """A piece of what slices have written."""
        for at in range(0, len(data), PIECE):
            self._send_all(data[at : at + PIECE])
        self.pace()

    def _slices_over(self, ok: bool) -> None:
        self._work = None
        self._end(ok)

    # --- from a child -----------------------------------------------------------------------------------------

    def _read_pipe(self) -> None:
        if not self._reading and self._pipe >= 0 and self.server.loop is not None:
            self._reading = True
            self.server.loop.add_reader(self._pipe, self._pipe_readable)

    def _leave_pipe(self) -> None:
        if self._reading and self.server.loop is not None:
            self._reading = False
            self.server.loop.remove_reader(self._pipe)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._leave_pipe()
            os.close(self._pipe)
            self._pipe = -1

    def _pipe_readable(self) -> None:
        try:
            data = os.read(self._pipe, PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._send_all(data)
            self.pace()
            return
        self._close_pipe()
        self.server.log.warning(f"Diskless rdb transfer, done reading from pipe, {len(self.left())} replicas still up.")
        if self._ok is not None:
            self._end(self._ok)

    def _child_over(self, ok: bool) -> None:
        if self._work is not None:
            self.server.snapshots.last_cow_size = self._work.cow_size
        self._work = None
        self._ok = ok
        if self._pipe < 0:
            self._end(ok)

    # --- both -------------------------------------------------------------------------------------------------

    def _send_all(self, data: bytes) -> None:
        for one in self.receivers:
            if not one.gone():
                send(self.node, one, data)

    def pace(self) -> None:
        """Wait for the slowest replica; with none left there is no need to go on."""
        work = self._work
        if self._pipe < 0 and type(work) is not SlicedSnapshot:
            return
        up = self.left()
        if not up:
            self.server.log.notice("Diskless rdb transfer, last replica dropped, killing fork child.")
            self.kill()
            self._abandoned()
            return
        slow = [one for one in up if one.client.conn.output_bytes() > MOST_UNSENT]
        if type(work) is SlicedSnapshot:
            work.pause() if slow else work.go_on()
        elif slow:
            self._leave_pipe()
        else:
            self._read_pipe()
        for one in slow:
            if one not in self._slow:
                self._slow.add(one)
                one.client.conn.when_drained(partial(self._drained, one))

    def _drained(self, replica: Replica) -> None:
        self._slow.discard(replica)
        self.pace()

    def _end(self, ok: bool) -> None:
        """Nobody writes, and nothing is left in the pipe."""
        log = self.server.log
        self.server.snapshots.ended()
        if ok:
            log.notice("Background RDB transfer terminated with success")
        else:
            log.warning("Background RDB transfer error")
        self._done(ok)

    def kill(self) -> None:
        """End it without a result."""
        if self._work is not None or self._pipe >= 0:
            self.server.snapshots.ended()
        work, self._work = self._work, None
        if work is not None:
            work.kill()
        self._close_pipe()
        self.receivers = []
