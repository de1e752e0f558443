"""Paths and URLs: a model file on this machine, or a key of a storage that is copied here."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from ._shards import SUFFIX, index_path, listed, shard_names

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from expcore import Storage

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
    storage = open_storage(url)
    with TemporaryDirectory(prefix="torch_saveload-") as folder:
        copy = Path(folder, key)
        try:
            try:
                storage.download(key, copy)
            except KeyNotFound:
                if copy.suffix != ".safetensors":
                    raise
                copy = index_path(copy)
                storage.download(copy.name, copy)
            if copy.name.endswith(SUFFIX):
                files, _ = listed(copy.read_bytes(), str(place))
                for name in set(files.values()):
                    storage.download(name, copy.with_name(name))
        except KeyNotFound as error:
            raise FileNotFoundError(f"there is no {place}") from error
        yield copy


def upload(files: list[Path], url: str, *, overwrite: bool) -> None:
    """Put a file, or the files of a set and then its index, at a URL.

    Raises:
        FileExistsError: There is one, and ``overwrite`` is false.
    """
    from expcore import open_storage

    prefix, _, key = url.rpartition("/")
    storage = open_storage(prefix)
    safe = key.endswith(".safetensors")
    *shards, last = files
    other = key if shards else key + SUFFIX
    if not overwrite and safe and (storage.exists(other) or storage.exists(last.name)):
        raise FileExistsError(f"{url} exists, and overwrite=False: nothing was written")
    former = _shards_at(storage, key + SUFFIX) if safe else set[str]()
    for file in shards:
        storage.upload(file, file.name)
    if overwrite:
        storage.upload(last, last.name)
    else:
        storage.write_new(last.name, last)
    if safe:
        for name in (other, *former.difference(file.name for file in shards)):
            storage.delete(name)


def _shards_at(storage: Storage, key: str) -> set[str]:
    return shard_names(storage.read(key)) if storage.exists(key) else set()
