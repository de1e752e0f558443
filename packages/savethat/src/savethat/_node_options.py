"""The options of a node's command line: one for each argument, also of nested dataclasses."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from savethat import _types


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


def options_of(
    cls: type, prefix: str = "", owner: object = None, *, explained: bool = False
) -> list[Option]:
    """The options that a dataclass becomes, in the order of its fields.

    Args:
        cls: The dataclass.
        prefix: What comes before the names, e.g. ``"model."``.
        owner: An instance that holds the defaults, where there is one.
        explained: Whether to look for the comments beside the fields, which takes a while.
    """
    found: list[Option] = []
    comments = _comments(cls) if explained else {}
    for name, tp in _types.field_types(cls).items():
        field = _types.field_of(cls, name)
        default = _types.default_of(field) if owner is None else getattr(owner, name)
        required = default is dataclasses.MISSING
        if _types.is_nested(inner := _types.optional(tp)):
            inner_owner = None if required else default
            found += options_of(inner, f"{prefix}{name}.", inner_owner, explained=explained)
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
