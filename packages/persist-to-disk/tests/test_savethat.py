"""The plugin, called as savethat calls it."""

from __future__ import annotations

import importlib.metadata

import pytest

from expcore import digest_bytes, digest_file

pytest.importorskip("pluggy")

SOURCE = """
    @ptd.persistf()
    def small(x):
        return x
    @ptd.persistf()
    def large(x):
        return bytes(2 << 20)
"""


class Run:
    """What savethat hands to plugins, as far as this one uses it."""

    def __init__(self, key):
        self.key = key
        self.artifacts = []

    def add_artifact(self, path, **facts):
        self.artifacts.append({"path": path, **facts})


@pytest.fixture
def plugin():
    from persist_to_disk import _savethat

    return _savethat


def test_each_entry_a_run_used_is_listed_once(load, plugin):
    module = load(SOURCE)
    module.small(1)
    run = Run("a")
    plugin.run_start(run)

    for x in (1, 1, 2, 2, 2):
        module.small(x)
    plugin.run_end(run, "completed")
    module.small(3)

    assert [(a["use"], a["hit"]) for a in run.artifacts] == [
        ("read", True),
        ("written", False),
        ("read", True),
    ]
    read = run.artifacts[0]
    assert read["path"] == module.small.cache_path(1)
    assert read["function"].endswith(".small")
    assert (read["kind"], read["by"]) == ("cache entry", "persist_to_disk")
    import pickle

    assert read["digest"] == digest_bytes(pickle.dumps(1, 5))
    assert len(read["key"]) == 32


def test_a_large_result_is_listed_by_its_own_file(load, plugin):
    run = Run("a")
    plugin.run_start(run)
    load(SOURCE).large(1)
    plugin.run_end(run, "failed")

    (written,) = run.artifacts
    assert written["path"].is_file()
    assert written["digest"] == digest_file(written["path"])


def test_the_end_of_a_run_that_never_began_is_no_error(plugin):
    plugin.run_end(Run("unknown"), "interrupted")


def test_savethat_finds_the_plugin():
    (entry,) = [
        point
        for point in importlib.metadata.entry_points(group="savethat")
        if point.name == "persist_to_disk"
    ]

    assert entry.value == "persist_to_disk._savethat"
    assert callable(entry.load().run_start)
