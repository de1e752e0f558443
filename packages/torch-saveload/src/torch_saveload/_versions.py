"""Compare versions as PEP 440 does, and lead old files to the present by migrations."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import VersionMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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

    The shortest chain is taken. Without one, the versions may differ in anything but the first
    number; a difference is logged.

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
    if chain := _shortest_chain(migrations, theirs, ours):
        return chain
    if (theirs.epoch, theirs.major) != (ours.epoch, ours.major):
        raise VersionMismatchError(path, class_name, found, expected)
    log.warning("%s holds version %s of %s, which is at %s", path, theirs, class_name, ours)
    return []


def _shortest_chain(migrations: Sequence[Migration], start: Any, goal: Any) -> list[Migration]:
    from packaging.version import Version

    chains: list[list[Migration]] = [[]]
    seen = {start}
    while chains:
        longer: list[list[Migration]] = []
        for chain in chains:
            at = Version(chain[-1].to) if chain else start
            for step in migrations:
                if Version(step.from_) == at and (to := Version(step.to)) not in seen:
                    if to == goal:
                        return [*chain, step]
                    seen.add(to)
                    longer.append([*chain, step])
        chains = longer
    return []
