"""Where one function's results lie under the settings in force: its folders and stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from persist_to_disk._config import config
from persist_to_disk._guard import check_folders
from persist_to_disk._names import folder_name
from persist_to_disk._old import OldStore
from persist_to_disk._place import function_folder, module_folder, source_file
from persist_to_disk._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from persist_to_disk._options import Options
    from persist_to_disk._remote import Remote


class Home(NamedTuple):
    """The folders of a function under one state of the settings."""

    version: int
    project: Path
    """The project's folder in the cache."""
    folder: Path
    """The function's."""
    stores: dict[tuple[Path, tuple[str, ...]], Store]
    old: tuple[OldStore, ...]
    remote: Remote | None
    """Behind the project's folder, if results are shared."""
    recheck_ns: int
    """How long a call seen before is not looked up again."""


class Homes:
    """Finds the home of a function, again whenever a setting has changed.

    Args:
        function: The decorated function.
        options: What it is decorated with.
    """

    def __init__(self, function: Callable[..., Any], options: Options) -> None:
        self._function, self._options = function, options
        self._source = source_file(function)
        # The project is where the function was decorated, wherever the script goes later.
        self._directory = _current_directory() or (self._source or Path()).parent
        self._home: Home | None = None

    def project_path(self) -> Path:
        """Return the folder of the project's source files."""
        return config.get_project_path(self._directory)

    def home(self) -> Home:
        """Return the home under the present settings.

        Raises:
            OSError: The project is new and its number cannot be written down.
        """
        home = self._home
        if home is None or home.version != config.version:
            home = self._home = self._find_home()
        return home

    @property
    def last_folder(self) -> Path | None:
        """The function's folder under the settings of its last call."""
        return None if self._home is None else self._home.folder

    def store(self, groups: tuple[str, ...]) -> Store:
        """Return the store for some values of ``groupby``.

        Raises:
            UnsafePathError: Others may write to its folder or one around it.
        """
        return self._store(self.home().folder, groups)

    def others(self, groups: tuple[str, ...]) -> tuple[Store, ...]:
        """Return the stores of ``alt_dirs``."""
        return tuple(self._store(folder, groups) for folder in self._options.alt_dirs)

    def stores(self) -> list[Store]:
        """Return the stores of all values of ``groupby`` that there are."""
        folder = self.home().folder
        depth = len(self._options.groupby)
        if not depth:
            return [self.store(())]
        found = [path for path in folder.glob("/".join("*" * depth)) if path.is_dir()]
        return [self.store(path.relative_to(folder).parts) for path in found]

    def _find_home(self) -> Home:
        options, source, project_path = self._options, self._source, self.project_path()
        project = config.get_project_persist_path(options.local, project_path=project_path)
        folder = project / function_folder(source, self._function.__qualname__, project_path)
        place = project / module_folder(source, project_path) / self._function.__name__
        old = tuple(
            OldStore(old_folder, options, self._hashsize())
            for old_folder in (place, *options.alt_dirs)
        )
        url, remote = config.get_persist_url(options.local), None
        if url is not None:
            from persist_to_disk._remote import Remote

            parts = (folder_name(project_path.name), *folder.relative_to(project).parts)
            remote = Remote(url, "/".join(parts))
        recheck_ns = int(config.get_recheck_interval() * 1e9)
        return Home(config.version, project, folder, {}, old, remote, recheck_ns)

    def _store(self, folder: Path, groups: tuple[str, ...]) -> Store:
        home, options = self.home(), self._options
        store = home.stores.get((folder, groups))
        if store is None:
            place = folder.joinpath(*groups)
            if not options.trust:
                check_folders(home.project.parent if folder == home.folder else folder, place)
            granularity = options.lock_granularity or config.get_lock_granularity()
            shared = {"call": None, "func": folder, "global": home.project}[granularity]
            store = home.stores[folder, groups] = Store(
                place, hashsize=self._hashsize(), shared_lock=shared, trust=options.trust
            )
        return store

    def _hashsize(self) -> int:
        return self._options.hashsize or config.get_hashsize()


def _current_directory() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed
        return None
