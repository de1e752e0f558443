"""Importing codesave is quick and pulls in nothing heavy."""

from __future__ import annotations

import codesave

HEAVY = {"wandb", "torch", "numpy", "jax", "pandas", "b2sdk", "pathspec", "pluggy"}


def test_it_imports_nothing_heavy(python):
    code = f"import sys, codesave; print({HEAVY!r} & set(sys.modules))"

    assert python(code=code).strip() == "set()"


def test_the_names_are_sorted_and_there():
    assert codesave.__all__ == sorted(codesave.__all__)
    for name in codesave.__all__:
        assert getattr(codesave, name).__doc__
