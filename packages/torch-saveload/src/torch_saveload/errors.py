"""What can go wrong, and what to do about it.

TorchSaveloadError
├── DecorationError (TypeError)         the class cannot be decorated this way
├── UnsaveableError (TypeError)         something has no plain form; nothing was written
├── FormatError (ValueError)            the file is no model file, or a malformed one
│   └── CorruptError                    its bytes are not those that were saved
├── UntrustedError (ValueError)         only unpickling could read it, and trust=True was not said
├── ConfigError (ValueError)            the saved arguments do not fit the class
├── ClassMismatchError (TypeError)      the file holds a model of another class
├── VersionMismatchError (ValueError)   the file was written by another major version
└── StateMismatchError (ValueError)     names, shapes, dtypes or ties differ from the model's

Every error carries its facts as fields, and pickles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class TorchSaveloadError(Exception):
    """Anything this package refuses to do."""


class DecorationError(TorchSaveloadError, TypeError):
    """``@save_load`` cannot decorate this class with these parameters."""


class UnsaveableError(TorchSaveloadError, TypeError):
    """Something of the model has no plain form. Nothing was written."""

    def __init__(self, class_name: str, where: str, found: str, remedy: str) -> None:
        super().__init__(class_name, where, found, remedy)
        self.class_name, self.where, self.found, self.remedy = class_name, where, found, remedy

    def __str__(self) -> str:
        return (
            f"cannot save {self.class_name}: {self.where} is {self.found}; {self.remedy} "
            f"(nothing was written)"
        )


class FormatError(TorchSaveloadError, ValueError):
    """The file is not a model file, or its parts contradict each other."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class CorruptError(FormatError):
    """Some bytes are not those that were saved."""

    def __init__(self, path: str, problem: str, names: Sequence[str] = ()) -> None:
        """Say what is damaged.

        Args:
            path: The file.
            problem: What is wrong.
            names: Tensors that can still be read.
        """
        super().__init__(path, problem)
        self.args = (path, problem, tuple(names))
        self.names = tuple(names)

    def __str__(self) -> str:
        text = f"{self.path}: {self.problem}"
        if self.names:
            text += f" ({', '.join(self.names)})"
        text += "; the file was damaged after it was written: restore it from a copy"
        if self.names:
            text += ", or pass verify=False to load it as it is"
        return text


class UntrustedError(TorchSaveloadError, ValueError):
    """Reading this needs pickle, which can run any code."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.problem}; if you know who wrote it, pass trust=True, "
            f"which lets the file run any code"
        )


class ConfigError(TorchSaveloadError, ValueError):
    """The arguments in the file cannot be given to the class."""

    def __init__(self, class_name: str, where: str, problem: str) -> None:
        super().__init__(class_name, where, problem)
        self.class_name, self.where, self.problem = class_name, where, problem

    def __str__(self) -> str:
        return (
            f"cannot build {self.class_name} from the saved arguments: "
            f"{self.where}: {self.problem}"
        )


class ClassMismatchError(TorchSaveloadError, TypeError):
    """The file holds a model of another class."""

    def __init__(self, path: str, found: str, expected: str) -> None:
        super().__init__(path, found, expected)
        self.path, self.found, self.expected = path, found, expected

    def __str__(self) -> str:
        return (
            f"{self.path} holds a {self.found}, not a {self.expected}; load it with "
            f"{self.found}, or take what fits with partial=True on an instance"
        )


class VersionMismatchError(TorchSaveloadError, ValueError):
    """The file was written by another major version of the class."""

    def __init__(self, path: str, class_name: str, found: str, expected: str) -> None:
        super().__init__(path, class_name, found, expected)
        self.path, self.class_name, self.found, self.expected = path, class_name, found, expected

    def __str__(self) -> str:
        return (
            f"{self.path} holds version {self.found} of {self.class_name}, which is at "
            f"{self.expected}: another major version; register "
            f'@{self.class_name}.migration(from_="{self.found}", to="{self.expected}"), or load '
            f"it with the code of that time"
        )


class StateMismatchError(TorchSaveloadError, ValueError):
    """The tensors of the file and of the model differ. The model is unchanged."""

    def __init__(self, path: str, class_name: str, differences: Sequence[str]) -> None:
        super().__init__(path, class_name, tuple(differences))
        self.path, self.class_name, self.differences = path, class_name, tuple(differences)

    def __str__(self) -> str:
        lines = "".join(f"\n  {difference}" for difference in self.differences)
        return (
            f"{self.path} does not fit {self.class_name}, which is unchanged:{lines}\n"
            f"take only what fits with partial=True"
        )
