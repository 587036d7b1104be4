"""valkey-py at work; prints what it got, a line a step."""

from __future__ import annotations

import asyncio
import sys
import threading

import valkey
import valkey.asyncio

URL = sys.argv[1]


def plain(protocol: int) -> None:
    client = valkey.Valkey.from_url(URL, protocol=protocol, decode_responses=True)
    client.flushall()
    print(client.set("k", "v", px=100000), client.get("k"), client.getex("k", persist=True), client.ttl("k"))
    print(client.hset("h", mapping={"a": 1, "b": 2}), client.hgetall("h"), client.hincrbyfloat("h", "a", 0.5))
    print(client.zadd("z", {"a": 1, "b": 2.5}), client.zrange("z", 0, -1, withscores=True), client.zrank("z", "b"))
    with client.pipeline() as pipe:
        pipe.watch("k")
        pipe.multi()
        pipe.incr("n").lpush("l", *range(5)).lrange("l", 0, -1)
        print(pipe.execute())
        try:
            pipe.watch("k")
            client.set("k", "changed")
            pipe.multi()
            pipe.set("k", "lost").execute()
        except valkey.WatchError as e:
            print(type(e).__name__, client.get("k"))
    print(sorted(client.scan_iter(count=2)), client.sort("l", desc=True))
    client.xgroup_create("s", "g", "$", mkstream=True)
    number = client.xadd("s", {"f": "v"})
    read = client.xreadgroup("g", "me", {"s": ">"}, block=1000)
    print(str(read).replace(number, "ID"), client.xack("s", "g", number))
    with client.lock("lock", timeout=10):
        print(client.exists("lock"))
    print(client.exists("lock"))
    print(client.register_script("return {ARGV[1], redis.call('GET', KEYS[1])}")(keys=["k"], args=["x"]))
    try:
        client.lpush("k", 1)
    except valkey.ResponseError as e:
        print(e)
    pubsub = client.pubsub()
    pubsub.subscribe("news")
    pubsub.psubscribe("w*")
    threading.Timer(0.05, lambda: [client.publish("news", "a"), client.publish("weather", "b")]).start()
    got = []
    while len(got) < 2:
        message = pubsub.get_message(ignore_subscribe_messages=True, timeout=10)
        if message is not None:
            got.append((message["channel"], message["data"]))
    print(got)
    pubsub.close()


async def asynchronous() -> None:
    client = valkey.asyncio.Valkey.from_url(URL, decode_responses=True)
    await client.delete("q")
    waiters = [client.blpop("q", timeout=20) for _ in range(5)]
    tasks = [asyncio.ensure_future(waiter) for waiter in waiters]
    while (await client.info("clients"))["blocked_clients"] < 5:
        await asyncio.sleep(0.005)
    await client.rpush("q", *range(5))
    print(sorted(await asyncio.gather(*tasks)))
    async with client.pipeline() as pipe:
        print(await pipe.set("a", 1).get("a").execute())
    await client.aclose()


plain(2)
plain(3)
asyncio.run(asynchronous())
