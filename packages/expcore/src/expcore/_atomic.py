"""Write a file so that a crash at any instant leaves the old bytes or the new.

The bytes go to ``.{name}.{random}.tmp`` beside the target; they are synced, the temporary file
takes the target's name, and the folder is synced. The writer holds a lock on the temporary file
for as long as it lives, so :func:`expcore.sweep` can tell a killed writer's leftovers from a
live one's.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from expcore._flush import flush
from expcore._folders import sync_folder
from expcore._replace import replace
from expcore._stream import write_all
from expcore._temporary import beside, create_beside, is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from typing_extensions import Buffer

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
        FileExistsError: The target exists and ``overwrite`` is False, or it is a device.
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
        FileExistsError: The target exists and ``overwrite`` is False, or it is a device.
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
    _refuse_device(target)
    with _placed(*create_beside(target), target, overwrite=overwrite) as file:
        yield file


def _refuse_device(target: Path) -> None:
    """Raise FileExistsError for a device, a pipe or a socket: /dev/null is everybody's."""
    try:
        mode = target.lstat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
        text = "It is a device or a pipe, and no file takes its place"
        raise FileExistsError(errno.EEXIST, text, str(target))


@contextmanager
def open_partial(path: str | os.PathLike[str], mark: str) -> Generator[BinaryIO]:
    """Open a file as :func:`open_atomic` does, with what an earlier attempt left in it.

    After an error, or if the process is killed, the temporary file stays for the next attempt.

    Args:
        path: The target. Its folder must exist.
        mark: 16 hexadecimal digits that stand for what is to be written.
    """
    target = Path(path)
    _refuse_device(target)
    temporary = beside(target, mark)
    file: BinaryIO | None
    is_new = not temporary.exists()
    try:
        file = temporary.open("x+b" if is_new else "r+b")
    except OSError:  # no file, or one that just went; another attempt made it in this moment
        file = None
    if file is not None and not (is_ours(file.fileno(), temporary) and _is_private(file.fileno())):
        file.close()
        file = None
        if is_new:  # there are no locks here: it would stay for ever
            with suppress(OSError):
                temporary.unlink()
    if file is None:
        file, temporary = create_beside(target)
    with _placed(file, temporary, target, is_kept=True):
        yield file


def _is_private(descriptor: int) -> bool:
    """Say whether nobody put a file of theirs, or a link to one, under a name known before."""
    found = os.fstat(descriptor)
    return found.st_nlink == 1 and (os.name == "nt" or found.st_uid == os.geteuid())


@contextmanager
def _placed(
    file: BinaryIO,
    temporary: Path,
    target: Path,
    *,
    overwrite: bool = True,
    is_kept: bool = False,
) -> Generator[BinaryIO]:
    """Put a file in the place of the target when the block ends well; remove or keep it if not."""
    # A second descriptor: the block may close the file, and the lock and the sync need one.
    descriptor = os.dup(file.fileno())
    try:
        try:
            yield file
            if not file.closed:
                file.flush()
            flush(descriptor)
        finally:
            # Closing may fail once more after a failed write; that error is known already.
            with suppress(OSError):
                file.close()
        if os.name == "nt":  # an open file cannot be renamed there
            os.utime(temporary)  # for sweepers: it is still ours when it is closed
            os.close(descriptor)
            descriptor = -1
        _put_in_place(temporary, target, overwrite=overwrite)
    except BaseException:
        if os.name == "nt" and descriptor >= 0:
            os.close(descriptor)
            descriptor = -1
        if not is_kept:
            # Gone already; or open elsewhere, on Windows: then it is swept later.
            with suppress(FileNotFoundError, PermissionError):
                temporary.unlink()
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    sync_folder(target.parent)


def _put_in_place(temporary: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        replace(temporary, target)
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
        is_taken = os.path.lexists(target)
        if not is_taken:
            temporary.replace(target)
        # From here on the target itself refuses others, whichever lock they hold.
        lock.unlink(missing_ok=True)
        if is_taken:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
