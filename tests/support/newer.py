"""For tests of single commands: a client in the test's own process, with what is announced and propagated."""

from __future__ import annotations

import hiredis

from tests.support.local import DrivenServer


class Feeding:
    """A server and a client; ``events`` are the keyspace events (``b"set k"``), ``fed`` the propagated commands.

    The server's time stands still, so that deadlines can be told beforehand.
    """

    def __init__(self, compat: str | None = None) -> None:
        self.server = DrivenServer() if compat is None else DrivenServer(compat)
        self.client = self.server.client()
        self.events: list[bytes] = []
        self.fed: list[list[bytes]] = []
        self._reader = hiredis.Reader()
        self.server.feeders.append(self._feed)
        listener = self.server.client()
        listener.call("CONFIG", "SET", "notify-keyspace-events", "EA")
        listener.call("PSUBSCRIBE", "__keyevent@*")
        self._listener = listener

    def _feed(self, db: int, data: bytes) -> None:
        self._reader.feed(data)
        while (argv := self._reader.gets()) is not False:
            self.fed.append(argv)

    def call(self, *argv: bytes | str | int) -> bytes:
        """The reply; events and propagated commands are added to the lists."""
        reply = self.client.call(*argv)
        self.server.flush_client(self._listener.client)
        reader = hiredis.Reader()
        reader.feed(self._listener.output)
        self._listener.output = b""
        while (message := reader.gets()) is not False:
            self.events.append(message[2].partition(b":")[2] + b" " + message[3])
        return reply

    def clear(self) -> None:
        """Forget what was announced and propagated so far."""
        self.events.clear()
        self.fed.clear()
