"""A start that fails half way: everything that was begun is ended."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import socket
from pathlib import Path

import pytest

from pyredis.app import App
from pyredis.core.acl_users import AclError
from pyredis.core.options import Config
from pyredis.net.listener import ListenError
from pyredis.persistence.aof_load import LoadError
from tests.support.local import SilentLogger
from tests.support.servers import free_port


def application(lines: list[str]) -> App:
    config = Config()
    config.load_text("\n".join(lines))
    return App(config, None, SilentLogger(config))


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
@pytest.mark.parametrize("fault", ["port", "metrics", "users", "data"])
def test_nothing_is_left(tmp_path: Path, fault: str) -> None:
    """No timer, no socket, no lock, no task: the same directory and ports serve the next one."""

    async def scenario() -> None:
        port, metrics = free_port(), free_port()
        lines = [f"dir {tmp_path}", "bind 127.0.0.1", "appendonly yes", "save ''"]
        wrong = list(lines)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            used = taken.getsockname()[1]
            if fault == "users":
                (tmp_path / "users.acl").write_text("nonsense\n")
                wrong.append(f"aclfile {tmp_path / 'users.acl'}")
            elif fault == "data":
                (tmp_path / "appendonlydir").mkdir()
                (tmp_path / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
            wrong += [f"port {used if fault == 'port' else port}"]
            wrong += [f"metrics-port {used if fault == 'metrics' else metrics}"]
            gc.collect()  # else what other tests have left open may go meanwhile
            before = open_files()
            app = application(wrong)
            with pytest.raises((ListenError, AclError, LoadError)):
                await app.start()
            await asyncio.sleep(0)
            assert len(asyncio.all_tasks()) == 1
            assert open_files() == before
            turns: list[int] = []
            app.server.cron_jobs.append(lambda: turns.append(1))
            await asyncio.sleep(0.3)  # three periods of the cron
            assert not turns
            shutil.rmtree(tmp_path / "appendonlydir", ignore_errors=True)
        app = application([*lines, f"port {port}", f"metrics-port {metrics}"])
        await app.start()
        app.stop()
        await app.close()

    asyncio.run(scenario())
