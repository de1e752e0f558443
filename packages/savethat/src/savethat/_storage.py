"""Where runs and their files live: a local folder, and maybe a remote copy of it.

A run is a folder at the top of the storage, named by its key, that holds ``args.json``. Other
folders are a project's own (data sets, caches); they are uploaded and downloaded when asked.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from savethat._config import Config, load_config
from savethat._context import ARTIFACTS
from savethat.errors import RunNotFound, RunStillRunning

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from datetime import datetime

    import expcore

PathLike = str | os.PathLike[str]
METRICS = "metrics.jsonl"


class Storage:
    """A project's storage.

    ``storage / key`` is the local path of a key. Keys are paths below the storage; an absolute
    path below it stands for its key.

    Args:
        config: Where it is. A path is a local folder without a remote.
    """

    def __init__(self, config: Config | PathLike) -> None:
        if not isinstance(config, Config):
            config = Config(local_path=Path(config).absolute())
        self.config = config

    def __repr__(self) -> str:
        return f"Storage({str(self.storage_path)!r}, remote={self.config.remote!r})"

    @property
    def storage_path(self) -> Path:
        """The local folder."""
        return self.config.local_path

    @cached_property
    def remote(self) -> expcore.Storage | None:
        """The remote storage, opened at the first use; None where there is none."""
        from savethat._remote import open_remote

        return open_remote(self.config)

    def __truediv__(self, key: PathLike) -> Path:
        return self.storage_path / key

    def key_of(self, path: PathLike) -> str:
        """The key of a path below the storage.

        Raises:
            ValueError: The path is not below it.
        """
        try:
            relative = os.path.relpath(self / path, self.storage_path)
        except ValueError:  # on another drive
            relative = os.pardir
        if Path(relative).parts[:1] == (os.pardir,):
            raise ValueError(f"{os.fspath(path)!r} is not below {self.storage_path}")
        return "" if relative == os.curdir else Path(relative).as_posix()

    @contextmanager
    def open(self, key: PathLike, mode: str = "r") -> Generator[IO[Any]]:
        """Open a file of the storage, as ``with storage.open(key) as file``.

        A file to be read that is only remote is downloaded first. A file that is written is put
        in place as a whole, with its folders, when the block ends, and not at all if it raises.
        Text is UTF-8.
        """
        from io import TextIOWrapper

        from expcore import open_atomic

        path = self / key
        encoding = None if "b" in mode else "utf-8"
        if "r" in mode or "a" in mode or "+" in mode:
            if not path.exists() and self.config.remote is not None:
                self._fetch_file(key, needed="r" in mode)
            if "a" in mode:
                path.parent.mkdir(parents=True, exist_ok=True)
            with path.open(mode, encoding=encoding) as file:
                if "r" in mode:
                    self._note_input(key)
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomic(path, overwrite="x" not in mode) as binary:
            if encoding is None:
                yield binary
                return
            text = TextIOWrapper(binary, encoding=encoding)
            yield text
            text.flush()
            text.detach()  # the file is open_atomic's to close

    def _note_input(self, key: PathLike) -> None:
        from savethat._inputs import note_input

        note_input(self / key, self.key_of(key))

    def _fetch_file(self, key: PathLike, *, needed: bool) -> None:
        try:
            self.download_file(key)
        except RunNotFound:
            if needed:
                raise

    def upload(self, key: PathLike) -> str:
        """Upload a file or a folder, and everything below it; without a remote, do nothing.

        Returns:
            The URL of the remote copy, or the local path where there is no remote.

        Raises:
            RunNotFound: There is no such file or folder.
            expcore.ExpcoreError: The remote refused, or could not be reached.
        """
        path, name = self / key, self.key_of(key)
        if not path.exists():
            raise RunNotFound(name, [str(self.storage_path)])
        remote = self.remote
        if remote is None:
            return str(path)
        if path.is_dir():
            from savethat._remote import upload_folder
            from savethat._state import read_state
            from savethat._sync import push

            state = read_state(path)
            if state is None or state.goes_on:
                upload_folder(path, remote, name)
            else:  # a run that is over, and is synced from now on
                name = push(self, name)
        else:
            remote.upload(path, name)
        return f"{remote.url.rstrip('/')}/{name}"

    def download(self, key: PathLike) -> Path:
        """Download a file or a folder; without a remote, only find it.

        Returns:
            The local path.

        Raises:
            RunNotFound: There is nothing of that name.
            expcore.ExpcoreError: The remote refused, or could not be reached.
        """
        path, name = self / key, self.key_of(key)
        remote = self.remote
        if remote is None:
            if not path.exists():
                raise RunNotFound(name, [str(self.storage_path)])
            self._note_input(key)
            return path
        from savethat._remote import download_folder

        if remote.exists(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            remote.download(name, path)
        elif not download_folder(remote, name, path) and not path.exists():
            raise RunNotFound(name, [str(self.storage_path), remote.url])
        self._note_input(key)
        return path

    def download_file(self, key: PathLike) -> Path:
        """Download one file.

        Raises:
            RunNotFound: The remote has no such file, or there is no remote.
        """
        from expcore import KeyNotFound

        path, name = self / key, self.key_of(key)
        if self.remote is None:
            raise RunNotFound(name, [str(self.storage_path)])
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.remote.download(name, path)
        except KeyNotFound as error:
            raise RunNotFound(name, [str(self.storage_path), self.remote.url]) from error
        return path

    def ls(
        self, key: PathLike = "", *, relative: bool = False, recursive: bool = False
    ) -> Iterator[Path]:
        """Yield the local files and folders below a key, sorted."""
        folder = self / key
        for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
            yield path.relative_to(self.storage_path) if relative else path

    def remote_ls(self, key: PathLike = "", *, recursive: bool = False) -> Iterator[Path]:
        """Yield the remote files below a key, and (not ``recursive``) its folders, sorted."""
        if self.remote is None:
            return
        name = self.key_of(key)
        prefix = f"{name}/" if name else ""
        for entry in self.remote.list(prefix, delimiter=None if recursive else "/"):
            yield Path(entry.key.rstrip("/"))

    def remove(self, key: PathLike, *, local: bool = True, remote: bool = False) -> None:
        """Remove a key and everything below it.

        Args:
            key: A run, or any other file or folder of the storage.
            local: Whether to remove it locally.
            remote: Whether to remove it remotely, which needs ``local`` as well.

        Raises:
            ValueError: The key is the storage itself, or only the remote copy is to go.
            RunStillRunning: The run is going on.
        """
        name = self.key_of(key)
        if not name:
            raise ValueError("the whole storage cannot be removed")
        if remote and not local:
            raise ValueError(f"{name}: removing only the remote copy would leave it unprotected")
        from savethat._find import read_any_state

        state = read_any_state(self, name, remote=remote)
        if state is not None and state.goes_on:
            job = state.job if state.state != "running" else ""
            raise RunStillRunning(name, state.host, state.pid, job)
        if remote and self.remote is not None:
            from savethat._remote import remove_folder

            remove_folder(self.remote, name)
        if local:
            _remove_local(self / key)

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
        """What ``_run`` returned in the run ``key``, downloaded where needed.

        Args:
            key: The run.
            trust: Whether to unpickle also where other users could have written.

        Raises:
            RunNotFound: There is no such run, or it has no results.
            UnsafeFolder: Others can write to the folder, and ``trust`` was not given.
        """
        from savethat._results import read_results
        from savethat._state import RESULTS

        self._fetch(f"{self.key_of(key)}/{RESULTS}")
        return read_results(self / key, trust=trust)

    def load_metrics(self, key: PathLike) -> list[dict[str, Any]]:
        """The numbers that a run has logged, in order, each with name, value, step and time.

        Raises:
            RunNotFound: There is no such run, or it has logged none.
        """
        return self._load_lines(f"{self.key_of(key)}/{METRICS}")

    def load_artifacts(self, key: PathLike) -> list[dict[str, Any]]:
        """The files that plugins have listed in a run, in order.

        Raises:
            RunNotFound: There is no such run, or it lists none.
        """
        return self._load_lines(f"{self.key_of(key)}/{ARTIFACTS}")

    def _load_lines(self, name: str) -> list[dict[str, Any]]:
        from savethat._lines import read_lines

        self._fetch(name)
        return read_lines(self / name)

    def _fetch(self, name: str) -> None:
        if not (self / name).exists():
            self.download_file(name)


def _remove_local(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        from shutil import rmtree

        # Renamed first: a removal that is cut short leaves no half run to be found.
        hidden = path.with_name(f".removed-{path.name}")
        rmtree(hidden, ignore_errors=True)
        path.rename(hidden)
        rmtree(hidden)
    else:
        path.unlink(missing_ok=True)


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
