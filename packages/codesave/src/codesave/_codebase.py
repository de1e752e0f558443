"""Use plain import statements on a zip of code, for the length of a ``with`` block.

While a codebase is open, ``src`` in ``sys.modules`` is the codebase's module, which lives below
``codesave._ns`` like those of a :class:`UniqueCodebase`; on closing, the host's own modules of
these names are put back.
"""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, cast

from codesave._checks import DEFAULT_LIMITS, Limits
from codesave._places import reading
from codesave._redirect import arm
from codesave._worlds import World, open_world

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.abc import Loader
    from types import ModuleType, TracebackType
    from typing import Self

_open: list[Codebase] = []
"""Those that are open, in the order of their opening."""


class Codebase:
    """A codebase that plain import statements find, until it is closed.

    It is open from its construction on, and can be opened again by another ``with``. Closing it
    unloads its modules; functions and classes that are still in use go on working.

    Args:
        zip_name: The zip that :func:`checkpoint` wrote, or any zip of Python code: a path, or a
            URL in a storage, ``"s3://bucket/codebase.zip"``.
        verbose: Log which modules it has (logger ``codesave``) at level info instead of debug.
        digest: What the zip's sha256 must be, ``"sha256:…"``; None to take it as it is.
        limits: How much the zip may unpack to.

    Raises:
        FileNotFoundError: There is no such zip.
        NotAZipError: It is no zip, or damaged.
        HostileZipError: It holds what no zip of code should; nothing was written.
        DigestMismatchError: It is another zip than the one pinned.

    >>> from pathlib import Path
    >>> _ = Path("code").mkdir(), Path("code/model.py").write_text("def answer(): return 42")
    >>> from codesave import checkpoint
    >>> with Codebase(checkpoint("code", "codebase.zip")):
    ...     import model
    >>> model.answer()
    42
    """

    def __init__(
        self,
        zip_name: str | os.PathLike[str],
        verbose: bool = False,
        *,
        digest: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.zip_name = os.fspath(zip_name)
        with reading(self.zip_name) as path:
            self._world: World = open_world(path, digest, limits)
        self._aliases = _Aliases(self._world)
        self._hidden: dict[str, ModuleType] = {}
        self._open()
        self._world.report(self.zip_name, verbose=verbose)

    @property
    def library_name(self) -> str:
        """The package that its modules live in while they are loaded."""
        return self._world.name

    @property
    def valid_libraries(self) -> list[str]:
        """The names that can be imported from its top."""
        return list(self._world.modules)

    def close(self) -> None:
        """Unload the codebase's modules and put the host's of the same names back.

        Codebases may be closed in any order: those that were opened later stay as they are.
        """
        if self not in _open:
            return
        later = _open[_open.index(self) + 1 :]
        shown = {codebase: codebase._leave() for codebase in reversed(later)}
        self._leave()
        _open.remove(self)
        for codebase in later:
            codebase._enter(shown[codebase])
        self._world.users -= 1
        self._world.close()

    def _open(self) -> None:
        arm()
        self._world.start_afresh()
        self._world.users += 1
        self._enter({})
        _open.append(self)

    def _enter(self, shown: dict[str, ModuleType]) -> None:
        """Show modules under the names that this codebase stands for, and hide what was there."""
        self._hidden = self._take_out()
        sys.modules.update(shown)
        sys.meta_path.insert(0, self._aliases)

    def _leave(self) -> dict[str, ModuleType]:
        """Put back what was hidden; what was shown instead is returned."""
        sys.meta_path.remove(self._aliases)
        shown = self._take_out()
        sys.modules.update(self._hidden)
        self._hidden = {}
        return shown

    def _take_out(self) -> dict[str, ModuleType]:
        """Remove the names that this codebase stands for from ``sys.modules``."""
        return {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if _stands_for(self._world, name)
        }

    def __enter__(self) -> Self:
        if self not in _open:
            self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Codebase({self.zip_name!r})"


def _stands_for(world: World, name: str) -> bool:
    top = name.partition(".")[0]
    # All of the process would see a codebase's own logging.py, and not only the codebase.
    return top not in sys.stdlib_module_names and world.own_name(top) is not None


class _Aliases:
    """Find ``src.model`` as the codebase's module of that name."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if not _stands_for(self._world, fullname):
            return None
        return ModuleSpec(fullname, cast("Loader", _Alias(self._world)))


class _Alias:
    """Import the codebase's module, and let it be the one that is loaded by the plain name."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        # Not in exec_module: until then the plain name would stand for an empty module, which
        # code outside of the codebase may import from, as C code in it does.
        full_name = self._world.own_name(spec.name) or spec.name
        try:
            module = importlib.import_module(full_name)
        except BaseException as error:
            sys.modules.pop(spec.name, None)  # a circular import may have put it there, in part
            if not isinstance(error, ModuleNotFoundError) or error.name != full_name:
                raise
            raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name) from None
        self._spec = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module: ModuleType) -> None:
        with suppress(AttributeError):  # what stands in sys.modules may be any object
            module.__spec__ = self._spec  # Python has put the plain name's there
