"""The bytes of a bucket file."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persist_to_disk import _frames as frames
from persist_to_disk._bucket import Bucket
from persist_to_disk._locks import LockFolder

GOLDEN = Path(__file__).parent / "golden"
SALT = 0x1122334455667788
KEYS = [bytes([number]) * 16 for number in range(5)]


@pytest.fixture
def bucket(tmp_path):
    return Bucket(tmp_path / "0.pkl")


@pytest.fixture
def put(bucket, tmp_path):
    """Append an entry, as another process would (or this one)."""

    def put(key, payload, by=None):
        return (by or bucket).append(key, payload, 0, LockFolder(tmp_path).lock(0))

    return put


def found(path, key):
    """What a new process finds."""
    entry = Bucket(path).find(key)
    return None if entry is None else entry.payload


def test_the_format_is_as_it_was_in_version_1():
    data = frames.encode_header(SALT)
    data += frames.encode_frame(KEYS[1], b"first", 0, 10**18, SALT)
    data += frames.encode_frame(KEYS[2], b"", frames.FLAG_SIDECAR, 10**18 + 1, SALT)

    assert data == (GOLDEN / "bucket-v1.pkl").read_bytes()


def test_a_golden_file_is_read(tmp_path):
    path = tmp_path / "0.pkl"
    path.write_bytes((GOLDEN / "bucket-v1.pkl").read_bytes())
    path.chmod(0o600)

    entry = Bucket(path).find(KEYS[1])
    assert (entry.payload, entry.flags, entry.written_ns) == (b"first", 0, 10**18)
    assert Bucket(path).find(KEYS[2]).flags == frames.FLAG_SIDECAR


def test_the_last_frame_of_a_key_counts(bucket, put):
    for payload in (b"old", b"other", b"new"):
        put(KEYS[1], payload)
        assert bucket.find(KEYS[1]).payload == payload
    assert found(bucket.path, KEYS[1]) == b"new"


def test_entries_of_another_process_are_seen(bucket, put):
    other = Bucket(bucket.path)
    put(KEYS[1], b"mine")
    assert other.find(KEYS[1]).payload == b"mine"
    put(KEYS[2], b"theirs", other)
    put(KEYS[3], b"again theirs", other)
    assert bucket.find(KEYS[2]).payload == b"theirs"
    put(KEYS[1], b"newer", other)
    assert bucket.find(KEYS[1]).payload == b"newer"


@pytest.mark.parametrize("lookups", [1, 30])
def test_with_and_without_an_index_the_same_entries_are_found(bucket, put, lookups):
    keys = [bytes([number]) * 16 for number in range(60)]
    for key in keys:
        put(key, b"old")
    for key in keys:
        put(key, key + keys[0])  # other keys' bytes in a payload
    reader = Bucket(bucket.path)

    for key in keys[:lookups]:
        assert reader.find(key).payload == key + keys[0]
        assert reader.find(key[:15] + b"?") is None
    put(keys[0], b"new")
    put(keys[1][:15] + b"?", b"now there")
    assert reader.find(keys[0]).payload == b"new"
    assert reader.find(keys[1][:15] + b"?").payload == b"now there"
    assert len(list(reader.current())) == 61


@pytest.mark.skipif(os.utime not in os.supports_fd, reason="files have no such times there")
def test_the_time_of_a_file_tells_whether_an_entry_was_replaced(bucket, put):
    other = Bucket(bucket.path)

    def time_after(key, payload, by):
        assert by.find(KEYS[4]) is None  # having looked, it knows which keys there are
        put(key, payload, by)
        return bucket.path.stat().st_mtime_ns

    first = time_after(KEYS[1], b"first", bucket)
    assert time_after(KEYS[2], b"added", other) == first
    replaced = time_after(KEYS[1], b"second", other)
    assert replaced > first
    assert bucket.find(KEYS[1]).payload == b"second"
    assert time_after(KEYS[3], b"added", bucket) == replaced
    for number in range(100):  # faster than the clock of the file system
        before = replaced
        replaced = time_after(KEYS[1], b"%d" % number, other)
        assert replaced > before
        assert bucket.find(KEYS[1]).payload == b"%d" % number


@pytest.mark.skipif(os.utime not in os.supports_fd, reason="files have no such times there")
def test_a_known_entry_is_found_without_a_look_at_what_was_added(bucket, put, monkeypatch):
    put(KEYS[1], b"mine")
    other = Bucket(bucket.path)
    assert other.find(KEYS[2]) is None
    put(KEYS[2], b"theirs", other)

    monkeypatch.setattr("os.open", None)
    assert bucket.find(KEYS[1]).payload == b"mine"


def test_a_file_that_was_replaced_is_read_afresh(bucket, put):
    put(KEYS[1], b"old")
    assert bucket.find(KEYS[1])
    bucket.path.unlink()
    assert bucket.find(KEYS[1]) is None
    other = Bucket(bucket.path)
    put(KEYS[2], b"x" * 1000, other)
    assert bucket.find(KEYS[1]) is None
    assert bucket.find(KEYS[2]).payload == b"x" * 1000


def test_cut_at_any_byte_a_bucket_keeps_what_is_whole_and_takes_more(tmp_path, bucket, put):
    ends = [0]
    for number, key in enumerate(KEYS[:3]):
        put(key, bytes([number]) * (number * 5))
        ends.append(bucket.path.stat().st_size)
    data = bucket.path.read_bytes()

    for size in range(len(data)):
        bucket.path.write_bytes(data[:size])
        put(KEYS[4], b"new", Bucket(bucket.path))
        for number, key in enumerate(KEYS[:3]):
            whole = size >= ends[number + 1]
            assert found(bucket.path, key) == (bytes([number]) * (number * 5) if whole else None)
        assert found(bucket.path, KEYS[4]) == b"new"


def test_a_flipped_bit_costs_at_most_its_entry_and_never_gives_a_wrong_value(bucket, put):
    payloads = {key: key[:9] for key in KEYS[:3]}
    for key, payload in payloads.items():
        put(key, payload)
    data = bucket.path.read_bytes()

    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        bucket.path.write_bytes(damaged)
        values = {key: found(bucket.path, key) for key in payloads}
        lost = [key for key, value in values.items() if value is None]
        assert len(lost) <= 1, bit
        assert all(values[key] == payloads[key] for key in payloads if key not in lost), bit


def test_a_damaged_bucket_still_takes_entries(bucket, put):
    for key in KEYS[:4]:
        put(key, key * 5)
    data = bucket.path.read_bytes()
    generator = random.Random(5)

    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(3):
            bit = generator.randrange(len(data) * 8)
            damaged[bit // 8] ^= 1 << bit % 8
        if frames.decode_header(bytes(damaged)) is None:
            continue
        bucket.path.write_bytes(damaged)
        before = {key: found(bucket.path, key) for key in KEYS[:4]}
        put(KEYS[4], b"new", Bucket(bucket.path))
        assert {key: found(bucket.path, key) for key in KEYS[:4]} == before
        assert found(bucket.path, KEYS[4]) == b"new"


def test_a_payload_cannot_pass_for_an_entry(bucket, put):
    forged = frames.encode_header(SALT) + frames.encode_frame(KEYS[1], b"evil", 0, 0, SALT)
    put(KEYS[2], forged * 3)
    data = bytearray(bucket.path.read_bytes())
    data[frames.HEADER_BYTES + 4] ^= 1  # the reader has to look for the next frame
    bucket.path.write_bytes(data)

    assert found(bucket.path, KEYS[1]) is None
    assert found(bucket.path, KEYS[2]) is None


@pytest.mark.parametrize("content", [b"hello " * 20, b"x"])
def test_a_file_that_is_no_bucket_is_left_alone(bucket, put, content):
    bucket.path.write_bytes(content)
    bucket.path.chmod(0o600)

    assert bucket.find(KEYS[1]) is None
    with pytest.raises(OSError, match="not a bucket file"):
        put(KEYS[1], b"x", Bucket(bucket.path))
    assert bucket.path.read_bytes() == content


def test_a_bucket_that_lost_its_bytes_in_a_power_failure_is_begun_anew(bucket, put):
    bucket.path.write_bytes(bytes(500))
    bucket.path.chmod(0o600)

    assert bucket.find(KEYS[1]) is None
    put(KEYS[1], b"new")
    assert found(bucket.path, KEYS[1]) == b"new"


def test_a_bucket_of_a_newer_version_is_left_alone(bucket, put, monkeypatch):
    monkeypatch.setattr(frames, "VERSION", 2)
    put(KEYS[1], b"future")
    content = bucket.path.read_bytes()
    monkeypatch.setattr(frames, "VERSION", 1)

    assert found(bucket.path, KEYS[1]) is None
    with pytest.raises(OSError, match=r"written by a newer version \(2\)"):
        put(KEYS[1], b"x", Bucket(bucket.path))
    assert bucket.path.read_bytes() == content


@given(st.binary(max_size=300), st.lists(st.binary(max_size=40), max_size=4))
@settings(max_examples=150, deadline=None)
def test_whatever_bytes_are_in_a_file_a_reader_finds_only_what_was_put_there(noise, payloads):
    data = frames.encode_header(SALT)
    for number, payload in enumerate(payloads):
        data += frames.encode_frame(KEYS[number], payload, 0, number, SALT)
        data += noise[: len(noise) // 8 * 8]
    found = list(frames.scan(data[frames.HEADER_BYTES :], SALT, frames.HEADER_BYTES))

    assert [frame.key for frame in found] == KEYS[: len(payloads)]
    for frame, payload in zip(found, payloads, strict=True):
        stored = data[frame.payload_offset : frame.payload_offset + frame.length]
        assert stored == payload
        assert frames.is_payload(frame, stored, SALT)
