"""What can go wrong with a checkpoint.

Each error is also the built-in kind that objax raises in the same place, so that code moves over::

    CkptError
    ├── BrokenFileError          ValueError                  not a whole, plain checkpoint file
    ├── CheckpointNotFoundError  FileNotFoundError           no checkpoint with that number
    ├── MissingVariablesError    ValueError                  no value for some of the variables
    ├── AmbiguousNameError       ValueError                  two stored variables, one name
    ├── ShapeMismatchError       ValueError, AssertionError  a value of another shape
    ├── DtypeMismatchError       ValueError, AssertionError  a value of another dtype
    ├── StateMismatchError       ValueError                  the state of another kind of object
    ├── NotAVarCollectionError   TypeError, AssertionError   no mapping of names to variables
    ├── UnsupportedValueError    TypeError, ValueError       a value that no npz file can hold
    └── InvalidOptionError       ValueError                  an option outside its range

    UserWarning
    └── BrokenCheckpointWarning  newer files were broken, an older one was restored
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "AmbiguousNameError",
    "BrokenCheckpointWarning",
    "BrokenFileError",
    "CheckpointNotFoundError",
    "CkptError",
    "DtypeMismatchError",
    "InvalidOptionError",
    "MissingVariablesError",
    "NotAVarCollectionError",
    "ShapeMismatchError",
    "StateMismatchError",
    "UnsupportedValueError",
]

SHOWN = 20


def listed(names: Sequence[str]) -> str:
    """Join names, the first twenty in full: a message about 70,000 variables is no help."""
    text = ", ".join(repr(name) for name in names[:SHOWN])
    return text if len(names) <= SHOWN else f"{text} and {len(names) - SHOWN} more"


class CkptError(Exception):
    """The base of all errors of this package."""


class BrokenFileError(CkptError, ValueError):
    """The file is not a whole checkpoint, or holds what a checkpoint never holds."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return (
            f"{self.path} is not a whole checkpoint: {self.reason}; "
            "it was left as it is, restore an older one or save it again"
        )


class CheckpointNotFoundError(CkptError, FileNotFoundError):
    """There is no checkpoint with the number asked for."""

    def __init__(self, path: str, found: Sequence[int]) -> None:
        super().__init__(path, found)
        self.path, self.found = path, tuple(found)

    def __str__(self) -> str:
        there = ", ".join(map(str, self.found)) or "none"
        return f"there is no checkpoint {self.path}; the numbers saved there: {there}"


class MissingVariablesError(CkptError, ValueError):
    """The file has no value for some of the variables being restored."""

    def __init__(self, path: str, missing: Sequence[str], unused: Sequence[str]) -> None:
        super().__init__(path, missing, unused)
        self.path, self.missing, self.unused = path, tuple(missing), tuple(unused)

    def __str__(self) -> str:
        text = f"{self.path} has no value for {listed(self.missing)}; nothing was assigned"
        if self.unused:
            text += f". It holds {listed(self.unused)}, which nothing asked for (renamed?)"
        return text


class AmbiguousNameError(CkptError, ValueError):
    """After renaming, two stored variables have the name of one that is being restored."""

    def __init__(self, path: str, name: str, stored: Sequence[str]) -> None:
        super().__init__(path, name, stored)
        self.path, self.name, self.stored = path, name, tuple(stored)

    def __str__(self) -> str:
        return (
            f"{self.path}: {listed(self.stored)} are all called {self.name!r} after renaming; "
            "nothing was assigned; let the renamer tell them apart"
        )


class ShapeMismatchError(CkptError, ValueError, AssertionError):
    """The stored value has another shape than the variable."""

    def __init__(
        self, path: str, name: str, stored: tuple[int, ...], expected: tuple[int, ...]
    ) -> None:
        super().__init__(path, name, stored, expected)
        self.path, self.name, self.stored, self.expected = path, name, stored, expected

    def __str__(self) -> str:
        return (
            f"variable {self.name!r} has shape {self.expected}, but {self.stored} "
            f"in {self.path}; nothing was assigned"
        )


class DtypeMismatchError(CkptError, ValueError, AssertionError):
    """The stored value has another dtype than the variable."""

    def __init__(self, path: str, name: str, stored: str, expected: str) -> None:
        super().__init__(path, name, stored, expected)
        self.path, self.name, self.stored, self.expected = path, name, stored, expected

    def __str__(self) -> str:
        return (
            f"variable {self.name!r} has dtype {self.expected}, but {self.stored} in {self.path}; "
            "nothing was assigned; give the variable the stored dtype first"
        )


class StateMismatchError(CkptError, ValueError):
    """The stored state belongs to another kind of object than the one being restored."""

    def __init__(self, path: str, name: str, reason: str) -> None:
        super().__init__(path, name, reason)
        self.path, self.name, self.reason = path, name, reason

    def __str__(self) -> str:
        return f"{self.name!r} in {self.path} does not fit: {self.reason}; nothing was assigned"


class NotAVarCollectionError(CkptError, TypeError, AssertionError):
    """Something else than a mapping from names to variables was given."""

    def __init__(self, found: str) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return (
            f"expected a mapping from names to variables, which have .value and .assign(), "
            f"but found {self.found}; wrap arrays in ckpt.VarCollection, torch objects in "
            "ckpt.torch_variables"
        )


class UnsupportedValueError(CkptError, TypeError, ValueError):
    """A variable's value, or its name, cannot be stored in an npz file."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name, self.reason = name, reason

    def __str__(self) -> str:
        return f"variable {self.name!r} cannot be stored: {self.reason}"


class InvalidOptionError(CkptError, ValueError):
    """An option has a value outside its range."""

    def __init__(self, option: str, value: object, expected: str) -> None:
        super().__init__(option, value, expected)
        self.option, self.value, self.expected = option, value, expected

    def __str__(self) -> str:
        return f"{self.option} is {self.value!r}, expected {self.expected}"


class BrokenCheckpointWarning(UserWarning):
    """Newer checkpoints were broken, so an older one was restored."""


for _name in __all__:
    globals()[_name].__module__ = "ckpt"  # the public name, in tracebacks and pickles
