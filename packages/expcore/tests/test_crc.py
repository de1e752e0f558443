"""Checksums are those of zlib, whichever library computes them."""

from __future__ import annotations

import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expcore import crc32, crc32_combine
from expcore._crc import fastest_crc32

LIBRARIES = ["isal.isal_zlib", "zlib_ng.zlib_ng"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_every_library_gives_the_same_checksum(
    monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    for name in LIBRARIES[:missing]:
        monkeypatch.setitem(sys.modules, name, None)
    found = fastest_crc32()

    assert found(b"checkpoint") == zlib.crc32(b"checkpoint")
    assert found(memoryview(b"point"), found(b"check")) == zlib.crc32(b"checkpoint")
    assert missing < 2 or found is zlib.crc32


@given(st.binary(), st.binary())
def test_checksums_of_parts_combine(before: bytes, after: bytes) -> None:
    assert crc32_combine(crc32(before), crc32(after), len(after)) == zlib.crc32(before + after)


def test_lengths_beyond_any_memory_combine() -> None:
    size = 5 << 30
    once = crc32_combine(crc32(b"a"), crc32(b"b"), size)

    assert crc32_combine(crc32(b"a"), 0, size) ^ crc32(b"b") == once
    assert crc32_combine(crc32_combine(crc32(b"a"), 0, size - 7), 0, 7) ^ crc32(b"b") == once
