"""Compare versions as PEP 440 does, and lead old files to the present by migrations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import VersionMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from packaging.version import Version
    from torch import Tensor

log = logging.getLogger("torch_saveload")


@dataclass(frozen=True, slots=True)
class Migration:
    """A step from one version of a class to a later one."""

    from_: str
    to: str
    function: Callable[[dict[str, Any], dict[str, Tensor]], object]
    """Changes the arguments by name and the tensors by name, in place."""


def plan(
    migrations: Sequence[Migration],
    found: str | None,
    expected: str | None,
    *,
    path: str,
    class_name: str,
) -> list[Migration]:
    """Return the migrations that lead from one version to the other, in order.

    The shortest chain is taken, and the first of several equal steps. Where none leads from the
    very version to the very version, one will do that starts at an earlier version of the file's
    major number, and ends at an earlier one of the class's: within a major number nothing has to
    match. What differs is logged.

    Raises:
        VersionMismatchError: Another major version, and no chain of migrations leads there.
    """
    from packaging.version import InvalidVersion, Version

    if found is None or expected is None:
        if found != expected:
            log.info(
                "%s: version %s, %s has version %s: not compared",
                path,
                found or "not given",
                class_name,
                expected or "not given",
            )
        return []
    try:
        theirs, ours = Version(found), Version(expected)
    except InvalidVersion as error:
        raise VersionMismatchError(path, class_name, found, expected) from error
    if theirs == ours:
        return []
    chains = _chains(migrations, theirs, ours, exactly=True)
    if ours in chains:
        return chains[ours]
    chains = _chains(migrations, theirs, ours, exactly=False)
    near = [at for at in chains if (at.epoch, at.major) == (ours.epoch, ours.major)]
    if not near:
        raise VersionMismatchError(path, class_name, found, expected)
    log.warning("%s holds version %s of %s, which is at %s", path, theirs, class_name, ours)
    return chains[max(near)]


def _chains(
    migrations: Sequence[Migration], start: Version, goal: Version, *, exactly: bool
) -> dict[Version, list[Migration]]:
    """Return the fewest migrations that lead from one version to each that they lead to.

    Args:
        migrations: Those to choose from.
        start: The version of the file.
        goal: The version of the class.
        exactly: False: a migration also takes files of later versions with the same major
            number, and only leads forward.
    """
    from packaging.version import Version

    steps = [(Version(step.from_), Version(step.to), step) for step in migrations]
    steps.sort(key=lambda step: step[0], reverse=True)  # the latest that fits is taken

    def takes(from_: Version, to: Version, at: Version) -> bool:
        if exactly:
            return from_ == at
        same_major = (from_.epoch, from_.major) == (at.epoch, at.major)
        return same_major and from_ <= at < to <= goal

    chains: dict[Version, list[Migration]] = {start: []}
    todo = [start]
    for at in todo:  # which grows: the shortest chains come first
        for from_, to, step in steps:
            if to not in chains and takes(from_, to, at):
                chains[to] = [*chains[at], step]
                todo.append(to)
    return chains
