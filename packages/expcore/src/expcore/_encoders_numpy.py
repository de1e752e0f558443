"""numpy: arrays by dtype, shape and content, wherever and however they lie in memory."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expcore._encoders_objects import class_name, state_of
from expcore._leaves import content_digest, stream_digest
from expcore._nan import may_be_nan, with_one_nan
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from expcore._walk import Encoder, Walk

INLINE_BYTES = 256
_NUMPY = {"numpy.dtypes", "numpy"}  # until 1.24 the latter
_USERS = 2  # what `isbuiltin` is of a dtype that was registered
PIECE_BYTES = 1 << 20
_LONG = {np.longdouble, np.clongdouble}  # by type: others call theirs "g", too


def encode_array(value: Any, walk: Walk) -> bytes:
    """Encode an array by dtype, shape and content in C order; a memmap is an array too."""
    kind = type(value)
    data = array_parts("ndarray", value, walk)
    if kind is np.ndarray or kind is np.memmap:
        return data
    # numpy 1 knows it by another name.
    name = "numpy.rec.recarray" if kind is np.recarray else class_name(kind)
    return walk.join("derived", [walk.encode(name), data, walk.attributes(state_of(value))])


def array_parts(tag: str, value: Any, walk: Walk) -> bytes:
    """Encode what :func:`numpy.asarray` makes of a value, under a tag of its own."""
    array = np.asarray(value)
    return walk.join(
        tag,
        [_encode_dtype(array.dtype, walk), walk.encode(array.shape), _content(array, walk)],
    )


def _content(array: Any, walk: Walk) -> bytes:
    dtype = array.dtype
    if dtype.names is not None:
        # Field by field, so that what lies in the padding between them is never seen.
        return walk.join("fields", [_content(array[name], walk) for name in dtype.names])
    if dtype.subdtype is not None or dtype.hasobject or dtype.kind == "T":
        return _objects(array, walk)
    if array.nbytes <= INLINE_BYTES:
        return walk.encode(b"".join(_pieces(array)))
    if not array.flags.c_contiguous or dtype.type in _LONG:
        return walk.encode(stream_digest(walk.hasher, _pieces(array)))
    return walk.encode(flat_digest(array.reshape(-1), walk))


def flat_digest(flat: Any, walk: Walk, one_nan: Callable[[Any], Any] | None = None) -> bytes:
    """Digest a contiguous array of one dimension.

    Args:
        flat: The array.
        walk: The walk it is met on.
        one_nan: Returns a copy of a part with NaNs that are alike, or None if there are none;
            by default what its dtype needs.
    """
    data = flat.view(np.uint8) if flat.size else b""
    if one_nan is None and may_be_nan(flat.dtype):
        one_nan = with_one_nan
    if one_nan is None:
        return content_digest(walk.hasher, data)
    size = flat.dtype.itemsize

    def instead(start: int, stop: int) -> Any:
        other = one_nan(flat[start // size : stop // size])
        return None if other is None else other.view(np.uint8)

    return content_digest(walk.hasher, data, instead)


def _pieces(array: Any) -> Iterator[bytes]:
    """Yield the content in C order, with one kind of NaN and without padding."""
    if array.ndim > 1 and array.nbytes > PIECE_BYTES:
        # Several rows at a time: a column-major array lies in them by cache lines.
        rows = max(1, 4 * PIECE_BYTES * len(array) // array.nbytes)
        for start in range(0, len(array), rows):
            part = array[start : start + rows]
            if rows == 1 and part[0].nbytes > 4 * PIECE_BYTES:
                yield from _pieces(part[0])
            else:
                yield from _pieces(np.ascontiguousarray(part).reshape(-1))
        return
    flat = array.reshape(-1)
    step = PIECE_BYTES // max(1, flat.dtype.itemsize) or 1
    for start in range(0, flat.size, step):
        piece = flat[start : start + step]
        if may_be_nan(piece.dtype):
            other = with_one_nan(piece)
            piece = piece if other is None else other
        yield _unpadded(piece) if piece.dtype.type in _LONG else piece.tobytes()


def _unpadded(array: Any) -> bytes:
    """Return the bytes of x86's long doubles: ten of sixteen mean something."""
    size = np.dtype("g").itemsize
    if np.finfo("g").nmant != 63:  # noqa: PLR2004
        return bytes(array.tobytes())
    rows = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, size)
    return rows[:, :10].tobytes()


def _objects(array: Any, walk: Walk) -> bytes:
    known = walk.enter(array)
    if known is not None:
        return known
    parts: list[bytes] = []
    items = list(array.flat) if array.dtype.kind == "V" else array.reshape(-1).tolist()
    try:
        for item in items:
            parts.append(walk.encode(item))  # noqa: PERF401
    except UndigestableError as error:
        index = np.unravel_index(len(parts), array.shape)
        error.prepend(f"[{', '.join(str(int(place)) for place in index)}]")
        raise
    return walk.leave(array, walk.join("objects", parts))


def _encode_dtype(dtype: Any, walk: Walk) -> bytes:
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return walk.join("subarray", [_encode_dtype(base, walk), walk.encode(shape)])
    if dtype.names is not None:
        fields = [dtype.fields[name][:2] for name in dtype.names]
        parts = [
            part
            for name, (field, offset) in zip(dtype.names, fields, strict=True)
            for part in (walk.encode((name, offset)), _encode_dtype(field, walk))
        ]
        return walk.join("struct", [walk.encode(dtype.itemsize), *parts])
    if dtype.kind == "T":
        return walk.compose("dtype", "StringDType", repr(getattr(dtype, "na_object", None)))
    name = dtype.str if dtype.type not in _LONG else f"{dtype.str} {np.finfo(dtype).nmant}"
    # Types of others (ml_dtypes' bfloat16) all call themselves plain bytes.
    is_of_others = dtype.isbuiltin == _USERS or type(dtype).__module__ not in _NUMPY
    return walk.compose("dtype", str(dtype) if is_of_others else name)


def _masked(value: Any, walk: Walk) -> bytes:
    mask = np.ma.getmaskarray(value)
    visible = np.ma.getdata(value).copy()
    if visible.dtype.names is None:
        visible[mask] = np.zeros((), visible.dtype)
        return walk.join("masked", [array_parts("mask", mask, walk), encode_array(visible, walk)])
    columns = [_masked(value[name], walk) for name in visible.dtype.names]
    return walk.join("masked", [_encode_dtype(visible.dtype, walk), *columns])


def _scalar(value: Any, walk: Walk) -> bytes:
    return array_parts("scalar", value, walk)


def _ufunc(value: Any, walk: Walk) -> bytes:
    """Encode a function of numpy's by its name, one of another library also by its types."""
    name = value.__name__
    if getattr(np, name, None) is value:
        return walk.compose("ufunc", name)
    if name.endswith("(vectorized)"):
        raise UndigestableError(
            "", "ufunc", "numpy.frompyfunc hides the function it was made from; pass that one"
        )
    return walk.compose("ufunc", name, value.__doc__, value.types)


def _generator(value: Any, walk: Walk) -> bytes:
    # Pickled, they look different in numpy 1 and 2.
    return walk.compose("generator", class_name(type(value)), value.bit_generator)


def _bit_generator(value: Any, walk: Walk) -> bytes:
    seed = getattr(value, "seed_seq", None)  # what the next children of it are made from
    return walk.compose("bit generator", value.state, seed)


def _random_state(value: Any, walk: Walk) -> bytes:
    return walk.compose("random state", value.get_state(legacy=False))


ENCODERS: dict[type, Encoder] = {
    np.ndarray: encode_array,
    np.generic: _scalar,
    np.ma.MaskedArray: _masked,
    np.dtype: _encode_dtype,
    np.ufunc: _ufunc,
    np.random.Generator: _generator,
    np.random.BitGenerator: _bit_generator,
    np.random.RandomState: _random_state,
}
