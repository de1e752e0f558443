"""``python -m torch_saveload``: look at model files from a shell, without running them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from expcore import printable

from ._inspect import diff, show, verify
from .errors import TorchSaveloadError

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it went well, 1 after one line that says what did not."""
    parser = argparse.ArgumentParser(
        prog="python -m torch_saveload", description="Look at model files; nothing in them runs."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, function, files, text in (
        ("show", show, ["path"], "class, version, arguments, tensors"),
        ("diff", diff, ["path", "other"], "what differs between two files"),
        ("verify", verify, ["path"], "whether every tensor is what was saved"),
    ):
        command = commands.add_parser(name, help=text)
        for file in files:
            command.add_argument(file, help="a file that save wrote")
        command.set_defaults(lines=function, files=files)
    args = parser.parse_args(argv)
    try:
        for line in args.lines(*(getattr(args, file) for file in args.files)):
            print(_printable(line))
    except (TorchSaveloadError, OSError, RecursionError) as error:  # the last: nested too deep
        print(_printable(f"torch_saveload: {error}"), file=sys.stderr)
        return 1
    return 0


def _printable(line: str) -> str:
    """Return one line without the control characters that names of a hostile file may hold."""
    return printable("".join(c if c.isprintable() else ascii(c)[1:-1] for c in line))
