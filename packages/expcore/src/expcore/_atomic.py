"""Write a file so that a crash at any instant leaves the old bytes or the new.

The bytes go to ``.{name}.{random}.tmp`` beside the target; they are synced, the temporary file
takes the target's name, and the folder is synced. The writer holds a lock on the temporary file
for as long as it lives, so :func:`sweep` can tell a killed writer's leftovers from a live one's.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from expcore._keys import TEMPORARY
from expcore._locks import try_lock
from expcore._stream import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from typing_extensions import Buffer

MAX_NAME_BYTES = 255
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}


def write_file(
    path: str | os.PathLike[str],
    data: Buffer | Iterable[Buffer],
    *,
    overwrite: bool = True,
    follow_symlinks: bool = False,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a whole file, atomically and durably.

    When this returns, the bytes survive a power failure. If it raises, or the process is
    killed, the file is as it was before. Large writes bypass the page cache where the system
    allows it, and space is reserved first, so a full disk is noticed at once.

    Args:
        path: The target. Its folder must exist. Its mode bits follow the umask.
        data: A buffer (bytes, a contiguous array, ...), or several to be written one after
            another. Buffers are not copied as a whole.
        overwrite: If False, the target must not exist, even if it appears while writing.
        follow_symlinks: If True and the target is a symbolic link, write what it points at;
            otherwise the link itself is replaced by the file.
        progress: Called with the number of bytes written since its last call.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is False.
        OSError: The bytes could not be written; nothing has changed.

    >>> write_file("a.txt", b"old or new")
    >>> Path("a.txt").read_bytes()
    b'old or new'
    """
    with open_atomic(path, overwrite=overwrite, follow_symlinks=follow_symlinks) as file:
        write_all(file, data, progress)


@contextmanager
def open_atomic(
    path: str | os.PathLike[str], *, overwrite: bool = True, follow_symlinks: bool = False
) -> Generator[BinaryIO]:
    """Open a file for writing that takes the place of ``path`` when the block ends well.

    If the block raises, or the process is killed, the file is as it was before.

    Args:
        path: The target. Its folder must exist. Its mode bits follow the umask.
        overwrite: If False, the target must not exist, even if it appears while writing.
        follow_symlinks: If True and the target is a symbolic link, write what it points at;
            otherwise the link itself is replaced by the file.

    Yields:
        A seekable binary file, empty, that can be written and read back.

    Raises:
        FileExistsError: The target exists and ``overwrite`` is False.
        OSError: The bytes could not be written; nothing has changed.

    >>> with open_atomic("b.txt") as file:
    ...     file.write(b"soon")
    ...     Path("b.txt").exists()
    4
    False
    >>> Path("b.txt").read_bytes()
    b'soon'
    """
    target = Path(path)
    if follow_symlinks:
        target = Path(os.path.realpath(target))
    if not overwrite and os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    file, temporary = _create_beside(target)
    # A second descriptor: the block may close the file, and the lock and the sync need one.
    descriptor = os.dup(file.fileno())
    try:
        try:
            yield file
            if not file.closed:
                file.flush()
            os.fsync(descriptor)
        finally:
            # Closing may fail once more after a failed write; that error is known already.
            with suppress(OSError):
                file.close()
        if os.name == "nt":  # an open file cannot be renamed there
            os.close(descriptor)
            descriptor = -1
        _put_in_place(temporary, target, overwrite=overwrite)
    except BaseException:
        if os.name == "nt" and descriptor >= 0:
            os.close(descriptor)
            descriptor = -1
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    sync_folder(target.parent)


def sweep(folder: str | os.PathLike[str]) -> list[Path]:
    """Remove what killed writers left in a folder (not below it).

    A live writer holds a lock on its file, and its file stays. Where the file system has no
    locks, nothing is removed.

    Returns:
        The files that were removed.
    """
    removed: list[Path] = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return removed
    for entry in entries:
        if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
            path = Path(entry.path)
            if _remove_if_abandoned(path):
                removed.append(path)
    return removed


def make_folders(folder: Path) -> None:
    """Make a folder and its parents; when this returns, they survive a power failure.

    Raises:
        NotADirectoryError: There is a file in the way.
        OSError: One cannot be made.
    """
    if folder.is_dir():
        return
    if folder.parent != folder:
        make_folders(folder.parent)
    # Not exist_ok: a file in the way must be reported as one.
    with suppress(FileExistsError):
        folder.mkdir()
        sync_folder(folder.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; Windows does this by itself."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)


def _create_beside(target: Path) -> tuple[BinaryIO, Path]:
    """Create a temporary file whose name is ours and whose lock we hold."""
    while True:
        suffix = f".{os.urandom(8).hex()}.tmp"
        name = target.name
        while len(os.fsencode(name)) > MAX_NAME_BYTES - 1 - len(suffix):
            name = name[:-1]
        temporary = target.with_name(f".{name}{suffix}")
        try:
            file = temporary.open("x+b")
        except FileExistsError:
            continue
        # A sweeper may have come between creation and lock: then this name is gone.
        if try_lock(file.fileno()) is not False and _is_linked(file.fileno(), temporary):
            return file, temporary
        file.close()
        with suppress(FileNotFoundError):
            temporary.unlink()


def _is_linked(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_if_abandoned(path: Path) -> bool:
    if os.name == "nt":
        # Python opens files there without sharing their deletion: a live writer's file stays.
        try:
            path.unlink()
        except OSError:
            return False
        return True
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        if try_lock(descriptor) is not True or not _is_linked(descriptor, path):
            return False
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _put_in_place(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(target)
    elif os.name == "nt":
        temporary.rename(target)  # refuses an existing target there
    else:
        try:
            # Unlike a rename, a link refuses an existing target, whoever made it and when.
            os.link(temporary, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename_new(temporary, target)
        else:
            temporary.unlink()


def _rename_new(temporary: Path, target: Path) -> None:
    """Rename to a free name on file systems without links: one claimant at a time."""
    from filelock import FileLock

    lock = target.with_name(f".{target.name}.claim")
    with FileLock(lock):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        temporary.replace(target)
