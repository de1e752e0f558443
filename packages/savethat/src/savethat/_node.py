"""Nodes: computations that are run from the command line, or from Python."""

from __future__ import annotations

import abc
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, SupportsFloat, TypeVar, get_args, get_origin

from savethat._config import load_config
from savethat._key import new_key
from savethat._layout import METRICS
from savethat._lines import append_line
from savethat._project_dir import project_dir_of
from savethat._storage import Storage
from savethat.errors import NodeAlreadyRan, NodeDefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import loguru

    from savethat._files import PathLike

ARGS = TypeVar("ARGS")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HookHandle:
    """Takes a hook away again."""

    remove: Callable[[], None]


class Node(abc.ABC, Generic[ARGS, T]):
    """A computation whose arguments and results are kept at each run.

    Derive from it with the classes of the arguments (a frozen dataclass) and the results::

        class FitOLS(savethat.Node[FitOLSArgs, FitOLSResult]):
            def _run(self) -> FitOLSResult: ...

    Args:
        key: The run's key; if it is taken when the node is run, the next free one is used.
        args: The arguments.
        storage: Where to keep the run. Default: ``data_storage`` in the project's folder.
    """

    def __init__(self, key: PathLike, args: ARGS, storage: Storage | None = None) -> None:
        self.key = str(key)
        self.args = args
        self.storage = storage or Storage(load_config(default_dir=project_dir_of(type(self))))
        self.project_dir = self.storage.config.project_dir or project_dir_of(type(self))
        self.reproduces: str | None = None
        """The key of the run that this one repeats."""
        self._ran = False
        self._pre_run_hooks: list[Callable[[Any], object]] = []
        self._run_hooks: list[Callable[[Any, Any], object]] = []
        self.setup()

    @abc.abstractmethod
    def _run(self) -> T:
        """Compute the results. This is what a subclass is for."""

    def setup(self) -> None:
        """Called when the node is made, before it is run. A subclass may override it."""

    def run(self) -> T:
        """Run the node, and keep everything in :attr:`output_dir`.

        Returns:
            What ``_run`` returns.

        Raises:
            NodeAlreadyRan: This node was run before.
            ResultsNotSaved: The results cannot be pickled; everything else is kept.
            Exception: What ``_run`` or a hook raises.
        """
        if self._ran:
            raise NodeAlreadyRan(self.key)
        self._ran = True
        from savethat._run import execute

        return execute(self)

    @property
    def output_dir(self) -> Path:
        """The run's folder: ``storage / key``. It is there once the node runs."""
        return self.storage / self.key

    @property
    def name(self) -> str:
        """The name of the node's class."""
        return type(self).__qualname__

    @property
    def logger(self) -> loguru.Logger:
        """The logger, bound to this run's key."""
        from loguru import logger

        return logger.bind(key=self.key)

    def log_metric(self, name: str, value: SupportsFloat, step: int | None = None) -> None:
        """Append a number to the run's ``metrics.jsonl``, with the time.

        Args:
            name: What it is, e.g. ``"loss"``.
            value: The number; of any type that ``float()`` takes.
            step: When in the course of the run, e.g. the epoch.
        """
        time = datetime.now(UTC).isoformat()
        item = getattr(value, "item", None)  # of a tensor, which warns of float()
        line = {
            "name": name,
            "value": float(item() if item else value),
            "step": step,
            "time": time,
        }
        append_line(self.output_dir / METRICS, line)

    def register_pre_run_hook(self, hook: Callable[[Any], object]) -> HookHandle:
        """Call ``hook(node)`` before the node is run."""
        return _register(self._pre_run_hooks, hook)

    def register_run_hook(self, hook: Callable[[Any, T], object]) -> HookHandle:
        """Call ``hook(node, result)`` after the node was run and its results were written."""
        return _register(self._run_hooks, hook)

    def _call_pre_run_hooks(self) -> None:
        for hook in list(self._pre_run_hooks):
            hook(self)

    def _call_run_hooks(self, result: T) -> None:
        for hook in list(self._run_hooks):
            hook(self, result)

    @classmethod
    def get_args_class(cls) -> type[ARGS]:
        """The class of the arguments: ``Node``'s first parameter, else the class's name + "Args".

        Raises:
            NodeDefinitionError: There is neither.
        """
        found = _parameter(cls)
        if found is None:
            module = sys.modules.get(cls.__module__)
            found = getattr(module, f"{cls.__qualname__}Args", None)
        if not isinstance(found, type):
            raise NodeDefinitionError(f"{cls.__module__}.{cls.__qualname__}")
        return found

    @classmethod
    def create_new_key(cls) -> str:
        """A new key: the class's name, the time in UTC, and what makes it unique."""
        return new_key(cls.__name__)


def _register(hooks: list[Any], hook: Any) -> HookHandle:
    entry = [hook]  # each registration is one of its own

    def call(*arguments: Any) -> object:
        return entry[0](*arguments)

    hooks.append(call)

    def remove() -> None:
        if call in hooks:
            hooks.remove(call)

    return HookHandle(remove)


def _parameter(cls: type) -> Any:
    """What a class passes to ``Node[...]`` as its arguments, also through generic classes."""
    for base in getattr(cls, "__orig_bases__", ()):
        origin, given = get_origin(base), get_args(base)
        if origin is Node:
            return given[0]
        if isinstance(origin, type) and issubclass(origin, Node):
            found = _parameter(origin)
            if isinstance(found, TypeVar):  # a generic base: Base[A, R](Node[A, R])
                return given[origin.__parameters__.index(found)]  # type: ignore[attr-defined]
            return found
    bases = (_parameter(base) for base in cls.__bases__ if issubclass(base, Node))
    return next((found for found in bases if found is not None), None)


def create_node(
    node_cls: type[Node[ARGS, T]],
    args: ARGS | Mapping[str, Any] | Sequence[str] | None = None,
    *,
    env_file: PathLike | None = None,
    credential_file: PathLike | None = None,
    storage: Storage | None = None,
    key: str | None = None,
    key_prefix: str = "",
) -> Node[ARGS, T]:
    """Make a node, ready to be run.

    Args:
        node_cls: The node's class.
        args: Its arguments: an instance of its arguments class, a mapping of their values, or the
            words of a command line. None stands for the defaults.
        env_file: The project's ``savethat.toml``.
        credential_file: Another credentials file than the user's own.
        storage: Where to keep the run, instead of what the files say.
        key: The run's key, instead of a new one.
        key_prefix: What a new key starts with.

    Raises:
        ArgumentsError: The arguments do not fit.
    """
    from savethat._args import make_args

    made = make_args(node_cls.get_args_class(), args)
    if storage is None:
        config = load_config(
            env_file,
            package=node_cls.__module__.partition(".")[0],
            credential_file=credential_file,
            default_dir=project_dir_of(node_cls),
            must_exist=False,
        )
        storage = Storage(config)
    return node_cls(key or key_prefix + node_cls.create_new_key(), made, storage)
