"""The hooks a plugin may implement.

A plugin is a module (or object) named by an entry point of the group ``savethat``, whose functions
are marked by ``pluggy.HookimplMarker("savethat")``. It takes the arguments it needs, by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    from savethat._context import Artifact, RunContext

hookspec = pluggy.HookspecMarker("savethat")


@hookspec
def run_start(run: RunContext) -> None:
    """The run's folder exists, and nothing has run yet."""


@hookspec
def run_end(run: RunContext, status: str) -> None:
    """The run is over; its results are written, and the final upload is still to come.

    Args:
        run: The run.
        status: ``"completed"``, ``"failed"``, ``"interrupted"`` or ``"preempted"``; a preempted
            run may start again, in the same folder.
    """


@hookspec
def load_code(run: RunContext, folder: Path) -> object:
    """Put the code of an old run, as it was, into an empty folder.

    Args:
        run: The run; its files are in its folder.
        folder: Where to.

    Returns:
        Something true if the code is there now; None if this plugin has not kept it.
    """


@hookspec
def artifact(run: RunContext, artifact: Artifact) -> None:
    """A file was listed in the run."""
