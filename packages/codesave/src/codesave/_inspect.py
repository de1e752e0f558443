"""Look into zips of code: list one, verify it against its manifest, compare two."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from codesave._archive import damage, opened
from codesave._manifest import Manifest, read_manifest
from codesave._names import MANIFEST_NAME
from codesave.errors import NotAZipError

if TYPE_CHECKING:
    import os
    import zipfile
    from collections.abc import Iterator

_CHUNK = 1 << 20


def _files(archive: zipfile.ZipFile) -> list[str]:
    """The names of the members, without folders and without the manifest."""
    names = (member.filename for member in archive.infolist() if not member.is_dir())
    return sorted(name for name in names if name != MANIFEST_NAME)


def verify(zip_path: str | os.PathLike[str]) -> list[str]:
    """Compare a zip with its manifest.

    Returns:
        A sentence for each file that is damaged, changed, missing or not listed; empty if the
        zip holds exactly what was saved.

    Raises:
        NotAZipError: It is no zip, or has no manifest: codesave did not write it.
    """
    problems: list[str] = []
    with opened(zip_path) as archive:
        manifest = read_manifest(archive)
        if manifest is None:
            raise NotAZipError(str(zip_path), "it has no manifest; codesave did not write it")
        present = _files(archive)
        for name in present:
            if name not in manifest["files"]:
                problems.append(f"{name} is not in the manifest")
                continue
            digest = hashlib.sha256()
            try:
                with archive.open(name) as file:
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
            except damage() as error:
                problems.append(f"{name} is damaged ({error})")
                continue
            expected = manifest["files"][name]["digest"]
            if f"sha256:{digest.hexdigest()}" != expected:
                problems.append(f"{name} has changed: its digest is not {expected}")
        missing = sorted(set(manifest["files"]).difference(present))
        problems += [f"{name} is missing" for name in missing]
    return problems


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the lines of a unified diff that turns one snapshot into the other.

    Installed distributions whose versions differ follow as lines that start with ``#``.

    Args:
        old: A zip of code.
        new: Another.
    """
    with opened(old) as left, opened(new) as right:
        names = sorted({*_files(left), *_files(right)})
        for name in names:
            before, after = _contents(left, name), _contents(right, name)
            if before != after:
                yield from _file_diff(name, before, after)
        yield from _environment_diff(read_manifest(left), read_manifest(right))


def _contents(archive: zipfile.ZipFile, name: str) -> bytes | None:
    try:
        return archive.read(name)
    except KeyError:
        return None


def _file_diff(name: str, before: bytes | None, after: bytes | None) -> Iterator[str]:
    import difflib

    left, right = _lines(before), _lines(after)
    if left is None or right is None:
        yield f"Binary files a/{name} and b/{name} differ"
        return
    source = f"a/{name}" if before is not None else "/dev/null"
    target = f"b/{name}" if after is not None else "/dev/null"
    for line in difflib.unified_diff(left, right, source, target, lineterm=""):
        yield line.removesuffix("\n")
        if not line.endswith("\n") and line[:1] in "+- " and line[:3] not in {"+++", "---"}:
            yield "\\ No newline at end of file"


def _lines(data: bytes | None) -> list[str] | None:
    """The lines of a text, with their ends; None for what is no text."""
    if data is None:
        return []
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None


def _environment_diff(old: Manifest | None, new: Manifest | None) -> Iterator[str]:
    if old is None or new is None:
        return
    before, after = old["distributions"], new["distributions"]
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield f"# {name}: {before.get(name, 'none')} -> {after.get(name, 'none')}"


def packages(zip_path: str | os.PathLike[str]) -> dict[str, str]:
    """The distributions that were installed when the zip was written: versions by name.

    Raises:
        NotAZipError: It is no zip, or has no manifest: codesave did not write it.
    """
    with opened(zip_path) as archive:
        manifest = read_manifest(archive)
    if manifest is None:
        raise NotAZipError(str(zip_path), "it has no manifest; codesave did not write it")
    return manifest["distributions"]


def show(zip_path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the lines that describe a snapshot: its files, where it came from, what it lacks.

    Args:
        zip_path: A zip of code.
    """
    with opened(zip_path) as archive:
        for name in _files(archive):
            yield f"{archive.getinfo(name).file_size:>12,}  {name}"
        manifest = read_manifest(archive)
    if manifest is None:
        yield "no manifest: codesave did not write this zip"
        return
    python = manifest["python"]
    yield f"python: {python['implementation']} {python['version']} on {python['platform']}"
    yield f"distributions: {len(manifest['distributions'])} installed (--packages lists them)"
    git = manifest["git"]
    if git is not None:
        changes = git["diff"].count("\ndiff --git ") + git["diff"].startswith("diff --git ")
        yield f"git: {git['commit'] or 'no commit'} on {git['branch'] or 'no branch'}"
        yield f"git remote: {git['remote'] or 'none'}"
        yield f"git changes: {changes} files changed, {len(git['untracked'])} untracked"
    for name, reason in manifest["left_out"].items():
        yield f"left out: {name} {reason}"
