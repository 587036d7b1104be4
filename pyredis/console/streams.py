"""What goes on while a page is open, as server-sent events: messages of channels, new entries of streams.

Events: ``message`` (``{"channel", "pattern", "data"}``), ``entry`` (``{"key", "id", "fields"}``, the ID of the event is
``key-number:ID``), ``ready`` once it listens, ``skipped`` (how many were left out, as more came than can be shown),
``problem`` (an error's text; nothing follows).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from pyredis.console.session import Closed, Session
from pyredis.console.values import BadValue, Replies, TooMany

_QUIET: Final = 15.0
"""Seconds after which something is sent even if there is nothing to tell, so that a peer that has gone is noticed."""
_AT_ONCE: Final = 200
"""Messages that are sent at a time; more than that in a moment are skipped."""
_PAUSE: Final = 0.1
"""Seconds that messages are gathered."""
_ENTRIES: Final = b"100"
_COMMENT: Final = b": still here\n\n"
_CLOSED: Final = "The server has ended this session."

Valid = Callable[[], bool]
Rest = Callable[[float], Any]


def event(name: str, data: Any, number: str = "") -> bytes:
    """One event."""
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def _error(reply: Any) -> str:
    """The text of an error reply; empty for anything else."""
    return str(reply["e"]) if isinstance(reply, dict) and "e" in reply else ""


async def listen(
    session: Session, channels: list[bytes], patterns: list[bytes], valid: Valid, rest: Rest
) -> AsyncIterator[bytes]:
    """Messages of channels and patterns. ``valid`` says whether the session is still the user's."""
    try:
        if channels:
            session.send([b"SUBSCRIBE", *channels])
        if patterns:
            session.send([b"PSUBSCRIBE", *patterns])
        wanted, told = len(channels) + len(patterns), 0
        while True:
            await session.wait(_QUIET)
            if not valid():
                raise Closed
            skipped, session.dropped = session.dropped, 0
            out: list[bytes] = []
            replies = Replies(session.take_all())
            while replies.more():
                replies.elements = 0
                if len(out) >= _AT_ONCE and told >= wanted:
                    skipped += 1
                    replies.next()
                    continue
                message = replies.next()
                if error := _error(message):
                    yield event("problem", error)
                    return
                if message[0] in ("subscribe", "psubscribe"):
                    told += 1
                    if told == wanted:
                        out.append(event("ready", wanted))
                else:
                    pattern = message[1] if message[0] == "pmessage" else None
                    out.append(event("message", {"channel": message[-2], "pattern": pattern, "data": message[-1]}))
            if skipped:
                out.append(event("skipped", skipped))
            yield b"".join(out) or _COMMENT
            await rest(_PAUSE)
    except (Closed, BadValue, TooMany, TypeError, IndexError):
        yield event("problem", _CLOSED)
    finally:
        session.close()


async def tail(
    session: Session, keys: list[bytes], after: list[bytes], valid: Valid, rest: Rest
) -> AsyncIterator[bytes]:
    """New entries of streams: those behind the IDs ``after`` (``$``: behind the last one there is now)."""
    last = list(after)
    names = dict(zip(keys, range(len(keys)), strict=True))
    shown: dict[str, int] = {json.dumps(Replies(b"$%d\r\n%b\r\n" % (len(k), k)).next()): n for k, n in names.items()}
    block = b"%d" % int(_QUIET * 1000)
    try:
        last = [await _resolved(session, key, start) for key, start in zip(keys, last, strict=True)]
        yield event("ready", len(keys))
        while True:
            session.send([b"XREAD", b"COUNT", _ENTRIES, b"BLOCK", block, b"STREAMS", *keys, *last])
            reply = Replies(await session.reply()).next()
            if not valid():
                raise Closed
            if error := _error(reply):
                yield event("problem", error)
                return
            if reply is None:
                yield _COMMENT
                continue
            out = []
            for key, entries in reply:
                number = shown[json.dumps(key)]
                for entry, fields in entries:
                    last[number] = entry.encode()
                    position = " ".join(one.decode() for one in last)
                    out.append(event("entry", {"key": key, "id": entry, "fields": fields}, position))
            yield b"".join(out)
            await rest(_PAUSE)
    except (Closed, BadValue, TooMany, TypeError, IndexError, KeyError):
        yield event("problem", _CLOSED)
    finally:
        session.close()


async def _resolved(session: Session, key: bytes, start: bytes) -> bytes:
    """The ID that ``$`` stands for now: entries that come between two XREADs must not be lost."""
    if start != b"$":
        return start
    session.send([b"XREVRANGE", key, b"+", b"-", b"COUNT", b"1"])
    reply = Replies(await session.reply()).next()
    if isinstance(reply, list) and reply:
        return str(reply[0][0]).encode()
    return b"0-0" if reply == [] else start
