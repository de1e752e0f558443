"""Arrays that are alike lie at equal distances, and are read as rows of one."""

from __future__ import annotations

import io
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import ckpt

DTYPES = [
    "<f4",
    "<f8",
    ">i4",
    "?",
    "<U2",
    "<M8[s]",
    "<c16",
    np.dtype([("a", "<i4"), ("b", "<f8")]),
]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
SOME = st.one_of([arrays.arrays(dtype, SHAPES) for dtype in DTYPES])


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(SOME, st.integers(1, 5), st.booleans()), max_size=6), st.randoms())
def test_any_of_them_come_back_in_any_order(kinds, chance: random.Random) -> None:
    saved = {}
    for array, count, fortran in kinds:
        for _ in range(count):
            one = np.array(array, order="F" if fortran else "C")
            if one.size and one.dtype.kind in "fi":
                one.flat[0] = len(saved)
            saved[f"v{len(saved)}"] = one
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection(saved))
    wanted = chance.sample(list(saved), chance.randint(0, len(saved)))
    vc = ckpt.VarCollection({name: np.zeros_like(saved[name]) for name in wanted})

    ckpt.load_var_collection(file, vc)

    for name in wanted:
        before, after = saved[name], vc[name].value
        assert (type(after), after.dtype, after.shape) == (np.ndarray, before.dtype, before.shape)
        assert after.tobytes("A") == before.tobytes("A")
        assert after.flags.writeable
        assert after.flags.f_contiguous == before.flags.f_contiguous


def test_one_among_them_with_another_header_keeps_its_own() -> None:
    saved = {f"v{i}": np.full(16, i, "<i4") for i in range(9)}
    saved["v4"] = np.full(16, 4, "<f4")
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection(saved))
    vc = ckpt.VarCollection({name: np.zeros_like(array) for name, array in saved.items()})

    ckpt.load_var_collection(file, vc)

    assert vc["v4"].value.dtype == np.float32
    assert [variable.value[0] for variable in vc.values()] == list(range(9))


def test_changing_one_changes_no_other() -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection({f"v{i}": np.zeros(3) for i in range(9)}))
    vc = ckpt.VarCollection({f"v{i}": np.ones(3) for i in range(9)})
    ckpt.load_var_collection(file, vc)

    vc["v4"].value[:] = 7

    assert [variable.value.max() for variable in vc.values()] == [0] * 4 + [7] + [0] * 4
