"""The helper functions that a function calls, as far as they are the project's own.

A helper is found by the global names that the code mentions: functions, classes, and what is
taken from the project's modules (``helpers.clean``). What is found is followed in turn. Calls by
other ways (``getattr``, a dictionary of functions, a method of an argument) are not seen.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from expcore import digest
from persist_to_disk._place import source_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def tracked_digest(function: Callable[..., Any], project: Path) -> str:
    """Return the digest of a function together with its helpers.

    Args:
        function: A Python function.
        project: The folder whose code counts.

    Raises:
        UndigestableError: Something in a closure has no digest.
    """
    found: dict[int, Callable[..., Any]] = {}
    waiting: list[Callable[..., Any]] = [function]
    while waiting:
        helper = waiting.pop()
        if id(helper) not in found:
            found[id(helper)] = helper
            waiting += _mentioned(helper, project)
    # As a set: the order of discovery does not count, and equal helpers are one.
    return digest((digest(function), {digest(helper) for helper in found.values()}))


def _mentioned(helper: Callable[..., Any], project: Path) -> Iterator[Callable[..., Any]]:
    for function in _functions_of(helper):
        for code in _codes(function.__code__):
            values = _named(code, function.__globals__)
            for module in [value for value in values if isinstance(value, ModuleType)]:
                if _is_below(getattr(module, "__file__", None), project):
                    values += _named(code, vars(module))
            for value in map(inspect.unwrap, filter(callable, values)):
                if isinstance(value, (FunctionType, type)) and _is_below(_file(value), project):
                    yield value


def _named(code: CodeType, namespace: dict[str, Any]) -> list[Any]:
    return [namespace[name] for name in code.co_names if name in namespace]


def _functions_of(helper: Callable[..., Any]) -> Iterator[FunctionType]:
    """Yield a function itself, or the functions that a class defines."""
    members = vars(helper).values() if isinstance(helper, type) else [helper]
    for member in members:
        plain = inspect.unwrap(getattr(member, "__func__", member))
        if isinstance(plain, FunctionType):
            yield plain


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _codes(const)


def _file(value: FunctionType | type) -> str | None:
    if isinstance(value, type):
        functions = list(_functions_of(value))
        return _file(functions[0]) if functions else None
    source = source_file(value)
    return str(source) if source else None


def _is_below(file: str | None, project: Path) -> bool:
    return file is not None and Path(file).is_relative_to(project)
