"""The manifest: what Redis writes is read and written the same, and everything else is refused."""

from __future__ import annotations

import pytest

from pyredis.persistence.aof_manifest import Manifest, ManifestError


def test_as_redis_writes_it() -> None:
    text = b'file "my file.aof.2.base.rdb" seq 2 type b\nfile "my file.aof.3.incr.aof" seq 3 type i\n'
    manifest = Manifest.decode(text, "my file.aof")
    assert [file.name for file in manifest.files()] == ["my file.aof.2.base.rdb", "my file.aof.3.incr.aof"]
    assert manifest.encode() == text
    assert (manifest.base_seq, manifest.increment_seq) == (2, 3)


def test_a_rewrite() -> None:
    manifest = Manifest("a")
    manifest.add_base(True)
    manifest.add_increment()
    manifest.add_increment()
    manifest.add_base(False)
    manifest.keep_last(1)
    assert manifest.encode() == (
        b"file a.2.base.aof seq 2 type b\n"
        b"file a.1.base.rdb seq 1 type h\nfile a.1.incr.aof seq 1 type h\n"
        b"file a.2.incr.aof seq 2 type i\n"
    )
    again = Manifest.decode(manifest.encode(), "a")
    assert again.encode() == manifest.encode()


def test_comments_and_unknown_pairs() -> None:
    manifest = Manifest.decode(b"# a comment\nfile x seq 1 type i later thing\n", "x")
    assert [file.name for file in manifest.increments] == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"file a seq 1 type i",
        b"file a seq 1\n",
        b"file a seq 0 type i\n",
        b"file a seq x type i\n",
        b"file a seq 1 type z\n",
        b"file ../a seq 1 type i\n",
        b"file 'a seq 1 type i\n",
        b"file a seq 1 type b\nfile b seq 2 type b\n",
        b"file a seq 2 type i\nfile b seq 2 type i\n",
        b"file a seq 2 type i\nfile b seq 1 type i\n",
        b"file " + b"a" * 2000 + b" seq 1 type i\n",
        b"\xff\x00\n",
    ],
)
def test_refused(text: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.decode(text, "a")
