"""What can go wrong in :mod:`expcore`: one tree, each error also the builtin that it is.

::

    ExpcoreError
    ├── UndigestableError    TypeError               a value has no content to digest
    ├── InvalidKey           ValueError              a name that cannot be a key everywhere
    ├── KeyNotFound          KeyError, FileNotFoundError
    ├── KeyExists            FileExistsError         a claim came second
    ├── StorageUnavailable   ConnectionError         network or service trouble; may pass
    ├── AccessDenied         PermissionError         credentials missing, wrong or too weak
    ├── IntegrityError       ValueError              bytes are not those that were promised
    ├── QuotaExceeded        OSError                 the store is full or capped
    ├── SyncIncomplete       RuntimeError            some files of a folder did not arrive
    ├── MissingExtraError    ImportError             an optional dependency is not installed
    └── UnknownSchemeError   ValueError              no backend for a URL

Every error carries its fields and pickles. None of them ever holds a credential.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class ExpcoreError(Exception):
    """Base of all errors of this package."""

    _fields: tuple[object, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the fields: ``OSError`` keeps its own idea of ``args``."""
        return type(self), self._fields


class UndigestableError(ExpcoreError, TypeError):
    """A value, or a part of it, has no content that a digest could stand for.

    Attributes:
        path: Where in the value, as Python would write it: ``args['model'].loader._lock``.
        type_name: The culprit's type.
        reason: Why, and what to do.
    """

    def __init__(self, path: str, type_name: str, reason: str) -> None:
        super().__init__(path, type_name, reason)
        self.path, self.type_name, self.reason = path, type_name, reason
        self._fields = path, type_name, reason

    def prepend(self, step: str) -> None:
        """Put one more step in front of the path, on the way out of a value."""
        self.__init__(step + self.path, self.type_name, self.reason)  # type: ignore[misc]

    def __str__(self) -> str:
        return f"cannot digest {self.path} ({self.type_name}): {self.reason}"


class InvalidKey(ExpcoreError, ValueError):
    """A name cannot be a key: some file system or store would not keep it as it is.

    Attributes:
        key: The name.
        reason: Which rule it breaks.
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason
        self._fields = key, reason

    def __str__(self) -> str:
        shown = self.key if len(self.key) <= 200 else f"{self.key[:200]}…"  # noqa: PLR2004
        return f"{shown!r} cannot be a key: {self.reason}"


class KeyNotFound(ExpcoreError, KeyError, FileNotFoundError):
    """The storage holds nothing under the key.

    Attributes:
        key: The key that was asked for.
        url: The storage that was asked.
    """

    def __init__(self, key: str, url: str = "") -> None:
        super().__init__(key, url)
        self.key, self.url = key, url
        self._fields = key, url
        self.errno = errno.ENOENT

    def __str__(self) -> str:
        return f"no key {self.key!r} in {self.url or 'the storage'}"


class KeyExists(ExpcoreError, FileExistsError):
    """The key is taken, and was asked to be claimed rather than overwritten.

    Attributes:
        key: The key that was to be claimed.
        url: The storage that holds it.
    """

    def __init__(self, key: str, url: str = "") -> None:
        super().__init__(errno.EEXIST, "the key is taken")
        self.key, self.url = key, url
        self._fields = key, url

    def __str__(self) -> str:
        return f"key {self.key!r} is already taken in {self.url or 'the storage'}"


class _StorageTrouble(ExpcoreError):
    """Shared by the errors of a remote: what was done, where, and what came back."""

    number = errno.EIO
    remedy = ""

    def __init__(self, url: str, action: str, detail: str) -> None:
        if isinstance(self, OSError):
            super().__init__(self.number, detail)
        else:
            super().__init__(detail)
        self.url, self.action, self.detail = url, action, detail
        self._fields = url, action, detail

    def __str__(self) -> str:
        return f"{self.action} at {self.url} failed: {self.detail}; {self.remedy}"


class StorageUnavailable(_StorageTrouble, ConnectionError):
    """The storage did not answer, or said that it is busy: another try may work.

    Attributes:
        url: The storage.
        action: What was tried, for instance ``write 'a/b'``.
        detail: What came back.
        retry_after_s: Seconds the service asked to wait, if it said so.
    """

    number = errno.ECONNABORTED
    remedy = "check the network and the service's status, then try again"

    def __init__(
        self, url: str, action: str, detail: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(url, action, detail)
        self.retry_after_s = retry_after_s
        self._fields = url, action, detail, retry_after_s


class AccessDenied(_StorageTrouble, PermissionError):
    """The credentials are missing, wrong, expired, or do not allow the action.

    Attributes:
        url: The storage.
        action: What was tried.
        detail: What came back.
    """

    number = errno.EACCES
    remedy = "check the key and what it is allowed to do"


class IntegrityError(_StorageTrouble, ValueError):
    """The bytes that arrived are not the ones that were promised.

    Attributes:
        url: The storage.
        action: What was tried.
        detail: Both digests or sizes.
    """

    remedy = "nothing was put in place; try again, and suspect the disk or the network"


class QuotaExceeded(_StorageTrouble, OSError):
    """The storage is full, or a cap on storage or spending is reached.

    Attributes:
        url: The storage.
        action: What was tried.
        detail: What came back.
    """

    number = errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC
    remedy = "free some space or raise the cap"


class SyncIncomplete(ExpcoreError, RuntimeError):
    """Some files could not be transferred; all others were.

    Attributes:
        failed: The error by key.
        report: The :class:`~expcore.SyncReport` of what was done.
    """

    def __init__(self, failed: Mapping[str, Exception], report: object) -> None:
        super().__init__(dict(failed), report)
        self.failed, self.report = dict(failed), report
        self._fields = self.failed, report

    def __str__(self) -> str:
        shown = "; ".join(f"{key}: {error}" for key, error in [*self.failed.items()][:3])
        more = f"; and {len(self.failed) - 3} more" if len(self.failed) > 3 else ""  # noqa: PLR2004
        return f"{len(self.failed)} files were not transferred, try again: {shown}{more}"


class MissingExtraError(ExpcoreError, ImportError):
    """Something needs a dependency that is installed only on request.

    Attributes:
        need: What was asked for.
        extra: The extra that brings it.
    """

    def __init__(self, need: str, extra: str) -> None:
        super().__init__(need, extra)
        self.need, self.extra = need, extra
        self._fields = need, extra

    def __str__(self) -> str:
        return (
            f"{self.need} needs the extra {self.extra!r} of expcore: "
            f"pip install './packages/expcore[{self.extra}]' from a checkout"
        )


class UnknownSchemeError(ExpcoreError, ValueError):
    """No backend is known for a URL.

    Attributes:
        url: The URL, without credentials.
        known: The schemes that are known.
    """

    def __init__(self, url: str, known: Sequence[str]) -> None:
        super().__init__(url, tuple(known))
        self.url, self.known = url, tuple(known)
        self._fields = url, self.known

    def __str__(self) -> str:
        return (
            f"no storage backend for {self.url!r}; known schemes are {', '.join(self.known)}. "
            "Packages add schemes by the entry-point group 'expcore.storage'"
        )
