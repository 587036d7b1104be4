"""The prompt: history, completion of command names, and the few words that are not commands."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from pyredis.cli.client.connection import ConnectionLost
from pyredis.cli.client.session import NotConnected, Session
from pyredis.lib.splitargs import split_args

_HISTORY: Final = 1000


def interact(session: Session) -> int:
    """Read and run commands until the end of input, ``quit`` or ``exit``."""
    names = _command_names(session)
    history = _use_readline(names)
    try:
        while True:
            try:
                line = input(_prompt(session))
            except EOFError:
                print()
                return 0
            except KeyboardInterrupt:
                print()
                return 0
            if line.strip() and not _line(session, line):
                return 0
    finally:
        _save(history)


def _prompt(session: Session) -> str:
    if session.connection is None:
        try:
            session.connect()
        except NotConnected:
            return "not connected> "
    db = f"[{session.db}]" if session.db else ""
    return f"{session.options.target}{db}{'(TX)' if session.in_multi else ''}> "


def _line(session: Session, line: str) -> bool:
    """Run one line; False if it ends the session."""
    words = split_args(os.fsencode(line))
    if words is None:
        print("Invalid argument(s)")
        return True
    if not words:
        return True
    name = words[0].lower()
    if name in (b"quit", b"exit"):
        return False
    if name == b"clear":
        sys.stdout.write("\033[H\033[2J")
        return True
    if name == b"connect" and len(words) == 3 and words[2].isdigit():
        session.drop()
        session.options.target.host, session.options.target.port = os.fsdecode(words[1]), int(words[2])
        return True
    times = 1
    if len(words) > 1 and words[0].isdigit():
        times, words = int(words[0]), words[1:]
    for _ in range(times):
        try:
            session.run(words)
        except NotConnected as e:
            print(e)
        except ConnectionLost as e:
            print(f"Error: {e}")
            session.drop()
        except KeyboardInterrupt:  # the only way out of SUBSCRIBE and MONITOR
            print()
            session.drop()
            break
    return True


def _command_names(session: Session) -> list[str]:
    """For completion; none if the server does not tell."""
    try:
        reply = session.connect().call(b"COMMAND", b"LIST")
    except (NotConnected, ConnectionLost) as e:
        print(e)
        session.drop()
        return []
    if reply.kind == b"-":
        return []
    return sorted(element.value.decode("utf-8", "replace").upper() for element in reply.value)


def _use_readline(names: list[str]) -> Path | None:
    """Editing, history and completion where the module is there; the history's file."""
    try:
        import readline
    except ImportError:
        return None

    def complete(text: str, state: int) -> str | None:
        if readline.get_begidx():
            return None
        found = [name for name in names if name.startswith(text.upper())]
        return found[state] if state < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" ")
    readline.parse_and_bind("tab: complete")
    path = Path(os.environ.get("REDISCLI_HISTFILE") or Path.home() / ".rediscli_history")
    try:
        readline.read_history_file(path)
    except OSError:
        pass
    readline.set_history_length(_HISTORY)
    return path


def _save(path: Path | None) -> None:
    if path is None or str(path) == os.devnull:
        return
    import readline

    try:
        readline.write_history_file(path)
    except OSError:
        pass  # a read-only home is no reason to complain at the end
