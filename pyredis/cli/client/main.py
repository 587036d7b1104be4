"""From the command line to the exit code."""

from __future__ import annotations

import os
import sys
import time

from pyredis import __version__
from pyredis.cli.client.connection import ConnectionLost
from pyredis.cli.client.options import USAGE, Options, UsageError, parse
from pyredis.cli.client.session import NotConnected, Session
from pyredis.lib.splitargs import split_args


def main(arguments: list[str] | None = None) -> None:
    """Entry point of ``pyredis-cli`` and ``pyredis cli``; without ``arguments`` they are those of the process."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
    except UsageError as e:
        print(e, file=sys.stderr)
        code = 1
    except (NotConnected, ConnectionLost) as e:
        text = str(e) if isinstance(e, NotConnected) else f"Error: {e}"
        print(text, file=sys.stderr)
        code = 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Do what was asked for; the exit code."""
    options = parse(arguments)
    if options.help:
        print(USAGE, end="")
        return 0
    if options.version:
        print(f"pyredis-cli {__version__}")
        return 0
    warn(options)
    session = Session(options, options.form or ("terminal" if sys.stdout.isatty() else "raw"))
    if options.scan:
        session.scan()
        return 0
    words = options.words
    if options.last_from_stdin:
        words = [*words, sys.stdin.buffer.read()]
    if words:
        return _command(session, options, words)
    if sys.stdin.isatty():
        from pyredis.cli.client.interactive import interact

        return interact(session)
    return _lines(session, options)


def warn(options: Options) -> None:
    """Of a password that others can read in the list of processes."""
    if options.password_seen and options.warn:
        print(
            "Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.",
            file=sys.stderr,
        )


def _command(session: Session, options: Options, words: list[bytes]) -> int:
    done = 0
    ok = True
    while options.repeat < 0 or done < options.repeat:
        if done and options.interval:
            time.sleep(options.interval)
        ok = session.run(words)
        done += 1
    return 0 if ok or not options.errors_fail else 1


def _lines(session: Session, options: Options) -> int:
    """The commands on standard input, one a line."""
    code = 0
    for line in sys.stdin.buffer:
        words = split_args(line.rstrip(b"\n"))
        if words is None:
            print("Invalid argument(s)")
        elif words and words[0].lower() in (b"quit", b"exit"):
            break
        elif words:
            try:
                ok = session.run(words)
            except ConnectionLost as e:
                print(f"Error: {e}", file=sys.stderr)
                session.drop()
                ok = False
            if not ok and options.errors_fail:
                code = 1
    return code


if __name__ == "__main__":
    main()
