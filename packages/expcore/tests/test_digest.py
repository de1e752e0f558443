"""Digests of bytes, files and folders."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
import xxhash

from expcore import MissingExtraError, digest_bytes, digest_file, digest_tree
from expcore._digest import CHUNK_BYTES, MAP_BYTES


@pytest.mark.parametrize("algorithm", ["xxh3_128", "sha256", "blake3", "sha1", "md5"])
def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path, algorithm: str) -> None:
    if algorithm == "blake3":
        pytest.importorskip("blake3")
    data = os.urandom(2 * CHUNK_BYTES + 5)
    (tmp_path / "a").write_bytes(data)

    digest = digest_bytes(data, algorithm=algorithm)

    assert digest == digest_file(tmp_path / "a", algorithm=algorithm)
    assert digest.startswith(f"{algorithm}:")


def test_digests_are_those_of_the_algorithms() -> None:
    assert digest_bytes(b"abc") == f"xxh3_128:{xxhash.xxh3_128_hexdigest(b'abc')}"
    assert digest_bytes(b"abc", algorithm="sha256") == (
        f"sha256:{hashlib.sha256(b'abc').hexdigest()}"
    )


def test_an_unknown_algorithm_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ValueError, match="'crc32'; use one of xxh3_128"):
        digest_bytes(b"", algorithm="crc32")  # type: ignore[arg-type]


def test_a_missing_algorithm_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "blake3", None)

    with pytest.raises(MissingExtraError, match="blake3"):
        digest_bytes(b"", algorithm="blake3")


def tree(folder: Path) -> Path:
    (folder / "b").mkdir(parents=True)
    (folder / "b" / "c").write_bytes(b"1")
    (folder / "a").write_bytes(b"2")
    return folder


def test_a_copy_of_a_tree_has_its_digest(tmp_path: Path) -> None:
    original, copy = tree(tmp_path / "x"), tree(tmp_path / "y")
    (copy / "empty").mkdir()
    os.utime(copy / "a", (1, 1))

    assert digest_tree(original) == digest_tree(copy)
    assert digest_tree(original) == "xxh3_128:b45a692f7173f47848f8c2f28a965023"


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a").write_bytes(b"3"),
        lambda root: (root / "a").rename(root / "A2"),
        lambda root: (root / "a").rename(root / "b" / "a"),
        lambda root: (root / "b" / "d").touch(),
        pytest.param(
            lambda root: ((root / "a").unlink(), (root / "a").symlink_to("b/c")),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege"),
        ),
    ],
)
def test_any_change_of_names_or_contents_changes_the_digest(tmp_path: Path, change) -> None:
    root = tree(tmp_path / "x")
    before = digest_tree(root)

    change(root)

    assert digest_tree(root) != before


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "x")
    (root / "up").symlink_to("..")
    before = digest_tree(root)

    (tmp_path / "outside").touch()

    assert digest_tree(root) == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(ValueError, match="neither a file"):
        digest_tree(tmp_path)


@pytest.mark.parametrize("refused", [False, True])
def test_a_large_file_has_the_digest_of_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    data = os.urandom(MAP_BYTES + 12_345)
    (tmp_path / "a").write_bytes(data)
    if refused:  # as older systems do
        monkeypatch.setattr("expcore._digest.MADV_POPULATE_READ", 9999)

    assert digest_file(tmp_path / "a") == digest_bytes(data)


@pytest.mark.skipif(sys.platform != "linux", reason="files are mapped on Linux only")
def test_a_file_that_is_cut_short_while_it_is_mapped_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mmap

    path = tmp_path / "a"
    path.write_bytes(bytes(MAP_BYTES))

    class Cut(mmap.mmap):
        def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
            if start:
                os.truncate(path, 5 << 20)
            super().madvise(option, start, length)

    monkeypatch.setattr(mmap, "mmap", Cut)

    assert digest_file(path) == digest_bytes(bytes(5 << 20))
