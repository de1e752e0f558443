"""A folder ↔ a prefix: send what differs, several files at once, and check what arrived.

A file differs if its size does, or its digest; where a storage keeps no digests, if it is
older than the file it would be replaced by. The remote side costs one listing.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expcore._digest_cache import DigestCache, identity
from expcore._folders import make_folders
from expcore._sides import as_folder, files_of, is_same, keys_of
from expcore._temporary import sweep
from expcore.errors import IntegrityError, InvalidKey, SyncIncomplete

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from expcore._storage import Storage

WORKERS = 48
UNSTEADY_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a synchronization did."""

    sent: tuple[str, ...]
    """Keys that were transferred."""
    same: tuple[str, ...]
    """Keys that were the same on both sides."""
    deleted: tuple[str, ...]
    """Keys that were deleted at the target, as asked."""
    bytes_sent: int


def sync_up(
    folder: str | os.PathLike[str],
    storage: Storage,
    prefix: str = "",
    *,
    include: Callable[[str], bool] | None = None,
    delete: bool = False,
    workers: int = WORKERS,
    progress: Callable[[int], object] | None = None,
    cache: DigestCache | None = None,
) -> SyncReport:
    """Make what is stored below a prefix the same as what is in a folder.

    Symbolic links are left out. A file that changes while it is sent is sent again.

    Args:
        folder: Its files, and those in its folders, are sent.
        storage: Where to.
        prefix: Put before each file's relative path, as a folder: ``runs/1`` and ``runs/1/``
            mean the same.
        include: Given a relative path with slashes, says whether it takes part.
        delete: Also delete keys below the prefix that have no file. Otherwise nothing is.
        workers: Transfers at the same time.
        progress: Called with the number of bytes sent since its last call, from several threads.
        cache: Where digests are remembered; in the user's cache folder if None.

    Raises:
        InvalidKey: A file's name cannot be a key; nothing was sent.
        NotADirectoryError: There is no such folder, and ``delete`` would delete everything.
        SyncIncomplete: Some files could not be sent; all others were.
    """
    root = Path(folder)
    if delete and not root.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is no such folder to delete by", str(root))
    local = files_of(root, include)
    remote = keys_of(storage, prefix, include)
    digests = DigestCache() if cache is None else cache

    def is_there(key: str) -> bool:
        return key in remote and is_same(local[key], remote[key], storage, digests, up=True)

    def send(key: str) -> int:
        return _send(local[key], storage, as_folder(prefix) + key, progress)

    def remove(key: str) -> None:
        storage.delete(as_folder(prefix) + key)

    extra = sorted(remote.keys() - local.keys()) if delete else []
    pool = _Pool(workers, digests)
    return pool.run(sorted(local), is_there, send, extra, remove)


def sync_down(
    storage: Storage,
    prefix: str,
    folder: str | os.PathLike[str],
    *,
    include: Callable[[str], bool] | None = None,
    delete: bool = False,
    workers: int = WORKERS,
    progress: Callable[[int], object] | None = None,
    cache: DigestCache | None = None,
) -> SyncReport:
    """Make a folder the same as what is stored below a prefix.

    Each file lands as a whole, after its digest was checked. Nothing is written through a
    symbolic link.

    Args:
        storage: Where from.
        prefix: See :func:`sync_up`.
        folder: Where to; it is made if need be.
        include: Given a key without the prefix, says whether it takes part.
        delete: Also delete files that have no key. Otherwise nothing is.
        workers: Transfers at the same time.
        progress: Called with the number of bytes that came since its last call, from several
            threads.
        cache: Where digests are remembered; in the user's cache folder if None.

    Raises:
        InvalidKey: The storage lists a name that cannot be a key; nothing was fetched.
        SyncIncomplete: Some files could not be fetched; all others were.
    """
    root = Path(folder)
    remote = keys_of(storage, prefix, include)
    digests = DigestCache() if cache is None else cache

    def is_there(key: str) -> bool:
        path = root / key
        if path.is_symlink() or not path.is_file():
            return False
        return is_same(path, remote[key], storage, digests, up=False)

    def fetch(key: str) -> int:
        path = root / key
        _make_parents(root, path)
        storage.download(as_folder(prefix) + key, path, progress=progress)
        return remote[key].size

    def remove(key: str) -> None:
        found[key].unlink(missing_ok=True)

    found = files_of(root, include) if delete else {}
    extra = sorted(found.keys() - remote.keys())
    pool = _Pool(workers, digests)
    report = pool.run(sorted(remote), is_there, fetch, extra, remove)
    if include is None:  # or the half of a file that takes no part would go, too
        for kept in {(root / key).parent for key in remote}:
            sweep(kept)  # all is there, and what killed downloads have left is of no more use
    return report


@dataclass(frozen=True, slots=True)
class _Pool:
    """Several transfers at the same time; each is alone in its failure."""

    workers: int
    digests: DigestCache

    def run(
        self,
        keys: list[str],
        is_there: Callable[[str], bool],
        transfer: Callable[[str], int],
        extra: list[str],
        remove: Callable[[str], None],
    ) -> SyncReport:
        def work(key: str) -> int | Exception | None:
            try:
                return None if is_there(key) else transfer(key)
            except Exception as error:
                return error

        from concurrent.futures import ThreadPoolExecutor  # imports logging

        try:
            with ThreadPoolExecutor(max(1, self.workers), "expcore-sync") as pool:
                done = dict(zip(keys, pool.map(work, keys), strict=True))
                failed = {key: end for key, end in done.items() if isinstance(end, Exception)}
                # What is left over may be all there is of a file that did not arrive.
                deleted = () if failed else tuple(extra)
                list(pool.map(remove, deleted))
        finally:
            self.digests.close()
        sent = {key: size for key, size in done.items() if isinstance(size, int)}
        same = tuple(key for key, end in done.items() if end is None)
        report = SyncReport(tuple(sent), same, deleted, sum(sent.values()))
        if failed:
            raise SyncIncomplete(failed, report) from next(iter(failed.values()))
        return report


def _send(path: Path, storage: Storage, key: str, progress: Callable[[int], object] | None) -> int:
    """Send a file as it is at one moment; one that does not hold still is reported."""
    for _ in range(UNSTEADY_ATTEMPTS):
        before = path.stat()
        stat = storage.upload(path, key, progress=progress)
        if identity(path.stat()) == identity(before):
            if stat.size != before.st_size:
                told = f"{stat.size} bytes arrived of {before.st_size}"
                raise IntegrityError(storage.url, f"write {key!r}", told)
            return stat.size
    raise IntegrityError(storage.url, f"write {key!r}", f"{path} kept changing while it was read")


def _make_parents(root: Path, path: Path) -> None:
    for parent in path.relative_to(root).parents[:-1]:
        if (root / parent).is_symlink():
            name = path.relative_to(root).as_posix()
            raise InvalidKey(name, f"{root / parent} is a symbolic link, and none is followed")
    make_folders(path.parent)
