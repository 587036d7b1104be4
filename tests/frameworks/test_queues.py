"""Celery and RQ: broker, results, retries, groups; none lost, none twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pyredis


@pytest.fixture
def server() -> Iterator[pyredis.Server]:
    with pyredis.Server() as server:
        yield server


def test_celery(server: pyredis.Server) -> None:
    celery = pytest.importorskip("celery")
    testing = pytest.importorskip("celery.contrib.testing.worker")
    app = celery.Celery("jobs", broker=server.url, backend=server.url, set_as_current=False)
    app.conf.update(task_default_queue="jobs", result_expires=3600, broker_connection_retry_on_startup=True)
    done: Counter[int] = Counter()
    lock = threading.Lock()

    @app.task(name="square")  # type: ignore[untyped-decorator]
    def square(n: int) -> int:
        with lock:
            done[n] += 1
        return n * n

    @app.task(name="total")  # type: ignore[untyped-decorator]
    def total(numbers: list[int]) -> int:
        return sum(numbers)

    @app.task(name="flaky", bind=True, max_retries=3)  # type: ignore[untyped-decorator]
    def flaky(self: Any) -> str:
        if self.request.retries < 2:
            raise self.retry(countdown=0)
        return f"after {self.request.retries}"

    @app.task(name="fails")  # type: ignore[untyped-decorator]
    def fails() -> None:
        raise ValueError("on purpose")

    with testing.start_worker(app, concurrency=4, pool="threads", perform_ping_check=False, loglevel="ERROR"):
        results = [square.delay(n) for n in range(100)]
        assert [result.get(timeout=60) for result in results] == [n * n for n in range(100)]
        assert done == Counter(range(100)), "none lost, none twice"
        assert flaky.delay().get(timeout=60) == "after 2"
        with pytest.raises(ValueError, match="on purpose"):
            fails.delay().get(timeout=60)
        chord = celery.chord(square.s(n) for n in range(10))(total.s())
        assert chord.get(timeout=60) == sum(n * n for n in range(10))
        chain = (square.s(3) | square.s()).apply_async()
        assert chain.get(timeout=60) == 81
        assert square.apply_async((5,), countdown=0.1).get(timeout=60) == 25
    assert server.client.llen("jobs") == 0
    ttl = server.client.ttl(f"celery-task-meta-{results[0].id}")
    assert 0 < ttl <= 3600
    server.clock.advance(3601)
    assert server.client.keys("celery-task-meta-*") == [], "results expire"


JOBS = """
import os
import redis

def work(url, n):
    client = redis.Redis.from_url(url)
    client.rpush("done", n)
    return n * n

def fail():
    raise ValueError("on purpose")
"""


def test_rq(server: pyredis.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers in processes of their own, which fork for every job."""
    rq = pytest.importorskip("rq")
    (tmp_path / "jobs_of_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    connection = server.connect()
    queues = {name: rq.Queue(name, connection=connection) for name in ("high", "low")}
    jobs = [queues["low" if n % 3 else "high"].enqueue("jobs_of_test.work", server.url, n) for n in range(30)]
    last = queues["low"].enqueue("jobs_of_test.work", server.url, 1000, depends_on=jobs)
    failing = queues["low"].enqueue("jobs_of_test.fail", retry=rq.Retry(max=2))
    command = [sys.executable, "-m", "rq.cli", "worker", "--burst", "--quiet", "-u", server.url, "high", "low"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    workers = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
    for worker in workers:
        out, err = worker.communicate(timeout=240)
        assert worker.returncode == 0, out + err
    for job in jobs:
        job.refresh()
        assert job.get_status() == "finished", job.exc_info
    assert sorted(int(n) for n in connection.lrange("done", 0, -1)) == [*range(30), 1000], "none lost, none twice"
    assert jobs[7].return_value() == 49
    assert int(connection.lrange("done", -1, -1)[0]) == 1000, "what depends on others comes last"
    last.refresh()
    failing.refresh()
    assert last.is_finished and failing.is_failed
    assert rq.registry.FailedJobRegistry("low", connection=connection).get_job_ids() == [failing.id]


def test_rq_in_this_process(server: pyredis.Server) -> None:
    """The usual set-up of suites: a simple worker in burst mode."""
    rq = pytest.importorskip("rq")
    connection = server.connect(in_process=True)
    queue = rq.Queue(connection=connection)
    job = queue.enqueue(sum, [1, 2, 3])
    rq.SimpleWorker([queue], connection=connection).work(burst=True)
    assert job.return_value(refresh=True) == 6 and job.is_finished
    assert len(queue) == 0
