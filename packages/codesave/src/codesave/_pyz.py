"""Make a zip of code runnable: ``python app.pyz``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from codesave._archive import opened
from codesave._launcher import file_launcher, module_launcher
from codesave._manifest import encode_manifest, read_manifest
from codesave._names import MANIFEST_NAME
from codesave._pack import pack_bytes
from codesave._zipwriter import LEVEL, ZipWriter

if TYPE_CHECKING:
    import os
    import zipfile

_MAIN = "__main__.py"


def make_runnable(
    zip_path: str | os.PathLike[str], launcher: str, output: str | os.PathLike[str]
) -> Path:
    """Write a copy of a zip that runs something when Python runs the zip.

    Args:
        zip_path: The zip of code; it stays as it is.
        launcher: A script on disk, which becomes the zip's ``__main__.py``; or a file in the zip
            (``"scripts/train.py"``) or a module in it (``"src.train"``).
        output: Where to write the copy.

    Returns:
        ``output``.

    Raises:
        ModuleNotFoundError: There is no such script, file or module.
        NotAZipError: The file is no zip.
    """
    from expcore import open_atomic

    with opened(zip_path) as archive:
        text = _launcher_text(archive, launcher)
        manifest = read_manifest(archive)
        with open_atomic(output) as file:
            writer = ZipWriter(file)
            for member in archive.infolist():
                if member.filename in {_MAIN, MANIFEST_NAME}:
                    continue
                if member.is_dir():
                    writer.add_folder(member.filename)
                    continue
                executable = bool(member.external_attr >> 16 & 0o100)
                with archive.open(member) as source:
                    chunks = iter(partial(source.read, 1 << 20), b"")
                    writer.add_stream(member.filename, chunks, LEVEL, executable=executable)
            entry = pack_bytes(writer, _MAIN, text, LEVEL)
            if manifest is not None:
                manifest["files"][_MAIN] = entry
                manifest["generated"] = [_MAIN]
                pack_bytes(writer, MANIFEST_NAME, encode_manifest(manifest), LEVEL)
            writer.finish()
    return Path(output)


def _launcher_text(archive: zipfile.ZipFile, launcher: str) -> bytes:
    if Path(launcher).is_file():
        return Path(launcher).read_bytes()
    names = set(archive.namelist())
    inside = launcher.replace("\\", "/").removeprefix("./")
    if inside in names:
        return file_launcher(inside).encode()
    path = launcher.replace(".", "/")
    if {f"{path}.py", f"{path}/__main__.py"} & names:
        return module_launcher(launcher).encode()
    raise ModuleNotFoundError(
        f"{launcher!r} is neither a script here nor a file or module in {archive.filename!r}",
        name=launcher,
    )
