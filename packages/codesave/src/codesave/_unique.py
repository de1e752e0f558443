"""Import from a zip of code, any number of versions side by side."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any, overload

from codesave._assign import assign
from codesave._checks import DEFAULT_LIMITS, Limits
from codesave._frames import caller
from codesave._places import reading
from codesave._redirect import arm
from codesave._worlds import World, open_world
from codesave.errors import CodebaseClosedError, ModuleNotInCodebaseError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import ModuleType, TracebackType
    from typing import Self


class UniqueCodebase:
    """A codebase whose modules are its own, whatever else is imported in the process.

    Two versions may be open at once and exchange objects; the same zip opened twice gives the
    same modules. Opening a codebase and importing from it runs its code: open zips that you
    trust, or pin the one that you mean with ``digest``.

    Args:
        zip_name: The zip that :func:`checkpoint` wrote, or any zip of Python code: a path, or a
            URL in a storage, ``"s3://bucket/codebase.zip"``.
        verbose: Log which modules it has (logger ``codesave``) at level info instead of debug.
        make_unique: False for a zip of codesave 0.0's ``create_unique_zip``, all of whose modules
            lie in one package at its top; names are then counted from that package.
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
    >>> codebase = UniqueCodebase(checkpoint("code", "codebase.zip"))
    >>> model = codebase.import_module("model")
    >>> model.answer()
    42
    """

    def __init__(
        self,
        zip_name: str | os.PathLike[str],
        verbose: bool = False,
        make_unique: bool = True,
        *,
        digest: str | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.zip_name = os.fspath(zip_name)
        with reading(self.zip_name) as path:
            self._world: World = open_world(path, digest, limits)
        self._within = "" if make_unique else self._only_package() + "."
        self._world.kept = True
        self._closed = False
        self._world.report(self.zip_name, verbose=verbose)

    @property
    def library_name(self) -> str:
        """The package that its modules live in, ``codesave._ns.<16 hex digits>``."""
        return f"{self._world.name}.{self._within}".removesuffix(".")

    @property
    def valid_libraries(self) -> list[str]:
        """The names that can be imported from its top."""
        return list(self._world.modules_in(self._within.removesuffix(".")))

    @property
    def folder(self) -> Path:
        """Where its files lie unpacked; read-only."""
        return self._world.code

    def import_module(self, name: str) -> ModuleType:
        """Import one of its modules, as :func:`importlib.import_module` would.

        Args:
            name: As the codebase's own code names it, ``"src.model"``.

        Raises:
            ModuleNotInCodebaseError: It has no module of that name.
            CodebaseClosedError: It was closed.
        """
        if self._closed:
            raise CodebaseClosedError(self.zip_name)
        arm()
        full_name = self._world.full_name(self._within + name)
        try:
            return importlib.import_module(full_name)
        except ModuleNotFoundError as error:
            # Only where this module is missing, not where it imports another that is.
            if error.name is None or not (full_name + ".").startswith(error.name + "."):
                raise
            raise ModuleNotInCodebaseError(name, self.zip_name, self.valid_libraries) from None

    def import_(self, name: str, as_: str | None = None) -> ModuleType:
        """``import name`` or ``import name as as_``, in the calling module.

        Returns:
            What is bound there: of ``"src.model"``, ``src``, unless ``as_`` is given.

        Raises:
            CannotAssignError: In a function; write ``model = codebase.import_(…)`` there.
        """
        module = self.import_module(name)
        if as_ is None:
            as_ = name.partition(".")[0]
            module = self.import_module(as_)
        assign(caller(), "import_", {as_: module})
        return module

    @overload
    def from_import(self, name: str, things_to_import: str, as_: str | None = None) -> Any: ...

    @overload
    def from_import(
        self, name: str, things_to_import: Iterable[str], as_: str | None = None
    ) -> tuple[Any, ...]: ...

    def from_import(
        self, name: str, things_to_import: str | Iterable[str], as_: str | None = None
    ) -> Any:
        """``from name import things_to_import``, in the calling module.

        Args:
            name: A module or package of the codebase.
            things_to_import: One name, or several.
            as_: Another name to bind, for one thing only.

        Returns:
            What was imported; a tuple if a tuple (or list) of names was given.

        Raises:
            ImportError: The module has no such name.
            CannotAssignError: In a function; write ``net = codebase.from_import(…)`` there.
        """
        single = isinstance(things_to_import, str)
        names = [things_to_import] if isinstance(things_to_import, str) else [*things_to_import]
        if as_ is not None and len(names) != 1:
            raise ValueError(f"as_={as_!r} names one thing, but {len(names)} are imported")
        module = self.import_module(name)
        values = [self._member(module, name, thing) for thing in names]
        bound = [as_] if as_ is not None else names
        assign(caller(), "from_import", dict(zip(bound, values, strict=True)))
        return values[0] if single else tuple(values)

    def _member(self, module: ModuleType, name: str, thing: str) -> Any:
        if not hasattr(module, thing) and hasattr(module, "__path__"):
            try:
                return self.import_module(f"{name}.{thing}")
            except ModuleNotInCodebaseError:
                pass
        try:
            return getattr(module, thing)
        except AttributeError:
            text = f"cannot import name {thing!r} from {name!r} of {self.zip_name!r}"
            raise ImportError(text, name=name, path=module.__file__) from None

    def _only_package(self) -> str:
        found = self._world.modules
        if len(found) != 1:
            raise ValueError(
                f"make_unique=False is for a zip with one package at its top, but that of "
                f"{self.zip_name!r} has: {', '.join(found) or 'none'}; leave make_unique out"
            )
        return found[0]

    def loads(self, data: bytes) -> Any:
        """Read a pickle that names the codebase's classes as its own code does, ``src.model.Net``.

        Reading a pickle runs what it says; read those that you trust.

        Args:
            data: What :func:`pickle.dumps` returned where the code ran as a plain folder.
        """
        from codesave._pickles import loads

        arm()
        return loads(self._world, data)

    @property
    def pickle_module(self) -> ModuleType:
        """Stands in for :mod:`pickle` where a library takes such a module.

        ``torch.load("old.pth", pickle_module=codebase.pickle_module, weights_only=False)``
        finds the classes of the codebase.
        """
        from codesave._pickles import pickle_module

        arm()
        return pickle_module(self._world)

    def close(self) -> None:
        """Import nothing more through this object; what was imported goes on working."""
        self._closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"UniqueCodebase({self.zip_name!r})"
