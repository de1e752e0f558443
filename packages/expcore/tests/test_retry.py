"""What may pass is tried again; what is final is not."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import pytest

from expcore import (
    IntegrityError,
    KeyExists,
    KeyNotFound,
    MemoryStorage,
    QuotaExceeded,
    Stat,
    Storage,
    StorageUnavailable,
)
from expcore._retry import Retry, RetryingStorage, ValueChanged
from expcore.testing import StorageContract, keys


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; the waits that there would have been."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    return slept


class Flaky(MemoryStorage):
    """Raises the errors it was given before it works."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)
        self.calls = 0

    def _get(self, key: str) -> Any:
        self._fail()
        return super()._get(key)

    def _put(self, key: str, data: Any, *, overwrite: bool) -> Stat:
        if hasattr(data, "read") and self.errors:
            data.read(3)
        self._fail()
        return super()._put(key, data, overwrite=overwrite)

    def _fail(self) -> None:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)


def busy(retry_after_s: float | None = None) -> StorageUnavailable:
    return StorageUnavailable("memory:", "ask", "busy", retry_after_s)


class TestRetryingStorage(StorageContract):
    @pytest.fixture
    def storage(self) -> Storage:
        return RetryingStorage(MemoryStorage())


@pytest.mark.parametrize("error", [busy(), IntegrityError("memory:", "write", "other bytes")])
def test_what_may_pass_is_tried_again(waits: list[float], error: Exception) -> None:
    inner = Flaky(error, error)

    RetryingStorage(inner).write("k", b"1")

    assert inner.calls == 3
    assert len(waits) == 2


@pytest.mark.parametrize(
    "error", [KeyNotFound("k"), QuotaExceeded("u", "a", "d"), ZeroDivisionError()]
)
def test_what_is_final_is_raised_at_once(waits: list[float], error: Exception) -> None:
    inner = Flaky(error)

    with pytest.raises(type(error)):
        RetryingStorage(inner).write("k", b"1")

    assert (inner.calls, waits) == (1, [])


def test_waits_grow_and_are_random_and_bounded(waits: list[float]) -> None:
    inner = Flaky(*[busy()] * 9)

    RetryingStorage(inner, Retry(attempts=10, first_wait_s=1, longest_wait_s=8)).write("k", b"")

    bounds = [1, 2, 4, 8, 8, 8, 8, 8, 8]
    assert len(set(waits)) == len(waits)
    assert all(0 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_the_wait_that_was_asked_for_is_the_least(waits: list[float]) -> None:
    RetryingStorage(Flaky(busy(30.0)), Retry(first_wait_s=1)).write("k", b"")

    assert 30 <= waits[0] <= 31


def test_after_the_last_attempt_its_error_is_raised(waits: list[float]) -> None:
    inner = Flaky(*[busy()] * 9)

    with pytest.raises(StorageUnavailable, match="busy"):
        RetryingStorage(inner, Retry(attempts=3)).write("k", b"")

    assert inner.calls == 3


def test_no_attempt_starts_after_the_deadline(waits: list[float]) -> None:
    inner = Flaky(*[busy(100.0)] * 9)

    with pytest.raises(StorageUnavailable):
        RetryingStorage(inner, Retry(deadline_s=50)).write("k", b"")

    assert (inner.calls, waits) == (1, [])


def test_a_stream_is_sent_again_from_where_it_began(waits: list[float]) -> None:
    stream = io.BytesIO(b"--a stream")
    stream.seek(2)
    storage = RetryingStorage(Flaky(busy(), busy()))

    storage.write("k", stream)

    assert storage.read("k") == b"a stream"


def test_a_listing_goes_on_behind_what_it_yielded(waits: list[float]) -> None:
    class Breaking(MemoryStorage):
        breaks = 3

        def list(self, prefix: str = "", *, delimiter: str | None = None) -> Any:
            for i, found in enumerate(super().list(prefix, delimiter=delimiter)):
                if i == 2 and self.breaks:
                    self.breaks -= 1
                    raise busy()
                yield found

    storage = RetryingStorage(Breaking())
    for name in "abcd":
        storage.write(name, b"")

    assert keys(storage.list()) == list("abcd")


@pytest.mark.parametrize("error", [busy(), IntegrityError("memory:", "list", "cut short")])
def test_a_listing_that_fails_whatever_the_way_is_never_cut_short(
    waits: list[float], error: Exception
) -> None:
    """An iterator that has failed says that it is at its end; that is not the listing's."""

    class Breaking(MemoryStorage):
        calls = 0

        def list(self, prefix: str = "", *, delimiter: str | None = None) -> Any:
            self.calls += 1
            if self.calls in {1, 3}:
                raise error
            found = list(super().list(prefix, delimiter=delimiter))
            return self._break(found) if self.calls == 2 else iter(found)

        def _break(self, found: Any) -> Any:
            yield found[0]
            raise error

    storage = RetryingStorage(Breaking())
    for name in "abcd":
        storage.write(name, b"")

    assert keys(storage.list()) == list("abcd")


def test_a_download_whose_stream_cannot_go_on_begins_again(
    waits: list[float], tmp_path: Path
) -> None:
    class Once(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise busy()

    class Breaking(MemoryStorage):
        is_broken = True

        def open_read(self, key: str, start: int = 0, stop: int | None = None) -> Any:
            broken, self.is_broken = self.is_broken, False
            return Once() if broken else super().open_read(key, start, stop)

    storage = RetryingStorage(Breaking())
    storage.write("k", b"value")

    storage.download("k", tmp_path / "k")

    assert (tmp_path / "k").read_bytes() == b"value"


class Breaks(io.BytesIO):
    """A stream that ends in an error after two bytes."""

    def __init__(self, data: bytes, version: object) -> None:
        super().__init__(data)
        self.version = version

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 2:
            raise busy()
        return super().read(2)


class Streams(MemoryStorage):
    def __init__(self, *versions: object) -> None:
        super().__init__()
        self.versions = list(versions)

    def open_read(self, key: str, start: int = 0, stop: int | None = None) -> Any:
        return Breaks(b"0123456"[start:stop], self.versions.pop(0))


def test_a_broken_stream_goes_on_in_the_same_version(waits: list[float]) -> None:
    with RetryingStorage(Streams(*"aaaaa")).open_read("k", 1, 6) as file:
        assert file.read() == b"12345"


@pytest.mark.parametrize("versions", [("a", "b"), (None, None)])
def test_a_value_that_was_replaced_is_not_mixed_with_the_old_one(
    waits: list[float], versions: tuple[object, ...]
) -> None:
    file = RetryingStorage(Streams(*versions)).open_read("k")

    with pytest.raises(ValueChanged, match="may have changed since; read it again"):
        file.read()


def test_a_claim_whose_reply_was_lost_counts_as_lost(waits: list[float]) -> None:
    class Forgetful(MemoryStorage):
        def write_new(self, key: str, data: Any) -> Stat:
            super().write_new(key, data)
            raise busy()

    with pytest.raises(KeyExists):
        RetryingStorage(Forgetful()).write_new("k", b"")


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"deadline_s": -1}])
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nothing can be tried"):
        Retry(**wrong)


def test_its_name_is_that_of_what_it_wraps() -> None:
    assert repr(RetryingStorage(MemoryStorage())) == "RetryingStorage(<MemoryStorage: 0 keys>)"
