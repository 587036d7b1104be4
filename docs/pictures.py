"""Takes the pictures of docs/images: a server with some data and some load, its console in a headless Chromium.

python docs/pictures.py [directory]
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import redis

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.browser import DESK, PHONE, Browser  # noqa: E402
from tests.support.console import ConsoleServer  # noqa: E402
from tests.support.sample_data import fill  # noqa: E402
from tests.support.servers import start_ours  # noqa: E402

_WARM_UP: Final = 100.0
PICTURES: Final = (
    ("console-overview", "/overview", DESK, "light", ".bar"),
    ("console-keys", "/keys?key=%22profile:1042%22", DESK, "light", ".text"),
    ("console-live", "/live?kind=streams&names=orders&start=1", DESK, "dark", ".live-row:nth-child(12)"),
    ("console-phone", "/overview", PHONE, "dark", ".bar"),
    ("console-phone-keys", "/keys?match=*:*", PHONE, "light", ".key-list button"),
    ("console-leaderboard", "/keys?match=leader*&key=%22leaderboard%22", DESK, "dark", ".value-body td"),
)
"""File, page, size, colour scheme, and what must be there before it is taken."""


def work(url: str, stop: threading.Event) -> None:
    """What a shop's programs do all day."""
    client = redis.Redis.from_url(url)
    client.client_setname("shop")
    n = 0
    while not stop.is_set():
        n += 1
        size = 20 + int(30 * abs((time.monotonic() / 7) % 2 - 1))
        with client.pipeline(transaction=False) as pipe:
            for m in range(size):
                pipe.get(f"user:{m}") if m % 7 == 0 else pipe.hgetall(f"user:{1000 + m}")
                pipe.incr("counter:visits")
            pipe.execute()
        if n % 9 == 0:
            client.xadd("orders", {"item": f"sku-{n % 400}", "amount": "1", "state": "paid"}, maxlen=500)
        if n % 40 == 0:
            client.sort("leaderboard", alpha=True, start=0, num=5)
        client.set(f"lock:{n}", "1", px=400)
        time.sleep(0.03)
    client.close()


def main() -> None:
    """Take them all, or those whose names are given after the directory."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for part in ("master", "replica", "browser"):
            (directory / part).mkdir()
        options = ("--console-write", "--slowlog-log-slower-than", "900", "--repl-diskless-sync-delay", "0")
        master = ConsoleServer(directory / "master", *options)
        replica = start_ours(directory / "replica", "--replicaof", f"127.0.0.1 {master.server.port}")
        fill(master.client)
        stop = threading.Event()
        workers = [threading.Thread(target=work, args=(master.server.url, stop)) for _ in range(3)]
        for worker in workers:
            worker.start()
        browser = Browser(directory / "browser")
        try:
            time.sleep(_WARM_UP)
            for file, page, size, scheme, ready in PICTURES:
                if not wanted or file in wanted:
                    browser.look(size, scheme)
                    browser.open(f"{master.url}#{page}")
                    browser.wait("document.querySelectorAll(arguments[0]).length > 0", ready)
                    time.sleep(1.5)
                    browser.picture(target / f"{file}.png")
                    print(file, browser.problems())
        finally:
            browser.close()
            stop.set()
            for worker in workers:
                worker.join()
            replica.stop()
            master.stop()


if __name__ == "__main__":
    main()
