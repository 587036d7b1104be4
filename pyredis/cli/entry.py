"""Entry point of ``pyredis``: the client starts without loading what the other subcommands need."""

from __future__ import annotations

import sys


def main() -> None:
    """Run ``pyredis cli …`` directly, everything else through the group."""
    if sys.argv[1:2] == ["cli"]:
        from pyredis.cli.client.main import main as client

        client(sys.argv[2:])
    else:
        from pyredis.cli.main import main as group

        group(prog_name="pyredis")
