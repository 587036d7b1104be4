"""Keys of every type for a look at the console."""

from __future__ import annotations

import json
import random

import redis


def fill(client: redis.Redis) -> None:
    """A small shop's data, the same each time."""
    chance = random.Random(7)
    pipe = client.pipeline(transaction=False)
    for n in range(240):
        user = {
            "name": chance.choice(["Ada", "Grace", "Edsger", "Barbara", "Donald"]),
            "visits": str(chance.randrange(900)),
        }
        pipe.hset(f"user:{1000 + n}", mapping=user)
        pipe.set(
            f"session:{chance.getrandbits(48):012x}",
            json.dumps({"user": 1000 + n, "cart": [n, n + 1]}),
            ex=3600 + 60 * n,
        )
    profile = {
        "id": 1042,
        "name": "Ada Lovelace",
        "tags": ["early", "beta"],
        "address": {"city": "London", "zip": "W1"},
    }
    pipe.set("profile:1042", json.dumps(profile))
    pipe.set("page:home", "<html><body><h1>Welcome</h1></body></html>", ex=90)
    pipe.set("counter:visits", 184220)
    pipe.set("image:logo", bytes(range(256)) * 160)
    pipe.rpush("queue:mail", *[json.dumps({"to": f"user{n}@example.org", "template": "welcome"}) for n in range(340)])
    pipe.sadd("tags:popular", *["redis", "python", "cache", "queue", "ünïcode", b"\xff\xfe raw"])
    pipe.zadd("leaderboard", {f"player-{n}": chance.randrange(100_000) for n in range(260)})
    pipe.hset("settings", mapping={"theme": "dark", "limit": "250", "banner": "Sale – 20 % off", "empty": ""})
    for _ in range(130):
        order = {"item": f"sku-{chance.randrange(400)}", "amount": str(chance.randrange(1, 9)), "state": "paid"}
        pipe.xadd("orders", order)
    pipe.pfadd("visitors", *range(2000))
    pipe.execute()
    client.xgroup_create("orders", "billing", "0")
    client.xreadgroup("billing", "worker-1", {"orders": ">"}, count=12)
