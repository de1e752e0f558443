"""What stands for a function's code in the keys of its calls."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from expcore import UndigestableError, digest
from persist_to_disk._closure import Closure, without_contents
from persist_to_disk._track import Helpers
from persist_to_disk.errors import UnkeyableFunctionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from persist_to_disk._options import Options


_NOTHING_TO_NOTE = nullcontext()


class Code:
    """The code of one function.

    Args:
        function: The decorated function.
        options: Its ``version`` and ``track``.
        project_path: Returns the folder of the project's source files.
    """

    def __init__(
        self, function: Callable[..., Any], options: Options, project_path: Callable[[], Path]
    ) -> None:
        self._function, self._options = function, options
        self.is_fixed = options.version is not None or (
            options.track is None and _is_fixed(function)
        )
        self._known: str | None = None
        self._closure: Closure | None = None
        if options.version is None and isinstance(function, FunctionType) and function.__closure__:
            self._closure = Closure(function)
        self._helpers = None if options.track is None else Helpers(function, project_path)

    def running(self) -> AbstractContextManager[None]:
        """Return the context in which the function is to be called."""
        return _NOTHING_TO_NOTE if self._closure is None else self._closure.running()

    def digest(self) -> str:
        """Return a text that is the same for as long as the code is.

        Raises:
            UnkeyableFunctionError: The closure holds something that has no digest.
        """
        if self._known is not None:
            return self._known
        found = self._find()
        if self.is_fixed:
            self._known = found
        return found

    def _find(self) -> str:
        options = self._options
        if options.version is not None:
            # With its name: where names differ by case only, f and F share a folder.
            return f"version {options.version} of {self._function.__qualname__}"
        function = self._function
        try:
            if self._closure is not None and isinstance(function, FunctionType):
                found = digest((without_contents(function), self._closure.digests()))
            else:
                found = digest(_without_defaults(function))
            return found if self._helpers is None else digest((found, self._helpers.digest()))
        except UndigestableError as error:
            raise UnkeyableFunctionError(self._function.__qualname__, str(error)) from error


def _is_fixed(function: Callable[..., Any]) -> bool:
    """Say whether there is nothing in a function that may change from call to call."""
    if isinstance(function, FunctionType):
        return function.__closure__ is None
    # Methods have an object, and so have some functions written in C.
    return isinstance(getattr(function, "__self__", None), ModuleType)


def _without_defaults(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same function without defaults: those that count are bound as arguments."""
    if not isinstance(function, FunctionType):
        return function
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, None, function.__closure__
    )
