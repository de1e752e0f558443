"""``python -m ckpt``: look at checkpoints from a shell."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ckpt._checkpoint import Checkpoint
from ckpt._files import Naming
from ckpt._npz import open_npz
from ckpt.errors import BrokenFileError, CkptError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KIB = 1024
MINUTE, HOUR, DAY = 60, 3600, 86400


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it went well, 1 after one line that says what did not."""
    args = _parser().parse_args(argv)
    try:
        for line in args.lines(args.path):
            print(line)
    except (CkptError, OSError) as error:
        print(f"ckpt: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ckpt", description="Look at checkpoints.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    ls = commands.add_parser("ls", help="the checkpoints of a folder, oldest first")
    ls.add_argument("path", type=Path, help="a run's folder, or the one with the checkpoints")
    ls.set_defaults(lines=list_checkpoints)
    show = commands.add_parser("show", help="the variables of a checkpoint")
    show.add_argument("path", type=Path, help="an npz file")
    show.set_defaults(lines=show_variables)
    return parser


def list_checkpoints(folder: Path) -> Iterator[str]:
    """Yield one line per checkpoint: number, age, size, and what is wrong with a broken one."""
    inner = folder / Checkpoint.DIR_NAME
    folder = inner if inner.is_dir() else folder
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    naming = Naming(Checkpoint.FILE_MATCH, Checkpoint.FILE_FORMAT)
    for number, path in reversed(naming.numbered(folder, naming.number).items()):
        stat = path.stat()
        line = f"{number:>10}  {age(time.time() - stat.st_mtime):>8}  {size(stat.st_size):>9}"
        try:
            with open_npz(path) as reader:
                yield f"{line}  {len(reader.names)} variables"
        except BrokenFileError as error:
            yield f"{line}  broken: {error.reason}"


def show_variables(path: Path) -> Iterator[str]:
    """Yield one line per variable of the checkpoint: name, dtype and shape."""
    with open_npz(path) as reader:
        width = max((len(name) for name in reader.names), default=0)
        total = 0
        for name in reader.names:
            header = reader.header(name)
            total += header.nbytes
            dtype = header.dtype.names[0] if header.dtype.names else header.dtype
            yield f"{name:<{width}}  {dtype!s:<10} {header.shape}".rstrip()
        yield f"{len(reader.names)} variables, {size(total)}"


def size(count: float) -> str:
    """A number of bytes for people.

    >>> size(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < KIB:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= KIB
    return f"{count:.1f} TiB"


def age(seconds: float) -> str:
    """A duration for people.

    >>> age(90), age(7200)
    ('1 min', '2 h')
    """
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
