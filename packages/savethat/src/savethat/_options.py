"""The commands of a project, and their arguments."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = "a date (2026-11-21) or a time (2026-11-21T08:00) in UTC"
LAST = "the last minutes, hours or days: 30m, 3h, 2d; minutes where no unit is given"


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
        span = timedelta(**{units.get(unit, "minutes"): float(number)})
        _ = datetime.now(UTC) - span  # there is no year before the first
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not like 30m, 3h or 2d") from None
    return span


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """The command takes no arguments."""


def parse_parameter(text: str) -> tuple[str, int | float | str]:
    """``NAME=VALUE``, where the value may be a number.

    >>> parse_parameter("timeout_min=90"), parse_parameter("slurm_partition=gpu")
    (('timeout_min', 90), ('slurm_partition', 'gpu'))
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            pass
    return name, value


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML, YAML or JSON with the node's arguments"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [--pdb] [--config FILE] NODE [arguments of the node]"
    parser.add_argument("--pdb", action="store_true", help="debug a failing node where it fails")
    _add_config(parser)


def _add_submit(parser: argparse.ArgumentParser) -> None:
    parser.usage = (
        f"{parser.prog} [--cluster slurm|local] [--with NAME=VALUE] [--config FILE] "
        "NODE [arguments of the node]"
    )
    parser.add_argument(
        "--cluster", choices=("slurm", "local"), help="by default slurm, where it is installed"
    )
    parser.add_argument(
        "--with",
        dest="parameters",
        action="append",
        default=[],
        type=parse_parameter,
        metavar="NAME=VALUE",
        help="what the job needs, as submitit calls it: timeout_min=90, mem_gb=16, "
        "gpus_per_node=1, slurm_partition=gpu; may be given several times",
    )
    _add_config(parser)


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


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [--code FOLDER] KEY [arguments that differ, such as secrets]"
    parser.add_argument("--code", type=Path, metavar="FOLDER", help="take the code from there")
    parser.add_argument("key", help="of the run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="of a run, or of another file or folder of the storage")


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "nodes": ("List all nodes.", _add_nothing),
    "run": ("Run a node.", _add_run),
    "submit": ("Queue a node, to be run by Slurm or in the background.", _add_submit),
    "ls": ("List past runs.", _add_ls),
    "rm": ("Remove runs (local and remote).", _add_rm),
    "download": ("Download a run.", _add_key),
    "upload": ("Upload a run.", _add_key),
    "reproduce": ("Run a run again, with its code and arguments, and compare.", _add_reproduce),
    "sync": ("Upload runs that could not be uploaded before.", _add_nothing),
    "setup_b2": ("Set up B2 credentials.", _add_nothing),
}
"""What each command does, and what adds its arguments to its parser."""
