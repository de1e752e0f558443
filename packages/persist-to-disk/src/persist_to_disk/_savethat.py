"""The savethat plugin: each run lists the cache entries it used.

savethat loads this module by its entry point; nothing else imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

from persist_to_disk._events import EntryUsed, used

if TYPE_CHECKING:
    from collections.abc import Callable

hookimpl = pluggy.HookimplMarker("savethat")

_disconnect: dict[str, Callable[[], None]] = {}


@hookimpl
def run_start(run: Any) -> None:
    """Begin to list the entries that are used, each once."""
    seen: set[tuple[object, ...]] = set()

    def record(event: EntryUsed) -> None:
        once = (event.bucket, event.entry.key, event.entry.written_ns, event.hit)
        if once in seen:
            return
        seen.add(once)
        run.add_artifact(
            event.path,
            kind="cache entry",
            by="persist_to_disk",
            use="read" if event.hit else "written",
            digest=event.digest,
            function=event.function,
            key=event.entry.key.hex(),
            hit=event.hit,
        )

    _disconnect[run.key] = used.connect(record)


@hookimpl
def run_end(run: Any, status: str) -> None:  # noqa: ARG001 -- the hook's parameters
    """Stop listing."""
    if disconnect := _disconnect.pop(run.key, None):
        disconnect()
