"""The benchmark's runner: the shape of what it writes, and that it leaves no server behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import goals, report, throughput
from tests.support.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parent.parent


def command(output: Path, *options: str) -> list[str]:
    argv = [sys.executable, "-m", "benchmarks.run", "--quick", "-P", "1,4", "--repeat", "2", "--output", str(output)]
    return [*argv, *options]


def test_files(tmp_path: Path) -> None:
    """Every row, depth and server has its samples, and the tables show them."""
    options = ["--rows", "ping,lpop,lrange_100", "-n", "120"]
    done = subprocess.run(command(tmp_path, *options), cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "latest.json").read_text())
    assert data["format"] == report.FORMAT
    assert data["names"] == ["ours", "redis"]
    assert {"command", "time", "machine", "Python", "ours", "redis", "rounds", "duration"} == set(data["about"])
    rows = [(one["row"], one["pipeline"]) for one in data["throughput"]]
    names = ["PING_INLINE", "PING_MBULK", "LPOP", "LRANGE_100"]
    assert rows == [(row, depth) for depth in (1, 4) for row in names]
    for one in data["throughput"]:
        assert one["requests"] == 120
        for samples in one["samples"].values():
            assert [len(samples[key]) for key in ("rps", "p50_ms", "p99_ms")] == [2, 2, 2]
            assert min(samples["rps"]) > 0
            if sys.platform.startswith("linux"):
                assert len(samples["cpu_us"]) == 2
                assert min(samples["cpu_us"]) > 0
    assert data["memory"] == data["scaling"] == data["expiry"] == []

    page = (tmp_path / "latest.md").read_text()
    table = [line for line in page.splitlines() if line.startswith(("| PING", "| LPOP", "| LRANGE"))]
    assert len(table) == len(rows)
    header = next(line for line in page.splitlines() if line.startswith("| row"))
    assert {line.count("|") for line in [header, *table]} == {header.count("|")}
    assert all(line in done.stdout for line in table)
    assert [json.loads(path.read_text()) for path in tmp_path.glob("2*.json")] == [data]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the children in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(tmp_path: Path, number: signal.Signals) -> None:
    """However it is stopped, the servers it started are ended and nothing is written."""
    options = ["--rows", "ping_mbulk", "-n", "100000000"]
    with subprocess.Popen(command(tmp_path, *options), cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 2 * PATIENCE
        while not _measuring(pids := children.read_text().split()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(PATIENCE) != 0
    for pid in pids:
        wait_until(lambda pid=pid: _ended(pid))  # type: ignore[misc]
    assert not list(tmp_path.iterdir())


def _ended(pid: str) -> bool:
    """Whether a process is gone, or waits only for whoever has inherited it to take note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _measuring(pids: list[str]) -> bool:
    """Two servers and the load generator are there, the latter as the program that it is to be."""
    try:
        return len(pids) == 3 and Path(f"/proc/{pids[-1]}/comm").read_text() == "redis-benchmark\n"
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended meanwhile


def test_unknown_row(tmp_path: Path) -> None:
    done = subprocess.run(command(tmp_path, "--rows", "gett"), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no row 'gett'" in done.stderr


def measured(row: str, pipeline: int, ours: list[float], redis: list[float]) -> throughput.Measured:
    return throughput.Measured(
        row, pipeline, 1, {"ours": throughput.Samples(rps=ours), "redis": throughput.Samples(rps=redis)}
    )


def test_goals() -> None:
    """The median of the rounds' ratios is what counts; each goal names the rows that fall short of it."""
    results = report.Results(["ours", "redis"], {})
    results.throughput = [
        measured("SET", 1, [96.0, 10.0, 97.0], [100.0, 100.0, 100.0]),
        measured("LRANGE_600", 1, [1.0], [100.0]),
        measured("SET", 16, [64.0], [100.0]),
        measured("GET", 16, [66.0], [100.0]),
        measured("ZADD", 16, [1.0], [100.0]),
        measured("MSET", 16, [81.0], [100.0]),
    ]
    assert goals.check("ours", "redis", results) == [
        ["P=1: throughput ≥ 0.95 × redis-server's for SET", "lowest SET 0.96", "reached"],
        ["P=16: throughput ≥ 0.65 × redis-server's for SET, GET", "short: SET 0.64", "**missed**"],
        ["P=16: throughput ≥ 0.8 × redis-server's for MSET", "lowest MSET 0.81", "reached"],
    ]
