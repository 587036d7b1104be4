"""``pyredis-server`` and ``redis-server``: Redis's own command line, to a running server."""

from __future__ import annotations

import os
import sys
from typing import Final, NoReturn

import click

from pyredis import __version__
from pyredis.core.compat import NEWEST, RELEASES
from pyredis.core.config import FileError, OpenError
from pyredis.core.logging import Logger
from pyredis.core.option_kinds import quoted
from pyredis.core.options import Config
from pyredis.lib.splitargs import split_args

_USAGE = """\
[FILE] [--directive value ...] [-]

  redis-server                               run with the defaults
  redis-server /etc/redis/redis.conf         run with a configuration file
  redis-server --port 7777 --hz 20           directives; they count above the file's
  redis-server redis.conf --loglevel debug -  the file, then standard input, then the command line
  redis-server sentinel.conf --sentinel      a sentinel; redis-sentinel sentinel.conf is the same
  redis-server -v | --version, -h | --help
"""


_MAY_STAND_ALONE: Final = {"--save": ' ""', "--sentinel": "", "--console-write": " yes"}
"""Directives that need no value on the command line, and what stands for it."""
DEFAULTS = "PYREDIS_DEFAULTS"
"""Environment variable with directives between semicolons, for images: file and command line count above them."""


class Arguments:
    """The command line taken apart: ``path`` of the file, whether standard input is read, and the options' lines."""

    def __init__(self, args: list[str]) -> None:
        self.path: str | None = None
        self.stdin = False
        self.options = ""
        rest = list(args)
        if rest and not rest[0].startswith("-"):
            self.path = os.path.abspath(rest.pop(0))
        self._parse(rest, self.path is None)

    def _parse(self, rest: list[str], first_may_be_stdin: bool) -> None:
        """``--name`` begins a line, everything else is a word of the line begun; ``--name value`` may be one argument.

        After a name alone the next argument is its value even if it begins with ``--``, except after those of
        ``_MAY_STAND_ALONE``.
        """
        lines: list[str] = []
        value_due = False
        last = len(rest) - 1
        for at, arg in enumerate(rest):
            if arg == "-" and (at == last or (at == 0 and first_may_be_stdin)):
                self.stdin = True
            elif arg.startswith("--") and not value_due:
                lines.append(arg[2:])
                alone = len(split_args(os.fsencode(arg)) or ()) == 1
                value_due = alone
                following = rest[at + 1] if at < last else "--"
                if alone and following.startswith("--") and arg.lower() in _MAY_STAND_ALONE:
                    value_due = False
                    lines[-1] += _MAY_STAND_ALONE[arg.lower()]
            else:
                word = quoted(arg)
                if lines:
                    lines[-1] += " " + word
                else:
                    lines.append(word)
                value_due = False
        self.options = "\n".join(lines)


class ServerCommand(click.Command):
    """Redis's rules for arguments instead of click's: any ``--name`` is a directive."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Leave the arguments as they are, for :func:`main`."""
        ctx.obj = args
        return []

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The usage, then every directive with its default."""
        formatter.write(f"Usage: {ctx.command_path} {_USAGE}")
        fixed: list[tuple[str, str]] = []
        live: list[tuple[str, str]] = []
        for name, one in Config.directives.items():
            if not one.hidden:
                entry = (f"--{name}", one.kind.show(one.default) if name != "dir" else "the working directory")
                (live if one.mutable else fixed).append(entry)
        for title, entries in (("Directives that CONFIG SET may change", live), ("Directives for the start", fixed)):
            with formatter.section(title + " (with defaults)"):
                formatter.write_dl([(name, default or '""') for name, default in entries])


@click.command(cls=ServerCommand, add_help_option=False)
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run a server."""
    args: list[str] = ctx.obj
    if args:
        answer_special(ctx, args[0])
    run(args, "--sentinel" in args)


def run(args: list[str], sentinel: bool) -> NoReturn:
    """Run a server, or a sentinel, with the arguments of a command line; ends the process."""
    # Not before: the options above are answered without loading the server. Its commands are known from here on.
    from pyredis.app import run_server

    arguments = Arguments(args)
    config = Config()
    if sentinel:
        # Its commands are wanted in rules for users, and a database need not load them.
        from pyredis.sentinel.server import prepare, problem_of_file

        prepare(config)
    try:
        config.load_text(os.environ.get(DEFAULTS, "").replace(";", "\n"))
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape") if arguments.stdin else ""
        config.load(arguments.path, text, arguments.options if args else None)
        if sentinel and (problem := problem_of_file(arguments.path)):
            Logger(config).warning(problem)
            sys.exit(1)
        sys.exit(run_server(config, arguments.path, bool(args)))
    except FileError as e:
        click.echo(e.report(), nl=False, err=True)
    except OpenError as e:
        Logger(Config()).warning(str(e))
    sys.exit(1)


def answer_special(ctx: click.Context, arg: str) -> None:
    """The arguments that run no server; only the first one of all is looked at."""
    if arg in ("-v", "--version"):
        click.echo(
            f"Redis server v={RELEASES[NEWEST]} sha=00000000:0 malloc=python bits=64 build=pyredis-{__version__}"
        )
        ctx.exit(0)
    if arg in ("-h", "--help"):
        click.echo(ctx.get_help())
        ctx.exit(0)
    if arg == "--test-memory":
        click.echo("--test-memory is not available: the interpreter does not give its memory away.", err=True)
        ctx.exit(1)
    if arg == "--check-system":
        click.echo("--check-system is not available in pyredis.", err=True)
        ctx.exit(1)
