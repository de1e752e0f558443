"""Refuse zips that no honest saver of code writes, before anything of them is written.

First the names and sizes of the central directory, then the contents of each member, read once
for its length and CRC. A zip that passes can be extracted with plain joins of paths.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codesave._archive import RATIO, RATIO_COUNTS_ABOVE
from codesave._names import as_one
from codesave.errors import HostileZipError, NotAZipError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable

_CHUNK = 1 << 20
_ENCRYPTED = 0x1
_LONGEST, _DEEPEST = 4096, 256
"""Characters of a name, and folders that it leads through: each is kept in memory by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a zip may unpack to."""

    total_bytes: int = 4 << 30
    """Of all members together."""
    ratio: int = RATIO
    """Bytes unpacked for each byte of the zip; zips of less than 32 MiB unpacked may exceed it."""
    members: int = 500_000


DEFAULT_LIMITS = Limits()


def check(archive: zipfile.ZipFile, limits: Limits = DEFAULT_LIMITS) -> None:
    """Refuse the open zip unless it is safe to extract.

    Raises:
        HostileZipError: A name leads elsewhere, two names are one, a member is a link, the whole
            unpacks to too much.
        NotAZipError: A member's contents are damaged.
    """
    path = str(archive.filename)
    members = archive.infolist()
    _check_sizes(path, members, limits)
    _check_names(path, members)
    for member in members:
        _check_contents(path, archive, member)


def _check_sizes(path: str, members: list[zipfile.ZipInfo], limits: Limits) -> None:
    if len(members) > limits.members:
        raise HostileZipError(path, "", f"has {len(members):,} members (limit {limits.members:,})")
    total = sum(member.file_size for member in members)
    if total > limits.total_bytes:
        problem = f"unpacks to {total:,} bytes (limit {limits.total_bytes:,}; see limits=)"
        raise HostileZipError(path, "", problem)
    packed = sum(member.compress_size for member in members)
    if total > RATIO_COUNTS_ABOVE and total > packed * limits.ratio:
        problem = f"unpacks to {total:,} bytes, over {limits.ratio} times its own (see limits=)"
        raise HostileZipError(path, "", problem)
    # Members that share their data unpack a small file to a huge tree, each ratio being small.
    end = -1
    for member in sorted(members, key=lambda member: member.header_offset):
        if member.header_offset < end:
            raise HostileZipError(path, member.filename, "overlaps the member before it")
        end = member.header_offset + member.compress_size


def _check_names(path: str, members: Iterable[zipfile.ZipInfo]) -> None:
    names: dict[str, str] = {}
    folders: dict[str, str] = {}
    for member in members:
        # From the name as stored zipfile makes another: it ends at a NUL, and since Python 3.12
        # the one in an extra field comes first.
        name = member.filename
        problem = _bad_name(member.orig_filename) or _bad_name(name) or _bad_kind(member)
        if problem:
            raise HostileZipError(path, name[:_LONGEST], problem)
        plain = name.rstrip("/")
        same = as_one(plain)
        if same in names:
            other = names[same]
            twice = "is there twice" if other == plain else f"is one file with {other!r} elsewhere"
            raise HostileZipError(path, name, twice)
        names[same] = plain
        parents = plain.split("/")[:-1] if not name.endswith("/") else plain.split("/")
        for end in range(1, len(parents) + 1):
            folder = "/".join(parents[:end])
            if folders.setdefault(as_one(folder), folder) != folder:
                problem = f"lies in a folder that is one with {folders[as_one(folder)]!r}"
                raise HostileZipError(path, name, problem)
    for same, name in names.items():
        if same in folders and folders[same] != name:
            raise HostileZipError(
                path, name, f"is one with the folder {folders[same]!r} elsewhere"
            )
    files = {member.filename for member in members if not member.is_dir()}
    for name in files:
        if as_one(name) in folders:
            raise HostileZipError(path, name, "is a file and a folder at once")


def _bad_name(name: str) -> str:
    if len(name) > _LONGEST or name.count("/") > _DEEPEST:
        return f"has a name of {len(name):,} characters and {name.count('/'):,} folders"
    if not name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute name"
    if "\\" in name or "\0" in name:
        return "has a backslash or a NUL in its name"
    if any(part in {"", ".", ".."} for part in name.removesuffix("/").split("/")):
        return "has a name that leads out of its folder"
    return ""


def _bad_kind(member: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "is a symbolic link"
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        return "is a device, a pipe or a socket"
    if member.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if member.is_dir() and member.file_size:
        return "is a folder with contents"
    return ""


def _check_contents(path: str, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    import zipfile
    import zlib

    size = 0
    try:
        with archive.open(member) as file:  # reading to the end compares the CRC
            while chunk := file.read(_CHUNK):
                size += len(chunk)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
        raise NotAZipError(path, f"member {member.filename!r}: {error}") from error
    if size != member.file_size:
        problem = f"unpacks to {size:,} bytes, not the {member.file_size:,} it states"
        raise HostileZipError(path, member.filename, problem)
