"""FsspecStorage on a real S3 protocol, and on file systems that need no server."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("fsspec")

from expcore import (
    AccessDenied,
    FsspecStorage,
    InvalidKey,
    KeyExists,
    MissingExtraError,
    Retry,
    RetryingStorage,
    Storage,
    StorageUnavailable,
    open_storage,
)
from expcore.testing import StorageContract, keys

pytestmark = [
    # botocore, moto and aiohttp about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def bucket(s3_bucket: str) -> str:
    return f"{s3_bucket}/some/prefix"


class TestS3(StorageContract):
    @pytest.fixture
    def storage(self, bucket: str) -> Storage:
        return FsspecStorage(bucket)


def test_unfinished_uploads_are_discarded(bucket: str) -> None:
    storage = FsspecStorage(bucket)
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    storage.write("run/whole", b"1")
    for key in ("run/a", "run/b/c", "running/d"):
        storage._fs.call_s3("create_multipart_upload", Bucket=name, Key=f"{prefix}/{key}")

    RetryingStorage(storage).discard_uploads("run/")

    left = storage._fs.call_s3("list_multipart_uploads", Bucket=name)["Uploads"]
    assert [each["Key"] for each in left] == [f"{prefix}/running/d"]
    assert storage.read("run/whole") == b"1"
    storage.discard_uploads()
    assert "Uploads" not in storage._fs.call_s3("list_multipart_uploads", Bucket=name)


class TestMemoryFileSystem(StorageContract):
    claims_are_atomic = False

    @pytest.fixture
    def storage(self) -> Storage:
        return FsspecStorage(f"memory://{uuid4().hex}")


class TestLocalFileSystem(StorageContract):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> Storage:
        return FsspecStorage((tmp_path / "store").as_uri())

    def test_the_longest_names_can_be_written(self, storage: Storage) -> None:
        """In bytes, that is: what it is called meanwhile must not be longer."""
        name = "\u4e2d" * 85

        storage.write(name, b"1")

        assert storage.read(name) == b"1"

    def test_a_failed_write_leaves_nothing_behind(self, storage: Storage, tmp_path: Path) -> None:
        class Failing:
            def read(self, _: int = -1) -> bytes:
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            storage.write("k", Failing())  # type: ignore[arg-type]

        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_url_opens_a_patient_storage(bucket: str) -> None:
    storage = open_storage(bucket)

    storage.write("k", b"1")

    assert isinstance(storage, RetryingStorage)
    assert storage.url == bucket
    assert open_storage(bucket).read("k") == b"1"


def test_of_many_clients_exactly_one_claims(bucket: str) -> None:
    start = threading.Barrier(8)

    def claim(i: int) -> bool:
        storage = FsspecStorage(bucket, skip_instance_cache=True)
        start.wait()
        try:
            storage.write_new("k", str(i).encode())
        except KeyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(claim, range(8))) == 1


def test_what_another_client_writes_is_seen(bucket: str) -> None:
    first, second = FsspecStorage(bucket), FsspecStorage(bucket, skip_instance_cache=True)
    assert keys(first.list()) == []

    second.write("k", b"1")

    assert keys(first.list()) == ["k"]
    assert first.exists("k")


def test_a_large_stream_is_sent_in_parts(bucket: str) -> None:
    data = os.urandom(20 << 20)
    storage = FsspecStorage(bucket)

    storage.write("k", __import__("io").BytesIO(data))

    assert storage.read("k") == data


def test_names_that_cannot_be_keys_are_refused_when_a_bucket_lists_them(bucket: str) -> None:
    import s3fs

    storage = FsspecStorage(bucket)
    root = bucket.removeprefix("s3://")
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file(f"{root}/a\\b", b"evil")

    with pytest.raises(InvalidKey):
        list(storage.list())


def test_a_server_that_is_gone_is_said_to_be_so(bucket: str) -> None:
    options: dict[str, Any] = {
        "endpoint_url": "http://127.0.0.1:9",
        "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 1},
        "skip_instance_cache": True,
    }
    storage = RetryingStorage(FsspecStorage("s3://bucket/x", **options), Retry(attempts=1))
    storage.inner._fs.retries = 1  # type: ignore[attr-defined]

    with pytest.raises(StorageUnavailable):
        storage.read("k")


def test_a_stream_that_breaks_is_an_error_of_this_package(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FsspecStorage(bucket)
    storage.write("k", b"value")

    def broken(*_: object, **__: object) -> bytes:
        raise ConnectionResetError("reset by peer")

    monkeypatch.setattr("s3fs.core.S3File._fetch_range", broken)
    with (
        storage.open_read("k") as file,
        pytest.raises(StorageUnavailable, match="reset by peer"),
    ):
        file.read()


def test_a_missing_bucket_is_an_error_of_this_package(bucket: str) -> None:
    with pytest.raises((AccessDenied, FileNotFoundError)):
        FsspecStorage("s3://no-such-bucket-here/x").write("k", b"")


def test_secrets_are_not_shown(bucket: str) -> None:
    storage = FsspecStorage("s3://bucket/x", key="AKIA", secret="very-secret")

    assert "very-secret" not in repr(storage) + storage.url


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in ("fsspec", "fsspec.core", "fsspec.registry"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(MissingExtraError, match=r"s3://bucket/x needs the extra 'fsspec'"):
        open_storage("s3://bucket/x")
