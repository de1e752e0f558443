"""What ``@save_load`` was told about a class."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .errors import DecorationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.nn import Module

    from ._versions import Migration

ATTRIBUTE = "__save_load__"
"""Of a class: its settings."""
BUILDING = "__save_load_building__"
"""Of a model: is there while its ``__init__`` runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The parameters of one ``@save_load``; a subclass inherits them."""

    save_method_name: str = "save"
    load_method_name: str = "load"
    config_instance_var_name: str = "_config"
    init_and_load_classmethod_name: str = "init_and_load"
    version: str | None = None
    pre_save_hook: Callable[[Module], object] | None = None
    post_load_hook: Callable[[Module], object] | None = None
    compress: bool = False
    partial_load: bool = False
    migrations: dict[type, list[Migration]] = field(default_factory=dict[type, "list[Migration]"])
    """By the class that ``migration`` was called on: this one, or one that inherits from it."""

    def __post_init__(self) -> None:
        names = {
            "save_method_name": self.save_method_name,
            "load_method_name": self.load_method_name,
            "config_instance_var_name": self.config_instance_var_name,
            "init_and_load_classmethod_name": self.init_and_load_classmethod_name,
        }
        for parameter, name in names.items():
            if isinstance(name, type):
                raise DecorationError(
                    f"write @save_load() with parentheses above class {name.__qualname__}"
                )
            if (
                not isinstance(name, str)  # pyright: ignore[reportUnnecessaryIsInstance]
                or not name.isidentifier()
                or keyword.iskeyword(name)
            ):
                raise DecorationError(f"{parameter}={name!r} is no name of an attribute")
        if len(set(names.values())) != len(names):
            raise DecorationError(f"two of {', '.join(names)} are the same name")
        for parameter, hook in (
            ("pre_save_hook", self.pre_save_hook),
            ("post_load_hook", self.post_load_hook),
        ):
            if hook is not None and not callable(hook):
                raise DecorationError(f"{parameter}={hook!r} cannot be called")
        if self.version is not None:
            from packaging.version import InvalidVersion, Version

            try:
                Version(self.version)
            except (InvalidVersion, TypeError) as error:
                raise DecorationError(
                    f'version={self.version!r} is no version like "1.0" (PEP 440)'
                ) from error


def settings_of(cls: type) -> Settings:
    """Return what a decorated class, or the nearest of its bases, was decorated with."""
    found = settings_if_any(cls)
    assert found is not None  # noqa: S101 - only called by what decorated classes have
    return found


def settings_if_any(cls: type) -> Settings | None:
    """Return the same of any class, None for those that have none."""
    found: Any = getattr(cls, ATTRIBUTE, None)
    return found if isinstance(found, Settings) else None
