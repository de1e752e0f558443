"""Any Python value → one stable run of bytes → a digest.

Every value becomes *tag + content*, and no encoding is the start of another, so what stands
side by side cannot be read in two ways:

=========================  ===========================================================
``N`` ``T`` ``F`` ``E``    None, True, False, ...
``i`` hex ``;``            int
``f`` 8 bytes              float, little-endian; every NaN is one NaN
``c`` 16 bytes             complex
``s`` ``b`` n ``:`` ...    str (UTF-8), bytes, behind their length in hex
``b`` n ``#`` digest       more than half a mebibyte of bytes (:mod:`expcore._leaves`)
``(`` ... ``)``            tuple
``[`` ... ``]``            list
``{`` ... ``}``            dict, sorted by key
``<`` ... ``>``            set, sorted
``|`` ... ``!``            frozenset, sorted
``S`` ``I`` ``D`` ...      what stands between the brackets, where it is 64 str, int or float
                           or more of them: their number, then one run of bytes
``o`` kind ... ``.``       any other object: a name for its kind, and its parts
``^`` n ``;``              the container n levels up: a cycle
``#`` digest               any of these longer than 512 bytes, by its digest
=========================  ===========================================================

One dictionary from type to encoder is the whole dispatch; what is not in it is resolved once
per type by :mod:`expcore._resolve`. Names of variables, order of insertion, identity and
sharing leave no trace. Large buffers are digested where they lie, on several cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xxhash import xxh3_128_hexdigest

from expcore import _encoders_builtin  # noqa: F401  # pyright: ignore[reportUnusedImport] -- fills the table
from expcore._digest import new_hasher
from expcore._resolve import resolve
from expcore._walk import TABLE, Walk
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from expcore._digest import Algorithm


def digest(value: Any, *, algorithm: Algorithm = "xxh3_128", name: str = "obj") -> str:
    """Return the canonical digest of any Python value.

    Equal values of equal types have equal digests, in every process, on every machine and
    under every version of Python; what differs in type or content differs in digest. See
    ``docs/expcore.md`` for what counts as content of each type.

    Args:
        value: Anything that has content: builtins, numpy, torch, pandas, polars and jax
            values, dataclasses, enums, functions, classes, and objects made of these.
        algorithm: ``"xxh3_128"`` is for keys and for noticing change; ``"sha256"`` and
            ``"blake3"`` are for what must not be forged.
        name: What the value is called in errors.

    Raises:
        UndigestableError: The value, or a part of it, has no content: a generator, a lock, a
            socket, an open file. The error names the path to it.

    >>> digest({"lr": 0.1, "layers": [64, 10]}) == digest({"layers": [64, 10], "lr": 0.1})
    True
    >>> digest(1) == digest(1.0)
    False
    >>> digest({"model": [open]}, name="args")[:9]
    'xxh3_128:'
    """
    walk = Walk(algorithm)
    try:
        data = (TABLE.get(type(value)) or resolve(value))(value, walk)
    except UndigestableError as error:
        error.prepend(name)
        raise
    except RecursionError:
        raise UndigestableError(
            name, type(value).__qualname__, "it is nested too deeply; flatten it"
        ) from None
    if algorithm == "xxh3_128":
        return "xxh3_128:" + xxh3_128_hexdigest(data)
    hasher = new_hasher(algorithm)
    hasher.update(data)
    return f"{algorithm}:{hasher.hexdigest()}"
