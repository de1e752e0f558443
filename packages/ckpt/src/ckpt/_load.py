"""Open a checkpoint as a mapping from names to arrays, each read when it is asked for."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np

from ckpt._ahead import Ahead
from ckpt._dtypes import Array, known_dtype
from ckpt._malformed import Malformed, blamed
from ckpt._npy import shaped
from ckpt._reader import NpzReader, open_npz
from ckpt._source import FileOrPath, PathSource, StreamSource, name_of

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def load(file: FileOrPath, *, mapped: bool = False, verify: bool = True) -> Loaded:
    """Open a checkpoint for reading arrays by name.

    Args:
        file: A path, or a seekable binary file object, which stays open.
        mapped: Give read-only arrays that are the file itself, mapped into memory, instead of
            copies: of many bytes only those that are used are kept.
        verify: Whether the checksum of an array is verified when it is first taken, for which all
            of it is read. Without that, nothing of a mapped one is read before it is used.

    Returns:
        A mapping, which is also a context that closes the file.

    Raises:
        BrokenFileError: It is not a whole checkpoint; also from reading an array (ValueError).
        FileNotFoundError: There is no such file.
        OSError: ``mapped`` is asked for of a file object that is no file of the system.

    >>> import ckpt
    >>> ckpt.save_var_collection("net.npz", ckpt.VarCollection({"w": np.ones(2), "step": 3}))
    >>> with ckpt.load("net.npz") as arrays:
    ...     print(sorted(arrays), arrays["w"])
    ['step', 'w'] [1. 1.]
    """
    return Loaded(file, mapped=mapped, verify=verify)


class Loaded(Mapping[str, Any]):
    """The arrays of a checkpoint; see :func:`ckpt.load`."""

    def __init__(self, file: FileOrPath, *, mapped: bool, verify: bool) -> None:
        self.path = name_of(file)
        self._verify, self._verified = verify, set[str]()
        self._read = dict[str, Array]()  # ahead, and not asked for yet
        self._is_open = True
        with ExitStack() as files:
            self._reader = files.enter_context(open_npz(file))
            self._ahead = Ahead(self._reader)
            self._map = _mapped(self._reader) if mapped else None
            self._files = files.pop_all()

    def __getitem__(self, name: str) -> Array:
        found = self._read.pop(name, None)
        if found is not None:
            self._ahead.passed(name)
            return found.copy(order="K")  # else it would keep all that were read with it
        if name not in self._reader.index:
            raise KeyError(name)
        reader, whole = self._opened(), self._map
        with blamed(self.path):
            if whole is None:
                return self._copied(name)
            if self._verify and name not in self._verified:
                self._verified.update(self._together(name, reader.verify)[0])
            start, header = reader.place(name)
            begin = start + header.length
            return as_known(shaped(whole[begin : begin + header.nbytes], header))

    def _copied(self, name: str) -> Array:
        read = partial(self._reader.read, verify=self._verify)
        names, arrays = self._together(name, read)
        ahead = {each: as_known(array) for each, array in arrays.items()}
        found = ahead.pop(name)
        self._read = ahead  # whole: another thread may take from it at once
        return found if len(names) == 1 else found.copy(order="K")

    def _together(self, name: str, do: Callable[[list[str]], T]) -> tuple[list[str], T]:
        """Do something to an array, and to those that may be asked for next if they are whole."""
        names = self._ahead.together(name)
        if len(names) > 1:
            with suppress(Malformed):
                return names, do(names)
        return [name], do([name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.names)

    def __len__(self) -> int:
        return len(self._reader.names)

    def __contains__(self, name: object) -> bool:
        return name in self._reader.index

    def __repr__(self) -> str:
        return f"<ckpt.load({self.path!r}): {len(self)} arrays>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def extra(self) -> Any:
        """The plain data given to ``save(..., extra=…)``."""
        with blamed(self.path):
            return self._opened().meta().get("extra")

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers given to ``save(..., metrics=…)``."""
        with blamed(self.path):
            found: Mapping[str, float] = self._opened().meta().get("metrics", {})
            return found

    def close(self) -> None:
        """Close the file; arrays that were read, or mapped, stay valid."""
        self._is_open = False
        self._read.clear()
        self._files.close()

    def _opened(self) -> NpzReader:
        if not self._is_open:
            raise ValueError(f"{self.path} was closed; take what is needed before")
        return self._reader


def _mapped(reader: NpzReader) -> Array:
    """The whole file that is open: another may have its name by now."""
    descriptor = cast("PathSource | StreamSource", reader.source).file.fileno()
    return np.frombuffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ), np.uint8)


def as_known(array: Array) -> Array:
    """An array of an extended type as that type, if ``ml_dtypes`` is installed."""
    known = known_dtype(array.dtype)
    return array if known is None else array.view(known)


load.__module__ = Loaded.__module__ = "ckpt"
