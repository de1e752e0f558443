"""From a URL or a path to a storage."""

# pyright: reportMissingTypeStubs=false

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from expcore._local import LocalStorage
from expcore._memory import MemoryStorage
from expcore._urls import without_credentials
from expcore.errors import MissingExtraError, UnknownSchemeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoints

    from expcore._storage import Storage

GROUP = "expcore.storage"
# Two letters at least: `C:\\data` is a path.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")


def open_storage(url: str | os.PathLike[str]) -> Storage:
    """Open the storage that a URL or a path names.

    ======================  =================================================================
    ``folder``, ``file:…``  a folder, made when first written to
    ``memory:``             a new, empty one in this process's memory
    ``b2://bucket/prefix``  Backblaze B2 (extra ``b2``)
    ``s3://…``, ``gs://…``  and every other scheme that fsspec knows (extra ``fsspec``)
    ======================  =================================================================

    Other packages add schemes by the entry-point group ``expcore.storage``: the entry point's
    name is the scheme and it loads a function from the URL to a :class:`~expcore.Storage`.

    Raises:
        UnknownSchemeError: Nothing is known for the scheme.
        MissingExtraError: What the scheme needs is not installed.

    >>> open_storage("memory:").url
    'memory:'
    """
    text = os.fspath(url)
    match = _SCHEME.match(text) if isinstance(url, str) else None
    if match is None:
        return LocalStorage(Path(text).expanduser())
    scheme = match[1].lower()
    if scheme in _BUILT_IN:
        return _BUILT_IN[scheme](text)
    for entry in _entry_points().select(name=scheme):
        opener: Callable[[str], Storage] = entry.load()
        return opener(text)
    if "://" in text and (found := _open_fsspec(text, scheme)) is not None:
        return found
    raise UnknownSchemeError(without_credentials(text), known_schemes())


def known_schemes() -> tuple[str, ...]:
    """Return the schemes that :func:`open_storage` can be given, fsspec's own left out."""
    return tuple(sorted({*_BUILT_IN, *_entry_points().names}))


def _entry_points() -> EntryPoints:
    from importlib.metadata import entry_points  # a quarter of the package's import time

    return entry_points(group=GROUP)


def _open_file(url: str) -> Storage:
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise ValueError(
            f"{without_credentials(url)!r} names the host {parts.hostname!r}; write file:///folder"
        )
    if parts.query or parts.fragment:
        raise ValueError(
            f"more follows the folder of {without_credentials(url)!r}; "
            "write %23 for '#' and %3F for '?'"
        )
    if os.name == "nt":
        from urllib.request import url2pathname

        return LocalStorage(url2pathname(parts.path))
    return LocalStorage(unquote(parts.path))


def _open_memory(_: str) -> Storage:
    return MemoryStorage()


def _open_b2(url: str) -> Storage:
    from expcore._b2 import open_b2
    from expcore._retry import RetryingStorage

    return RetryingStorage(open_b2(url))


def _open_fsspec(url: str, scheme: str) -> Storage | None:
    try:
        from fsspec.registry import known_implementations, registry
    except ImportError:
        if scheme in _FSSPEC_COMMON:
            raise MissingExtraError(f"the storage {without_credentials(url)}", "fsspec") from None
        return None
    if scheme not in known_implementations and scheme not in registry:
        return None
    from expcore._fsspec import FsspecStorage
    from expcore._retry import RetryingStorage

    return RetryingStorage(FsspecStorage(url))


_FSSPEC_COMMON = {"abfs", "az", "gcs", "gs", "hdfs", "s3", "sftp", "smb", "ssh"}
_BUILT_IN: dict[str, Callable[[str], Storage]] = {
    "b2": _open_b2,
    "file": _open_file,
    "memory": _open_memory,
}
