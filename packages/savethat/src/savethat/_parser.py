"""The command line of a node: an option for each of its arguments.

The parser is a ``Tap`` (typed-argument-parser). Its own support for dataclasses passes ``MISSING``
for a ``default_factory``, refuses enums and turns nested dataclasses into strings; so a ``Tap``
subclass is made here from ``dataclasses.fields``, with an option for each argument, also those of
nested dataclasses (``--model.lr``). Options are written ``--my-arg`` or ``--my_arg``.
"""

from __future__ import annotations

import argparse
import collections.abc
import dataclasses
import enum
import functools
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from savethat import _values
from savethat._secret import Secret
from savethat.errors import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap import Tap

CONFIG = "config"
_BARE = "\0"  # a flag without a value; no word of a command line holds this character


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the command line: an argument, maybe of a nested dataclass."""

    name: str
    """With a dot for each level, e.g. ``model.lr``."""
    type: Any
    help: str
    default: Any = None
    required: bool = False

    @property
    def flags(self) -> tuple[str, ...]:
        """``--my-arg`` and ``--my_arg``."""
        return tuple(dict.fromkeys((f"--{self.name.replace('_', '-')}", f"--{self.name}")))


def options_of(cls: type, prefix: str = "", owner: object = None) -> list[Option]:
    """The options that a dataclass becomes, in the order of its fields.

    Args:
        cls: The dataclass.
        prefix: What comes before the names, e.g. ``"model."``.
        owner: An instance that holds the defaults, where there is one.
    """
    found: list[Option] = []
    comments = _comments(cls)
    for name, tp in _values.field_types(cls).items():
        field = _values.field_of(cls, name)
        default = _values.default_of(field) if owner is None else getattr(owner, name)
        required = default is dataclasses.MISSING
        if _values.is_nested(inner := _values.optional(tp)):
            found += options_of(inner, f"{prefix}{name}.", None if required else default)
            continue
        text = str(field.metadata.get("help", comments.get(name, "")))
        found.append(Option(prefix + name, tp, text, None if required else default, required))
    return found


def _comments(cls: type) -> dict[str, str]:
    """The comments beside the fields of a dataclass and of its bases."""
    from tap.utils import get_class_variables

    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if dataclasses.is_dataclass(base):
            try:
                variables = get_class_variables(base)
            except (OSError, TypeError, SyntaxError, UnicodeError, IndexError):
                continue  # the class was made where there is no source to read
            found |= {name: facts["comment"] for name, facts in variables.items()}
    return found


def make_parser(cls: type, prog: str | None = None) -> Tap:
    """The parser for a dataclass."""
    from tap import Tap

    options = options_of(cls)

    class ArgsParser(Tap):
        def configure(self) -> None:
            # Tap's own add_argument takes one name only, not --my-arg and --my_arg.
            add = functools.partial(argparse.ArgumentParser.add_argument, self)
            for option in options:
                add(*option.flags, **_facts(option))
                if off := _off_flags(option, options):
                    off_facts: dict[str, Any] = {"action": "store_const", "const": "false"}
                    off_facts |= {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
                    add(*off, dest=option.name, **off_facts)
            if CONFIG not in _values.field_types(cls):
                text = "(a TOML, YAML or JSON file) the arguments; the command line comes first"
                add("--config", metavar="FILE", default=argparse.SUPPRESS, help=text)

    description = inspect.cleandoc(cls.__doc__ or "")
    if description.startswith(f"{cls.__name__}("):  # made by dataclasses
        description = ""
    return ArgsParser(prog=prog, description=description, allow_abbrev=False)


def _off_flags(option: Option, options: list[Option]) -> list[str]:
    """``--no-flag`` and ``--no_flag`` of a bool, unless another option is called so."""
    if _values.optional(option.type) is not bool:
        return []
    taken = {flag for other in options for flag in other.flags}
    flags = dict.fromkeys((_off(option), f"--no_{option.name}"))
    return [flag for flag in flags if flag not in taken]


def _facts(option: Option) -> dict[str, Any]:
    """What ``add_argument`` needs to know. The words are made into values later."""
    tp = _values.optional(option.type)
    origin, arms = get_origin(tp) or tp, get_args(tp)
    facts: dict[str, Any] = {
        "dest": option.name,
        "default": argparse.SUPPRESS,
        "required": False,  # a --config may hold it
        "metavar": _metavar(tp),
        "help": _help(option),
        "nargs": 1,
        "type": str,
    }
    if tp is bool:
        facts |= {"nargs": "?", "const": _BARE, "metavar": "BOOL"}
    elif origin in _values.SEQUENCES or origin in _values.MAPPINGS:
        fixed = origin is tuple and arms and arms[-1] is not ... and tp is option.type
        facts["nargs"] = len(arms) if fixed else "*"
        if fixed:
            facts["metavar"] = tuple(_metavar(arm) for arm in arms)
    return facts


def _metavar(tp: Any) -> str:
    origin, arms = get_origin(tp) or tp, get_args(tp)
    if origin is Literal:
        return f"{{{','.join(map(str, arms))}}}"
    if isinstance(tp, type) and issubclass(tp, enum.Enum):
        return f"{{{','.join(tp.__members__)}}}"
    if origin in _values.MAPPINGS:
        return "KEY=VALUE"
    if origin is Secret:
        return "SECRET"
    if origin in _values.SEQUENCES and arms:
        return _metavar(arms[0])
    return str(getattr(tp, "__name__", "value")).upper()


def _help(option: Option) -> str:
    kind = option.type.__name__ if isinstance(option.type, type) else str(option.type)
    kind = kind.replace("typing.", "")
    state = "required" if option.required else f"default={_shown(option.default)}"
    off = f"; {_off(option)} turns it off" if option.default is True else ""
    return f"({kind}, {state}{off}) {option.help}".rstrip().replace("%", "%%")


def _shown(default: object) -> str:
    return str(default if isinstance(default, Secret) else _values.to_data(default))


def _off(option: Option) -> str:
    return f"--no-{option.flags[0][2:]}"


def parse_argv(
    cls: type, argv: Sequence[str], *, prog: str | None = None, config: Path | None = None
) -> Any:
    """Make arguments from the words of a command line.

    Args:
        cls: The dataclass.
        argv: The words after the node's name.
        prog: How the usage calls the program.
        config: A file with arguments, which the command line overrides.

    Raises:
        SystemExit: The words do not fit; what is wrong was printed on stderr.
    """
    from savethat._args import make_args

    parser = make_parser(cls, prog)
    given = {
        name: words
        for name, words in vars(argparse.ArgumentParser.parse_args(parser, list(argv))).items()
        if isinstance(words, str | list)
    }
    if CONFIG not in _values.field_types(cls) and CONFIG in given:
        config = Path(str(given.pop(CONFIG)))
    try:
        data: dict[str, Any] = {} if config is None else read_config(config)
        for option in options_of(cls):
            if option.name in given:
                _put(data, option.name, _value(option, given[option.name]))
        missing = [o.flags[0] for o in options_of(cls) if o.required and _lacks(data, o.name)]
        if missing:
            parser.error(f"the following arguments are required: {', '.join(missing)}")
        return make_args(cls, data)
    except (ArgumentsError, OSError) as error:
        parser.error(str(error))


def _value(option: Option, words: Any) -> Any:
    words = [words] if isinstance(words, str) else words
    if words == [_BARE]:
        if option.default is True:
            # typed-argument-parser's bare flag would turn it off, other parsers' keep it on.
            problem = f"is on by default; write {_off(option)} to turn it off"
            raise ArgumentsError(option.flags[0], "", problem)
        words = ["true"]
    try:
        return _values.parse_words(option.type, words)
    except (ValueError, TypeError) as error:
        raise ArgumentsError(option.flags[0], "", str(error)) from error


def _put(data: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        inner = data.get(part)
        data[part] = dict(inner) if isinstance(inner, collections.abc.Mapping) else {}
        data = data[part]
    data[last] = value


def _lacks(data: Any, name: str) -> bool:
    """Whether an argument that must be given is not, though what it belongs to is."""
    *path, last = name.split(".")
    for part in path:
        if not isinstance(data, collections.abc.Mapping) or part not in data:
            return False  # the nested dataclass is left to its default, or reported as a whole
        data = data[part]
    return isinstance(data, collections.abc.Mapping) and last not in data


def read_config(file: Path) -> dict[str, Any]:
    """Read arguments from a TOML, YAML or JSON file, by its ending.

    Raises:
        ArgumentsError: The file does not hold a mapping, or cannot be parsed.
        FileNotFoundError: There is no such file.
    """
    text = file.read_text("utf-8")
    try:
        match file.suffix.lower():
            case ".toml":
                import tomllib

                data: Any = tomllib.loads(text)
            case ".yaml" | ".yml":
                data = _read_yaml(file, text)
            case _:
                data = json.loads(text)
    except ValueError as error:  # of tomllib and json; YAML's are made one
        raise ArgumentsError(str(file), "", f"cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ArgumentsError(str(file), "", "does not hold a mapping of arguments")
    return data


def _read_yaml(file: Path, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ArgumentsError(
            str(file), "", "is YAML, and PyYAML is not installed; install it, or write TOML"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error
