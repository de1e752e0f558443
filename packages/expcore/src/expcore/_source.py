"""What a function does, written the same by every version of Python.

Bytecode changes from version to version, so a function is known by its syntax tree: without
positions, docstrings and annotations. The tree is taken from the source file only if that
file, compiled now, gives the very code object at hand; a file that was edited after it was
imported, or rewritten on import, does not count as source.
"""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations
import __future__

import ast
import linecache
from functools import lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

    FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_FUTURE = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})
# What says where, what is only said to people, and what some versions have and others have not.
_SKIPPED = {"kind", "type_comment", "type_ignores"}


def canonical_source(code: CodeType) -> bytes | None:
    """Return a stable description of a function's parameters and body.

    Returns:
        None if the source cannot be had, or is not what was compiled.
    """
    try:
        return _lasting(code, code.co_filename)
    except LookupError:
        return None


@lru_cache(maxsize=4096)
def _lasting(code: CodeType, filename: str) -> bytes:
    """Return a source once it was found, whatever becomes of the file; errors are not cached."""
    source = _canonical_source(code, filename, _version(filename))
    if source is None:
        # A module that was edited and loaded again is newer than the lines that are kept.
        linecache.checkcache(filename)
        source = _canonical_source(code, filename, _version(filename))
    if source is None:
        raise LookupError(filename)
    return source


def _version(filename: str) -> tuple[Any, ...]:
    linecache.getlines(filename)
    return linecache.cache.get(filename, ())[:2]  # size and time


@lru_cache(maxsize=4096)
def _canonical_source(code: CodeType, filename: str, _: tuple[Any, ...]) -> bytes | None:
    # Equal code from another file may come from other source: hence the name beside the code.
    lines = linecache.getlines(filename)
    if not lines:
        return None
    file = _parse("".join(lines), filename, code.co_flags & _FUTURE)
    if file is None or code not in file[1]:
        return None
    nodes = [node for node in file[0] if _could_be(node, code)]
    if len(nodes) > 1:
        nodes = _narrowest(nodes, code)
    trees = {b"".join(_function(node)) for node in nodes}
    return trees.pop() if len(trees) == 1 else None


@lru_cache(maxsize=64)
def _parse(
    text: str, filename: str, flags: int
) -> tuple[list[FunctionNode], frozenset[CodeType]] | None:
    """Return the functions of a file, as trees and as code."""
    try:
        tree = ast.parse(text, filename)
        code = compile(text, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    nodes = [node for node in ast.walk(tree) if isinstance(node, kinds)]
    return nodes, frozenset(_codes_in(code))


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const
            yield from _codes_in(const)


def _could_be(node: FunctionNode, code: CodeType) -> bool:
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    first = node.lineno
    if not isinstance(node, ast.Lambda):
        first = min([first, *(decorator.lineno for decorator in node.decorator_list)])
    args = node.args
    names = [arg.arg for arg in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    count = code.co_argcount + code.co_kwonlyargcount
    return (
        code.co_name == name
        and code.co_firstlineno == first
        # A private name in a class is mangled in the code.
        and all(map(str.endswith, code.co_varnames[:count], names))
        and len(names) == count
    )


def _narrowest(nodes: list[FunctionNode], code: CodeType) -> list[FunctionNode]:
    """Tell the lambdas of one line apart by the columns of their instructions."""
    spans = [span for span in code.co_positions() if None not in span and span[2:] != (0, 0)]
    places = [((line, col), (end, end_col)) for line, end, col, end_col in spans]
    fitting: dict[tuple[Any, Any], FunctionNode] = {}
    for node in nodes:
        body: Any = node.body if isinstance(node, ast.Lambda) else node
        start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
        if places and all(start <= low and high <= end for low, high in places):
            fitting[start, end] = node
    if not fitting:
        return nodes
    # The innermost starts last; of those that start together it ends first.
    start = max(start for start, _ in fitting)
    return [fitting[min(span for span in fitting if span[0] == start)]]


def _function(node: FunctionNode) -> Iterator[bytes]:
    # A lambda is a function that returns its body. Defaults are values, not source.
    yield b"async " if isinstance(node, ast.AsyncFunctionDef) else b"def "
    yield from _arguments(node.args, defaults=False)
    body = [ast.Return(node.body)] if isinstance(node, ast.Lambda) else node.body
    yield from _block(body)


def _arguments(args: ast.arguments, *, defaults: bool) -> Iterator[bytes]:
    for field in ("posonlyargs", "args", "vararg", "kwonlyargs", "kwarg"):
        found: Any = getattr(args, field) or []
        names = [arg.arg for arg in (found if isinstance(found, list) else [found])]
        yield from _text(f"{field}={','.join(names)}")
    if defaults:
        yield from _value(args.defaults)
        yield from _value(args.kw_defaults)


def _block(body: list[Any]) -> Iterator[bytes]:
    """Describe statements, without a docstring and without `pass`."""
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    yield from _value([node for node in body if not isinstance(node, ast.Pass)])


def _value(value: Any) -> Iterator[bytes]:
    if isinstance(value, ast.AST):
        yield from _node(value)
    elif isinstance(value, list):
        yield b"["
        for item in value:
            yield from _value(item)
        yield b"]"
    else:
        from expcore._walk import Walk

        yield Walk("sha256").encode(value)


def _node(node: ast.AST) -> Iterator[bytes]:
    yield b"("
    yield from _text(type(node).__name__)
    skipped = _SKIPPED
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        skipped = skipped | {"args", "body", "returns"}
        yield from _arguments(node.args, defaults=True)
        yield from _block(node.body)
    elif isinstance(node, ast.ClassDef):
        skipped = skipped | {"body"}
        yield from _block(node.body)
    elif isinstance(node, ast.Lambda):
        skipped = skipped | {"args"}
        yield from _arguments(node.args, defaults=True)
    elif isinstance(node, ast.JoinedStr):
        skipped = skipped | {"values"}
        yield from _value(_joined(node.values))
    for field, value in ast.iter_fields(node):
        # Fields that newer versions added are empty where older source is parsed.
        if field not in skipped and value is not None and value != []:
            yield from _text(field)
            yield from _value(value)
    if isinstance(node, ast.Constant):
        yield from _value(node.value)  # also None, which is skipped above
    yield b")"


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Merge the constant pieces of an f-string, which versions cut differently."""
    merged: list[ast.expr] = []
    for value in values:
        if not isinstance(value, ast.Constant):
            merged.append(value)
        elif merged and isinstance(merged[-1], ast.Constant):
            merged[-1] = ast.Constant(f"{merged[-1].value!s}{value.value!s}")
        elif value.value != "":
            merged.append(value)
    return merged


def _text(text: str) -> Iterator[bytes]:
    data = text.encode("utf-8", "surrogatepass")
    yield b"%x:%b" % (len(data), data)
