"""The command line of a project: ``python -m my_project nodes / run / ls / rm / …``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from savethat._config import find_credential_file, load_config
from savethat._storage import Storage
from savethat.errors import ConfigNotFound, RunStillRunning, SavethatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from savethat._find import Found
    from savethat._node import Node
    from savethat._storage import PathLike

TIMES = "a date (2026-11-21) or a time (2026-11-21T08:00) in UTC"
LAST = "the last minutes, hours or days: 30m, 3h, 2d; minutes where no unit is given"


def run_main(
    package: str,
    env_file: PathLike | None = None,
    credential_file: PathLike | None = None,
    argv: Sequence[str] | None = None,
    project_dir: PathLike | None = None,
) -> tuple[Node[Any, Any], Any] | None:
    """Run the command line of a project, from its ``__main__.py``.

    Args:
        package: The project: a package, a folder of modules, or a single module, by the name
            under which it is imported.
        env_file: The project's ``savethat.toml``.
        credential_file: Another credentials file than the user's own.
        argv: The words of the command line; ``sys.argv[1:]`` by default.
        project_dir: The folder of the project's code; by default that of ``env_file``.

    Returns:
        The node and its results, if the command was ``run``.

    Raises:
        SystemExit: The command was refused; the reason was printed on stderr.
        Exception: What the node that was run raised.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if project_dir is not None:
        from savethat._node import set_project_dir

        set_project_dir(project_dir)
    project = Project(package, env_file, credential_file)
    with warnings.catch_warnings():
        if argv is None:  # a command line of its own: warnings are for people to read
            warnings.showwarning = _show_warning
        return project.main(words)


def _show_warning(  # noqa: PLR0917 # as warnings.showwarning has them
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001 # of warnings.showwarning
) -> None:
    if issubclass(category, UserWarning) and category.__module__.startswith("savethat"):
        print(f"warning: {message}", file=file or sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno)
        print(text, end="", file=file or sys.stderr)


class Project:
    """The commands of one project."""

    def __init__(
        self, package: str, env_file: PathLike | None, credential_file: PathLike | None
    ) -> None:
        self.package = package
        self.env_file = None if env_file is None else Path(env_file).absolute()
        self.credential_file = credential_file
        self.must_have_credentials = False
        self.level = "INFO"

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
        from savethat._node import _project_dirs

        config = load_config(
            self.env_file,
            package=self.package.partition(".")[0],
            credential_file=self.credential_file,
            default_dir=_project_dirs[0] if _project_dirs else Path.cwd(),
            must_exist=False,
        )
        return Storage(config)

    def main(self, argv: list[str]) -> tuple[Node[Any, Any], Any] | None:
        """Run one command."""
        common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        common.add_argument("--credentials")
        common.add_argument("--debug", action="store_true")
        before = next((i for i, word in enumerate(argv) if word in COMMANDS), len(argv))
        given, rest = common.parse_known_args(argv[:before])
        if given.credentials is not None:
            self.credential_file, self.must_have_credentials = given.credentials, True
        self.level = "DEBUG" if given.debug else "INFO"
        words = rest + argv[before:]
        if not words or words[0] in ("-h", "--help", "help"):
            print(self.help(), file=sys.stdout if words else sys.stderr)
            return None
        if words[0] not in COMMANDS:
            self.refuse(f"there is no action {words[0]!r}; see {self.program} --help")
        method, describe, add_arguments = COMMANDS[words[0]]
        parser = argparse.ArgumentParser(
            prog=f"{self.program} {words[0]}", description=describe, allow_abbrev=False
        )
        add_arguments(parser)
        try:
            if words[0] == "run":
                return self.run(parser, words[1:])
            getattr(self, method)(parser.parse_args(words[1:]))
        except SavethatError as error:
            self.refuse(str(error))
        except Exception as error:
            from expcore import ExpcoreError

            if not isinstance(error, ExpcoreError):
                raise
            self.refuse(str(error))
        return None

    def help(self) -> str:
        """The list of commands."""
        lines = ["Here is a list with all available actions:"]
        lines += [f"    {name:<10} {describe}" for name, (_, describe, _) in COMMANDS.items()]
        lines += ["", f"For more information on an action execute: {self.program} ACTION --help"]
        lines += ["Before the action: --debug (show more), --credentials FILE (for the remote)"]
        return "\n".join(lines)

    def refuse(self, reason: str) -> None:
        """Say on stderr why nothing is done, and end with status 1."""
        print(f"{self.program}: {reason}", file=sys.stderr)
        raise SystemExit(1)

    def nodes(self, _: argparse.Namespace) -> None:
        """List the nodes."""
        from savethat._discover import find_nodes, make_importable, node_name

        make_importable(self.package, self.project_dir)
        nodes = find_nodes(self.package)
        if not nodes:
            self.refuse(f"no class in {self.package} derives from savethat.Node")
        names = [node_name(node) for node in nodes]
        width = max(map(len, names))
        print("Found the following executable nodes:")
        for name, node in zip(names, nodes, strict=True):
            print(f"    {name:<{width}}  - {first_line(node)}")
        print("\nFor more information on each analysis execute:")
        print(f"     {self.program} run {names[-1]} --help")

    def run(
        self, parser: argparse.ArgumentParser, argv: list[str]
    ) -> tuple[Node[Any, Any], Any] | None:
        """Run a node. The options before its name are ours, those behind it are its own."""
        own, name, rest = _split_at_node(argv)
        options = parser.parse_args(own)
        if name is None:
            parser.print_help()
            return None
        from savethat._discover import find_node, make_importable, node_name
        from savethat._node import create_node

        make_importable(self.package, self.project_dir)
        node_cls = find_node(self.package, name)
        from savethat._parser import parse_argv

        program = f"{self.program} run {node_name(node_cls)}"
        args = parse_argv(node_cls.get_args_class(), rest, prog=program, config=options.config)
        from savethat._log import log_to_stderr

        log_to_stderr(self.level)
        node = create_node(node_cls, args, storage=self.storage())
        try:
            return node, node.run()
        except Exception as error:
            if not options.pdb:
                raise
            import pdb  # asked for by --pdb
            import traceback

            traceback.print_exc()
            pdb.post_mortem(error.__traceback__)
            raise SystemExit(1) from error

    def ls(self, options: argparse.Namespace) -> None:
        """List runs."""
        storage = self.storage()
        base = f"{storage.storage_path}{os.sep}" if options.absolute else ""
        lines: list[str] = []
        for run in _select(storage, options):
            if options.all or options.recursive:
                lines += [f"{base}{run.key}{os.sep}{file}" for file in run.files]
            else:
                lines.append(base + run.key)
        sys.stdout.write("".join(f"{line}\n" for line in lines))

    def rm(self, options: argparse.Namespace) -> None:
        """Remove runs."""
        selects = (options.path, options.failed, options.completed, options.before)
        if options.force and not any((*selects, options.after, options.last, options.all_runs)):
            self.refuse(
                "rm --force without a selection removes every run; add --all-runs to mean it"
            )
        storage = self.storage()
        runs = _select(storage, options)
        if not runs:
            print("No matching runs found.")
            return
        where = "LOCAL" if options.local or storage.config.remote is None else "LOCAL and REMOTE"
        if not options.force:
            self._announce(runs, where)
            if options.dry or not self._confirmed(where):
                return
        elif options.dry:
            self._announce(runs, where)
            return
        kept = False
        for run in runs:
            try:
                storage.remove(run.key, local=True, remote=not options.local)
                print(f"removed {run.key}")
            except RunStillRunning as error:
                print(f"kept {run.key}: {error}", file=sys.stderr)
                kept = True
        if kept:
            raise SystemExit(1)

    def _announce(self, runs: list[Found], where: str) -> None:
        print(f"Would delete the following runs from {where}:\n")
        print("\n".join(run.key for run in runs))
        files = sum(len(run.files) for run in runs)
        print(f"\nWould delete {len(runs)} runs with {files} files.")

    def _confirmed(self, where: str) -> bool:
        question = f"\nAre you sure you want to DELETE these runs ({where})? (y/n) "
        try:
            answer = input(question)
        except EOFError:
            answer = ""
        if answer.strip().lower() in ("y", "yes"):
            return True
        print("Aborting.")
        return False

    def download(self, options: argparse.Namespace) -> None:
        """Download a run, or anything else of the storage."""
        print(self.storage().download(options.key))

    def upload(self, options: argparse.Namespace) -> None:
        """Upload a run, or anything else of the storage."""
        print(self.storage().upload(options.key))

    def sync(self, _: argparse.Namespace) -> None:
        """Upload the runs that could not be uploaded when they were made."""
        from savethat._sync import pending, push

        storage = self.storage()
        if storage.config.remote is None:
            self.refuse("there is no remote storage to sync with; see savethat.toml")
        waiting = pending(storage)
        for key in waiting:
            print(push(storage, key))
        if not waiting:
            print("Nothing is pending.")

    def setup_b2(self, _: argparse.Namespace) -> None:
        """Ask for credentials, and add them to the credentials file."""
        from savethat._setup import setup_credentials

        package = self.package.partition(".")[0]
        default = (self.project_dir or Path.cwd()) / "data_storage"
        file = find_credential_file(self.credential_file)
        setup_credentials(package, file, default_local=default, ask=input, say=print)


def first_line(node: type) -> str:
    """The first line of a class's own docstring."""
    text = (node.__doc__ or "").strip()
    return text.splitlines()[0] if text else "[no docstring]"


def _split_at_node(argv: list[str]) -> tuple[list[str], str | None, list[str]]:
    """The options of ``run``, the node's name, and the node's own arguments."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] == "--config" else 1
    name = argv[index] if index < len(argv) else None
    return argv[:index], name, argv[index + 1 :]


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


def parse_time(text: str) -> datetime:
    """A date or a time in ISO format; without a time zone, UTC is meant."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not {TIMES}") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def parse_span(text: str) -> timedelta:
    """``30m``, ``3h`` or ``2d``.

    >>> parse_span("3h"), parse_span("45")
    (datetime.timedelta(seconds=10800), datetime.timedelta(seconds=2700))
    """
    units = {"m": "minutes", "h": "hours", "d": "days"}
    unit = text[-1:].lower()
    number = text[:-1] if unit in units else text
    try:
        return timedelta(**{units.get(unit, "minutes"): float(number)})
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not like 30m, 3h or 2d") from None


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """The command takes no arguments."""


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [--pdb] [--config FILE] NODE [arguments of the node]"
    parser.add_argument("--pdb", action="store_true", help="debug a failing node where it fails")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML, YAML or JSON with the node's arguments"
    )


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", nargs="?", default="", help="class of the node, or start of a key")
    parser.add_argument("--failed", action="store_true", help="only runs without results")
    parser.add_argument("--completed", action="store_true", help="only runs with results")
    parser.add_argument("--before", type=parse_time, metavar="TIME", help=f"made before {TIMES}")
    times = parser.add_mutually_exclusive_group()
    times.add_argument("--after", type=parse_time, metavar="TIME", help=f"made after {TIMES}")
    times.add_argument("--last", type=parse_span, metavar="SPAN", help=f"made in {LAST}")
    parser.add_argument("--local", action="store_true", help="only what is stored locally")


def _add_ls(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    parser.add_argument("--all", action="store_true", help="the files of the runs as well")
    parser.add_argument("-r", "--recursive", action="store_true", help="the same as --all")
    parser.add_argument("-a", "--absolute", action="store_true", help="absolute paths")


def _add_rm(parser: argparse.ArgumentParser) -> None:
    _add_selection(parser)
    parser.add_argument("--force", action="store_true", help="do not ask")
    parser.add_argument("--all-runs", action="store_true", help="with --force: really all of them")
    parser.add_argument("--dry", action="store_true", help="only say what would be removed")


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="of a run, or of another file or folder of the storage")


COMMANDS: dict[str, tuple[str, str, Any]] = {
    "nodes": ("nodes", "List all nodes.", _add_nothing),
    "run": ("run", "Run a node.", _add_run),
    "ls": ("ls", "List past runs.", _add_ls),
    "rm": ("rm", "Remove runs (local and remote).", _add_rm),
    "download": ("download", "Download a run.", _add_key),
    "upload": ("upload", "Upload a run.", _add_key),
    "sync": ("sync", "Upload runs that could not be uploaded before.", _add_nothing),
    "setup_b2": ("setup_b2", "Set up B2 credentials.", _add_nothing),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``savethat``; the status for the shell."""
    parser = argparse.ArgumentParser(prog="savethat", description="Make projects that keep runs.")
    commands = parser.add_subparsers(required=True, metavar="new")
    new = commands.add_parser("new", help="write a project to start from")
    new.add_argument("name", help="of the project's package, e.g. my_project")
    new.add_argument("--folder", type=Path, help="where to write it; by default ./NAME")
    options = parser.parse_args(argv)
    from savethat._new import new_project

    folder = options.folder or Path(options.name)
    try:
        written = new_project(options.name, folder)
    except SavethatError as error:
        print(f"savethat: {error}", file=sys.stderr)
        return 1
    for path in written:
        print(folder / path)
    print(f"\ncd {folder}; python -m {options.name} nodes")
    return 0
