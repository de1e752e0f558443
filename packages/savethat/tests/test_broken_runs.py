"""Runs that were damaged, or that somebody else has made, harm nobody."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat
from savethat._lines import append_line, read_lines
from savethat._reading import read_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Project

    NodeThat = Callable[..., savethat.Node[object, object]]

DEEP = "[" * 100_000
posix = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")


@pytest.fixture
def run(project: Project) -> Path:
    """A run whose results are gone, so that its state is looked at."""
    project("run", "FitOLS")
    (folder,) = project.runs()
    (folder / "results.pickle").unlink()
    return folder


def change(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    "values",
    [
        {"heartbeat": "yesterday"},
        {"heartbeat": "2026-11-20T00:00:00"},  # where on earth?
        {"heartbeat": 5},
        {"state": ["running"], "pid": "x"},
        {"job": 7},
    ],
)
def test_a_state_of_the_wrong_kind_is_named_and_can_be_removed(
    project: Project, run: Path, values: dict[str, object]
) -> None:
    change(run / "state.json", **{"state": "running", "machine": "elsewhere", **values})

    done = project("ls", "--failed")

    assert done.stdout.split() == [run.name]
    assert f"warning: {run.name}/state.json cannot be read: " in done.stderr
    for command in ("reproduce", "upload"):
        if command == "upload":
            project.write("savethat.toml", 'local_path="${PROJECT_ROOT}/data_storage"\nremote="b"')
        refused = project(command, run.name, status=1).stderr
        assert refused.startswith(f"python -m my_project: {run.name}/state.json cannot be read: ")
    project("rm", "--force", run.name)
    assert not run.exists()


@pytest.mark.parametrize("name", ["state.json", "args.json", "reproducible.json"])
@pytest.mark.parametrize("content", [DEEP, "[]", b"\xff\xfe\x00", "folder", "pipe"])
@posix
def test_whatever_is_in_a_file_no_command_breaks_or_waits(
    project: Project, run: Path, name: str, content: str | bytes
) -> None:
    file = run / name
    file.unlink()
    if content == "folder":
        file.mkdir()
    elif content == "pipe":
        os.mkfifo(file)
    else:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    for words in (
        ["ls", "--failed"],
        ["ls", "--all"],
        ["rm", "--dry"],
        ["rm", "--force", run.name],
    ):
        assert run.name in project(*words).stdout or words[0] == "rm"
        if words == ["ls", "--all"]:
            assert (
                f"{run.name}/{name} cannot be read"
                in project("reproduce", run.name, status=1).stderr
            )
    assert not run.exists()


def test_find_runs_passes_over_what_cannot_be_read(project: Project, run: Path) -> None:
    (run / "args.json").write_text('{"a":' * 100_000)
    (run / "state.json").write_text(DEEP)

    with pytest.warns(savethat.SavethatWarning, match="nested too deeply"):
        (found,) = savethat.Storage(run.parent).find_runs()

    assert found["run_state"] == "failed"


def test_a_line_that_is_no_object_hides_no_other(node_that: NodeThat) -> None:
    """Such as that of a disk that was full for a while."""
    node = node_that(lambda node: node.log_metric("loss", 0.5))
    node.run()
    file = node.output_dir / "metrics.jsonl"
    file.write_text(f'{{"name": "lo{file.read_text()}[]\n{file.read_text()}{{"torn')

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (line,) = node.storage.load_metrics(node.key)

    assert line["value"] == 0.5
    assert [str(warning.message).split()[1] for warning in caught] == ["1", "2"]


@pytest.mark.parametrize(
    "artifact",
    [
        {"path": "../../../../dev/zero"},
        {"path": 5},
        {"path": "args.json", "digest": "evil:00"},
        {"path": "args.json", "digest": 7},
        {"path": "ckpt"},
        {"kind": None},
    ],
)
def test_artifacts_are_looked_at_only_where_they_are_files_of_the_run(
    project: Project, run: Path, artifact: dict[str, object]
) -> None:
    (run / "ckpt").mkdir()
    line = {"path": "x", "kind": "model", "use": "written", "digest": "sha256:00", **artifact}
    (run / "artifacts.jsonl").write_text(json.dumps(line) + "\n")

    shown = project(
        "reproduce",
        "--code",
        ".",
        run.name,
        status=int("evil" in str(line) or line["path"] == "ckpt"),
    )

    assert "Traceback" not in shown.stderr
    if shown.returncode:
        assert "are not as it wrote them" in shown.stderr


@pytest.mark.parametrize(
    "facts",
    [
        {"node": "Fit"},
        {"node": {"__module__": "m", "__qualname__": 5}},
        {"node": {"__module__": "m", "__qualname__": "F", "script": "../x.py", "import_as": "x"}},
        {"packages": [1]},
        {"python": None},
        {"git": {"commit": 5}},
    ],
)
def test_facts_of_the_wrong_kind_are_refused(
    project: Project, run: Path, facts: dict[str, object]
) -> None:
    change(run / "reproducible.json", **facts)

    refused = project("reproduce", run.name, status=1).stderr

    assert f"{run.name}/reproducible.json cannot be read: its " in refused


@pytest.mark.parametrize("content", [b"", b"no pickle", b"cno_module\nName\n.", "folder"])
def test_results_that_cannot_be_read_are_named(project: Project, content: bytes | str) -> None:
    project("run", "FitOLS")
    (run,) = project.runs()
    (run / "results.pickle").unlink()
    if isinstance(content, bytes):
        (run / "results.pickle").write_bytes(content)
    else:
        (run / "results.pickle").mkdir()

    refused = project("reproduce", "--code", ".", run.name, status=1).stderr

    assert "Traceback" not in refused
    assert f"{run.name} is not reproduced: its results cannot be compared with those of" in refused
    with pytest.raises((savethat.BrokenRun, savethat.ResultsNeedCode)):
        savethat.Storage(run.parent).load_results(run.name)


@pytest.mark.skipif(sys.platform == "win32", reason="no file has such a name there")
def test_no_command_hands_control_characters_to_the_terminal(project: Project, run: Path) -> None:
    (run / "a\x1b[2Jb").touch()
    change(run / "reproducible.json", packages={"\x1b[31mevil": "\x1b]0;t\x07"})
    change(run / "args.json", my_args=["\x1b[2J"])

    listed = project("ls", "--all").stdout
    shown = project("reproduce", "--code", ".", run.name, status=1)

    assert r"a\x1b[2Jb" in listed
    assert r"\x1b[31mevil" in shown.stdout
    assert "\x1b" not in listed + shown.stdout + shown.stderr


def test_a_line_that_the_disk_had_no_room_for_takes_no_other_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "metrics.jsonl"

    class Full(io.FileIO):
        def write(self, data: bytes) -> int:  # type: ignore[override]
            if data.startswith(b'{"name": "lost"'):
                return super().write(data[:5])
            if data != b"\n":
                raise OSError(errno.ENOSPC, "no space left")
            return super().write(data)

    append_line(file, {"name": "first"})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda path, *_, **__: Full(path, "ab"))
        with pytest.raises(OSError, match="no space left"):
            append_line(file, {"name": "lost"})
    append_line(file, {"name": "last"})

    with pytest.warns(savethat.SavethatWarning, match="line 2"):
        assert [line["name"] for line in read_lines(file)] == ["first", "last"]


@posix
def test_reading_what_is_no_file_leaves_nothing_open(tmp_path: Path) -> None:
    before = len([*Path("/dev/fd").iterdir()])
    for _ in range(5):
        with pytest.raises(IsADirectoryError):
            read_file(tmp_path)

    assert len([*Path("/dev/fd").iterdir()]) == before


def test_a_tensor_s_number_is_logged_without_a_warning(node_that: NodeThat) -> None:
    class Loss:
        def item(self) -> float:
            return 0.25

        def __float__(self) -> float:
            raise AssertionError("torch warns of this")

    node = node_that(lambda node: node.log_metric("loss", Loss()))
    node.run()

    assert [line["value"] for line in node.storage.load_metrics(node.key)] == [0.25]


@pytest.mark.parametrize("command", ["download", "upload", "reproduce"])
def test_a_path_outside_of_the_storage_is_refused_in_one_line(
    project: Project, command: str
) -> None:
    (line,) = project(command, "../../etc/passwd", status=1).stderr.splitlines()

    assert "is not below" in line
    assert "as `ls` shows them" in line
