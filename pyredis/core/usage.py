"""The usage grammar: one line of redis.io-like syntax per command, parsed into the tree of COMMAND DOCS ``arguments``.

Purpose: a command's arguments are declared once, readably; the documentation tree, the hints of redis-cli and the
manual pages follow from it. Nothing is parsed when the server starts: :func:`parse_usage` runs when somebody asks.

The grammar (items are separated by blanks)::

    usage  = item*
    item   = [TOKEN] thing                  TOKEN is written before the thing it introduces: ``EX seconds:int``
    thing  = [name "="] body suffix*
    body   = word [":" type]                a value; types: string (the default) int double time key pattern
           | TOKEN                          a bare token (when no value follows), named by its lower-case self
           | "(" item+ ")"                  a block, named after its parts: ``score_member``
           | "(" item ("|" item)+ ")"       one of several, likewise
           | "[" item | item+ | alternatives "]"    the same, optional; brackets around one item add no block
    suffix = "..."                          once or more
           | "@" version                    since that version
           | "!" version                    deprecated since that version
           | "#" number                     the number of the key specification; makes the word a ``key``

Words are lower case, tokens upper case; other tokens are quoted: ``'*'``, ``''``. A word that is the name of a type has
that type; ``key`` alone stands for ``key:key#0``. ``name=`` before a token makes it a bare token whatever follows.
``TOKEN x...`` takes the token once, ``[TOKEN x]...`` takes it before each. Examples::

    key [NX|XX] [CH] [INCR] (score:double member)...
    key [BY pattern] [LIMIT (offset:int count:int)] [GET pattern]... order=[ASC|DESC] [sorting=ALPHA]

:func:`syntax` renders a tree for people: ``key [NX | XX] score member [score member ...]``.

Invariants: parsed trees are never changed, so every server shares them.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

_TYPES: Final[dict[str, str]] = {
    "string": "string",
    "int": "integer",
    "double": "double",
    "time": "unix-time",
    "key": "key",
    "pattern": "pattern",
}

_LEXER: Final = re.compile(
    r"\s*(?:(?P<name>[\w:/-]+=)|(?P<token>[A-Z][A-Z0-9]*(?![\w:/-])|'[^']*')|(?P<word>[\w:/-]+)"
    r"|(?P<more>\.\.\.)|(?P<suffix>[@!#][0-9.]*[0-9])|(?P<mark>[][()|]))"
)


class UsageError(ValueError):
    """A usage line that the grammar does not allow: a mistake in a declaration."""


_FIELDS: Final = (
    "arguments",
    "deprecated_since",
    "key_spec",
    "multiple",
    "multiple_token",
    "name",
    "optional",
    "since",
    "token",
    "type",
)


class Argument:
    """One node of the tree. ``type``: string, integer, double, unix-time, key, pattern, pure-token, block or oneof.

    ``token`` is None where there is none (an empty token exists). ``key_spec`` is -1 where there is none.
    """

    __slots__ = _FIELDS

    def __init__(self, name: str, kind: str, token: str | None = None) -> None:
        self.name = name
        self.type = kind
        self.token = token
        self.key_spec = -1
        self.since = ""
        self.deprecated_since = ""
        self.optional = False
        self.multiple = False
        self.multiple_token = False
        self.arguments: tuple[Argument, ...] = ()

    def changed(self, **fields: Any) -> Argument:
        """A copy with some fields set anew."""
        copy = Argument(self.name, self.type, self.token)
        for field in _FIELDS:
            setattr(copy, field, fields.get(field, getattr(self, field)))
        return copy


class _Parser:
    """Recursive descent over the lexemes; each is a (kind, text) pair, kind being a group's name in the lexer."""

    __slots__ = ("at", "lexemes", "usage")

    def __init__(self, usage: str) -> None:
        self.usage = usage
        self.at = 0
        self.lexemes: list[tuple[str, str]] = []
        position = 0
        text = usage.rstrip()
        while position < len(text):
            match = _LEXER.match(text, position)
            if match is None or match.lastgroup is None:
                raise UsageError(f"{usage!r}: nonsense at column {position}")
            self.lexemes.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
        self.lexemes.append(("end", ""))

    def fail(self, expected: str) -> UsageError:
        return UsageError(f"{self.usage!r}: {expected} expected, not {self.lexemes[self.at][1]!r}")

    def take(self) -> tuple[str, str]:
        lexeme = self.lexemes[self.at]
        self.at += 1
        return lexeme

    def skip(self, text: str) -> bool:
        if self.lexemes[self.at][1] == text and self.lexemes[self.at][0] != "token":
            self.at += 1
            return True
        return False

    def value_follows(self) -> bool:
        """Whether the token just read introduces what comes next (a value or a group, but no optional one)."""
        kind, text = self.lexemes[self.at]
        if kind == "name":
            kind, text = self.lexemes[self.at + 1]
        return kind == "word" or text == "("

    def items(self) -> list[Argument]:
        """Items up to a closing mark, a bar or the end."""
        found: list[Argument] = []
        while self.lexemes[self.at][1] not in (")", "]", "|") and self.lexemes[self.at][0] != "end":
            found.append(self.item())
        return found

    def item(self) -> Argument:
        token: str | None = None
        if self.lexemes[self.at][0] == "token":
            token = self.take()[1].strip("'")
            if not self.value_follows():
                return self.suffixes(Argument(token.lower(), "pure-token", token))
        name = self.take()[1][:-1] if self.lexemes[self.at][0] == "name" else ""
        kind, text = self.take()
        if kind == "token":
            word = text.strip("'")
            argument = Argument(word.lower(), "pure-token", word)
        elif kind == "word":
            argument = _value(text)
        elif text in ("(", "["):
            argument = self.group(text)
        else:
            self.at -= 1
            raise self.fail("an item")
        if name:
            argument.name = name
        if token is not None:
            argument.token = token
        return self.suffixes(argument)

    def group(self, opening: str) -> Argument:
        """What stands between parentheses or brackets; the opening mark is read already."""
        alternatives = [self.items()]
        while self.skip("|"):
            alternatives.append(self.items())
        if not self.skip(")" if opening == "(" else "]"):
            raise self.fail("a closing mark")
        if len(alternatives) > 1:
            if any(len(items) != 1 for items in alternatives):
                raise self.fail("one item in each alternative")
            argument = _group("oneof", [items[0] for items in alternatives])
        elif opening == "[" and len(alternatives[0]) == 1:
            argument = alternatives[0][0]
        elif alternatives[0]:
            argument = _group("block", alternatives[0])
        else:
            raise self.fail("an item")
        if opening == "[":
            argument.optional = True
            if self.skip("..."):
                argument.multiple = True
                argument.multiple_token = argument.token is not None
        return argument

    def suffixes(self, argument: Argument) -> Argument:
        while self.lexemes[self.at][0] in ("more", "suffix"):
            text = self.take()[1]
            if text == "...":
                argument.multiple = True
            elif text[0] == "@":
                argument.since = text[1:]
            elif text[0] == "!":
                argument.deprecated_since = text[1:]
            else:
                argument.key_spec = int(text[1:])
                if argument.type == "string":
                    argument.type = "key"
        return argument


def _value(text: str) -> Argument:
    name, colon, kind = text.rpartition(":")
    if not colon or kind not in _TYPES:
        name, kind = text, text if text in _TYPES else "string"
    argument = Argument(name, _TYPES[kind])
    if argument.type == "key":
        argument.key_spec = 0
    return argument


def _group(kind: str, items: list[Argument]) -> Argument:
    argument = Argument("_".join(item.name for item in items), kind)
    argument.arguments = tuple(items)
    return argument


@cache
def parse_usage(usage: str) -> tuple[Argument, ...]:
    """The arguments that a usage line declares; remembered, since the lines are constants.

    Raises UsageError for a line outside the grammar. O(length).
    """
    parser = _Parser(usage)
    found = parser.items()
    if parser.lexemes[parser.at][0] != "end":
        raise parser.fail("an item")
    return tuple(found)


def syntax(arguments: tuple[Argument, ...]) -> str:
    """The arguments as manual pages write them: ``<a | b>`` is a choice, ``[x]`` optional, ``x [x ...]`` repeated."""
    return " ".join([_rendered(argument) for argument in arguments])


def _rendered(argument: Argument) -> str:
    if argument.type == "pure-token":
        text = argument.token or '""'
    elif argument.type == "oneof":
        text = " | ".join([_rendered(child) for child in argument.arguments])
        if argument.token is not None or argument.multiple or not argument.optional:
            text = f"<{text}>"
    elif argument.type == "block":
        text = syntax(argument.arguments)
    else:
        text = argument.name
    introduced = argument.token if argument.type != "pure-token" else None
    if introduced is not None and argument.multiple_token:
        text = f"{introduced} {text}"
    if argument.multiple:
        text = f"{text} [{text} ...]"
    if introduced is not None and not argument.multiple_token:
        text = f"{introduced} {text}"
    return f"[{text}]" if argument.optional else text
