"""Look at model files without torch, and without the code of the model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._file import ModelFile
from ._unzip import ZipReader
from ._write import pickle_of
from .errors import CorruptError, FormatError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from ._index import Index, TensorRecord

_UNITS = ("B", "KB", "MB", "GB", "TB")
_KILO = 1000
_DEEPEST = 10
"""How deeply nested arguments are shown."""


def show(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield what a file holds: class, version, arguments, tensors, ties and sizes."""
    file, index = _open(path)
    version = f" version {index.version}" if index.version else ""
    if index.class_name:
        yield f"{index.class_name}{version}, saved by {index.writer} with torch {index.torch}"
    else:
        yield "tensors only, saved by another tool"
    for name, data in index.config.items():
        yield f"  {name} = {_short(data)}"
    width = max(map(len, index.tensors), default=0)
    for name, record in index.tensors.items():
        notes = ["frozen"] if record.grad is False else []
        notes += ["buffer"] if record.grad is None else []
        if record.blocks is not None:
            notes.append(f"compressed to {record.size / record.nbytes:.0%}")
        line = f"{name:<{width}}  {_kind(record)}  {_size(record.nbytes)}"
        yield f"{line}  {', '.join(notes)}".rstrip()
    for name in index.values:
        yield f"{name:<{width}}  extra state"
    for tie in index.ties:
        yield f"one parameter: {', '.join(tie)}"
    unique = {record.offset: record for record in index.tensors.values()}.values()
    total = sum(record.nbytes for record in unique)
    elements = sum(_count(record) for record in unique if record.grad is not None)
    yield (
        f"{len(index.tensors)} tensors, {elements:,} parameters, {_size(total)} in memory, "
        f"{_size(file.size)} on disk"
    )


def diff(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> Iterator[str]:
    """Yield what differs between two files, nothing if they hold the same model."""
    (_, left), (_, right) = _open(path), _open(other)
    for what, here, there in (
        ("class", left.class_name, right.class_name),
        ("version", left.version, right.version),
        ("ties", left.ties, right.ties),
    ):
        if here != there:
            yield f"{what}: {here} -> {there}"
    for what, before, after in (
        ("argument", left.config, right.config),
        ("extra state", left.values, right.values),
    ):
        for name in sorted(before.keys() | after.keys()):
            here, there = (_short(d[name]) if name in d else "absent" for d in (before, after))
            if before.get(name, before) != after.get(name, after):
                yield f"{what} {name}: {here} -> {there}"
    same = 0
    for name in {**left.tensors, **right.tensors}:
        a, b = left.tensors.get(name), right.tensors.get(name)
        if a is None or b is None or _kind(a) != _kind(b):
            yield f"tensor {name}: {_kind(a) if a else 'absent'} -> {_kind(b) if b else 'absent'}"
        elif a.digest != b.digest:
            yield f"tensor {name}: other values"
        else:
            same += 1
            if a.grad != b.grad:
                yield f"tensor {name}: requires_grad {a.grad} -> {b.grad}"
    yield f"{same} tensors are equal"


def verify(path: str | os.PathLike[str]) -> Iterator[str]:
    """Check every byte that matters.

    Raises:
        CorruptError: Tensors are not what was saved.
        FormatError: What plain ``torch.load`` would read is not what the index says, or another
            tool wrote the file, without digests.
    """
    file, index = _open(path)
    if not index.class_name:
        raise FormatError(str(path), "another tool wrote it: it holds no digests to compare with")
    if names := file.damaged():
        raise CorruptError(str(path), "tensors are not what was saved", names)
    if not file.is_zip:
        yield f"{path}: {len(index.tensors)} tensors are what was saved"
        return
    # Members were written in this order, one for each place.
    places = sorted({(r.offset, r.size) for r in index.tensors.values()})
    keys = {at: key for key, (at, _) in enumerate(places)}
    with Path(path).open("rb") as opened:
        members = ZipReader(opened, str(path))
        if members.read("data.pkl") != pickle_of(index, keys) or any(
            members.place(f"data/{key}") != place for key, place in enumerate(places)
        ):
            raise FormatError(
                str(path), "data.pkl and the index differ: torch.load reads something else"
            )
    yield f"{path}: {len(index.tensors)} tensors are what was saved"


def _open(path: str | os.PathLike[str]) -> tuple[ModelFile, Index]:
    file = ModelFile(Path(path))
    if file.index is None:
        raise FormatError(str(path), "holds no index: torch_saveload did not write it")
    return file, file.index


def _kind(record: TensorRecord) -> str:
    return f"{record.dtype} {list(record.shape)}"


def _count(record: TensorRecord) -> int:
    count = 1
    for side in record.shape:
        count *= side
    return count


def _short(data: Any, depth: int = 0) -> str:
    """Return plain data as people write it, where that is possible in a line."""
    if depth > _DEEPEST:
        return "..."
    if isinstance(data, dict) and "$" in data:
        words = [str(data["$"])]
        words += [str(data[key]) for key in ("type", "name", "value") if key in data]
        if isinstance(items := data.get("items"), list):
            words.append(", ".join(_short(item, depth + 1) for item in items))
        if isinstance(config := data.get("config"), dict):
            words.append(", ".join(f"{k}={_short(v, depth + 1)}" for k, v in config.items()))
        return f"<{' '.join(words)}>"
    if isinstance(data, list):
        return f"[{', '.join(_short(item, depth + 1) for item in data)}]"
    if isinstance(data, dict):
        entries = (f"{json.dumps(k)}: {_short(v, depth + 1)}" for k, v in data.items())
        return f"{{{', '.join(entries)}}}"
    return json.dumps(data)


def _size(count: float) -> str:
    """Return a number of bytes for people.

    >>> _size(1_500_000)
    '1.5 MB'
    """
    if count < _KILO:
        return f"{count:.0f} B"
    number = 0
    while count >= _KILO and number < len(_UNITS) - 1:
        count, number = count / _KILO, number + 1
    return f"{count:.1f} {_UNITS[number]}"
