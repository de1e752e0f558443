"""``ptd``: see and clear what is cached."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from persist_to_disk._config import config
from persist_to_disk._counts import read_counts
from persist_to_disk._guard import check_folders
from persist_to_disk._store import Store
from persist_to_disk._upkeep import cache_folders, collect, counted_folders, summarize, verify
from persist_to_disk.errors import ConfigError, PersistError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

UNITS = ("kB", "MB", "GB", "TB")
AGES_S = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


class DamageFoundError(PersistError):
    """``ptd verify`` found damaged places and has named them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, or 1 if it was refused or found damage."""
    options = _parser().parse_args(arguments)
    root = Path(options.path).absolute() if options.path else config.get_persist_path()
    try:
        if options.path and not root.is_dir():
            raise ConfigError("--path", options.path, "a folder")
        if not options.trust:
            check_folders(root, root)
        for line in options.command(root, options):
            print(_printable(line))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, like `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (PersistError, OSError) as error:
        print(_printable(f"ptd: {error}"), file=sys.stderr)
        return 1
    return 0


def _ls(root: Path, options: argparse.Namespace) -> Iterator[str]:
    now = time.time_ns()
    yield f"{'entries':>8} {'size':>9} {'newest':>7} {'oldest':>7}  function"
    for folder in _chosen(root, options):
        found = summarize(folder, trust=options.trust)
        times = (found.newest_ns, found.oldest_ns) if found.entries else ()
        ages = [_age(now - when) for when in times] or ["-", "-"]
        name = folder.relative_to(root).as_posix()
        size = _size(found.size_bytes)
        yield f"{found.entries:>8} {size:>9} {ages[0]:>7} {ages[1]:>7}  {name}"


def _stats(root: Path, options: argparse.Namespace) -> Iterator[str]:
    found = [summarize(folder, trust=options.trust) for folder in _chosen(root, options)]
    size = _size(sum(summary.size_bytes for summary in found))
    yield f"{root}: {sum(s.entries for s in found)} entries, {size}, in {len(found)} folders"
    yield f"{'hits':>8} {'misses':>8}  function"
    for folder in counted_folders(root):
        # The function's own folder, or with `groupby` one around those of the results.
        if any(summary.folder.is_relative_to(folder) for summary in found):
            counts = read_counts(folder)
            name = folder.relative_to(root).as_posix()
            yield f"{counts.hits:>8} {counts.misses:>8}  {name}"


def _clear(root: Path, options: argparse.Namespace) -> Iterator[str]:
    for folder in _chosen(root, options):
        found = summarize(folder, trust=options.trust)
        Store(folder, hashsize=1, trust=options.trust).clear()
        yield f"cleared {folder.relative_to(root).as_posix()}: {found.entries} entries"


def _verify(root: Path, options: argparse.Namespace) -> Iterator[str]:
    damaged = 0
    for folder in _chosen(root, options):
        for line in verify(folder, trust=options.trust):
            damaged += 1
            yield line
    if damaged:
        raise DamageFoundError(f"{damaged} damaged places; these entries will be computed again")
    yield "every entry is as it was written"


def _gc(root: Path, options: argparse.Namespace) -> Iterator[str]:
    total = 0
    for folder in _chosen(root, options):
        for path, freed in collect(folder, trust=options.trust):
            total += freed
            yield f"{_size(freed):>9}  {path.relative_to(root).as_posix()}"
    yield f"{_size(total):>9}  freed"


def _chosen(root: Path, options: argparse.Namespace) -> list[Path]:
    """Return the folders named on the command line, and those below them."""
    found = list(cache_folders(root))
    if not options.functions:
        return found
    chosen: list[Path] = []
    for name in options.functions:
        matching = [
            folder
            for folder in found
            if any(part.match(name) for part in (folder, *folder.relative_to(root).parents[:-1]))
            or folder.relative_to(root).is_relative_to(name)
        ]
        if not matching:
            raise PersistError(f"no function {name!r} below {root}; `ptd ls` shows them all")
        chosen += matching
    return sorted(set(chosen))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("ptd", description="See and clear what is cached on disk.")
    parser.add_argument("--path", help="the cache folder, if it is not the configured one")
    parser.add_argument("--trust", action="store_true", help="read what others may write to")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("ls", _ls, "list functions with their entries, sizes and ages"),
        ("stats", _stats, "sum up, and count the hits of processes that ended"),
        ("clear", _clear, "delete all entries of the named functions"),
        ("verify", _verify, "read everything and name what is damaged"),
        ("gc", _gc, "remove replaced entries and the leftovers of killed writers"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        many = "+" if run is _clear else "*"
        command.add_argument(
            "functions", nargs=many, metavar="function", help="like train_a_model, or a glob"
        )
        command.set_defaults(command=run)
    return parser


def _printable(line: str) -> str:
    """Return a line with all escaped that is not to be sent to a terminal, or not possible."""
    shown = (
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in line
    )
    encoding = sys.stdout.encoding or "utf-8"
    return "".join(shown).encode(encoding, "backslashreplace").decode(encoding)


def _size(size_bytes: int) -> str:
    if size_bytes < 1000:  # noqa: PLR2004 -- decimal units
        return f"{size_bytes} B"
    power = min(len(str(size_bytes)) - 1, 3 * len(UNITS)) // 3
    return f"{size_bytes / 1000**power:.1f} {UNITS[power - 1]}"


def _age(age_ns: int) -> str:
    age_s = max(age_ns, 0) / 1e9
    unit, size_s = next(((u, s) for u, s in AGES_S if age_s >= s), ("s", 1))
    return f"{age_s / size_s:.0f} {unit}"
