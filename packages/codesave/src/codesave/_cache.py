"""Where codebases are unpacked: once each, by content.

``<cache>/<16 hex digits of the zip's sha256>/`` holds

- ``code/``: the zip's members,
- ``digest``: the whole digest, ``sha256:…``.

A codebase appears there whole or not at all. The files are read-only and nobody else's folder is
ever used, since code runs from here.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from codesave._archive import opened
from codesave._checks import DEFAULT_LIMITS, Limits, check
from codesave.errors import DigestMismatchError, UnsafeCacheError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

KEY_LENGTH = 16
"""How many digits of a digest name a codebase in the cache and in its modules' names."""
_CODE, _DIGEST = "code", "digest"
_THREADS = 4


def cache_folder() -> Path:
    """The folder of all unpacked codebases: ``CODESAVE_CACHE``, or the platform's cache folder.

    Where that cannot be written, or there is no home, it is a folder among the temporary ones.
    """
    return _folders()[0]


def own_cache_folder() -> Path:
    """That folder, made where it is missing.

    Raises:
        UnsafeCacheError: Others can write to it.
    """
    cache = cache_folder()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_unsafe(cache)
    return cache


def _folders() -> list[Path]:
    """Where codebases may lie; the first is the one in use."""
    chosen = os.environ.get("CODESAVE_CACHE")
    if chosen:
        return [Path(chosen).expanduser().absolute()]
    try:
        folder = _platforms_folder() / "codesave"
    except RuntimeError:  # the user of a container may have no home
        return [_temporary_folder()]
    return [folder] if _can_be_written(folder) else [_temporary_folder(), folder]


def _platforms_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _can_be_written(folder: Path) -> bool:
    # os.path, since the methods of Path raise where the home is another user's.
    places = (folder, *folder.parents)
    place = next((place for place in places if os.path.exists(place)), folder)  # noqa: PTH110
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)


def _temporary_folder() -> Path:
    from tempfile import gettempdir

    user = os.getuid() if sys.platform != "win32" else os.environ.get("USERNAME", "")
    try:
        place = gettempdir()
    except FileNotFoundError:  # nothing can be written; what was unpacked can be read
        place = "/tmp"  # noqa: S108 - only to have a name for it
    return Path(place, f"codesave-{user}")


def cached(key: str) -> Path | None:
    """The folder with the code of a codebase that was unpacked before, or None."""
    for folder in _folders():
        if os.path.isfile(folder / key / _DIGEST):  # noqa: PTH113 - as in _can_be_written
            _refuse_unsafe(folder)
            return folder / key / _CODE
    return None


def unpack(zip_path: Path, pinned: str | None = None, limits: Limits = DEFAULT_LIMITS) -> Path:
    """The folder with the code of a zip, which is checked and unpacked unless it was before.

    Args:
        zip_path: The zip.
        pinned: What its sha256 must be, ``sha256:…``; None for whatever it is.
        limits: What it may unpack to.

    Raises:
        DigestMismatchError: The zip is another one.
        NotAZipError: The file is no zip, or damaged.
        HostileZipError: It holds what no zip of code should.
        UnsafeCacheError: Others can write to the cache.
    """
    # Opened once: at its path there may soon be another zip than the one that was digested.
    with zip_path.open("rb") as file:
        digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if pinned is not None and pinned.removeprefix("sha256:") != digest.removeprefix("sha256:"):
            raise DigestMismatchError(str(zip_path), pinned, digest)
        key = digest.partition(":")[2][:KEY_LENGTH]
        known = cached(key)
        if known is None:
            with opened(file) as archive:
                check(archive, limits)
                _unpack_aside(archive, key, digest)
            known = cache_folder() / key / _CODE
    found = (known.parent / _DIGEST).read_text("ascii")
    if found != digest:
        # Two zips that share 64 bits of a sha256: somebody searched for them.
        raise DigestMismatchError(str(known.parent), digest, found)
    return known


def _unpack_aside(archive: zipfile.ZipFile, key: str, digest: str) -> None:
    import shutil
    from tempfile import mkdtemp

    cache = own_cache_folder()
    aside = Path(mkdtemp(prefix=f".{key}.", suffix=".tmp", dir=cache))
    try:
        code = aside / _CODE
        code.mkdir()
        _extract_all(archive, code)
        (aside / _DIGEST).write_text(digest, "ascii")
        try:
            aside.rename(cache / key)
        except OSError:
            # Somebody else was faster. Anything else in the way is a real error.
            if not (cache / key / _DIGEST).is_file():
                raise
    finally:
        if aside.exists():
            shutil.rmtree(aside, onerror=_make_writable)


def _extract_all(archive: zipfile.ZipFile, code: Path) -> None:
    """Write the members; several threads, since making a file is mostly waiting."""
    from concurrent.futures import ThreadPoolExecutor

    members = [member for member in archive.infolist() if not member.is_dir()]
    names = {member.filename.rstrip("/") for member in archive.infolist() if member.is_dir()}
    names |= {member.filename.rpartition("/")[0] for member in members}
    for name in sorted(names):
        (code / name).mkdir(parents=True, exist_ok=True)

    # Python 3.12 and 3.13.0 read from the wrong place when several threads open members.
    lock = Lock()

    def extract(start: int) -> None:
        for member in members[start::_THREADS]:
            _extract(archive, member, code, lock)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(extract, range(_THREADS)))  # the list raises what a thread raised


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, code: Path, lock: Lock) -> None:
    # Read-only: an edit here would be run as if it were the code that was saved.
    mode = 0o555 if member.external_attr >> 16 & stat.S_IXUSR else 0o444
    target = os.path.join(code, member.filename)  # noqa: PTH118 - a Path each takes its time
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(target, flags, mode), "wb") as file:
        for chunk in _chunks(archive, member, lock):
            file.write(chunk)


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, lock: Lock) -> Iterator[bytes]:
    with lock:
        source = archive.open(member)
    with source:
        while True:
            with lock:
                chunk = source.read(1 << 20)
            if not chunk:
                return
            yield chunk


def _make_writable(function: object, path: str, _: object) -> None:
    """Remove what Windows refuses to: read-only files."""
    Path(path).chmod(stat.S_IWRITE)
    if callable(function):
        function(path)


def _refuse_unsafe(cache: Path) -> None:
    if os.name == "nt":
        return  # mode bits and owners mean little there
    owners = {os.getuid(), 0}
    found = cache.stat()
    if cache == _temporary_folder():
        # Anyone may have put something there first, also a link to be moved later.
        owners = {os.getuid()}
        found = cache.lstat()
    writable = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid not in owners or writable or stat.S_ISLNK(found.st_mode):
        raise UnsafeCacheError(str(cache))


def top_level(code: Path) -> Iterator[tuple[str, bool]]:
    """Names importable from a folder, and whether each is more than a bare folder.

    A bare folder, one without ``__init__``, is a namespace package, which Python imports only if
    nothing else bears the name.
    """
    from importlib.machinery import all_suffixes

    suffixes = sorted(all_suffixes(), key=len, reverse=True)
    for entry in code.iterdir():
        if entry.is_dir():
            is_package = any((entry / f"__init__{suffix}").is_file() for suffix in suffixes)
            yield entry.name, is_package
            continue
        for suffix in suffixes:
            if entry.name.endswith(suffix) and entry.name != suffix:
                yield entry.name[: -len(suffix)], True
                break
