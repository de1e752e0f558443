"""What the tests of a storage have in common; they are put together in :mod:`expcore.testing`."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from expcore import Prefix, Stat, Storage

MEBIBYTE = 1 << 20
NOT_KEYS = [
    "", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", "a\0b", "a\\b", "c:a",
    "con", "a/AUX.txt", "nul", "com1", "a.", "a /b", "a\nb", "x" * 1025,
    unicodedata.normalize("NFD", "é"), "\ud800",
]  # fmt: skip


def keys(found: Iterable[Stat | Prefix]) -> list[str]:
    """Return the keys of what a listing yields, prefixes with their slash."""
    return [item.key for item in found]


class StorageTests:
    """What the tests of a storage need."""

    claims_are_atomic = True
    """Whether of several claims at the same time exactly one succeeds."""

    @pytest.fixture
    def storage(self) -> Storage:
        """Return an empty storage."""
        raise NotImplementedError("define a fixture `storage` that returns an empty storage")

    @pytest.fixture
    def files(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """Return an empty folder that is not the storage's."""
        return tmp_path_factory.mktemp("files")
