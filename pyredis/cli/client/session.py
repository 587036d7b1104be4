"""One connection as a user sees it: greeting, commands, output, and what is said when it breaks."""

from __future__ import annotations

import os
import sys
import time

from pyredis.cli.client import formats
from pyredis.cli.client.connection import Connection, ConnectionLost, Reply, connect
from pyredis.cli.client.options import Options
from pyredis.lib.splitargs import quote_arg

_STREAMING = (b"subscribe", b"psubscribe", b"ssubscribe", b"monitor")


_TEXTS = {
    (b"info",),
    (b"lolwut",),
    *((b"debug", what) for what in (b"htstats", b"htstats-key")),
    *((b"memory", what) for what in (b"malloc-stats", b"doctor")),
    *((b"cluster", what) for what in (b"info", b"nodes")),
    *((b"client", what) for what in (b"list", b"info")),
    *((b"latency", what) for what in (b"graph", b"doctor")),
}


def is_text(words: list[bytes]) -> bool:
    """True for commands that answer with text for people."""
    names = [word.lower() for word in words[:2]]
    return (names[0],) in _TEXTS or tuple(names) in _TEXTS


class NotConnected(Exception):
    """There is no connection; the text says why."""


class Session:
    """Connects when it must. ``form`` is how replies are written."""

    def __init__(self, options: Options, form: str) -> None:
        self.options = options
        self.form = form
        self.connection: Connection | None = None
        self.db = options.target.db
        self.in_multi = False

    # --- connecting -------------------------------------------------------------------------------------------

    def connect(self) -> Connection:
        """The connection, opened if there is none. Raises NotConnected."""
        if self.connection is None:
            target = self.options.target
            try:
                connection = connect(target)
            except OSError as e:
                reason = os.strerror(e.errno) if e.errno else str(e)
                raise NotConnected(f"Could not connect to Redis at {target}: {reason}") from None
            self.in_multi = False
            try:
                self._greet(connection)
            except ConnectionLost as e:
                connection.close()
                raise NotConnected(f"Error: {e}") from None
            self.connection = connection
        return self.connection

    def _greet(self, connection: Connection) -> None:
        target = self.options.target
        if target.password or target.user:
            words = [target.user, target.password] if target.user else [target.password]
            _ask(connection, "AUTH", b"AUTH", *map(os.fsencode, words))
        if target.protocol == 3:
            _ask(connection, "HELLO 3", b"HELLO", b"3")
        if self.db:
            _ask(connection, f"SELECT {self.db}", b"SELECT", b"%d" % self.db)

    def drop(self) -> None:
        """Forget a connection that has ended."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    # --- commands ---------------------------------------------------------------------------------------------

    def run(self, words: list[bytes]) -> bool:
        """Send a command and write its reply; False if that is an error. Raises NotConnected, ConnectionLost.

        A connection that has ended since the last command is made anew.
        """
        fresh = self.connection is None
        try:
            return self._run(self.connect(), words)
        except ConnectionLost:
            self.drop()
            if fresh:
                raise
        return self._run(self.connect(), words)

    def _run(self, connection: Connection, words: list[bytes]) -> bool:
        name = words[0].lower()
        connection.send(words)
        if name in _STREAMING:
            self._stream(connection)
            return True
        reply = connection.read()
        while reply.kind == b">":
            if self.form == "terminal" and sys.stdout.isatty():
                self.write(reply)
            reply = connection.read()
        if reply.kind == b"-" and self.options.errors_fail:
            _complain(reply.value.decode("utf-8", "replace"))
        else:
            self.write(reply, is_text(words))
        self._notice(name, words, reply)
        return reply.kind != b"-"

    def _stream(self, connection: Connection) -> None:
        """Write what comes until the user or the server ends it."""
        while True:
            self.write(connection.read())

    def _notice(self, name: bytes, words: list[bytes], reply: Reply) -> None:
        """What the prompt shows of the connection's state."""
        if reply.kind == b"-":
            return
        if name == b"select" and len(words) == 2 and words[1].isdigit():
            self.db = int(words[1])
        elif name == b"multi":
            self.in_multi = True
        elif name in (b"exec", b"discard"):
            self.in_multi = False
        elif name == b"reset":
            self.in_multi, self.db = False, 0

    def write(self, reply: Reply, text_for_people: bool = False) -> None:
        """Write a reply in the form asked for; text that was made for people as it is."""
        if text_for_people and reply.kind in (b"$", b"="):
            text = bytes(reply.value)
        elif self.form == "terminal":
            text = formats.for_terminal(reply)
        elif self.form == "csv":
            text = formats.csv(reply) + b"\n"
        elif self.form == "json":
            text = formats.json(reply) + b"\n"
        elif self.form == "quoted-json":
            text = formats.json(reply, ascii_only=True) + b"\n"
        else:
            text = formats.raw(reply, self.options.element_delimiter) + self.options.reply_delimiter
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()

    def scan(self) -> None:
        """List the keys, one a line, without loading the server with one long command."""
        options = self.options
        connection = self.connect()
        cursor = b"0"
        extra = [b"MATCH", options.pattern] if options.pattern else []
        if options.count:
            extra += [b"COUNT", b"%d" % options.count]
        while True:
            reply = connection.call(b"SCAN", cursor, *extra)
            if reply.kind == b"-":
                raise NotConnected(f"ERROR: {reply.value.decode('utf-8', 'replace')}")
            cursor = reply.value[0].value
            for key in reply.value[1].value:
                text = quote_arg(key.value) if self.form == "terminal" else key.value
                sys.stdout.buffer.write(text + b"\n")
            if cursor == b"0":
                break
            if options.interval:
                time.sleep(options.interval)
        sys.stdout.buffer.flush()


def _ask(connection: Connection, what: str, *argv: bytes) -> None:
    """A command of the greeting: an error is told, and the session goes on."""
    reply = connection.call(*argv)
    if reply.kind == b"-":
        _complain(f"{what} failed: {reply.value.decode('utf-8', 'replace')}")


def _complain(text: str) -> None:
    print(text, file=sys.stderr)
