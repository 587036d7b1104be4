"""redis-py's own tests on ours beside redis-server: what passes there has to pass here.

The tests are those of the installed redis-py. They are not in its wheel, so its source distribution is fetched from the
package index into ``.venv/suites`` when they are first run. Left out is what needs a module, a cluster, Sentinel, TLS
with the certificates of its containers, or another server of its own.

``python -m tests.suites.redis_py [--quick] [--only WORDS]``: exit status 1 if a test fails on ours only and is not in
:data:`KNOWN`.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import redis

from tests.suites.servers import CACHE, servers
from tests.support.servers import ServerProcess

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
NOT_RUN: Final = ("tests/test_pubsub.py::TestPubSubAutoReconnect",)
"""Its time-out ends the whole run where a thread of the client is slow."""
MARKS: Final = "not redismod and not onlycluster and not ssl and not cp_integration and not multidb_integration"
QUICK: Final = "test_pipeline.py or test_encoding.py"

KNOWN: Final[dict[str, str]] = {}
"""Tests that fail on ours and not on redis-server (patterns), each with the reason."""
NEWEST: Final[dict[str, str]] = {
    **KNOWN,
    "*::test_client_setinfo*": "wants a server at port 6379",
    "test_asyncio.test_connection_pool.*": "wants a server at port 6379",
    "test_connection.*::test_retry_connect_on_timeout_error": "wants a server at port 6379",
    "*::test_psync*": "wants a server at port 6380",
    "*::test_local_digest_matches_server*1]": "the client gives xxhash a text",
    "test_cache.TestSSLCache*": "wants the certificates of its containers",
    "test_cache.TestSentinelCache*": "wants Sentinel",
    "test_cache.TestCache::test_cache_clears_on_disconnect*": "wants a fixture that there is not",
    "test_cache.TestCache::test_cache_lru_eviction*": "wants a fixture that there is not",
}
"""The same when ours is as new as it can be: no redis-server is beside it."""

_ENDED: Final = "pytest::internal"
"""What pytest calls the end of a whole run by an error of its own, such as a time-out between two tests."""

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
    """One run of the tests in the background; its report is beside the server's log."""

    def __init__(self, title: str, server: ServerProcess, protocol: int, wanted: list[str]) -> None:
        """``wanted`` are options or names of tests."""
        self.title = title
        place = sources()
        self.server = server
        self.protocol = protocol
        self.paths: dict[str, str] = {}
        """Test → how pytest calls it."""
        self.report = server.log_path.parent / "report.xml"
        self.messages: dict[str, str] = {}
        """Test that failed → the beginning of what it said."""
        options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "--timeout", "60", "-m", MARKS]
        options += ["--redis-url", f"{server.url}/0", "--protocol", str(protocol), f"--junitxml={self.report}"]
        options += ["-o", "junit_family=xunit1", "-W", "ignore"]
        named = any("::" in one for one in wanted)
        options += [word for name in NOT_RUN for word in ("--deselect", name)]
        options += wanted if named else [*left_out(place), *wanted, "tests"]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        with self.report.with_suffix(".log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *options],
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
            path = case.get("file", "")
            within = case.get("classname", "").removeprefix(path.removesuffix(".py").replace("/", ".")).strip(".")
            self.paths[name] = "::".join([part for part in (path, within, case.get("name", "")) if part])
            outcome = "passed"
            for child in case:
                if child.tag == "skipped":
                    outcome = "skipped"
                elif child.tag in ("failure", "error"):
                    outcome = "failed"
                    self.messages[name] = " ".join((child.get("message") or "").split())[:200]
                    if name == _ENDED:
                        self.messages[name] += ": " + " ".join((child.text or "").split())[-400:]
                    break
            if found.get(name) != "failed":
                found[name] = outcome
        return found

    def show(self, found: Results) -> None:
        """A line of the table."""
        count = Counter(found.values())
        print(f"{self.title:32} {count['passed']:6} passed {count['failed']:6} failed {count['skipped']:6} skipped")

    def try_again(self, found: Results) -> None:
        """Run what failed once more while nothing else runs: some tests open ports of their own, or count on time."""
        failures = [name for name, how in found.items() if how == "failed"]
        if failures:
            again = Run(self.title, self.server, self.protocol, [self.paths[name] for name in failures])
            found.update(again.results())
            self.messages.update(again.messages)


def matches(name: str, patterns: dict[str, str]) -> str:
    """The pattern of a known difference; empty if there is none."""
    return next((pattern for pattern in patterns if fnmatch.fnmatch(name, pattern)), "")


def judge(run: Run, failures: list[str], known: dict[str, str], used: set[str]) -> bool:
    """Print what fails on ours only; True if all of it is known and the server is there still."""
    good = run.server.alive()
    for name in failures:
        pattern = matches(name, known)
        used.add(pattern)
        good = good and bool(pattern)
        print(f"  {'known:    ' if pattern else 'ONLY OURS:'} {name}: {known.get(pattern) or run.messages.get(name)}")
    return good


def compare(protocol: int, only: str, used: set[str], newest_too: bool) -> bool:
    """All tests in one protocol on each server; True if all is well."""
    begun = time.monotonic()
    wanted = ["-k", only] if only else []
    titles = ("pyredis 7.0", "redis-server 7.0.15", "pyredis, newest")
    with servers("ours", "oracle", *(["newest"] if newest_too else [])) as started:
        runs = [Run(f"RESP{protocol}: {title}", one, protocol, wanted) for title, one in zip(titles, started)]
        found = [run.results() for run in runs]
        for run, results in zip(runs, found):
            run.try_again(results)
            run.show(results)
        print(f"  ({time.monotonic() - begun:.0f} s)")
        failed = [{name for name, how in results.items() if how == "failed"} for results in found]
        good = judge(runs[0], sorted(failed[0] - failed[1]), KNOWN, used)
        if newest_too:
            # What fails on redis-server with the same words has nothing to do with the release.
            theirs, newest = runs[1].messages, runs[2].messages
            different = sorted(name for name in failed[2] if theirs.get(name) != newest.get(name))
            good = judge(runs[2], different, NEWEST, used) and good
    return good


def main() -> int:
    """Run all, print the table and what fails on ours only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some files only")
    parser.add_argument("--only", default="", help="tests whose names match (pytest's -k)")
    arguments = parser.parse_args()
    only = arguments.only or (QUICK if arguments.quick else "")
    sources()
    print(f"redis-py {redis.__version__}, its own tests")
    used: set[str] = set()
    good = compare(2, only, used, False)
    good = compare(3, only, used, True) and good
    unused = sorted(set(NEWEST) - used)
    if unused and not only:
        print("known, but nothing fails:", *unused)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
