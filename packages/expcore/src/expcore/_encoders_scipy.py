"""scipy: sparse arrays by class, dtype, shape and entries, in whatever order they are held."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse  # type: ignore[import-untyped,unused-ignore]

from expcore._encoders_objects import class_name, state_of

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk

_CANONICAL = {"csr", "csc", "bsr", "coo"}


def _sparse(value: Any, walk: Walk) -> bytes:
    entries = value
    if value.format not in _CANONICAL:
        entries = value.tocoo()
        entries.has_canonical_format = False  # of a dictionary's it says they are in order
    if not entries.has_canonical_format:
        entries = entries.copy()
        entries.sum_duplicates()
    if entries.format == "coo":
        places = getattr(entries, "coords", None) or (entries.row, entries.col)
    else:
        places = (entries.indptr, entries.indices)
    # The indices are as wide as the matrix once had to be.
    wide = [np.asarray(place, np.int64) for place in places]
    parts = class_name(type(value)), value.shape, entries.data, wide
    if own := _own_attributes(value):
        return walk.compose("derived sparse", *parts, own)
    return walk.compose("sparse", *parts)


def _own_attributes(value: Any) -> dict[str, Any]:
    """Return what a derived class's array has besides its entries."""
    kind = type(value)
    base: Any = next(base for base in kind.__mro__ if base.__module__.startswith("scipy."))
    if base is kind:
        return {}
    library = {*vars(base(value)), "_has_canonical_format", "_has_sorted_indices"}
    return {name: part for name, part in state_of(value).items() if name not in library}


ENCODERS: dict[type, Encoder] = {
    kind: _sparse for kind in (getattr(sparse, "sparray", None), sparse.spmatrix) if kind
}
