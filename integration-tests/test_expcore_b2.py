"""B2Storage by b2sdk's real HTTP client, against a service on the loopback interface."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from b2_server import B2Server

pytest.importorskip("b2sdk")

from expcore import (
    AccessDenied,
    B2Storage,
    IntegrityError,
    InvalidKey,
    KeyExists,
    KeyNotFound,
    QuotaExceeded,
    Retry,
    RetryingStorage,
    Storage,
    StorageUnavailable,
    digest_tree,
    open_storage,
    sync_down,
    sync_up,
)
from expcore._b2_claims import claimed
from expcore.testing import StorageContract, keys

MEBIBYTE = 1 << 20
QUICK = Retry(attempts=4, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture
def server() -> Iterator[Any]:
    with B2Server() as running:
        yield running


@pytest.fixture
def plain(server: Any) -> B2Storage:
    """One attempt at everything."""
    return B2Storage(
        "bucket", "runs/of me", key_id=server.key_id, key=server.key, realm=server.url
    )


@pytest.fixture
def patient(plain: B2Storage) -> RetryingStorage:
    return RetryingStorage(plain, QUICK)


class TestB2Storage(StorageContract):
    @pytest.fixture
    def storage(self, plain: B2Storage) -> Storage:
        return plain


class TestRetryingB2Storage(StorageContract):
    @pytest.fixture
    def storage(self, patient: RetryingStorage) -> Storage:
        return patient


FAULTS: list[dict[str, Any]] = [
    {"status": 503, "times": 2},
    {"status": 500, "code": "internal_error"},
    {"status": 429, "code": "too_many_requests", "retry_after": 0},
    {"status": 408, "code": "request_timeout"},
    {"what": "drop"},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_uploads_are_tried_again(server: Any, patient: RetryingStorage, fault: Any) -> None:
    server.fail("upload", **fault)

    patient.write("k", b"value")

    assert patient.read("k") == b"value"


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("operation", ["b2_list_file_names", "download", "b2_authorize_account"])
def test_other_requests_are_tried_again(
    server: Any, patient: RetryingStorage, operation: str, fault: Any, tmp_path: Path
) -> None:
    server.put("runs/of me/a", b"value")
    server.fail(operation, **fault)

    assert keys(patient.list()) == ["a"]
    assert patient.read("a") == b"value"
    patient.download("a", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"value"


def test_the_wait_that_the_service_asks_for_is_kept(
    server: Any, plain: B2Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.fail("b2_list_file_names", status=429, code="too_many_requests", retry_after=7)

    assert keys(RetryingStorage(plain, QUICK).list()) == []

    assert [wait for wait in waits if wait >= 7] != []


def test_an_expired_token_is_renewed(server: Any, plain: B2Storage) -> None:
    plain.write("k", b"1")
    server.expire_tokens()

    assert plain.read("k") == b"1"
    server.expire_tokens()
    plain.write("k", b"2")
    assert plain.read("k") == b"2"


def test_a_lost_reply_stores_once_as_far_as_anyone_can_see(
    server: Any, patient: RetryingStorage
) -> None:
    server.fail("upload", what="lose_reply")

    patient.write("k", b"value")

    assert keys(patient.list()) == ["k"]
    patient.delete("k")
    assert keys(patient.list()) == []


def test_a_claim_whose_reply_was_lost_never_leaves_two_winners(
    server: Any, patient: RetryingStorage
) -> None:
    patient.inner.exists("warm up")
    server.fail("upload", what="lose_reply", times=1)

    won = 0
    for value in (b"first", b"second"):
        try:
            patient.write_new("k", value)
            won += 1
        except KeyExists:
            pass

    assert won <= 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 403, "code": "storage_cap_exceeded"}, QuotaExceeded),
        ({"status": 403, "code": "access_denied"}, AccessDenied),
        ({"what": "corrupt", "times": 9}, IntegrityError),
        ({"status": 503, "times": 99}, StorageUnavailable),
    ],
)
def test_what_stays_wrong_has_a_type(
    server: Any, patient: RetryingStorage, fault: Any, error: type[Exception]
) -> None:
    patient.write("k", b"old")
    server.fail("upload", **fault)

    with pytest.raises(error, match="write 'k' at b2://bucket/runs/of%20me failed"):
        patient.write("k", b"new")

    assert patient.read("k") == b"old"


@pytest.mark.parametrize("times", [1, 99])
def test_a_corrupt_download_never_lands(
    server: Any, patient: RetryingStorage, times: int, tmp_path: Path
) -> None:
    patient.write("k", b"value")
    (tmp_path / "target").write_bytes(b"old")
    server.fail("download", what="corrupt", times=times)

    if times > 1:
        with pytest.raises(IntegrityError):
            patient.download("k", tmp_path / "target")
    else:
        patient.download("k", tmp_path / "target")

    expected = b"old" if times > 1 else b"value"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [expected]


def test_a_value_that_arrives_corrupt_is_not_returned(
    server: Any, plain: B2Storage, patient: RetryingStorage
) -> None:
    plain.write("k", b"value")
    server.fail("download", what="corrupt", times=2)

    with pytest.raises(IntegrityError):
        plain.read("k")

    assert patient.read("k") == b"value"


def test_a_part_that_is_too_long_for_b2_is_refused_before_anything_is_sent(
    server: Any, plain: B2Storage
) -> None:
    with pytest.raises(InvalidKey, match="longer than 250 bytes"):
        plain.write("a/" + "x" * 251, b"")

    assert not server.requests


def test_a_stream_that_breaks_goes_on_where_it_broke(
    server: Any, patient: RetryingStorage
) -> None:
    data = os.urandom(3 * MEBIBYTE)
    patient.write("k", data)
    server.fail("download", what="drop", times=1)

    with patient.open_read("k") as file:
        assert file.read() == data


def test_a_server_that_is_gone_is_said_to_be_so(plain: B2Storage, server: Any) -> None:
    plain._realm = "http://127.0.0.1:9"

    with pytest.raises(StorageUnavailable, match="b2://bucket/runs/of%20me") as caught:
        RetryingStorage(plain, Retry(attempts=2, first_wait_s=0)).read("k")

    assert isinstance(caught.value, ConnectionError)


def test_a_wrong_key_is_denied_and_never_shown(
    server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    storage = B2Storage("bucket", key_id="0014key", key="K-very-secret", realm=server.url)

    with pytest.raises(AccessDenied, match="invalid application key") as caught:
        storage.read("k")

    shown = [repr(storage), str(storage.url), repr(caught.value), caplog.text]
    shown.append("".join(__import__("traceback").format_exception(caught.value)))
    assert not [text for text in shown if "very-secret" in text]


def test_keys_come_from_the_environment_or_a_private_file(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("B2_APPLICATION_KEY_ID", "B2_APPLICATION_KEY", "B2_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("B2_REALM", server.url)
    with pytest.raises(AccessDenied, match="set B2_APPLICATION_KEY_ID"):
        open_storage("b2://bucket/x")

    file = tmp_path / "key.toml"
    file.write_text(f'key_id = "{server.key_id}"\nkey = "{server.key}"\n')
    file.chmod(0o644)
    monkeypatch.setenv("B2_KEY_FILE", str(file))
    with pytest.raises(AccessDenied, match="others can read it"):
        open_storage("b2://bucket/x")

    file.chmod(0o600)
    open_storage("b2://bucket/x").write("k", b"1")

    monkeypatch.delenv("B2_KEY_FILE")
    monkeypatch.setenv("B2_APPLICATION_KEY_ID", server.key_id)
    monkeypatch.setenv("B2_APPLICATION_KEY", server.key)
    assert open_storage("b2://bucket/x").read("k") == b"1"


def test_a_bucket_that_is_not_there_is_denied(server: Any) -> None:
    storage = B2Storage("other", key_id=server.key_id, key=server.key, realm=server.url)

    with pytest.raises(AccessDenied, match="no such bucket"):
        storage.write("k", b"")


@pytest.mark.parametrize("name", ["../evil", "a/../../b", "a\\b", "con", "a//b"])
def test_names_that_cannot_be_keys_are_refused_when_a_bucket_lists_them(
    server: Any, plain: B2Storage, name: str
) -> None:
    server.put(f"runs/of me/{name}", b"evil")

    with pytest.raises(InvalidKey):
        list(plain.list())


def test_markers_of_folders_are_no_values(server: Any, plain: B2Storage) -> None:
    server.put("runs/of me/folder/", b"")
    server.put("runs/of me/folder/k", b"")

    assert keys(plain.list()) == ["folder/k"]


def test_a_listing_asks_once_for_each_1000_keys(server: Any, plain: B2Storage) -> None:
    for i in range(2500):
        server.put(f"runs/of me/{i:05d}", b"")

    assert len(keys(plain.list())) == 2500
    assert server.requests["b2_list_file_names"] == 3


def test_a_listing_of_folders_skips_what_is_in_them(server: Any, plain: B2Storage) -> None:
    for i in range(3000):
        server.put(f"runs/of me/a/{i:05d}", b"")
    server.put("runs/of me/b/1", b"")

    assert keys(plain.list(delimiter="/")) == ["a/", "b/"]
    assert server.requests["b2_list_file_names"] == 2


def test_a_large_file_is_sent_in_parts_and_has_a_digest(
    server: Any, plain: B2Storage, tmp_path: Path
) -> None:
    data = os.urandom(12 * MEBIBYTE)
    (tmp_path / "large").write_bytes(data)

    stat = plain.upload(tmp_path / "large", "large")

    assert stat.digest is not None
    assert stat.digest == plain.stat("large").digest == next(plain.list()).digest  # type: ignore[union-attr]
    assert server.requests["upload_part"] >= 2
    plain.download("large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_a_large_file_that_was_broken_off_is_resumed(
    server: Any, patient: RetryingStorage, tmp_path: Path
) -> None:
    data = os.urandom(20 * MEBIBYTE)
    (tmp_path / "large").write_bytes(data)
    server.fail("b2_finish_large_file", status=403, code="access_denied")
    with pytest.raises(AccessDenied):
        patient.upload(tmp_path / "large", "large")
    sent = server.bytes_received

    patient.upload(tmp_path / "large", "large")

    assert server.bytes_received - sent < 10 * MEBIBYTE
    assert patient.read("large") == data


def test_a_stream_that_cannot_be_rewound_can_be_written(
    server: Any, patient: RetryingStorage
) -> None:
    read, write = os.pipe()
    threading.Thread(target=lambda: (os.write(write, b"piped"), os.close(write))).start()
    server.fail("upload", status=503, times=3)

    with os.fdopen(read, "rb") as stream:
        patient.write("k", stream)

    assert patient.read("k") == b"piped"


def test_a_killed_claimant_blocks_nobody_for_ever(
    server: Any, plain: B2Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("expcore._b2_claims.LIFE_S", -1.0)
    with claimed(plain._connect(), plain.prefix, "k", plain.url):
        marker = next(v for v in server.versions.values() if ".expcore-claims/" in v.name)
        server.put(marker.name, b"a killed claimant's")

    plain.write_new("k", b"mine")

    assert plain.read("k") == b"mine"
    assert keys(plain.list()) == ["k"]


def test_it_pickles_without_its_connection(plain: B2Storage) -> None:
    plain.write("k", b"1")

    assert pickle.loads(pickle.dumps(plain)).read("k") == b"1"


def test_a_key_that_was_found_is_in_no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2_APPLICATION_KEY_ID", "0014found")
    monkeypatch.setenv("B2_APPLICATION_KEY", "K001found")
    storage = B2Storage("bucket", "runs", realm="http://127.0.0.1:1")

    pickled = pickle.dumps(storage)

    assert b"found" not in pickled
    assert pickle.loads(pickled)._key == storage._key
    monkeypatch.delenv("B2_APPLICATION_KEY")
    with pytest.raises(AccessDenied, match="there is no key"):
        pickle.loads(pickled)


def test_its_url_opens_the_same_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2_APPLICATION_KEY_ID", "id")
    monkeypatch.setenv("B2_APPLICATION_KEY", "key")
    storage = B2Storage("bucket", "50%25 #1/\u00e9", key_id="id", key="key")

    again = open_storage(storage.url)

    assert again.url == storage.url
    assert again.inner.prefix == storage.prefix  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="%23"):
        open_storage("b2://bucket/run#1")


def test_a_digest_that_is_none_is_not_believed_in() -> None:
    """Anybody who may write may say anything there."""
    from expcore._b2_connection import known_digest

    assert known_digest("none", {"expcore_digest": "evil"}) is None
    assert known_digest("ab", {"expcore_digest": ""}) == "sha1:ab"


def test_a_url_holds_no_keys() -> None:
    with pytest.raises(ValueError, match="must not hold keys"):
        open_storage("b2://id:key@bucket/prefix")


def test_claims_cannot_be_written_as_values(plain: B2Storage) -> None:
    with pytest.raises(InvalidKey, match="for claims"):
        plain.write(".expcore-claims/x", b"")


def test_reading_in_pieces_sends_one_request(server: Any, plain: B2Storage) -> None:
    plain.write("k", b"x" * 100_000)
    before = server.requests["download"]

    with plain.open_read("k") as file:
        while file.read(1000):
            pass

    assert server.requests["download"] == before + 1


def test_a_missing_value_below_a_missing_prefix_is_not_found(plain: B2Storage) -> None:
    with pytest.raises(KeyNotFound):
        plain.open_read("nothing/here", 0, 5)
    plain.write("k", io.BytesIO(b"1"))
    assert plain.stat("k").digest == "sha1:356a192b7913b04c54574d18c28d46e6395428ab"


def test_a_folder_goes_up_and_comes_down_with_few_requests(
    server: Any, patient: RetryingStorage, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for i in range(300):
        (source / f"{i:03d}").write_bytes(str(i).encode())
    server.fail("upload", status=503, times=5)
    server.fail("upload", what="drop", times=5)

    up = sync_up(source, patient, "runs/1")
    uploads = server.requests["upload"]
    again = sync_up(source, patient, "runs/1")
    server.fail("download", what="corrupt", times=3)
    sync_down(patient, "runs/1", tmp_path / "target")

    assert (len(up.sent), len(again.same)) == (300, 300)
    assert server.requests["upload"] == uploads == 310
    assert server.requests["b2_list_file_names"] == 3
    assert digest_tree(tmp_path / "target") == digest_tree(source)


def test_a_large_file_is_the_same_by_its_own_digest(
    server: Any, patient: RetryingStorage, tmp_path: Path
) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "large").write_bytes(os.urandom(11 * MEBIBYTE))

    sync_up(tmp_path / "source", patient, "p")

    assert sync_up(tmp_path / "source", patient, "p").same == ("large",)


def test_a_large_file_that_arrives_corrupt_never_lands(
    server: Any, plain: B2Storage, tmp_path: Path
) -> None:
    (tmp_path / "large").write_bytes(os.urandom(12 * MEBIBYTE))
    plain.upload(tmp_path / "large", "large")
    version = next(v for v in server.versions.values() if v.name.endswith("large"))
    path = server.path(version.id, 1)
    path.write_bytes(b"?" + path.read_bytes()[1:])

    with pytest.raises(IntegrityError, match=r"xxh3_128:\w+ arrived of xxh3_128:"):
        plain.download("large", tmp_path / "target")

    assert [path.name for path in tmp_path.iterdir()] == ["large"]


def test_a_download_that_was_killed_goes_on(server: Any, plain: B2Storage, tmp_path: Path) -> None:
    data = os.urandom(100 * MEBIBYTE)
    (tmp_path / "large").write_bytes(data)
    plain.upload(tmp_path / "large", "large")
    (tmp_path / "back").mkdir()
    server.latency_s = 0.1
    code = (
        "import sys; from expcore import B2Storage\n"
        "url, id, key, path = sys.argv[1:]\n"
        "storage = B2Storage('bucket', 'runs/of me', key_id=id, key=key, realm=url)\n"
        "storage.download('large', path)"
    )
    target = tmp_path / "back" / "large"
    with subprocess.Popen(
        [sys.executable, "-c", code, server.url, server.key_id, server.key, str(target)]
    ) as process:
        while server.bytes_sent < 40 * MEBIBYTE:
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    (left,) = target.parent.iterdir()
    assert left.name.endswith(".tmp")
    server.latency_s, before = 0.0, server.bytes_sent
    arrived = left.read_bytes()[len(data) :].count(b"\1")
    told: list[int] = []

    plain.download("large", target, progress=told.append)

    assert target.read_bytes() == data
    assert [path.name for path in target.parent.iterdir()] == ["large"]
    assert sum(told) == len(data)
    # The first reply is closed when its size is known; some of it was on its way.
    assert server.bytes_sent - before < len(data) - arrived * 16 * MEBIBYTE + 8 * MEBIBYTE


def test_progress_of_a_large_file_comes_bit_by_bit(
    server: Any, patient: RetryingStorage, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "large").write_bytes(os.urandom(20 * MEBIBYTE))
    up: list[int] = []
    down: list[int] = []
    server.fail("b2_upload_part", status=503)

    sync_up(tmp_path / "a", patient, "p", progress=up.append)
    sync_down(patient, "p", tmp_path / "b", progress=down.append)

    assert sum(up) == sum(down) == 20 * MEBIBYTE
    assert len(up) > 3
    assert len(down) > 3


def test_pruning_leaves_the_newest_version_of_each_value(server: Any, plain: B2Storage) -> None:
    for i in range(4):
        for name in ("runs/a", "runs/b", "other/c"):
            plain.write(name, str(i).encode())
    plain._connect().hide_file("runs/of me/runs/b")
    before = sum("runs/of me/runs/b" in v.name for v in server.versions.values())

    plain.prune("runs/")

    names = [version.name.removeprefix("runs/of me/") for version in server.versions.values()]
    assert names.count("runs/a") == 1
    assert names.count("runs/b") == before == 5  # hidden by somebody else: left as it is
    assert names.count("other/c") == 4
    assert plain.read("runs/a") == plain.read("other/c") == b"3"
    RetryingStorage(plain).prune()
    assert plain.read("other/c") == b"3"
    assert len(server.versions) == 7


def test_unfinished_uploads_are_discarded(server: Any, plain: B2Storage) -> None:
    bucket = plain._connect()
    plain.write("run/whole", b"1")
    for key in ("run/a", "run/b/c", "running/d"):
        name = f"runs/of me/{key}"
        bucket.api.session.start_large_file(bucket.id_, name, "application/octet-stream", {})

    RetryingStorage(plain).discard_uploads("run/")

    left = [file.file_name for file in bucket.list_unfinished_large_files()]
    assert left == ["runs/of me/running/d"]
    assert plain.read("run/whole") == b"1"
    plain.discard_uploads()
    assert not list(bucket.list_unfinished_large_files())
    assert len(server.versions) == 1
