"""docs/python.md: the Python package as its docstrings describe it. The sources are read, not imported."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1] / "pyredis"
SECTIONS: Final = (
    ("A server", "`import pyredis`", "embedded/server.py", ("Server", "serve", "ServerClock", "ServerError")),
    ("Faults on demand", "`server.faults`", "embedded/faults.py", ("Faults",)),
    (
        "A set with sentinels",
        "`from pyredis.embedded.sentinels import SentinelSet`",
        "embedded/sentinels.py",
        ("SentinelSet",),
    ),
    (
        "Connections without sockets",
        "`from pyredis.embedded.connections import pool`",
        "embedded/connections.py",
        ("pool", "async_pool", "InProcessConnection", "AsyncInProcessConnection"),
    ),
    (
        "In place of fakeredis",
        "`from pyredis.fake import FakeRedis`",
        "fake.py",
        ("FakeRedis", "FakeStrictRedis", "FakeAsyncRedis", "FakeServer", "FakeConnection", "FakeAsyncConnection"),
    ),
)
_INHERITED: Final = ("repr_pieces", "can_read", "can_read_destructive")
"""Methods that override those of redis-py: nothing to call."""


def text_of(docstring: str) -> str:
    """A docstring as Markdown."""
    text = re.sub(r":\w+:`~?(?:pyredis\.)?(?:\w+\.)*(\w+)`", r"`\1`", docstring)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r"(?m)(?:^>>> .*\n?)+", lambda match: f"```text\n{match[0].rstrip()}\n```\n", text)


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str, bound: bool) -> str:
    """``name(argument: type = default) -> type``, without self."""
    arguments = ast.unparse(node.args)
    if bound:
        arguments = re.sub(r"^(?:self|cls)(?:, )?", "", arguments)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and ast.unparse(node.returns) != "None" else ""
    return f"{name}({arguments}){returns}"


def is_public(node: ast.AST) -> bool:
    """Whether it is a function that others call."""
    return (
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and node.name not in _INHERITED
    )


def attributes(node: ast.ClassDef) -> list[str]:
    """The attributes that are described behind their assignment."""
    lines = []
    for function in node.body:
        body = function.body if isinstance(function, ast.FunctionDef) and function.name == "__init__" else []
        for one, behind in pairwise(body):
            target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
            described = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
            if isinstance(target, ast.Attribute) and described and not target.attr.startswith("_"):
                lines.append(f"- `{target.attr}`: {text_of(str(behind.value.value))}")
    return lines


def class_lines(name: str, node: ast.ClassDef) -> list[str]:
    """A class: how it is made, its attributes, properties and methods."""
    made = next((one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    lines = [f"### {name}", ""]
    if (
        made is not None
        and "core" not in signature(made, name, True)
        and not any(ast.unparse(base).endswith("Error") for base in node.bases)
    ):
        lines += ["```text", signature(made, name, True), "```", ""]
    lines += [text_of(ast.get_docstring(node) or ""), "", *attributes(node)]
    for one in node.body:
        if not is_public(one):
            continue
        decorators = [ast.unparse(decorator) for decorator in one.decorator_list]
        if any(decorator.endswith(".setter") for decorator in decorators):
            continue
        title = one.name if "property" in decorators else signature(one, one.name, "staticmethod" not in decorators)
        if isinstance(one, ast.AsyncFunctionDef):
            title = f"await {title}"
        described = text_of(ast.get_docstring(one) or "").replace("\n", "\n  ")
        lines.append(f"- `{title}`: {described}")
    return [*lines, ""]


def fixtures() -> list[str]:
    """What the pytest plugin has."""
    tree = ast.parse((PACKAGE / "pytest_plugin.py").read_text())
    lines = ["| fixture | scope | is |", "|---|---|---|"]
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in map(ast.unparse, node.decorator_list):
            if "fixture" in decorator and not node.name.startswith("_"):
                scope = "session" if "session" in decorator else "function"
                text = text_of(ast.get_docstring(node) or "").replace("\n", " ")
                lines.append(f"| `{node.name}` | {scope} | {text} |")
    return lines


def python_page() -> str:
    """The page."""
    lines = [
        "# The Python package",
        "",
        "Written by `make docs` from the docstrings. How to use it, with examples:",
        "[In a program, and in tests](embedding.md). Everything else below `pyredis` may change with any release.",
        "",
    ]
    for title, how, path, names in SECTIONS:
        tree = ast.parse((PACKAGE / path).read_text())
        found = {node.name: node for node in tree.body if hasattr(node, "name")}
        lines += [f"## {title}", "", f"{how}", ""]
        for name in names:
            node = found[name]
            if isinstance(node, ast.ClassDef):
                lines += class_lines(name, node)
            else:
                described = text_of(ast.get_docstring(node) or "")
                lines += [f"### {name}", "", "```text", signature(node, name, False), "```", "", described, ""]
    lines += ["## Fixtures of pytest", "", *fixtures(), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"
