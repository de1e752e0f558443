"""Where files live: in a local folder, and maybe a remote copy of it.

A run is a folder at the top of the storage, named by its key, that holds ``args.json``. Other
folders are a project's own (data sets, caches); they are uploaded and downloaded when asked.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from savethat._config import Config
from savethat._layout import is_temporary
from savethat.errors import NotInStorage, RunNotFound

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import expcore

PathLike = str | os.PathLike[str]
INCOMING = ".savethat/incoming"
"""Where folders lie while they are downloaded."""


class Files:
    """The files of a storage, by their keys, here and remotely."""

    def __init__(self, config: Config | PathLike) -> None:
        if not isinstance(config, Config):
            config = Config(local_path=Path(config).absolute())
        self.config = config

    def __repr__(self) -> str:
        from expcore import without_credentials

        remote = self.config.remote and without_credentials(self.config.remote)
        return f"Storage({str(self.storage_path)!r}, remote={remote!r})"

    @property
    def storage_path(self) -> Path:
        """The local folder."""
        return self.config.local_path

    @cached_property
    def root(self) -> str:
        """The local folder as text, with a slash at its end, for what is done in thousands."""
        return f"{self.storage_path}{os.sep}"

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
            NotInStorage: The path is not below it.
        """
        try:
            relative = os.path.relpath(self / path, self.storage_path)
        except ValueError:  # on another drive
            relative = os.pardir
        if Path(relative).parts[:1] == (os.pardir,):
            raise NotInStorage(os.fspath(path), self.storage_path)
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
                with nullcontext() if "r" in mode else suppress(RunNotFound):
                    self.download_file(key)
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

    def upload(self, key: PathLike) -> str:
        """Upload a file or a folder, and everything below it; without a remote, do nothing.

        Returns:
            The URL of the remote copy, or the local path where there is no remote.

        Raises:
            RunNotFound: There is no such file or folder.
            BrokenRun: It is a run whose state cannot be read.
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

        A run that was made here and is not wholly uploaded is newer here, and stays as it is.

        Returns:
            The local path.

        Raises:
            RunNotFound: There is nothing of that name.
            expcore.ExpcoreError: The remote refused, or could not be reached.
        """
        from savethat._pending import is_pending

        path, name = self / key, self.key_of(key)
        remote = self.remote
        if remote is None or (path.exists() and is_pending(self, name)):
            if not path.exists():
                raise RunNotFound(name, [str(self.storage_path)])
            self._note_input(key)
            return path
        from savethat._remote import download_folder

        if remote.exists(name):
            path.parent.mkdir(parents=True, exist_ok=True)
            remote.download(name, path)
        elif not download_folder(remote, name, path, self / INCOMING) and not path.exists():
            raise RunNotFound(name, [str(self.storage_path), remote.url])
        self._note_input(key)
        return path

    def download_file(self, key: PathLike) -> Path:
        """Download one file.

        Raises:
            RunNotFound: The remote has no such file, or there is no remote.
        """
        path = self / key
        self._fetch(self.key_of(key), path)
        return path

    def _fetch(self, name: str, path: Path) -> None:
        from expcore import KeyNotFound

        if self.remote is None:
            raise RunNotFound(name, [str(self.storage_path)])
        try:
            self.remote.stat(name)  # first, so that no folder is made for nothing
            path.parent.mkdir(parents=True, exist_ok=True)
            self.remote.download(name, path)
        except KeyNotFound as error:
            raise RunNotFound(name, [str(self.storage_path), self.remote.url]) from error

    def ls(
        self, key: PathLike = "", *, relative: bool = False, recursive: bool = False
    ) -> Iterator[Path]:
        """Yield the local files and folders below a key, sorted; not what is being written."""
        folder = self / key
        for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
            if not is_temporary(path.name):
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
            RunStillRunning: The run is going on, or another machine still uploads it.
            BrokenRun: Its state cannot be read here, and the remote copy is a good one.
        """
        name = self.key_of(key)
        if not name:
            raise ValueError("the whole storage cannot be removed")
        if remote and not local:
            raise ValueError(f"{name}: removing only the remote copy would leave it unprotected")
        from savethat._removal import check_removable, remove_local, remove_remote

        check_removable(self, name, remote=remote)
        if remote and self.remote is not None:
            remove_remote(self.remote, name)
        if local:
            remove_local(self / key)
