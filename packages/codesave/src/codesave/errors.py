"""What can go wrong, as one tree.

::

    CodesaveError
    ├── NotAFolderError (NotADirectoryError)       nothing to save at that path
    ├── NotAZipError (ValueError)                  the file is no zip, or a damaged one
    ├── HostileZipError (ValueError)               a member no honest zip of code has
    ├── DigestMismatchError (ValueError)           the zip is not the one that was pinned
    ├── UnsafeCacheError (PermissionError)         others can write to the cache of code
    ├── CodebaseNotCachedError (ModuleNotFoundError)   a pickle needs a codebase that is not here
    ├── ModuleNotInCodebaseError (ModuleNotFoundError) the codebase has no such module
    ├── CodebaseClosedError (RuntimeError)         asked for a module after ``close()``
    ├── CannotAssignError (RuntimeError)           ``import_`` cannot create a local variable
    ├── NoWandbError (expcore.MissingExtraError)   wandb is not installed
    ├── NoWandbRunError (RuntimeError)             ``wandb.init`` was not called
    └── NotInWandbRunError (LookupError)            the run holds no such codebase
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expcore import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "CannotAssignError",
    "CodebaseClosedError",
    "CodebaseNotCachedError",
    "CodesaveError",
    "DigestMismatchError",
    "HostileZipError",
    "ModuleNotInCodebaseError",
    "NoWandbError",
    "NoWandbRunError",
    "NotAFolderError",
    "NotAZipError",
    "NotInWandbRunError",
    "UnsafeCacheError",
]


class CodesaveError(Exception):
    """Any error that codesave raises on purpose."""


class NotAFolderError(CodesaveError, NotADirectoryError):
    """There is no folder to save at that path."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path!r} is not a folder; give the folder that holds your code"


class NotAZipError(CodesaveError, ValueError):
    """The file is not a zip, or a damaged one."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path!r} is not a readable zip file ({self.problem}); "
            "expected one that checkpoint() wrote. Was it copied or downloaded whole?"
        )


class HostileZipError(CodesaveError, ValueError):
    """The zip holds what no honest zip of code holds; nothing of it was written."""

    def __init__(self, path: str, member: str, problem: str) -> None:
        super().__init__(path, member, problem)
        self.path, self.member, self.problem = path, member, problem

    def __str__(self) -> str:
        where = f"member {self.member!r} of {self.path!r}" if self.member else repr(self.path)
        return f"{where} {self.problem}; nothing was extracted. Where does this zip come from?"


class DigestMismatchError(CodesaveError, ValueError):
    """The zip is not the one that was asked for."""

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(path, expected, found)
        self.path, self.expected, self.found = path, expected, found

    def __str__(self) -> str:
        return (
            f"{self.path!r} has digest {self.found}, but {self.expected} was asked for; "
            "nothing of it was run. Find the right zip, or drop digest= if this one is trusted"
        )


class UnsafeCacheError(CodesaveError, PermissionError):
    """Code would be run from a folder that other users can write to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return (
            f"the cache folder {self.path!r} belongs to or can be written by other users, who "
            "could change the code that runs from it; `chmod go-w` it, or set CODESAVE_CACHE "
            "to a folder of your own"
        )


class CodebaseNotCachedError(CodesaveError, ModuleNotFoundError):
    """Something names a module of a codebase that this machine's cache does not hold."""

    def __init__(self, digest: str, cache: str) -> None:
        super().__init__(digest, cache)
        self.digest, self.cache = digest, cache

    def __str__(self) -> str:
        return (
            f"the codebase whose sha256 begins with {self.digest} is not in the cache "
            f"{self.cache!r}; open its zip once on this machine, UniqueCodebase('….zip'), and "
            "try again (`sha256sum *.zip` shows which zip it is)"
        )


class ModuleNotInCodebaseError(CodesaveError, ModuleNotFoundError):
    """The codebase has no module of that name."""

    def __init__(self, module: str, codebase: str, available: Sequence[str]) -> None:
        super().__init__(module, codebase, tuple(available))
        self.module, self.codebase, self.available = module, codebase, tuple(available)
        self.name = module

    def __str__(self) -> str:
        has = ", ".join(self.available) or "no modules at all"
        return f"the codebase {self.codebase!r} has no module {self.module!r}; it has: {has}"


class CodebaseClosedError(CodesaveError, RuntimeError):
    """The codebase was closed; what it imported before still works."""

    def __init__(self, codebase: str) -> None:
        super().__init__(codebase)
        self.codebase = codebase

    def __str__(self) -> str:
        return (
            f"the codebase {self.codebase!r} was closed; modules imported before still work, "
            "and opening it again gives the same ones"
        )


class CannotAssignError(CodesaveError, RuntimeError):
    """``import_`` was called in a function, whose local variables Python fixes beforehand."""

    def __init__(self, variables: Sequence[str], function: str, call: str) -> None:
        super().__init__(tuple(variables), function, call)
        self.variables, self.function, self.call = tuple(variables), function, call

    def __str__(self) -> str:
        names = ", ".join(self.variables)
        return (
            f"Python cannot create the local variable {names} inside the function "
            f"{self.function!r} from outside it; use what the call returns: "
            f"{names} = codebase.{self.call}(…)"
        )


class NoWandbError(CodesaveError, MissingExtraError):
    """wandb, which keeps code with its runs, is not installed."""

    def __init__(self) -> None:
        super().__init__("wandb", "wandb")
        self._fields = ()

    def __str__(self) -> str:
        return "wandb is not installed: pip install './packages/codesave[wandb]' from a checkout"


class NoWandbRunError(CodesaveError, RuntimeError):
    """There is no wandb run to save to."""

    def __init__(self) -> None:
        super().__init__()

    def __str__(self) -> str:
        return "there is no active wandb run; call wandb.init(…) before checkpoint_to_wandb(…)"


class NotInWandbRunError(CodesaveError, LookupError):
    """The wandb run does not hold the codebase that was asked for."""

    def __init__(self, run: str, wanted: str, found: Sequence[str]) -> None:
        super().__init__(run, wanted, tuple(found))
        self.run, self.wanted, self.found = run, wanted, tuple(found)

    def __str__(self) -> str:
        has = ", ".join(self.found) or "nothing"
        return (
            f"the wandb run {self.run!r} holds no {self.wanted}; it holds: {has}. Was "
            "checkpoint_to_wandb(…) called in it, and has the upload finished?"
        )
