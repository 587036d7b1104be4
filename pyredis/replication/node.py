"""A server's place in replication: master or replica, and every change between them.

``offset`` and ``replid`` name the byte of a history up to which this server's data are. A replica that has lost its
master asks the next one to go on from there; a master that becomes a replica does so with its own history.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Final

from pyredis.core.args import get_int, get_range_int, syntax_error
from pyredis.core.client import CLIENT_MASTER, CLIENT_REPLICA, Client
from pyredis.core.client_info import client_info
from pyredis.core.dispatch import GATE_REPLICATION, set_gate
from pyredis.core.durability import AOF_OFF
from pyredis.core.replication import NO_ID, Fields, Replication, new_id
from pyredis.keyspace.db import Database
from pyredis.lib.intparse import string2ll
from pyredis.persistence.files import Files
from pyredis.replication.failover import Failover
from pyredis.replication.link import CONNECTED, STATE_NAMES, TRANSFER, Link
from pyredis.replication.local_deadlines import LocalDeadlines
from pyredis.replication.master import Master
from pyredis.replication.peers import WAIT_START
from pyredis.replication.psync import Handshake
from pyredis.replication.sync import Syncs
from pyredis.replication.transfer import Transfers
from pyredis.resp.errors import CommandError
from pyredis.resp.reply import OK, array, bulk, integer

if TYPE_CHECKING:
    from pyredis.core.command import Command
    from pyredis.core.server import Server

_LONGEST_ADDRESS: Final = 255
_STATE_CHANGED: Final = (
    b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n"
)


class Node(Replication):
    """The replication of one server with sockets."""

    def __init__(self, server: Server, files: Files) -> None:
        super().__init__(server)
        self.files = files
        self.following = Master(self, server)
        """Those who replicate this server."""
        self.transfers = Transfers(self)
        self.syncs = Syncs(self)
        self._local = LocalDeadlines(server)
        self.link: Link | None = None
        self.takeover = Failover(self)
        self.cached = False
        """Whether a master may be asked to go on from ``offset``."""
        self.stream_db = 0
        """The database that the master's stream had selected when the link was lost."""
        self.synced_offset = 0
        """Up to where this replica's append-only file was known to be on the disk."""
        self._snapshot_of = (b"", 0)
        """History and offset of the snapshot that comes."""
        self._down_since = 0.0
        self._last_second = monotonic()
        if server.config.replicaof:
            host, port = server.config.replicaof.rsplit(" ", 1)
            self.master = (host, int(port))
            server.replication = self  # the role's effects are asked for there
            self._apply_role()

    # --- role -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """The data of the disk are loaded: a replica looks for its master."""
        self.server.cron_jobs.append(self.cron)
        self.connect()

    def restore(self, fields: dict[bytes, bytes]) -> None:
        replid, offset = fields.get(b"repl-id", b""), string2ll(fields.get(b"repl-offset", b""))
        if len(replid) != len(NO_ID) or not replid.isalnum() or offset is None or offset < 0:
            return
        if self.master is not None:
            self.replid, self.offset, self.cached = replid, offset, True
            self.stream_db = _database_number(fields, len(self.server.dbs))
        else:
            # A new history begins, for which the old one's name is good up to here.
            self.replid2, self.second_offset, self.offset = replid, offset + 1, offset
            self.following.start_backlog()

    def replicate(self, host: str, port: int) -> None:
        server = self.server
        was_master = self.master is None
        self._drop_link()
        self._end_waits()
        self.master = (host, port)
        server.config.replicaof = f"{host} {port}"
        if was_master:
            self.following.flush()
            self.cached = True
            server.log.role = "S"
            server.log.notice(
                "Before turning into a replica, using my own master parameters to synthesize a cached master: I may be "
                "able to synchronize with the new master with just a partial transfer."
            )
        self._apply_role()
        self._down_since = 0.0 if was_master else self._down_since
        self.connect()

    def _end_waits(self) -> None:
        """Clients that wait for keys are told that the role has changed, and go."""
        for c in list(self.server.blocked_clients):
            if not c.flags & CLIENT_MASTER:
                c.conn.write(_STATE_CHANGED)
                self.server.close_client(c, flush=True)

    def promote(self) -> None:
        server = self.server
        if self.master is None:
            return
        self.master = None
        server.config.replicaof = ""
        server.log.role = "M"
        self._drop_link()
        if self.cached:
            server.log.notice("Discarding previously cached master state.")
        self.cached = False
        self.replid2, self.second_offset = self.replid, self.offset + 1
        self.replid = new_id()
        server.log.warning(
            f"Setting secondary replication ID to {self.replid2.decode()}, valid up to offset: {self.second_offset}. "
            f"New replication ID is {self.replid.decode()}"
        )
        self.following.disconnect()
        self.following.selected = -1
        self._down_since = 0.0
        self._apply_role()

    def _apply_role(self) -> None:
        """Everything that depends on being master or replica."""
        server = self.server
        self.following.attach()
        server.refresh_keep_expired()
        server.refresh_fast_table()
        self.read_only_changed()
        self.refresh_gates()

    def read_only_changed(self) -> None:
        self._local.attach(self.master is not None and not self.server.config.replica_read_only)

    def tracked_expires(self) -> int:
        return len(self._local.keys)

    def refresh_gates(self) -> None:
        closed = self.stale() or self.refuses_writes() or self.async_loading
        set_gate(self.server, GATE_REPLICATION, closed)

    def count_good(self) -> None:
        self.following.count_good()
        self.refresh_gates()

    def resize_backlog(self) -> None:
        self.following.flush()
        if self.following.backlog is not None:
            self.following.backlog.resize(self.server.config.repl_backlog_size)

    def change_id(self) -> None:
        """This history has nothing to do with the one before."""
        self.replid, self.replid2, self.second_offset = new_id(), NO_ID, -1

    def refuses_writes(self) -> bool:
        config = self.server.config
        least = config.min_replicas_to_write
        return bool(self.master is None and least and config.min_replicas_max_lag and self.following.good < least)

    # --- the link to the master -------------------------------------------------------------------------------

    def connect(self, verb: str = "Connecting") -> None:
        """Make a connection to the master, if there is none."""
        if self.server.disk_error() is not None and not self.server.config.replica_ignore_disk_write_errors:
            return  # what it would take over could not be kept
        if self.master is not None and self.link is None and self.server.loop is not None:
            self.link = Link(self, *self.master)
            self.link.open(verb)

    def _drop_link(self) -> None:
        link, self.link = self.link, None
        if link is not None:
            link.end()

    def new_handshake(self) -> Handshake:
        """What to say to the master."""
        config = self.server.config
        port = config.replica_announce_port or (
            config.tls_port if config.tls_replication and config.tls_port else config.port
        )
        replid = self.replid if self.cached else b""
        handshake = Handshake(replid, self.offset + 1, port)
        handshake.user = config.masteruser.encode("utf-8", "surrogateescape")
        handshake.password = config.masterauth.encode("utf-8", "surrogateescape")
        handshake.announce_ip = config.replica_announce_ip.encode("utf-8", "surrogateescape")
        handshake.failover = self.takeover.in_progress()
        return handshake

    def handshake_over(self, handshake: Handshake) -> None:
        """The master has answered PSYNC."""
        self.takeover.answered(handshake.result)
        if handshake.replid and handshake.offset >= 0:
            self._snapshot_of = (handshake.replid, handshake.offset)
        else:
            self._snapshot_of = (b"", 0)

    def take_continue(self, handshake: Handshake) -> None:
        """The master goes on with the stream, perhaps under another name."""
        if handshake.replid and handshake.replid != self.replid:
            self.replid2, self.second_offset = self.replid, self.offset + 1
            self.replid = handshake.replid
            self.server.log.warning(f"Master replication ID changed to {self.replid.decode()}")
            self.following.disconnect()
        self.following.start_backlog()

    def same_history(self) -> bool:
        """Whether the snapshot that comes is of the history that this replica has followed."""
        return self._snapshot_of[0] == self.replid

    def drop_history(self) -> None:
        """The data are going to be others: own replicas have to ask anew, and nothing goes on from here."""
        if self.cached:
            self.server.log.notice("Discarding previously cached master state.")
        self.cached = False
        self.following.disconnect()
        self.following.drop_backlog()
        if self.server.aof.state != AOF_OFF:
            self.server.aof.stop()

    def empty_data(self) -> None:
        """All keys go, without a word to anybody but those who watch or cache them, and all functions."""
        self._local.keys.clear()
        if self.server.libraries.dump():
            self.server.libraries.clear()
        for db in self.server.dbs:
            self.server.forget_data(db, self.server.config.replica_lazy_flush)

    def replace_data(self, db: Database, other: Database) -> None:
        """The keys of ``other``, which nobody else knows, take the place of a database's."""
        self.server.forget_data(db, True)
        db.swap_contents(other)

    def persists(self) -> bool:
        """Whether this server keeps anything on its disk."""
        return bool(self.server.config.save) or self.server.config.appendonly

    def take_snapshot(self, fields: dict[bytes, bytes]) -> None:
        """A master's snapshot is loaded: this is its history now."""
        replid, offset = self._snapshot_of
        self.replid, self.offset = replid or new_id(), offset
        self.replid2, self.second_offset = NO_ID, -1
        self.stream_db = _database_number(fields, len(self.server.dbs))
        self.cached = bool(replid)
        self.following.start_backlog()
        if self.server.config.appendonly:
            try:
                self.server.aof.start()
            except OSError as e:
                self.server.log.warning(f"Can't switch the append-only file on again: {e.strerror or e}")

    def link_is_up(self) -> None:
        """The stream comes."""
        self.link_up = True
        self._down_since = 0.0
        self.refresh_gates()

    def link_ended(self, link: Link, was_up: bool, refused: bool) -> None:
        """A connection to the master is over."""
        lost = self.link is link
        if lost:
            self.link = None
        if was_up:
            self.link_up = False
            self.cached = True
            self._down_since = self.server.clock.time()
            self.server.log.warning("Connection with master lost.")
            self.server.log.notice("Caching the disconnected master state.")
            if lost and link.lasted() >= 1.0:
                self.connect("Reconnecting")
        self.refresh_gates()
        if refused:
            self.takeover.refused()

    def follow(self, data: bytes) -> None:
        """Part of the master's stream was applied; it goes on to this server's replicas as it came."""
        self.following.add(data, False)

    # --- commands of replicas ---------------------------------------------------------------------------------

    def sync(self, c: Client, argv: list[bytes]) -> None:
        self.syncs.sync(c, argv)

    def configure(self, c: Client, argv: list[bytes]) -> bytes | None:
        if len(argv) % 2 == 0:
            raise syntax_error()
        replica = self.following.replica(c)
        for at in range(1, len(argv), 2):
            name, value = argv[at].lower(), argv[at + 1]
            if name == b"listening-port":
                replica.port = get_int(value)
            elif name == b"ip-address":
                if len(value) > _LONGEST_ADDRESS:
                    raise CommandError(
                        b"ERR REPLCONF ip-address provided by replica instance is too long: %d bytes" % len(value)
                    )
                replica.address = value
            elif name == b"capa":
                replica.capa_eof = replica.capa_eof or value.lower() == b"eof"
                replica.capa_psync2 = replica.capa_psync2 or value.lower() == b"psync2"
            elif name == b"ack":
                self._take_ack(c, argv, at)
                return None
            elif name == b"getack":
                if c.flags & CLIENT_MASTER and self.link is not None:
                    self.link.ack_wanted = True
                return None
            elif name == b"rdb-only":
                message = b"ERR value is out of range, value must between 0 and 1"
                replica.rdb_only = bool(get_range_int(value, 0, 1, message))
            elif name == b"rdb-filter-only":
                self._set_filter(c, value)
            elif name == b"version" and self.server.compat >= 801:
                get_int(value)
            else:
                raise CommandError(b"ERR Unrecognized REPLCONF option: " + argv[at])
        return OK

    def _set_filter(self, c: Client, value: bytes) -> None:
        replica = self.following.replica(c)
        words = value.split()
        for word in words:
            if word.lower() != b"functions":
                raise CommandError(b"ERR Unsupported rdb-filter-only option: " + word)
        replica.no_data = True
        replica.functions_only = bool(words)

    def _take_ack(self, c: Client, argv: list[bytes], at: int) -> None:
        """An acknowledgement never has a reply."""
        replica = self.following.replicas.get(c)
        offset = string2ll(argv[at + 1])
        if not c.flags & CLIENT_REPLICA or replica is None or offset is None:
            return
        disk = 0
        if len(argv) > at + 3 and argv[at + 2].lower() == b"fack":
            disk = string2ll(argv[at + 3]) or 0
        self.following.acknowledge(replica, offset, disk)

    def client_gone(self, c: Client) -> None:
        replica = self.following.replicas.get(c)
        if replica is not None:
            self.following.forget(c)
            self.transfers.replica_gone(replica)
            if replica.state == WAIT_START:
                self.transfers.look()

    def replied(self, c: Client, cmd: Command | None) -> None:
        name = cmd.fullname.decode() if cmd is not None else ""
        self.server.log.warning(
            f"Replica generated a reply to command '{name}', disconnecting it: {client_info(c).decode()}"
        )
        self.server.close_client(c)

    # --- commands of clients ----------------------------------------------------------------------------------

    def feed_replicas(self, db: int, argv: list[bytes]) -> None:
        self.following.feed_command(db, argv)

    def failover(self, address: tuple[str, int] | None, timeout: int, force: bool) -> None:
        self.takeover.begin(address, timeout, force)

    def abort_failover(self) -> None:
        self.takeover.abort_by_command()

    def acknowledged(self, offset: int, on_disk: bool) -> int:
        return self.following.acknowledged(offset, on_disk)

    def request_acks(self) -> None:
        self.following.request_acks()

    # --- telling ----------------------------------------------------------------------------------------------

    def snapshot_fields(self) -> dict[bytes, bytes]:
        following = self.following
        if self.master is None:
            if following.backlog is None:
                return {}
            number = max(following.selected, 0)
        elif self.link is not None and self.link.client is not None:
            number = self.link.client.db.id
        elif self.cached:
            number = self.stream_db
        else:
            return {}
        return {b"repl-stream-db": b"%d" % number, b"repl-id": self.replid, b"repl-offset": b"%d" % self.offset}

    def connected_replicas(self) -> int:
        return len(self.following.connected())

    def backlog_bytes(self) -> int:
        backlog = self.following.backlog
        return backlog.size if backlog is not None else 0

    def lagging(self) -> list[str]:
        return self.following.lagging()

    def buffer_bytes(self) -> int:
        return self.following.buffer_bytes()

    def needs_cron(self) -> bool:
        return self.master is not None or self.following.backlog is not None

    def describe_replicas(self) -> list[Fields]:
        return self.following.describe()

    def info(self) -> Fields:
        fields: Fields = [("role", "master" if self.master is None else "slave")]
        if self.master is not None:
            fields += self._link_fields(*self.master)
        fields += self.following.info()
        fields.append(("master_failover_state", self.takeover.state))
        return fields + self.history()

    def _link_fields(self, host: str, port: int) -> Fields:
        config = self.server.config
        link = self.link
        idle = int(monotonic() - link.last_io) if link is not None else -1
        receiver = link.receiver if link is not None else None
        syncing = link is not None and link.state == TRANSFER
        fields: Fields = [
            ("master_host", host),
            ("master_port", port),
            ("master_link_status", "up" if self.link_up else "down"),
            ("master_last_io_seconds_ago", idle if self.link_up else -1),
            ("master_sync_in_progress", int(syncing)),
            ("slave_read_repl_offset", self.offset),
            ("slave_repl_offset", self.offset),
        ]
        if syncing:
            # -1 before the master has told, 0 if it cannot.
            total = max(receiver.header.length, 0) if receiver is not None else -1
            done = receiver.received if receiver is not None else 0
            done = min(done, total) if total > 0 else done
            fields += [
                ("master_sync_total_bytes", total),
                ("master_sync_read_bytes", done),
                ("master_sync_left_bytes", total - done),
                ("master_sync_perc", f"{done * 100 / total if total else 0.0:.2f}"),
                ("master_sync_last_io_seconds_ago", idle),
            ]
        if not self.link_up:
            down = int(self.server.clock.time() - self._down_since) if self._down_since else -1
            fields.append(("master_link_down_since_seconds", down))
        return [
            *fields,
            ("slave_priority", config.replica_priority),
            ("slave_read_only", int(config.replica_read_only)),
            ("replica_announced", int(config.replica_announced)),
        ]

    def history(self) -> Fields:
        backlog = self.following.backlog
        self.following.flush()
        return [
            ("master_replid", self.replid.decode()),
            ("master_replid2", self.replid2.decode()),
            ("master_repl_offset", self.offset),
            ("second_repl_offset", self.second_offset),
            ("repl_backlog_active", int(backlog is not None)),
            ("repl_backlog_size", self.server.config.repl_backlog_size),
            ("repl_backlog_first_byte_offset", backlog.first() if backlog is not None else 0),
            ("repl_backlog_histlen", backlog.length if backlog is not None else 0),
        ]

    def role(self) -> bytes:
        if self.master is None:
            return self.following.role()
        host, port = self.master
        state = STATE_NAMES[self.link.state] if self.link is not None else b"connect"
        offset = self.offset if self.link_up else -1
        return array(
            [bulk(b"slave"), bulk(host.encode("utf-8", "surrogateescape")), integer(port), bulk(state), integer(offset)]
        )

    # --- cron -------------------------------------------------------------------------------------------------

    def cron(self) -> None:
        """Once a second: connect, acknowledge, look for dead peers."""
        self.takeover.cron()
        self._local.cron()
        now = monotonic()
        if now - self._last_second < 1.0:
            return
        self._last_second = max(self._last_second + 1.0, now - 1.0)
        if self.master is not None:
            if self.link is None:
                self.connect()
            else:
                self._look_after(self.link, now)
        self.following.every_second()
        if self.transfers.waiting():
            self.transfers.look()

    def _look_after(self, link: Link, now: float) -> None:
        log = self.server.log
        silent = now - link.last_io > self.server.config.repl_timeout
        if link.state == CONNECTED:
            if silent:
                log.warning("MASTER timeout: no data nor PING received...")
                link.end()
            else:
                link.ack()
        elif link.state == TRANSFER:
            if link.receiver is not None and link.receiver.complete():
                link.write_to_master(b"\n")
            elif silent:
                log.warning(
                    "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' "
                    "parameter in redis.conf to a larger value."
                )
                link.end()
            elif self.server.loading is not None:
                link.write_to_master(b"\n")
        elif silent:
            log.warning("Timeout connecting to the MASTER...")
            link.end()

    def close(self) -> None:
        """The server ends."""
        self.transfers.close()
        self.following.flush()
        self._drop_link()


def _database_number(fields: dict[bytes, bytes], databases: int) -> int:
    number = string2ll(fields.get(b"repl-stream-db", b"0")) or 0
    return number if 0 <= number < databases else 0
