"""The users of a server: ACL's table, authentication, files and configuration lines of users, and what becomes of
clients whose user changes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pyredis.core.acl import DENIED_AUTH, Selector, User
from pyredis.core.acl_commands import acl_commands
from pyredis.core.acl_log import AclLog
from pyredis.core.acl_rules import RuleError, UnmatchedParenthesis, describe_user, has_spaces, merge_selectors, set_user
from pyredis.core.client import Client
from pyredis.core.dispatch import refresh_fast
from pyredis.lib.files import replace_file

if TYPE_CHECKING:
    from pyredis.core.server import Server

DEFAULT: Final = b"default"
_NO_CHANGE: Final = b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
_BOTH: Final = (
    "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This "
    "setup is very likely to lead to configuration errors and security holes, please define either an ACL file or "
    "declare users directly in your redis.conf, but not both."
)


_NULLS: Final = re.compile(rb"\0[^\n]*\n?")
"""A null byte ends a C string: Redis loses the rest of the line with its line end."""


class AclError(Exception):
    """Users that cannot be loaded or saved; the text says why."""


class Users:
    """The users of one server, by name; ``default`` is always there."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.commands = acl_commands(server.compat, server.config.sentinel_mode)
        self.log = AclLog()
        self.table: dict[bytes, User] = {}
        self.default = self._new_default()
        self.table[DEFAULT] = self.default
        self.superuser = self._new_superuser()
        """Who runs the stream of this server's master."""
        self.set_default_password(server.config.requirepass.encode("utf-8", "surrogateescape"))

    def all_channels(self) -> bool:
        """What ``acl-pubsub-default`` gives to a new selector."""
        return self.server.config.acl_pubsub_default == "allchannels"

    def _new_default(self) -> User:
        user = self.new_user(DEFAULT)
        for rule in (b"on", b"nopass", b"allkeys", b"allchannels", b"allcommands"):
            set_user(user, rule, False)
        return user

    def _new_superuser(self) -> User:
        user = self.new_user(b"(superuser)")
        for rule in (b"on", b"nopass", b"allkeys", b"allchannels", b"allcommands"):
            set_user(user, rule, False)
        user.settle(self.server.fast)
        return user

    def new_user(self, name: bytes) -> User:
        """A user without any right, in no table yet."""
        return User(name, Selector(self.commands, self.all_channels()))

    def sorted(self) -> list[User]:
        """All users by name."""
        return [self.table[name] for name in sorted(self.table)]

    def settle(self, user: User) -> None:
        """A user's rules have changed: its clients follow."""
        user.settle(self.server.fast)
        for c in self.server.clients.values():
            if c.user is user:
                refresh_fast(c)

    def settle_all(self) -> None:
        """The table of commands that need no check (``server.fast``) has changed: all users and clients follow."""
        for user in self.table.values():
            user.settle(self.server.fast)
        for c in self.server.clients.values():
            refresh_fast(c)

    # --- authentication ---------------------------------------------------------------------------------------

    def authenticate(self, c: Client, name: bytes, password: bytes, argv: list[bytes]) -> bool:
        """AUTH and HELLO AUTH: make the client the user's if the password is right; else note it in the log."""
        user = self.table.get(name)
        if user is None or not user.on or not user.has_password(password):
            self.log.add(c, DENIED_AUTH, argv[0], argv, name)
            return False
        c.authenticated = True
        c.user = user
        refresh_fast(c)
        return True

    def reset_client(self, c: Client) -> None:
        """The client is the default user's; authenticated if that needs no password."""
        c.user = self.default
        c.authenticated = self.default.on and self.default.nopass

    def set_default_password(self, password: bytes) -> None:
        """``requirepass``: the default user's only password; empty for none."""
        changed = self.default.copy()
        set_user(changed, b"resetpass", False)
        set_user(changed, b">" + password if password else b"nopass", False)
        self.default.assign(changed)
        self.settle(self.default)

    # --- changes ----------------------------------------------------------------------------------------------

    def set_user(self, name: bytes, rules: list[bytes]) -> list[Client]:
        """ACL SETUSER with its ``rules`` (selectors merged): all of them or none.

        Returns the clients to be closed: those that listen to channels which are not allowed any more. Raises
        RuleError with the rule at fault.
        """
        known = self.table.get(name)
        changed = self.new_user(name) if known is None else known.copy()
        self._apply(changed, rules)
        if known is None:
            self.table[name] = changed
            self.settle(changed)
            return []
        before = known.selectors
        known.assign(changed)
        self.settle(known)
        return self._lost_channels(known, before)

    def _apply(self, user: User, rules: list[bytes]) -> None:
        for rule in rules:
            try:
                set_user(user, rule, self.all_channels())
            except RuleError as e:
                e.rule = rule
                raise

    def delete(self, name: bytes) -> list[Client] | None:
        """ACL DELUSER: the user goes; returns its clients, to be closed. None if there is no such user."""
        user = self.table.pop(name, None)
        return None if user is None else self._disown([user])

    def _disown(self, gone: list[User]) -> list[Client]:
        """The clients of users that there are no more; until they are closed they may do nothing."""
        victims = [c for c in self.server.clients.values() if c.user in gone]
        for c in victims:
            c.user = self.default
            c.authenticated = False
            refresh_fast(c)
        return victims

    def _lost_channels(self, user: User, before: list[Selector]) -> list[Client]:
        """The user's clients that listen to channels which its new rules do not allow."""
        if any(selector.all_channels for selector in user.selectors):
            return []
        allowed = {channel for selector in user.selectors for channel in selector.channels}
        had_all = any(selector.all_channels for selector in before)
        if not had_all and all(channel in allowed for selector in before for channel in selector.channels):
            return []
        clients = self.server.clients.values()
        return [c for c in clients if c.user is user and not _may_listen(c, user.selectors)]

    # --- configuration and files ------------------------------------------------------------------------------

    def load_at_start(self) -> None:
        """The users that the configuration declares, or those of ``aclfile``. Raises AclError."""
        config = self.server.config
        if config.users and config.aclfile:
            raise AclError(_BOTH)
        for words in config.users:
            self._load_configured(words[0], words[1:])
        if config.aclfile:
            try:
                self.load_file()
            except AclError as e:
                raise AclError(f"Aborting Redis startup because of ACL errors: {e}") from None

    def _load_configured(self, name: bytes, rules: list[bytes]) -> None:
        """One ``user`` line of the configuration; its rules were read once when it was parsed."""
        critical = "\nCritical error while loading ACLs. Exiting."
        if has_spaces(name):
            raise AclError("Spaces not allowed in ACL usernames" + critical)
        user = self.new_user(name)
        if name == DEFAULT:
            user = self.default
            set_user(user, b"reset", self.all_channels())
        try:
            self._apply(user, rules)
        except RuleError as e:
            raise AclError(
                f"Error loading ACL rule '{_text(e.rule)}' for the user named '{_text(name)}': {_text(e.message)}"
                + critical
            ) from None
        if not user.on:
            self.server.log.notice(
                f"The user '{_text(name)}' is disabled (there is no 'on' modifier in the user description). Make sure "
                "this is not a configuration error."
            )
        self.table[name] = user
        self.settle(user)

    def load_file(self) -> list[Client]:
        """Replace all users by those of ``aclfile``, or none if it has a fault. Raises AclError.

        Returns the clients to be closed: all of other users than the default one.
        """
        path = self.server.config.aclfile
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError as e:
            raise AclError(f"Error loading ACLs, opening file '{path}': {e.strerror}") from None
        table = _Reader(self, path.encode("utf-8", "surrogateescape")).read(text)
        old = self.table
        new_default = table.get(DEFAULT) or self._new_default()
        self.default.assign(new_default)
        table[DEFAULT] = self.default
        self.table = table
        for user in table.values():
            self.settle(user)
        return self._disown([user for user in old.values() if user is not self.default])

    def save_file(self) -> None:
        """Write all users to ``aclfile``, at once or not at all. Raises OSError."""
        path = self.server.config.aclfile
        data = b"".join([line + b"\n" for line in self.lines()])
        replace_file(path, data, f"{path}.tmp-{self.server.pid}-{self.server.mstime}")

    def lines(self) -> list[bytes]:
        """All users as lines of a file or of ACL LIST."""
        return [b"user %b %b" % (user.name, describe_user(user)) for user in self.sorted()]


def _may_listen(c: Client, selectors: list[Selector]) -> bool:
    """Whether a client's subscriptions are all allowed."""

    def allowed(channel: bytes, pattern: bool) -> bool:
        return any(selector.allows_channel(channel, pattern) for selector in selectors)

    return all(allowed(channel, True) for channel in c.patterns) and all(
        allowed(channel, False) for channel in (*c.channels, *c.shard_channels)
    )


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


class _Reader:
    """Reads an ACL file; all faults are collected, so that they can be mended at once."""

    def __init__(self, users: Users, path: bytes) -> None:
        self.users = users
        self.path = path
        self.table: dict[bytes, User] = {}
        self.errors: list[bytes] = []

    def read(self, text: bytes) -> dict[bytes, User]:
        """The users of a file. Raises AclError."""
        for number, line in enumerate(_NULLS.sub(b"", text).split(b"\n"), 1):
            words = line.strip(b" \t\r\n").split(b" ")
            if words != [b""]:
                self._line(number, words)
        if self.errors:
            raise AclError(_text(b"".join(self.errors) + _NO_CHANGE))
        return self.table

    def _fault(self, number: int, message: bytes) -> None:
        self.errors.append(b"%b:%d: %b. " % (self.path, number, message))

    def _line(self, number: int, words: list[bytes]) -> None:
        if words[0] != b"user" or len(words) < 2:
            where = b"%b:%d" % (self.path, number)
            self.errors.append(where + b" should start with user keyword followed by the username. ")
            return
        name = words[1]
        if has_spaces(name):
            self.errors.append(b"'%b:%d: username '%b' contains invalid characters. " % (self.path, number, name))
            return
        if name in self.table:
            self.errors.append(b"WARNING: Duplicate user '%b' found on line %d. " % (name, number))
            return
        user = self.table[name] = self.users.new_user(name)
        try:
            rules = merge_selectors(words[2:])
        except UnmatchedParenthesis:
            self.errors.append(b"%b:%d: Unmatched parenthesis in selector definition." % (self.path, number))
            return
        syntax_error = False
        for rule in rules:
            trimmed = rule.strip(b"\t\r\n")
            try:
                set_user(user, trimmed, self.users.all_channels())
            except RuleError as e:
                if e.unknown:
                    self._fault(number, b"Error in applying operation '%b': %b" % (trimmed, e.message))
                elif not syntax_error:
                    self._fault(number, e.message)
                    syntax_error = True
