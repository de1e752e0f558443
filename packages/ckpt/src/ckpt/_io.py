"""Save a collection to one file, and load it back."""

from __future__ import annotations

import errno
import io
import os
import stat
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ckpt._assign import Options, Report, as_patterns, restore_variables
from ckpt._collection import alias_sets, check_collection
from ckpt._convert import to_array
from ckpt._direct import write_npz
from ckpt._dtypes import portable as as_portable
from ckpt._events import announce
from ckpt._npz import encode_npz, plan_npz
from ckpt._progress import slow_progress
from ckpt._reader import open_npz
from ckpt._source import is_path
from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from typing_extensions import Buffer

    from ckpt._dtypes import Array
    from ckpt._rename import Renamer
    from ckpt._source import FileOrPath


DEEPEST = 100
"""Levels of plain data: Python reads no more than the depth of the reader's own calls allows."""


def save_var_collection(
    file: FileOrPath,
    vc: Any,
    *,
    metrics: Mapping[str, float] | None = None,
    extra: Any = None,
    portable: bool = False,
) -> None:
    """Save the values of all variables of a collection.

    A variable with several names, and one that others refer to, is stored once, under its first
    name. Given a path, the file appears whole or not at all, and has reached the disk when this
    returns; given a file object, the bytes are written to it, at its position.

    Args:
        file: A path, or a binary file object open for writing.
        vc: A mapping from names to variables: objax's, a dict, :class:`ckpt.VarCollection`,
            :func:`ckpt.torch_variables`.
        metrics: Numbers that tell how good the values are, such as ``{"loss": 0.3}``.
        extra: Plain JSON data to store beside the values.
        portable: Store bfloat16 and float8 as float32, which objax can read.

    Raises:
        NotAVarCollectionError: ``vc`` is no such mapping.
        UnsupportedValueError: A value is no plain array: Python objects are never stored.
        OSError: The file could not be written; an older one is as it was.

    >>> import ckpt
    >>> import numpy as np
    >>> vc = ckpt.VarCollection({"w": np.arange(3.0)})
    >>> ckpt.save_var_collection("net.npz", vc, extra={"epoch": 3})
    >>> vc["w"].assign(np.zeros(3))
    >>> ckpt.load_var_collection("net.npz", vc).extra
    {'epoch': 3}
    >>> vc["w"].value
    array([0., 1., 2.])
    """
    arrays = collect_arrays(vc)
    if portable:
        arrays = {name: as_portable(name, array) for name, array in arrays.items()}
    meta = plain_meta(metrics, extra)
    if not is_path(file):
        _write_all(file, encode_npz(arrays, meta))
        return
    path = os.fspath(file)
    if _is_device(path):  # nothing is to take its place
        with open(path, "wb") as device:  # noqa: PTH123
            _write_all(device, encode_npz(arrays, meta))
        return
    plan = plan_npz(arrays, meta)
    with slow_progress(f"save {path}", plan.layout.end) as advance:
        write_npz(path, plan, advance)
    announce(path)


def load_var_collection(
    file: FileOrPath,
    vc: Any,
    renamer: Renamer | None = None,
    *,
    only: str | Iterable[str] | None = None,
    strict: bool = True,
    cast: bool = False,
) -> Report:
    """Assign to all variables of a collection the values that a file has for them.

    Everything is read, its checksums verified, and checked before anything is assigned: if this
    raises, every variable is as it was. What the file holds beyond the collection is passed over.

    Args:
        file: A path, or a seekable binary file object open for reading.
        vc: A mapping from names to variables.
        renamer: Takes a name in the file and gives the name in the collection; or a mapping of
            names, where ``{"encoder/*": "backbone/*"}`` renames all that begin so.
        only: Shell patterns; a variable none of whose names fit is left alone. With ``strict``,
            a pattern that fits no variable is an error.
        strict: Whether a variable that the file lacks is an error; otherwise it is left alone.
        cast: Whether numbers of another dtype are converted, as long as only precision is lost.

    Returns:
        What became of each variable.

    Raises:
        BrokenFileError: The file is damaged, or holds what a checkpoint never holds (ValueError).
        MissingVariablesError: The file lacks a variable of the collection (ValueError).
        ShapeMismatchError: A variable has another shape (ValueError, AssertionError).
        DtypeMismatchError: A variable has another dtype (ValueError, AssertionError).
        InvalidOptionError: A pattern of ``only`` fits no variable (ValueError).
        NotAVarCollectionError: ``vc`` is no mapping from names to variables (TypeError).
    """
    check_collection(vc)  # what was asked for is judged before the file is
    with open_npz(file) as reader:
        return restore_variables(reader, vc, Options(renamer, as_patterns(only), strict, cast))


def collect_arrays(vc: Any) -> dict[str, Array]:
    """The values of a collection as arrays, each variable once, under its first name."""
    out: dict[str, Array] = {}
    for variable, (name, *_) in alias_sets(vc):
        value = variable.value
        out[name] = value if type(value) is np.ndarray else to_array(name, value)
    return out


def plain_meta(metrics: Mapping[str, float] | None, extra: Any) -> dict[str, Any]:
    """What is stored beside the arrays, checked to be plain.

    Raises:
        UnsupportedValueError: It would not come back as it is.
    """
    meta: dict[str, Any] = {}
    if metrics:
        meta["metrics"] = {str(name): _number(name, value) for name, value in metrics.items()}
    if extra is not None:
        _check_plain(extra, "extra")
        meta["extra"] = extra
    return meta


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UnsupportedValueError(f"metrics[{name!r}]", f"it is no number: {error}") from error


def _check_plain(value: Any, path: str, left: int = DEEPEST) -> None:
    if left == 0:
        reason = f"it is nested more than {DEEPEST} deep"
        raise UnsupportedValueError(path.partition("[")[0], reason)
    if isinstance(value, dict):
        entries: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        for key, inner in entries.items():
            if not isinstance(key, str):
                raise UnsupportedValueError(path, f"JSON has no key {key!r}, only text")
            _check_plain(inner, f"{path}[{key!r}]", left - 1)
    elif isinstance(value, list):
        items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        for i, inner in enumerate(items):
            _check_plain(inner, f"{path}[{i}]", left - 1)
    elif value is not None and type(value) not in (bool, int, float, str):
        raise UnsupportedValueError(path, f"a {type(value).__name__} is no plain JSON data")


def _is_device(path: str) -> bool:
    """Whether a path is that of a device or a pipe, such as /dev/null."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write_all(file: IO[bytes], pieces: Iterable[Buffer]) -> None:
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            count: Any = file.write(rest)
            if count is None and not isinstance(file, io.RawIOBase):
                break  # file-like objects need not count
            if not count:
                raise BlockingIOError(errno.EAGAIN, "the file takes no bytes now", str(file))
            rest = rest[count:]  # an unbuffered file may take a part only


save_var_collection.__module__ = load_var_collection.__module__ = "ckpt"
