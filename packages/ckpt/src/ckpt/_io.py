"""Save a collection to one file, and load it back."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

from ckpt._assign import Renamer, restore_variables
from ckpt._collection import alias_sets, check_collection
from ckpt._convert import to_array
from ckpt._events import announce
from ckpt._npz import encode_npz, open_npz
from expcore import write_file

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from ckpt._source import FileOrPath


def save_var_collection(file: FileOrPath, vc: Any) -> None:
    """Save the values of all variables of a collection.

    A variable with several names, and one that others refer to, is stored once, under its first
    name. Given a path, the file appears whole or not at all, and has reached the disk when this
    returns; given a file object, the bytes are written to it, at its position.

    Args:
        file: A path, or a binary file object open for writing.
        vc: A mapping from names to variables: objax's, a dict, :class:`ckpt.VarCollection`,
            :func:`ckpt.torch_variables`.

    Raises:
        NotAVarCollectionError: ``vc`` is no such mapping.
        UnsupportedValueError: A value is no plain array: Python objects are never stored.
        OSError: The file could not be written; an older one is as it was.

    >>> import ckpt
    >>> import numpy as np
    >>> vc = ckpt.VarCollection({"w": np.arange(3.0)})
    >>> ckpt.save_var_collection("net.npz", vc)
    >>> vc["w"].assign(np.zeros(3))
    >>> ckpt.load_var_collection("net.npz", vc)
    >>> vc["w"].value
    array([0., 1., 2.])
    """
    arrays = {
        aliases.names[0]: to_array(aliases.names[0], aliases.variable.value)
        for aliases in alias_sets(vc)
    }
    pieces = encode_npz(arrays)
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        write_file(path, pieces)
        announce(path)
    else:
        for piece in pieces:
            _write_all(file, piece)


def load_var_collection(file: FileOrPath, vc: Any, renamer: Renamer | None = None) -> None:
    """Assign to all variables of a collection the values that a file has for them.

    Everything is read, its checksums verified, and checked before anything is assigned: if this
    raises, every variable is as it was. What the file holds beyond the collection is passed over.

    Args:
        file: A path, or a seekable binary file object open for reading.
        vc: A mapping from names to variables.
        renamer: Takes a name in the file and gives the name in the collection.

    Raises:
        BrokenFileError: The file is damaged, or holds what a checkpoint never holds (ValueError).
        MissingVariablesError: The file lacks a variable of the collection (ValueError).
        ShapeMismatchError: A variable has another shape (ValueError, AssertionError).
        DtypeMismatchError: A variable has another dtype (ValueError, AssertionError).
        NotAVarCollectionError: ``vc`` is no mapping from names to variables (TypeError).
    """
    check_collection(vc)  # what was asked for is judged before the file is
    with open_npz(file) as reader:
        restore_variables(reader, vc, renamer)


def _write_all(file: IO[bytes], piece: Buffer) -> None:
    rest = memoryview(piece)
    while rest:
        count: Any = file.write(rest)
        if count is None:  # file-like objects need not count
            return
        rest = rest[count:]  # an unbuffered file may take a part only


save_var_collection.__module__ = load_var_collection.__module__ = "ckpt"
