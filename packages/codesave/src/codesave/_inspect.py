"""Look into zips of code: list one, verify it against its manifest, compare two."""

from __future__ import annotations

import hashlib
import io
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
_TEXT_BYTES = 1 << 20
"""Larger files are data; where many of their lines differ, difflib would take minutes."""


def _files(archive: zipfile.ZipFile) -> list[str]:
    """The names of the members, without folders and without the manifest."""
    names = (member.filename for member in archive.infolist() if not member.is_dir())
    return sorted(name for name in names if name != MANIFEST_NAME)


def _shown(name: str) -> str:
    """The name on one line: a file's name may hold what looks like the lines that follow."""
    return name.replace("\n", "\\n")


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
                problems.append(f"{_shown(name)} is not in the manifest")
                continue
            digest = hashlib.sha256()
            try:
                with archive.open(name) as file:
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
            except damage() as error:
                problems.append(f"{_shown(name)} is damaged ({error})")
                continue
            expected = manifest["files"][name]["digest"]
            if f"sha256:{digest.hexdigest()}" != expected:
                problems.append(f"{_shown(name)} has changed: its digest is not {expected}")
        missing = sorted(set(manifest["files"]).difference(present))
        problems += [f"{_shown(name)} is missing" for name in missing]
    return problems


def diff(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the lines of a unified diff that turns one snapshot into the other.

    Of data and of files above 1 MiB it says only that they differ. Installed distributions whose
    versions differ follow as lines that start with ``#``.

    Args:
        old: A zip of code.
        new: Another.
    """
    with opened(old) as left, opened(new) as right:
        before, after = {*_files(left)}, {*_files(right)}
        for name in sorted(before | after):
            if name in before and name in after and _same(left, right, name):
                continue
            source = f"a/{_shown(name)}" if name in before else "/dev/null"
            target = f"b/{_shown(name)}" if name in after else "/dev/null"
            old_lines = _lines(left, name) if name in before else []
            new_lines = _lines(right, name) if name in after else []
            if old_lines is None or new_lines is None:
                yield f"Binary files {source} and {target} differ"
            else:
                yield from _unified(old_lines, new_lines, source, target)
        yield from _environment_diff(read_manifest(left), read_manifest(right))


def _same(left: zipfile.ZipFile, right: zipfile.ZipFile, name: str) -> bool:
    """Whether a file that both have has one content; compared without holding it in memory."""
    if left.getinfo(name).file_size != right.getinfo(name).file_size:
        return False
    with left.open(name) as before, right.open(name) as after:
        while (chunk := before.read(_CHUNK)) == after.read(_CHUNK):
            if not chunk:
                return True
    return False


def _unified(left: list[str], right: list[str], source: str, target: str) -> Iterator[str]:
    import difflib

    for number, line in enumerate(difflib.unified_diff(left, right, source, target, lineterm="")):
        yield line.removesuffix("\n")
        is_content = number > 1 and not line.startswith("@@ ")
        if is_content and not line.endswith("\n"):
            yield "\\ No newline at end of file"


def _lines(archive: zipfile.ZipFile, name: str) -> list[str] | None:
    """The lines of a text, with their ends; None for what is no text, or too long."""
    if archive.getinfo(name).file_size > _TEXT_BYTES:
        return None
    data = archive.read(name)
    if b"\0" in data:
        return None
    try:
        # Neither a form feed nor a lone carriage return ends a line, as splitlines() has it.
        return list(io.StringIO(data.decode("utf-8"), newline="\n"))
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
            yield f"{archive.getinfo(name).file_size:>12,}  {_shown(name)}"
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
        yield f"left out: {_shown(name)} {reason}"
