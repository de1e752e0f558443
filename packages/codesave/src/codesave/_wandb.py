"""Keep a codebase with a wandb run, and get it back from the run's path.

The zip is a file of the run, ``codebase.zip`` at its top: it is seen in the run's Files tab and
costs one upload. Offline runs keep it in their folder until ``wandb sync``.
"""

from __future__ import annotations

import glob
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from codesave._cache import own_cache_folder
from codesave._save import checkpoint
from codesave._unique import UniqueCodebase
from codesave._zipwriter import LEVEL
from codesave.errors import NotInWandbRunError, NoWandbError, NoWandbRunError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    from codesave._rules import Filter
    from codesave._save import StrPath
    from codesave._snapshot import Snapshot

DEFAULT_NAME = "codebase.zip"


def _import_wandb() -> Any:
    try:
        import wandb
    except ImportError as error:
        raise NoWandbError from error
    return wandb


def checkpoint_to_wandb(  # noqa: PLR0917 - codesave 0.0 took them by position too
    main_folder: str | os.PathLike[str] | None,
    output_directory: str | os.PathLike[str] | None = None,
    extra_libraries: StrPath | Iterable[StrPath] = (),
    extra_pythonpath: StrPath | Iterable[StrPath] = (),
    ignore: Filter | Iterable[Filter] = (),
    ignore_patterns: str | Iterable[str] = (),
    py_only: bool = False,
    ignore_larger_than: str | int | None = "100K",
    verbose: bool = True,
    codebase_zipname: str = DEFAULT_NAME,
    *,
    extra_files: StrPath | Iterable[StrPath] = (),
    include: str | Iterable[str] = (),
    level: int = LEVEL,
) -> Snapshot:
    """Save a folder's code as a file of the current wandb run.

    Takes what :func:`checkpoint` takes, except:

    Args:
        main_folder: The folder that would be on ``sys.path``.
        output_directory: Where to write the zip; the run's own folder of files by default.
        extra_libraries: See :func:`checkpoint`, as for all that follow.
        extra_pythonpath: Folders whose packages and modules are put in too.
        ignore: Functions that name what is left out.
        ignore_patterns: Globs that name what is left out.
        py_only: Save ``.py`` files only.
        ignore_larger_than: 100 KB by default, since the zip is uploaded; source files go in
            whatever their size.
        verbose: Log what was saved and left out.
        codebase_zipname: The file's name in the run.
        extra_files: Files to put at the top of the zip.
        include: Globs that name what goes in all the same.
        level: zlib's level.

    Returns:
        What was saved and what was left out.

    Raises:
        NoWandbRunError: ``wandb.init`` was not called.
        NoWandbError: wandb is not installed.
    """
    wandb = _import_wandb()
    if wandb.run is None:
        raise NoWandbRunError
    folder = Path(output_directory or wandb.run.dir).expanduser().resolve()
    snapshot = checkpoint(
        main_folder,
        folder / codebase_zipname,
        extra_libraries=extra_libraries,
        extra_pythonpath=extra_pythonpath,
        extra_files=extra_files,
        ignore=ignore,
        ignore_patterns=ignore_patterns,
        include=include,
        py_only=py_only,
        ignore_larger_than=ignore_larger_than,
        level=level,
        verbose=verbose,
    )
    # Without base_path the client names the file after the last folder too, "files/codebase.zip".
    wandb.save(glob.escape(str(folder / codebase_zipname)), base_path=str(folder), policy="now")
    return snapshot


checkpoint_codebase_for_wandb = checkpoint_to_wandb


def download_from_wandb(
    wandb_path: str,
    output_zipname: str | os.PathLike[str] | None = None,
    wandb_filename: str = DEFAULT_NAME,
    api: Any = None,
) -> str:
    """Download the zip that :func:`checkpoint_to_wandb` kept with a run.

    Args:
        wandb_path: The run, ``"entity/project/run_id"``.
        output_zipname: Where to write the zip; a place in codesave's cache by default.
        wandb_filename: The zip's name in the run.
        api: A ``wandb.Api``; one is made if None.

    Returns:
        The zip's path.

    Raises:
        NotInWandbRunError: The run holds no such file.
    """
    run = (api or _import_wandb().Api()).run(wandb_path)
    found = [file for file in run.files([wandb_filename]) if file.name == wandb_filename]
    if not found or not found[0].size:
        names = sorted(file.name for file in run.files() if file.size)
        raise NotInWandbRunError(wandb_path, f"file {wandb_filename!r}", names)
    output = _place(wandb_path, output_zipname)
    with TemporaryDirectory() as scratch:
        found[0].download(scratch, replace=True).close()
        _copy(Path(scratch, wandb_filename), output)
    return str(output)


load_codebase_from_wandb = download_from_wandb


def zip_from_wandb_artifact(
    wandb_path: str,
    output_zipname: str | os.PathLike[str] | None = None,
    api: Any = None,
) -> str:
    """Make a zip of the code that a run logged by wandb's own ``run.log_code()``.

    Args:
        wandb_path: The run, ``"entity/project/run_id"``.
        output_zipname: Where to write the zip; a place in codesave's cache by default.
        api: A ``wandb.Api``; one is made if None.

    Returns:
        The zip's path.

    Raises:
        NotInWandbRunError: The run logged no code, or several artifacts of code.
    """
    run = (api or _import_wandb().Api()).run(wandb_path)
    logged = list(run.logged_artifacts())
    code = [artifact for artifact in logged if artifact.type == "code"]
    if len({artifact.name.partition(":")[0] for artifact in code}) != 1:
        names = sorted(artifact.name for artifact in code or logged)
        raise NotInWandbRunError(wandb_path, "single artifact of type 'code'", names)
    output = _place(wandb_path, output_zipname)
    with TemporaryDirectory() as scratch:
        code[-1].download(scratch)
        checkpoint(scratch, output, ignore_larger_than=None, verbose=False)
    return str(output)


def zip_from_wandb(
    wandb_path: str,
    output_zipname: str | os.PathLike[str] | None = None,
    api: Any = None,
    artifact: bool | None = None,
) -> str:
    """Get a run's code as a zip, however the run kept it.

    Args:
        wandb_path: The run, ``"entity/project/run_id"``.
        output_zipname: Where to write the zip; a place in codesave's cache by default.
        api: A ``wandb.Api``; one is made if None.
        artifact: True for the artifact of ``run.log_code()``, False for the file of
            :func:`checkpoint_to_wandb`, None for the file if there is one.

    Returns:
        The zip's path.

    Raises:
        NotInWandbRunError: The run kept no code.
    """
    api = api or _import_wandb().Api()
    if artifact is None:
        try:
            return download_from_wandb(wandb_path, output_zipname, api=api)
        except NotInWandbRunError:
            artifact = True
    get = zip_from_wandb_artifact if artifact else download_from_wandb
    return get(wandb_path, output_zipname, api=api)


class WandBCodebase(UniqueCodebase):
    """The code of a wandb run, ready to import from; see :class:`UniqueCodebase`.

    Args:
        wandb_path: The run, ``"entity/project/run_id"``.
        api: A ``wandb.Api``; one is made if None.
        artifact: See :func:`zip_from_wandb`.
        make_unique: See :class:`UniqueCodebase`, as for all that follow.
        verbose: Log which modules it has.
        digest: What the zip's sha256 must be, or None.
    """

    def __init__(
        self,
        wandb_path: str,
        api: Any = None,
        artifact: bool | None = None,
        make_unique: bool = True,
        *,
        verbose: bool = False,
        digest: str | None = None,
    ) -> None:
        zip_name = zip_from_wandb(wandb_path, api=api, artifact=artifact)
        super().__init__(zip_name, verbose, make_unique, digest=digest)


def _place(wandb_path: str, output: str | os.PathLike[str] | None) -> Path:
    if output is not None:
        return Path(output).expanduser()
    name = re.sub(r"[^\w.-]+", "-", wandb_path.strip("/"))
    return own_cache_folder() / "wandb" / f"{name}.zip"


def _copy(source: Path, target: Path) -> None:
    from expcore import open_atomic

    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as read, open_atomic(target) as write:
        while chunk := read.read(1 << 20):
            write.write(chunk)
