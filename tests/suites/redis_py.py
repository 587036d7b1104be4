"""redis-py's own tests on ours beside redis-server: what passes there has to pass here.

The tests are those of the installed redis-py. They are not in its wheel, so its source distribution is fetched from the
package index into ``.venv/suites`` when they are first run. Left out is what needs a module, a cluster, Sentinel, TLS
with the certificates of its containers, or another server of its own.

``python -m tests.suites.redis_py [--quick] [--only WORDS]``: exit status 1 if a test fails on ours only and is not in
:data:`KNOWN`, or passes though it is.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import redis

from tests.support.servers import ServerProcess, start_oracle, start_ours

CACHE: Final = Path(sys.prefix) / "suites"
LEFT_OUT: Final = (
    # modules
    "test_bloom.py",
    "test_json.py",
    "test_search*.py",
    "test_timeseries.py",
    "test_vsets.py",
    "test_himport*.py",
    # clusters, Sentinel, several databases, containers with certificates
    "test_cluster*.py",
    "test_sentinel*.py",
    "test_multidb",
    "test_scenario",
    "maint_notifications",
    "test_ssl.py",
    "test_credentials.py",
    # nothing of a server
    "test_auth",
    "test_http",
    "test_observability",
    "test_driver_info.py",
    "test_crc.py",
    "test_backoff.py",
    "test_background.py",
)
MARKS: Final = "not redismod and not onlycluster and not ssl and not cp_integration and not multidb_integration"
QUICK: Final = "test_hash.py or test_pipeline.py or test_encoding.py"

KNOWN: Final[dict[str, str]] = {}
"""Tests that fail on ours and not on redis-server (patterns), each with the reason (docs/compatibility.md has it)."""
KNOWN_NEWEST: Final[dict[str, str]] = {}
"""The same when ours is as new as it can be: there is no redis-server beside it."""

Results = dict[str, str]
"""Test → ``passed``, ``failed`` or ``skipped``."""


def sources() -> Path:
    """The unpacked source distribution of the installed redis-py."""
    name = f"redis-{redis.__version__}"
    place = CACHE / name
    if not (place / "tests").is_dir():
        CACHE.mkdir(exist_ok=True)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        subprocess.run([*pip, "--dest", str(CACHE), f"redis=={redis.__version__}"], check=True)
        with tarfile.open(CACHE / f"{name}.tar.gz") as archive:
            archive.extractall(CACHE, filter="data")
        if not (place / "tests").is_dir():
            raise SystemExit(f"{name}.tar.gz has no tests in it")
    return place


def left_out(place: Path) -> list[str]:
    """Options that leave files and folders out."""
    options = []
    for path in sorted(place.glob("tests/**/*")):
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in LEFT_OUT):
            options += ["--ignore", str(path.relative_to(place))]
    return options


class Run:
    """One run of the tests in the background."""

    def __init__(self, title: str, server: ServerProcess, protocol: int, only: str) -> None:
        self.title = title
        place = sources()
        self.report = Path(tempfile.mkdtemp()) / "report.xml"
        options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--timeout", "60", "-m", MARKS]
        options += ["--redis-url", f"{server.url}/0", "--protocol", str(protocol), f"--junitxml={self.report}"]
        options += ["-o", "junit_family=xunit1", "-W", "ignore", *left_out(place), *(["-k", only] if only else [])]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        with self.report.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options, "tests"],
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def results(self) -> Results:
        """Wait for the end."""
        self.process.wait()
        if not self.report.exists():
            raise SystemExit(f"{self.title}: no report\n" + self.report.with_suffix(".log").read_text()[-4000:])
        found: Results = {}
        for case in ElementTree.parse(self.report).iter("testcase"):
            name = f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}"
            kinds = {child.tag for child in case}
            outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
            if found.get(name) != "failed":
                found[name] = outcome
        return found

    def reason(self, name: str) -> str:
        """The last line of a failure."""
        for case in ElementTree.parse(self.report).iter("testcase"):
            if f"{case.get('classname', '').removeprefix('tests.')}::{case.get('name')}" == name:
                for child in case:
                    if child.tag in ("failure", "error"):
                        return (child.get("message") or "").strip().replace("\n", " ")[:160]
        return ""


@contextlib.contextmanager
def servers(*wanted: str) -> Iterator[list[ServerProcess]]:
    """``ours``, ``oracle`` and ``newest``, each in a directory of its own."""
    started: list[ServerProcess] = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for kind in wanted:
                cwd = Path(folder) / kind
                cwd.mkdir()
                options = ("--enable-debug-command", "yes", "--enable-module-command", "yes")
                if kind == "oracle":
                    started.append(start_oracle(cwd, *options))
                else:
                    started.append(start_ours(cwd, *options, compat="7.0" if kind == "ours" else ""))
            yield started
        finally:
            for server in started:
                server.stop()


def matches(name: str, patterns: dict[str, str]) -> str:
    """The pattern of a known difference; empty if there is none."""
    return next((pattern for pattern in patterns if fnmatch.fnmatch(name, pattern)), "")


def line(title: str, results: Results) -> str:
    count = Counter(results.values())
    return f"{title:34} {count['passed']:6} passed {count['failed']:6} failed {count['skipped']:6} skipped"


def judge(title: str, run: Run, failures: list[str], known: dict[str, str], stale: set[str]) -> bool:
    """Print what fails on ours only; True if all of it is known."""
    good = True
    for name in sorted(failures):
        pattern = matches(name, known)
        stale.discard(pattern)
        good = good and bool(pattern)
        print(f"  {'known  ' if pattern else 'ONLY OURS'} {name}: {known.get(pattern) or run.reason(name)}")
    return good


def main() -> int:
    """Run all, print the table and what fails on ours only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some files only")
    parser.add_argument("--only", default="", help="tests whose names match (pytest's -k)")
    arguments = parser.parse_args()
    only = arguments.only or (QUICK if arguments.quick else "")
    whole = not only
    good = True
    stale = set(KNOWN) | set(KNOWN_NEWEST)
    print(f"redis-py {redis.__version__}, its own tests")
    for protocol in (2, 3):
        begun = time.monotonic()
        with servers("ours", "oracle") as (ours, oracle):
            mine = Run("ours", ours, protocol, only)
            theirs = Run("redis-server", oracle, protocol, only)
            mine_found, theirs_found = mine.results(), theirs.results()
            alive = ours.alive()
        print(line(f"RESP{protocol}: pyredis 7.0", mine_found))
        print(line(f"RESP{protocol}: redis-server 7.0.15", theirs_found), f"  ({time.monotonic() - begun:.0f} s)")
        failures = [n for n, how in mine_found.items() if how == "failed" and theirs_found.get(n) != "failed"]
        good = judge("ours", mine, failures, KNOWN, stale) and good and alive
    with servers("newest") as (newest,):
        run = Run("newest", newest, 3, only)
        found = run.results()
        good = good and newest.alive()
    print(line("RESP3: pyredis, newest", found))
    good = judge("newest", run, [n for n, how in found.items() if how == "failed"], KNOWN_NEWEST, stale) and good
    if whole and stale:
        print("known, but passing:", *sorted(stale), sep="\n  ")
        good = False
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
