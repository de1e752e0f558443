"""Turn named arrays into the members of one ``.npz`` file.

The layout is objax's: a member ``names.npy`` with the variables' names (``<U``, one dimension),
then ``0.npy``, ``1.npy``, … with their values in that order, all stored, none compressed. Besides,
where there is something to say beyond arrays, ``meta.json``: a JSON object with ``"ckpt": 1`` (the
version of this layout) and the keys ``extra`` and ``metrics``; numpy and objax pass over it.
Equal arrays give equal bytes, so a digest of the file identifies its contents.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ckpt import _npy, _zip
from ckpt._dtypes import Array, to_stored
from ckpt.errors import UnsupportedValueError
from expcore import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from typing_extensions import Buffer

NAMES, META = "names.npy", "meta.json"
VERSION = 1
PIECE = 256 << 10
"""Bytes that are copied, and then checked, while they are near the processor."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where everything of a file goes, before a byte of it is written."""

    layout: _zip.Layout
    heads: list[bytes]
    """What stands before each array: its npy header."""
    bodies: list[Array]


def plan_npz(arrays: Mapping[str, Array], meta: Mapping[str, Any] | None = None) -> Plan:
    """Lay a file out.

    Args:
        arrays: An array of any shape for each variable name. The order is kept.
        meta: Plain JSON data to store beside them.

    Raises:
        UnsupportedValueError: A name or a dtype has no place in an npz file.
    """
    names = encode_names(list(arrays))
    heads, bodies = [_head(names)], [names]
    try:
        for array in arrays.values():
            stored = to_stored(array)
            heads.append(_head(stored))
            bodies.append(stored)
    except UnsupportedValueError as error:
        name = list(arrays)[len(bodies) - 1]
        raise UnsupportedValueError(name, error.reason) from None
    titles = [NAMES.encode(), *map(b"%d.npy".__mod__, range(len(arrays)))]
    if meta:
        titles.append(META.encode())
        heads.append(encode_meta(meta))
        bodies.append(np.empty(0, np.uint8))
    sizes = [len(head) + body.nbytes for head, body in zip(heads, bodies, strict=True)]
    return Plan(_zip.lay_out(titles, sizes), heads, bodies)


def encode_npz(
    arrays: Mapping[str, Array], meta: Mapping[str, Any] | None = None
) -> Iterator[Buffer]:
    """Yield the pieces of an npz file; see :func:`plan_npz`.

    >>> data = b"".join(encode_npz({"layer.w": np.zeros((2, 3), np.float32)}))
    >>> import io
    >>> np.load(io.BytesIO(data))["names"]
    array(['layer.w'], dtype='<U7')
    """
    plan = plan_npz(arrays, meta)
    crcs: list[int] = []
    for row, (head, body) in enumerate(zip(plan.heads, plan.bodies, strict=True)):
        crc = crc32(head)
        for piece in pieces(body, 0, body.nbytes):
            crc = crc32(piece, crc)
        crcs.append(crc)
        yield from (*_zip.local_headers(plan.layout, range(row, row + 1), [crc]), head)
        yield from cast("Iterator[Buffer]", pieces(body, 0, body.nbytes))
    yield _zip.directory(plan.layout, crcs)


def pieces(array: Array, begin: int, end: int) -> Iterator[Array]:
    """The bytes of an array in the order of the file, in pieces; copied only if it has gaps."""
    if array.flags.c_contiguous or array.flags.f_contiguous:
        flat: Array = array.reshape(-1, order="A").view(np.uint8) if end > begin else array
        for at in range(begin, end, PIECE):
            yield flat[at : min(at + PIECE, end)]
        return
    size = array.itemsize
    for at in range(begin, end, PIECE):
        stop = min(at + PIECE, end)
        first = at // size
        items: Array = array.flat[first : -(-stop // size)]
        yield items.view(np.uint8)[at - first * size : stop - first * size]


def encode_names(names: Sequence[str]) -> Array:
    """The names as the array that the file holds."""
    check_names(names)
    return np.array(names, dtype=None if names else "<U1").astype("<U", copy=False)


def encode_meta(meta: Mapping[str, Any]) -> bytes:
    """What is stored beside the arrays, as the bytes that the file holds."""
    text = json.dumps({"ckpt": VERSION, **meta}, ensure_ascii=False, sort_keys=True)
    return text.encode("utf-8", "surrogatepass")


def decode_meta(data: bytes) -> dict[str, Any]:
    """The inverse of :func:`encode_meta`, which trusts nothing.

    Raises:
        ValueError: These are no such bytes.
    """
    try:
        found: Any = json.loads(data.decode("utf-8", "surrogatepass"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    meta = cast("dict[str, Any]", found if isinstance(found, dict) else {})
    if meta.get("ckpt") != VERSION:
        raise ValueError(f"it is not of version {VERSION}; a newer ckpt wrote it")
    metrics: Any = meta.get("metrics", {})
    try:
        meta["metrics"] = {name: float(value) for name, value in metrics.items()}
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise ValueError("its metrics are no numbers") from error
    return meta


def check_names(names: Sequence[str]) -> None:
    """Refuse names that would not come back.

    Raises:
        UnsupportedValueError: One is no string, or ends with a NUL.
    """
    for name in names:
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UnsupportedValueError(repr(name), "its name is no string")
        if name.endswith("\0"):
            raise UnsupportedValueError(name, "numpy would drop the NUL at the end of its name")


def check_arrays(names: Sequence[str], arrays: Iterable[Array]) -> None:
    """Refuse what :func:`plan_npz` would refuse.

    Raises:
        UnsupportedValueError: A name or a dtype has no place in an npz file.
    """
    check_names(names)
    known: set[Any] = set()
    for name, array in zip(names, arrays, strict=True):
        if array.dtype not in known:
            try:
                _head(to_stored(array))
            except UnsupportedValueError as error:
                raise UnsupportedValueError(name, error.reason) from None
            known.add(array.dtype)


def _head(stored: Array) -> bytes:
    fortran = stored.ndim > 1 and stored.flags.fnc
    return _npy.encode_header(stored.dtype, stored.shape, fortran=fortran)
