"""The ``save_load`` decorator: gives a module class its methods, and watches its ``__init__``."""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING, Any, TypeVar

from ._settings import ATTRIBUTE, BUILDING, Settings, settings_of
from .errors import DecorationError

if TYPE_CHECKING:
    from collections.abc import Callable


T = TypeVar("T")
_METHOD = "__save_load_method__"
RESERVED = {"migration", ATTRIBUTE, BUILDING}
"""What a decorated class and its models have besides what has a name of the user's choice."""


class _ClassOrInstance:
    """A method that is one function on the class and another on its instances."""

    def __init__(self, on_class: Callable[..., Any], on_instance: Callable[..., Any]) -> None:
        self._on_class, self._on_instance = on_class, on_instance
        functools.update_wrapper(self, on_class)  # type: ignore[arg-type]

    def __get__(self, instance: object, owner: type) -> types.MethodType:
        if instance is None:
            return types.MethodType(self._on_class, owner)
        return types.MethodType(self._on_instance, instance)


def save_load(  # noqa: PLR0917 - the documented order
    save_method_name: str = "save",
    load_method_name: str = "load",
    config_instance_var_name: str = "_config",
    init_and_load_classmethod_name: str = "init_and_load",
    version: str | None = None,
    pre_save_hook: Callable[[Any], object] | None = None,
    post_load_hook: Callable[[Any], object] | None = None,
    compress: bool | None = False,
    partial_load: bool | None = False,
) -> Callable[[type[T]], type[T]]:
    """Decorate an ``nn.Module`` class so that its models are saved to and loaded from one file.

    Args:
        save_method_name: The method that saves: ``model.save(path)``.
        load_method_name: The method that loads: ``Model.load(path)`` returns a new model,
            ``model.load(path)`` loads into this one.
        config_instance_var_name: The attribute that keeps the arguments of ``__init__``.
        init_and_load_classmethod_name: The class method that builds and loads.
        version: The version of the class, like ``"1.0"`` (PEP 440); a file of another major
            version is refused unless a migration leads here.
        pre_save_hook: Called with the module before it is saved.
        post_load_hook: Called with the module after it was loaded.
        compress: Whether files are compressed.
        partial_load: Whether loading takes what fits and leaves the rest.

    Returns:
        A decorator that returns the class it is given, with those methods added.

    Raises:
        DecorationError: The class is no ``nn.Module``, a name is no name, or a name would hide
            something that the class has.

    >>> from torch import nn
    >>> @save_load(version="1.0")
    ... class Net(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.fc = nn.Linear(width, 1)
    >>> Net(3).save("net.pth")
    >>> Net.load("net.pth")
    Net(
      (fc): Linear(in_features=3, out_features=1, bias=True)
    )
    """
    settings = Settings(
        save_method_name=save_method_name,
        load_method_name=load_method_name,
        config_instance_var_name=config_instance_var_name,
        init_and_load_classmethod_name=init_and_load_classmethod_name,
        version=version,
        pre_save_hook=pre_save_hook,
        post_load_hook=post_load_hook,
        compress=bool(compress),
        partial_load=bool(partial_load),
    )

    def decorate(cls: type[T]) -> type[T]:
        _install(cls, settings)
        return cls

    return decorate


def _install(decorated: object, settings: Settings) -> None:
    from torch.nn import Module

    from ._capture import watch
    from ._load import load_into, load_new
    from ._save import save

    if not isinstance(decorated, type) or not issubclass(decorated, Module):
        raise DecorationError(
            f"@save_load() decorates classes of torch.nn.Module, not {decorated!r}"
        )
    cls: Any = decorated
    saves, loads = settings.save_method_name, settings.load_method_name
    builds = settings.init_and_load_classmethod_name
    methods: dict[str, Any] = {
        saves: _named(save, saves),
        loads: _ClassOrInstance(_named(load_new, loads), _named(load_into, loads)),
        builds: classmethod(_named(load_new, builds)),
    }
    # What every module keeps in its __dict__, like ``training``, is no attribute of the class.
    kept = {*vars(Module()), *RESERVED}
    for name in [*methods, settings.config_instance_var_name]:
        if name in kept or (hasattr(cls, name) and not _is_ours(cls, name)):
            raise DecorationError(
                f"{name!r} would hide {cls.__qualname__}.{name}; give another name to @save_load"
            )
    for name, method in methods.items():
        setattr(cls, name, method)
    if not hasattr(cls, "migration") or _is_ours(cls, "migration"):
        cls.migration = classmethod(_named(_migration, "migration"))
    setattr(cls, ATTRIBUTE, settings)
    watch(cls)


def _is_ours(cls: type, name: str) -> bool:
    """Tell whether the class has this method from a decorated class, not from its own body."""
    found = inspect.getattr_static(cls, name)
    return isinstance(found, _ClassOrInstance) or hasattr(
        getattr(found, "__func__", found), _METHOD
    )


def _migration(
    cls: type, *, from_: str, to: str
) -> Callable[[Callable[[dict[str, Any], dict[str, Any]], object]], Any]:
    """Register a function that leads files of one version to another.

    Args:
        cls: The decorated class.
        from_: The version of the file.
        to: The version it has afterwards.

    Returns:
        A decorator for a function of two dictionaries, the arguments by name and the tensors by
        name, that changes them in place.
    """
    from packaging.version import InvalidVersion, Version

    from ._versions import Migration

    settings = settings_of(cls)
    try:
        if Version(from_) == Version(to):
            raise DecorationError(f"a migration from {from_} to itself leads nowhere")
    except InvalidVersion as error:
        raise DecorationError(f"{error} (versions are like 1.0, PEP 440)") from error

    def register(function: Callable[[dict[str, Any], dict[str, Any]], object]) -> Any:
        settings.migrations.setdefault(cls, []).append(Migration(from_, to, function))
        return function

    return register


def _named(function: Any, name: str) -> Any:
    """Return a copy of a function under the name it has in the class."""
    code, scope, defaults = function.__code__, function.__globals__, function.__defaults__
    copy: Any = types.FunctionType(code, scope, name, defaults, function.__closure__)
    functools.update_wrapper(copy, function)
    del copy.__wrapped__
    copy.__kwdefaults__, copy.__name__ = function.__kwdefaults__, name
    setattr(copy, _METHOD, True)
    return copy
