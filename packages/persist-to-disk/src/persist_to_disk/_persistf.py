"""The decorator."""

from __future__ import annotations

import functools
import inspect
import os
import pickle
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from persist_to_disk._checks import check_granularity, check_positive
from persist_to_disk._config import config
from persist_to_disk._events import used
from persist_to_disk._memo import Memo
from persist_to_disk._options import Options, seconds
from persist_to_disk._quick import quick_key
from persist_to_disk._switch import Switch, to_switch
from persist_to_disk.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from persist_to_disk._checks import LockGranularity
    from persist_to_disk._options import HashMethod, Track
    from persist_to_disk._persisted import Decorator, Persisted

P = ParamSpec("P")
R = TypeVar("R")


def persistf(  # noqa: PLR0917 -- the parameters of 0.0.7, in its order
    freq: float | str | None = None,
    hashsize: int | None = None,
    skip_kwargs: Sequence[str] | None = None,
    expand_dict_kwargs: Sequence[str] | str | None = None,
    groupby: Sequence[str | tuple[str, ...]] | None = None,
    switch_kwarg: str | None = "cache_switch",
    cache: Switch | str | int | None = None,
    lock_granularity: LockGranularity | None = None,
    hash_method: HashMethod = "pickle",
    local: bool = False,
    alt_dirs: Sequence[str | os.PathLike[str]] | None = None,
    *,
    hash_size: int | None = None,
    ttl: float | str | None = None,
    max_bytes: int | None = None,
    version: str | None = None,
    track: Track | None = None,
    cache_exceptions: type[Exception] | tuple[type[Exception], ...] = (),
    trust: bool = False,
) -> Decorator:
    """Keep a function's results on disk, and look them up instead of computing them again.

    A call is the same call if the function's code and the arguments' values are the same,
    however they are passed. Processes that make the same call at once compute it once. Results
    are stored with :mod:`pickle`; what cannot be stored is returned, with one warning.

    Args:
        freq: The same as ``ttl``.
        hashsize: How many bucket files share the results. Default: ``config``'s.
        skip_kwargs: Parameters that do not count: calls that differ only there are the same.
        expand_dict_kwargs: Parameters that are dictionaries, or ``"all"``. Dictionaries always
            count by their contents; this lets ``groupby`` name their items: ``"name|key"``.
        groupby: Parameters whose values become folders around the bucket files. A tuple of
            names becomes one folder.
        switch_kwarg: The keyword that takes a :class:`Switch` at call time; None for none.
        cache: A :class:`Switch` for all calls, which wins over that of a call.
        lock_granularity: Which writers share a lock: of one bucket (``"call"``), one function
            (``"func"``), or one project (``"global"``). Default: ``config``'s. Computing
            is locked by call in any case.
        hash_method: How results of version 0.0.7 were filed: ``"pickle"`` or ``"json"``.
        local: Keep results below ``config.get_persist_path(local=True)``.
        alt_dirs: Folders of this function elsewhere, in which results are looked up too.
        hash_size: The same as ``hashsize``.
        ttl: How long a result counts: seconds, or like ``"12h"`` or ``"1d"``. Default: for ever.
        max_bytes: What the function's results may take on disk; beyond, those used least recently
            go. Default: without limit.
        version: Stands for the function's code, which then does not count: a change of the code
            keeps the results, a change of the version does not.
        track: ``"closure"``: the code of the project's helper functions that this one calls counts
            too, and that of those they call.
        cache_exceptions: Exceptions of these types are kept like results, and raised again.
        trust: Read and write where other users may write too. A pickle can run code: say this
            only if you trust all of them.

    Returns:
        A decorator. What it returns also has ``cache_info()``, ``cache_path(...)``,
        ``is_cached(...)`` and ``clear()``.

    Raises:
        ConfigError: A parameter cannot be meant.
        TypeError: It was not called: ``@persistf`` instead of ``@persistf()``.

    >>> @persistf(skip_kwargs=["device"])
    ... def train(epochs, device="cpu"):
    ...     print("training")
    ...     return epochs * 10
    >>> train(3)
    training
    30
    >>> train(epochs=3, device="cuda:0")
    30
    >>> train.cache_info().hits
    1
    """
    if callable(freq):
        raise TypeError("persistf is called, whatever its parameters: @persistf()")
    if ttl is not None and freq is not None:
        raise ConfigError("ttl", ttl, "absent when freq, its other name, is given")
    if hashsize is not None and hash_size is not None and hashsize != hash_size:
        raise ConfigError("hash_size", hash_size, f"hashsize, which is {hashsize}, or absent")
    buckets = hashsize if hashsize is not None else hash_size
    if hash_method not in ("pickle", "json"):
        raise ConfigError("hash_method", hash_method, "'pickle' or 'json'")
    if track not in (None, "closure"):
        raise ConfigError("track", track, "'closure', or absent")
    if track is not None and version is not None:
        raise ConfigError("track", track, "absent when version stands for the code")
    options = Options(
        hashsize=None if buckets is None else check_positive(buckets, "hashsize"),
        skip=_names(skip_kwargs),
        expand=expand_dict_kwargs if expand_dict_kwargs == "all" else _names(expand_dict_kwargs),
        groupby=_names(groupby),
        switch_kwarg=switch_kwarg,
        cache=None if cache is None else to_switch(cache),
        lock_granularity=lock_granularity
        and check_granularity(lock_granularity, "lock_granularity"),
        hash_method=hash_method,
        local=local,
        alt_dirs=tuple(Path(os.path.abspath(path)) for path in alt_dirs or ()),  # noqa: PTH100
        cache_exceptions=_exception_types(cache_exceptions),
        track=track,
        ttl_s=seconds(freq if ttl is None else ttl, "freq" if ttl is None else "ttl"),
        max_bytes=None if max_bytes is None else check_positive(max_bytes, "max_bytes"),
        version=version,
        trust=trust,
    )

    def decorate(function: Callable[P, R], /) -> Persisted[P, R]:
        return wrap(function, options)

    return decorate


def wrap(function: Callable[P, R], options: Options) -> Persisted[P, R]:
    """Return the function with a memory on disk.

    Raises:
        ConfigError: A name in the options is no parameter.
        TypeError: It is not a function.
    """
    kind = type(cast("object", function))
    if kind in (staticmethod, classmethod):
        raise TypeError(f"persistf goes below @{kind.__name__}, not above it")
    if not (hasattr(function, "__qualname__") and hasattr(function, "__module__")):
        raise TypeError(f"persistf decorates functions, and {function!r} is none; wrap it in one")
    if options.switch_kwarg in _signature(function).parameters:
        raise ConfigError(
            "switch_kwarg", options.switch_kwarg, f"no parameter of {function.__qualname__}"
        )
    memo = Memo(function, options)

    # Plain functions, so that pickle and cloudpickle, methods, inspect and help() treat them
    # as what they are.
    if inspect.iscoroutinefunction(function):

        async def persisted_async(*args: Any, **kwargs: Any) -> Any:
            return await memo.call_async(args, kwargs)

        wrapper: Any = functools.update_wrapper(persisted_async, function)
    else:
        wrapper = functools.update_wrapper(_quick_wrapper(memo), function)
    wrapper.cache_info = memo.cache_info
    wrapper.cache_path = memo.cache_path
    wrapper.is_cached = memo.is_cached
    wrapper.clear = memo.clear
    return cast("Persisted[P, R]", wrapper)


def _quick_wrapper(memo: Memo) -> Callable[..., Any]:
    """Return the wrapper of a function that is no coroutine; see :mod:`_quick`."""
    results, stat, loads = memo.results, os.stat, pickle.loads
    clock_ns = time.monotonic_ns

    # Whatever can be left out of this is: it is most of what a hit takes.
    def persisted(*args: Any, **kwargs: Any) -> Any:
        try:
            call = quick_key(args, kwargs) if kwargs else (args, *map(type, args))
            known = results.quick.get(call)
        except Exception:  # an argument cannot be hashed or compared
            return memo.call(args, kwargs)
        if known is not None and not used.listeners:
            payload, watch = known
            try:
                if not watch.until_ns or clock_ns() >= watch.until_ns:
                    status = stat(watch.file)
                    if not (
                        status.st_mtime_ns == watch.changed_ns
                        and watch.least <= status.st_size <= watch.most
                        and status.st_ino == watch.inode
                        and status.st_nlink
                    ):
                        watch.end()
                    elif watch.interval_ns:
                        watch.until_ns = clock_ns() + watch.interval_ns
                if watch.settings == config.version:
                    value = loads(payload)
                    results.hits += 1
                    return value
            except Exception:
                # Whatever is wrong with the file or the pickle is dealt with on the long way.
                results.quick.pop(call, None)
                watch.end()
        return memo.call(args, kwargs)

    return persisted


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:  # some functions written in C
        raise TypeError(f"{error}, so persistf cannot tell its arguments; wrap it") from error


def _exception_types(given: Any) -> tuple[type[Exception], ...]:
    types: list[Any] = [*given] if isinstance(given, tuple) else [given]
    for kind in types:
        if not inspect.isclass(kind) or not issubclass(kind, Exception):
            raise ConfigError("cache_exceptions", kind, "a subclass of Exception, or several")
    return tuple(types)


def _names(names: Sequence[Any] | None) -> Any:
    """Copy a list, which its owner may change; leave a mistaken string to be refused."""
    return names if isinstance(names, str) else tuple(names or ())
