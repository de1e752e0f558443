"""Call a decorated class with the arguments that :mod:`torch_saveload._capture` recorded."""

from __future__ import annotations

from typing import Any

from ._capture import signature_of
from ._registry import KnownTypes, decorated
from ._unplain import Decoder, Undecodable
from .errors import ConfigError


def build(cls: type, config: dict[str, Any]) -> Any:
    """Call a decorated class with recorded arguments.

    Raises:
        ConfigError: They do not fit it any more.
    """
    return call(cls, decode_config(cls, config))


def decode_config(cls: type, config: dict[str, Any]) -> dict[str, Any]:
    """Return recorded arguments as values by parameter name; those left at defaults are absent.

    Raises:
        ConfigError: One of them makes no value.
    """

    def build_part(name: str, part: Any, where: str) -> object:
        part_class = decorated(name, cls)
        if part_class is None:
            raise Undecodable(where, f"no decorated class {name} is defined; import its module")
        try:
            return build(part_class, part)
        except ConfigError as error:
            raise Undecodable(where, str(error)) from error
        except Exception as error:  # whatever the arguments of a hostile or outdated file lead to
            problem = f"{name}.__init__: {type(error).__name__}: {error}"
            raise Undecodable(where, problem) from error

    decoder = Decoder(KnownTypes(cls), build_part)
    try:
        return {
            name: decoder.decode(data, name)
            for name, data in config.items()
            if data != {"$": "default"}
        }
    except Undecodable as error:
        raise ConfigError(cls.__qualname__, f"argument {error.where}", error.problem) from error


def call(cls: type, values: dict[str, Any]) -> Any:
    """Call a class with arguments by parameter name, ``*args`` and ``**kwargs`` among them.

    Raises:
        ConfigError: ``__init__`` does not take them.
    """
    parameters = list(signature_of(cls).parameters.values())[1:]
    if unknown := sorted(values.keys() - {parameter.name for parameter in parameters}):
        raise ConfigError(
            cls.__qualname__,
            f"argument {', '.join(unknown)}",
            f"{cls.__qualname__}.__init__ has no such parameter (in files of {cls.__qualname__} "
            f"itself, a @{cls.__qualname__}.migration can take it out)",
        )
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            args += values.get(parameter.name, ())
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            kwargs.update(values.get(parameter.name, {}))
            continue
        value = values.get(parameter.name, parameter.default)
        if value is parameter.empty:
            raise ConfigError(
                cls.__qualname__, f"argument {parameter.name}", "the file has no value for it"
            )
        if parameter.kind is parameter.KEYWORD_ONLY:
            kwargs[parameter.name] = value
        else:
            args.append(value)
    return cls(*args, **kwargs)
