"""Libraries that live on Lua scripts, doing real work on our server.

redis-py is always there; the others are the extra ``clients`` (``make test-clients``), and are left out without it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from redis.exceptions import LockError, NoScriptError, ResponseError

from tests.support.servers import ServerProcess
from tests.support.waiting import PATIENCE


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Redis]:
    one = Redis(port=server.port, socket_timeout=PATIENCE)
    yield one
    one.close()


def test_register_script(client: Redis) -> None:
    """Known after the first call; loaded again when it was forgotten, in pipelines, too."""
    multiply = client.register_script("return redis.call('GET', KEYS[1]) * ARGV[1]")
    client.set("k", 6)
    assert multiply(keys=["k"], args=[7]) == 42
    client.script_flush()
    assert multiply(keys=["k"], args=[8]) == 48
    client.script_flush()
    pipe = client.pipeline()
    pipe.set("k", 2)
    multiply(keys=["k"], args=[3], client=pipe)
    assert pipe.execute() == [True, 6]
    with pytest.raises(NoScriptError):
        client.evalsha("0" * 40, 0)
    with pytest.raises(ResponseError, match=r"^user_script:1: oops script: [0-9a-f]{40}, on @user_script:1\.$"):
        client.eval("error('oops')", 0)


def test_lock(client: Redis, server: ServerProcess) -> None:
    """Eight threads add to a number that only a lock protects."""
    client.set("n", 0)

    def work() -> None:
        own = Redis(port=server.port)
        for _ in range(10):
            with own.lock("lock", timeout=600, sleep=0.002):
                own.set("n", int(own.get("n") or 0) + 1)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
        assert not thread.is_alive()
    assert client.get("n") == b"80"


def test_lock_of_others(client: Redis) -> None:
    lock, other = client.lock("mine", timeout=10), client.lock("mine", timeout=10, blocking=False)
    assert lock.acquire() and not other.acquire()
    assert lock.extend(20) and client.pttl("mine") > 10_000
    assert lock.reacquire()
    client.set("mine", "stolen")
    with pytest.raises(LockError):
        lock.release()
    assert client.get("mine") == b"stolen"


def test_functions(client: Redis) -> None:
    client.function_flush()
    client.function_load("#!lua name=m\nredis.register_function('add', function(k, a) return a[1] + a[2] end)")
    assert client.fcall("add", 0, 20, 22) == 42
    payload = client.function_dump()
    client.function_flush()
    client.function_restore(payload)
    assert client.function_list()[0][1] == b"m"
    client.function_flush()


def work_off(port: int, db: int, queue: str) -> None:
    """Four workers of rq take jobs from the queue until there are none."""
    code = (
        f"import redis, rq; connection = redis.Redis(port={port}, db={db}); "
        f"rq.SimpleWorker([{queue!r}], connection=connection).work(burst=True, logging_level='ERROR')"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    try:
        assert [worker.wait(300) for worker in workers] == [0] * 4
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


def test_rq(client: Redis, server: ServerProcess) -> None:
    """Jobs through four workers at once: none lost, none twice."""
    rq = pytest.importorskip("rq")
    queue = rq.Queue("jobs", connection=client)
    jobs = [queue.enqueue("operator.mul", n, 2) for n in range(1000)]
    work_off(server.port, 0, "jobs")
    results = [job.latest_result() for job in jobs]
    assert [result.return_value for result in results if result is not None] == [2 * n for n in range(1000)]
    assert queue.count == 0


@pytest.mark.parametrize(
    "strategy", ["FixedWindowRateLimiter", "MovingWindowRateLimiter", "SlidingWindowCounterRateLimiter"]
)
def test_limits(client: Redis, server: ServerProcess, strategy: str) -> None:
    limits = pytest.importorskip("limits")
    storage = limits.storage.storage_from_string(f"redis://127.0.0.1:{server.port}")
    limiter = getattr(limits.strategies, strategy)(storage)
    ten = limits.parse("10/year")  # which ends less often than an hour while the test runs
    assert [limiter.hit(ten, "user") for _ in range(12)] == [True] * 10 + [False] * 2
    assert limiter.get_window_stats(ten, "user").remaining == 0
    limiter.clear(ten, "user")
    assert limiter.test(ten, "user")


def test_redlock(client: Redis) -> None:
    pottery = pytest.importorskip("pottery")
    one = pottery.Redlock(key="red", masters={client}, auto_release_time=20)
    other = pottery.Redlock(key="red", masters={client}, auto_release_time=20)
    assert one.acquire() and not other.acquire(blocking=False)
    assert one.locked() > 0
    one.extend()
    one.release()
    assert other.acquire(blocking=False)
    other.release()


def test_pyrate_limiter(client: Redis) -> None:
    pyrate = pytest.importorskip("pyrate_limiter")
    bucket = pyrate.RedisBucket.init([pyrate.Rate(5, pyrate.Duration.HOUR)], client, "bucket")
    items = [pyrate.RateItem(f"i{n}", int(time.time() * 1000), weight=1) for n in range(7)]
    assert [bucket.put(item) for item in items] == [True] * 5 + [False] * 2
    assert bucket.count() == 5


def test_dramatiq(client: Redis, server: ServerProcess) -> None:
    """A thousand messages through two workers with four threads each: none lost, none twice."""
    dramatiq = pytest.importorskip("dramatiq")
    pytest.importorskip("dramatiq.brokers.redis")
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(port=server.port)
    dramatiq.set_broker(broker)
    done: Counter[int] = Counter()
    lock = threading.Lock()

    @dramatiq.actor(broker=broker, max_retries=3)
    def note(number: int) -> None:
        with lock:
            done[number] += 1

    for number in range(1000):
        note.send(number)
    workers = [dramatiq.Worker(broker, worker_timeout=100, worker_threads=4) for _ in range(2)]
    for worker in workers:
        worker.start()
    broker.join(note.queue_name, timeout=300_000)
    for worker in workers:
        worker.join()
        worker.stop()
    broker.close()
    assert done == Counter(range(1000))


@pytest.fixture(params=["ours", "redis"])
def either(request: pytest.FixtureRequest) -> ServerProcess:
    """Both servers have to do the same for a program."""
    one: ServerProcess = request.getfixturevalue("server" if request.param == "ours" else "oracle")
    return one


def test_celery(either: ServerProcess) -> None:
    """A thousand tasks through four threads of a worker: none lost, none twice, nothing left to be acknowledged."""
    celery = pytest.importorskip("celery")
    testing = pytest.importorskip("celery.contrib.testing.worker")
    url = f"redis://127.0.0.1:{either.port}/7"
    app = celery.Celery("jobs", broker=url, set_as_current=False)
    app.conf.update(task_default_queue="tasks", task_ignore_result=True, broker_connection_retry_on_startup=True)
    done: Counter[int] = Counter()
    finished = threading.Condition()

    @app.task(name=f"note at {either.port}")  # type: ignore[untyped-decorator]
    def note(number: int) -> None:
        with finished:
            done[number] += 1
            finished.notify_all()

    with Redis(port=either.port, db=7) as client:
        client.flushdb()
        with testing.start_worker(app, concurrency=4, pool="threads", perform_ping_check=False, loglevel="ERROR"):
            for number in range(1000):
                note.delay(number)
            with finished:
                assert finished.wait_for(lambda: len(done) == 1000, timeout=300)
        assert done == Counter(range(1000))
        assert client.llen("tasks") == client.hlen("unacked") == client.zcard("unacked_index") == 0


def test_rq_scheduler(either: ServerProcess) -> None:
    """A thousand jobs that are due go to their queue, and through four workers: none lost, none twice."""
    rq = pytest.importorskip("rq")
    rq_scheduler = pytest.importorskip("rq_scheduler")
    with Redis(port=either.port, db=8) as client:
        client.flushdb()
        scheduler = rq_scheduler.Scheduler("due", connection=client, interval=1)
        due = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=1)
        late = scheduler.enqueue_at(due + timedelta(hours=1), "operator.neg", 1)
        jobs = [scheduler.enqueue_at(due, "operator.mul", n, 2) for n in range(1000)]
        scheduler.run(burst=True)
        queue = rq.Queue("due", connection=client)
        assert queue.count == 1000
        assert late in scheduler and not any(job in scheduler for job in jobs[:10])
        work_off(either.port, 8, "due")
        assert queue.count == 0 and rq.registry.FinishedJobRegistry(queue=queue).count == 1000
        assert [job.return_value() for job in jobs] == [2 * n for n in range(1000)]


def test_slowapi(either: ServerProcess) -> None:
    """A web application that counts its visitors in the server."""
    slowapi = pytest.importorskip("slowapi")
    testing = pytest.importorskip("starlette.testclient")
    from slowapi.errors import RateLimitExceeded
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    with Redis(port=either.port, db=9) as client:
        for strategy in ("fixed-window", "moving-window"):
            client.flushdb()
            limiter = slowapi.Limiter(
                key_func=lambda request: request.headers["user"],
                storage_uri=f"redis://127.0.0.1:{either.port}/9",
                strategy=strategy,
                headers_enabled=True,
                in_memory_fallback_enabled=False,
            )

            @limiter.limit("5/year")  # type: ignore[untyped-decorator]
            def page(request: Request) -> PlainTextResponse:
                return PlainTextResponse("page")

            app = Starlette(routes=[Route("/", page)])
            app.state.limiter = limiter
            app.add_exception_handler(RateLimitExceeded, slowapi._rate_limit_exceeded_handler)
            visitor = testing.TestClient(app)
            for user in ("one", "other"):
                answers = [visitor.get("/", headers={"user": user}) for _ in range(7)]
                assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
                left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in answers]
                assert left == [4, 3, 2, 1, 0, 0, 0]
            client.flushdb()
            assert visitor.get("/", headers={"user": "one"}).status_code == 200
