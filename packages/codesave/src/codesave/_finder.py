"""Find ``codesave._ns.<key>``; what lies below it is found by Python's own finders."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, cast

from codesave._cache import KEY_LENGTH
from codesave._worlds import world_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType

    from codesave._worlds import World


class CodebaseFinder:
    """Answers for the packages directly below ``codesave._ns``, one per codebase."""

    def __init__(self, namespace: str) -> None:
        self._prefix = namespace + "."

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The codebase's root package.

        Raises:
            CodebaseNotCachedError: This machine does not have the codebase.
        """
        key = fullname.removeprefix(self._prefix)
        if key == fullname or len(key) != KEY_LENGTH:
            return None
        world = world_of(key)
        spec = ModuleSpec(
            fullname, cast("Loader", _Root(world)), origin=str(world.code), is_package=True
        )
        spec.submodule_search_locations = [str(world.code)]
        return spec


class _Root:
    """A codebase's root package has no code of its own, whatever ``__init__.py`` lies there."""

    def __init__(self, world: World) -> None:
        self._world = world

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:  # noqa: ARG002
        """Let Python make the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:  # noqa: ARG002
        """Put back the modules that code still in use was part of, if there are such."""
        self._world.revive()
