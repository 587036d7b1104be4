"""What a replica says to a server that is to be its master, and what the answers mean: lines in, bytes out, no I/O.

PING, then AUTH and REPLCONF in one go, then PSYNC. The answer to PSYNC ends it: a snapshot follows, the stream goes on,
or there is nothing to be had now.
"""

from __future__ import annotations

from typing import Final

from pyredis.resp.command import encode_command

# How a handshake ends.
GOING_ON: Final = 0
FULL: Final = 1
"""A snapshot follows: of the history ``replid`` up to ``offset``; an old master names neither."""
CONTINUE: Final = 2
"""The stream goes on where this replica is; ``replid`` is the history's name, empty if it is still the same."""
TRY_LATER: Final = 3
FAILED: Final = 4
REFUSED: Final = 5
"""The master does not want to take over the role as FAILOVER asked it to."""

_PING: Final = 0
_AUTH: Final = 1
_PORT: Final = 2
_ADDRESS: Final = 3
_CAPA: Final = 4
_PSYNC: Final = 5
_NAMES: Final = {_PORT: "listening-port", _ADDRESS: "ip-address", _CAPA: "capa"}
_LONGEST: Final = 1024
"""Bytes of a line; what is longer is no Redis."""


class Handshake:
    """One handshake. ``log`` collects (is it a warning, text) for the caller."""

    def __init__(self, replid: bytes, offset: int, port: int) -> None:
        """``replid`` and ``offset`` name the byte of the stream that is wanted next; without an ID all of it is."""
        self.user = b""
        self.password = b""
        self.announce_ip = b""
        self.failover = False
        self.port = port
        self.result = GOING_ON
        self.replid = b""
        self.offset = -1
        self.log: list[tuple[bool, str]] = []
        self._wanted = (replid, offset)
        self._expected = [_PING]
        self._line = b""

    def begin(self) -> bytes:
        """What to send first."""
        return encode_command((b"PING",))

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Take what the peer sent: what to send now, and what is behind the handshake's last line."""
        out = b""
        while data and self.result == GOING_ON:
            line, end, data = data.partition(b"\n")
            self._line += line
            if len(self._line) > _LONGEST:
                self._fail("Unexpected reply from MASTER: a line of more than 1024 bytes")
            elif end:
                whole, self._line = self._line.removesuffix(b"\r"), b""
                out += self._take(whole)
        return out, data

    def _fail(self, text: str) -> None:
        self.log.append((True, text))
        self.result = FAILED

    def _note(self, text: str) -> None:
        self.log.append((False, text))

    def _take(self, line: bytes) -> bytes:
        step = self._expected[0]
        if step == _PSYNC:
            self._psync_reply(line)
            return encode_command((b"SYNC",)) if self.result == FULL and not self.replid else b""
        text = line.decode("utf-8", "backslashreplace")
        self._expected.pop(0)
        if step == _PING:
            return self._pong(line, text)
        if line.startswith(b"-"):
            if step == _AUTH:
                self._fail(f"Unable to AUTH to MASTER: {text}")
                return b""
            self._note(f"(Non critical) Master does not understand REPLCONF {_NAMES[step]}: {text}")
        if not self._expected:
            return self._psync()
        return b""

    def _pong(self, line: bytes, text: str) -> bytes:
        if not line.startswith((b"+", b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted")):
            self._fail(f"Error reply to PING from master: '{text}'")
            return b""
        self._note("Master replied to PING, replication can continue...")
        out = []
        if self.password:
            words = (b"AUTH", self.user, self.password) if self.user else (b"AUTH", self.password)
            out.append(encode_command(words))
            self._expected.append(_AUTH)
        out.append(encode_command((b"REPLCONF", b"listening-port", b"%d" % self.port)))
        self._expected.append(_PORT)
        if self.announce_ip:
            out.append(encode_command((b"REPLCONF", b"ip-address", self.announce_ip)))
            self._expected.append(_ADDRESS)
        out.append(encode_command((b"REPLCONF", b"capa", b"eof", b"capa", b"psync2")))
        self._expected.append(_CAPA)
        return b"".join(out)

    def _psync(self) -> bytes:
        self._expected = [_PSYNC]
        replid, offset = self._wanted
        if replid:
            self._note(f"Trying a partial resynchronization (request {replid.decode()}:{offset}).")
        else:
            self._note("Partial resynchronization not possible (no cached master)")
        words = [b"PSYNC", replid or b"?", b"%d" % (offset if replid else -1)]
        if self.failover:
            words.append(b"FAILOVER")
        return encode_command(words)

    def _psync_reply(self, line: bytes) -> None:
        if not line:
            return  # the master is still there
        text = line.decode("utf-8", "backslashreplace")
        words = line.split(b" ")
        if line.startswith(b"+FULLRESYNC"):
            if len(words) == 3 and _is_id(words[1]) and words[2].isdigit() and len(words[2]) < 20:
                self.replid, self.offset = words[1], int(words[2])
                self.result = FULL
                self._note(f"Full resync from master: {words[1].decode()}:{self.offset}")
            else:
                self._fail(f"Master replied with wrong +FULLRESYNC syntax: {text}")
        elif line.startswith(b"+CONTINUE"):
            if len(words) > 1 and not _is_id(words[1]):
                self._fail(f"Master replied with wrong +CONTINUE syntax: {text}")
                return
            self.result = CONTINUE
            self.replid = words[1] if len(words) > 1 else b""
            self._note("Successful partial resynchronization with master.")
        elif self.failover:
            self._fail(f"Failover target rejected psync request: {text}")
            self.result = REFUSED
        elif line.startswith((b"-NOMASTERLINK", b"-LOADING")):
            self._note(f"Master is currently unable to PSYNC but should be in the future: {text}")
            self.result = TRY_LATER
        elif line.startswith(b"-"):
            self._note(f"Master does not support PSYNC or is in error state (reply: {text})")
            self._note("Retrying with SYNC...")
            self.result = FULL
        else:
            self._fail(f"Unexpected reply to PSYNC from master: {text}")


def _is_id(word: bytes) -> bool:
    """Whether a word may be a replication ID."""
    return len(word) == 40 and word.isalnum()
