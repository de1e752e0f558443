"""Hand a node to a scheduler, by ``submitit``: to Slurm, or to a process of this machine.

The key is claimed, and the run *queued*, before the scheduler hears of it: it is listed from then
on. The scheduler's machines must see the storage's local folder and the project's code under the
same paths, as they do on a cluster.
"""

from __future__ import annotations

import os
import pickle
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from savethat._args import write_args
from savethat._claim import claim
from savethat._job import Job, job_folder
from savethat._layout import ARGS
from savethat._script import stop_loading
from savethat._secret import secrets_in
from savethat._state import RunState
from savethat._sync import announce
from savethat.errors import NodeAlreadyRan, Refused

if TYPE_CHECKING:
    from collections.abc import Generator

    from savethat._node import Node

Cluster = Literal["slurm", "local"]
TIMEOUT_MIN = 24 * 60
"""What a job is given where nothing is said; submitit's own default would end it in minutes."""


def submit(node: Node[Any, Any], *, cluster: Cluster | None = None, **parameters: Any) -> Any:
    """Queue a node, to be run by a scheduler; needs the extra ``slurm``.

    Afterwards ``node.key`` is the run's key, under which it is found at once. A job that is
    preempted is queued again, and its run goes on in the same folder.

    Args:
        node: A node that was not run yet, of a class at the top of a module.
        cluster: ``"slurm"``, or ``"local"`` for a process beside this one. Default: Slurm where
            it is installed.
        **parameters: What the job needs, as ``submitit`` calls it: ``timeout_min`` (default: a
            day), ``mem_gb``, ``cpus_per_task``, ``gpus_per_node``, ``slurm_partition``, …

    Returns:
        The job, as ``submitit`` describes it.

    Raises:
        Refused: ``submitit`` is not installed, the scheduler does not take the job, or the node
            cannot be made again in another process.
        NodeAlreadyRan: This node was run or submitted before.
    """
    stop_loading()
    if node._ran:
        raise NodeAlreadyRan(node.key)
    job = _make_job(node)
    executor, scheduler = _executor(node, cluster, parameters)
    node._ran = True
    name = f"{job.module}.{job.node}"
    has_remote = node.storage.config.remote is not None
    state = RunState(state="queued", node=name, pending_sync=has_remote)
    node.key = claim(node.storage, node.key, state)
    state = replace(state, job=f"{scheduler} {node.key}")
    state.write(node.output_dir)
    write_args(node.args, node.output_dir / ARGS)
    announce(node.storage, node.key)
    try:
        executor.update_parameters(name=node.key)
        with _detached():
            return executor.submit(replace(job, key=node.key))
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        state.end("failed", reason).write(node.output_dir)
        raise Refused(f"{node.key} was not taken by {scheduler}: {reason}") from error


@contextmanager
def _detached() -> Generator[None]:
    """Let a process that is started in the block hold none of this one's streams open.

    Who reads what we print would else wait until the local job is over.
    """
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, null)
        for stream in range(3):
            try:
                ours = os.dup(stream)
            except OSError:  # it is closed
                continue
            stack.callback(os.close, ours)
            stack.callback(os.dup2, ours, stream)
            os.dup2(null, stream)
        yield


def _make_job(node: Node[Any, Any]) -> Job:
    cls, config = type(node), node.storage.config
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise Refused(
            f"{cls.__qualname__} cannot be imported by a job; define it at the top of a module"
        )
    if secrets_in(node.args):
        raise Refused(
            f"the arguments of {cls.__qualname__} hold a secret, which a queued job would have to "
            "keep in a file; read it from the environment in _run instead"
        )
    try:
        args = pickle.dumps(node.args)
    except Exception as error:
        raise Refused(f"the arguments of {cls.__qualname__} cannot be pickled: {error}") from error
    return Job(
        key=node.key,
        module=cls.__module__,
        node=cls.__qualname__,
        args=args,
        config=None if config.origin else config,
        origin=config.origin,
        path=list(sys.path),
    )


def _executor(
    node: Node[Any, Any], cluster: Cluster | None, parameters: dict[str, Any]
) -> tuple[Any, str]:
    """The executor, and the name of its scheduler."""
    try:
        import submitit
    except ImportError:
        raise Refused(
            "submitit is not installed; install savethat with its extra `slurm`"
        ) from None
    folder = job_folder(node.storage.storage_path)
    try:
        executor = submitit.AutoExecutor(folder, cluster=cluster)
        executor.update_parameters(**{"timeout_min": TIMEOUT_MIN} | parameters)
    except Exception as error:  # the parameters are submitit's to judge, and Slurm may be missing
        raise Refused(f"no job can be made: {error}") from error
    return executor, str(executor.cluster)
