"""The documented calls of a ``UniqueCodebase``, and which zips they take."""

from __future__ import annotations

import importlib
import io
import os
import pickle
from pathlib import Path

import pytest

from codesave import Codebase, UniqueCodebase, checkpoint
from codesave.errors import (
    CannotAssignError,
    CodebaseClosedError,
    DigestMismatchError,
    ModuleNotInCodebaseError,
    NotAZipError,
    UnsafeCacheError,
)


def test_two_versions_live_side_by_side(one, two):
    model_v1 = one.import_module("src.model")
    model_v2 = two.import_module("src.model")

    assert (model_v1.Net.weight, model_v2.Net.weight) == (1, 2)
    assert (model_v1.Net().late(), model_v2.Net().late()) == ("lazy 1", "lazy 2")
    assert not isinstance(model_v1.Net(), model_v2.Net)


def test_the_import_sugar_binds_names_in_a_module(one):
    namespace = {"__name__": "notebook", "codebase1": one}
    exec(
        "a = codebase1.import_('src.model')\n"
        "b = codebase1.import_('src.model', as_='model_v1')\n"
        "c = codebase1.from_import('src', ('model', 'utils'))\n"
        "d = codebase1.from_import('src', 'model', as_='model_v2')\n"
        "e = codebase1.from_import('src.model', 'Net')\n",
        namespace,
    )

    src, model = one.import_module("src"), one.import_module("src.model")
    assert namespace["a"] is namespace["src"] is src
    assert namespace["b"] is namespace["model_v1"] is model
    assert namespace["c"] == (namespace["model"], namespace["utils"])
    assert namespace["model"] is namespace["d"] is namespace["model_v2"] is model
    assert namespace["e"] is namespace["Net"] is model.Net


def test_in_a_function_the_result_can_be_used(one):
    model = one.import_("src.model", as_="model")
    net, color = one.from_import("src.model", ("Net", "Color"))

    assert (net, color) == (model.Net, model.Color)


def test_in_a_function_a_dropped_result_is_an_error_that_says_so(one):
    with pytest.raises(CannotAssignError, match="use what the call returns: model = codeb"):
        one.import_("src.model", as_="model")
    with pytest.raises(CannotAssignError, match="local variable Net, Color inside the function"):
        one.from_import("src.model", ("Net", "Color"))


def test_a_missing_name_is_an_import_error(one):
    with pytest.raises(ImportError, match="cannot import name 'nope' from 'src'"):
        _ = one.from_import("src", "nope")
    with pytest.raises(ValueError, match="names one thing, but 2"):
        _ = one.from_import("src", ("model", "utils"), as_="x")


def test_a_missing_module_is_an_error_that_lists_what_there_is(one):
    with pytest.raises(ModuleNotInCodebaseError, match=r"no module 'src\.nope'; it has: src"):
        one.import_module("src.nope")
    with pytest.raises(ModuleNotFoundError):
        one.import_module("numpy")


def test_a_unique_codebase_is_a_context_manager(zipped, version):
    with UniqueCodebase(zipped(version(1))) as codebase:
        model = codebase.import_module("src.model")

    assert model.Net().late() == "lazy 1"
    with pytest.raises(CodebaseClosedError):
        codebase.import_module("src.model")


def test_the_same_zip_gives_the_same_modules(zipped, version):
    path = zipped(version(1))

    first, second = (UniqueCodebase(path).import_module("src.model") for _ in range(2))

    assert first is second


def test_its_names_can_be_listed(zipped, version):
    path = zipped({**version(1), "train.py": "", "docs/a.md": "", "__main__.py": ""})

    codebase = UniqueCodebase(path)

    assert codebase.valid_libraries == ["src", "train"]
    assert importlib.import_module(f"{codebase.library_name}.train").__name__.endswith("train")
    assert (codebase.folder / "docs/a.md").is_file()


@pytest.mark.parametrize("kind", [Codebase, UniqueCodebase])
def test_it_tells_its_modules_when_asked(kind, zipped, caplog, version):
    caplog.set_level("INFO", logger="codesave")
    path = zipped({**version(1), "train.py": ""})

    kind(path).close()
    assert caplog.messages == []

    kind(path, verbose=True).close()
    assert caplog.messages == [f"{path} has the modules: src, train"]


def test_a_zip_that_was_made_unique_long_ago_is_imported(tmp_path, zipped, version):
    """What codesave_library 0.0.4 wrote by ``create_unique_zip``: renamed imports, one package."""
    import zipfile

    prefix = "codebase_20230927210132"
    with zipfile.ZipFile(tmp_path / "unique.zip", "w") as archive:
        archive.writestr(f"{prefix}/src/model.py", f"import {prefix}.src.utils as u\nx = u.x\n")
        archive.writestr(f"{prefix}/src/utils.py", "x = 1\n")
        archive.writestr(f"{prefix}/src/__init__.py", "")
        archive.writestr(f"{prefix}/library_names.json", '["src"]')

    codebase = UniqueCodebase(tmp_path / "unique.zip", make_unique=False)

    assert codebase.import_module("src.model").x == 1
    assert codebase.valid_libraries == ["src"]
    assert importlib.import_module(f"{codebase.library_name}.src.utils").x == 1
    with pytest.raises(ValueError, match="has: src, train; leave make_unique out"):
        UniqueCodebase(zipped({**version(1), "train.py": ""}), make_unique=False)


def test_a_digest_can_be_pinned(zipped, version):
    import hashlib

    path = zipped(version(1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()

    assert UniqueCodebase(path, digest=f"sha256:{digest}").import_module("src.utils").VALUE == 1
    assert UniqueCodebase(path, digest=digest).import_module("src.utils").VALUE == 1
    with pytest.raises(DigestMismatchError, match="nothing of it was run"):
        UniqueCodebase(path, digest="sha256:" + "0" * 64)
    with pytest.raises(DigestMismatchError), Codebase(path, digest="0" * 64):
        pass


def test_a_changed_zip_at_the_same_place_is_another_codebase(zipped, version):
    path = zipped(version(1))
    old = UniqueCodebase(path).import_module("src.model")
    path.write_bytes(zipped(version(2)).read_bytes())

    assert UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 2"
    assert old.Net().late() == "lazy 1"


def test_what_is_no_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no zip at all")

    with pytest.raises(NotAZipError, match="not a readable zip"):
        UniqueCodebase(tmp_path / "x.zip")
    with pytest.raises(FileNotFoundError):
        UniqueCodebase(tmp_path / "missing.zip")


def test_a_zip_of_another_program_is_imported_too(tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("src/a.py", "import src.b\nx = src.b.x\n")
        archive.writestr("src/b.py", "x = 1\n")

    assert UniqueCodebase(tmp_path / "x.zip").import_module("src.a").x == 1


def test_a_codebase_may_lie_in_a_storage(tree, tmp_path, version):
    url = (tmp_path / "storage").as_uri() + "/codebase.zip"

    snapshot = checkpoint(tree(version(1)), url, verbose=False)

    assert snapshot.path == url
    assert (tmp_path / "storage/codebase.zip").stat().st_size == snapshot.zipped
    codebase = UniqueCodebase(url, digest=snapshot.digest)
    assert codebase.import_module("src.model").Net().late() == "lazy 1"
    with Codebase(url):
        assert importlib.import_module("src.utils").VALUE == 1
    with pytest.raises(FileNotFoundError):
        UniqueCodebase(url + "x")


def test_errors_survive_pickling():
    from codesave import errors

    made = [
        errors.CannotAssignError(["a"], "f", "import_"),
        errors.CodebaseNotCachedError("00", "cache"),
        errors.DigestMismatchError("a.zip", "x", "y"),
        errors.HostileZipError("a.zip", "m", "is bad"),
        errors.ModuleNotInCodebaseError("m", "a.zip", ["b"]),
        errors.NotAFolderError("x"),
        errors.NotAZipError("a.zip", "bad"),
        errors.NotInWandbRunError("r", "w", ["a"]),
        errors.NoWandbError(),
        errors.NoWandbRunError(),
        errors.CodebaseClosedError("a.zip"),
        errors.UnsafeCacheError("c"),
    ]

    for error in made:
        again = pickle.load(io.BytesIO(pickle.dumps(error)))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such homes")
@pytest.mark.parametrize("home", ["a file", "missing", "another's"])
def test_without_a_home_that_can_be_written_the_cache_is_a_temporary_folder(
    zipped, tmp_path, monkeypatch, home
):
    path = zipped({"model.py": "x = 1\n"})
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    for name in ("CODESAVE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    if home == "a file":
        monkeypatch.setenv("HOME", str(tmp_path / "file"))
    elif home == "another's":
        close(tmp_path / "home", monkeypatch)
    else:
        monkeypatch.setattr(Path, "home", _no_home)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))

    codebase = UniqueCodebase(path)

    assert codebase.import_module("model").x == 1
    assert codebase.folder.parents[1] == tmp_path / "temporary" / f"codesave-{os.getuid()}"
    assert codebase.folder.parents[1].stat().st_mode & 0o777 == 0o700


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def _no_temporary_folder() -> str:
    raise FileNotFoundError("No usable temporary directory found")


def close(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder one that only another user may look into, for root too."""
    stat, access = os.stat, os.access

    def refuse(path, *args, **kwargs):
        if not isinstance(path, int) and folder in Path(path).parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", refuse)
    monkeypatch.setattr(os, "access", lambda path, mode: path != folder and access(path, mode))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such homes")
def test_what_was_unpacked_is_found_in_a_home_that_can_only_be_read(zipped, tmp_path, monkeypatch):
    for name in ("CODESAVE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name)
    path = zipped({"model.py": "x = 1\n"})
    folder = UniqueCodebase(path).folder
    assert tmp_path / "home" in folder.parents
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(os, "access", lambda *_: False)

    assert UniqueCodebase(path).folder == folder
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.gettempdir", _no_temporary_folder)
        assert UniqueCodebase(path).folder == folder
    folder.parents[1].chmod(0o777)
    with pytest.raises(UnsafeCacheError):
        UniqueCodebase(path)
