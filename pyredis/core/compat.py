"""Which Redis the server looks like: the releases that ``compat-version`` names, and versions as numbers.

A version is compared as one small number, ``major * 100 + minor``: 704 is 7.4. ``server.compat`` is that of the release
chosen. What is newer than it does not exist for clients: :func:`pyredis.core.command.build_table` leaves commands out
by their ``since``, the parsers of options ask ``server.compat`` where they meet a newer option.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from pyredis.core.usage import Argument

if TYPE_CHECKING:
    from collections.abc import Iterable

RELEASES: Final = {
    "7.0": "7.0.15",
    "7.2": "7.2.13",
    "7.4": "7.4.9",
    "8.0": "8.0.5",
    "8.2": "8.2.7",
    "8.4": "8.4.3",
}
"""Value of ``compat-version`` → the version that clients are told: the last one of that release, by its notes."""

NEWEST: Final = "8.4"


@cache
def version_number(version: str) -> int:
    """``"7.4.0"`` → 704; what has no version is as old as can be."""
    major, _, rest = version.partition(".")
    return int(major or 0) * 100 + int(rest.partition(".")[0] or 0)


def known_arguments(arguments: Iterable[Argument], compat: int) -> tuple[Argument, ...]:
    """The arguments of a usage tree that a release has, without those that came later.

    A choice of which one alternative is left becomes that alternative.
    """
    return tuple([_known(one, compat) for one in arguments if version_number(one.since) <= compat])


def _known(argument: Argument, compat: int) -> Argument:
    if not argument.arguments:
        return argument
    parts = known_arguments(argument.arguments, compat)
    if parts == argument.arguments:
        return argument
    if argument.type == "oneof" and len(parts) == 1 and argument.token is None:
        return parts[0].changed(optional=argument.optional, multiple=argument.multiple)
    return argument.changed(arguments=parts)
