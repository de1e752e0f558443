"""From b2sdk's errors, and those of the libraries below it, to the ones of this package."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from expcore.errors import (
    AccessDenied,
    ExpcoreError,
    IntegrityError,
    KeyNotFound,
    QuotaExceeded,
    StorageUnavailable,
)

if TYPE_CHECKING:
    from collections.abc import Generator

_MISSING = {"FileNotPresent", "FileOrBucketNotFound", "ResourceNotFound", "FileDeleted"}
_DENIED = {"AccessDenied", "RestrictedBucket", "Unauthorized", "NotAllowedByAppKeyError"}
_CORRUPT = {"ChecksumMismatch", "FileSha1Mismatch", "PartSha1Mismatch", "TruncatedOutput"}
_FULL = {"CapExceeded", "MaxFileSizeExceeded"}
# Below b2sdk, and what it lets through.
_NETWORK = {"requests.exceptions", "urllib3.exceptions", "http.client", "ssl", "socket"}


@contextmanager
def translated(url: str, action: str, key: str | None = None) -> Generator[None]:
    """Raise this package's errors for those of b2sdk in the block.

    The cause is left out on purpose: a request's traceback and arguments hold tokens.
    """
    try:
        yield
    except ExpcoreError:
        raise
    except Exception as error:
        translation = _translate(error, url, action, key)
        if translation is None:
            raise
        raise translation from None


def _translate(error: Exception, url: str, action: str, key: str | None) -> Exception | None:
    kinds = type(error).__mro__
    names = {kind.__name__ for kind in kinds}
    if isinstance(error, AssertionError):  # b2sdk asserts that the SHA-1 replied is the one sent
        return IntegrityError(url, action, "the service received other bytes than were sent")
    if not any(kind.__module__.startswith("b2sdk.") for kind in kinds):
        network = {kind.__module__ for kind in kinds} & _NETWORK
        if network or isinstance(error, (ConnectionError, TimeoutError)):
            return StorageUnavailable(url, action, type(error).__name__)
        return None
    detail = _detail(error)
    if "NonExistentBucket" in names:
        return AccessDenied(url, action, "there is no such bucket, or the key may not see it")
    if names & _MISSING:
        return StorageUnavailable(url, action, detail) if key is None else KeyNotFound(key, url)
    if names & _DENIED:
        return AccessDenied(url, action, detail)
    if names & _CORRUPT or "sha1 did not match" in detail.lower():
        return IntegrityError(url, action, detail)
    if names & _FULL:
        return QuotaExceeded(url, action, detail)
    # Everything else b2sdk raises is about requests and replies, and another one may work.
    return StorageUnavailable(url, action, detail, _retry_after(error))


def _detail(error: Exception) -> str:
    name = type(error).__name__
    if name in {"UploadTokenUsedConcurrently", "InvalidAuthToken"}:  # their text holds the token
        return name
    return f"{name}: {error}"


def _retry_after(error: Exception) -> float | None:
    asked = getattr(error, "retry_after_seconds", None)
    if asked is None:  # what several attempts in b2sdk ended with
        asked = next(
            (
                inner.retry_after_seconds
                for inner in getattr(error, "exception_info_list", [])
                if getattr(inner, "retry_after_seconds", None) is not None
            ),
            None,
        )
    return None if asked is None else float(asked)
