"""Codebases in B2 and S3, by the real clients, against services on the loopback interface."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import pytest

from codesave import Codebase, UniqueCodebase, checkpoint
from codesave.errors import DigestMismatchError
from expcore import KeyNotFound, open_storage

pytestmark = [
    # botocore, moto and aiohttp about themselves
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def b2(b2_bucket: str) -> str:
    return b2_bucket


@pytest.fixture
def s3(s3_bucket: str) -> str:
    return s3_bucket


@pytest.fixture(params=["b2", "s3"])
def bucket(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "CODESAVE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    code = tmp_path / "code"
    (code / "mysrc").mkdir(parents=True)
    (code / "mysrc/model.py").write_text("from mysrc.utils import x\n")
    (code / "mysrc/utils.py").write_text("x = 1\n")
    return code


@pytest.mark.parametrize("key", ["codebase.zip", "runs/of me/codebase.zip"])
def test_a_codebase_is_saved_to_a_bucket_and_imported_from_it(
    bucket: str, folder: Path, key: str
) -> None:
    url = f"{bucket}/{key}"

    snapshot = checkpoint(folder, url, verbose=False)

    assert snapshot.path == url
    assert [stat.key for stat in open_storage(bucket).list()] == [key]
    assert len(open_storage(bucket).read(key)) == snapshot.zipped
    assert UniqueCodebase(url, digest=snapshot.digest).import_module("mysrc.model").x == 1
    with Codebase(url):
        assert importlib.import_module("mysrc.model").x == 1


def test_a_later_checkpoint_replaces_the_codebase_in_the_bucket(bucket: str, folder: Path) -> None:
    url = f"{bucket}/codebase.zip"
    first = checkpoint(folder, url, verbose=False)
    old = UniqueCodebase(url).import_module("mysrc.model")
    (folder / "mysrc/utils.py").write_text("x = 2\n")

    checkpoint(folder, url, verbose=False)

    assert UniqueCodebase(url).import_module("mysrc.model").x == 2
    assert old.x == 1
    with pytest.raises(DigestMismatchError, match=r"codebase\.zip"):
        UniqueCodebase(url, digest=first.digest)


def test_a_codebase_that_is_not_there_is_named(bucket: str, folder: Path) -> None:
    with pytest.raises(KeyNotFound, match=r"nothing\.zip"):
        UniqueCodebase(f"{bucket}/nothing.zip")
    with pytest.raises(FileNotFoundError):
        UniqueCodebase(f"{bucket}/nothing.zip")
