"""Read what a file holds, of this package or another, without reading its tensors yet."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ._file import ModelFile
from ._foreign import read_foreign
from ._stored import Stored, StoredTensor
from .errors import CorruptError

if TYPE_CHECKING:
    from pathlib import Path

    from ._index import TensorRecord


def read(path: Path, *, verify: bool, trust: bool) -> Stored:
    """Read what a file holds, without reading its tensors except to verify them.

    Args:
        path: A file of this package, or any that ``torch.save`` wrote.
        verify: Compare each tensor with its digest. A compressed one is compared later, when it
            is known to fit: before, its size is only what the file claims.
        trust: Unpickle what plain ``torch.load(weights_only=True)`` refuses.

    Raises:
        FileNotFoundError: There is no such file.
        FormatError: The file is malformed, or no model file.
        CorruptError: Bytes changed after they were written.
        UntrustedError: Only pickle can read it.
    """
    file = ModelFile(path)
    if file.index is None:
        return read_foreign(path, trust=trust)
    if verify and (names := file.damaged(compressed=False)):
        raise CorruptError(file.path, "tensors are not what was saved", names)
    index = file.index

    def stored_tensor(name: str, record: TensorRecord) -> StoredTensor:
        check = verify and record.blocks is not None
        return StoredTensor(
            dtype=record.dtype,
            shape=record.shape,
            same=(record.offset, record.size) if record.size else (),
            grad=record.grad,
            get=partial(file.tensor, name, verify=check),
        )

    stored = {name: stored_tensor(name, record) for name, record in index.tensors.items()}
    extra = {name: stored.pop(name) for name in _stored_names(index.values) if name in stored}
    return Stored(
        path=file.path,
        tensors=stored,
        extra=extra,
        class_name=index.class_name or None,
        version=index.version,
        config=index.config if index.class_name else None,
        values=index.values,
        ties=index.ties,
        metadata=index.metadata,
        unsaved=index.unsaved,
    )


def _stored_names(data: Any) -> set[str]:
    """Return the names of the tensors that plain data speaks of."""
    names: set[str] = set()
    todo = [data]  # no recursion: a hostile file nests as deep as it likes
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            todo += item
        elif isinstance(item, dict):
            if item.get("$") == "stored" and isinstance(item.get("name"), str):
                names.add(item["name"])
            todo += item.values()
    return names
