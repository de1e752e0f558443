"""Calls written for the released codesave 0.0 go on working, by position too."""

from __future__ import annotations

import inspect
import shutil
import zipfile

import pytest

import codesave

RELEASED = {
    "checkpoint": "main_folder output_zipname extra_libraries extra_pythonpath extra_files ignore "
    "ignore_patterns py_only ignore_larger_than verbose",
    "checkpoint_to_wandb": "main_folder output_directory extra_libraries extra_pythonpath ignore "
    "ignore_patterns py_only ignore_larger_than verbose codebase_zipname",
    "download_from_wandb": "wandb_path output_zipname wandb_filename api",
    "zip_from_wandb": "wandb_path output_zipname api artifact",
    "zip_from_wandb_artifact": "wandb_path output_zipname api",
    "Codebase": "zip_name verbose",
    "UniqueCodebase": "zip_name verbose make_unique",
    "UniqueCodebase.import_": "self name as_",
    "UniqueCodebase.import_module": "self name",
    "UniqueCodebase.from_import": "self name things_to_import as_",
    "WandBCodebase": "wandb_path api artifact make_unique",
}


@pytest.mark.parametrize("name", RELEASED)
def test_arguments_of_the_released_versions_are_taken_in_their_order(name):
    found = codesave
    for part in name.split("."):
        found = getattr(found, part)
    parameters = inspect.signature(found).parameters.values()

    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert positional == RELEASED[name].split()


def test_what_was_given_by_position_arrives(tree, tmp_path):
    folder = tree({"a.py": "", "b.txt": "", "c.ipynb": "", "big.bin": b"x" * 2000})
    library = tree({"lib/__init__.py": ""}, name="libs") / "lib"
    path = tree({"other/__init__.py": ""}, name="path")
    extra = tree({"notes.txt": ""}, name="extra") / "notes.txt"
    no_b = [lambda _, names: [name for name in names if name == "b.txt"]]

    snapshot = codesave.checkpoint(
        folder,
        tmp_path / "o.zip",
        [library],
        [path],
        [extra],
        no_b,
        ["*.ipynb"],
        False,
        "1K",
        False,
    )

    assert set(codesave.UniqueCodebase(snapshot).valid_libraries) == {"a", "lib", "other"}
    assert [str(out.name) for out in snapshot.left_out] == ["big.bin"]
    assert snapshot.files == 4


@pytest.mark.parametrize("option", ["ignore_patterns", "include"])
def test_a_pattern_alone_is_not_taken_for_its_letters(option, tree, tmp_path):
    """The star in "*.pem" would leave out, or take in, everything."""
    folder = tree({"a.py": "", "b.pem": "", ".env": ""})

    snapshot = codesave.checkpoint(folder, tmp_path / "o.zip", **{option: "*.pem"}, verbose=False)

    assert [out.name for out in snapshot.left_out] == [".env"]
    assert snapshot.files == (2 if option == "include" else 1)


def test_one_library_one_file_and_one_filter_may_be_given_alone(tree, tmp_path):
    folder = tree({"a.py": "", "b.txt": ""})
    other = tree({"lib/__init__.py": "", "path/other.py": "", "notes.md": ""}, name="other")

    snapshot = codesave.checkpoint(
        folder,
        tmp_path / "o.zip",
        str(other / "lib"),
        other / "path",
        other / "notes.md",
        shutil.ignore_patterns("*.txt"),
        verbose=False,
    )

    with zipfile.ZipFile(snapshot) as archive:
        found = {name for name in archive.namelist() if not name.endswith("/")}
    assert found >= {"a.py", "lib/__init__.py", "other.py", "notes.md"}
    assert "b.txt" not in found
