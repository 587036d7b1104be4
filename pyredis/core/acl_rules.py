"""ACL rules: from words to users, and back to the words that ACL LIST, ACL GETUSER and files have.

A rule is applied to a user (or, in parentheses, makes a selector). As of 7.2 rules of commands are shown as they were
given, but for those that a later one repeats. Before, commands are described by the categories that fit them best, and
by what is left of single commands.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pyredis.core.acl import ALL, READ, WRITE, Selector, User, hash_password
from pyredis.lib.splitargs import split_args

UNKNOWN: Final = b"Unknown command or category name in ACL"
_SYNTAX: Final = b"Syntax error"
_ALL_KEYS_ALREADY: Final = (
    b"Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try "
    b"'resetkeys' to start with an empty list of patterns"
)
_ALL_CHANNELS_ALREADY: Final = (
    b"Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try "
    b"'resetchannels' to start with an empty list of channels"
)
_NO_SUCH_PASSWORD: Final = b"The password you are trying to remove from the user does not exist"
_BAD_HASH: Final = b"The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
_NESTED_FIRST_ARG: Final = b"Allowing first-arg of a subcommand is not supported"

_HASH: Final = re.compile(rb"[0-9a-f]{64}")
_SPACES: Final = re.compile(rb"[ \t\n\v\f\r\0]")


class RuleError(ValueError):
    """A rule that cannot be applied; ``message`` says why. ``unknown``: it names a command that there is not."""

    def __init__(self, message: bytes) -> None:
        super().__init__(message)
        self.message = message
        self.rule = b""
        """The whole rule, where several were applied."""
        self.unknown = message == UNKNOWN


class UnmatchedParenthesis(ValueError):
    """A selector that is not closed, begun by the argument at ``position``."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


def has_spaces(text: bytes) -> bool:
    """Whether the text has white space or zero bytes, which names and patterns may not have."""
    return _SPACES.search(text) is not None


def _c_string(text: bytes) -> bytes:
    return text.partition(b"\0")[0]


def merge_selectors(args: list[bytes]) -> list[bytes]:
    """Rules with each selector, which may extend over several arguments, as one. Raises UnmatchedParenthesis.

    One that begins inside of another takes its place, as in Redis.
    """
    merged: list[bytes] = []
    start = -1
    for at, arg in enumerate(args):
        if arg.startswith(b"(") and not arg.endswith(b")"):
            if start >= 0:
                merged.pop()
            merged.append(arg)
            start = at
            continue
        if start >= 0:
            merged[-1] += b" " + _c_string(arg)
            if arg.endswith(b")"):
                start = -1
            continue
        merged.append(arg)
    if start >= 0:
        raise UnmatchedParenthesis(start)
    return merged


# --- applying -------------------------------------------------------------------------------------------------------


def _on(user: User, all_channels: bool) -> None:
    user.on = True


def _off(user: User, all_channels: bool) -> None:
    user.on = False


def _nopass(user: User, all_channels: bool) -> None:
    user.nopass = True
    user.passwords.clear()


def _resetpass(user: User, all_channels: bool) -> None:
    user.nopass = False
    user.passwords.clear()


def _sanitize(user: User, all_channels: bool) -> None:
    user.sanitize = True


def _skip_sanitize(user: User, all_channels: bool) -> None:
    user.sanitize = False


def _clear_selectors(user: User, all_channels: bool) -> None:
    del user.selectors[1:]


def _reset(user: User, all_channels: bool) -> None:
    """As a new user, but that payloads are looked through."""
    _resetpass(user, all_channels)
    user.on = False
    user.sanitize = True
    user.selectors = [Selector(user.selectors[0].commands, all_channels)]


_USER_RULES: Final[dict[bytes, Callable[[User, bool], None]]] = {
    b"on": _on,
    b"off": _off,
    b"nopass": _nopass,
    b"resetpass": _resetpass,
    b"sanitize-payload": _sanitize,
    b"skip-sanitize-payload": _skip_sanitize,
    b"clearselectors": _clear_selectors,
    b"reset": _reset,
}


def set_user(user: User, rule: bytes, all_channels: bool) -> None:
    """Apply one rule to a user. ``all_channels`` is what ``acl-pubsub-default`` gives to new selectors.

    Raises RuleError; nothing has changed then.
    """
    if not rule:
        return
    change = _USER_RULES.get(_c_string(rule).lower())
    kind = rule[:1]
    if change is not None:
        change(user, all_channels)
    elif kind in (b">", b"#"):
        user.passwords[_password(rule)] = None
        user.nopass = False
    elif kind in (b"<", b"!"):
        password = _password(rule)
        if password not in user.passwords:
            raise RuleError(_NO_SUCH_PASSWORD)
        del user.passwords[password]
    elif kind == b"(" and rule.endswith(b")"):
        selector = Selector(user.selectors[0].commands, all_channels)
        # Unbalanced quotes make an empty selector, as in Redis.
        for word in split_args(_c_string(rule[1:-1])) or ():
            set_selector(selector, word)
        user.selectors.append(selector)
    else:
        set_selector(user.selectors[0], rule)


def _password(rule: bytes) -> bytes:
    """The hash that a rule gives or whose password it gives."""
    if rule[:1] in (b">", b"<"):
        return hash_password(rule[1:])
    if not _HASH.fullmatch(rule[1:]):
        raise RuleError(_BAD_HASH)
    return rule[1:]


def _all_keys(selector: Selector, on: bool) -> None:
    selector.all_keys = on
    selector.patterns.clear()


def _all_channels(selector: Selector, on: bool) -> None:
    selector.all_channels = on
    selector.channels.clear()


def _all_commands(selector: Selector, on: bool) -> None:
    selector.bits = selector.commands.all if on else 0
    selector.future = selector.all_commands = on
    selector.first_args.clear()
    selector.rules.clear()


_SELECTOR_RULES: Final[dict[bytes, tuple[Callable[[Selector, bool], None], bool]]] = {
    b"allkeys": (_all_keys, True),
    b"~*": (_all_keys, True),
    b"resetkeys": (_all_keys, False),
    b"allchannels": (_all_channels, True),
    b"&*": (_all_channels, True),
    b"resetchannels": (_all_channels, False),
    b"allcommands": (_all_commands, True),
    b"+@all": (_all_commands, True),
    b"nocommands": (_all_commands, False),
    b"-@all": (_all_commands, False),
}


def set_selector(selector: Selector, rule: bytes) -> None:
    """Apply one rule to a selector. Raises RuleError; nothing has changed then."""
    text = _c_string(rule)
    known = _SELECTOR_RULES.get(text.lower())
    if known is not None:
        change, on = known
        change(selector, on)
    elif rule[:1] in (b"~", b"%"):
        _add_pattern(selector, rule)
    elif rule[:1] == b"&":
        if selector.all_channels:
            raise RuleError(_ALL_CHANNELS_ALREADY)
        if has_spaces(rule[1:]):
            raise RuleError(_SYNTAX)
        selector.channels[rule[1:]] = None
    elif text[:2] in (b"+@", b"-@"):
        reach = selector.commands.reach.get(text[2:].lower())
        if reach is None:
            raise RuleError(UNKNOWN)
        _change_commands(selector, reach, text[:1] == b"+")
        _note(selector, text[1:].lower(), text[:1] == b"+")
    elif text[:1] == b"+":
        _allow(selector, text[1:])
    elif text[:1] == b"-":
        name = selector.commands.find(text[1:])
        if name is None:
            raise RuleError(UNKNOWN)
        _change_commands(selector, selector.commands.masks[name], False)
        _note(selector, name, False)
    else:
        raise RuleError(_SYNTAX)


def _add_pattern(selector: Selector, rule: bytes) -> None:
    """``~pattern``, ``%R~pattern``, ``%W~pattern``, ``%RW~pattern``."""
    if selector.all_keys:
        raise RuleError(_ALL_KEYS_ALREADY)
    given, pattern = ALL, rule[1:]
    if rule[:1] == b"%":
        letters, _, pattern = rule[1:].partition(b"~")
        given = 0
        for letter in letters.upper():
            bit = {0x52: READ, 0x57: WRITE}.get(letter, 0)
            if not bit or given & bit:
                raise RuleError(_SYNTAX)
            given |= bit
    if not given or has_spaces(pattern):
        raise RuleError(_SYNTAX)
    selector.patterns[pattern] = selector.patterns.get(pattern, 0) | given


def _change_commands(selector: Selector, mask: int, on: bool) -> None:
    if on:
        selector.bits |= mask
    else:
        selector.bits &= ~mask
        selector.all_commands = False
    if selector.first_args:
        bits = selector.commands.bits
        selector.first_args = {name: args for name, args in selector.first_args.items() if not bits[name] & mask}


def _allow(selector: Selector, name: bytes) -> None:
    """``+command``, ``+command|subcommand``, or ``+command|first-argument`` for a command without subcommands."""
    commands = selector.commands
    parent, bar, argument = name.rpartition(b"|")
    found = commands.find(parent if bar else name)
    if found is None:
        raise RuleError(UNKNOWN)
    if bar:
        if b"|" in found:
            raise RuleError(_NESTED_FIRST_ARG)
        if not argument:
            raise RuleError(_SYNTAX)
        if found not in commands.containers:
            args = selector.first_args.setdefault(found, [])
            if argument.lower() not in [arg.lower() for arg in args]:
                args.append(argument)
            _note(selector, b"%b|%b" % (found, argument.lower()), True)
            return
        found = commands.find(name)
        if found is None:
            raise RuleError(UNKNOWN)
    _change_commands(selector, commands.masks[found], True)
    _note(selector, found, True)


def _note(selector: Selector, rule: bytes, on: bool) -> None:
    """Remember a rule; those that it makes void, of the same command or of its subcommands, are forgotten."""
    within = rule + b"|"
    selector.rules = {name: old for name, old in selector.rules.items() if name != rule and not name.startswith(within)}
    selector.rules[rule] = on


# --- showing --------------------------------------------------------------------------------------------------------


def user_flags(user: User) -> list[bytes]:
    """The words of GETUSER's flags."""
    flags = [b"on" if user.on else b"off"]
    if user.nopass:
        flags.append(b"nopass")
    if user.sanitize is not None:
        flags.append(b"sanitize-payload" if user.sanitize else b"skip-sanitize-payload")
    return flags


_PERMISSIONS: Final = {ALL: b"~", READ: b"%R~", WRITE: b"%W~"}


def describe_keys(selector: Selector) -> bytes:
    """``~* %R~a``."""
    if selector.all_keys:
        return b"~*"
    return b" ".join([_PERMISSIONS[given] + pattern for pattern, given in selector.patterns.items()])


def describe_channels(selector: Selector) -> bytes:
    """``&a &b*``."""
    return b"&*" if selector.all_channels else b" ".join([b"&" + one for one in selector.channels])


def describe_commands(selector: Selector) -> bytes:
    """``-@all +@read -get``: the rules, as of 7.2; before, some that give the same commands."""
    if selector.commands.compat < 702:
        return _derived_rules(selector)
    rules = [(b"+" if on else b"-") + rule for rule, on in selector.rules.items()]
    return b" ".join([b"+@all" if selector.future else b"-@all", *rules])


def _derived_rules(selector: Selector) -> bytes:
    """Rules that give the same commands, from whichever end they began.

    Categories are taken as long as one has more commands in common with the user than not, the one with the fewest
    exceptions first, then the one with most in common.
    """
    commands = selector.commands
    additive = not selector.future
    shown = Selector(commands, False)
    _all_commands(shown, not additive)
    rules = [b"-@all" if additive else b"+@all"]
    left = selector.bits
    categories = dict(commands.members)
    while True:
        best: tuple[int, int] | None = None
        chosen = b""
        for name, members in categories.items():
            on = (left & members).bit_count()
            off = members.bit_count() - on
            different, same = (off, on) if additive else (on, off)
            if same > different and (best is None or (different, -same) < best):
                best, chosen = (different, -same), name
        if best is None:
            break
        del categories[chosen]
        reach = commands.reach[chosen]
        left = left & ~reach if additive else left | reach
        _change_commands(shown, reach, additive)
        rules.append((b"+@" if additive else b"-@") + chosen)
    rules += _single_commands(selector, shown)
    return b" ".join(rules)


def _single_commands(selector: Selector, shown: Selector) -> list[bytes]:
    """The rules that make ``shown`` what ``selector`` is."""
    commands = selector.commands
    rules: list[bytes] = []
    if shown.bits != selector.bits:
        for name, bit in commands.bits.items():
            if (selector.bits ^ shown.bits) & bit:
                on = bool(selector.bits & bit)
                rules.append((b"+" if on else b"-") + name)
                _change_commands(shown, commands.masks[name], on)
    for name, args in selector.first_args.items():
        if not selector.bits & commands.bits[name]:
            rules += [b"+%b|%b" % (name, arg) for arg in args]
    return rules


def describe_selector(selector: Selector) -> bytes:
    """Keys, channels and commands of a selector in one line."""
    channels = describe_channels(selector)
    if not selector.all_channels:
        channels = b"resetchannels " + channels if channels else b"resetchannels"
    return b" ".join([part for part in (describe_keys(selector), channels, describe_commands(selector)) if part])


def describe_user(user: User) -> bytes:
    """All rules of a user in one line, without its name."""
    words = user_flags(user) + [b"#" + password for password in user.passwords]
    words.append(describe_selector(user.selectors[0]))
    words += [b"(%b)" % describe_selector(selector) for selector in user.selectors[1:]]
    return b" ".join(words)
