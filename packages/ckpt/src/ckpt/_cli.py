"""``python -m ckpt``: look at checkpoints from a shell."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ckpt._checkpoint import Checkpoint
from ckpt._compare import average, differences, verify
from ckpt._dtypes import Array, as_numbers, name_of_dtype
from ckpt._files import Naming
from ckpt._load import as_known
from ckpt._reader import open_npz
from ckpt.errors import BrokenFileError, CkptError
from expcore import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

KIB = 1024
WIDEST = 60
"""Characters of a name that the columns after it leave room for."""
MINUTE, HOUR, DAY = 60, 3600, 86400


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; 0 if it went well, 1 after one line that says what did not."""
    args = _parser().parse_args(argv)
    try:
        for line in _lines(args):
            print(one_line(line))
        print(end="", flush=True)
    except BrokenPipeError:  # whoever reads has enough, like `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CkptError, OSError) as error:
        print(one_line(f"ckpt: {error}"), file=sys.stderr)
        return 1
    return 0


def one_line(text: str) -> str:
    r"""Text as one line on a terminal, whatever names are in it.

    >>> print(one_line("a\nb"))
    a\nb
    """
    return printable(text.replace("\n", "\\n"))


def _lines(args: Any) -> Iterator[str]:
    match args.command:
        case "ls":
            return list_checkpoints(args.path)
        case "show":
            return show_variables(args.path)
        case "diff":
            return differences(args.first, args.second)
        case "verify":
            return verify_all(args.paths)
        case _:
            return average_all(args.paths, args.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ckpt", description="Look at checkpoints.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    ls = commands.add_parser("ls", help="the checkpoints of a folder, oldest first")
    ls.add_argument("path", type=Path, help="a run's folder, or the one with the checkpoints")
    show = commands.add_parser("show", help="the variables of a checkpoint")
    show.add_argument("path", type=Path, help="an npz file")
    diff = commands.add_parser("diff", help="what differs between two checkpoints")
    diff.add_argument("first", type=Path, help="an npz file")
    diff.add_argument("second", type=Path, help="another")
    check = commands.add_parser("verify", help="read everything and check the sums")
    check.add_argument("paths", type=Path, nargs="+", help="npz files, or folders of them")
    mean = commands.add_parser("average", help="the mean of the weights of several checkpoints")
    mean.add_argument("paths", type=Path, nargs="+", help="npz files")
    mean.add_argument("-o", "--output", type=Path, required=True, help="the file to write")
    return parser


def list_checkpoints(folder: Path) -> Iterator[str]:
    """Yield one line per checkpoint: number, age, size, metrics, or what is wrong."""
    inner = folder / Checkpoint.DIR_NAME
    folder = inner if inner.is_dir() else folder
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    naming = Naming(Checkpoint.FILE_MATCH, Checkpoint.FILE_FORMAT)
    for number, path in reversed(naming.numbered(folder, naming.number).items()):
        try:
            stat = path.stat()
        except FileNotFoundError:  # deleted since it was listed, by the training
            continue
        line = f"{number:>10}  {age(time.time() - stat.st_mtime):>8}  {size(stat.st_size):>9}"
        try:
            with open_npz(path) as reader:
                metrics = reader.meta().get("metrics", {})
                said = "".join(f"  {name}={value:.6g}" for name, value in metrics.items())
                yield f"{line}  {len(reader.names)} variables{said}"
        except FileNotFoundError:
            continue
        except (BrokenFileError, PermissionError) as error:
            yield f"{line}  {wrong_with(error)}"


def wrong_with(error: BrokenFileError | OSError) -> str:
    """What is wrong with a file that is listed, for a line of its own."""
    return f"broken: {error.reason}" if isinstance(error, BrokenFileError) else str(error.strerror)


def verify_all(paths: Sequence[Path]) -> Iterator[str]:
    """Yield one line per checkpoint that is whole, and fail with those that are not."""
    wrong: list[BrokenFileError | OSError] = []
    for path in paths:
        inside = filter(Path.is_file, path.rglob(Checkpoint.FILE_MATCH))
        files = sorted(inside) if path.is_dir() else [path]
        if not files:
            raise FileNotFoundError(f"there is no checkpoint in {path}")
        for file in files:
            try:
                count, total = verify(file)
            except (BrokenFileError, OSError) as error:
                if isinstance(error, FileNotFoundError) and file != path:
                    continue  # deleted since it was listed, by the training
                wrong.append(error)
                yield f"{file}  {wrong_with(error)}"
            else:
                yield f"{file}  whole: {count} variables, {size(total)}"
    if wrong:
        raise wrong[0]


def average_all(paths: Sequence[Path], output: Path) -> Iterator[str]:
    """Write the average, and yield a line about it."""
    count = average(paths, output)
    yield f"{output}  {count} variables, the mean of {len(paths)} checkpoints"


def show_variables(path: Path) -> Iterator[str]:
    """Yield one line per variable of the checkpoint: name, dtype, shape, least and largest."""
    with open_npz(path) as reader:
        width = min(WIDEST, max((len(one_line(name)) for name in reader.names), default=0))
        total = 0
        for name in reader.names:
            header = reader.header(name)
            total += header.nbytes
            dtype = name_of_dtype(header.dtype)
            line = f"{one_line(name):<{width}}  {dtype:<10} {header.shape!s:<14} "
            yield (line + value_range(reader.read([name])[name])).rstrip()
        yield f"{len(reader.names)} variables, {size(total)}"


def value_range(array: Array) -> str:
    """The least and the largest value, of numbers.

    >>> import numpy as np
    >>> value_range(np.array([1, 2.5, np.nan])), value_range(np.array(1234567))
    ('1 .. 2.5, 1 nan', '1234567 .. 1234567')
    """
    numbers = as_numbers(as_known(array))
    if numbers is None or not numbers.size or numbers.dtype.kind == "c":
        return ""
    if numbers.dtype.kind in "biu":
        return f"{int(numbers.min())} .. {int(numbers.max())}"
    numbers = numbers.astype(np.float64)
    nans = int(np.count_nonzero(np.isnan(numbers)))
    text = f"{np.fmin.reduce(numbers, axis=None):.6g} .. {np.fmax.reduce(numbers, axis=None):.6g}"
    return f"{text}, {nans} nan" if nans else text


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
