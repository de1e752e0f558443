"""Values of argument types: from a word on the command line, and from JSON.

Types: str, int, float, bool, None, ``Optional``, unions, ``Literal``, enums (by name or value),
``list``, ``set``, ``frozenset``, ``tuple``, ``dict``, ``Path``, dates and times (in ISO format),
dataclasses, ``NewType``, and every class whose constructor takes one string.
"""

from __future__ import annotations

import collections.abc
import enum
import json
import types
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from savethat import _types
from savethat._secret import HIDDEN, Secret, lost_secret

if TYPE_CHECKING:
    import dataclasses
    from collections.abc import Callable

CLASS_NAMES = ("__module__", "__qualname__")  # of an args.json
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse_word(tp: Any, word: str) -> Any:
    """The value of type ``tp`` that a word of the command line stands for.

    >>> parse_word(float, "1e-3"), parse_word(bool, "yes"), parse_word(int | None, "None")
    (0.001, True, None)

    Raises:
        ValueError: The word stands for no such value.
    """
    tp = _types.named(tp)
    origin = get_origin(tp)
    if tp in (str, Any) or isinstance(tp, TypeVar):
        return word
    if tp is bytes:
        return word.encode("utf-8", "surrogateescape")
    if tp is bool:
        if word.lower() not in TRUE + FALSE:
            raise ValueError(f"{word!r} is not true or false")
        return word.lower() in TRUE
    if tp is type(None):
        if word not in ("None", "null"):
            raise ValueError(f"{word!r} is not None")
        return None
    if origin in (Union, types.UnionType):
        # None is tried first, or it would be a str.
        return _first(sorted(get_args(tp), key=lambda arm: arm is not type(None)), word)
    if origin is Literal:
        return _choose(word, {str(value): value for value in get_args(tp)})
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        values = {str(member.value): member for member in tp}
        return _choose(word, values | dict(tp.__members__), list(tp.__members__))
    if _types.is_nested(tp):
        return build(tp, json.loads(word))
    if (origin or tp) is Secret:
        return _secret(parse_word, get_args(tp), word)
    if not callable(tp):
        raise ValueError(f"{tp} cannot be given on the command line")  # noqa: TRY004
    # The constructor of a date or a time takes numbers.
    make = getattr(tp, "fromisoformat", tp)
    return make(word)


def _secret(read: Callable[[Any, Any], Any], arms: tuple[Any, ...], data: Any) -> Secret[Any]:
    kind = (*arms, str)[0]
    try:
        return Secret(read(kind, data))
    except (ValueError, TypeError):  # its message would show the value
        raise ValueError(f"a secret is not of type {kind.__name__}") from None


def parse_words(tp: Any, words: list[str]) -> Any:
    """The value of type ``tp`` that the words after an option stand for.

    >>> parse_words(tuple[int, str], ["1", "a"]), parse_words(dict[str, float], ["lr=0.1"])
    ((1, 'a'), {'lr': 0.1})

    Raises:
        ValueError: The words stand for no such value.
    """
    inner = _types.named(_types.optional(tp))
    origin, arms = get_origin(inner) or inner, get_args(inner)
    if origin in _types.MAPPINGS:
        return _parse_items(arms or (str, str), words)
    if origin not in _types.SEQUENCES:
        return parse_word(tp, words[0])
    if inner is not tp and words == ["None"]:
        return None
    if origin is tuple and arms and arms[-1] is not ...:
        if len(words) != len(arms):
            raise ValueError(f"{len(arms)} values are needed, not {len(words)}")
        return tuple(parse_word(arm, word) for arm, word in zip(arms, words, strict=True))
    return _types.SEQUENCES[origin](parse_word(arms[0] if arms else str, word) for word in words)


def _parse_items(arms: tuple[Any, ...], words: list[str]) -> dict[Any, Any]:
    items: dict[Any, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r} is not KEY=VALUE")
        items[parse_word(arms[0], key)] = parse_word(arms[1], value)
    return items


def _first(arms: list[Any], word: str) -> Any:
    problems: list[str] = []
    for arm in arms:
        try:
            return parse_word(arm, word)
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _choose(word: str, choices: dict[str, Any], shown: list[str] | None = None) -> Any:
    if word not in choices:
        raise ValueError(f"{word!r} is not one of {', '.join(shown or choices)}")
    return choices[word]


def from_data(tp: Any, data: Any) -> Any:
    """The value of type ``tp`` that plain data (JSON, TOML, YAML) stands for.

    >>> from_data(tuple[int, set[float]], [1, [2, 3]])
    (1, {2.0, 3.0})

    Raises:
        ValueError: The data are of another type; the message says where.
    """
    tp = _types.named(tp)
    origin, arms = get_origin(tp) or tp, get_args(tp)
    if origin in (Union, types.UnionType):
        return _first_of_data(arms, data)
    if origin is Literal:
        found = [value for value in arms if type(value) is type(data) and value == data]
        return found[0] if found else _choose(str(data), {str(value): value for value in arms})
    if origin in _types.SEQUENCES:
        return _sequence(origin, arms, data)
    if origin in _types.MAPPINGS:
        return _mapping(arms, data)
    if _types.is_nested(tp):
        return data if isinstance(data, tp) else build(tp, data)
    if origin is Secret:
        if data is None or data == HIDDEN:  # what is written of one, by this version or earlier
            return lost_secret()
        return data if isinstance(data, Secret) else _secret(from_data, arms, data)
    return _scalar(tp, data)


def _first_of_data(arms: tuple[Any, ...], data: Any) -> Any:
    # An arm of the very type first: 1 is an int in float | int, "1" a str in int | str.
    exact = [arm for arm in arms if arm is type(data)]
    problems: list[str] = []
    for arm in [*exact, *arms]:
        try:
            return from_data(arm, data)
        except (ValueError, TypeError) as error:
            problems.append(str(error))
    raise ValueError("; ".join(problems))


def _sequence(origin: Any, arms: tuple[Any, ...], data: Any) -> Any:
    if isinstance(data, str | bytes) or not isinstance(data, collections.abc.Iterable):
        raise ValueError(f"{data!r} is not a list")  # noqa: TRY004
    items = list(data)
    if origin is tuple and arms and arms[-1] is not ...:
        if len(items) != len(arms):
            raise ValueError(f"{data!r} has {len(items)} values, expected {len(arms)}")
        return tuple(from_data(arm, item) for arm, item in zip(arms, items, strict=True))
    return _types.SEQUENCES[origin](from_data(arms[0] if arms else Any, item) for item in items)


def _mapping(arms: tuple[Any, ...], data: Any) -> dict[Any, Any]:
    if not isinstance(data, collections.abc.Mapping):
        raise ValueError(f"{data!r} is not a mapping")  # noqa: TRY004 # a value, not a type, is wrong
    key, value = arms or (Any, Any)
    # JSON has no keys but strings.
    return {
        parse_word(key, k) if isinstance(k, str) else from_data(key, k): from_data(value, v)
        for k, v in data.items()
    }


def _scalar(tp: Any, data: Any) -> Any:
    if tp is Any or isinstance(tp, TypeVar) or (isinstance(tp, type) and isinstance(data, tp)):
        if tp in (int, float) and isinstance(data, bool):
            raise ValueError(f"{data!r} is not of type {tp.__name__}")
        return data
    if tp is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if tp in (int, float, bool, str) or tp is type(None) or tp is None:
        if data is None and tp is None:
            return None
        raise ValueError(f"{data!r} is not of type {getattr(tp, '__name__', tp)}")
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        return _choose(str(data), {str(m.value): m for m in tp} | dict(tp.__members__))
    if isinstance(data, str):
        return parse_word(tp, data)
    raise ValueError(f"{data!r} is not of type {getattr(tp, '__name__', tp)}")


def build(cls: type, data: Any) -> Any:
    """Make a dataclass from a mapping of its arguments.

    Raises:
        ValueError: An argument is unknown, missing or of another type; the message names it.
    """
    if not isinstance(data, collections.abc.Mapping):
        raise ValueError(f"{data!r} is not a mapping of the arguments of {cls.__name__}")  # noqa: TRY004
    given = {key: value for key, value in data.items() if key not in CLASS_NAMES}
    hints = _types.field_types(cls)
    if unknown := [str(key) for key in given if key not in hints]:
        raise ValueError(
            f"{cls.__name__} has no argument {', '.join(unknown)}; it has {', '.join(hints)}"
        )
    if missing := [name for name in _types.required(cls) if name not in given]:
        raise ValueError(f"{cls.__name__} needs {', '.join(missing)}")
    values: dict[str, Any] = {}
    for name, value in given.items():
        try:
            values[name] = from_data(
                hints[name], _with_defaults(_types.field_of(cls, name), value)
            )
        except (ValueError, TypeError) as error:
            raise ValueError(f"{name}: {error}") from error
    return cls(**values)


def _with_defaults(field: dataclasses.Field[Any], data: Any) -> Any:
    """Part of a nested dataclass is completed from the field's default, not from the class's."""
    owner = _types.default_of(field)
    if not isinstance(data, collections.abc.Mapping) or not _types.is_nested(type(owner)):
        return data
    return {name: getattr(owner, name) for name in _types.field_types(type(owner))} | dict(data)
