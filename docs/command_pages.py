"""The pages of docs/commands: one for each group, from the command table and what docs/reference adds to it.

``docs/reference/GROUP.txt`` has for each command::

    NAME
    = the reply's shape in RESP3; several lines are alternatives
    =2 the same in RESP2, where it does not follow from RESP3's
    : what the reply means
    > a command of the example
    < what that shows, where it is not always the same (`…` is anything)

Shapes: ``bulk``, ``int``, ``double``, ``null``, ``status``, ``OK`` or ``"TEXT"`` (a status with this text),
``verbatim``, ``push``, ``any``; ``[x]`` is an array of any length, ``[x, y]`` one of this length, ``<x>`` a set,
``{x: y}`` a map, ``x | y`` one or the other. In RESP2 maps and sets are arrays, doubles and
verbatim texts bulk strings.

The examples run here, on a server without sockets, in both protocols; a reply that is not of the shape is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pyredis
from pyredis.cli.client.connection import Connection, Reply
from pyredis.cli.client.formats import for_terminal
from pyredis.core.command import ACL_CATEGORY_NAMES, CommandSpec
from pyredis.core.usage import Argument, parse_usage
from pyredis.embedded.wires import WireSocket
from pyredis.lib.splitargs import split_args

REFERENCE: Final = Path(__file__).parent / "reference"


class Entry:
    """What docs/reference says about a command. ``example``: pairs of command line and shown reply ("": computed)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.shapes: list[str] = []
        self.shapes2: list[str] = []
        self.note = ""
        self.example: list[list[str]] = []


def entries(group: str) -> dict[str, Entry]:
    """The entries of a group's file, by command."""
    found: dict[str, Entry] = {}
    for part in (REFERENCE / f"{group}.txt").read_text().split("\n\n"):
        lines = part.strip("\n").splitlines()
        if not lines:
            continue
        entry = found[lines[0]] = Entry(lines[0])
        for line in lines[1:]:
            mark, _, text = line.partition(" ")
            if mark == "=":
                entry.shapes.append(text)
            elif mark == "=2":
                entry.shapes2.append(text)
            elif mark == ":":
                entry.note = text
            elif mark == ">":
                entry.example.append([text, ""])
            elif mark == "<":
                entry.example[-1][1] += text + "\n"
            else:
                raise SystemExit(f"docs/reference/{group}.txt: {line!r}")
    return found


# --- shapes ---------------------------------------------------------------------------------------------------------

Shape = tuple[str, Any]
"""A kind (``one of``, ``array``, ``tuple``, ``set``, ``map``, or a scalar's name) and what it consists of."""
_LEXER: Final = re.compile(r'\s*("[^"]*"|[a-zA-Z]+|[][<>{}:|,])')


def parse_shape(text: str) -> Shape:
    """A shape read. Raises SystemExit for what is none."""
    words = _LEXER.findall(text)
    if "".join(words) != re.sub(r"\s(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", "", text):
        raise SystemExit(f"no shape: {text}")
    at = 0

    def choice() -> Shape:
        nonlocal at
        found = [single()]
        while at < len(words) and words[at] == "|":
            at += 1
            found.append(single())
        return found[0] if len(found) == 1 else ("one of", found)

    def single() -> Shape:
        nonlocal at
        word = words[at]
        at += 1
        if word == "{":
            key = choice()
            at += 1
            value = choice()
            at += 1
            return ("map", (key, value))
        if word in "[<":
            closing = "]" if word == "[" else ">"
            found = []
            many = True
            while words[at] != closing:
                found.append(choice())
                if words[at] == ",":
                    at += 1
                    many = False
            at += 1
            if word == "<":
                return ("set", found[0])
            return ("array", found[0]) if many and found else ("tuple", found)
        if word == "OK":
            word = '"OK"'
        return (word, None)

    shape = choice()
    if at != len(words):
        raise SystemExit(f"no shape: {text}")
    return shape


_KINDS: Final = {"bulk": "$", "int": ":", "double": ",", "null": "_", "status": "+", "verbatim": "=", "push": ">"}


def fits(shape: Shape, reply: Reply, protocol: int) -> bool:
    """Whether a reply is of the shape, in this protocol."""
    kind, parts = shape
    mark, value = reply.kind.decode(), reply.value
    if kind == "any":
        return mark != "-"
    if kind == "one of":
        return any(fits(one, reply, protocol) for one in parts)
    if kind == "array":
        return mark == "*" and all(fits(parts, one, protocol) for one in value)
    if kind == "tuple":
        return mark == "*" and len(value) == len(parts) and all(map(fits, parts, value, [protocol] * len(parts)))
    if kind == "set":
        return mark == ("~" if protocol == 3 else "*") and all(fits(parts, one, protocol) for one in value)
    if kind == "map":
        pairs = zip(value[::2], value[1::2], strict=True) if mark == ("%" if protocol == 3 else "*") else [None]
        return all(pair and fits(parts[0], pair[0], protocol) and fits(parts[1], pair[1], protocol) for pair in pairs)
    if kind.startswith('"'):
        return mark == "+" and value == kind[1:-1].encode()
    if protocol == 2 and kind in ("double", "verbatim"):
        kind = "bulk"
    return mark == _KINDS[kind]


_WORDS: Final = {
    "bulk": ("bulk string", "bulk strings"),
    "int": ("integer", "integers"),
    "double": ("double", "doubles"),
    "null": ("null", "nulls"),
    "status": ("simple string", "simple strings"),
    "verbatim": ("verbatim string", "verbatim strings"),
    "push": ("push", "pushes"),
    "any": ("any reply", "anything"),
}


def words(shape: Shape, protocol: int, many: bool = False) -> str:
    """The shape in words; ``many``: in the plural."""
    kind, parts = shape
    if protocol == 2 and kind in ("double", "verbatim"):
        kind = "bulk"
    if kind in _WORDS:
        return _WORDS[kind][many]
    if kind.startswith('"'):
        return f"`{kind[1:-1]}`"
    if kind == "one of":
        return " or ".join([words(one, protocol, many) for one in parts])
    if kind == "array":
        return f"array{'s' * many} of {words(parts, protocol, True)}"
    if kind == "tuple":
        inner = ", ".join([words(one, protocol) for one in parts])
        return f"array{'s' * many} ({inner})" if parts else "empty array"
    if kind == "set":
        return f"{'set' if protocol == 3 else 'array'}{'s' * many} of {words(parts, protocol, True)}"
    key, value = words(parts[0], protocol, True), words(parts[1], protocol, True)
    if protocol == 3:
        return f"map{'s' * many} of {key} to {value}"
    return f"array{'s' * many} of {key} and {value} in turn"


def reply_lines(entry: Entry) -> list[str]:
    """What the command answers, in both protocols."""
    three = [words(parse_shape(shape), 3) for shape in entry.shapes]
    two = [words(parse_shape(shape), 2) for shape in entry.shapes2 or entry.shapes]
    lines = ["; or ".join(dict.fromkeys(three))]
    if list(dict.fromkeys(two)) != list(dict.fromkeys(three)):
        lines = [f"RESP2: {'; or '.join(dict.fromkeys(two))}. RESP3: {lines[0]}"]
    return [f"**Reply.** {lines[0][0].upper()}{lines[0][1:]}.{' ' + entry.note if entry.note else ''}"]


# --- examples -------------------------------------------------------------------------------------------------------


def run_example(entry: Entry) -> list[str]:
    """The lines of the example, with what each command shows; a reply of another shape is refused."""
    shown: list[str] = []
    for protocol in (3,) if entry.name == "HELLO" else (3, 2):
        shapes = [parse_shape(one) for one in (entry.shapes if protocol == 3 else entry.shapes2 or entry.shapes)]
        shown = []
        with pyredis.Server(listen=False, enable_debug_command=True) as server:
            connection = Connection(WireSocket(server.place, server.new_protocol, 10))
            if protocol == 3:
                connection.call(b"HELLO", b"3")
            queued = False
            for line, template in entry.example:
                argv = split_args(line.encode()) or []
                reply = connection.call(*argv)
                text = for_terminal(reply).decode()
                if reply.kind == b"=" or argv[0].upper() in (b"INFO", b"CLIENT"):
                    text = template or text
                own = line.upper().split()[: len(entry.name.split())] == entry.name.split()
                if own and not queued and reply.kind != b"-" and not any(fits(one, reply, protocol) for one in shapes):
                    raise SystemExit(f"{line} (RESP{protocol}): {text} is not {entry.shapes}")
                queued = argv[0].upper() == b"MULTI" or (queued and argv[0].upper() not in (b"EXEC", b"DISCARD"))
                shown += [f"> {line}", *(template or text).rstrip("\n").split("\n")]
    return shown


# --- arguments ------------------------------------------------------------------------------------------------------


def glossary() -> dict[str, dict[str, str]]:
    """Command ("" for all) → argument's name or token → what it means."""
    found: dict[str, dict[str, str]] = {"": {}}
    for line in (REFERENCE / "arguments.txt").read_text().splitlines():
        if line.startswith("#") or not line:
            continue
        if same := re.fullmatch(r"([A-Z_ -]+)=([A-Z_ -]+)", line):
            found.setdefault(same[1], {}).update(found[same[2]])
            continue
        word, _, meaning = line.partition(": ")
        command, dot, name = word.rpartition(".")
        found.setdefault(command if dot else "", {})[name] = meaning
    return found


GLOSSARY: Final = glossary()


def argument_rows(name: str, arguments: tuple[Argument, ...], optional: bool = False) -> list[str]:
    """Lines of the table of arguments."""
    rows = []
    for one in arguments:
        may = optional or one.optional
        if one.type in ("oneof", "block"):
            if one.token is not None:
                rows.append(_row(name, one, may))
            rows += argument_rows(name, one.arguments, may)
        else:
            rows.append(_row(name, one, may))
    return list(dict.fromkeys(rows))


def _row(command: str, one: Argument, optional: bool) -> str:
    token = one.token if one.token is not None else ""
    shown = one.name if one.type not in ("pure-token", "oneof", "block") else ""
    own = GLOSSARY.get(command, {})
    meaning = ""
    for word in (token, one.name):
        meaning = meaning or own.get(word, "")
    for word in (token, one.name):
        meaning = meaning or GLOSSARY[""].get(word, "")
    kind = {"pure-token": "", "oneof": "", "block": "", "unix-time": "Unix time"}.get(one.type, one.type)
    more = [f"since {one.since}"] if one.since else []
    more += [f"deprecated since {one.deprecated_since}"] if one.deprecated_since else []
    more += ["repeatable"] if one.multiple else []
    text = f"`{f'{token} {shown}'.strip() or chr(34) * 2}`"
    notes = "; ".join([part for part in (meaning, ", ".join(more)) if part])
    return f"| {text} | {kind} | {'optional' if optional else 'required'} | {notes} |".replace("|  |", "| |")


def argument_lines(name: str, spec: CommandSpec) -> list[str]:
    """The table of a command's arguments."""
    rows = argument_rows(name, parse_usage(spec.usage))
    if not rows:
        return []
    return ["| argument | type | | |", "|---|---|---|---|", *rows, ""]


def categories(spec: CommandSpec) -> str:
    """The ACL categories, as in ``@read @fast``."""
    return " ".join([f"`@{name.decode()}`" for bit, name in ACL_CATEGORY_NAMES if spec.acl & bit])
