"""The master's side: the stream of changes, the backlog, the replicas and their acknowledgements.

A change costs one list append here. At the end of the loop's turn all of them leave as one piece: into the backlog, to
each replica, or into the queue of one that is still getting its snapshot (all queues share the same bytes objects).
"""

from __future__ import annotations

import os
import socket
from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.core.client import CLIENT_CLOSED, CLIENT_REPLICA
from pyredis.core.dispatch import refresh_fast
from pyredis.replication.backlog import Backlog
from pyredis.replication.peers import NO_SYNC, ONLINE, SEND_BULK, STATE_NAMES, WAIT_START, Replica
from pyredis.resp.command import encode_command
from pyredis.resp.reply import array, bulk, integer

if TYPE_CHECKING:
    from pyredis.core.client import Client
    from pyredis.core.server import Server
    from pyredis.replication.node import Node

_PING: Final = encode_command((b"PING",))
_GETACK: Final = encode_command((b"REPLCONF", b"GETACK", b"*"))


class Master:
    """The stream of one server, and those who follow it."""

    def __init__(self, node: Node, server: Server) -> None:
        self.node = node
        self.server = server
        self.backlog: Backlog | None = None
        self.replicas: dict[Client, Replica] = {}
        """Every connection that has sent REPLCONF, SYNC or PSYNC."""
        self.good = 0
        """Replicas that keep up, as ``min-replicas-max-lag`` says."""
        self.selected = -1
        """The database that the stream has selected; -1: the next command selects one in any case."""
        self._parts: list[bytes] = []
        self._held: list[tuple[int, list[bytes]]] = []
        """Commands that are no change of data and came in a transaction: they follow it."""
        self._flush_due = False
        self._ping_in = server.config.repl_ping_replica_period
        self._no_replicas_since = monotonic()

    # --- the stream -------------------------------------------------------------------------------------------

    def start_backlog(self) -> None:
        """Make the backlog; from now on there is a stream."""
        if self.backlog is None:
            self.backlog = Backlog(self.server.config.repl_backlog_size, self.node.offset)
            self._no_replicas_since = monotonic()
        self.attach()

    def attach(self) -> None:
        """The changes of this server go into the stream, if it is a master and there is one."""
        feeders = self.server.feeders
        wanted = self.backlog is not None and self.node.master is None
        if wanted and self.feed not in feeders:
            feeders.append(self.feed)
        elif not wanted and self.feed in feeders:
            self.flush()
            feeders.remove(self.feed)

    def drop_backlog(self) -> None:
        """Forget the stream: replicas that are away need a snapshot."""
        self.flush()
        self.backlog = None
        self.attach()

    def feed(self, db: int, data: bytes) -> None:
        """Take encoded commands that ran in database ``db`` (a feeder of the server)."""
        if db != self.selected:
            self.selected = db
            self.add(encode_command((b"SELECT", b"%d" % db)), True)
        self.node.offset += len(data)
        self._parts.append(data)
        if not self._flush_due:
            self._due()

    def add(self, data: bytes, own: bool) -> None:
        """Put bytes into the stream: ``own`` ones that are no change of data, or the master's of this server."""
        if own:
            self.server.fed += len(data)  # so that offsets and ``fed`` keep their distance
        self.node.offset += len(data)
        self._parts.append(data)
        if not self._flush_due:
            self._due()

    def feed_command(self, db: int, argv: list[bytes]) -> None:
        """Put a command that is no change of data (PUBLISH) into the stream."""
        if self.backlog is None or self.node.master is not None:
            return
        self._held.append((db, argv))
        if not self.server.nesting:
            self._release_held()
        elif not self._flush_due:
            self._due()

    def _release_held(self) -> None:
        held, self._held = self._held, []
        for db, argv in held:
            data = encode_command(argv)
            self.server.fed += len(data)
            self.feed(db, data)

    def _due(self) -> None:
        self._flush_due = True
        if self.server.loop is not None:
            self.server.loop.call_soon(self.flush)

    def flush(self) -> None:
        """The end of a turn: what it added to the stream leaves."""
        if self._held and not self.server.nesting:
            self._release_held()
        self._flush_due = False
        parts = self._parts
        if not parts:
            return
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        if self.backlog is not None:
            self.backlog.append(data)
        stats = self.server.stats
        for replica in list(self.replicas.values()):
            if replica.streaming:
                replica.client.conn.write(data)
                self.node.output_bytes += len(data)
                stats.net_output_bytes -= len(data)
            elif replica.state > WAIT_START and not replica.rdb_only:
                replica.enqueue(data)
                self._check_queue(replica)

    def _check_queue(self, replica: Replica) -> None:
        """The output limit of replicas, for what is queued behind a snapshot."""
        server = self.server
        hard, soft, seconds = server.config.client_output_buffer_limit["replica"]
        hard = max(hard, server.config.repl_backlog_size) if hard else 0
        waiting = replica.queued
        over = bool(hard) and waiting > hard
        if soft and waiting > soft:
            replica.over_soft_since = replica.over_soft_since or server.mstime
            over = over or server.mstime - replica.over_soft_since > seconds * 1000
        else:
            replica.over_soft_since = 0
        if over:
            server.stats.output_buffer_limit_disconnections += 1
            server.log.warning(f"Replica {replica.name()} closed for overcoming of output buffer limits.")
            server.close_client(replica.client)

    # --- replicas ---------------------------------------------------------------------------------------------

    def replica(self, c: Client) -> Replica:
        """What is known of a connection that behaves like a replica."""
        found = self.replicas.get(c)
        if found is None:
            found = self.replicas[c] = Replica(c)
        return found

    def connected(self) -> list[Replica]:
        """The replicas that have asked for the stream or a snapshot, the first to come first."""
        return [one for one in self.replicas.values() if one.state != NO_SYNC]

    def online(self) -> list[Replica]:
        """The replicas that follow the stream."""
        return [one for one in self.replicas.values() if one.state == ONLINE]

    def enlist(self, replica: Replica, state: int) -> None:
        """A connection has become a replica's."""
        c = replica.client
        replica.state = state
        replica.since = replica.ack_time = self.server.mstime
        c.flags |= CLIENT_REPLICA
        refresh_fast(c)
        if self.server.config.repl_disable_tcp_nodelay:
            _gather_packets(c)

    def bring_online(self, replica: Replica) -> None:
        """The snapshot is at the replica: the stream follows, at once or when it says that it has loaded it."""
        replica.state = ONLINE
        replica.ack_time = self.server.mstime
        if replica.rdb_only:
            self.server.log.notice(
                f"RDB transfer completed, rdb only replica ({replica.name()}) should be disconnected asap"
            )
            return
        if not replica.start_on_ack:
            self.flush()
            replica.start_streaming()
        self.count_good()
        self.server.log.notice(f"Synchronization with replica {replica.name()} succeeded")

    def forget(self, c: Client) -> None:
        """A connection has ended."""
        replica = self.replicas.pop(c, None)
        if replica is None or replica.state == NO_SYNC:
            return
        self.server.log.warning(f"Connection with replica {replica.name()} lost.")
        if not self.connected():
            self._no_replicas_since = monotonic()
        self.count_good()

    def disconnect(self) -> None:
        """End all replicas' connections: the history has another name now, and they have to ask anew."""
        self.flush()
        for replica in list(self.replicas.values()):
            if replica.state != NO_SYNC:
                self.server.close_client(replica.client, flush=replica.streaming)

    # --- acknowledgements -------------------------------------------------------------------------------------

    def acknowledge(self, replica: Replica, offset: int, disk: int) -> None:
        """A replica says how far it is."""
        replica.ack_offset = max(replica.ack_offset, offset)
        replica.disk_offset = max(replica.disk_offset, disk)
        replica.ack_time = self.server.mstime
        if replica.start_on_ack and replica.state == ONLINE:
            replica.start_on_ack = False
            self.flush()
            replica.start_streaming()
        self.count_good()
        self.node.serve_waiting()
        self.node.takeover.look()

    def acknowledged(self, offset: int, on_disk: bool) -> int:
        """How many replicas have the stream up to ``offset``."""
        return sum((one.disk_offset if on_disk else one.ack_offset) >= offset for one in self.online())

    def request_acks(self) -> None:
        """Ask the replicas how far they are; once in a turn is enough."""
        if self.backlog is not None and self.online() and (not self._parts or self._parts[-1] is not _GETACK):
            self.add(_GETACK, True)

    def count_good(self) -> None:
        """``min-replicas-to-write``: how many replicas have been heard of within ``min-replicas-max-lag`` seconds."""
        config = self.server.config
        if not config.min_replicas_to_write or not config.min_replicas_max_lag:
            self.good = 0
            return
        now = self.server.mstime
        good = sum((now - one.ack_time) // 1000 <= config.min_replicas_max_lag for one in self.online())
        if good != self.good:
            self.good = good
            self.node.refresh_gates()

    # --- telling ----------------------------------------------------------------------------------------------

    def describe(self) -> list[list[tuple[str, object]]]:
        """What INFO tells of each replica."""
        now = self.server.mstime
        found: list[list[tuple[str, object]]] = []
        for one in self.connected():
            host = one.host()
            if not host:
                continue  # a unix socket has none
            lag = (now - one.ack_time) // 1000 if one.state == ONLINE and not one.rdb_only else 0
            state = STATE_NAMES[one.state]
            where: list[tuple[str, object]] = [("ip", host), ("port", one.port), ("state", state)]
            found.append([*where, ("offset", one.ack_offset), ("lag", max(lag, 0))])
        return found

    def info(self) -> list[tuple[str, object]]:
        """The lines of INFO about replicas."""
        lines: list[tuple[str, object]] = [("connected_slaves", len(self.connected()))]
        config = self.server.config
        if config.min_replicas_to_write and config.min_replicas_max_lag:
            lines.append(("min_slaves_good_slaves", self.good))
        for at, fields in enumerate(self.describe()):
            lines.append((f"slave{at}", ",".join([f"{name}={value}" for name, value in fields])))
        return lines

    def role(self) -> bytes:
        """The reply of ROLE."""
        rows = [
            array([bulk(one.host().encode()), bulk(b"%d" % one.port), bulk(b"%d" % one.ack_offset)])
            for one in self.online()
        ]
        return array([bulk(b"master"), integer(self.node.offset), array(rows)])

    def lagging(self) -> list[str]:
        """A line for each replica that does not have everything."""
        now, offset = self.server.mstime, self.node.offset
        return [
            f"Lagging replica {one.name()} reported offset {offset - one.ack_offset} behind master, "
            f"lag={(now - one.ack_time) // 1000 if one.state == ONLINE else 0}, state={STATE_NAMES[one.state]}."
            for one in self.connected()
            if one.ack_offset != offset and not one.rdb_only
        ]

    def buffer_bytes(self) -> int:
        """Bytes that wait for replicas, those queued for several of them counted once."""
        return max([one.queued for one in self.replicas.values()], default=0) + sum(map(len, self._parts))

    # --- cron -------------------------------------------------------------------------------------------------

    def every_second(self) -> None:
        """Keep the connections alive, end those that are dead, let an unused backlog go."""
        server, config = self.server, self.server.config
        now = server.mstime
        replicas = self.connected()
        self._ping_in -= 1
        if self._ping_in <= 0:
            self._ping_in = config.repl_ping_replica_period
            if replicas and self.node.master is None and self.backlog is not None and not self.node.failing_over:
                self.add(_PING, True)
        for one in replicas:
            if one.state == WAIT_START or (one.state == SEND_BULK - 1 and not self.node.transfers.to_sockets()):
                one.client.conn.write(b"\n")
        for one in replicas:
            late = now - one.ack_time > config.repl_timeout * 1000
            if one.state == ONLINE and not one.old_protocol and not one.rdb_only and late:
                self._end(one, "streaming sync")
            elif one.state not in (ONLINE, WAIT_START) and late and self.node.transfers.stalled(one):
                self._end(one, "full sync")
        if self.backlog is not None and self.node.master is None and not replicas and config.repl_backlog_ttl:
            idle = monotonic() - self._no_replicas_since
            if idle > config.repl_backlog_ttl:
                self.node.change_id()
                self.drop_backlog()
                server.log.notice(f"Replication backlog freed after {int(idle)} seconds without connected replicas.")
        self.count_good()

    def _end(self, replica: Replica, doing: str) -> None:
        if not replica.client.flags & CLIENT_CLOSED:
            self.server.log.warning(f"Disconnecting timedout replica ({doing}): {replica.name()}")
            self.server.close_client(replica.client)


def _gather_packets(c: Client) -> None:
    """``repl-disable-tcp-nodelay``: fewer and larger packets, which come up to 40 ms later."""
    fd = c.conn.fileno()
    if fd < 0:
        return
    try:
        with socket.socket(fileno=os.dup(fd)) as same:
            same.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    except OSError:
        pass  # a unix socket, or a peer that has gone
