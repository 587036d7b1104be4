"""``top`` as one of the subcommands of ``pyredis``: the options of ``pyredis cli`` for connecting, and its own."""

from __future__ import annotations

import sys

import click

from pyredis.cli.client.connection import ConnectionLost
from pyredis.cli.client.main import warn
from pyredis.cli.client.options import Options, UsageError, parse
from pyredis.cli.client.session import NotConnected, Session
from pyredis.cli.top.figures import Denied, Reader

USAGE = """\
Usage: pyredis top [OPTIONS]

  What a server does, second by second: commands, latency, memory, hit ratio,
  clients, replication, what takes the time, the slow log.

  -h -p -s -u -a --user --pass --no-auth-warning --tls …
                     Where the server is and who asks, as of pyredis cli.
  -i <seconds>       How often to look (1).
  --once             Look twice, print once, and end.
  --help

Keys: q quits, p holds, + and - change how often it looks.
"""
_FASTEST = 0.1
_MISSING = "pyredis top needs the package rich: pip install 'pyredis[top]'"


@click.command(
    "top",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(arguments: tuple[str, ...]) -> None:
    """Show what a server does."""
    try:
        sys.exit(_run(list(arguments)))
    except (UsageError, NotConnected) as e:
        click.echo(e, err=True)
    except (ConnectionLost, Denied) as e:
        click.echo(f"Error: {e}", err=True)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1)


def _options(arguments: list[str]) -> tuple[Options, bool]:
    """The options, and whether to print once. Raises UsageError."""
    once = "--once" in arguments
    options = parse([word for word in arguments if word != "--once"])
    if options.words:
        raise UsageError(f"Unrecognized argument: '{options.words[0].decode(errors='replace')}'")
    if options.interval and options.interval < _FASTEST:
        raise UsageError(f"-i must be {_FASTEST} at least")
    return options, once


def _run(arguments: list[str]) -> int:
    options, once = _options(arguments)
    if options.help:
        click.echo(USAGE, nl=False)
        return 0
    try:
        from pyredis.cli.top.screen import print_once, watch
    except ImportError:
        click.echo(_MISSING, err=True)
        return 1
    warn(options)
    reader = Reader(Session(options, "raw"), str(options.target))
    if once:
        print_once(reader, options.interval or 1.0)
    else:
        watch(reader, options.interval or 1.0)
    return 0
