"""Each error keeps its facts, pickles, and is the builtin it is."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

import savethat

ERRORS: list[tuple[savethat.SavethatError, type[Exception]]] = [
    (savethat.ConfigError(Path("a.toml"), "problem"), ValueError),
    (savethat.ConfigNotFound(Path("a.toml")), FileNotFoundError),
    (savethat.ArgumentsError("FitArgs", "lr", "problem"), ValueError),
    (savethat.NodeDefinitionError("m.Fit"), TypeError),
    (savethat.NodeNotFound("Fit", ["m.Fit", "n.Fit"]), LookupError),
    (savethat.RunNotFound("key", ["here", "there"]), LookupError),
    (savethat.NodeAlreadyRan("key"), RuntimeError),
    (savethat.Refused("no, because of it"), RuntimeError),
    (savethat.RunStillRunning("key", "host", 3), RuntimeError),
    (savethat.ResultsNotSaved("key", "m.Result", "reason"), TypeError),
    (savethat.NotSynced({"key": "OSError: no"}), OSError),
    (savethat.NotWritable(Path("data_storage"), "Read-only file system"), OSError),
    (savethat.CodeNotFound("key", "reason"), LookupError),
    (savethat.ArtifactsDiffer("key", {"a": "sha256:1"}, {"a": "sha256:2"}), ValueError),
    (savethat.UnsafeFolder(Path("folder")), PermissionError),
]


@pytest.mark.parametrize(("error", "builtin"), ERRORS, ids=lambda e: type(e).__name__)
def test_an_error_pickles_and_says_something(
    error: savethat.SavethatError, builtin: type[Exception]
) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert isinstance(error, builtin)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert len(str(error)) >= 15


def test_all_is_sorted_and_there() -> None:
    assert list(savethat.__all__) == sorted(savethat.__all__)
    assert all(hasattr(savethat, name) for name in savethat.__all__)
