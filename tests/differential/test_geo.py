"""Positions, distances and searches all over the globe: the same bytes as redis-server's, to the last digit, in the
same order; beside it redis-server's stored distances, which are whole doubles."""

from __future__ import annotations

import random

import pytest

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess

UNITS = {"m": 1.0, "km": 1000.0, "ft": 0.3048, "mi": 1609.34}
EDGES = [-180.0, 180.0, 179.9999999, -179.99999, 0.0, 90.0, -90.0, 1e-9]
PARALLELS = [85.05112878, -85.05112878, 0.0, 66.0, -66.0, 80.0, -80.0, 66.1, 80.1, 85.05, -85.0]
ODD_LENGTHS = ["0", "inf", "1e308", "5e-324", "-0", "1e-9", "1e9"]
MEMBERS = 400
SEARCHES = 700


def position(rng: random.Random) -> tuple[float, float]:
    """Anywhere; often at the date line, near the poles, where the grid changes, or in one crowded place."""
    kind = rng.random()
    if kind < 0.12:
        return rng.choice(EDGES), rng.uniform(-85.05, 85.05)
    if kind < 0.24:
        return rng.uniform(-180, 180), rng.choice(PARALLELS)
    if kind < 0.3:
        return rng.choice(EDGES), rng.choice(PARALLELS)
    if kind < 0.6:
        return rng.gauss(10, 0.5), rng.gauss(50, 0.5)
    if kind < 0.7:
        return round(rng.gauss(10, 1)), round(rng.gauss(50, 1))  # many are the same
    return rng.uniform(-180, 180), rng.uniform(-85.05112878, 85.05112878)


def length(rng: random.Random, unit: str) -> str:
    """From a centimetre to around the world."""
    return rng.choice(ODD_LENGTHS) if rng.random() < 0.04 else repr(10 ** rng.uniform(-2, 7.8) / UNITS[unit])


def additions(rng: random.Random) -> list[list[str]]:
    commands = []
    for i in range(MEMBERS):
        x, y = position(rng)
        commands.append(["GEOADD", "g", repr(x), repr(y), f"m{i}"])
    return commands


def options(rng: random.Random) -> list[str]:
    words = [word for word in ("WITHDIST", "WITHCOORD", "WITHHASH") if rng.random() < 0.4]
    words += rng.choice([[], ["ASC"], ["DESC"]])
    count = str(rng.choice([1, 2, 3, 5, 10, 50, 399, 10**12]))
    words += rng.choice([[], ["COUNT", count], ["COUNT", count, "ANY"]])
    return words


def search(rng: random.Random) -> list[str]:
    """One of the six commands; the results of those that store are read by ZRANGE later."""
    unit = rng.choice(list(UNITS))
    member = f"m{rng.randrange(MEMBERS)}"
    x, y = map(repr, position(rng))
    chosen = options(rng)
    kind = rng.random()
    if kind < 0.15:
        return ["GEORADIUS_RO", "g", x, y, length(rng, unit), unit, *chosen]
    if kind < 0.3:
        return ["GEORADIUSBYMEMBER_RO", "g", member, length(rng, unit), unit, *chosen]
    center = ["FROMMEMBER", member] if rng.random() < 0.4 else ["FROMLONLAT", x, y]
    area = ["BYRADIUS", length(rng, unit), unit]
    if rng.random() < 0.5:
        area = ["BYBOX", length(rng, unit), length(rng, unit), unit]
    if kind < 0.75:
        return ["GEOSEARCH", "g", *center, *area, *chosen]
    chosen = [word for word in chosen if not word.startswith("WITH")]
    if kind < 0.85:
        return ["GEORADIUS", "g", x, y, length(rng, unit), unit, *chosen, rng.choice(["STORE", "STOREDIST"]), "d"]
    return ["GEOSEARCHSTORE", "d", "g", *center, *area, *chosen, *rng.choice([[], ["STOREDIST"]])]


def same(clients: list[RawClient], commands: list[list[str]]) -> None:
    """The same replies to all."""
    encoded = [[word.encode() for word in argv] for argv in commands]
    ours, theirs = (client.pipeline(encoded) for client in clients)
    for argv, mine, other in zip(commands, ours, theirs, strict=True):
        assert mine == other, f"{' '.join(argv)}\n ours {mine[:600]!r}\nredis {other[:600]!r}"


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_the_whole_globe(server: ServerProcess, oracle: ServerProcess, seed: int, protocol: int) -> None:
    rng = random.Random(f"globe {seed} {protocol}")
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    for client in clients:
        client.call("HELLO", protocol)
    try:
        same(clients, additions(rng))
        names = [f"m{i}" for i in range(MEMBERS)]
        same(clients, [["GEOPOS", "g", *names], ["GEOHASH", "g", *names], ["ZRANGE", "g", "0", "-1", "WITHSCORES"]])
        same(
            clients,
            [["GEODIST", "g", rng.choice(names), rng.choice(names), rng.choice(list(UNITS))] for _ in range(SEARCHES)],
        )
        commands = []
        for _ in range(SEARCHES):
            commands.append(search(rng))
            if "d" in (commands[-1][1], commands[-1][-1]):
                commands.append(["ZRANGE", "d", "0", "-1", "WITHSCORES"])
        same(clients, commands)
    finally:
        for client in clients:
            client.close()


CROWDS = [(10.0, 50.0), (179.99, 12.0), (-179.98, -66.0), (0.0, 0.0), (45.0, 85.04), (-90.0, -84.9)]


@pytest.mark.parametrize("crowd", CROWDS)
def test_crowded_places(server: ServerProcess, oracle: ServerProcess, crowd: tuple[float, float]) -> None:
    """Thousands of members within some kilometres, and more far off: cells are divided, and hold several chunks."""
    rng = random.Random(f"crowd {crowd}")
    clients = [RawClient(one.connect()) for one in (server, oracle)]

    def near(width: float) -> tuple[str, str]:
        x = (crowd[0] + rng.gauss(0, width) + 180) % 360 - 180
        return repr(x), repr(max(min(crowd[1] + rng.gauss(0, width), 85.05), -85.05))

    try:
        spots = [near(rng.choice([0.001, 0.01, 0.1, 1, 20])) for _ in range(2500)]
        words = [word for i, spot in enumerate(spots) for word in (*spot, f"m{i}")]
        same(clients, [["GEOADD", "g", *words]])
        commands = []
        for _ in range(150):
            area = ["BYRADIUS", repr(10 ** rng.uniform(1, 6.8)), "m"]
            if rng.random() < 0.4:
                area = ["BYBOX", *(repr(10 ** rng.uniform(1, 6.8)) for _ in range(2)), "m"]
            center = near(rng.choice([0.001, 0.01, 0.1, 1]))
            commands.append(["GEOSEARCH", "g", "FROMLONLAT", *center, *area, *options(rng)])
        same(clients, commands)
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("members", [6, 7, 8, 40, 41, 60, 300])
def test_order_of_equal_distances(server: ServerProcess, oracle: ServerProcess, members: int) -> None:
    """With COUNT the sorting is not stable: which ones of many at the same place are returned."""
    rng = random.Random(f"ties {members}")
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    try:
        for places in (1, 2, 5, members):
            commands = [["DEL", "g"]]
            for i in range(members):
                x, y = divmod(rng.randrange(places), 3)
                commands.append(["GEOADD", "g", str(x), str(y), f"m{i}"])
            for order in ("ASC", "DESC"):
                commands += [
                    ["GEOSEARCH", "g", "FROMLONLAT", "0.1", "0.1", "BYRADIUS", "9000", "km", order, "COUNT", str(count)]
                    for count in {1, 2, 3, 6, 7, members // 2, members - 1, members, members + 1} - {0}
                ]
            same(clients, commands)
    finally:
        for client in clients:
            client.close()


ODD_SCORES = ["-1", "1e300", "-inf", "inf", "3.7", "4503599627370496", "9007199254740993", "-1e17", "1.8e19", "-1e19"]


@pytest.mark.parametrize("protocol", [2, 3])
def test_scores_that_are_no_positions(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    for client in clients:
        client.call("HELLO", protocol)
    rng = random.Random("scores")
    scores = ODD_SCORES + [repr(rng.choice([-1, 1]) * 10 ** rng.uniform(0, 22)) for _ in range(200)]
    names = [f"m{i}" for i in range(len(scores))]
    try:
        same(clients, [["ZADD", "g", score, name] for score, name in zip(scores, names, strict=True)])
        same(clients, [["GEOPOS", "g", *names], ["GEOHASH", "g", *names]])
        same(clients, [["GEODIST", "g", rng.choice(names), rng.choice(names)] for _ in range(300)])
        same(clients, [["GEOSEARCH", "g", "FROMMEMBER", n, "BYBOX", "4e7", "4e7", "m", "WITHHASH"] for n in names])
        same(clients, [["GEORADIUSBYMEMBER", "g", name, "1000", "km", "WITHDIST", "DESC"] for name in names])
    finally:
        for client in clients:
            client.close()


ERRORS = """
GEOADD g 1 2
GEOADD g 1 2 a 3
GEOADD g nx xx 1 2 a
GEOADD g nx xx ch
GEOADD g nx ch xx
GEOADD g nx ch 1 2 a
GEOADD g 181 2 a
GEOADD g 1 85.1 a
GEOADD g 1 2 a x 2 b
GEOADD g x 200 a
GEOADD g 1e300 2 a
GEOADD s 181 2 a
GEOADD s 1 2 a
GEOADD g gt 1 2 a
GEODIST g a b parsec
GEODIST g a b m m
GEODIST s a b parsec
GEODIST s a b
GEODIST nokey a b x
GEODIST nokey a b
GEODIST g a nobody
GEOHASH g
GEOHASH s a
GEOHASH nokey a b
GEOPOS s a
GEOPOS nokey a b
GEOSEARCH s fromlonlat 1 2 byradius 1 parsec
GEOSEARCH g frommember nobody byradius -1 parsec
GEOSEARCH g byradius -1 parsec frommember nobody
GEOSEARCH g byradius x parsec frommember nobody
GEOSEARCH nokey frommember nobody byradius -1 parsec
GEOSEARCH nokey frommember nobody byradius 1 m any
GEOSEARCH nokey frommember nobody byradius 1 m
GEOSEARCH g frommember a fromlonlat 1 2 byradius 1 m
GEOSEARCH g frommember a frommember b byradius 1 km
GEOSEARCH g fromlonlat 1 2 frommember a byradius 1 m
GEOSEARCH g fromlonlat 1 2 byradius 1 m bybox 1 1 m
GEOSEARCH g fromlonlat 1 2 bybox 1 1 m byradius 1 m
GEOSEARCH g fromlonlat 1 2 bybox 1 -1 m asc
GEOSEARCH g fromlonlat 1 2 bybox x y m asc
GEOSEARCH g fromlonlat 1 2 bybox 1 y m asc
GEOSEARCH g fromlonlat 1 2 bybox 1 1 parsec asc
GEOSEARCH g byradius 1 m asc count 1
geoSearch g asc desc asc desc asc
geoSearch g fromlonlat 1 2 withdist withhash asc
GEOSEARCH g fromlonlat 1 2 byradius 1 m count 0
GEOSEARCH g fromlonlat 1 2 byradius 1 m count -1
GEOSEARCH g fromlonlat 1 2 byradius 1 m count x
GEOSEARCH g fromlonlat 1 2 byradius 1 m count
GEOSEARCH g fromlonlat 1 2 byradius 1 m any
GEOSEARCH g fromlonlat 1 2 byradius 1 m any count 1
GEOSEARCH g fromlonlat 1 2 byradius 1 m storedist
GEOSEARCH g fromlonlat 1 2 byradius 1 m store d
GEOSEARCH g fromlonlat 181 2 byradius 1 m
GEOSEARCH g fromlonlat x 2 byradius 1 m
GEOSEARCHSTORE d g fromlonlat 1 2 byradius 1 m withdist
GEOSEARCHSTORE d g asc withhash asc asc asc
GEOSEARCHSTORE d g fromlonlat 1 2 byradius 1 m withcoord any
GEOSEARCHSTORE d nokey fromlonlat 1 2 byradius 1 m
GEOSEARCHSTORE s s fromlonlat 1 2 byradius 1 m
GEOSEARCHSTORE s g fromlonlat 1 2 byradius 1 m
EXISTS s
GEORADIUS g 1 2 1 m store d withdist
GEORADIUS g 1 2 1 m store d storedist e
GEORADIUS g 1 2 1 m store
GEORADIUS g 1 2 -1 m
GEORADIUS g 1 2 x parsec
GEORADIUS g x 2 x parsec
GEORADIUS g 1 2 1 m any
GEORADIUS nokey 1 2 -1 m
GEORADIUS nokey 181 2 -1 m
GEORADIUS_RO g 1 2 1 m store d
GEORADIUSBYMEMBER nokey a -1 parsec
GEORADIUSBYMEMBER nokey a -1 parsec any
GEORADIUSBYMEMBER nokey a x x store d withdist
GEORADIUSBYMEMBER g nobody x x
GEORADIUSBYMEMBER g a x x
GEORADIUSBYMEMBER g a 1 m store g
GEORADIUSBYMEMBER_RO g a 1 m storedist g
ZRANGE g 0 -1 WITHSCORES
COMMAND GETKEYS GEORADIUS g 1 2 1 m store d
COMMAND GETKEYS GEORADIUS g 1 2 1 m storedist e store d
COMMAND GETKEYS GEORADIUS g 1 2 1 m store
COMMAND GETKEYS GEORADIUS g 1 2 1 m store store d
COMMAND GETKEYSANDFLAGS GEORADIUSBYMEMBER store store 1 m store d
COMMAND GETKEYSANDFLAGS GEORADIUSBYMEMBER g a 1 m withdist
COMMAND GETKEYS GEOSEARCHSTORE d g asc asc asc asc asc
"""


@pytest.mark.parametrize("protocol", [2, 3])
def test_errors_and_their_precedence(server: ServerProcess, oracle: ServerProcess, protocol: int) -> None:
    clients = [RawClient(one.connect()) for one in (server, oracle)]
    for client in clients:
        client.call("HELLO", protocol)
    try:
        same(clients, [["SET", "s", "x"], ["GEOADD", "g", "1", "2", "a", "1.0001", "2", "b"]])
        same(clients, [line.split() for line in ERRORS.split("\n") if line])
    finally:
        for client in clients:
            client.close()
