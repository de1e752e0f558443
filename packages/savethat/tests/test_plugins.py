"""Plugins are told of runs, and are never in their way."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pluggy
import pytest

import savethat
from savethat import _plugins
from savethat._context import activate
from savethat._lines import read_lines

hookimpl = pluggy.HookimplMarker("savethat")


@dataclass(eq=False)
class Recorder:
    """A plugin that remembers what it is told."""

    calls: list[tuple[Any, ...]] = field(default_factory=list)
    run: Any = None

    @hookimpl
    def run_start(self, run: Any) -> None:
        self.run = run
        there = sorted(path.name for path in run.folder.iterdir())
        self.calls.append(("run_start", run.key, there))

    @hookimpl
    def run_end(self, run: Any, status: str) -> None:
        results = (run.folder / "results.pickle").exists()
        self.calls.append(("run_end", run.key, status, results))

    @hookimpl
    def artifact(self, artifact: Any) -> None:
        self.calls.append(("artifact", artifact.path, artifact.kind))


class Raises:
    """A plugin that fails in every hook."""

    @hookimpl
    def run_start(self, run: Any) -> None:
        raise RuntimeError("start of it")

    @hookimpl
    def run_end(self, run: Any) -> None:
        raise RuntimeError("end of it")

    @hookimpl
    def artifact(self, run: Any) -> None:
        raise RuntimeError("artifact of it")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install plugins under names, as entry points would."""

    def install(**plugins: Any) -> None:
        monkeypatch.delenv("SAVETHAT_DISABLE_PLUGINS")
        entries = []
        for name, plugin in plugins.items():
            load = plugin if callable(plugin) and not isinstance(plugin, type) else None
            entries.append(
                SimpleNamespace(
                    name=name, value=f"{name}:plugin", load=load or (lambda p=plugin: p)
                )
            )
        monkeypatch.setattr("importlib.metadata.entry_points", lambda group: entries)
        _plugins._load.cache_clear()

    return install


@dataclass(frozen=True)
class NoArgs:
    pass


class Writes(savethat.Node[NoArgs, int]):
    fails = False

    def _run(self) -> int:
        if self.fails:
            raise ValueError("no")
        return 1


def test_a_plugin_is_told_when_a_run_starts_and_ends(
    install: Callable[..., None], storage: savethat.Storage
) -> None:
    recorder = Recorder()
    install(recorder=recorder)
    node = savethat.create_node(Writes, storage=storage)

    node.run()

    start, end = recorder.calls
    assert start[:2] == ("run_start", node.key)
    assert "args.json" in start[2]
    assert end == ("run_end", node.key, "completed", True)
    run = recorder.run
    assert (run.folder, run.node) == (node.output_dir, f"{__name__}.Writes")
    assert run.project_dir == node.project_dir


def test_the_end_of_a_failed_run_is_told_as_well(
    install: Callable[..., None], storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    install(recorder=recorder)
    monkeypatch.setattr(Writes, "fails", True)
    node = savethat.create_node(Writes, storage=storage)
    with pytest.raises(ValueError, match="no"):
        node.run()

    assert recorder.calls[-1] == ("run_end", node.key, "failed", False)


def test_a_plugin_that_raises_is_named_and_the_others_are_called(
    install: Callable[..., None], storage: savethat.Storage
) -> None:
    first, last = Recorder(), Recorder()
    install(a_first=first, broken=Raises(), z_last=last)
    node = savethat.create_node(Writes, storage=storage)

    with pytest.warns(savethat.SavethatPluginWarning) as caught:
        assert node.run() == 1

    assert [str(w.message) for w in caught] == [
        "savethat plugin 'broken' failed in run_start: RuntimeError: start of it",
        "savethat plugin 'broken' failed in run_end: RuntimeError: end of it",
    ]
    assert [c[0] for c in first.calls] == [c[0] for c in last.calls] == ["run_start", "run_end"]
    assert storage.load_results(node.key) == 1


def test_a_plugin_that_does_not_load_is_named_and_left_out(
    install: Callable[..., None], storage: savethat.Storage
) -> None:
    def missing() -> None:
        raise ImportError("no module named torch")

    class WrongArguments:
        @hookimpl
        def run_start(self, run: Any, weather: Any) -> None: ...

    recorder = Recorder()
    install(good=recorder, missing=missing, wrong=WrongArguments())
    node = savethat.create_node(Writes, storage=storage)

    with pytest.warns(savethat.SavethatPluginWarning) as caught:
        node.run()

    messages = [str(warning.message) for warning in caught]
    assert len(messages) == 2
    assert "'missing' (missing:plugin) is left out" in messages[0]
    assert "ImportError: no module named torch" in messages[0]
    assert "'wrong' (wrong:plugin) is left out" in messages[1]
    assert len(recorder.calls) == 2


def test_plugins_can_be_switched_off(
    install: Callable[..., None], storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, dropped = Recorder(), Recorder()
    install(kept=kept, dropped=dropped)
    monkeypatch.setenv("SAVETHAT_DISABLE_PLUGINS", "other,dropped")

    savethat.create_node(Writes, storage=storage).run()

    assert kept.calls
    assert not dropped.calls


@pytest.fixture
def context(tmp_path: Path) -> savethat.RunContext:
    folder = tmp_path / "run"
    folder.mkdir()
    return savethat.RunContext(key="run", folder=folder, project_dir=tmp_path, node="m.N")


def test_an_artifact_is_one_line_with_its_facts(
    context: savethat.RunContext, tmp_path: Path
) -> None:
    (context.folder / "deep").mkdir()
    (context.folder / "deep" / "file.bin").write_bytes(b"abc")
    (tmp_path / "outside.bin").write_bytes(b"")

    with activate(context):
        context.add_artifact(
            context.folder / "deep" / "file.bin", kind="model", by="me", epoch=3, where=tmp_path
        )
        context.add_artifact("deep/file.bin", kind="model", by="me", digest="xxh3_128:00")
        context.add_artifact(tmp_path / "outside.bin", kind="data", by="me", use="read")

    one, two, three = read_lines(context.folder / "artifacts.jsonl")
    digest = "sha256:" + hashlib.sha256(b"abc").hexdigest()
    assert one.pop("time").endswith("+00:00")
    assert one == {
        "path": "deep/file.bin",
        "kind": "model",
        "by": "me",
        "use": "written",
        "bytes": 3,
        "digest": digest,
        "epoch": 3,
        "where": str(tmp_path),
    }
    assert (two["path"], two["digest"]) == ("deep/file.bin", "xxh3_128:00")
    assert (three["path"], three["use"]) == (str(tmp_path / "outside.bin"), "read")
    with pytest.raises(FileNotFoundError):
        context.add_artifact("absent", kind="model", by="me")


def test_a_torn_last_line_is_passed_over(context: savethat.RunContext) -> None:
    (context.folder / "artifacts.jsonl").write_text('{"path": "a"}\n{"pa')

    assert read_lines(context.folder / "artifacts.jsonl") == [{"path": "a"}]


def test_only_the_innermost_run_lists_what_is_written(
    install: Callable[..., None], storage: savethat.Storage
) -> None:
    """A plugin hears of every file in every run that it knows to be going on."""
    recorder = Recorder()
    install(recorder=recorder)
    started: list[Any] = []

    class Inner(Writes):
        def _run(self) -> int:
            started.append(recorder.run)
            (self.output_dir / "model").write_text("x")
            for run in started:
                run.add_artifact(self.output_dir / "model", kind="model", by="test")
            return 1

    class Outer(Writes):
        def _run(self) -> int:
            started.append(recorder.run)
            return Inner(f"{self.key}/inner", self.args, self.storage).run()

    node = savethat.create_node(Outer, storage=storage)
    node.run()

    assert not (node.output_dir / "artifacts.jsonl").exists()
    assert [a["path"] for a in storage.load_artifacts(f"{node.key}/inner")] == ["model"]
    assert [call for call in recorder.calls if call[0] == "artifact"] == [
        ("artifact", "model", "model")
    ]


def test_a_thread_of_a_node_lists_in_its_run(storage: savethat.Storage) -> None:
    from threading import Thread

    from savethat._context import innermost_run

    found: list[Any] = []

    class Threads(Writes):
        def _run(self) -> int:
            thread = Thread(target=lambda: found.append(innermost_run()))
            thread.start()
            thread.join()
            return 1

    node = savethat.create_node(Threads, storage=storage)
    node.run()

    assert [run.key for run in found] == [node.key]
    assert innermost_run() is None


def test_plugins_are_loaded_on_first_use_only() -> None:
    code = (
        "import sys, savethat\n"
        "assert 'pluggy' not in sys.modules\n"
        "from savethat._plugins import plugin_manager\n"
        "assert plugin_manager() is plugin_manager()\n"
        "assert 'pluggy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_with_warnings_as_errors_the_run_is_recorded_as_failed(
    install: Callable[..., None], storage: savethat.Storage
) -> None:
    install(broken=Raises())
    node = savethat.create_node(Writes, storage=storage)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(savethat.SavethatPluginWarning):
            node.run()

    assert json.loads((node.output_dir / "state.json").read_text())["state"] == "failed"


def test_a_real_entry_point_is_used(
    importable: Callable[[str, str], Path],
    monkeypatch: pytest.MonkeyPatch,
    storage: savethat.Storage,
) -> None:
    importable(
        "notifier.py",
        """
        import pluggy

        hookimpl = pluggy.HookimplMarker("savethat")

        @hookimpl
        def run_end(run, status):
            (run.folder / "note.txt").write_text(status)
        """,
    )
    importable(
        "notifier-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: notifier\nVersion: 1\n"
    )
    importable("notifier-1.dist-info/entry_points.txt", "[savethat]\nnotifier = notifier\n")
    monkeypatch.setenv("SAVETHAT_DISABLE_PLUGINS", "ckpt,codesave,persist_to_disk,torch_saveload")
    _plugins._load.cache_clear()
    node = savethat.create_node(Writes, storage=storage)

    node.run()

    assert (node.output_dir / "note.txt").read_text() == "completed"
    assert EntryPoint("notifier", "notifier", "savethat").load().__name__ == "notifier"
