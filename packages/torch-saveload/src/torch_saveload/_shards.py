"""Write a model as a set of safetensors files with an index, as Hugging Face's libraries do.

``model.safetensors`` becomes::

    model-00001-of-00002-3f9a0c4d.safetensors     tensors only: any reader of the format takes them
    model-00002-of-00002-3f9a0c4d.safetensors
    model.safetensors.index.json                  {"metadata": {"total_size": 9876,
                                                       "torch_saveload": ..., as in one file},
                                                   "weight_map": {"fc.weight": "model-00001-..."}}

The eight digits are random, so no save writes over the files of another: the set is the old one
until its index is replaced, the new one afterwards. Shards that no index names, of the former set
and of saves that were killed, are swept before and after. A writer keeps the temporary file of its
index open all the while, which is how others know that it is still there, and leave its shards
alone. Where both are there, ``model.safetensors`` counts.
"""

from __future__ import annotations

import glob
import json
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from expcore import open_atomic, sweep

from ._index_read import index_from_tree
from ._json import parse
from ._mapped import open_ordinary
from ._output import open_output
from ._safetensors import (
    TOLD,
    described,
    merged,
    metadata_of,
    read_header,
    untied,
    write_part,
)
from .errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ._index import Index, TensorRecord

SUFFIX = ".index.json"
_SURE_CHARACTERS = 60  # of a name; the names of temporary files are cut where they get too long
_SHARD = re.compile(r"[^/\\:]+-\d{5,}-of-\d{5,}[^/\\:]*\.safetensors")


def own_shard(stem: str) -> re.Pattern[str]:
    """Return what the shards of a name look like; the group tells which save they are of."""
    return re.compile(re.escape(stem) + r"-\d{5,}-of-\d{5,}-([0-9a-f]{8})\.safetensors")


def index_path(path: Path) -> Path:
    """Return where the index of a set is."""
    return path.with_name(path.name + SUFFIX)


def write_set(
    path: Path,
    index: Index,
    tensors: Mapping[str, Tensor],
    limit: int,
    *,
    overwrite: bool,
) -> list[Path]:
    """Write the shards, then their index.

    Args:
        path: The name as one file, ``model.safetensors``.
        index: All that is known, without the tensors.
        tensors: The tensors by name.
        limit: Bytes of tensors in a shard; one that is larger has a shard of its own.
        overwrite: Whether a set that is there may be replaced.

    Returns:
        The files, the index last.

    Raises:
        FileExistsError: There is an index, and ``overwrite`` is false.
        UnsaveableError: The format has no such dtype.
    """
    unique = untied(index, tensors)
    records = described(unique)
    groups = _groups(records, limit)
    mark = os.urandom(4).hex()
    files: dict[str, str] = {}
    digests: dict[str, str] = {}
    try:
        with open_atomic(index_path(path), overwrite=overwrite) as opened:
            _sweep_shards(path, own=1)
            for number, group in enumerate(groups, 1):
                name = f"{path.stem}-{number:05}-of-{len(groups):05}-{mark}.safetensors"
                size = sum(records[key].size for key in group)
                with open_output(path.with_name(name), size) as output:
                    part = {key: unique[key] for key in group}
                    digests.update(write_part(output, part, records, {}))
                files.update(dict.fromkeys(group, name))
            records = {key: records[key]._replace(digest=digests[key]) for key in records}
            total = sum(record.size for record in records.values())
            metadata = {"total_size": total, **metadata_of(index, records)}
            tree = {"metadata": metadata, "weight_map": files}
            opened.write(json.dumps(tree, indent=1).encode())
        path.unlink(missing_ok=True)
    finally:
        _sweep_shards(path)
    return [*map(path.with_name, dict.fromkeys(files.values())), index_path(path)]


def remove_set(path: Path) -> None:
    """Remove the set that a single file has replaced."""
    index_path(path).unlink(missing_ok=True)
    _sweep_shards(path)


def _sweep_shards(path: Path, *, own: int = 0) -> None:
    """Remove the shards that no index names, unless another writer may be making them.

    Args:
        path: The name as one file.
        own: How many temporary files of the index are of this writer.
    """
    folder, index = path.parent, index_path(path)
    ours = own_shard(path.stem)
    # In this order: whoever made one of these and is done by now has it in the index.
    shards = [file for file in folder.iterdir() if ours.fullmatch(file.name)]
    if not shards:
        return
    sweep(folder)
    start = f".{index.name}"[:_SURE_CHARACTERS]
    if len(list(folder.glob(f"{glob.escape(start)}*.tmp"))) > own:  # somebody is writing
        return
    try:
        named = set(json.loads(index.read_bytes())["weight_map"].values())
    except FileNotFoundError:
        named = set[str]()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # a damaged index: somebody may still want to mend it
    for file in shards:
        if file.name not in named:
            with suppress(OSError):  # in the way, but not ours to insist on
                file.unlink()


def shard_names(data: bytes) -> set[str]:
    """Return the files that the index of a set names, none if the index is not ours."""
    try:
        tree = json.loads(data)
        if TOLD not in tree["metadata"]:
            return set()
        return {name for name in tree["weight_map"].values() if _SHARD.fullmatch(name)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


def listed(data: bytes, path: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Read the index of a set, believing nothing of it.

    Returns:
        The name of the file of each tensor, and the metadata.

    Raises:
        FormatError: It is none, or names files outside its folder.
    """
    try:
        tree: Any = parse(data)
        files = {str(name): str(file) for name, file in tree["weight_map"].items()}
        metadata = dict(tree.get("metadata") or {})
    except Exception as error:  # whatever the damage leads to
        raise FormatError(path, f"no index of safetensors files ({error!r})") from error
    for file in files.values():
        if not re.fullmatch(r"[^/\\:\0]+\.safetensors", file):
            raise FormatError(path, f"names {file!r}, which is no file beside it")
    return files, metadata


def read_set(data: bytes, path: Path) -> tuple[Index, dict[Path, int]]:
    """Read the index of a set and the headers of its files.

    Args:
        data: What the index holds.
        path: Where it is.

    Returns:
        The index, with places as if the files were one; and where in it each file begins.

    Raises:
        FileNotFoundError: One of the files is missing.
        FormatError: They contradict each other.
    """
    files, metadata = listed(data, str(path))
    starts: dict[Path, int] = {}
    entries: dict[str, dict[str, Any]] = {}
    end = 0
    try:
        for name in dict.fromkeys(files.values()):
            shard = path.with_name(name)
            with open_ordinary(shard) as file:
                size = os.fstat(file.fileno()).st_size
                found, _ = read_header(file, str(shard), size, end)
            entries.update({key: found[key] for key in found if files.get(key) == name})
            starts[shard] = end
            end += size
        if missing := files.keys() - entries.keys():
            raise FormatError(str(path), f"no file holds {', '.join(sorted(missing))}")  # noqa: TRY301
        tree = merged(entries, metadata, str(path))
    except (OSError, FormatError):
        raise
    except Exception as error:  # whatever the damage leads to
        raise FormatError(str(path), f"no set of safetensors files ({error!r})") from error
    return index_from_tree(tree, str(path), end), starts


def _groups(records: Mapping[str, TensorRecord], limit: int) -> list[list[str]]:
    """Return names in groups of at most so many bytes, in the order of the model."""
    groups: list[list[str]] = [[]]
    size = 0
    for name, record in records.items():
        if groups[-1] and size + record.size > limit:
            groups.append([])
            size = 0
        groups[-1].append(name)
        size += record.size
    return groups
