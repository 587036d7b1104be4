"""One client's state: what the connection has chosen, what waits for it, and which commands it may run unasked.

A client knows its connection only as a :class:`Connection` (four calls), so that sockets, in-process clients and
tests use the same dispatcher. ``fast`` is the gate of the hot path: see ``core/dispatch``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from pyredis.core.acl import User
    from pyredis.core.command import Command
    from pyredis.core.server import Server
    from pyredis.keyspace.db import Database

CLIENT_MULTI: Final = 1 << 0
CLIENT_BLOCKED: Final = 1 << 1
CLIENT_DIRTY_CAS: Final = 1 << 2  # a watched key changed: EXEC fails
CLIENT_DIRTY_EXEC: Final = 1 << 3  # a command was refused while queueing: EXEC aborts
CLIENT_CLOSE_AFTER_REPLY: Final = 1 << 4
CLIENT_CLOSED: Final = 1 << 5
CLIENT_PUBSUB: Final = 1 << 6
CLIENT_MONITOR: Final = 1 << 7
CLIENT_REPLY_OFF: Final = 1 << 8
CLIENT_REPLY_SKIP_NEXT: Final = 1 << 9
CLIENT_REPLY_SKIP: Final = 1 << 10
CLIENT_DENY_BLOCKING: Final = 1 << 11  # inside EXEC (or a script): blocking commands do not block
CLIENT_NO_EVICT: Final = 1 << 12
CLIENT_NO_TOUCH: Final = 1 << 13
CLIENT_UNIX_SOCKET: Final = 1 << 14
CLIENT_PAUSED: Final = 1 << 15  # parked by CLIENT PAUSE
CLIENT_REPLICA: Final = 1 << 16
CLIENT_MASTER: Final = 1 << 17
CLIENT_UNBLOCKED: Final = 1 << 18  # waits no more, and goes on in a turn of its own soon
CLIENT_HAS_MORE: Final = 1 << 19  # has sent so much that others have a turn before it goes on
CLIENT_UNACKNOWLEDGED: Final = 1 << 20  # its change could not be written to disk yet, so it has no reply yet
CLIENT_METERED: Final = 1 << 21  # memory is limited: its connection asks before it runs what it has received
CLIENT_TRACKING: Final = 1 << 24  # CLIENT TRACKING ON: what it reads is remembered, and it is told of changes
CLIENT_SCRIPT: Final = 1 << 30  # the client that runs the commands of scripts

CLIENT_STOP: Final = (
    CLIENT_BLOCKED
    | CLIENT_CLOSE_AFTER_REPLY
    | CLIENT_CLOSED
    | CLIENT_PAUSED
    | CLIENT_UNBLOCKED
    | CLIENT_HAS_MORE
    | CLIENT_UNACKNOWLEDGED
)
"""Flags with which the batch of commands at hand does not go on."""
CLIENT_GATED: Final = (
    CLIENT_MULTI
    | CLIENT_REPLICA
    | CLIENT_MONITOR
    | CLIENT_REPLY_OFF
    | CLIENT_REPLY_SKIP_NEXT
    | CLIENT_REPLY_SKIP
    | CLIENT_DENY_BLOCKING
    | CLIENT_NO_TOUCH
    | CLIENT_TRACKING
    | CLIENT_STOP
)
"""Flags with which every command takes the path with all checks."""
_NO_PUSH: Final = CLIENT_CLOSED | CLIENT_CLOSE_AFTER_REPLY
_NO_REPLY: Final = _NO_PUSH | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP


class Connection(Protocol):
    """What a client needs of its connection."""

    def write(self, data: bytes) -> None:
        """Send."""

    def close(self, flush: bool) -> None:
        """End the connection; with ``flush`` after what was written has left."""

    def may_run(self) -> bool:
        """False while no more replies are wanted: so many are not sent yet."""

    def resume_reading(self) -> None:
        """The client waits no more: go on with what it has sent meanwhile."""

    def limits_changed(self) -> None:
        """The configuration has other limits for clients now."""

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back once, when (nearly) everything written has been sent; in the next turn if that is so already."""

    def output_bytes(self) -> int:
        """Bytes written and not sent yet."""

    def input_bytes(self) -> int:
        """Bytes received and not parsed yet."""

    def fileno(self) -> int:
        """The socket's number; -1 if there is none."""


class NoConnection:
    """The connection of a client that is nobody's (a script's, a replayed file's): replies go nowhere."""

    def write(self, data: bytes) -> None:
        """Forget a reply."""

    def close(self, flush: bool) -> None:
        """Nothing to close."""

    def may_run(self) -> bool:
        """Nobody reads, so nothing piles up."""
        return True

    def resume_reading(self) -> None:
        """Nothing was sent meanwhile."""

    def limits_changed(self) -> None:
        """No limits."""

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Nothing is ever sent, so there is nothing to wait for."""
        callback()

    def output_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def input_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def fileno(self) -> int:
        """There is no socket."""
        return -1


class BlockedState:
    """Why a client waits: for which keys, until when, and the command that is run again when a key is ready."""

    __slots__ = (
        "alarm",
        "argv",
        "command",
        "db",
        "deadline",
        "keys",
        "kind",
        "on_gone",
        "on_timeout",
        "ready",
        "request",
        "timer",
    )

    def __init__(self, kind: int, db: Database, keys: list[bytes], deadline: float) -> None:
        self.kind = kind
        self.db = db
        self.keys = keys
        self.deadline = deadline
        """Loop time at which to give up; 0 = never."""
        self.argv: list[bytes] = []
        self.command: Command | None = None
        self.on_timeout: bytes = b""
        self.on_gone: bytes = b""
        """The error with which the wait ends when a key is deleted or becomes something else; empty = wait on."""
        self.request: Any = None
        """What the command has made of its arguments, where that must not be done anew."""
        self.ready: bytes | None = None
        """The key for which the command is run again."""
        self.timer: Any = None
        self.alarm: Any = None
        """Set where the command is also run again at a time, without any change of its keys."""


class TrackingState:
    """What a client has chosen with CLIENT TRACKING; ``CLIENT_TRACKING`` in its flags says whether it is on."""

    __slots__ = ("bcast", "broken", "caching", "noloop", "optin", "optout", "prefixes", "redirect", "remembered")

    def __init__(self) -> None:
        self.redirect = 0
        """The ID of the client that gets the messages; 0 = this one."""
        self.broken = False
        """True once a message could not be redirected, as that client has gone."""
        self.bcast = False
        self.optin = False
        self.optout = False
        self.noloop = False
        self.caching = False
        """CLIENT CACHING was called: the next command (or transaction) is an exception from the rule."""
        self.prefixes: dict[bytes, None] = {}
        self.remembered = 0
        """How many entries were made for the client in the table of keys, those that have gone included."""


class Client:
    """A connected client."""

    __slots__ = (
        "addr",
        "authenticated",
        "blocked",
        "channels",
        "close_reason",
        "commands",
        "conn",
        "ctime",
        "db",
        "fast",
        "fed",
        "flags",
        "id",
        "laddr",
        "last_cmd",
        "last_interaction",
        "lib_name",
        "lib_ver",
        "multi",
        "multi_mem",
        "name",
        "net_in",
        "net_out",
        "out",
        "out_soft_since",
        "patterns",
        "pending",
        "resp",
        "rewritten",
        "server",
        "shard_channels",
        "tracking",
        "user",
        "watched",
    )

    def __init__(self, server: Server, client_id: int, conn: Connection, addr: bytes, laddr: bytes) -> None:
        self.server = server
        self.id = client_id
        self.conn = conn
        self.addr = addr
        """``ip:port`` of the peer (``/path:0`` for a unix socket)."""
        self.laddr = laddr
        self.db: Database = server.dbs[0]
        self.fast: dict[bytes, Command] = {}
        """Raw name (upper or lower case) → commands that this client may run now without any question asked."""
        self.flags = 0
        self.resp = 2
        self.out: list[bytes] = []
        """Encoded replies of the batch at hand, not handed to the connection yet."""
        self.authenticated = False
        self.user: User = server.users.default
        self.name = b""
        self.lib_name = b""
        self.lib_ver = b""
        self.ctime = server.mstime
        self.last_interaction = server.mstime
        self.last_cmd: Command | None = None
        self.multi: list[tuple[Command, list[bytes]]] | None = None
        self.multi_mem = 0
        """Bytes of the commands queued, with a pointer for each word, as Redis counts them."""
        self.watched: dict[tuple[int, bytes], bool] = {}
        """(db number, key) → True if the key was expired already when WATCH came."""
        self.channels: dict[bytes, None] = {}
        self.patterns: dict[bytes, None] = {}
        self.shard_channels: dict[bytes, None] = {}
        self.blocked: BlockedState | None = None
        self.pending: list[list[bytes]] = []
        """Commands that arrived while the client was blocked or paused."""
        self.fed = 0
        """``server.fed`` after this client's last change: what WAITAOF waits for."""
        self.rewritten: list[list[bytes]] | None = None
        """What the running command propagates instead of itself (several commands, or none)."""
        self.out_soft_since = 0
        self.tracking: TrackingState | None = None
        """None until CLIENT TRACKING is first used."""
        self.close_reason = b""
        self.net_in = self.net_out = 0
        """Bytes received and sent."""
        self.commands = 0
        """How many it has run."""

    def add_reply(self, data: bytes) -> None:
        """Queue an encoded reply; it leaves with the next flush. Nothing follows the last reply of a client."""
        if not self.flags & _NO_REPLY:
            if not self.out:
                self.server.pending_writes[self] = None
            self.out.append(data)

    def add_push(self, data: bytes) -> None:
        """Queue a message of publish and subscribe: CLIENT REPLY does not silence those."""
        if not self.flags & _NO_PUSH:
            if not self.out:
                self.server.pending_writes[self] = None
            self.out.append(data)

    def auth_required(self) -> bool:
        """True if this client has to say first who it is: the default user has a password, or is off."""
        default = self.server.users.default
        return not self.authenticated and not (default.nopass and default.on)

    def subscriptions(self) -> int:
        """Channels and patterns (shard channels are counted apart)."""
        return len(self.channels) + len(self.patterns)

    def is_local(self) -> bool:
        """Whether the client is on this machine: the loopback interface or a unix socket."""
        return bool(self.flags & CLIENT_UNIX_SOCKET) or self.addr.startswith((b"127.0.0.1:", b"[::1]:"))

    def subscribed(self) -> bool:
        """True while there is any subscription: with RESP2 only a few commands are allowed then."""
        return bool(self.channels or self.patterns or self.shard_channels)
