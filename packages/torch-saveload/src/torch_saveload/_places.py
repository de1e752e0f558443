"""Paths and URLs: a model file on this machine, or a key of a storage that is copied here."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

Place: TypeAlias = "str | os.PathLike[str]"


def is_url(place: Place) -> bool:
    """Tell whether it names a key of a storage: ``s3://bucket/models/net.pth``."""
    return isinstance(place, str) and "://" in place


@contextmanager
def local_copy(place: Place) -> Generator[Path]:
    """Give the file of a path, or a copy of what a URL names for as long as the block runs.

    Raises:
        FileNotFoundError: There is none.
    """
    if not is_url(place):
        yield Path(place)
        return
    from expcore import KeyNotFound, open_storage

    url, _, key = str(place).rpartition("/")
    with TemporaryDirectory(prefix="torch_saveload-") as folder:
        copy = Path(folder, key)
        try:
            open_storage(url).download(key, copy)
        except KeyNotFound as error:
            raise FileNotFoundError(f"there is no {place}") from error
        yield copy


def upload(file: Path, url: str, *, overwrite: bool) -> None:
    """Put a file at a URL.

    Raises:
        FileExistsError: There is one, and ``overwrite`` is false.
    """
    from expcore import open_storage

    prefix, _, key = url.rpartition("/")
    storage = open_storage(prefix)
    if overwrite:
        storage.upload(file, key)
    else:
        storage.write_new(key, file)
