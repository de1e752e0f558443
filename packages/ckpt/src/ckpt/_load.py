"""Open a checkpoint as a mapping from names to arrays, each read when it is asked for."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib import import_module
from typing import Any, Self

import numpy as np

from ckpt._dtypes import Array, is_named_bits
from ckpt._reader import blamed, open_npz


def load(path: str | os.PathLike[str], *, mapped: bool = False) -> Loaded:
    """Open a checkpoint for reading arrays by name.

    Args:
        path: The file.
        mapped: Give read-only arrays that are the file itself, mapped into memory: nothing is
            read before it is used, and checksums are not verified.

    Returns:
        A mapping, which is also a context that closes the file.

    Raises:
        BrokenFileError: It is not a whole checkpoint; also from reading an array (ValueError).
        FileNotFoundError: There is no such file.

    >>> import ckpt
    >>> ckpt.save_var_collection("net.npz", ckpt.VarCollection({"w": np.ones(2), "step": 3}))
    >>> with ckpt.load("net.npz") as arrays:
    ...     print(sorted(arrays), arrays["w"])
    ['step', 'w'] [1. 1.]
    """
    return Loaded(path, mapped=mapped)


class Loaded(Mapping[str, Any]):
    """The arrays of a checkpoint; see :func:`ckpt.load`."""

    def __init__(self, path: str | os.PathLike[str], *, mapped: bool) -> None:
        self.path = os.fspath(path)
        self._files = ExitStack()
        self._reader = self._files.enter_context(open_npz(path))
        self._map = self._mapped() if mapped else None

    def __getitem__(self, name: str) -> Array:
        if name not in self._reader.index:
            raise KeyError(name)
        if self._map is None:
            with blamed(self.path):
                return as_known(self._reader.read([name])[name])
        with blamed(self.path):
            return as_known(self._reader.place(name, self._map))

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
            return self._reader.meta().get("extra")

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers given to ``save(..., metrics=…)``."""
        with blamed(self.path):
            found: Mapping[str, float] = self._reader.meta().get("metrics", {})
            return found

    def close(self) -> None:
        """Close the file; arrays that were read, or mapped, stay valid."""
        self._files.close()

    def _mapped(self) -> Array:
        with open(self.path, "rb") as file:  # noqa: PTH123 -- the path may be bytes
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)


def as_known(array: Array) -> Array:
    """An array of an extended type as that type, if ``ml_dtypes`` is installed."""
    names = array.dtype.names
    if names is None or not is_named_bits(array.dtype):
        return array
    try:
        known = getattr(import_module("ml_dtypes"), names[0], None)
    except ImportError:
        return array
    return array if known is None else array.view(known)


load.__module__ = Loaded.__module__ = "ckpt"
