"""By which parameters a call is bound: those of the function that was decorated last.

A decorator in between that takes ``*args, **kwargs`` may do anything with them: add an argument,
change a default, treat what is passed by position in another way. So its calls count as they were
given; the names that :func:`functools.wraps` claims serve ``skip_kwargs`` and ``groupby`` only.
But most decorators do nothing but call the function with ``*args, **kwargs``. Where the source
says so, calls are bound like those of the function itself.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from inspect import CO_VARARGS, CO_VARKEYWORDS, Parameter
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

LruCache = type(functools.lru_cache(len))
TAKES_ANY = CO_VARARGS | CO_VARKEYWORDS
BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the parameters that a function's calls are bound by.

    Raises:
        ValueError: Some functions written in C do not tell them.
    """
    while _passes_all_on(function):
        function = function.__wrapped__  # type: ignore[attr-defined]
    if isinstance(function, FunctionType) and type(function) is not FunctionType:
        # A proxy, as of wrapt: what it claims is the signature of what it passes calls on to.
        kinds = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        return inspect.Signature(map(Parameter, ("args", "kwargs"), kinds))
    try:
        return inspect.signature(function, follow_wrapped=False)
    except ValueError:  # written in C, as what compiles functions is
        return inspect.signature(function)


def claimed_parameters(function: Callable[..., Any]) -> list[Parameter]:
    """Return the parameters that a function is said to have, where it takes any."""
    own = signature_of(function).parameters
    said = inspect.signature(function).parameters
    takes_any = {p.kind for p in own.values()} & {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}
    if not takes_any or [*own] == [*said]:
        return []
    return [parameter for name, parameter in said.items() if name not in own]


def _passes_all_on(function: Callable[..., Any]) -> bool:
    """Say whether a decorator calls the function it decorated with all it is given."""
    inner = getattr(function, "__wrapped__", None)
    if inner is None or "__signature__" in getattr(function, "__dict__", {}):
        return False
    if not isinstance(function, FunctionType):
        return isinstance(function, LruCache)
    code = function.__code__
    if code.co_argcount or code.co_kwonlyargcount or code.co_flags & TAKES_ANY != TAKES_ANY:
        return False
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    inner_names = {name for name, cell in cells if _holds(cell, inner)}
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(code))).body
    except Exception:  # the file is not there, or somebody is editing it just now
        return False
    if not isinstance(definition, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    return _only_passes_on(definition.body, inner_names, code.co_varnames[:2])


def _only_passes_on(body: list[ast.stmt], inner: set[str], arguments: tuple[str, ...]) -> bool:
    """Say whether all that is done with the names is ``inner(*args, **kwargs)``."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    passed, shown = set[ast.Name](), set[ast.Name]()
    for node in nodes:
        match node:
            case ast.Call(
                func=ast.Name() as called,
                args=[ast.Starred(value=ast.Name() as args)],
                keywords=[ast.keyword(arg=None, value=ast.Name() as kwargs)],
            ) if called.id in inner and (args.id, kwargs.id) == arguments:
                passed |= {called, args, kwargs}
            case ast.Expr(value=ast.Call() as call):  # what it logs
                for each in ast.walk(call):
                    if isinstance(each, ast.FormattedValue) and isinstance(each.value, ast.Name):
                        shown.add(each.value)
            case _:
                pass
    names = [node for node in nodes if isinstance(node, ast.Name)]
    uses = {name for name in names if name.id in {*inner, *arguments}}
    return bool(passed) and uses <= passed | shown


def _holds(cell: Any, value: object) -> bool:
    try:
        return cell.cell_contents is value
    except ValueError:  # not assigned yet
        return False
