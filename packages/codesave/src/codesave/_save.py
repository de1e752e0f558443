"""From a folder to one zip file: choose, pack, describe."""

from __future__ import annotations

import hashlib
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from codesave._choose import Chosen, Skipped, choose, choose_file
from codesave._environment import distributions, interpreter
from codesave._git import git_state
from codesave._launcher import LAUNCHER
from codesave._manifest import FORMAT, Manifest, encode_manifest
from codesave._names import MANIFEST_NAME, as_one
from codesave._pack import pack, pack_bytes
from codesave._places import is_url, writing
from codesave._previous import Previous, packing, read_on
from codesave._rules import Selection
from codesave._snapshot import Snapshot
from codesave._zipwriter import LEVEL, ZipWriter
from codesave.errors import NotAFolderError
from expcore import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codesave._rules import Filter

StrPath: TypeAlias = "str | os.PathLike[str]"

log = logging.getLogger("codesave")

_REPORTED = 10
"""How many of the things left out one log line names; the snapshot has them all."""


def checkpoint(  # noqa: PLR0917 - codesave 0.0 took them by position too
    main_folder: str | os.PathLike[str] | None,
    output_zipname: str | os.PathLike[str] = "codebase.zip",
    extra_libraries: StrPath | Iterable[StrPath] = (),
    extra_pythonpath: StrPath | Iterable[StrPath] = (),
    extra_files: StrPath | Iterable[StrPath] = (),
    ignore: Filter | Iterable[Filter] = (),
    ignore_patterns: str | Iterable[str] = (),
    py_only: bool = False,
    ignore_larger_than: str | int | None = "10M",
    verbose: bool = True,
    *,
    include: str | Iterable[str] = (),
    level: int = LEVEL,
) -> Snapshot:
    """Save the code in a folder as one zip file, from which it can be imported.

    What goes in is what git would track (without git: what the ``.gitignore`` files leave),
    less what ``.codesaveignore`` files name, virtual environments, caches and ``wandb/``, less
    files that look like secrets, settings with a key in them, and large files that are not
    source. The same code gives the same bytes. The zip appears whole or not at all.

    Where several things can be given, one may be given alone: ``ignore_patterns="*.ipynb"``.

    Args:
        main_folder: The folder that would be on ``sys.path``; None to save the extras only.
        output_zipname: Where to write the zip: a path, or a URL in a storage as
            :func:`expcore.open_storage` takes it, ``"b2://bucket/codebase.zip"``. A file there is
            replaced.
        extra_libraries: Packages (folders) or modules (files) to put beside the folder's own.
        extra_pythonpath: Folders whose packages and modules are all put there.
        extra_files: Files to put at the top of the zip, whatever they look like.
        ignore: Functions as :func:`shutil.copytree` takes them: (folder, names) to names left out.
        ignore_patterns: Globs on a name or a relative path that stays out, ``"*.ipynb"``.
        py_only: Save ``.py`` files only.
        ignore_larger_than: Leave out files above this size, in bytes or as in ``"100K"``,
            ``"1M"``; source files go in whatever their size. None for no limit.
        verbose: Log the summary (logger ``codesave``, level info) and what was left out
            (level warning); without it, both at level debug.
        include: Globs on a name or a relative path that goes in although it is ignored, large
            or looks like a secret.
        level: zlib's level, 1 (fast) to 9 (small).

    Returns:
        What was saved and what was left out.

    Raises:
        NotAFolderError: ``main_folder`` is no folder.
        FileNotFoundError: An extra library or file does not exist.
        OSError: The zip cannot be written; an older one is as it was.

    >>> _ = Path("code").mkdir(), Path("code/train.py").write_text("print('hi')")
    >>> checkpoint("code", output_zipname="codebase.zip").files
    1
    """
    selection = Selection(
        larger_than=None if ignore_larger_than is None else parse_size(ignore_larger_than),
        py_only=py_only,
        patterns=_several(ignore_patterns),
        include=_several(include),
        filters=_several(ignore),
    )
    folder = None if main_folder is None else Path(main_folder).expanduser()
    if folder is not None and not folder.is_dir():
        raise NotAFolderError(str(folder))
    with writing(output_zipname) as output:
        chosen: list[Chosen] = []
        skipped: list[Skipped] = []
        libraries, pythonpath = _several(extra_libraries), _several(extra_pythonpath)
        files = _several(extra_files)
        for part, out in _parts(folder, libraries, pythonpath, files, selection, output):
            chosen += part
            skipped += out
        chosen, collisions = _settle(entry for entry in chosen if not _is_launcher(entry))
        snapshot = _write(output, folder, chosen, [*skipped, *collisions], level)
    if is_url(output_zipname):
        snapshot = replace(snapshot, path=os.fspath(output_zipname))
    _report(snapshot, verbose=verbose)
    return snapshot


def _parts(  # noqa: PLR0917
    folder: Path | None,
    libraries: Iterable[StrPath],
    pythonpath: Iterable[StrPath],
    files: Iterable[StrPath],
    selection: Selection,
    output: Path,
) -> Iterator[tuple[list[Chosen], list[Skipped]]]:
    """What each of the places gives, the folder's own first: where names collide, it wins."""
    if folder is not None:
        yield choose(folder, selection, output=output)
    found = [Path(path).expanduser().resolve() for path in libraries]
    for path in pythonpath:
        found += _libraries_in(Path(path).expanduser().resolve())
    for library in found:
        if library.is_dir():
            yield choose(library, selection, output=output, prefix=library.name)
        else:
            yield choose_file(library)
    for path in files:
        yield choose_file(Path(path).expanduser().resolve())


def _several(given: Any) -> list[Any]:
    """What was given; a text, a path or a function alone is one thing, and not its letters."""
    if isinstance(given, str | os.PathLike) or callable(given):
        return [given]
    return list(given)


def _libraries_in(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise NotAFolderError(str(folder))
    for path in sorted(folder.iterdir()):
        is_package = path.is_dir() and next(path.rglob("*.py"), None) is not None
        if is_package or path.suffix == ".py":
            yield path


def _is_launcher(entry: Chosen) -> bool:
    """Whether the file is our own launcher, in a folder that was a zip before."""
    launcher = LAUNCHER.encode()
    if entry.name != "__main__.py" or entry.size != len(launcher):
        return False
    return Path(entry.path).read_bytes() == launcher


def _settle(chosen: Iterable[Chosen]) -> tuple[list[Chosen], list[Skipped]]:
    """Drop names that a second folder, or a file system without case, would mix up."""
    kept: dict[str, Chosen] = {}
    skipped: list[Skipped] = []
    dropped: set[str] = set()
    for entry in chosen:
        name = entry.name.rstrip("/")
        folder = name.rpartition("/")[0]
        same = as_one(name)
        if folder in dropped or kept.setdefault(same, entry).name != entry.name:
            dropped.add(name)
            skipped.append(
                Skipped(entry.name, "has a name that differs from another by case only")
            )
        elif kept[same] is not entry and not entry.name.endswith("/"):
            skipped.append(Skipped(entry.name, f"is another file than {entry.path}, left out"))
    return sorted(kept.values()), skipped


def _write(
    output: Path, folder: Path | None, chosen: list[Chosen], skipped: list[Skipped], level: int
) -> Snapshot:
    from concurrent.futures import ThreadPoolExecutor

    from expcore import open_atomic, progress_bar

    total = sum(entry.size for entry in chosen)
    names = {entry.name for entry in chosen}
    with open_atomic(output) as file, ThreadPoolExecutor(1) as aside:
        git = aside.submit(git_state, folder, names) if folder is not None else None
        writer = ZipWriter(file)
        # Closed before the old zip is replaced: Windows replaces no open file.
        with Previous(output, level) as previous, progress_bar("saving code", total) as advance:
            files, unreadable = pack(writer, chosen, level, previous, advance)
        users = {name: entry["bytes"] for name, entry in files.items()}
        generated: list[str] = []
        if "__main__.py" not in files:
            files["__main__.py"] = pack_bytes(writer, "__main__.py", LAUNCHER.encode(), level)
            generated.append("__main__.py")
        left_out = sorted([*skipped, *unreadable])
        digest, before = hashlib.sha256(), writer.sync()
        file.seek(0)
        manifest = Manifest(
            format=FORMAT,
            files=files,
            generated=generated,
            left_out={item.name: item.reason for item in left_out},
            packing=packing(level, read_on(digest, file, before)),
            git=None if git is None else git.result(),
            python=interpreter(),
            distributions=distributions(),
        )
        file.seek(before)
        pack_bytes(writer, MANIFEST_NAME, encode_manifest(manifest), level)
        writer.finish()
        zipped = file.tell()
        file.seek(before)
        whole = read_on(digest, file, zipped - before)
    largest = sorted(users.items(), key=lambda item: (-item[1], item[0]))[:3]
    return Snapshot(
        path=output,
        digest=whole,
        files=len(users),
        size=sum(users.values()),
        zipped=zipped,
        left_out=tuple(left_out),
        largest=tuple(largest),
    )


def _report(snapshot: Snapshot, *, verbose: bool) -> None:
    if snapshot.left_out:
        names = "; ".join(map(str, snapshot.left_out[:_REPORTED]))
        more = len(snapshot.left_out) - _REPORTED
        text = names + (f"; and {more} more" if more > 0 else "")
        log.log(
            logging.WARNING if verbose else logging.DEBUG,
            "%s leaves out: %s (include= or extra_files= takes them in)",
            snapshot.path,
            text,
        )
    log.log(logging.INFO if verbose else logging.DEBUG, "%s", snapshot.summary())
