"""One run of a node, from the claim of its key to the last upload.

1. The key is claimed: its folder is made, or the next free name's.
2. ``state.json`` (running), ``args.json`` and ``reproducible.json`` are written; plugins and hooks
   are told.
3. ``_run`` runs. Beside it, the state is renewed and what is written is uploaded; the first goes
   on until everything has arrived.
4. ``results.pickle`` is written, whole or not at all. From here on the run is completed.
5. Hooks and plugins are told, ``state.json`` is written, the rest is uploaded.

Whatever happens, 5. happens too, unless the process is killed; then 2. and 3. have left what they
wrote, and the run is *lost*.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from savethat._args import write_args
from savethat._background import Heart, Uploads
from savethat._claim import claim
from savethat._context import RunContext, activate
from savethat._inputs import write_inputs
from savethat._layout import ARGS
from savethat._log import describe_error, log_error, log_to
from savethat._plugins import call_plugins
from savethat._reproducible import reproducible_facts, write_reproducible
from savethat._results import write_results
from savethat._run_sync import RunSync
from savethat._script import describe_class, stop_loading
from savethat._secret import keep_secret, redact, secrets_in
from savethat._signals import Terminated, termination
from savethat._state import RunState
from savethat.errors import SavethatWarning

if TYPE_CHECKING:
    from savethat._node import Node

T = TypeVar("T")
INTERRUPTIONS = (KeyboardInterrupt, Terminated)  # sys.exit() in a node is the node's failure


def execute(node: Node[Any, T]) -> T:
    """Run a node, and keep everything."""
    stop_loading()
    name = f"{type(node).__module__}.{type(node).__qualname__}"
    state = RunState(node=name, pending_sync=node.storage.config.remote is not None)
    node.key = claim(node.storage, node.key, state)
    return carry_out(node, state)


def carry_out(node: Node[Any, T], state: RunState) -> T:
    """Run a node whose key is claimed for the run of this state."""
    run = RunContext(
        key=node.key, folder=node.output_dir, project_dir=node.project_dir, node=state.node
    )
    secrets = keep_secret(secrets_in(node.args) + node.storage.config.secrets)
    sync = RunSync(node.storage, run.key, state)
    heart, uploads = Heart(run.folder, state, sync.tell), Uploads(sync.upload_settled)
    with termination() as request, heart, uploads:
        try:
            with activate(run), log_to(run, secrets):
                try:
                    result = _compute(node, run, secrets)
                    state = state.end("completed")
                    node._call_run_hooks(result)
                except BaseException as error:
                    state = _over(state, error, secrets)
                    log_error(run, error, state.state)
                    raise
                finally:
                    uploads.over.set()
                    write_inputs(run)
                    call_plugins("run_end", run=run, status=state.state)
        except BaseException as error:  # also of the log that could not be opened
            state = _over(state, error, secrets)
            raise
        finally:
            with request.hold():
                try:
                    heart.become(state)
                except OSError as error:  # a full disk; the results may be there all the same
                    text = f"{run.key} is {state.state}, which cannot be written: {error}"
                    warnings.warn(text, SavethatWarning, stacklevel=4)
                uploads.stop()
                heart.stop()
                node.key = sync.finish(state)
    return result


def _over(state: RunState, error: BaseException, secrets: list[str]) -> RunState:
    """The state after an error; results that are written stay completed."""
    if state.state != "running":
        return state
    ended = "interrupted" if isinstance(error, INTERRUPTIONS) else "failed"
    if isinstance(error, Terminated) and error.preempted:
        ended = "preempted"
    return state.end(ended, redact(describe_error(error), secrets))


def _compute(node: Node[Any, T], run: RunContext, secrets: list[str]) -> T:
    from loguru import logger

    start = time.monotonic()
    logger.info("run {} in {}", run.key, run.folder)
    write_args(node.args, run.folder / ARGS)
    facts = reproducible_facts(run.project_dir)
    facts["node"] = describe_class(type(node), run.project_dir)
    if node.reproduces is not None:
        facts["reproduces"] = node.reproduces
    write_reproducible(run.folder, redact(facts, secrets))
    call_plugins("run_start", run=run)
    node._call_pre_run_hooks()
    result = _run_node(node)
    write_results(run.folder, run.key, result)
    logger.info("{} completed in {:.1f} s", run.key, time.monotonic() - start)
    return result


def _run_node(node: Node[Any, T]) -> T:
    """What ``_run`` returns; a process forked in it that gets here is not the run, and ends."""
    pid = os.getpid()
    try:
        result = node._run()
    except BaseException as error:
        if os.getpid() != pid:
            _end_child(error)
        raise
    if os.getpid() != pid:
        _end_child(None)
    return result


def _end_child(error: BaseException | None) -> NoReturn:
    """End a process as Python does, but without what the run does at its end."""
    match error:
        case None | SystemExit(code=None):
            status = 0
        case SystemExit(code=int(status)):
            pass
        case _:
            status = 1
            traceback.print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # it is closed, or there is none
            stream.flush()
    os._exit(status)
