"""Read the index of a model file, believing nothing of it; :mod:`torch_saveload._index` has it."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from ._index import FORMAT, ITEM_SIZES, Blocks, Index, TensorRecord, is_dense
from ._json import parse
from .errors import FormatError

T = TypeVar("T")
_TOO_LARGE = 1 << 62
_LARGEST_BLOCK = 64 << 20
"""Bytes. A block is made in one piece, whatever a hostile file says of it."""


def decode_index(data: bytes, path: str, file_size: int) -> Index:
    """Read an index, believing nothing of it; see :func:`index_from_tree`."""
    try:
        tree = parse(data)
    except ValueError as error:
        raise FormatError(path, f"its index is no JSON ({error})") from error
    return index_from_tree(tree, path, file_size)


def index_from_tree(tree: Any, path: str, file_size: int) -> Index:
    """Make an index of what JSON held.

    Args:
        tree: What :func:`index_tree` returned once, or anything else.
        path: The file it is from, for the errors.
        file_size: Bytes in that file; every tensor must lie inside.

    Raises:
        FormatError: It is no index, one of a later format, or contradicts itself.
    """
    check = _Check(path)
    tree = check.kind(tree, dict, "the index")
    version = check.kind(tree.get("format"), int, "format")
    if version != FORMAT:
        raise FormatError(
            path,
            f"is of format {version}, this torch_saveload reads format {FORMAT}: "
            "update torch_saveload",
        )
    model_version = tree.get("version")
    if model_version is not None:
        model_version = check.kind(model_version, str, "version")
    entries = check.kind(tree.get("tensors"), dict, "tensors")
    tensors = {name: check.tensor(entry, name) for name, entry in entries.items()}
    check.places(tensors, file_size)
    values = check.kind(tree.get("values", {}), dict, "values")
    ties = tuple(
        tuple(check.kind(name, str, "ties") for name in check.kind(tie, list, "ties"))
        for tie in check.kind(tree.get("ties", []), list, "ties")
    )
    check.ties(ties, tensors)
    metadata = check.kind(tree.get("metadata", {}), dict, "metadata")
    for prefix, facts in metadata.items():
        check.kind(facts, dict, f"metadata of {prefix!r}")
    unsaved = check.kind(tree.get("unsaved", {}), dict, "unsaved")
    if not all(isinstance(dtype, str) and dtype in ITEM_SIZES for dtype in unsaved.values()):
        raise check.fail("unsaved names unknown dtypes")
    return Index(
        class_name=check.kind(tree.get("class"), str, "class"),
        version=model_version,
        config=check.kind(tree.get("config"), dict, "config"),
        tensors=tensors,
        torch=check.kind(tree.get("torch"), str, "torch"),
        writer=check.kind(tree.get("writer"), str, "writer"),
        values=values,
        ties=ties,
        metadata=metadata,
        unsaved=unsaved,
    )


class _Check:
    """Raise a :class:`FormatError` where the index is not what it has to be."""

    def __init__(self, path: str) -> None:
        self._path = path

    def fail(self, problem: str) -> FormatError:
        return FormatError(self._path, f"its index contradicts itself: {problem}")

    def kind(self, value: object, kind: type[T], *what: str) -> T:
        if type(value) is not kind:  # JSON makes no subclasses, and a boolean is no integer
            raise self.fail(f"{' '.join(what)} is a {type(value).__name__}, not a {kind.__name__}")
        return value

    def numbers(self, value: object, *what: str) -> tuple[int, ...]:
        if type(value) is not list:
            raise self.fail(f"{' '.join(what)} is {value!r}")
        items: list[Any] = value
        for item in items:
            if type(item) is not int or not 0 <= item < _TOO_LARGE:
                raise self.fail(f"{' '.join(what)} is {items}")
        return tuple(items)

    def tensor(self, value: object, name: str) -> TensorRecord:
        # No call for each field: there are thousands of tensors.
        entry: dict[str, Any] = self.kind(value, dict, "tensor", name)
        dtype, digest, grad = entry.get("dtype"), entry.get("digest"), entry.get("grad")
        if type(dtype) is not str or dtype not in ITEM_SIZES:
            raise self.fail(f"tensor {name} has the unknown dtype {dtype!r}")
        if type(digest) is not str or (grad is not None and type(grad) is not bool):
            raise self.fail(f"tensor {name} has digest {digest!r} and grad {grad!r}")
        shape = self.numbers(entry.get("shape"), "shape of tensor", name)
        count = math.prod(shape)
        # None is to overflow anywhere, also without its zeros.
        if (count or math.prod(side or 1 for side in shape)) >= _TOO_LARGE:
            raise self.fail(f"tensor {name} has the shape {list(shape)}")
        at = self.numbers(entry.get("at"), "place of tensor", name)
        if len(at) != 2:  # noqa: PLR2004
            raise self.fail(f"place of tensor {name} is {list(at)}")
        stride, blocks = entry.get("stride"), entry.get("blocks")
        if stride is not None:
            stride = self.numbers(stride, "stride of tensor", name)
            if not is_dense(shape, stride):
                raise self.fail(
                    f"tensor {name} of shape {list(shape)} has the stride {list(stride)}"
                )
        stored = count * ITEM_SIZES[dtype]
        if blocks is not None:
            blocks = self.blocks(blocks, f"tensor {name}")
            stored = sum(blocks.sizes)
        if stored != at[1]:
            raise self.fail(f"tensor {name} takes {stored} bytes, its place {at[1]}")
        return TensorRecord(dtype, shape, at[0], at[1], digest, stride, grad, blocks)

    def blocks(self, value: object, what: str) -> Blocks:
        entry: dict[str, Any] = self.kind(value, dict, f"blocks of {what}")
        shuffle, raw = self.numbers([entry.get("shuffle"), entry.get("raw")], f"blocks of {what}")
        sizes = self.numbers(entry.get("sizes"), f"block sizes of {what}")
        if not 1 <= shuffle <= 16 or not 1 <= raw <= _LARGEST_BLOCK or raw % shuffle:  # noqa: PLR2004
            raise self.fail(f"{what} has blocks of {raw} bytes in planes of {shuffle}")
        return Blocks(shuffle=shuffle, raw=raw, sizes=sizes)

    def places(self, tensors: dict[str, TensorRecord], file_size: int) -> None:
        """Refuse tensors outside the file, or half in another's bytes."""
        end, last = 0, ""
        taken = {(r.offset, r.size): name for name, r in tensors.items() if r.size}
        for (offset, size), name in sorted(taken.items()):
            if offset + size > file_size:
                raise FormatError(
                    self._path,
                    f"tensor {name!r} ends at byte {offset + size}, the file at {file_size}: "
                    "it was cut off",
                )
            if offset < end:
                raise self.fail(f"tensors {last!r} and {name!r} overlap")
            end, last = offset + size, name
        for name, record in tensors.items():
            if record.size:
                other = tensors[taken[record.offset, record.size]]
                if (record.dtype, record.digest, record.blocks) != (
                    other.dtype,
                    other.digest,
                    other.blocks,
                ):
                    raise self.fail(f"tensor {name!r} shares bytes with one of another kind")

    def ties(self, ties: tuple[tuple[str, ...], ...], tensors: dict[str, TensorRecord]) -> None:
        for tie in ties:
            if len(tie) < 2 or any(name not in tensors for name in tie):  # noqa: PLR2004
                raise self.fail(f"there is no tie {list(tie)}")
            if len({tensors[name] for name in tie}) != 1:
                raise self.fail(f"the tied {list(tie)} are not one tensor")
