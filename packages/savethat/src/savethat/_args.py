"""Arguments of nodes: frozen dataclasses, made from plain data, and written to ``args.json``.

``args.json`` is one object: the arguments by name, nested dataclasses as objects, enums by name,
secrets as ``"***"``, and the class as ``__module__`` and ``__qualname__``.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat import _types, _values
from savethat._plain import to_data
from savethat._secret import Secret
from savethat.errors import ArgumentsError

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True)
class Args:
    """Base class for arguments that know how to be parsed. Any frozen dataclass will do as well.

    >>> @dataclass(frozen=True)
    ... class FitArgs(Args):
    ...     target: str
    ...     lr: float = 0.1
    >>> FitArgs.parse_args(["--target", "price"])
    FitArgs(target='price', lr=0.1)
    """

    @classmethod
    def parse_args(cls, args: collections.abc.Sequence[str] | None = None) -> Self:
        """Parse command-line arguments; ``sys.argv[1:]`` when none are given."""
        made: Self = make_args(cls, sys.argv[1:] if args is None else args)
        return made

    @classmethod
    def from_dict(cls, state: collections.abc.Mapping[str, Any]) -> Self:
        """Make arguments from plain data, as :meth:`as_dict` gives them."""
        made: Self = make_args(cls, state)
        return made

    @classmethod
    def from_json(cls, path: Path | str | None = None, json_str: str | None = None) -> Self:
        """Make arguments from a JSON file (such as a run's ``args.json``) or string."""
        if (path is None) == (json_str is None):
            raise TypeError("give either path or json_str")
        text = json_str if path is None else Path(path).read_text("utf-8")
        return cls.from_dict(json.loads(text or ""))

    def as_dict(self) -> dict[str, Any]:
        """The arguments as plain data."""
        return _data_of(self)

    def save(self, path: Path | str) -> None:
        """Write the arguments to a JSON file."""
        write_args(self, Path(path))

    def process_args(self) -> None:
        """Check the arguments; called after parsing, and before a run. Override it."""


def make_args(cls: type, given: object) -> Any:
    """Make arguments of class ``cls`` from what ``create_node`` takes.

    Args:
        cls: The arguments class of a node: a dataclass.
        given: Arguments already made, a mapping of plain data, words of a command line, or None
            for the defaults.

    Raises:
        ArgumentsError: The values do not fit.
        SystemExit: Words of a command line do not fit; the reason is printed on stderr.
    """
    if isinstance(given, cls):
        return given
    if isinstance(given, collections.abc.Sequence) and not isinstance(given, str):
        from savethat._parser import parse_argv

        return parse_argv(cls, [str(word) for word in given])
    try:
        args = _values.build(cls, {} if given is None else given)
        if isinstance(args, Args):
            args.process_args()
    except (ValueError, TypeError) as error:
        raise ArgumentsError(cls.__qualname__, "", str(error)) from error
    return args


def write_args(args: object, file: Path) -> None:
    """Write ``args.json``: the arguments, and the class they are of."""
    from expcore import write_file

    cls = type(args)
    data = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    plain = _data_of(args) if dataclasses.is_dataclass(args) else {}
    write_file(file, (json.dumps(plain | data, indent=2) + "\n").encode())


def _data_of(args: Any) -> dict[str, Any]:
    """The arguments as plain data; a secret of which the code has the value is left out."""
    data: dict[str, Any] = to_data(args)
    for field in dataclasses.fields(args):
        value = getattr(args, field.name)
        if isinstance(value, Secret) and value == _types.default_of(field):
            data.pop(field.name, None)  # which is not there of a field that is no argument
    return data
