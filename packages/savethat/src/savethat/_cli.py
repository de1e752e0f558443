"""The command lines: ``python -m my_project …`` of a project, and ``savethat new``."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from expcore import ExpcoreError, printable
from savethat._commands import Project
from savethat._options import COMMANDS
from savethat.errors import NotWritable, SavethatError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from savethat._files import PathLike
    from savethat._node import Node

Done = tuple["Node[Any, Any]", Any]


def run_main(
    package: str,
    env_file: PathLike | None = None,
    credential_file: PathLike | None = None,
    argv: Sequence[str] | None = None,
    project_dir: PathLike | None = None,
) -> Done | None:
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
        from savethat._project_dir import set_project_dir

        set_project_dir(project_dir)
    project = Project(package, env_file, credential_file, ask=input)
    with warnings.catch_warnings():
        if argv is None:  # a command line of its own: warnings are for people to read
            warnings.showwarning = _show_warning
        return _run_command(project, words)


def _show_warning(  # noqa: PLR0917 # as warnings.showwarning has them
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,  # noqa: ARG001 # of warnings.showwarning
) -> None:
    if issubclass(category, UserWarning) and category.__module__.startswith("savethat"):
        print(f"warning: {printable(str(message))}", file=file or sys.stderr)
    else:
        text = warnings.formatwarning(message, category, filename, lineno)
        print(text, end="", file=file or sys.stderr)


def _run_command(project: Project, argv: list[str]) -> Done | None:
    common = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    common.add_argument("--credentials")
    common.add_argument("--debug", action="store_true")
    before = next((i for i, word in enumerate(argv) if word in COMMANDS), len(argv))
    given, rest = common.parse_known_args(argv[:before])
    if given.credentials is not None:
        project.credential_file, project.must_have_credentials = given.credentials, True
    words = rest + argv[before:]
    if not words or words[0] in ("-h", "--help", "help"):
        _print(_help(project), at_once=False, to=sys.stdout if words else sys.stderr)
        return None
    name = words[0]
    if name not in COMMANDS:
        _refuse(project, f"there is no action {name!r}; see {project.program} --help")
    text, add_arguments = COMMANDS[name]
    program = f"{project.program} {name}"
    parser = argparse.ArgumentParser(prog=program, description=text, allow_abbrev=False)
    add_arguments(parser)
    if name in ("run", "submit"):
        from savethat._launch import launch

        with _Refusals(project):
            how = launch(project, parser, words[1:])
            if how is not None and name == "submit":
                print(how.submit())
                return None
        try:
            return None if how is None else how.run("DEBUG" if given.debug else "INFO")
        except NotWritable as error:  # whatever else a node raises is shown with its traceback
            _refuse(project, str(error))
    options = parser.parse_args(words[1:])
    with _Refusals(project):
        _print(getattr(project, name)(options), at_once=name in ("reproduce", "rm", "sync"))
    return None


def _print(lines: Iterable[str], *, at_once: bool, to: TextIO | None = None) -> None:
    stream = to or sys.stdout
    if not at_once:  # print() takes a while for thousands of lines
        found = list(lines)
        lines = ["\n".join(found)] if found else []
    for line in lines:
        try:
            print(printable(line), file=stream, flush=True)
        except BrokenPipeError:  # of `ls | head`; `rm | head` goes on to its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Refusals:
    """Says in one line on stderr why nothing is done, and ends with status 1."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, SavethatError | ExpcoreError):
            _refuse(self.project, str(error))


def _refuse(project: Project, reason: str) -> NoReturn:
    print(printable(f"{project.program}: {reason}"), file=sys.stderr)
    raise SystemExit(1)


def _help(project: Project) -> Iterator[str]:
    yield "Here is a list with all available actions:"
    yield from (f"    {name:<10} {text}" for name, (text, _) in COMMANDS.items())
    yield ""
    yield f"For more information on an action execute: {project.program} ACTION --help"
    yield "Before the action: --debug (show more), --credentials FILE (for the remote)"


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
        print(printable(str(folder / path)))
    print(printable(f"\ncd {folder}; python -m {options.name} nodes"))
    return 0
