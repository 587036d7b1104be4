"""Fixtures: one server of ours and one redis-server for each test process, emptied between tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.raw import RawClient
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.tree import tree

# The same examples in every run; `pytest --hypothesis-profile=long` tries many new ones.
_COMMON = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False)
settings.register_profile("fixed", parent=_COMMON, derandomize=True, max_examples=60)
settings.register_profile("long", parent=_COMMON, max_examples=3000)
settings.load_profile("fixed")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a shell: the servers and programs of the tests would ignore it, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = start_ours(tmp_path_factory.mktemp("ours"), "--enable-debug-command", "yes")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _newest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = start_ours(tmp_path_factory.mktemp("newest"), "--enable-debug-command", "yes", compat="")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    server = start_oracle(tmp_path_factory.mktemp("oracle"), "--enable-debug-command", "yes")
    yield server
    server.stop()


_at_start: dict[int, dict[bytes, bytes]] = {}
"""The configuration of each of these servers before the first test, by process ID."""


def _configuration(client: RawClient) -> dict[bytes, bytes]:
    words = [node.value for node in tree(client.call("CONFIG", "GET", "*")).value]
    return dict(zip(words[::2], words[1::2], strict=True))


def _emptied(server: ServerProcess) -> ServerProcess:
    """The server as it was at first, whichever tests have used it: no other clients, no data, no settings of theirs."""
    client = RawClient(server.connect())
    assert client.call("CLIENT", "KILL", "SKIPME", "yes")[:1] == b":"  # with what they hear
    assert client.call("CLIENT", "UNPAUSE") == b"+OK\r\n"
    assert client.call("FLUSHALL") == b"+OK\r\n"
    # Tests switch this off so that nothing goes by itself while they look.
    assert client.call("DEBUG", "SET-ACTIVE-EXPIRE", "1") == b"+OK\r\n"
    now = _configuration(client)
    for name, value in _at_start.setdefault(server.pid, now).items():
        if now[name] != value:
            assert client.call("CONFIG", "SET", name, value) == b"+OK\r\n", (name, now[name], value)
    assert client.call("LATENCY", "RESET")[:1] == b":"
    client.close()
    return server


@pytest.fixture
def server(_ours: ServerProcess) -> Iterator[ServerProcess]:
    """Our server, empty, looking like the oracle."""
    yield _emptied(_ours)
    assert _ours.alive(), _ours.log()


@pytest.fixture
def newest(_newest: ServerProcess) -> Iterator[ServerProcess]:
    """Our server, empty, as it is by default: with what came after the oracle."""
    yield _emptied(_newest)
    assert _newest.alive(), _newest.log()


@pytest.fixture
def oracle(_oracle: ServerProcess) -> ServerProcess:
    """redis-server, empty."""
    return _emptied(_oracle)
