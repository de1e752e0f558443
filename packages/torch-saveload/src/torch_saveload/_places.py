"""Paths and URLs: a model file on this machine, or a key of a storage that is copied here."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from expcore import ExpcoreError, KeyNotFound, Stat, open_storage

from ._shards import SUFFIX, index_path, listed, own_shard, shard_names
from .errors import FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Generator

    from expcore import Storage

_DAY_S = 24 * 60 * 60
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
        with suppress(ExpcoreError, FormatError, OSError):  # in the way, but not ours to insist on
            _sweep(storage, key)


def _sweep(storage: Storage, key: str) -> None:
    """Remove the shards of uploads that were killed: no index names them, and a day has passed.

    Of a set that is still on its way some shard is younger.
    """
    path, sets = Path(key), dict[str, list[Stat]]()
    ours = own_shard(path.stem)
    for found in storage.list(f"{path.stem}-"):
        if isinstance(found, Stat) and (match := ours.fullmatch(found.key)):
            sets.setdefault(match[1], []).append(found)
    old = [
        shards
        for shards in sets.values()
        if max(shard.mtime for shard in shards) < time.time() - _DAY_S
    ]
    if not old:
        return
    named = set[str]()
    if storage.exists(index := key + SUFFIX):
        named.update(listed(storage.read(index), index)[0].values())
    for shard in chain.from_iterable(old):
        if shard.key not in named:
            storage.delete(shard.key)


def _shards_at(storage: Storage, key: str) -> set[str]:
    return shard_names(storage.read(key)) if storage.exists(key) else set()
