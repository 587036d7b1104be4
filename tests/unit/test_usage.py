"""The usage grammar: trees written down and read again, examples, mistakes, and how it is shown to people."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyredis.core.usage import Argument, UsageError, parse_usage, syntax

TYPES = {
    "string": "string",
    "integer": "int",
    "double": "double",
    "unix-time": "time",
    "key": "key",
    "pattern": "pattern",
}


def write(argument: Argument, followed_by_value: bool = False) -> str:
    """The longest form that the grammar has for an argument: everything is named, nothing is left to be derived."""
    name = argument.name + "="
    if argument.type == "pure-token":
        word = argument.token or ""
        text = word if re.fullmatch("[A-Z][A-Z0-9]*", word) else f"'{word}'"
    elif argument.type == "oneof":
        text = "(" + "|".join(map(write, argument.arguments)) + ")"
    elif argument.type == "block":
        text = "(" + " ".join(map(write, argument.arguments)) + ")"
    else:
        name, text = "", f"{argument.name}:{TYPES[argument.type]}"
    text = name + text
    if argument.key_spec >= 0:
        text += f"#{argument.key_spec}"
    if argument.token is not None and argument.type != "pure-token":
        text = f"{argument.token} {text}"
    inside = argument.multiple and not argument.multiple_token
    if inside:
        text += "..."
    if argument.optional:
        text = f"[{text}]"
    if argument.multiple and not inside:
        text += "..."
    if argument.since:
        text += "@" + argument.since
    if argument.deprecated_since:
        text += "!" + argument.deprecated_since
    return text


def as_dict(argument: Argument) -> dict[str, object]:
    fields = {slot: getattr(argument, slot) for slot in Argument.__slots__ if slot != "arguments"}
    return fields | {"arguments": [as_dict(child) for child in argument.arguments]}


NAMES = st.sampled_from(
    ["a", "key", "int", "pattern", "score", "min-idle", "a_b", "ip:port", "yes/no", "key2", "x:int"]
)
TOKENS = st.sampled_from(["A", "EX", "AUTH2", "NX"])
VERSIONS = st.sampled_from(["", "", "1.0.0", "6.2.0"])


@st.composite
def arguments(draw: st.DrawFn, depth: int = 2) -> Argument:
    kind = draw(st.sampled_from([*TYPES, "pure-token", *(("block", "oneof") if depth else ())]))
    argument = Argument(draw(NAMES), kind)
    if kind == "pure-token":
        argument.token = draw(TOKENS | st.sampled_from(["", "*", "=", "~"]))
    else:
        argument.token = draw(st.none() | TOKENS)
    if kind in ("block", "oneof"):
        fewest = 2 if kind == "oneof" else 1
        argument.arguments = tuple(draw(st.lists(arguments(depth - 1), min_size=fewest, max_size=3)))
    if kind in ("key", "pattern"):
        argument.key_spec = draw(st.integers(0 if kind == "key" else -1, 2))
    argument.since, argument.deprecated_since = draw(VERSIONS), draw(VERSIONS)
    argument.optional, argument.multiple = draw(st.booleans()), draw(st.booleans())
    repeatable = argument.token is not None and kind != "pure-token" and argument.optional and argument.multiple
    argument.multiple_token = repeatable and draw(st.booleans())
    return argument


@settings(deadline=None)
@given(st.lists(arguments(), max_size=4))
def test_what_is_written_is_read(trees: list[Argument]) -> None:
    usage = " ".join(map(write, trees))
    assert [as_dict(found) for found in parse_usage(usage)] == [as_dict(tree) for tree in trees]
    assert syntax(tuple(trees)).count("[") == syntax(tuple(trees)).count("]")


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        ("", ""),
        ("key value", "key value"),
        ("key...", "key [key ...]"),
        ("[channel]...", "[channel [channel ...]]"),
        ("key [count:int]@6.2.0", "key [count]"),
        ("where=(LEFT|RIGHT)", "<LEFT | RIGHT>"),
        ("condition=[NX|XX]@6.2.0 [change=CH]", "[NX | XX] [CH]"),
        ("[AGGREGATE aggregate=(SUM|MIN|MAX)]", "[AGGREGATE <SUM | MIN | MAX>]"),
        ("(score:double member)...", "score member [score member ...]"),
        ("[LIMIT (offset:int count:int)]", "[LIMIT offset count]"),
        ("[WEIGHTS weight:int...]", "[WEIGHTS weight [weight ...]]"),
        ("[GET pattern#1]...", "[GET pattern [GET pattern ...]]"),
        ("(key|empty_string='')", '<key | "">'),
        ("options=[count:int [WITHVALUES]]", "[count [WITHVALUES]]"),
        ("[REPLACE] code", "[REPLACE] code"),
        ("replace=REPLACE code", "REPLACE code"),
    ],
)
def test_shown_to_people(usage: str, shown: str) -> None:
    assert syntax(parse_usage(usage)) == shown


def test_names_and_types_are_derived() -> None:
    key, pattern, pair, choice, target = parse_usage("key pattern (score:double member) (NX|XX) target:key#1")
    assert (key.type, key.key_spec) == ("key", 0)
    assert (pattern.type, pattern.key_spec) == ("pattern", -1)
    assert (pair.type, pair.name) == ("block", "score_member")
    assert (choice.type, choice.name) == ("oneof", "nx_xx")
    assert (target.name, target.type, target.key_spec) == ("target", "key", 1)
    assert [child.token for child in choice.arguments] == ["NX", "XX"]


def test_one_in_brackets_is_no_block() -> None:
    (limit,) = parse_usage("[LIMIT limit:int]")
    assert (limit.type, limit.token, limit.optional, limit.arguments) == ("integer", "LIMIT", True, ())


@pytest.mark.parametrize(
    "usage", ["(", ")", "()", "[]", "a|b", "(a b|c)", "a ]", "[a", "(a|)", "name=", "{", "a@x", "...", "a = b", "@1.0"]
)
def test_mistakes(usage: str) -> None:
    with pytest.raises(UsageError):
        parse_usage(usage)


def test_parsed_once() -> None:
    assert parse_usage("key [count:int]") is parse_usage("key [count:int]")
