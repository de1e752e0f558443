"""An open model file: its index, and the bytes of its tensors where they lie in memory."""

from __future__ import annotations

import mmap
import os
from bisect import bisect_right
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from expcore import digest_bytes

from ._bytes import PiecewiseDigest, tensor_from_bytes
from ._compress import decompress, decompressed
from ._index import INDEX_NAME, Index, TensorRecord
from ._index_read import decode_index
from ._mapped import PIECE_BYTES, fetch_pages, mapped, open_ordinary
from ._progress import late_progress
from ._safetensors import read_safetensors
from ._shards import SUFFIX, index_path, read_set
from ._unzip import ZipReader
from .errors import CorruptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from ._bytes import Buffer


_BATCH_BYTES = 4 << 20
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""How files of ``torch.save`` began before torch 1.6, and do with its switch to that format."""


class ModelFile:
    """An open model file. What is read from it stays valid after it is closed or replaced."""

    def __init__(self, path: Path) -> None:
        """Read the index of a model file, or find out that it is another kind of file.

        Raises:
            FileNotFoundError: There is none.
            FormatError: It is no zip, or a damaged one.
        """
        self.index: Index | None = None
        self.is_zip = False
        while True:
            place = _file_or_index(path)
            self.path = str(place)
            self._parts: list[tuple[int, memoryview]] = []
            try:
                if place.name.endswith(SUFFIX):
                    self._open_set(place)
                else:
                    self._open(place)
            except FileNotFoundError:
                if place == _file_or_index(path):
                    raise
                continue  # a set has taken the place of a file meanwhile, or a file that of a set
            break
        self.size = sum(len(data) for _, data in self._parts)

    def _open_set(self, path: Path) -> None:
        while True:
            with open_ordinary(path) as file:
                before = file.read()
            try:
                self.index, starts = read_set(before, path)
                self._parts = []
                for shard, start in starts.items():
                    with open_ordinary(shard) as file:
                        self._parts.append((start, memoryview(mapped(file))))
            except FileNotFoundError:
                if path.read_bytes() == before:
                    raise
                continue  # another set has taken its place: its files are there
            return

    def _open(self, path: Path) -> None:
        with open_ordinary(path) as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(len(_LEGACY))
            if start == _LEGACY:
                return
            file.seek(0)
            self.is_zip = start[8:9] != b"{"
            if self.is_zip:
                members = ZipReader(file, self.path)
                if INDEX_NAME in members:
                    self.index = decode_index(members.read(INDEX_NAME), self.path, size)
                else:
                    members.refuse_compressed()
            else:
                self.index = read_safetensors(file, self.path, size)
            if self.index is not None:
                self._parts.append((0, memoryview(mapped(file))))

    def stored(self, record: TensorRecord, *, fetch: bool = False) -> memoryview:
        """Return the bytes of a tensor as they are in the file.

        Args:
            record: What the index says of it.
            fetch: Whether all of them will be read now.
        """
        start, data = self._parts[0]
        if record.offset >= start + len(data):  # a later file of a set
            number = bisect_right(self._parts, record.offset, key=lambda part: part[0])
            start, data = self._parts[number - 1]
        at = record.offset - start
        if fetch and record.size >= PIECE_BYTES and isinstance(data.obj, mmap.mmap):
            fetch_pages(data.obj, at, at + record.size)
        return data[at : at + record.size]

    def tensor(self, name: str, *, verify: bool) -> Tensor:
        """Return a tensor over private memory.

        Raises:
            CorruptError: Its bytes are not those that were saved.
        """
        assert self.index is not None  # noqa: S101 - only called on model files
        record = self.index.tensors[name]
        data: Buffer = self.stored(record)
        if record.blocks is not None:
            try:
                data = decompress(data, record.blocks, record.nbytes)
            except ValueError as error:
                raise CorruptError(self.path, f"tensor {name}: {error}") from error
        if verify and record.digest and digest_bytes(data) != record.digest:
            raise CorruptError(self.path, "a tensor is not what was saved", [name])
        return tensor_from_bytes(data, record.dtype, record.shape, record.stride)

    def damaged(self, *, compressed: bool = True) -> list[str]:
        """Return the names of tensors whose bytes are not those that were saved.

        Args:
            compressed: Whether to look at compressed tensors, too.
        """
        assert self.index is not None  # noqa: S101 - only called on model files
        unique = {
            record.offset: (name, record)
            for name, record in self.index.tensors.items()
            if record.size and record.digest and (compressed or record.blocks is None)
        }

        def damaged(items: list[tuple[str, TensorRecord]]) -> list[str]:
            return [name for name, record in items if self._is_damaged(record)]

        batches = list(_batches(unique.values()))
        sizes = [sum(record.size for _, record in batch) for batch in batches]
        with (
            late_progress(f"verify {Path(self.path).name}", sum(sizes)) as advance,
            ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            names: list[str] = []
            for found, size in zip(pool.map(damaged, batches), sizes, strict=True):
                names += found
                advance(size)
            return names

    def _is_damaged(self, record: TensorRecord) -> bool:
        data = self.stored(record, fetch=True)
        if record.blocks is None:
            return digest_bytes(data) != record.digest
        digest = PiecewiseDigest()  # all at once may be more than memory: that is the file's word
        try:
            for block in decompressed(data, record.blocks, record.nbytes):
                digest.update(block)
        except ValueError:
            return True
        return str(digest) != record.digest


def _file_or_index(path: Path) -> Path:
    """Return the path, or the index of its set where there is only that."""
    if path.suffix == ".safetensors" and not path.exists() and index_path(path).exists():
        return index_path(path)
    return path


def _batches(
    items: Iterable[tuple[str, TensorRecord]],
) -> Iterator[list[tuple[str, TensorRecord]]]:
    """Yield tensors in groups that are worth a task each."""
    batch: list[tuple[str, TensorRecord]] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item[1].size
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
