"""Record the arguments of the outermost ``__init__``, before its body runs.

Each ``__init__`` in the family of a decorated class is wrapped. The one that Python calls finds no
record yet and makes one; those it calls by ``super()`` find it under way. The record is plain data
(:mod:`torch_saveload._plain`), so a body that changes its arguments changes nothing, and pickle
and deepcopy carry it along. An argument without a plain form is recorded as such: building the
model works, saving it does not.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from ._leaves import Unencodable
from ._plain import Encoder
from ._registry import KnownTypes, add_decorated
from ._settings import BUILDING, settings_if_any, settings_of
from .errors import UnsaveableError

_MARK = "__save_load_init__"
UNENCODABLE = "unencodable"


class Config(dict[str, Any]):
    """Recorded arguments: plain data by parameter name.

    A type of its own, so that an attribute of the same name that ``__init__`` sets is noticed.
    """

    # TorchScript takes a class of Python methods alone for one that it can compile, and then saves
    # models with files that it cannot load.
    copy = dict[str, Any].copy


def watch(cls: Any) -> None:
    """Wrap the ``__init__`` of a class, and of all subclasses yet to come."""
    _wrap_init(cls)
    add_decorated(cls)
    own = cls.__dict__.get("__init_subclass__")

    def __init_subclass__(subclass: Any, /, **kwargs: Any) -> None:  # noqa: N807
        if own is not None:
            own.__get__(None, subclass)(**kwargs)
        else:
            super(cls, subclass).__init_subclass__(**kwargs)
        # Its own, or that of an ordinary class which stands before the decorated one.
        if not hasattr(subclass.__init__, _MARK):
            _wrap_init(subclass)
        add_decorated(subclass)

    if not hasattr(getattr(own, "__func__", None), _MARK):
        setattr(__init_subclass__, _MARK, True)
        cls.__init_subclass__ = classmethod(__init_subclass__)


def _wrap_init(cls: Any) -> None:
    if hasattr(cls.__dict__.get("__init__"), _MARK):
        return
    original = cls.__init__
    inherited = "__init__" not in cls.__dict__

    @functools.wraps(original)
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        outermost = BUILDING not in self.__dict__
        if outermost:
            record = _record(type(self), cls, args, kwargs)
            object.__setattr__(self, BUILDING, True)
            object.__setattr__(self, settings_of(type(self)).config_instance_var_name, record)
        try:
            if inherited:
                super(cls, self).__init__(*args, **kwargs)
            else:
                original(self, *args, **kwargs)
        finally:
            if outermost:
                self.__dict__.pop(BUILDING, None)

    setattr(__init__, _MARK, True)
    cls.__init__ = __init__


def _record(cls: type, wrapped: type, args: Any, kwargs: Any) -> Config:
    """Return the encoded arguments by parameter name; what goes wrong is recorded, too."""
    if _init_owner(cls) is not wrapped:
        found, remedy = _unwatched(cls)
        where = f"{cls.__qualname__}.__init__"
        return Config({"": _unencodable(where, found, remedy)})
    try:
        bound = signature_of(cls).bind(None, *args, **kwargs)
    except TypeError as error:  # __init__ itself says it better, or takes it in spite of this
        remedy = "give its parameters other names"
        return Config(
            {"": _unencodable("its call of __init__", f"not understood ({error})", remedy)}
        )
    bound.apply_defaults()
    encoder = Encoder(KnownTypes(cls), class_and_config)
    parameters = signature_of(cls).parameters
    record = Config()
    for name, value in list(bound.arguments.items())[1:]:
        try:
            record[name] = encoder.encode(_plain_kind(value, parameters[name].kind), name)
        except Exception as error:  # also of functions that users registered
            default = value is parameters[name].default
            record[name] = {"$": "default"} if default else _reason(error, name)
    return record


def _reason(error: Exception, name: str) -> dict[str, str]:
    """Return why an argument has no plain form."""
    if isinstance(error, Unencodable):
        return _unencodable(f"argument {error.where}", error.found, error.remedy)
    if isinstance(error, UnsaveableError):  # a decorated module that is the argument
        return _unencodable(error.where, error.found, error.remedy)
    return _unencodable(f"argument {name}", f"not to be read ({error!r})", "mend what raises that")


def _unencodable(where: str, found: str, remedy: str) -> dict[str, str]:
    return {"$": UNENCODABLE, "where": where, "found": found, "remedy": remedy}


def _unwatched(cls: type) -> tuple[str, str]:
    return (
        "not watched (something like @dataclass made it after the class was)",
        f"put @save_load() above {cls.__qualname__} as well",
    )


def _plain_kind(value: Any, kind: inspect._ParameterKind) -> Any:
    return list(value) if kind is inspect.Parameter.VAR_POSITIONAL else value


def _init_owner(cls: type) -> type:
    return next(base for base in cls.__mro__ if "__init__" in base.__dict__)


def signature_of(cls: Any) -> inspect.Signature:
    """Return the signature of ``cls.__init__``, self included."""
    return _signature(cls.__init__)


@functools.lru_cache(maxsize=256)
def _signature(init: Any) -> inspect.Signature:
    return inspect.signature(init)


def class_and_config(module: object) -> tuple[str, dict[str, Any]] | None:
    """Return class name and recorded arguments of a decorated module, None for anything else.

    Raises:
        UnsaveableError: One of its arguments has no plain form.
    """
    cls = type(module)
    settings = settings_if_any(cls)
    if settings is None:
        return None
    config: Any = getattr(module, "__dict__", {}).get(settings.config_instance_var_name)
    if config is None:
        raise UnsaveableError(cls.__qualname__, f"{cls.__qualname__}.__init__", *_unwatched(cls))
    if not isinstance(config, Config):
        raise UnsaveableError(
            cls.__qualname__,
            f"its record of arguments, {settings.config_instance_var_name},",
            f"a {type(config).__name__} that something else put there",
            "give @save_load another config_instance_var_name",
        )
    return cls.__qualname__, config


def saveable_config(module: object) -> dict[str, Any]:
    """Return the recorded arguments of a module that is about to be saved.

    Raises:
        UnsaveableError: One of them has no plain form; names it.
    """
    found = class_and_config(module)
    assert found is not None  # noqa: S101 - only decorated modules are saved
    class_name, config = found
    if problem := _find_unencodable(config):
        raise UnsaveableError(class_name, problem["where"], problem["found"], problem["remedy"])
    return config


def _find_unencodable(data: Any) -> dict[str, str] | None:
    if isinstance(data, dict):
        if data.get("$") == UNENCODABLE:
            return data
        data = list(data.values())
    if isinstance(data, list):
        return next((found for item in data if (found := _find_unencodable(item))), None)
    return None
