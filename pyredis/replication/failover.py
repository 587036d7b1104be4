"""FAILOVER: a master hands its role to a replica that has everything, with clients' writes held back meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyredis.replication.peers import ONLINE, Replica
from pyredis.replication.psync import CONTINUE, FULL
from pyredis.resp.errors import CommandError

if TYPE_CHECKING:
    from pyredis.replication.node import Node

_NONE: Final = "no-failover"
_WAITING: Final = "waiting-for-sync"
_RUNNING: Final = "failover-in-progress"


class Failover:
    """The failover that one server is in, if any. Times are Unix milliseconds."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.server = node.server
        self.state = _NONE
        self._target: tuple[str, int] | None = None
        """The replica asked for; None: whichever is in step first."""
        self._deadline = 0
        self._force = False

    def in_progress(self) -> bool:
        """Whether a replica has been asked to take over, or the next PSYNC asks it."""
        return self.state == _RUNNING

    # --- commands ---------------------------------------------------------------------------------------------

    def begin(self, target: tuple[str, int] | None, timeout: int, force: bool) -> None:
        """FAILOVER. Raises CommandError."""
        node, server = self.node, self.server
        if self.state != _NONE:
            raise CommandError(b"ERR FAILOVER already in progress.")
        if node.master is not None:
            raise CommandError(b"ERR FAILOVER is not valid when server is a replica.")
        if not node.following.connected():
            raise CommandError(b"ERR FAILOVER requires connected replicas.")
        if force and (not timeout or target is None):
            raise CommandError(b"ERR FAILOVER with force option requires both a timeout and target HOST and IP.")
        if target is not None:
            replica = self._find(target)
            if replica is None:
                raise CommandError(b"ERR FAILOVER target HOST and PORT is not a replica.")
            if replica.state != ONLINE:
                raise CommandError(b"ERR FAILOVER target replica is not online.")
        self._target, self._force = target, force
        self._deadline = server.mstime + timeout if timeout else 0
        server.log.notice(f"FAILOVER requested to {self._where()}.")
        self.state = _WAITING
        node.failing_over = True
        server.pause_writes("failover", True)
        node.following.request_acks()
        self._look()

    def abort_by_command(self) -> None:
        """FAILOVER ABORT. Raises CommandError."""
        if self.state == _NONE:
            raise CommandError(b"ERR No failover in progress.")
        self._abort("Failover manually aborted")

    def _find(self, target: tuple[str, int]) -> Replica | None:
        for one in self.node.following.connected():
            if one.host().lower() == target[0].lower() and one.port == target[1]:
                return one
        return None

    def _where(self) -> str:
        return f"{self._target[0]}:{self._target[1]}" if self._target is not None else "any replica"

    def _abort(self, why: str) -> None:
        self.server.log.notice(f"FAILOVER to {self._where()} aborted: {why}")
        running = self.state == _RUNNING
        self._end()
        if running:
            self.node.promote()

    def _end(self) -> None:
        self.state = _NONE
        self._target = None
        self._force = False
        self._deadline = 0
        self.node.failing_over = False
        self.server.pause_writes("failover", False)

    # --- progress ---------------------------------------------------------------------------------------------

    def cron(self) -> None:
        """Look whether a replica is in step, and whether time is up."""
        if self.state == _NONE:
            return
        if self._deadline and self.server.mstime > self._deadline:
            if self.state == _WAITING and self._force and self._target is not None:
                self.server.log.notice(f"FAILOVER to {self._where()} time out exceeded, failing over.")
                self._hand_over(*self._target)
                return
            if self.state == _WAITING:
                self._abort("Replica never caught up before timeout")
                return
        if self.state == _WAITING and not self._look():
            self.node.following.request_acks()

    def look(self) -> None:
        """A replica has said how far it is."""
        if self.state == _WAITING:
            self._look()

    def _look(self) -> bool:
        """Hand over if the target (or any replica) has everything."""
        node = self.node
        candidates = node.following.online()
        if self._target is not None:
            target = self._find(self._target)
            candidates = [target] if target is not None and target.state == ONLINE else []
        for one in candidates:
            if one.ack_offset == node.offset and one.port:
                host, port = one.host(), one.port
                self.server.log.notice(f"Failover target {host}:{port} is synced, failing over.")
                self._hand_over(host, port)
                return True
        return False

    def _hand_over(self, host: str, port: int) -> None:
        self.state = _RUNNING
        self._target = (host, port)
        self.node.replicate(host, port)

    def answered(self, result: int) -> None:
        """The new master has answered PSYNC."""
        if self.state == _RUNNING and result in (CONTINUE, FULL):
            self._end()

    def refused(self) -> None:
        """The target does not take over."""
        if self.state == _RUNNING:
            self._abort("Failover target rejected psync request")
