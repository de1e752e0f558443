"""Everything this package raises or warns about on purpose.

::

    PersistError
    ├── ConfigError(ValueError)               a setting or a parameter that cannot be meant
    ├── UnkeyableArgumentError(TypeError)     an argument that has no digest
    ├── UnkeyableFunctionError(TypeError)     a function whose closure has no digest
    ├── UnsafePathError(PermissionError)      others may write where pickles are read
    └── NotCachedError(LookupError)           a read-only call without an entry
    PersistWarning(UserWarning)               a result could not be kept, or not be read back

Errors keep their facts as fields and can be pickled.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class PersistError(Exception):
    """Base of this package's errors."""


class ConfigError(PersistError, ValueError):
    """A setting or a parameter that cannot be meant."""

    def __init__(self, where: str, found: object, expected: str) -> None:
        super().__init__(where, found, expected)
        self.where, self.found, self.expected = where, found, expected

    def __str__(self) -> str:
        return f"{self.where} is {self.found!r}; it must be {self.expected}"


class UnkeyableArgumentError(PersistError, TypeError):
    """An argument has no digest, so calls with it cannot be told apart."""

    def __init__(self, function: str, argument: str, reason: str) -> None:
        super().__init__(function, argument, reason)
        self.function, self.argument, self.reason = function, argument, reason

    def __str__(self) -> str:
        return (
            f"the argument {self.argument!r} of {self.function} cannot be part of a cache key: "
            f"{self.reason}. If the result does not depend on it, decorate with "
            f"skip_kwargs=[{self.argument!r}]; else pass something that can be digested"
        )


class UnkeyableFunctionError(PersistError, TypeError):
    """A function's closure has no digest, so versions of it cannot be told apart."""

    def __init__(self, function: str, reason: str) -> None:
        super().__init__(function, reason)
        self.function, self.reason = function, reason

    def __str__(self) -> str:
        return (
            f"the closure of {self.function} cannot be part of a cache key: {self.reason}. Pass "
            f"it as an argument, or decorate with version='1' to name the code by hand"
        )


class UnsafePathError(PersistError, PermissionError):
    """Others may write a file or folder whose pickles would be run."""

    def __init__(self, path: Path, mode: int, reason: str, remedy: str) -> None:
        super().__init__(errno.EACCES, reason, str(path))
        self.path, self.mode, self.reason, self.remedy = path, mode, reason, remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.mode, self.reason, self.remedy)

    def __str__(self) -> str:
        return (
            f"{self.path} (mode {self.mode:04o}) {self.reason}, and reading a cached result can "
            f"run code from it. Either {self.remedy}, or, if you trust everyone who may write "
            f"there, decorate with trust=True"
        )


class NotCachedError(PersistError, LookupError):
    """A call that may only read found no entry."""

    def __init__(self, function: str, path: Path) -> None:
        super().__init__(function, path)
        self.function, self.path = function, path

    def __str__(self) -> str:
        return (
            f"{self.function} was called with cache_switch='readonly', and {self.path} has no "
            f"entry for these arguments; call it with 'cache' to compute one"
        )


class PersistWarning(UserWarning):
    """A result could not be kept on disk or read back from it; the call itself is right."""
