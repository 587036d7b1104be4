"""Celery with a broker and a result backend: a worker of its own, tasks of every shape; prints a line a step."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from celery import Celery, chain, chord, group

URL = os.environ.get("CELERY_TEST_URL") or sys.argv[1]
app = Celery("celery_app", broker=f"{URL}/1", backend=f"{URL}/2")
app.conf.update(worker_hijack_root_logger=False, broker_connection_retry_on_startup=True, result_expires=100)


@app.task
def add(x: int, y: int) -> int:
    return x + y


@app.task
def total(numbers: list[int]) -> int:
    return sum(numbers)


@app.task(bind=True, max_retries=5)
def stubborn(self: object, key: str) -> int:
    """Fails twice."""
    attempts = int(self.request.retries)  # type: ignore[attr-defined]
    if attempts < 2:
        raise self.retry(countdown=0.01)  # type: ignore[attr-defined]
    return attempts


@app.task
def broken() -> None:
    raise ValueError("as it should")


def main() -> None:
    environment = {**os.environ, "CELERY_TEST_URL": URL}
    with tempfile.TemporaryFile() as log:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "celery",
                "-A",
                "celery_app",
                "worker",
                "--pool",
                "threads",
                "-c",
                "4",
                "-l",
                "INFO",
            ],
            cwd=os.path.dirname(os.path.abspath(__file__)),
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            print(add.delay(2, 3).get(timeout=60))
            print(chain(add.s(1, 1), add.s(10), add.s(100)).apply_async().get(timeout=60))
            print(sorted(group(add.s(i, i) for i in range(50)).apply_async().get(timeout=60)))
            print(chord((add.s(i, 1) for i in range(20)), total.s()).apply_async().get(timeout=60))
            print(stubborn.delay("k").get(timeout=60))
            print(add.apply_async((4, 4), countdown=0.2).get(timeout=60))
            try:
                broken.delay().get(timeout=60)
            except ValueError as e:
                print("ValueError", e)
            later = add.apply_async((1, 2), countdown=3600)
            later.revoke()
            print(len(app.control.ping(timeout=5)), app.control.inspect(timeout=5).stats() is not None)
        finally:
            worker.terminate()
            worker.wait(30)


if __name__ == "__main__":
    main()
