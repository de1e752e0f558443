"""From the errors of fsspec's file systems to the ones of this package."""

from __future__ import annotations

import errno
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from expcore.errors import (
    AccessDenied,
    ExpcoreError,
    KeyNotFound,
    QuotaExceeded,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

# What talks to a network, and raises when that does not answer.
_CLIENTS = {
    "aiobotocore", "aiohttp", "asyncssh", "azure", "botocore", "gcsfs", "google", "paramiko",
    "requests", "smbprotocol", "urllib3",
}  # fmt: skip
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
_PASSING = {errno.EIO, errno.EBUSY, errno.EAGAIN, errno.ETIMEDOUT, errno.EINTR}
_NOWHERE = "there is no such bucket or folder, or it is not to be seen"
_DENIED = ("NoCredentialsError", "PartialCredentialsError", "AuthenticationException")


class Body(io.RawIOBase):
    """An open value, with the errors of this package."""

    def __init__(
        self, file: BinaryIO, reading: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._file, self._reading = file, reading

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with self._reading():
            piece = self._file.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def translated(
    url: str, action: str, key: str | None = None, *, is_secret: bool = False
) -> Generator[None]:
    """Raise this package's errors for those of a file system in the block.

    Args:
        url: The storage.
        action: What is tried.
        key: What is missing if the file system finds no file.
        is_secret: Say nothing of what the file system says: it knows a password.
    """
    try:
        yield
    except ExpcoreError:
        raise
    except Exception as error:
        detail = type(error).__name__ if is_secret else f"{type(error).__name__}: {error}"
        translation = _translate(error, url, action, key, detail)
        if translation is None:
            raise
        # Not `from error`: a client's error may quote the request, and with it a signature.
        raise translation from None


def _translate(
    error: Exception, url: str, action: str, key: str | None, detail: str
) -> Exception | None:
    if isinstance(error, FileNotFoundError):
        return AccessDenied(url, action, _NOWHERE) if key is None else KeyNotFound(key, url)
    if isinstance(error, PermissionError) or type(error).__name__ in _DENIED:
        return AccessDenied(url, action, detail)
    if isinstance(error, OSError) and error.errno in _FULL:
        return QuotaExceeded(url, action, detail)
    client = {kind.__module__.partition(".")[0] for kind in type(error).__mro__} & _CLIENTS
    passing = isinstance(error, OSError) and error.errno in _PASSING
    if client or passing or isinstance(error, (ConnectionError, TimeoutError)):
        return StorageUnavailable(url, action, detail)
    return None
