"""The commands as ACL rules see them: a bit each, by original name, in categories."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Final

from pyredis.core.command import ACL_CATEGORY_NAMES, COMMANDS, declared
from pyredis.core.compat import version_number

CATEGORIES: Final = {name: bit for bit, name in ACL_CATEGORY_NAMES}
"""Name (lower case) → bit."""

_DESCRIBED: Final = 700
"""Users are described as Redis 7.0 does: newer commands have no say in which categories fit."""


class AclCommands:
    """Bits for all commands and subcommands, and masks of them."""

    __slots__ = ("all", "bits", "compat", "containers", "masks", "members", "reach")

    def __init__(self, compat: int, sentinel: bool = False) -> None:
        """All commands declared that the release ``compat`` (704 = 7.4) has, as a database or as a sentinel."""
        self.compat = compat
        self.bits: dict[bytes, int] = {}
        """Full name (``b"config|get"``) → its bit, in the order in which rules are shown."""
        self.masks: dict[bytes, int] = {}
        """Full name → the bits that a rule with this name sets: a container brings its subcommands."""
        self.containers: set[bytes] = set()
        self.members: dict[bytes, int] = dict.fromkeys(CATEGORIES, 0)
        """Category → the bits of its commands that Redis 7.0 has: those that decide how a user is described."""
        self.reach: dict[bytes, int] = dict.fromkeys(CATEGORIES, 0)
        """Category → the bits that a rule with this category sets."""
        categories: dict[bytes, int] = {}
        for name, acl, known in _all(compat, sentinel):
            if name in self.bits:
                continue
            bit = self.bits[name] = self.masks[name] = 1 << len(self.bits)
            categories[name] = acl
            parent, bar, _ = name.partition(b"|")
            if bar:
                self.masks[parent] |= bit
                self.containers.add(parent)
            if known:
                for category, category_bit in CATEGORIES.items():
                    if acl & category_bit:
                        self.members[category] |= bit
        for name, acl in categories.items():
            for category, category_bit in CATEGORIES.items():
                if acl & category_bit:
                    self.reach[category] |= self.masks[name]
        self.all = (1 << len(self.bits)) - 1

    def find(self, name: bytes) -> bytes | None:
        """The full name of a command that is named in any case; None if there is none."""
        lower = name.lower()
        return lower if lower in self.bits else None


def acl_commands(compat: int, sentinel: bool = False) -> AclCommands:
    """The commands of that release; servers share them, as they never change."""
    return _made(compat, sentinel, len(COMMANDS))


@cache
def _made(compat: int, sentinel: bool, known: int) -> AclCommands:
    """``known``: how many commands are declared; those that are declared later are not to be missing."""
    return AclCommands(compat, sentinel)


def _all(compat: int, sentinel: bool) -> Iterator[tuple[bytes, int, bool]]:
    """Full name, categories, and whether Redis 7.0 has it; a container before its subcommands."""
    for spec in declared(sentinel):
        for one in (spec, *spec.subs.values()):
            version = max(version_number(spec.since), version_number(one.since))
            if version <= compat:
                yield one.fullname, one.acl, version <= _DESCRIBED
