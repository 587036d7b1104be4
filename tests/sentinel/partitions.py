"""Random faults in a set of three machines, each with a server and a sentinel, and what must hold through them:

- one configuration epoch never names two masters;
- a master that is cut off ceases to accept writes (``min-replicas-to-write 1``);
- what was acknowledged, and waited for until both replicas had it, is there after every failover.

    python -m tests.sentinel.partitions --rounds 200 --seed 7 --servers ours --sentinels mixed
"""

from __future__ import annotations

import argparse
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hiredis

from tests.support.network import CLIENT, CUT, PASS, STALL, Network, private, public
from tests.support.raw import encode
from tests.support.sentinels import KINDS, NAME, Instance, SentinelProcess, pairs
from tests.support.waiting import PATIENCE

MACHINES = (1, 2, 3)


class Failed(AssertionError):
    """Something did not hold."""


class Wire:
    """A connection that asks and waits; every error is an OSError but those that servers reply."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        self.sock = socket.create_connection((host, port), timeout)
        self.reader = hiredis.Reader(encoding="utf-8")

    def call(self, *argv: str | int) -> Any:
        self.sock.sendall(encode([str(arg).encode() for arg in argv]))
        return self.read()

    def read(self) -> Any:
        while (reply := self.reader.gets()) is False:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("closed")
            self.reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def close(self) -> None:
        self.sock.close()


def ask(host: str, port: int, *argv: str | int, timeout: float = PATIENCE) -> Any:
    """One question. Only through the network may it be long until the answer comes."""
    wire = Wire(host, port, timeout)
    try:
        return wire.call(*argv)
    finally:
        wire.close()


class Machine:
    """A server and a sentinel, reached through the network only."""

    def __init__(self, number: int, network: Network, directory: Path, server: bool, sentinel: bool) -> None:
        self.number = number
        own = [f"bind {private(number)}", "protected-mode no", f"bind-source-addr {public(number)}"]
        self.server = Instance.__new__(Instance)
        self.sentinel = SentinelProcess.__new__(SentinelProcess)
        self.own = own
        self.network = network
        self.directory = directory
        self.kinds = (server, sentinel)

    def start(self, master: tuple[str, int] | None) -> int:
        """Start the server, as a replica if there is a master already; its port."""
        lines = [
            *self.own,
            f"replica-announce-ip {public(self.number)}",
            "min-replicas-to-write 1",
            "min-replicas-max-lag 2",
            "repl-timeout 6",
            "repl-backlog-size 1mb",
        ]
        if master is not None:
            lines.append(f"replicaof {master[0]} {master[1]}")
        # The command line's bind would count above the file's: it names the private address, too.
        self.server = Instance(
            self.directory / f"server{self.number}", self.kinds[0], host=private(self.number), lines=lines
        )
        self.server.wait()
        self.network.offer(self.number, self.server.port)
        return self.server.port

    def watch(self, host: str, port: int) -> None:
        """Start the sentinel."""
        lines = [
            *self.own,
            f"sentinel monitor {NAME} {host} {port} 2",
            f"sentinel down-after-milliseconds {NAME} 2000",
            f"sentinel failover-timeout {NAME} 3000",
            f"sentinel announce-ip {public(self.number)}",
        ]
        directory = self.directory / f"sentinel{self.number}"
        self.sentinel = SentinelProcess(directory, self.kinds[1], lines, host=private(self.number))
        self.settle()
        self.network.offer(self.number, self.sentinel.port)

    def settle(self) -> None:
        """Wait for the sentinel, and make it quicker."""
        self.sentinel.wait()
        self.sentinel.call("SENTINEL", "DEBUG", "INFO-PERIOD", 500, "PUBLISH-PERIOD", 300)

    def tell(self, *argv: str | int) -> Any:
        """Ask the server on its private address: no partition is in the way."""
        return ask(private(self.number), self.server.port, *argv)

    def stop(self) -> None:
        for process in (self.sentinel, self.server):
            if hasattr(process, "process"):
                process.stop()


class Writer:
    """Writes through the network to whom the sentinels name, and waits for both replicas."""

    def __init__(self, machines: list[Machine], seed: int) -> None:
        self.machines = machines
        self.rng = random.Random(seed)
        self.safe: dict[str, str] = {}
        """What both replicas have acknowledged."""
        self.writes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        wire: Wire | None = None
        n = 0
        while not self._stop.is_set():
            n += 1
            try:
                wire = wire or self._connect()
                wire.call("SET", f"key:{n}", n)
                self.writes += 1
                if wire.call("WAIT", 2, 200) == 2:
                    self.safe[f"key:{n}"] = str(n)
                time.sleep(0.003)
            except (OSError, hiredis.ReplyError):
                if wire is not None:
                    wire.close()
                wire = None
                time.sleep(0.02)
        if wire is not None:
            wire.close()

    def _connect(self) -> Wire:
        for machine in self.rng.sample(self.machines, 3):
            try:
                question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
                where = ask(public(machine.number), machine.sentinel.port, *question, timeout=1.0)
            except (OSError, hiredis.ReplyError):
                continue
            return Wire(where[0], int(where[1]), 0.5)
        raise OSError("no sentinel")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


class Listener:
    """Hears every hello message on one server; notes which master each configuration epoch names."""

    def __init__(self, machine: Machine, epochs: dict[int, set[str]]) -> None:
        self.machine = machine
        self.epochs = epochs
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                wire = Wire(private(self.machine.number), self.machine.server.port, 1.0)
            except OSError:
                time.sleep(0.05)
                continue
            try:
                wire.call("SUBSCRIBE", "__sentinel__:hello")
                while not self._stop.is_set():
                    fields = wire.read()[2].split(",")
                    self.epochs.setdefault(int(fields[7]), set()).add(f"{fields[5]}:{fields[6]}")
            except (OSError, hiredis.ReplyError):
                time.sleep(0.05)
            finally:
                wire.close()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(10)


class Trial:
    """The machines through rounds of faults."""

    def __init__(self, directory: Path, servers: tuple[bool, ...], sentinels: tuple[bool, ...], seed: int) -> None:
        self.directory = directory
        self.seed = seed
        self.rng = random.Random(seed)
        self.log: list[str] = []
        self.epochs: dict[int, set[str]] = {}
        self.network = Network()
        self.machines = [Machine(n, self.network, directory, servers[n - 1], sentinels[n - 1]) for n in MACHINES]
        self.listeners: list[Listener] = []
        self.writer: Writer | None = None
        try:
            port = self.machines[0].start(None)
            for machine in self.machines[1:]:
                machine.start((public(1), port))
            for machine in self.machines:
                machine.watch(public(1), port)
            self.listeners = [Listener(machine, self.epochs) for machine in self.machines]
            self.writer = Writer(self.machines, seed)
            self.wait(self.healthy, "all is well at the start")
        except BaseException:
            self.stop()
            raise

    def say(self, text: str) -> None:
        self.log.append(f"{time.strftime('%H:%M:%S')} {text}")

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if condition():
                    return
            except (OSError, hiredis.ReplyError, IndexError, KeyError):
                pass
            time.sleep(0.05)
        raise Failed(f"not within {seconds} s: {what}")

    def named(self, machine: Machine) -> int:
        """The machine that a sentinel names as the master."""
        where = ask(private(machine.number), machine.sentinel.port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return int(str(where[0]).rsplit(".", 1)[1])

    def healthy(self) -> bool:
        """All agree on a master that has both replicas, and know one another."""
        masters = {self.named(machine) for machine in self.machines}
        if len(masters) != 1:
            return False
        master = masters.pop()
        for machine in self.machines:
            role = machine.tell("ROLE")
            if machine.number == master:
                if role[0] != "master" or len(role[2]) != 2:
                    return False
            elif (role[0], role[1], role[3]) != ("slave", public(master), "connected"):
                return False
            about = pairs(ask(private(machine.number), machine.sentinel.port, "SENTINEL", "MASTER", NAME))
            if (about["flags"], about["num-slaves"], about["num-other-sentinels"]) != ("master", "2", "2"):
                return False
            for what in ("REPLICAS", "SENTINELS"):
                for one in ask(private(machine.number), machine.sentinel.port, "SENTINEL", what, NAME):
                    if pairs(one)["flags"] not in ("slave", "sentinel"):
                        return False
        return True

    # --- faults -----------------------------------------------------------------------------------------------

    def round(self, number: int) -> None:
        """One fault, what follows, its end, and whether all still holds."""
        self.wait(self.healthy, "all is well before the round", 90)
        master = self.machines[self.named(self.machines[0]) - 1]
        other = self.rng.choice([m for m in self.machines if m is not master])
        fault = self.rng.choice(
            [self.kill, self.pause, self.isolate, self.isolate, self.lame, self.slow, self.half_cut]
        )
        time.sleep(self.rng.random() / 2)
        assert self.writer is not None
        before = len(self.writer.safe)
        self.say(f"round {number}: {fault.__name__}, master {master.number}, other {other.number}")
        fault(master, other)
        self.wait(self.healthy, f"all is well after {fault.__name__}", 90)
        self.check()
        new = len(self.writer.safe) - before
        self.say(f"  epoch {max(self.epochs)}, writes {self.writer.writes}, safe {len(self.writer.safe)} (+{new})")

    def others(self, machine: Machine) -> list[Machine]:
        return [m for m in self.machines if m is not machine]

    def await_switch(self, old: Machine) -> None:
        """The sentinels of the other machines name another master."""
        rest = self.others(old)
        self.wait(lambda: all(self.named(m) != old.number for m in rest), "a failover", 60)

    def kill(self, master: Machine, other: Machine) -> None:
        """The master's process ends, and comes back as what it was."""
        master.server.signal(signal.SIGKILL)
        self.await_switch(master)
        master.server.start()

    def pause(self, master: Machine, other: Machine) -> None:
        """The master stands still while another takes over."""
        master.server.signal(signal.SIGSTOP)
        try:
            self.await_switch(master)
        finally:
            master.server.signal(signal.SIGCONT)

    def isolate(self, master: Machine, other: Machine) -> None:
        """The master's machine, its sentinel included, is cut off; clients may still reach it."""
        rule = self.rng.choice([CUT, STALL])
        sees_client = self.rng.random() < 0.5
        self.say(f"  {rule}, clients {'reach it' if sees_client else 'do not'}")
        for machine in self.others(master):
            self.network.set(master.number, machine.number, rule)
        if not sees_client:
            self.network.set(master.number, CLIENT, rule)
        try:
            self.await_switch(master)
            self.wait(lambda: self._refuses(master), "the master that is cut off refuses writes")
            if self.named(master) != master.number:
                raise Failed("the sentinel that is cut off has moved the master")
        finally:
            for number in (CLIENT, *MACHINES):
                self.network.set(master.number, number, PASS)

    @staticmethod
    def _refuses(machine: Machine) -> bool:
        try:
            machine.tell("SET", "lonely", "1")
        except hiredis.ReplyError as e:
            return str(e).startswith(("NOREPLICAS", "READONLY"))
        return False

    def lame(self, master: Machine, other: Machine) -> None:
        """A replica's machine is cut off for a while: nothing may change."""
        for machine in self.others(other):
            self.network.set(other.number, machine.number, self.rng.choice([CUT, STALL]))
        time.sleep(3 + self.rng.random())
        for machine in self.others(other):
            self.network.set(other.number, machine.number, PASS)
        if any(self.named(m) != master.number for m in self.machines):
            raise Failed("a failover without a reason")

    def slow(self, master: Machine, other: Machine) -> None:
        """Everything to and from one machine is late."""
        machine = self.rng.choice([master, other])
        for number in MACHINES:
            self.network.set(machine.number, number, self.rng.uniform(0.01, 0.15))
        time.sleep(2)
        for number in MACHINES:
            self.network.set(machine.number, number, PASS)

    def half_cut(self, master: Machine, other: Machine) -> None:
        """The master and one other machine do not see each other; the third sees both."""
        self.network.set(master.number, other.number, self.rng.choice([CUT, STALL]))
        time.sleep(4)
        self.network.set(master.number, other.number, PASS)

    # --- what must hold ---------------------------------------------------------------------------------------

    def check(self) -> None:
        """One master for each epoch; every safe write is there."""
        double = {epoch: found for epoch, found in self.epochs.items() if len(found) > 1}
        if double:
            raise Failed(f"two masters in one epoch: {double}")
        assert self.writer is not None
        master = self.machines[self.named(self.machines[0]) - 1]
        safe = dict(self.writer.safe)
        keys = list(safe)
        for at in range(0, len(keys), 1000):
            some = keys[at : at + 1000]
            found = master.tell("MGET", *some)
            lost = [key for key, value in zip(some, found, strict=True) if value != safe[key]]
            if lost:
                raise Failed(f"lost: {lost[:20]} of {len(safe)}")

    def report(self) -> str:
        """The seed and all logs."""
        parts = [f"seed {self.seed}", *self.log, f"epochs: {self.epochs}"]
        for machine in self.machines:
            for process in (machine.server, machine.sentinel):
                if hasattr(process, "process"):
                    kind = type(process).__name__
                    parts.append(f"--- machine {machine.number} {kind} ours={process.ours}\n{process.log()[-12000:]}")
        return "\n".join(parts)

    def stop(self) -> None:
        for one in (*self.listeners, *([self.writer] if self.writer is not None else [])):
            one.stop()
        for machine in self.machines:
            machine.stop()
        self.network.close()


def run(rounds: int, seed: int, servers: str, sentinels: str, directory: Path, tell: bool = False) -> list[str]:
    """So many rounds; the log. Raises Failed with everything that was logged."""
    trial = Trial(directory, KINDS[servers], KINDS[sentinels], seed)
    try:
        for number in range(1, rounds + 1):
            trial.round(number)
            if tell:
                print("\n".join(trial.log), flush=True)
                trial.log.clear()
    except Exception as e:
        raise Failed(f"{type(e).__name__}: {e}\n{trial.report()}") from e
    finally:
        trial.stop()
    return trial.log


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--servers", choices=KINDS, default="ours")
    parser.add_argument("--sentinels", choices=KINDS, default="mixed")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="partitions-") as directory:
        try:
            run(args.rounds, args.seed, args.servers, args.sentinels, Path(directory), True)
        except Failed as e:
            print(e, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
