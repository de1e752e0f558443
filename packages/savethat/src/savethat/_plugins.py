"""Installed plugins: found by entry point, called one by one, and never in the way of a run.

``SAVETHAT_DISABLE_PLUGINS`` in the environment leaves plugins out: a comma-separated list of their
names, or ``1`` for all.
"""

from __future__ import annotations

import os
import threading
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

from savethat.errors import SavethatPluginWarning

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pluggy

GROUP = "savethat"
_lock = threading.RLock()


def plugin_manager() -> pluggy.PluginManager:
    """The process's plugin manager. Plugins are loaded on the first call."""
    with _lock:
        return _load()


@cache
def _load() -> pluggy.PluginManager:
    from importlib.metadata import entry_points

    import pluggy

    from savethat import _hooks

    manager = pluggy.PluginManager("savethat")
    manager.add_hookspecs(_hooks)
    disabled = os.environ.get("SAVETHAT_DISABLE_PLUGINS", "").split(",")
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if "1" in disabled or entry.name in disabled or manager.has_plugin(entry.name):
            continue
        try:
            manager.register(entry.load(), name=entry.name)
        except (Exception, SystemExit) as error:  # whatever it is, the run goes on
            if manager.has_plugin(entry.name):  # registered, then found to be invalid
                manager.unregister(name=entry.name)
            _warn(f"{entry.name!r} ({entry.value}) is left out: it does not load", error)
    return manager


def call_plugins(hook: str, **arguments: Any) -> None:
    """Call each plugin's implementation of ``hook``; one that raises is warned about by name."""
    for _ in _answers(hook, arguments):
        pass


def ask_plugins(hook: str, **arguments: Any) -> Any:
    """The first answer of a plugin that is not None, if there is one."""
    return next(_answers(hook, arguments), None)


def _answers(hook: str, arguments: dict[str, Any]) -> Iterator[Any]:
    manager = plugin_manager()
    plugins = manager.list_name_plugin()
    for name, plugin in plugins:
        # Not manager.hook.<name>(): there, the first plugin that raises keeps the others from
        # being called.
        others = [other for _, other in plugins if other is not plugin]
        try:
            answers = manager.subset_hook_caller(hook, others)(**arguments)
        except (Exception, SystemExit) as error:  # whatever it is, the run goes on
            _warn(f"{name!r} failed in {hook}", error)
        else:
            yield from answers


def _warn(what: str, error: BaseException) -> None:
    text = f"savethat plugin {what}: {type(error).__name__}: {error}"
    warnings.warn(text, SavethatPluginWarning, stacklevel=3)
