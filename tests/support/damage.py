"""Damaged copies of a file's content, and what a tool of pyredis and one of Redis say to them."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

from click import Command
from click.testing import CliRunner


def damaged(data: bytes, rng: random.Random, one_in: int = 1) -> Iterator[bytes]:
    """Cut at every length; every byte changed in several ways, one removed, one added. ``one_in`` thins them out."""
    for at in range(len(data)):
        changed = {data[at] ^ 1, data[at] ^ 0x80, 0, 255, rng.randrange(256)} - {data[at]}
        variants = [data[:at], *(data[:at] + bytes((value,)) + data[at + 1 :] for value in sorted(changed))]
        variants += [data[:at] + data[at + 1 :], data[:at] + data[at : at + 1] + data[at:]]
        yield from [one for one in variants if not rng.randrange(one_in)]


def ours(command: Command, *args: str | Path, input: str = "") -> tuple[int, str]:
    """Exit code and output of a tool, run in this process; anything but a regular end is an error of the test."""
    done = CliRunner().invoke(command, [str(arg) for arg in args], input=input)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def theirs(name: str, *args: str | Path, input: str = "") -> tuple[int, str]:
    """Exit code and output of one of Redis's tools."""
    argv = [os.path.join("/usr/bin", name), *[str(arg) for arg in args]]
    done = subprocess.run(argv, input=input.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout.decode("utf-8", "backslashreplace")
