"""Zips on this machine or in a storage: ``codebase.zip``, ``b2://bucket/codebase.zip``."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+:/.*)/([^/]+)")
"""A storage and a key in it. A scheme has two letters at least: ``C:/data`` is a path."""


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether the place is in a storage rather than a path."""
    return isinstance(place, str) and _URL.fullmatch(place) is not None


@contextmanager
def reading(place: str | os.PathLike[str]) -> Generator[Path]:
    """A local file with the zip, for the length of the block.

    Raises:
        FileNotFoundError: There is no such file.
        expcore.KeyNotFound: The storage has no such key.
    """
    found = _URL.fullmatch(place) if isinstance(place, str) else None
    if found is None:
        yield Path(place).expanduser()
        return
    from expcore import open_storage

    with _scratch() as folder:
        open_storage(found[1]).download(found[2], folder / "codebase.zip")
        yield folder / "codebase.zip"


@contextmanager
def writing(place: str | os.PathLike[str]) -> Generator[Path]:
    """A path to write the zip to; when the block ends well, the place holds it."""
    found = _URL.fullmatch(place) if isinstance(place, str) else None
    if found is None:
        path = Path(place).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
        return
    from expcore import open_storage

    storage = open_storage(found[1])  # before the work: a scheme may be unknown
    with _scratch() as folder:
        yield folder / "codebase.zip"
        storage.upload(folder / "codebase.zip", found[2])


@contextmanager
def _scratch() -> Generator[Path]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="codesave-") as folder:
        yield Path(folder)
