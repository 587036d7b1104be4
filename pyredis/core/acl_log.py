"""The ACL log: what was denied to whom, newest first; what is denied again soon is counted with the entry it has."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from pyredis.core.acl import DENIED_AUTH, DENIED_CHANNEL, DENIED_CMD, DENIED_KEY
from pyredis.core.client import CLIENT_MULTI
from pyredis.core.client_info import client_info

if TYPE_CHECKING:
    from pyredis.core.client import Client

_SAME_WITHIN: Final = 60_000
"""Milliseconds within which entries that are alike are one."""
_LOOK_AT: Final = 10
"""How many of the newest entries are looked at for one that is alike."""
_REASONS: Final = {
    DENIED_CMD: b"command",
    DENIED_KEY: b"key",
    DENIED_CHANNEL: b"channel",
    DENIED_AUTH: b"auth",
}


class AclLogEntry:
    """``count`` denials that are alike; ``time`` (Unix ms) and ``client`` (its line of CLIENT LIST) are the last's."""

    __slots__ = ("client", "context", "count", "name", "reason", "time", "username")

    def __init__(self, reason: bytes, context: bytes, name: bytes, username: bytes, time: int, client: bytes) -> None:
        self.count = 1
        self.reason = reason
        """``command``, ``key``, ``channel`` or ``auth``."""
        self.context = context
        """``toplevel``, ``multi``, ``lua`` or ``module``."""
        self.name = name
        """The command, key or channel that was denied; for ``auth`` the command's name as it was sent."""
        self.username = username
        self.time = time
        self.client = client

    def like(self, other: AclLogEntry) -> bool:
        """Whether two entries are counted as one."""
        return (
            self.name == other.name
            and self.reason == other.reason
            and self.username == other.username
            and self.context == other.context
            and abs(self.time - other.time) <= _SAME_WITHIN
        )


class AclLog:
    """The entries, newest first."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: deque[AclLogEntry] = deque()

    def add(
        self, c: Client, reason: int, name: bytes, argv: list[bytes], username: bytes = b"", context: bytes = b""
    ) -> None:
        """Note what was denied to a client that runs ``argv``. Without ``username`` it is the client's user; without
        ``context`` it is ``multi`` inside of MULTI, else ``toplevel``."""
        where = context or (b"multi" if c.flags & CLIENT_MULTI else b"toplevel")
        who = username if reason == DENIED_AUTH else c.user.name
        server = c.server
        server.stats.denied[reason] = server.stats.denied.get(reason, 0) + 1
        entry = AclLogEntry(_REASONS[reason], where, name, who, server.mstime, client_info(c, argv))
        entries = self.entries
        for known in islice(entries, _LOOK_AT):
            if known.like(entry):
                entries.remove(known)
                entry.count = known.count + 1
                break
        entries.appendleft(entry)
        while len(entries) > server.config.acllog_max_len:
            entries.pop()
