"""The commands ``codesave``, ``code_from_wandb`` and ``make_pyz``."""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from codesave._inspect import diff, packages, show, verify
from codesave._pyz import make_runnable
from codesave._save import checkpoint
from codesave._wandb import zip_from_wandb
from expcore import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from codesave._snapshot import Snapshot

_EXAMPLES = """\
examples:
  codesave . -o codebase.zip                     save this folder's code
  codesave . -o codebase.zip --py_only           only .py files
  codesave . -o codebase.zip --extra_libraries ../mylib/mylib
  codesave show codebase.zip                     list what is in it and where it came from
  codesave show --packages codebase.zip          which versions were installed then
  codesave verify codebase.zip                   compare it with its manifest
  codesave diff old.zip new.zip                  what changed, as a unified diff
  python codebase.zip train.py --lr 0.1          run a file of it, without codesave
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``codesave`` with these arguments, those of the process by default."""
    args = list(sys.argv[1:] if argv is None else argv)
    inspections: dict[str, Callable[[list[str]], int]] = {
        "show": _show,
        "verify": _verify,
        "diff": _diff,
    }
    if args and args[0] in inspections:
        return _guarded(lambda: inspections[args[0]](args[1:]))
    parser = argparse.ArgumentParser(
        "codesave",
        description="Save a folder's code as one zip file, or look into one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("codebase", help="the folder to save; or show, verify, diff")
    parser.add_argument("-o", "--output", default="codebase.zip", help="the zip to write")
    _add_saving_options(parser)
    options = parser.parse_args(args)

    def run() -> int:
        print(printable(_save(options, Path(options.output)).summary()))
        return 0

    return _guarded(run)


def code_from_wandb(argv: Sequence[str] | None = None) -> int:
    """Run ``code_from_wandb``: download a run's code as a zip."""
    parser = argparse.ArgumentParser(
        "code_from_wandb", description="Download the code that a wandb run kept, as a zip."
    )
    parser.add_argument("wandb_path", help="the run: entity/project/run_id")
    parser.add_argument("-o", "--output", default="codebase.zip", help="the zip to write")
    options = parser.parse_args(argv)

    def run() -> int:
        print(printable(str(zip_from_wandb(options.wandb_path, options.output))))
        return 0

    return _guarded(run)


def make_pyz(argv: Sequence[str] | None = None) -> int:
    """Run ``make_pyz``: make a zip that runs one script or module."""
    parser = argparse.ArgumentParser(
        "make_pyz",
        description="Make a zip of code that runs something: python app.pyz",
        epilog="example:\n  make_pyz . train.py -o train.pyz && python train.pyz --lr 0.1",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("codebase", help="a zip that codesave wrote, or a folder to save first")
    parser.add_argument("launcher", help="a script here, or a file or module in the zip")
    parser.add_argument("-o", "--output", help="by default, the codebase's name with .pyz")
    _add_saving_options(parser)
    options = parser.parse_args(argv)

    def run() -> int:
        codebase = Path(options.codebase)
        stem = codebase.resolve().stem or "codesave"
        output = Path(options.output or codebase.resolve().parent / f"{stem}.pyz")
        if not codebase.is_dir():
            print(printable(str(make_runnable(codebase, options.launcher, output))))
            return 0
        with TemporaryDirectory() as scratch:
            saved = _save(options, Path(scratch, "codebase.zip"))
            print(printable(str(make_runnable(saved, options.launcher, output))))
        return 0

    return _guarded(run)


def _add_saving_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--extra_libraries", nargs="+", default=[], help="packages or modules to put in too")
    add("--extra_pythonpath", nargs="+", default=[], help="folders whose packages to put in too")
    add("--extra_files", nargs="+", default=[], help="files to put at the top")
    add("--ignore_patterns", nargs="+", default=[], help="globs of what stays out")
    add("--include", nargs="+", default=[], help="globs of what goes in all the same")
    add("--py_only", action="store_true", help="only .py files")
    add("--ignore_larger_than", default="10M", help="for files that are not source (10M)")


def _save(options: argparse.Namespace, output: Path) -> Snapshot:
    return checkpoint(
        options.codebase,
        output,
        extra_libraries=options.extra_libraries,
        extra_pythonpath=options.extra_pythonpath,
        extra_files=options.extra_files,
        ignore_patterns=options.ignore_patterns,
        include=options.include,
        py_only=options.py_only,
        ignore_larger_than=options.ignore_larger_than,
        verbose=False,
    )


def _show(args: list[str]) -> int:
    parser = argparse.ArgumentParser("codesave show", description="List what is in a zip.")
    parser.add_argument("zip")
    help_text = "list the installed distributions, as `pip install -r` reads them"
    parser.add_argument("--packages", action="store_true", help=help_text)
    options = parser.parse_args(args)
    if options.packages:
        for name, version in packages(options.zip).items():
            print(printable(f"{name}=={version}"))
        return 0
    for line in show(options.zip):
        print(printable(line))
    return 0


def _verify(args: list[str]) -> int:
    parser = argparse.ArgumentParser("codesave verify", description="Check a zip's contents.")
    parser.add_argument("zip")
    path = parser.parse_args(args).zip
    problems = verify(path)
    for problem in problems:
        print(printable(problem))
    if not problems:
        print(printable(f"{path}: as it was saved"))
    return 1 if problems else 0


def _diff(args: list[str]) -> int:
    parser = argparse.ArgumentParser("codesave diff", description="Compare two zips.")
    parser.add_argument("old")
    parser.add_argument("new")
    options = parser.parse_args(args)
    different = 0
    for line in diff(options.old, options.new):
        different = 1
        end = "\r" if line.endswith("\r") else ""  # harmless, and patch needs it
        print(printable(line.removesuffix("\r")) + end)
    return different


def _guarded(run: Callable[[], int]) -> int:
    """A refusal is one line on stderr and status 1 (2 is argparse's, for wrong arguments)."""
    try:
        return run()
    except (OSError, ValueError, ImportError, RuntimeError, zipfile.BadZipFile) as error:
        print(printable(f"{type(error).__name__}: {error}"), file=sys.stderr)
        return 1
