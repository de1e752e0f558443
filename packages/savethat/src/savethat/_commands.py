"""What the commands of a project do. Each yields the lines that it has to say."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from savethat._config import find_credential_file, load_config
from savethat._storage import Storage
from savethat.errors import BrokenRun, ConfigNotFound, Refused, RunStillRunning

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from savethat._files import PathLike
    from savethat._found import Found


class Project:
    """A project, as its command line knows it.

    Args:
        package: The name under which it is imported.
        env_file: Its configuration file.
        credential_file: Another credentials file than the user's own.
        ask: Asks a question, like :func:`input`.
    """

    def __init__(
        self,
        package: str,
        env_file: PathLike | None,
        credential_file: PathLike | None,
        ask: Callable[[str], str],
    ) -> None:
        self.package = package
        self.env_file = None if env_file is None else Path(env_file).absolute()
        self.credential_file = credential_file
        self.must_have_credentials = False
        self.ask = ask

    @property
    def program(self) -> str:
        """How the project is called on the command line."""
        return f"python -m {self.package}"

    @property
    def project_dir(self) -> Path | None:
        """The folder of the configuration file."""
        return None if self.env_file is None else self.env_file.parent

    def storage(self) -> Storage:
        """The project's storage."""
        if self.must_have_credentials and not find_credential_file(self.credential_file).exists():
            raise ConfigNotFound(find_credential_file(self.credential_file))
        from savethat._project_dir import _project_dirs

        config = load_config(
            self.env_file,
            package=self.package.partition(".")[0],
            credential_file=self.credential_file,
            default_dir=_project_dirs[0] if _project_dirs else Path.cwd(),
            must_exist=False,
        )
        return Storage(config)

    def nodes(self, _: argparse.Namespace) -> Iterator[str]:
        """List the nodes."""
        from savethat._discover import find_nodes, make_importable, node_name

        make_importable(self.package, self.project_dir)
        nodes = find_nodes(self.package)
        if not nodes:
            raise Refused(f"no class in {self.package} derives from savethat.Node")
        names = [node_name(node) for node in nodes]
        width = max(map(len, names))
        yield "Found the following executable nodes:"
        for name, node in zip(names, nodes, strict=True):
            yield f"    {name:<{width}}  - {_first_line(node)}"
        yield ""
        yield "For more information on each analysis execute:"
        yield f"     {self.program} run {names[-1]} --help"

    def ls(self, options: argparse.Namespace) -> Iterator[str]:
        """List runs."""
        storage = self.storage()
        base = f"{storage.storage_path}{os.sep}" if options.absolute else ""
        for run in _select(storage, options):
            if options.all or options.recursive:
                yield from (f"{base}{run.key}{os.sep}{file}" for file in run.files)
            else:
                yield base + run.key

    def rm(self, options: argparse.Namespace) -> Iterator[str]:
        """Remove runs, and refuse at the end if some are still running."""
        selects = (options.path, options.failed, options.completed, options.before)
        if options.force and not any((*selects, options.after, options.last, options.all_runs)):
            raise Refused(
                "rm --force without a selection removes every run; add --all-runs to mean it"
            )
        storage = self.storage()
        runs = _select(storage, options)
        if not runs:
            yield "No matching runs found."
            return
        where = "LOCAL" if options.local or storage.config.remote is None else "LOCAL and REMOTE"
        if options.dry or not options.force:
            yield f"Would delete the following runs from {where}:\n"
            yield from (run.key for run in runs)
            files = sum(len(run.files) for run in runs)
            yield f"\nWould delete {len(runs)} runs with {files} files."
        if options.dry:
            return
        if not options.force and not self._is_sure(where):
            yield "Aborting."
            return
        kept: list[str] = []
        for run in runs:
            try:
                storage.remove(run.key, local=True, remote=not options.local)
                yield f"removed {run.key}"
            except (RunStillRunning, BrokenRun) as error:
                kept.append(str(error))
            except OSError as error:
                if error.filename is None:  # of the remote: no other run fares better
                    raise
                kept.append(f"{run.key} cannot be removed: {error}")
        if kept:
            raise Refused("; ".join(kept))

    def _is_sure(self, where: str) -> bool:
        question = f"\nAre you sure you want to DELETE these runs ({where})? (y/n) "
        try:
            return self.ask(question).strip().lower() in ("y", "yes")
        except (EOFError, KeyboardInterrupt):
            return False

    def download(self, options: argparse.Namespace) -> Iterator[str]:
        """Download a run, or anything else of the storage."""
        yield str(self.storage().download(options.key))

    def upload(self, options: argparse.Namespace) -> Iterator[str]:
        """Upload a run, or anything else of the storage."""
        yield self.storage().upload(options.key)

    def reproduce(self, options: argparse.Namespace) -> Iterator[str]:
        """Run a run again, as it was, and say what differs."""
        from savethat._reproduce import reproduce

        here = self.project_dir or Path.cwd()
        words = options.arguments
        return reproduce(self.storage(), options.key, words, code=options.code, here=here)

    def sync(self, _: argparse.Namespace) -> Iterator[str]:
        """Upload the runs that could not be uploaded when they were made."""
        from savethat._sync import push_pending

        storage = self.storage()
        if storage.config.remote is None:
            raise Refused("there is no remote storage to sync with; see savethat.toml")
        nothing = True
        for key in push_pending(storage):
            nothing = False
            yield key
        if nothing:
            yield "Nothing is pending."

    def setup_b2(self, _: argparse.Namespace) -> Iterator[str]:
        """Ask for credentials, and add them to the credentials file."""
        from savethat._setup import setup_credentials

        package = self.package.partition(".")[0]
        default = (self.project_dir or Path.cwd()) / "data_storage"
        file = find_credential_file(self.credential_file)
        yield from setup_credentials(package, file, default_local=default, ask=self.ask)


def _first_line(node: type) -> str:
    text = (node.__doc__ or "").strip()
    return text.splitlines()[0] if text else "[no docstring]"


def _select(storage: Storage, options: argparse.Namespace) -> list[Found]:
    """The runs that ``ls`` or ``rm`` is asked for."""
    from savethat._find import Wanted, select

    after = options.after
    if options.last is not None:
        after = datetime.now(UTC) - options.last
    wanted = Wanted(
        path=options.path,
        only_failed=options.failed,
        only_completed=options.completed,
        before=options.before,
        after=after,
    )
    return select(storage, wanted, remote=not options.local)
