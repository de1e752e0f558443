"""What a user sees of the package: names, errors, imports."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

import ckpt
from ckpt import errors

EXAMPLES = [
    errors.BrokenFileError("a.npz", "it is empty"),
    errors.CheckpointNotFoundError("a.npz", [1, 2]),
    errors.MissingVariablesError("a.npz", ["w"], ["v"]),
    errors.AmbiguousNameError("a.npz", "w", ["v", "u"]),
    errors.ShapeMismatchError("a.npz", "w", (1,), (2,)),
    errors.DtypeMismatchError("a.npz", "w", "float32", "float16"),
    errors.StateMismatchError("a.npz", "optimizer", "it has 3 parameters, not 4"),
    errors.NotAVarCollectionError("a list"),
    errors.UnsupportedValueError("w", "it needs pickle"),
    errors.InvalidOptionError("keep_ckpts", 0, "at least 1"),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling_and_says_the_same(error) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_every_error_has_an_example_and_a_place_in_the_drawn_tree() -> None:
    kinds = [
        kind
        for name in errors.__all__
        if issubclass(kind := getattr(errors, name), errors.CkptError)
        and kind is not errors.CkptError
    ]

    assert {type(error) for error in EXAMPLES} == set(kinds)
    for kind in kinds:
        (line,) = [line for line in errors.__doc__.splitlines() if f" {kind.__name__} " in line]
        for base in kind.__bases__[1:]:
            assert base.__name__ in line


def test_a_long_list_of_names_is_cut_in_the_message() -> None:
    names = [f"layer{i}" for i in range(70_000)]

    assert len(str(errors.MissingVariablesError("a.npz", names, names))) < 1000


def test_importing_it_imports_nothing_heavy() -> None:
    code = "import sys, ckpt; print([m for m in ('numpy', 'torch', 'jax') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_named_as_public() -> None:
    assert ckpt.__all__ == sorted(ckpt.__all__)
    for name in ckpt.__all__:
        assert name in dir(ckpt)
        assert getattr(ckpt, name).__module__ in ("ckpt", "typing")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ckpt' has no attribute 'load_model'"):
        ckpt.load_model  # noqa: B018


def test_shapes_are_checked_without_assertions() -> None:
    """``python -O`` removes assert statements, and objax's check with them."""
    code = """
import io, numpy as np, ckpt
file = io.BytesIO()
ckpt.save_var_collection(file, ckpt.VarCollection({"w": np.zeros(2)}))
try:
    ckpt.load_var_collection(file, ckpt.VarCollection({"w": np.zeros(3)}))
except AssertionError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout == "refused\n"
