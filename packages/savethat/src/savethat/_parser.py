"""The command line of a node: an option for each of its arguments.

The parser is a ``Tap`` (typed-argument-parser). Its own support for dataclasses passes ``MISSING``
for a ``default_factory``, refuses enums and turns nested dataclasses into strings; so a ``Tap``
subclass is made here from ``dataclasses.fields``, with an option for each argument, also those of
nested dataclasses (``--model.lr``). Options are written ``--my-arg`` or ``--my_arg``.

Importing ``tap`` imports pydantic as well, which takes longer than all the rest of a small run. So
words that fit are taken by the same options on the ``argparse`` parser that a ``Tap`` is; who asks
for help, or makes a mistake, is answered by the ``Tap``.
"""

from __future__ import annotations

import argparse
import collections.abc
import enum
import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, get_args, get_origin

from savethat import _types, _values
from savethat._config_file import read_config
from savethat._lost import ask_for, lost_secrets
from savethat._node_options import Option, options_of
from savethat._plain import to_data
from savethat._secret import Secret
from savethat.errors import ArgumentsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tap import Tap

CONFIG = "config"
_BARE = "\0"  # a flag without a value; no word of a command line holds this character


class _Misfit(Exception):  # an answer, not an error
    """The words do not fit, or ask for help."""


class _Taker(argparse.ArgumentParser):
    """Takes words that fit, and has nothing to say about others."""

    def error(self, message: str) -> NoReturn:
        """Leave it to the ``Tap`` to say what is wrong."""
        raise _Misfit(message)

    def print_help(self, file: Any = None) -> NoReturn:  # noqa: ARG002 # as argparse has it
        """Leave it to the ``Tap`` to show its options."""
        raise _Misfit


def make_parser(cls: type, prog: str | None = None) -> Tap:
    """The parser for a dataclass, as people see it."""
    from tap import Tap

    class ArgsParser(Tap):
        def configure(self) -> None:
            _add_options(self, cls, explained=True)

    description = inspect.cleandoc(cls.__doc__ or "")
    if description.startswith(f"{cls.__name__}("):  # made by dataclasses
        description = ""
    return ArgsParser(prog=prog, description=description, allow_abbrev=False)


def _add_options(parser: argparse.ArgumentParser, cls: type, *, explained: bool) -> None:
    # Tap's own add_argument takes one name only, not --my-arg and --my_arg.
    add = functools.partial(argparse.ArgumentParser.add_argument, parser)
    options = options_of(cls, explained=explained)
    for option in options:
        add(*option.flags, **_facts(option))
        if off := _off_flags(option, options):
            off_facts: dict[str, Any] = {"action": "store_const", "const": "false"}
            off_facts |= {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
            add(*off, dest=option.name, **off_facts)
    if CONFIG not in _types.field_types(cls):
        text = "(a TOML, YAML or JSON file) the arguments; the command line comes first"
        add("--config", metavar="FILE", default=argparse.SUPPRESS, help=text)


def _take(cls: type, argv: list[str], prog: str | None) -> dict[str, Any]:
    """The words of each option that was given, by its name."""
    taker = _Taker(allow_abbrev=False)
    _add_options(taker, cls, explained=False)
    try:
        taken = taker.parse_args(argv)
    except _Misfit:
        taken = argparse.ArgumentParser.parse_args(make_parser(cls, prog), argv)
    return {name: words for name, words in vars(taken).items() if isinstance(words, str | list)}


def _off_flags(option: Option, options: list[Option]) -> list[str]:
    """``--no-flag`` and ``--no_flag`` of a bool, unless another option is called so."""
    if _types.optional(option.type) is not bool:
        return []
    taken = {flag for other in options for flag in other.flags}
    flags = dict.fromkeys((_off(option), f"--no_{option.name}"))
    return [flag for flag in flags if flag not in taken]


def _facts(option: Option) -> dict[str, Any]:
    """What ``add_argument`` needs to know. The words are made into values later."""
    tp = _types.optional(option.type)
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
    elif origin in _types.SEQUENCES or origin in _types.MAPPINGS:
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
    if origin in _types.MAPPINGS:
        return "KEY=VALUE"
    if origin is Secret:
        return "SECRET"
    if origin in _types.SEQUENCES and arms:
        return _metavar(arms[0])
    return str(getattr(tp, "__name__", "value")).upper()


def _help(option: Option) -> str:
    kind = option.type.__name__ if isinstance(option.type, type) else str(option.type)
    kind = kind.replace("typing.", "")
    state = "required" if option.required else f"default={_shown(option.default)}"
    off = f"; {_off(option)} turns it off" if option.default is True else ""
    return f"({kind}, {state}{off}) {option.help}".rstrip().replace("%", "%%")


def _shown(default: object) -> str:
    return str(default if isinstance(default, Secret) else to_data(default))


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
    from expcore import printable
    from savethat._args import make_args

    given = _take(cls, list(argv), prog)
    if CONFIG not in _types.field_types(cls) and CONFIG in given:
        config = Path(str(given.pop(CONFIG)))
    try:
        data: dict[str, Any] = {} if config is None else read_config(config)
        options = options_of(cls)
        for option in options:
            if option.name in given:
                _put(data, option.name, _value(option, given[option.name]))
        if config is not None:
            _fill_in(data, options)
        missing = [o.flags[0] for o in options if o.required and _lacks(data, o.name)]
        if missing:
            make_parser(cls, prog).error(
                f"the following arguments are required: {', '.join(missing)}"
            )
        return make_args(cls, data)
    except (ArgumentsError, OSError) as error:
        make_parser(cls, prog).error(printable(str(error)))


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


def _fill_in(data: dict[str, Any], options: list[Option]) -> None:
    """Ask for the secrets that a file of arguments does not hold."""
    lost = lost_secrets(options, data)
    for option in lost:
        if (word := ask_for(option)) is None:
            flags = ", ".join(option.flags[0] for option in lost)
            problem = f'secrets are not kept; give it again, as in {lost[0].flags[0]} "$SECRET"'
            raise ArgumentsError(flags, "", problem)
        _put(data, option.name, _value(option, word))


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
