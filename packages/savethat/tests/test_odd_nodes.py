"""Nodes that end, or behave, as few do: what they leave says so."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

import savethat
from savethat._state import read_state

if TYPE_CHECKING:
    from .conftest import Project


NodeThat = Callable[..., savethat.Node[Any, Any]]


class Mine(BaseException):
    pass


def overflow() -> NoReturn:
    overflow()


def leave_with(status: object) -> NoReturn:
    sys.exit(status)  # type: ignore[arg-type]


def fail_with(error: type[BaseException]) -> NoReturn:
    raise error


@pytest.mark.parametrize(
    ("how", "raised", "told"),
    [
        ((leave_with, 0), SystemExit, "failed: SystemExit: 0"),
        ((leave_with, 3), SystemExit, "failed: SystemExit: 3"),
        ((leave_with, "no data"), SystemExit, "failed: SystemExit: no data"),
        ((fail_with, KeyboardInterrupt), KeyboardInterrupt, "interrupted: KeyboardInterrupt"),
        ((fail_with, Mine), Mine, "failed: Mine"),
        ((fail_with, MemoryError), MemoryError, "failed: MemoryError"),
        ((overflow,), RecursionError, "failed: RecursionError: maximum recursion depth"),
    ],
)
def test_whatever_ends_a_node_is_raised_and_is_in_the_state_and_the_log(
    node_that: NodeThat, how: tuple[Any, ...], raised: type[BaseException], told: str
) -> None:
    function, *arguments = how
    node = node_that(lambda _: function(*arguments))

    with pytest.raises(raised):
        node.run()

    found = read_state(node.output_dir)
    assert found is not None
    assert f"{found.state}: {found.error}".startswith(told)
    assert "Traceback" in (node.output_dir / "output.log").read_text()


ODD = """
import dataclasses, os, sys
import savethat

@dataclasses.dataclass(frozen=True)
class Odd:
    pass

class Vanishes(savethat.Node[Odd, int]):
    def _run(self):
        os._exit(4)

class Forks(savethat.Node[Odd, list]):
    def _run(self):
        statuses = []
        for end in (lambda: sys.exit(7), lambda: 1 / 0, lambda: None):
            if os.fork() == 0:
                return end()
            statuses.append(os.waitstatus_to_exitcode(os.wait()[1]))
        print("parent")
        return statuses
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the heartbeat tells")
def test_a_process_that_leaves_without_a_word_leaves_a_lost_run(project: Project) -> None:
    project.write("my_project/odd.py", ODD)

    project("run", "Vanishes", status=4)

    (run,) = savethat.get_storage(project.folder / "savethat.toml").find_runs()
    assert run["run_state"] == "lost"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork()")
def test_a_forked_child_that_comes_out_of_the_node_is_not_the_run(project: Project) -> None:
    project.write("my_project/odd.py", ODD)

    done = project("run", "Forks")

    storage = savethat.get_storage(project.folder / "savethat.toml")
    (run,) = storage.find_runs()
    assert run["run_state"] == "completed"
    assert storage.load_results(run["run_key"]) == [7, 1, 0]
    assert done.stderr.count(" completed in ") == 1
    assert "ZeroDivisionError" in done.stderr
    state = read_state(storage / run["run_key"])
    assert state is not None
    assert state.error is None


def test_a_node_may_change_the_working_directory(
    node_that: NodeThat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def move(node: savethat.Node[Any, Any]) -> None:
        os.chdir(tmp_path / "other")
        (node.output_dir / "kept.txt").write_text("kept")

    node = node_that(move, on=savethat.Storage("relative"))
    node.run()

    assert node.output_dir.parent == tmp_path / "relative"
    assert (node.output_dir / "kept.txt").exists()
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="it cannot, the log in it is open")
def test_a_node_that_removes_its_own_folder_fails_by_its_own_error(node_that: NodeThat) -> None:
    def remove(node: savethat.Node[Any, Any]) -> None:
        shutil.rmtree(node.output_dir)
        raise LookupError("gone")

    with (
        pytest.warns(savethat.SavethatWarning, match="is failed, which cannot be written"),
        pytest.raises(LookupError, match="gone"),
    ):
        node_that(remove).run()


def test_a_thread_may_outlive_the_run(node_that: NodeThat) -> None:
    over, done = threading.Event(), threading.Event()

    def late() -> None:
        over.wait(20)
        savethat.logger.info("late")
        print("late")
        done.set()

    node = node_that(lambda _: threading.Thread(target=late, daemon=True).start())
    node.run()
    over.set()

    assert done.wait(20)
    assert "late" not in (node.output_dir / "output.log").read_text()


def test_where_nothing_can_be_kept_nothing_is_begun(project: Project) -> None:
    project.write("data_storage", "a file where the folder should be")

    done = project("run", "FitOLS", status=1)

    assert done.stderr.startswith("python -m my_project: no run can be kept in ")
    assert len(done.stderr.splitlines()) == 1


def test_a_disk_that_fills_up_at_once_leaves_no_empty_run(
    storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch, node_that: NodeThat
) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("savethat._state.RunState.write", full)

    with pytest.raises(savethat.NotWritable, match="No space left"):
        node_that(print).run()

    assert storage.find_runs() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked there")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_may_print_though_another_thread_was_printing_when_it_was_forked(
    node_that: NodeThat,
) -> None:
    from savethat import _log

    def do(_: savethat.Node[Any, Any]) -> int | None:
        held, over = threading.Event(), threading.Event()

        def be_printing() -> None:
            with _log._lock:
                held.set()
                over.wait()

        thread = threading.Thread(target=be_printing)
        thread.start()
        held.wait()
        child = multiprocessing.get_context("fork").Process(target=print, args=("child",))
        child.start()
        child.join(20)
        child.kill()
        over.set()
        thread.join()
        return child.exitcode

    node = node_that(do)

    assert node.run() == 0
    assert "child" in (node.output_dir / "output.log").read_text()


def test_the_handler_of_a_signal_may_print_while_a_line_is_written(node_that: NodeThat) -> None:
    from savethat import _log

    def do(_: savethat.Node[Any, Any]) -> None:
        with _log._lock:  # where the signal came
            print("handled")

    node = node_that(do)
    node.run()

    assert "handled" in (node.output_dir / "output.log").read_text()
