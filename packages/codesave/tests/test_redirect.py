"""The redirection itself: put back where it was lost, no trouble to anybody else."""

from __future__ import annotations

import builtins
import importlib
import sys

import pytest

from codesave import ImportHookWarning, UniqueCodebase


def test_a_codebase_may_hold_codesave_itself(zipped, version):
    from pathlib import Path

    import codesave

    package = Path(codesave.__file__).parent
    files = {
        f"codesave/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in package.rglob("*.py")
    }
    inner = UniqueCodebase(zipped(files)).import_module("codesave")
    path = zipped(version(1))

    assert inner is not codesave
    assert inner.UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 1"
    assert UniqueCodebase(path).import_module("src.model").Net().late() == "lazy 1"


def test_the_redirection_comes_back_with_a_warning_if_it_was_replaced(one, monkeypatch):
    one.import_module("src.utils")
    monkeypatch.setattr(builtins, "__import__", importlib.__import__)

    with pytest.warns(ImportHookWarning, match="something replaced"):
        model = one.import_module("src.model")

    assert model.Net.weight == 1


def test_a_wrapper_that_calls_through_is_left_alone(one, monkeypatch):
    one.import_module("src.utils")
    seen: list[str] = []
    original = builtins.__import__

    def wrapper(name, *args, **kwargs):
        seen.append(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", wrapper)

    assert one.import_module("src.model").Net.weight == 1
    assert builtins.__import__ is wrapper
    assert "src" in seen


def test_host_imports_are_untouched(one):
    one.import_module("src.model")
    namespace = {"__name__": "host"}

    exec("import json.decoder, os.path as p\nfrom collections import abc", namespace)

    assert namespace["json"] is sys.modules["json"]
    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'src'$"):
        exec("import src.model", namespace)
