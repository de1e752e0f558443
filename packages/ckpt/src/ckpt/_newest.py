"""Find the newest checkpoint that is whole, walking back past broken ones."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar

from ckpt.errors import BrokenCheckpointWarning, BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ckpt._folder import Folder
    from ckpt._remote import Remote

T = TypeVar("T")


def restore_newest(
    folder: Folder,
    remote: Remote | None,
    load: Callable[[int, Path], T],
    shown: Callable[[Path], str],
) -> T | None:
    """Load the newest that is whole: of the folder, or of the storage that it is kept in.

    Args:
        folder: Where to look.
        remote: Where another machine may have put newer ones.
        load: Given number and path, loads a checkpoint.
        shown: A path for a message.

    Returns:
        What ``load`` returned; None where nothing was ever saved.

    Warns:
        BrokenCheckpointWarning: Newer files were broken; at the caller of the caller.

    Raises:
        BrokenFileError: All are broken.
    """
    broken: dict[Path, BrokenFileError] = {}
    while True:
        known = folder.numbered()
        left = {n: p for n, p in known.items() if p not in broken}
        if remote is not None:
            try:
                if remote.fetch_newest(but=known, above=next(iter(left), None)):
                    continue
            except Exception as error:
                if not left:
                    raise
                warnings.warn(f"could not look for newer checkpoints: {error}", stacklevel=3)
                remote = None
        if not left:
            break
        number, path = next(iter(left.items()))
        try:
            loaded = load(number, path)
        except BrokenFileError as error:
            _forget_frames(error)
            broken[path] = error
            folder.found_broken(path)
        except FileNotFoundError:
            # Another process saved a newer one, and deleted this: look again.
            if path.exists():
                raise
        else:
            if remote is not None:
                remote.forget_fetched(before=path, but=broken)
            if broken:
                _warn(shown(path), list(broken.values()))
            return loaded
    if not broken:
        return None
    first, *rest = broken.values()
    others = "".join(f"; nor is {error.path}: {error.reason}" for error in rest)
    raise BrokenFileError(first.path, first.reason + others) from first


def _forget_frames(error: BaseException | None) -> None:
    """Let go of the tracebacks of an error and its causes, which keep all that was read."""
    if error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        _forget_frames(error.__cause__)
        _forget_frames(error.__context__)


def _warn(restored: str, broken: list[BrokenFileError]) -> None:
    lines = "".join(f"\n  {error.path}: {error.reason}" for error in broken)
    warnings.warn(
        f"restored {restored}, because newer checkpoints are broken (they were kept):{lines}",
        BrokenCheckpointWarning,
        stacklevel=4,
    )
