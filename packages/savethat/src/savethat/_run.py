"""One run of a node, from the claim of its key to the last upload.

1. The key is claimed: its folder is made, or the next free name's.
2. ``args.json``, ``state.json`` (running) and ``reproducible.json`` are written; plugins and hooks
   are told; what is there is uploaded.
3. ``_run`` runs.
4. ``results.pickle`` is written, whole or not at all. From here on the run is completed.
5. Hooks and plugins are told, ``state.json`` is written, the rest is uploaded.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from savethat._args import write_args
from savethat._context import RunContext, activate
from savethat._find import ARGS
from savethat._log import log_failure, log_to
from savethat._plugins import call_plugins
from savethat._reproducible import reproducible_facts, write_reproducible
from savethat._results import write_results
from savethat._state import RunState
from savethat.errors import NotSyncedWarning

if TYPE_CHECKING:
    from savethat._node import Node
    from savethat._storage import Storage

T = TypeVar("T")
INTERRUPTIONS = (KeyboardInterrupt, SystemExit, GeneratorExit)


def execute(node: Node[Any, T]) -> T:
    """Run a node, and keep everything."""
    from loguru import logger

    name = f"{type(node).__module__}.{type(node).__qualname__}"
    state = RunState(node=name)
    node.key = claim(node.storage, node.key, state)
    run = RunContext(key=node.key, folder=node.output_dir, project_dir=node.project_dir, node=name)
    start = time.monotonic()
    with activate(run), log_to(run):
        try:
            logger.info("run {} in {}", run.key, run.folder)
            write_args(node.args, run.folder / ARGS)
            facts = reproducible_facts(run.project_dir)
            facts["node"] = {
                "__module__": type(node).__module__,
                "__qualname__": type(node).__qualname__,
            }
            write_reproducible(run.folder, facts)
            call_plugins("run_start", run=run)
            node._call_pre_run_hooks()
            _upload(node.storage, run.key, state)
            result = node._run()
            write_results(run.folder, run.key, result)
        except BaseException as error:
            log_failure(run, error)
            ended = "interrupted" if isinstance(error, INTERRUPTIONS) else "failed"
            state = state.end(ended, error)
            raise
        else:
            state = state.end("completed")
            logger.info("{} completed in {:.1f} s", run.key, time.monotonic() - start)
            node._call_run_hooks(result)
            return result
        finally:
            try:
                call_plugins("run_end", run=run, status=state.state)
            finally:  # also where warnings are made errors
                state.write(run.folder)
                _upload(node.storage, run.key, state)


def claim(storage: Storage, key: str, state: RunState) -> str:
    """Make the run's folder, under ``key`` or the first free name of ``key-2``, ``key-3``, ….

    Making a folder succeeds for one process only; so a folder is never shared by two runs.
    """
    number = 1
    while True:
        name = key if number == 1 else f"{key}-{number}"
        folder = storage / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        state.write(folder)
        return name


def _upload(storage: Storage, key: str, state: RunState) -> None:
    """Upload the run; a remote that cannot be reached is no reason to lose it."""
    try:
        storage.upload(key)
    except Exception as error:  # an extra may be missing, a key wrong, a disk full
        replace(state, synced=False).write(storage / key)
        text = f"{key} is kept in {storage.storage_path}, but not uploaded: {error}"
        warnings.warn(text, NotSyncedWarning, stacklevel=4)
