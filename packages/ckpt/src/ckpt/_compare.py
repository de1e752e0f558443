"""What differs between two checkpoints, whether one is whole, and the average of several."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from ckpt._collection import VarCollection
from ckpt._dtypes import as_numbers, name_of_dtype
from ckpt._io import save_var_collection
from ckpt._load import as_known
from ckpt._reader import NpzReader, open_npz
from ckpt.errors import DtypeMismatchError, MissingVariablesError, ShapeMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ckpt._dtypes import Array

NAMES_AT_ONCE = 256


def differences(first: Path, second: Path) -> Iterator[str]:
    """Yield one line for each variable that differs: how, and by how much."""
    with open_npz(first) as a, open_npz(second) as b:
        for name in [*a.names, *(name for name in b.names if name not in a.index)]:
            if name not in b.index:
                yield f"- {name}"
            elif name not in a.index:
                yield f"+ {name}"
            elif line := _difference(a.read([name])[name], b.read([name])[name]):
                yield f"~ {name}  {line}"


def _difference(a: Array, b: Array) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        before, after = ((f"{name_of_dtype(x.dtype)} {x.shape}") for x in (a, b))
        return f"{before} -> {after}"
    if a.tobytes() == b.tobytes():
        return ""
    x, y = as_numbers(as_known(a)), as_numbers(as_known(b))
    if x is None or y is None:
        return "other values"
    exact = np.complex128 if x.dtype.kind == "c" else np.float64
    # A NaN against a NaN is no difference; against a number it is one of unknown size.
    other = (x != y) & ~((x != x) & (y != y))  # noqa: PLR0124
    apart = np.abs(x.astype(exact) - y.astype(exact))
    size = np.nanmax(apart, initial=0.0)
    return f"{np.count_nonzero(other)} of {a.size} differ, by up to {size:.6g}"


def verify(path: Path) -> tuple[int, int]:
    """Read a whole checkpoint and check every sum; the number of variables, and of bytes.

    Raises:
        BrokenFileError: It is not whole.
    """
    with open_npz(path) as reader:
        total = 0
        reader.meta()
        for start in range(0, len(reader.names), NAMES_AT_ONCE):
            arrays = reader.read(reader.names[start : start + NAMES_AT_ONCE])
            total += sum(array.nbytes for array in arrays.values())
        return len(reader.names), total


def average(paths: Sequence[Path], target: Path) -> int:
    """Save the mean of the variables of several checkpoints; the number of variables.

    Numbers with a fraction are averaged in float64, or complex128; whole numbers and the rest,
    such as steps, are taken from the last checkpoint. bfloat16 needs ``ml_dtypes`` to stay so.

    Raises:
        MissingVariablesError, ShapeMismatchError, DtypeMismatchError: They are of different
            variables.
    """
    with ExitStack() as files:
        readers = [files.enter_context(open_npz(path)) for path in paths]
        last = readers[-1]
        arrays: dict[str, Any] = {}
        for name in last.names:
            arrays[name] = _mean(name, readers)
        save_var_collection(target, VarCollection(arrays))
        return len(arrays)


def _mean(name: str, readers: Sequence[NpzReader]) -> Array:
    total: Any = None
    last = readers[-1].read([name])[name]
    numbers = as_numbers(as_known(last))
    if numbers is None or numbers.dtype.kind in "biu":
        return last
    for reader in readers:
        if name not in reader.index:
            raise MissingVariablesError(reader.path, [name], [])
        array = reader.read([name])[name]
        if array.shape != last.shape:
            raise ShapeMismatchError(reader.path, name, array.shape, last.shape)
        if array.dtype != last.dtype:
            raise DtypeMismatchError(reader.path, name, str(array.dtype), str(last.dtype))
        exact = np.complex128 if array.dtype.kind == "c" else np.float64
        value = as_numbers(as_known(array))
        assert value is not None  # noqa: S101 -- of the dtype that had numbers above
        total = value.astype(exact) if total is None else total + value
    mean: Array = (total / len(readers)).astype(numbers.dtype)
    return mean
