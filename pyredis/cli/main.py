"""``pyredis``: one command for everything, ``pyredis server`` among it.

What a subcommand needs is imported when it runs, so that each starts as fast as it can.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from pyredis import __version__

COMMANDS: Final = {
    "server": ("pyredis.cli.server", "Run a server (as redis-server and pyredis-server do)."),
    "ha": ("pyredis.cli.ha", "Run a master, replicas and sentinels on this machine."),
    "sentinel": ("pyredis.cli.sentinel", "Run a sentinel (as redis-sentinel and pyredis-sentinel do)."),
    "cli": ("pyredis.cli.client.command", "Talk to a server (a small redis-cli)."),
    "top": ("pyredis.cli.top.command", "Show what a server does, second by second."),
    "check-aof": ("pyredis.cli.check_aof", "Check an append-only file, and repair its end."),
    "check-rdb": ("pyredis.cli.check_rdb", "Check a snapshot (RDB file)."),
    "restore": ("pyredis.cli.restore", "Put a snapshot into the directory of a stopped server."),
    "rdb-to-json": ("pyredis.cli.rdb_to_json", "Print what a snapshot holds, or what takes the room in it."),
}
"""Name → the module whose ``main`` it is, and what the list says about it."""


class LazyGroup(click.Group):
    """A group whose subcommands are loaded by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = import_module(entry[0]).main
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-v", "--version", prog_name="pyredis")
def main() -> None:
    """A Redis-compatible server in pure Python, and the tools for its files."""
