"""``pyredis check-aof`` beside redis-check-aof, over damaged files: the same verdict, the same place to cut."""

from __future__ import annotations

import io
import os
import random
import re
import shutil
from pathlib import Path

import pytest

from pyredis.cli.check_aof import main
from pyredis.persistence.aof_commands import AofDamage, read_commands
from tests.support.damage import damaged, ours, theirs
from tests.support.raw import RawClient, encode
from tests.support.servers import ServerProcess, start_oracle, start_ours
from tests.support.waiting import wait_until

CHECK = "redis-check-aof"


def commands(rng: random.Random, count: int) -> bytes:
    """Commands, some in transactions, with timestamps between them."""
    parts = [encode([b"SELECT", b"0"])]
    for n in range(count):
        kind = rng.randrange(6)
        if kind == 0:
            parts.append(b"#TS:%d\r\n" % (1_700_000_000 + n))
        if kind == 1:
            parts += [encode([b"MULTI"]), encode([b"INCR", b"n"]), encode([b"exec"])]
        parts.append(encode([b"SET", b"key:%d" % n, rng.randbytes(rng.randrange(20)) + b"\r\n"[: rng.randrange(3)]]))
    return b"".join(parts)


def good_up_to(output: str) -> list[str]:
    return re.findall(r"size=\d+, ok_up_to=\d+", output)


def test_verdicts(tmp_path: Path) -> None:
    """What is valid here is valid there and loads; what is not has the same place to cut, and a place of damage."""
    path = tmp_path / "x.aof"
    rng = random.Random(1)
    cases = differing = 0
    for round_number in range(3):
        for data in damaged(commands(rng, 4 + round_number), rng, one_in=12):
            path.write_bytes(data)
            code, output = ours(main, path)
            their_code, their_output = theirs(CHECK, path)
            cases += 1
            if code == 0:
                assert their_code == 0, their_output
                try:
                    list(read_commands(io.BytesIO(data), 0, len(data)))
                except AofDamage as e:
                    pytest.fail(f"valid, but {e}: {data!r}")
            else:
                told = re.search(r"^0x *([0-9a-f]+): ", output, re.MULTILINE)
                assert told and int(told[1], 16) <= len(data)
            if (code, good_up_to(output)) != (min(abs(their_code), 1), good_up_to(their_output)):
                # strtol reads "+3", " 3", "03" and "" as numbers; a command without arguments passes there, and so
                # does an annotation without end, to which the next command would be appended.
                half = data.rpartition(b"\n")[2].startswith(b"#")
                known = "Bad number" in output or "without arguments" in output or half
                assert known or their_code < 0, (data, output)
                differing += 1
    assert cases > 150 and differing < cases // 20


@pytest.mark.parametrize("answer", ["y", "n", ""])
def test_fix(tmp_path: Path, answer: str) -> None:
    data = commands(random.Random(3), 6)
    mine, other = tmp_path / "mine" / "x.aof", tmp_path / "other" / "x.aof"
    for length in (len(data) - 3, len(data) // 2, 30, 3):
        for path in (mine, other):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data[:length])
        code, output = ours(main, "--fix", mine, input=answer)
        assert code == theirs(CHECK, "--fix", other, input=answer)[0] == (answer != "y"), output
        assert mine.read_bytes() == other.read_bytes()
        assert ours(main, "--fix", "--yes", mine)[0] == 0
        assert ours(main, mine)[0] == theirs(CHECK, mine)[0] == 0


def test_fix_of_a_transaction(tmp_path: Path) -> None:
    """It goes whole, as it would not be run."""
    path = tmp_path / "x.aof"
    whole = encode([b"SET", b"a", b"b"])
    path.write_bytes(whole + encode([b"MULTI"]) + encode([b"SET", b"c", b"d"]))
    code, output = ours(main, path)
    assert code == 1 and f"0x{path.stat().st_size:16x}: Reached EOF before reading EXEC for MULTI" in output
    assert ours(main, "--fix", "-y", path)[0] == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("when", [50, 100, 150, 199, 200, 250, 1000])
def test_truncate_to_timestamp(tmp_path: Path, when: int) -> None:
    ping = encode([b"PING"])
    data = b"#TS:100\r\n" + ping + b"#TS:200\r\n" + ping + ping + b"#TS:300\r\n" + ping
    mine, other = tmp_path / "mine.aof", tmp_path / "other.aof"
    mine.write_bytes(data)
    other.write_bytes(data)
    code = ours(main, "--truncate-to-timestamp", str(when), mine)[0]
    assert code == theirs(CHECK, "--truncate-to-timestamp", str(when), other)[0]
    assert mine.read_bytes() == other.read_bytes()


def files_of(start: str, directory: Path) -> Path:
    """The directory of an append-only file with a base, two incremental files, and the snapshot of the base."""
    options = ["--appendonly", "yes"]
    server = start_oracle(directory, *options) if start == "redis" else start_ours(directory, *options)
    client = RawClient(server.connect())
    for n in range(20):
        client.call("RPUSH", "l", "x" * n)
    client.call("BGREWRITEAOF")
    _until_rewritten(client)
    client.call("SET", "a", "b")
    client.call("SET", "c", "d")
    client.close()
    server.stop()
    return directory / "appendonlydir"


def _until_rewritten(client: RawClient) -> None:
    def over() -> bool:
        info = client.call("INFO", "persistence")
        return b"aof_rewrite_in_progress:0" in info and b"aof_rewrite_scheduled:0" in info

    wait_until(over, lambda: client.call("INFO", "persistence").decode())


@pytest.mark.parametrize("start", ["redis", "pyredis"])
def test_parts(tmp_path: Path, start: str) -> None:
    """Of both servers: valid; damage in the last part is mended, in another one not."""
    made = files_of(start, tmp_path)
    manifest = made / "appendonly.aof.manifest"
    code, output = ours(main, manifest)
    assert code == theirs(CHECK, manifest)[0] == 0, output
    assert "Start checking Multi Part AOF" in output and "All AOF files and manifest are valid" in output
    [increment] = made.glob("*.incr.aof")
    [base] = made.glob("*.base.*")
    for victim, mended in ((increment, 0), (base, 1)):
        copy = tmp_path / victim.name
        shutil.copytree(made, copy)
        os.truncate(copy / victim.name, victim.stat().st_size - 3)
        assert ours(main, copy / manifest.name)[0] == theirs(CHECK, copy / manifest.name)[0] == 1
        assert ours(main, "--fix", "-y", copy / manifest.name)[0] == mended
        assert ours(main, copy / manifest.name)[0] == mended


def test_manifests(tmp_path: Path) -> None:
    (tmp_path / "good.aof").write_bytes(encode([b"PING"]))
    (tmp_path / "empty.aof").write_bytes(b"")
    path = tmp_path / "x.manifest"
    for text in (
        "file good.aof seq 1 type b\nfile empty.aof seq 1 type i\n",
        "file missing.aof seq 1 type b\n",
        "file good.aof seq 1 type q\n",
        "file good.aof seq 1 type b\nfile good.aof seq 2 type b\n",
        "file good.aof seq 2 type i\nfile good.aof seq 1 type i\n",
        "file ../x/good.aof seq 1 type b\n",
        "file good.aof seq 1\n",
        "",
    ):
        path.write_text(text)
        assert ours(main, path)[0] == theirs(CHECK, path)[0], text


def test_command_line(tmp_path: Path) -> None:
    assert ours(main)[0] == theirs(CHECK)[0] == 1
    assert ours(main, tmp_path / "missing")[0] == theirs(CHECK, tmp_path / "missing")[0] == 1
    assert ours(main, "--nonsense", tmp_path)[0] == 1
    assert ours(main, "--help")[0] == 0


def test_a_mended_file_loads(tmp_path: Path) -> None:
    """The server refuses, says what to do, and after that starts with everything before the damage."""
    directory = files_of("pyredis", tmp_path)
    [increment] = directory.glob("*.incr.aof")
    increment.write_bytes(increment.read_bytes() + b"*3\r\n$3\r\nSET\r\n$1\r\ne\r\n$1\r\nf")
    options = ["--appendonly", "yes", "--aof-load-truncated", "no"]
    with pytest.raises(RuntimeError, match="check-aof --fix"):
        start_ours(tmp_path, *options)
    assert ours(main, "--fix", "-y", directory / "appendonly.aof.manifest")[0] == 0
    server: ServerProcess = start_ours(tmp_path, *options)
    client = RawClient(server.connect())
    assert client.call("MGET", "a", "c", "e") == b"*3\r\n$1\r\nb\r\n$1\r\nd\r\n$-1\r\n"
    client.close()
    server.stop()
