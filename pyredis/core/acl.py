"""Users, what their selectors allow, and the question whether a command may run.

A user has a root selector and may have more; a command may run if one of them allows it with all its keys and channels.
Rules are read and shown in :mod:`pyredis.core.acl_rules`, the users of a server are in :mod:`pyredis.core.acl_users`.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

from pyredis.core.acl_commands import AclCommands
from pyredis.core.command import (
    CHANNEL,
    CHANNEL_PATTERNS,
    CMD_NO_AUTH,
    KEY_ACCESS,
    KEY_DELETE,
    KEY_INSERT,
    KEY_UPDATE,
    Command,
    CommandSpec,
)
from pyredis.core.keyspec import KeysError, extract_keys, may_have_keys
from pyredis.lib.glob import Matcher, compile_pattern

READ: Final = 1
WRITE: Final = 2
ALL: Final = READ | WRITE
"""What a key pattern permits."""

# Why something is denied; the larger one is told where selectors disagree.
ALLOWED: Final = 0
DENIED_CMD: Final = 1
DENIED_KEY: Final = 2
DENIED_AUTH: Final = 3
DENIED_CHANNEL: Final = 4

Verdict = tuple[int, int]
"""ALLOWED or why not, and the position of the argument at fault."""
_ALLOWED: Final[Verdict] = (ALLOWED, 0)


def denial(reason: int, fullname: bytes) -> bytes:
    """The error reply for a command that may not run."""
    if reason == DENIED_CMD:
        return b"NOPERM this user has no permissions to run the '%b' command" % fullname
    if reason == DENIED_KEY:
        return b"NOPERM this user has no permissions to access one of the keys used as arguments"
    return b"NOPERM this user has no permissions to access one of the channels used as arguments"


def hash_password(password: bytes) -> bytes:
    """SHA-256 in lower-case hexadecimal digits: how passwords are kept."""
    return sha256(password).hexdigest().encode()


def _needed(key_flags: int) -> int:
    """The permission that a key's use needs."""
    needed = READ if key_flags & KEY_ACCESS else 0
    return needed | WRITE if key_flags & (KEY_INSERT | KEY_DELETE | KEY_UPDATE) else needed


class KeysOf:
    """A command line's keys, found when the first selector asks for them."""

    __slots__ = ("argv", "found", "spec")

    def __init__(self, spec: CommandSpec, argv: list[bytes]) -> None:
        self.spec = spec
        self.argv = argv
        self.found: list[tuple[int, int]] | None = None

    def get(self) -> list[tuple[int, int]]:
        """Position and needed permission of each; none where the arguments do not fit the specification."""
        if self.found is None:
            try:
                keys = extract_keys(self.spec, self.argv)
            except KeysError:
                keys = []
            self.found = [(at, _needed(flags)) for at, flags in keys]
        return self.found


class Selector:
    """Commands, key patterns and channel patterns that go together."""

    __slots__ = (
        "_matchers",
        "_names",
        "all_channels",
        "all_commands",
        "all_keys",
        "bits",
        "channels",
        "commands",
        "first_args",
        "future",
        "patterns",
        "rules",
    )

    def __init__(self, commands: AclCommands, all_channels: bool) -> None:
        self.commands = commands
        self.bits = 0
        """The commands allowed."""
        self.future = False
        """True if commands that come later are allowed: it began with ``+@all``."""
        self.all_commands = False
        """True while nothing was taken away since ``+@all``."""
        self.first_args: dict[bytes, list[bytes]] = {}
        """Full name of a command that is not allowed → first arguments with which it is nevertheless."""
        self.rules: dict[bytes, bool] = {}
        """The rules since ``+@all`` or ``-@all``, the latest last: ``@read``, ``get`` … → whether it is allowed."""
        self.all_keys = False
        self.patterns: dict[bytes, int] = {}
        """Key pattern → READ, WRITE."""
        self.all_channels = all_channels
        self.channels: dict[bytes, None] = {}
        self._names: frozenset[bytes] | None = None
        self._matchers: list[list[Matcher]] | None = None
        """For each need, the patterns that permit it."""

    def copy(self) -> Selector:
        """A selector of its own with the same rules."""
        new = Selector(self.commands, self.all_channels)
        new.bits, new.future, new.all_commands = self.bits, self.future, self.all_commands
        new.rules = dict(self.rules)
        new.first_args = {name: list(args) for name, args in self.first_args.items()}
        new.all_keys, new.patterns, new.channels = self.all_keys, dict(self.patterns), dict(self.channels)
        return new

    def names(self) -> frozenset[bytes]:
        """Full names of the commands allowed. To be asked only when the rules are complete."""
        if self._names is None:
            self._names = frozenset(name for name, bit in self.commands.bits.items() if self.bits & bit)
        return self._names

    def allows_command(self, cmd: Command, argv: list[bytes]) -> bool:
        """Whether the command may run at all (with some keys)."""
        if self.all_commands or cmd.flags & CMD_NO_AUTH or cmd.fullname in self.names():
            return True
        args = self.first_args.get(cmd.fullname)
        if args is None or len(argv) < 2:
            return False
        given = argv[1].partition(b"\0")[0].lower()
        return any(arg.lower() == given for arg in args)

    def allows_key(self, key: bytes, needed: int) -> bool:
        """Whether a key may be used in the way needed."""
        if self._matchers is None:
            compiled = [(given, compile_pattern(pattern)) for pattern, given in self.patterns.items()]
            self._matchers = [[fits for given, fits in compiled if given & need == need] for need in range(ALL + 1)]
        for fits in self._matchers[needed]:  # noqa: SIM110  # any() takes twice as long
            if fits(key):
                return True
        return False

    def allows_channel(self, channel: bytes, pattern: bool) -> bool:
        """Whether a channel may be used; a pattern must be among those of the selector literally."""
        if pattern:
            return channel.partition(b"\0")[0] in self.channels
        return any(compile_pattern(one)(channel) for one in self.channels)

    def has_all_keys(self, needed: int) -> bool:
        """Whether every key may be used in the way needed."""
        return self.all_keys or self.patterns.get(b"*", 0) & needed == needed

    def check(self, cmd: Command, argv: list[bytes], keys: KeysOf) -> Verdict:
        """Whether this selector allows the command line."""
        if not self.allows_command(cmd, argv):
            return DENIED_CMD, 0
        if not self.all_keys:
            for at, needed in keys.get():
                if not self.allows_key(argv[at], needed):
                    return DENIED_KEY, at
        if not self.all_channels and cmd.spec.channels:
            kind = cmd.spec.channels
            for at in range(1, 2 if kind == CHANNEL else len(argv)):
                if not self.allows_channel(argv[at], kind == CHANNEL_PATTERNS):
                    return DENIED_CHANNEL, at
        return _ALLOWED

    def always_allows(self, cmd: Command) -> bool:
        """Whether the command may run whatever its arguments are."""
        return (
            (self.all_commands or bool(cmd.flags & CMD_NO_AUTH) or cmd.fullname in self.names())
            and (self.all_keys or not may_have_keys(cmd.spec))
            and (self.all_channels or not cmd.spec.channels)
        )


class User:
    """A user. ``fast``: the commands that its clients may run unasked (see ``core/dispatch``)."""

    __slots__ = ("fast", "name", "nopass", "on", "passwords", "sanitize", "selectors", "unrestricted")

    def __init__(self, name: bytes, root: Selector) -> None:
        self.name = name
        self.on = False
        self.nopass = False
        self.sanitize: bool | None = None
        """Whether payloads of RESTORE are looked through; None if no rule has said so."""
        self.passwords: dict[bytes, None] = {}
        """SHA-256 of each, in hexadecimal digits."""
        self.selectors = [root]
        """The root selector first."""
        self.unrestricted = False
        """True if there is nothing to ask: all commands, keys and channels."""
        self.fast: dict[bytes, Command] = {}

    def assign(self, other: User) -> None:
        """Take over all rules of another user, which is not to be changed afterwards."""
        self.on, self.nopass, self.sanitize = other.on, other.nopass, other.sanitize
        self.passwords, self.selectors = other.passwords, other.selectors

    def copy(self) -> User:
        """A user of the same name and rules, to be changed on its own."""
        new = User(self.name, self.selectors[0])
        new.assign(self)
        new.passwords = dict(self.passwords)
        new.selectors = [selector.copy() for selector in self.selectors]
        return new

    def settle(self, fast: dict[bytes, Command]) -> None:
        """The rules are complete. ``fast`` has the commands that need no check but this user's."""
        self.unrestricted = any(s.all_commands and s.all_keys and s.all_channels for s in self.selectors)
        if any(s.all_commands and s.all_keys for s in self.selectors):
            self.fast = fast
        else:
            self.fast = {name: cmd for name, cmd in fast.items() if any(s.always_allows(cmd) for s in self.selectors)}

    def has_password(self, password: bytes) -> bool:
        """Whether the password is one of the user's (or none is asked for). Takes as long whichever it is."""
        if self.nopass:
            return True
        given = hash_password(password)
        found = False
        for kept in self.passwords:
            found |= hmac.compare_digest(given, kept)
        return found

    def check(self, cmd: Command, argv: list[bytes]) -> Verdict:
        """Whether a selector allows the command line; else the fault that is nearest to being allowed."""
        if self.unrestricted:
            return _ALLOWED
        keys = KeysOf(cmd.spec, argv)
        reason, position = DENIED_CMD, 0
        for selector in self.selectors:
            verdict, at = selector.check(cmd, argv, keys)
            if verdict == ALLOWED:
                return _ALLOWED
            if verdict > reason or (verdict == reason and at > position):
                reason, position = verdict, at
        return reason, position

    def may_read_all(self, cmd: Command, argv: list[bytes]) -> bool:
        """Whether a selector that allows the command line lets every key be read (SORT's BY and GET)."""
        if self.unrestricted:
            return True
        keys = KeysOf(cmd.spec, argv)
        return any(s.has_all_keys(READ) and s.check(cmd, argv, keys)[0] == ALLOWED for s in self.selectors)
