"""FsspecStorage on a real S3 protocol, and on file systems that need no server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest

pytest.importorskip("fsspec")

from expcore import (
    AccessDenied,
    FsspecStorage,
    InvalidKey,
    KeyExists,
    KeyNotFound,
    MissingExtraError,
    Retry,
    RetryingStorage,
    Storage,
    StorageUnavailable,
    _s3_uploads,
    open_storage,
)
from expcore.testing import StorageContract, keys

pytestmark = [
    # botocore, moto and aiohttp about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


PART_BYTES = 5 << 20  # S3 takes no shorter ones, but for the last


@pytest.fixture
def bucket(s3_bucket: str) -> str:
    return f"{s3_bucket}/some/prefix"


class TestS3(StorageContract):
    @pytest.fixture
    def storage(self, bucket: str) -> Storage:
        return FsspecStorage(bucket)


class Calls:
    """Counts what a storage asks of S3, and lets some of it fail."""

    def __init__(self, storage: FsspecStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[str] = []
        self.failing_parts: set[int] = set()
        self.forbidden: set[str] = set()
        call = storage._fs.call_s3

        def count(method: str, **ask: Any) -> Any:
            self.made.append(method)
            if ask.get("PartNumber") in self.failing_parts:
                raise ConnectionResetError("the line is gone")
            if method in self.forbidden:
                raise PermissionError(method)
            return call(method, **ask)

        monkeypatch.setattr(storage._fs, "call_s3", count)

    def number_of(self, method: str) -> int:
        return self.made.count(method)


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of four parts and a half."""
    monkeypatch.setattr(_s3_uploads, "PART_BYTES", PART_BYTES)
    path = tmp_path / "large"
    path.write_bytes(os.urandom(9 * PART_BYTES // 2))
    return path


def unfinished(bucket: str) -> list[str]:
    """The keys of all uploads to a bucket that are not complete."""
    storage = FsspecStorage(bucket)
    name = bucket.removeprefix("s3://").partition("/")[0]
    found = storage._fs.call_s3("list_multipart_uploads", Bucket=name).get("Uploads", [])
    return [upload["Key"].removeprefix("some/prefix/") for upload in found]


def test_an_upload_goes_on_where_the_last_attempt_ended(
    bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FsspecStorage(bucket, skip_instance_cache=True)
    calls = Calls(storage, monkeypatch)
    calls.failing_parts = {3, 5}
    with pytest.raises(StorageUnavailable):
        storage.upload(large, "model")
    assert not storage.exists("model")
    sent = calls.number_of("upload_part") - 2
    calls.failing_parts, calls.made = set(), []
    told: list[int] = []

    storage.upload(large, "model", progress=told.append)

    assert calls.number_of("upload_part") == 5 - sent
    assert calls.number_of("create_multipart_upload") == 0
    assert sum(told) == large.stat().st_size
    assert storage.read("model") == large.read_bytes()
    assert not unfinished(bucket)


def test_whoever_may_only_write_uploads_all_of_it(
    bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FsspecStorage(bucket, skip_instance_cache=True)
    Calls(storage, monkeypatch).forbidden = {"list_multipart_uploads", "list_parts"}

    storage.upload(large, "model")

    assert storage.read("model") == large.read_bytes()


def test_an_upload_of_another_file_is_left_alone(
    bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FsspecStorage(bucket, skip_instance_cache=True)
    calls = Calls(storage, monkeypatch)
    calls.failing_parts = {5}
    with pytest.raises(StorageUnavailable):
        storage.upload(large, "model")
    calls.failing_parts, calls.made = set(), []
    with large.open("r+b") as file:
        file.seek(2 * PART_BYTES)
        file.write(b"changed")

    storage.upload(large, "model")

    assert calls.number_of("upload_part") == 5
    assert storage.read("model") == large.read_bytes()
    assert unfinished(bucket) == ["model"]


def test_a_killed_upload_is_taken_up_by_another_process(
    bucket: str, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large.write_bytes(os.urandom(12 * PART_BYTES))
    script = f"""
import os, sys
from expcore import FsspecStorage, _s3_uploads
_s3_uploads.PART_BYTES = {PART_BYTES}
arrived = 0
def die(count):
    global arrived
    arrived += count
    if arrived > {3 * PART_BYTES}:
        os.kill(os.getpid(), 9)
FsspecStorage(sys.argv[1]).upload(sys.argv[2], "model", progress=die)
"""
    killed = subprocess.run([sys.executable, "-c", script, bucket, str(large)], check=False)
    assert killed.returncode == -signal.SIGKILL
    storage = FsspecStorage(bucket, skip_instance_cache=True)
    calls = Calls(storage, monkeypatch)

    storage.upload(large, "model")

    assert calls.number_of("create_multipart_upload") == 0
    assert 0 < calls.number_of("upload_part") < 12
    assert storage.read("model") == large.read_bytes()


def test_unfinished_uploads_are_discarded(bucket: str) -> None:
    storage = FsspecStorage(bucket)
    name, _, prefix = bucket.removeprefix("s3://").partition("/")
    storage.write("run/whole", b"1")
    for key in ("run/a", "run/b/c", "running/d"):
        storage._fs.call_s3("create_multipart_upload", Bucket=name, Key=f"{prefix}/{key}")

    RetryingStorage(storage).discard_uploads("run/")

    assert unfinished(bucket) == ["running/d"]
    assert storage.read("run/whole") == b"1"
    storage.discard_uploads()
    assert not unfinished(bucket)


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

    def test_a_value_cannot_be_a_folder_too(self, storage: Storage, tmp_path: Path) -> None:
        storage.write("a/b", b"1")
        storage.write("c", b"1")

        for key in ("a", "c/d"):
            for put in (storage.write, storage.write_new):
                with pytest.raises((InvalidKey, KeyExists)):
                    put(key, b"2")

        assert keys(storage.list()) == ["a/b", "c"]
        assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"b", "c"}

    def test_a_missing_file_is_no_missing_key(self, storage: Storage, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="missing") as caught:
            storage.upload(tmp_path / "missing", "k")

        assert not isinstance(caught.value, KeyNotFound)

    def test_what_killed_writers_left_is_discarded(self, storage: Storage, tmp_path: Path) -> None:
        storage.write("a/b", b"1")
        storage.write("c", b"1")
        for folder, name in (("store/a", "b"), ("store", "c")):
            (tmp_path / folder / f".{name}.0123456789abcdef.tmp").write_bytes(b"half")

        storage.discard_uploads("a/")

        assert {path.name for path in tmp_path.rglob(".*")} == {".c.0123456789abcdef.tmp"}


def test_names_are_no_patterns() -> None:
    """Neither where a file system moves files by fsspec's own means."""
    fsspec = pytest.importorskip("fsspec")

    class Other(fsspec.filesystem("memory").__class__):  # type: ignore[misc]
        protocol = "othermemory"
        store: ClassVar[dict[str, Any]] = {}

    fsspec.register_implementation("othermemory", Other, clobber=True)
    storage = FsspecStorage("othermemory://root")
    storage.write("a1.txt", b"1")
    storage.write("a[1].txt", b"2")

    assert (storage.read("a1.txt"), storage.read("a[1].txt")) == (b"1", b"2")
    assert len(Other.store) == 2


def test_a_password_in_a_url_is_in_no_error() -> None:
    """What clients say of a request may quote all of its URL."""
    storage = FsspecStorage("s3://key:very-secret@bucket/x")

    with pytest.raises(StorageUnavailable) as caught:
        storage.read("k")

    assert "very-secret" not in f"{caught.value!s} {caught.value!r}"


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
