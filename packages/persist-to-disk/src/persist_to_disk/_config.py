"""The settings that all functions of a process share.

Nothing is read before it is asked for: importing the package touches no file, and the home
folder is looked up in the environment each time. What was set by a call wins over
``config.ini``, which wins over the defaults.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from expcore import digest_bytes, write_file
from persist_to_disk._checks import (
    LockGranularity,
    check_granularity,
    check_interval,
    check_positive,
)
from persist_to_disk._guard import make_folder
from persist_to_disk._projects import project_id
from persist_to_disk.errors import ConfigError

if TYPE_CHECKING:
    import configparser

SECTION = "global_settings"
DEFAULT_HASHSIZE = 500
INHERITED = "_PERSIST_TO_DISK_SETTINGS"

log = logging.getLogger("persist_to_disk")


class Config:
    """Where results go. The one instance is ``persist_to_disk.config``."""

    def __init__(self) -> None:
        self._set: dict[str, str] = {}
        self.version = 0
        """Goes up with each setting, so that functions notice."""

    @property
    def home(self) -> Path:
        """The folder of ``config.ini``: ``$PERSIST_TO_DISK_HOME`` or ``~/.persist_to_disk``.

        Raises:
            OSError: The user has no home folder.
        """
        given = os.environ.get("PERSIST_TO_DISK_HOME")
        if given:
            return _absolute(given)
        try:
            return Path.home() / ".persist_to_disk"
        except RuntimeError as error:  # a user whom the system does not know
            text = f"{error} Set PERSIST_TO_DISK_HOME"
            raise FileNotFoundError(errno.ENOENT, text, "~") from error

    def generate_config(self) -> Path:
        """Write ``config.ini`` with the settings in force, to be edited.

        Returns:
            The path of the file. What it already says is kept.
        """
        import io

        parser = self._read_ini()
        if not parser.has_section(SECTION):
            parser.add_section(SECTION)
        section = parser[SECTION]
        section.setdefault("persist_path", str(self.home / "cache"))
        section.setdefault("hashsize", str(DEFAULT_HASHSIZE))
        section.setdefault("lock_granularity", "call")
        text = io.StringIO()
        parser.write(text)
        make_folder(self.home)
        path = self.home / "config.ini"
        write_file(path, text.getvalue().encode())
        log.info("settings written to %s", path)
        return path

    def set_persist_path(self, path: str | os.PathLike[str]) -> Path:
        """Keep the results of this process, and of its worker processes, below ``path``.

        Args:
            path: A folder; or the URL of an expcore storage (``s3://...``, ``b2://...``), in
                front of which a local tree then stands.

        Returns:
            The folder, or that of the local tree.
        """
        self._put("persist_path", str(path) if is_url(path) else str(_absolute(path)))
        return self.get_persist_path()

    def get_persist_path(self, local: bool = False) -> Path:
        """Return the folder that holds the projects' folders; it may not exist yet.

        Args:
            local: The folder for functions decorated with ``local=True`` instead.
        """
        url = self.get_persist_url(local)
        if url is not None:
            return self.home / "remote" / digest_bytes(url.encode()).partition(":")[2]
        found = self._persist_path(local)
        return _absolute(found, self.home) if found else self.home / "cache"

    def get_persist_url(self, local: bool = False) -> str | None:
        """Return the URL of the storage behind the local tree; None if there is none.

        Args:
            local: See :meth:`get_persist_path`.
        """
        found = self._persist_path(local)
        return found if found and is_url(found) else None

    def set_persist_path_local(self, path: str | os.PathLike[str]) -> Path:
        """Keep the results of functions decorated with ``local=True`` below ``path``."""
        return Path(self._put("persist_path_local", str(_absolute(path))))

    def set_project_path(self, path: str | os.PathLike[str]) -> Path:
        """Name the folder below which the project's source files lie."""
        return Path(self._put("project_path", str(_absolute(path))))

    def get_project_path(self, default: Path | None = None) -> Path:
        """Return the project's folder: what was set, or the current directory.

        Args:
            default: Used instead of the current directory.
        """
        found = self._local("project_path")
        return Path(found) if found else default or Path.cwd()

    def get_project_persist_path(
        self, local: bool = False, *, project_path: Path | None = None
    ) -> Path:
        """Return the folder ``project-[autoid]`` of the project.

        Args:
            local: See :meth:`get_persist_path`.
            project_path: The project when none was set; default the current directory.

        Raises:
            OSError: The project is new and its number cannot be written down.
        """
        project = self.get_project_path(project_path)
        number = project_id(self.home, project)
        return self.get_persist_path(local) / f"{project.name or 'root'}-{number}"

    def set_hashsize(self, hashsize: int = DEFAULT_HASHSIZE) -> int:
        """Set the number of bucket files for functions that do not say it themselves."""
        return int(self._put("hashsize", str(check_positive(hashsize, "hashsize"))))

    def get_hashsize(self) -> int:
        """Return the number of bucket files of a function.

        Raises:
            ConfigError: ``config.ini`` has something else than a positive integer.
        """
        return check_positive(self._get("hashsize") or DEFAULT_HASHSIZE, self._where("hashsize"))

    def get_lock_granularity(self) -> LockGranularity:
        """Return which writers share a lock.

        Raises:
            ConfigError: ``config.ini`` has something else than ``call``, ``func`` or ``global``.
        """
        found = self._get("lock_granularity") or "call"
        return check_granularity(found, self._where("lock_granularity"))

    def set_recheck_interval(self, seconds: float = 0.001) -> float:
        """Look at a bucket file at most once in so many seconds, for calls seen before.

        A hit then takes half the time, and what *other* processes replace or clear may be
        noticed that much later. By default, 0, each hit looks.

        Raises:
            ConfigError: It is no number of seconds from 0 to 60.
        """
        return float(self._put("recheck_interval", str(check_interval(seconds, "seconds"))))

    def get_recheck_interval(self) -> float:
        """Return for how many seconds a call seen before is not looked up again.

        Raises:
            ConfigError: ``config.ini`` has something else than seconds from 0 to 60.
        """
        found = self._get("recheck_interval") or 0
        return check_interval(found, self._where("recheck_interval"))

    def _persist_path(self, local: bool) -> str | None:
        return (self._get("persist_path_local") if local else None) or self._get("persist_path")

    def _put(self, name: str, value: str) -> str:
        import json

        self._set[name] = value
        self.version += 1
        # A worker process that is spawned imports the functions' modules, but runs nothing
        # that stands under `if __name__ == "__main__"`: it finds the settings here.
        os.environ[INHERITED] = json.dumps(self._set)
        return value

    def _local(self, name: str) -> str | None:
        found = self._set.get(name)
        if found is None and _is_worker_process() and (text := os.environ.get(INHERITED)):
            import json

            found = json.loads(text).get(name)
        return found

    def _get(self, name: str) -> str | None:
        return self._local(name) or self._read_ini().get(SECTION, name, fallback=None)

    def _where(self, name: str) -> str:
        return f"{name} in {self.home / 'config.ini'}"

    def _read_ini(self) -> configparser.ConfigParser:
        import configparser

        # A path may hold a per cent sign, which interpolation would trip over.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read(self.home / "config.ini", encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigError(
                str(self.home / "config.ini"), str(error), "an ini file in UTF-8"
            ) from error
        return parser


def _absolute(path: str | os.PathLike[str], base: Path | None = None) -> Path:
    path = Path(path).expanduser()
    return Path(os.path.normpath((base or Path.cwd()) / path))


def is_url(path: str | os.PathLike[str]) -> bool:
    """Say whether a text names a storage; a drive letter makes a folder."""
    return isinstance(path, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", path) is not None


def _is_worker_process() -> bool:
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


config = Config()
