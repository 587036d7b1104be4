"""The shape of the source: which package imports which, how long files and functions are (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_USERS: Final = ("cli", "pytest_plugin", "fake", "embedded", "app")
_UPPER: Final = (
    *_USERS,
    "commands",
    "console",
    "metrics",
    "net",
    "replication",
    "persistence",
    "scripting",
    "sentinel",
)
LAYERS: Final = (*_UPPER, "core", "keyspace", "engines", "resp", "lib")
"""From top to bottom: a module imports from its own layer and from those below."""

LINES_OF_FILE: Final = 600
LINES_OF_FUNCTION: Final = 80

LATE_IMPORTS: Final = {
    ("pyredis/app.py", "pyredis.metrics.endpoint"): "the Prometheus client is slow to import",
    ("pyredis/app.py", "pyredis.console.site"): "nothing of it is loaded where it is off",
    ("pyredis/app.py", "uvloop"): "optional, and not there on Windows",
    ("pyredis/app.py", "pyredis.sentinel.server"): "a database need not load what only a sentinel needs",
    ("pyredis/metrics/endpoint.py", "pyredis.metrics.sentinels"): "a database need not load what only a sentinel needs",
    ("pyredis/metrics/endpoint.py", "pyredis.sentinel.server"): "a database need not load what only a sentinel needs",
    ("pyredis/cli/server.py", "pyredis.sentinel.server"): "a database need not load what only a sentinel needs",
    ("pyredis/__init__.py", "pyredis.embedded"): "the command line does without",
    ("pyredis/embedded/server.py", "pyredis.sentinel.server"): "only sentinels need it",
    ("pyredis/embedded/sentinels.py", "redis.sentinel"): "only those who want a client need redis-py",
    ("pyredis/pytest_plugin.py", "pyredis.embedded.server"): "every run of pytest loads the plugin",
    ("pyredis/pytest_plugin.py", "pyredis.embedded.sentinels"): "every run of pytest loads the plugin",
    ("pyredis/embedded/server.py", "pyredis.embedded.connections"): "only those who want a client need redis-py",
    ("pyredis/cli/client/connection.py", "ssl"): "a probe without TLS starts faster",
    ("pyredis/cli/client/formats.py", "json"): "a probe starts faster",
    ("pyredis/cli/client/options.py", "urllib.parse"): "a probe starts faster",
    ("pyredis/cli/client/interactive.py", "readline"): "not there on Windows",
    ("pyredis/cli/client/main.py", "pyredis.cli.client.interactive"): "a probe starts faster",
    ("pyredis/cli/entry.py", "pyredis.cli.client.main"): "a probe starts faster",
    ("pyredis/cli/entry.py", "pyredis.cli.main"): "a probe starts faster",
    ("pyredis/cli/top/command.py", "pyredis.cli.top.screen"): "needs rich, which is optional",
    ("pyredis/cli/server.py", "pyredis.app"): "--help and --version answer without loading the server",
    ("pyredis/lib/heap.py", "ctypes"): "takes milliseconds to load, and only what measures memory needs it",
    ("pyredis/core/logging.py", "syslog"): "not there on Windows",
    ("pyredis/scripting/turns.py", "greenlet"): "takes milliseconds to load, and only scripts need it",
    ("pyredis/scripting/interpreter.py", "lupa.lua51"): "takes milliseconds to load, and only scripts need it",
    ("pyredis/core/process.py", "ctypes"): "slow to import, and wanted after the start only",
    ("pyredis/core/process.py", "resource"): "not there on Windows",
}
"""What may be imported inside a function: (file, module) → the reason."""

LONG_FILES: Final[dict[str, str]] = {}
"""Files above the limit: path → the reason."""

SOURCES: Final = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "pyredis").rglob("*.py"))
PYTHON_FILES: Final = sorted(
    p.relative_to(ROOT).as_posix()
    for folder in ("pyredis", "tests", "benchmarks", "examples", "docs")
    for p in (ROOT / folder).rglob("*.py")
)


class Import:
    """One imported module: its dotted name, the line, and whether it stands in a function."""

    def __init__(self, module: str, line: int, late: bool) -> None:
        self.module = module
        self.line = line
        self.late = late


def imports(node: ast.AST, late: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(name.name, child.lineno, late) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            module = child.module or ""
            if module in ("pyredis", "pyredis.commands"):  # the names are modules themselves
                yield from (Import(f"{module}.{name.name}", child.lineno, late) for name in child.names)
            else:
                yield Import(module, child.lineno, late)
        else:
            yield from imports(child, late or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def parse(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), path)


def layer(dotted: str) -> str:
    """``pyredis.core.client`` → ``core``; the package itself, its version and ``__main__`` are in no layer."""
    parts = dotted.split(".")
    name = parts[1] if len(parts) > 1 else ""
    return "" if name.startswith("__") else name


@pytest.mark.parametrize("path", SOURCES)
def test_imports_point_down(path: str) -> None:
    here = path.removesuffix(".py").replace("/", ".")
    mine = layer(here)
    if not mine:
        return
    assert mine in LAYERS, f"{path}: a package that docs/architecture.md and LAYERS do not have"
    for found in imports(parse(path)):
        theirs = layer(found.module) if found.module.startswith("pyredis.") else ""
        if theirs:
            assert LAYERS.index(theirs) >= LAYERS.index(mine), f"{path}:{found.line}: {mine} imports {theirs}"


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.startswith("pyredis/commands/") and not p.endswith("/all.py")]
)
def test_commands_do_not_import_one_another(path: str) -> None:
    """What two of them share belongs to core or keyspace."""
    assert [(i.line, i.module) for i in imports(parse(path)) if layer(i.module) == "commands"] == []


def test_all_imports_all_commands() -> None:
    """A module that is not imported there declares its commands in vain."""
    there = {i.module for i in imports(parse("pyredis/commands/all.py")) if layer(i.module) == "commands"}
    modules = {p.removesuffix(".py").replace("/", ".") for p in SOURCES if p.startswith("pyredis/commands/")}
    assert there == modules - {"pyredis.commands.all", "pyredis.commands.__init__"}


def test_imports_stand_at_the_top() -> None:
    """Late imports only for the reasons listed, and no reason without its import."""
    late = {(path, i.module) for path in SOURCES for i in imports(parse(path)) if i.late}
    assert late == set(LATE_IMPORTS)


def test_files_are_short() -> None:
    lengths = {path: len((ROOT / path).read_text().splitlines()) for path in PYTHON_FILES}
    assert {path: n for path, n in lengths.items() if n > LINES_OF_FILE}.keys() == LONG_FILES.keys()


def test_functions_fit() -> None:
    """From ``def`` to the last line, decorators (declarations) not counted."""
    long = [
        (path, node.name, n)
        for path in PYTHON_FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (n := (node.end_lineno or 0) - node.lineno + 1) > LINES_OF_FUNCTION
    ]
    assert long == []


def test_no_bare_ignores() -> None:
    """What is suppressed is named."""
    for path in PYTHON_FILES:
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1):
            _, found, rest = line.partition("# type: " + "ignore")
            assert not found or rest.startswith("["), f"{path}:{number}: {line.strip()}"
