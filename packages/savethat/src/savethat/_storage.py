"""A project's storage: its files, and the runs among them."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat._config import load_config
from savethat._files import Files
from savethat._layout import ARTIFACTS, METRICS, RESULTS
from savethat._lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    from savethat._files import PathLike


class Storage(Files):
    """A project's storage.

    ``storage / key`` is the local path of a key. Keys are paths below the storage; an absolute
    path below it stands for its key.

    Args:
        config: Where it is. A path is a local folder without a remote.
    """

    def find_runs(
        self,
        path: str = "",
        *,
        remote: bool = True,
        only_failed: bool = False,
        only_completed: bool = False,
        absolute: bool = False,
        before: datetime | None = None,
        after: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Find runs, oldest first, with their arguments.

        Args:
            path: The class of the runs' node, or the start of their keys.
            remote: Whether to look for runs that are only remote as well.
            only_failed: Leave out runs that have results or are still running.
            only_completed: Leave out runs without results.
            absolute: Give absolute paths instead of keys.
            before: Leave out runs made later; without a time zone, UTC is meant.
            after: Leave out runs made earlier.

        Returns:
            A dictionary for each run: ``run_key``, ``run_date``, ``run_completed``,
            ``run_state``, ``run_files``, and the arguments by their names.
        """
        from savethat._describe import describe
        from savethat._find import Wanted

        wanted = Wanted(
            path=path,
            only_failed=only_failed,
            only_completed=only_completed,
            before=before,
            after=after,
        )
        return describe(self, wanted, remote=remote, absolute=absolute)

    def find_run_files(
        self,
        path: str = "",
        *,
        remote: bool = True,
        only_failed: bool = False,
        only_completed: bool = False,
        absolute: bool = False,
        before: datetime | None = None,
        after: datetime | None = None,
    ) -> Iterator[tuple[Path, list[Path]]]:
        """Yield runs, oldest first, each with its files; the arguments are :meth:`find_runs`'."""
        from savethat import _find

        base = self.storage_path if absolute else Path()
        wanted = _find.Wanted(
            path=path,
            only_failed=only_failed,
            only_completed=only_completed,
            before=before,
            after=after,
        )
        for run in _find.select(self, wanted, remote=remote):
            yield base / run.key, [base / run.key / file for file in run.files]

    def load_results(self, key: PathLike, *, trust: bool = False) -> Any:
        """What ``_run`` returned in the run ``key``, which may be only remote.

        Args:
            key: The run.
            trust: Whether to unpickle also where other users could have written.

        Raises:
            RunNotFound: There is no such run, or it has no results.
            ResultsNeedCode: They are of classes that cannot be imported here.
            BrokenRun: They cannot be unpickled.
            UnsafeFolder: Others can write to the folder, and ``trust`` was not given.
        """
        from savethat._results import read_results

        name = self.key_of(key)
        with self._at_hand(name, RESULTS) as folder:
            return read_results(folder, name, trust=trust)

    def load_metrics(self, key: PathLike) -> list[dict[str, Any]]:
        """The numbers that a run has logged, in order, each with name, value, step and time.

        Raises:
            RunNotFound: There is no such run, or it has logged none.
        """
        return self._load_lines(key, METRICS)

    def load_artifacts(self, key: PathLike) -> list[dict[str, Any]]:
        """The files that plugins have listed in a run, in order.

        Raises:
            RunNotFound: There is no such run, or it lists none.
        """
        return self._load_lines(key, ARTIFACTS)

    def _load_lines(self, key: PathLike, name: str) -> list[dict[str, Any]]:
        with self._at_hand(self.key_of(key), name) as folder:
            return read_lines(folder / name)

    @contextmanager
    def _at_hand(self, key: str, name: str) -> Generator[Path]:
        """A folder with one file of a run: the run's own, or for the time of the block another.

        A file by itself in the run's folder would be taken for all there is of the run.
        """
        if (self / key / name).exists():
            yield self / key
            return
        from tempfile import TemporaryDirectory

        with TemporaryDirectory(prefix="savethat-") as folder:
            self._fetch(f"{key}/{name}", Path(folder, name))
            yield Path(folder)


def get_storage(
    env_file: PathLike | None = None,
    *,
    package: str | None = None,
    credential_file: PathLike | None = None,
) -> Storage:
    """The storage that a configuration file describes.

    Args:
        env_file: ``savethat.toml``; without one, the folder ``data_storage`` here.
        package: The project's package: its table in the credentials file is read.
        credential_file: Another credentials file than the user's own.

    Raises:
        ConfigNotFound: The file is not there.
        ConfigError: It says something that cannot be.
    """
    return Storage(load_config(env_file, package=package, credential_file=credential_file))
