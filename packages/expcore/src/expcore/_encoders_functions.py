"""Functions by what they do, classes by name and definition."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import dataclasses
import enum
import sys
import types
from typing import TYPE_CHECKING, Any, ForwardRef

from expcore._encoders_objects import class_name
from expcore._source import canonical_source
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    import functools

    from expcore._walk import Walk

CO_HAS_DOCSTRING = 0x4000000  # from 3.14 on
_HEAP_TYPE = 1 << 9
# What a class statement leaves in a namespace that is not said by the statement itself, or
# that some versions of Python leave and others do not.
_BOOKKEEPING = {
    "__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations_cache__",
    "__attrs_attrs__", "__attrs_own_setattr__", "__attrs_props__",
    "__callable_proto_members_only__", "__classcell__", "__classdictcell__",
    "__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__",
    "__hash__", "__match_args__", "__module__", "__mutable_keys__",
    "__non_callable_proto_members__", "__orig_bases__", "__parameters__", "__protocol_attrs__",
    "__pydantic_core_schema__", "__pydantic_serializer__", "__pydantic_validator__",
    "__qualname__", "__replace__", "__slots__", "__static_attributes__", "__type_params__",
    "__weakref__", "_abc_impl",
}  # fmt: skip


def encode_function(value: types.FunctionType, walk: Walk) -> bytes:
    """Encode a function by its code, defaults and closure; its name and place do not count."""
    known = walk.enter(value)
    if known is not None:
        return known
    closure: dict[str, Any] = {}
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            closure[f"{name} (empty)"] = None
    parts = {"__defaults__": value.__defaults__, "__kwdefaults__": value.__kwdefaults__ or None}
    encoded = [encode_code_object(value.__code__, walk), walk.attributes(parts)]
    try:
        encoded.append(walk.attributes(closure))
    except UndigestableError as error:
        error.prepend(".__closure__")
        raise
    return walk.leave(value, walk.join("function", encoded))


def encode_code_object(code: types.CodeType, walk: Walk) -> bytes:
    """Encode code by its source, or else by its bytecode, which differs between Pythons."""
    source = canonical_source(code)
    if source is not None:
        return walk.compose("source", source)
    consts = list(code.co_consts)
    if code.co_flags & CO_HAS_DOCSTRING if sys.version_info >= (3, 14) else _has_docstring(code):
        consts[0] = None
    return walk.compose(
        "bytecode",
        sys.implementation.cache_tag,
        code.co_code,
        consts,
        *(code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars),
        *(code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        *(code.co_flags, code.co_exceptiontable),
    )


def _has_docstring(code: types.CodeType) -> bool:
    # Until 3.13 the first constant of a `def` is the docstring or None.
    first = code.co_consts[0] if code.co_consts else None
    return isinstance(first, str) and code.co_name[:1] != "<"


def encode_method(value: types.MethodType, walk: Walk) -> bytes:
    """Encode a bound method by its object and function."""
    return walk.join(
        "method", [walk.attributes({"__self__": value.__self__, "__func__": value.__func__})]
    )


def encode_builtin(value: Any, walk: Walk) -> bytes:
    """Encode a function written in C by its name, and by the object it is bound to."""
    owner = value.__self__
    if owner is None or isinstance(owner, types.ModuleType):
        return walk.compose("builtin", class_name(value))
    return walk.join(
        "builtin", [walk.encode(value.__name__), walk.attributes({"__self__": owner})]
    )


def encode_descriptor(value: Any, walk: Walk) -> bytes:
    """Encode a method of a type written in C by its name."""
    return walk.compose("descriptor", class_name(value.__objclass__), value.__name__)


def encode_partial(value: functools.partial[Any], walk: Walk) -> bytes:
    """Encode a partial by function and arguments."""
    parts = {"func": value.func, "args": value.args, "keywords": value.keywords}
    kind = f"partial {class_name(type(value))}"
    return walk.join(kind, [walk.attributes(parts)])


def encode_wrapper(value: Any, walk: Walk) -> bytes:
    """Encode a static or class method, or a function behind a cache, by what it wraps."""
    return walk.compose(f"wrapper {type(value).__name__}", value.__wrapped__)


def encode_property(value: property, walk: Walk) -> bytes:
    """Encode a property by its functions."""
    return walk.compose("property", value.fget, value.fset, value.fdel)


def encode_class(value: type, walk: Walk) -> bytes:
    """Encode a class by its name and, if it was made by a class statement, its definition.

    Classes of the standard library and of C extensions are known by name, and so are base
    classes from other packages.
    """
    name = class_name(value)
    top = name.partition(".")[0]
    if not value.__flags__ & _HEAP_TYPE or top in sys.stdlib_module_names:
        return walk.compose("type", name)
    known = walk.enter(value)
    if known is not None:
        return known
    bases = [
        base if class_name(base).partition(".")[0] == top else class_name(base)
        for base in value.__bases__
    ]
    parts = [walk.encode(name), walk.encode(bases)]
    for attribute, part in sorted(_definition(value).items()):
        around = dict(walk.stack)
        try:
            encoded = walk.encode(part)
        except UndigestableError:
            # A lock or a cache on the class says nothing about what the class does.
            walk.stack = around
            encoded = walk.compose("undigestable", class_name(type(part)))
        parts += walk.encode(attribute), encoded
    return walk.leave(value, walk.join("class", parts))


def _definition(value: type) -> dict[str, Any]:
    if issubclass(value, enum.Enum):
        return {name: member.value for name, member in value.__members__.items()}
    definition: dict[str, Any] = {}
    if issubclass(value, tuple) and "_field_defaults" in vars(value):
        names = ("_fields", "_field_defaults")
        return {name: vars(value)[name] for name in names}
    for name, part in vars(value).items():
        if name in {"__annotations__", "__readonly_keys__"} and not part:
            continue  # some versions write down that there are none
        if name == "__annotations__":
            definition[name] = {field: _annotation(hint) for field, hint in part.items()}
        elif not (
            name in _BOOKKEEPING
            or isinstance(part, (types.MemberDescriptorType, types.GetSetDescriptorType))
            or _is_generated(part)
        ):
            definition[name] = part
    if dataclasses.is_dataclass(value):
        definition["(fields)"] = [
            (field.name, field.default, field.default_factory, field.kw_only)
            for field in dataclasses.fields(value)
        ]
    return definition


def _is_generated(part: object) -> bool:
    """Say whether a method was made from text by dataclasses or attrs: fields say it all.

    So it is with what :mod:`typing` puts into a protocol.
    """
    function = getattr(part, "__func__", part)
    if isinstance(function, types.FunctionType) and function.__module__ == "typing":
        return True
    # Generated `__repr__`s may be wrapped by a function with a file.
    function = getattr(function, "__wrapped__", function)
    file = function.__code__.co_filename if isinstance(function, types.FunctionType) else ""
    return file == "<string>" or file.startswith("<attrs generated")


def _annotation(hint: Any) -> str:
    if isinstance(hint, str):
        return hint
    if isinstance(hint, ForwardRef):  # its repr names the module, which may be a script's
        return hint.__forward_arg__
    return class_name(hint) if isinstance(hint, type) else repr(hint)
