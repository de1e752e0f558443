"""Save a model: everything is checked first, then one file appears or nothing does."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from expcore import make_folders, sweep

from . import _events
from ._bytes import dtype_name
from ._capture import class_and_config, saveable_config
from ._index import Index
from ._leaves import Unencodable
from ._mapped import is_no_file
from ._output import open_output
from ._pause import gc_paused
from ._places import is_url, upload
from ._plain import EXTRA_STATE, Encoder
from ._registry import KnownTypes
from ._safetensors import write_safetensors
from ._settings import Settings, settings_of
from ._shards import SUFFIX, index_path, remove_set, write_set
from ._sizes import size_in_bytes
from ._state import check_saveable, collect
from ._write import write_model
from .errors import UnsaveableError

if TYPE_CHECKING:
    import os

    from torch.nn import Module


def save(
    model: Module,
    path: str | os.PathLike[str],
    overwrite: bool = True,
    *,
    compress: bool | None = None,
    max_shard_size: int | str | None = None,
) -> None:
    """Save the model to one file, atomically.

    Args:
        model: The model, of a decorated class.
        path: Where to; missing folders are made. ``.pth`` is the usual ending, ``.safetensors``
            writes that format. May be the URL of a key: ``s3://bucket/models/net.pth``. A symbolic
            link is replaced, and what it points at is left alone.
        overwrite: Whether a file that is there already may be replaced.
        compress: Store compressed blocks; what ``@save_load(compress=)`` says when left out.
        max_shard_size: Bytes, or a size like ``"5GB"``: a larger model becomes a set of
            ``.safetensors`` files with ``path`` + ``.index.json``. One file when left out.

    Raises:
        UnsaveableError: An argument or a tensor cannot be saved; nothing was written.
        FileExistsError: The file exists and ``overwrite`` is false, or it is a folder or a device.
    """
    settings = settings_of(type(model))
    limit = None if max_shard_size is None else size_in_bytes(max_shard_size)
    if is_url(path):
        with TemporaryDirectory(prefix="torch_saveload-") as folder:
            file = Path(folder, str(path).rpartition("/")[2])
            files = _save_to_file(
                model, settings, file, overwrite=True, compress=compress, limit=limit
            )
            upload(files, str(path), overwrite=overwrite)
        return
    for file in _save_to_file(
        model, settings, Path(path), overwrite=overwrite, compress=compress, limit=limit
    ):
        _events.saved.send(file)


def _save_to_file(
    model: Module,
    settings: Settings,
    path: Path,
    *,
    overwrite: bool,
    compress: bool | None,
    limit: int | None,
) -> list[Path]:
    safe = path.suffix == ".safetensors"
    if safe and compress:
        raise ValueError("safetensors files are not compressed: save to .pth, or compress=False")
    if limit is not None and not safe:
        raise ValueError(f"{path.name} stays one file: max_shard_size is for .safetensors")
    if path.name.endswith(SUFFIX):
        raise ValueError(f"{path.name} would be the index of a set: leave out {SUFFIX}")
    if is_no_file(path):
        # A folder, or /dev/null: to replace it by a file would take it from everybody.
        raise FileExistsError(f"{path} is no ordinary file, and is not replaced by one")
    if not overwrite and (path.exists() or (safe and index_path(path).exists())):
        raise FileExistsError(f"{path} exists, and overwrite=False: nothing was written")
    if settings.pre_save_hook is not None:
        settings.pre_save_hook(model)
    with gc_paused():
        index, tensors = describe(model, settings.version)
        make_folders(path.parent)
        # What killed writers left is in the way, but not ours to insist on.
        with suppress(OSError):
            sweep(path.parent)
        shrink = not safe and (settings.compress if compress is None else compress)
        size = sum({id(tensor): tensor.nbytes for tensor in tensors.values()}.values())
        if limit is not None and size > limit:
            return write_set(path, index, tensors, limit, overwrite=overwrite)
        with open_output(path, size, overwrite=overwrite) as output:
            if safe:
                write_safetensors(output, index, tensors)
            else:
                write_model(output, index, tensors, shrink=shrink)
    if safe:
        remove_set(path)
    return [path]


def describe(model: Module, version: str | None) -> tuple[Index, dict[str, Any]]:
    """Return all that is known of a model, and its tensors.

    Raises:
        UnsaveableError: Something has no plain form.
    """
    import torch

    from . import __version__

    class_name = type(model).__qualname__
    config = saveable_config(model)
    state = collect(model)
    tensors = dict(state.tensors)
    encoder = Encoder(KnownTypes(type(model)), class_and_config, tensors)
    values: dict[str, Any] = {}
    for name, value in state.values.items():
        if isinstance(value, torch.Tensor):
            tensors[name] = value
            continue
        try:
            values[name] = encoder.encode(value, f"{EXTRA_STATE}{name}")
        except Unencodable as error:
            raise UnsaveableError(class_name, error.where, error.found, error.remedy) from error
    check_saveable(tensors, class_name)
    index = Index(
        class_name=class_name,
        version=version,
        config=dict(config),
        tensors={},
        torch=torch.__version__,
        writer=f"torch_saveload {__version__}",
        values=values,
        ties=state.ties,
        metadata={
            prefix: dict(facts) for prefix, facts in state.metadata.items() if _is_plain(facts)
        },
        unsaved={name: dtype_name(buffer.dtype) for name, buffer in state.unsaved.items()},
    )
    return index, tensors


def _is_plain(facts: object) -> bool:
    return isinstance(facts, dict) and all(
        isinstance(key, str) and isinstance(value, (str, int, bool, type(None)))
        for key, value in facts.items()
    )
