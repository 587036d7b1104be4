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

import pytest
from redis import Redis
from redis.exceptions import LockError, NoScriptError, ResponseError

from tests.support.servers import ServerProcess


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Redis]:
    one = Redis(port=server.port, socket_timeout=30)
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
            with own.lock("lock", timeout=20, sleep=0.002):
                own.set("n", int(own.get("n") or 0) + 1)
        own.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
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


def test_rq(client: Redis, server: ServerProcess) -> None:
    """Jobs through four workers at once: none lost, none twice."""
    rq = pytest.importorskip("rq")
    queue = rq.Queue("jobs", connection=client)
    jobs = [queue.enqueue("operator.mul", n, 2) for n in range(60)]

    code = (
        "import redis, rq; "
        f"rq.SimpleWorker(['jobs'], connection=redis.Redis(port={server.port})).work(burst=True, logging_level='ERROR')"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    results = [job.latest_result() for job in jobs]
    assert [result.return_value for result in results if result is not None] == [2 * n for n in range(60)]
    assert queue.count == 0


@pytest.mark.parametrize(
    "strategy", ["FixedWindowRateLimiter", "MovingWindowRateLimiter", "SlidingWindowCounterRateLimiter"]
)
def test_limits(client: Redis, server: ServerProcess, strategy: str) -> None:
    limits = pytest.importorskip("limits")
    storage = limits.storage.storage_from_string(f"redis://127.0.0.1:{server.port}")
    limiter = getattr(limits.strategies, strategy)(storage)
    ten = limits.parse("10/hour")
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
    broker.join(note.queue_name, timeout=60_000)
    for worker in workers:
        worker.join()
        worker.stop()
    broker.close()
    assert done == Counter(range(1000))
