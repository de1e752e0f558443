"""Large contents: by leaves, on several cores or on one, from memory or from a stream."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from expcore import _leaves, digest
from expcore._leaves import LEAF_BYTES, content_digest, stream_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = [0, 1, LEAF_BYTES - 1, LEAF_BYTES, LEAF_BYTES + 1, 3 * LEAF_BYTES, 11 * LEAF_BYTES + 7]


def some_bytes(size: int) -> bytes:
    return (b"0123456789abcdefg" * (size // 17 + 1))[:size]


@pytest.fixture(params=[1, 2, 5])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many threads take part where there is enough to do."""
    monkeypatch.setattr(_leaves, "SHARE_BYTES", LEAF_BYTES)
    monkeypatch.setattr(_leaves, "_cores", lambda: request.param)
    return int(request.param)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.usefixtures("threads")
def test_the_digest_is_the_one_that_is_documented(size: int) -> None:
    """However many threads there are."""
    data = some_bytes(size)
    leaves = [
        hashlib.sha256(data[start : start + LEAF_BYTES]).digest()
        for start in range(0, size, LEAF_BYTES)
    ]
    expected = hashlib.sha256(data).digest()
    if size > LEAF_BYTES:
        expected = hashlib.sha256(b"".join(leaves) + size.to_bytes(8, "little")).digest()

    assert content_digest(hashlib.sha256, data) == expected


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece", [1000, LEAF_BYTES, 3 * LEAF_BYTES + 5])
def test_a_stream_has_the_digest_of_its_bytes(size: int, piece: int) -> None:
    data = some_bytes(size)

    def pieces() -> Iterator[bytes]:
        for start in range(0, size, piece):
            yield data[start : start + piece]

    assert stream_digest(hashlib.sha256, pieces()) == content_digest(hashlib.sha256, data)


def test_other_bytes_are_digested_instead_of_a_leaf(threads: int) -> None:
    data = some_bytes(9 * LEAF_BYTES)
    mended = bytearray(data)
    mended[4 * LEAF_BYTES : 5 * LEAF_BYTES] = bytes(LEAF_BYTES)
    seen: set[int] = set()

    def instead(start: int, stop: int) -> bytes | None:
        seen.add(threading.get_ident())
        return bytes(stop - start) if start == 4 * LEAF_BYTES else None

    assert content_digest(hashlib.sha256, data, instead) == content_digest(hashlib.sha256, mended)
    assert 1 <= len(seen) <= threads


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("error", [MemoryError, IndexError, KeyboardInterrupt])
def test_an_error_in_any_thread_is_raised(error: type[BaseException]) -> None:
    def instead(start: int, _: int) -> None:
        if start == 7 * LEAF_BYTES:
            raise error

    with pytest.raises(error):
        content_digest(hashlib.sha256, some_bytes(9 * LEAF_BYTES), instead)
    assert not [each for each in threading.enumerate() if each.name == "expcore-digest"]


@pytest.mark.usefixtures("threads")
def test_no_thread_to_be_had_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    data = some_bytes(9 * LEAF_BYTES)
    expected = content_digest(hashlib.sha256, data)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert content_digest(hashlib.sha256, data) == expected


def test_large_bytes_are_digested_while_python_exits() -> None:
    script = """
import atexit
from expcore import digest
data = bytes(20 << 20)
before = digest(data)
atexit.register(lambda: print(digest(data) == before))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_large_bytes_differ_by_type_length_and_content() -> None:
    data = bytes(LEAF_BYTES + 1)
    values = [data, bytearray(data), data[1:], data + b"\0", b"1" + data[1:], data[:-1] + b"1"]

    assert len({digest(value) for value in values}) == len(values)
    assert digest(bytes(data)) == digest(data)
