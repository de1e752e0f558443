"""What a run keeps, whatever happens in it."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import savethat
from savethat._state import read_state


@dataclass(frozen=True)
class EchoArgs:
    word: str = "hello"


class Echo(savethat.Node[EchoArgs, Any]):
    """Does what it is told."""

    do: Callable[[Echo], Any] = staticmethod(lambda node: node.args.word)

    def _run(self) -> Any:
        return type(self).do(self)


@pytest.fixture
def run(storage: savethat.Storage, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Echo]:
    """Make a node that does ``do``, and run it."""

    def make(do: Callable[[Echo], Any] | None = None) -> Echo:
        if do is not None:
            monkeypatch.setattr(Echo, "do", staticmethod(do))
        node = savethat.create_node(Echo, storage=storage)
        assert isinstance(node, Echo)
        return node

    return make


def test_a_completed_run_has_results_and_says_so(run: Callable[..., Echo]) -> None:
    node = run()

    assert node.run() == "hello"
    assert pickle.loads((node.output_dir / "results.pickle").read_bytes()) == "hello"
    state = read_state(node.output_dir)
    assert state is not None
    assert (state.state, state.error) == ("completed", None)


def test_a_failed_run_keeps_everything_but_results(run: Callable[..., Echo]) -> None:
    def fail(node: Echo) -> None:
        password = "hunter2"
        (node.output_dir / "half.txt").write_text("work")
        raise ValueError(f"no good: {len(password)}")

    node = run(fail)
    with pytest.raises(ValueError, match="no good"):
        node.run()

    assert not (node.output_dir / "results.pickle").exists()
    assert (node.output_dir / "half.txt").read_text() == "work"
    state = read_state(node.output_dir)
    assert state is not None
    assert (state.state, state.error) == ("failed", "ValueError: no good: 7")
    for name in ("output.log", "output.jsonl"):
        log = (node.output_dir / name).read_text()
        assert "Traceback (most recent call last)" in log
        assert "raise ValueError" in log
        assert "hunter2" not in log.replace('password = "hunter2"', "")


def test_results_that_cannot_be_pickled_fail_the_run_clearly(run: Callable[..., Echo]) -> None:
    node = run(lambda _: lambda: 1)

    with pytest.raises(savethat.ResultsNotSaved, match="cannot be pickled"):
        node.run()

    assert not (node.output_dir / "results.pickle").exists()
    assert (node.output_dir / "args.json").exists()
    assert node.storage.find_runs(only_failed=True)[0]["run_key"] == node.key


def test_an_error_that_cannot_be_shown_is_still_the_one_that_is_raised(
    run: Callable[..., Echo],
) -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def fail(_: Echo) -> None:
        raise Silent

    node = run(fail)
    with pytest.raises(Silent):
        node.run()

    state = read_state(node.output_dir)
    assert state is not None
    assert (state.state, state.error) == ("failed", "Silent")


def test_a_taken_key_gets_a_second_name_and_never_merges(storage: savethat.Storage) -> None:
    first = savethat.create_node(Echo, {"word": "one"}, storage=storage, key="forced")
    second = savethat.create_node(Echo, {"word": "two"}, storage=storage, key="forced")

    first.run()
    second.run()

    assert (first.key, second.key) == ("forced", "forced-2")
    assert storage.load_results("forced") == "one"
    assert storage.load_results("forced-2") == "two"


def test_a_node_runs_once(run: Callable[..., Echo]) -> None:
    node = run()
    node.run()

    with pytest.raises(savethat.NodeAlreadyRan):
        node.run()


def test_hooks_are_called_in_order_and_can_be_taken_away(run: Callable[..., Echo]) -> None:
    calls: list[object] = []
    node = run()
    node.register_pre_run_hook(lambda n: calls.append(("before", (n.output_dir).exists())))
    node.register_run_hook(lambda n, result: calls.append(("after", result)))
    node.register_run_hook(lambda *_: calls.append("removed")).remove()

    node.run()

    assert calls == [("before", True), ("after", "hello")]


def test_a_run_hook_that_raises_is_heard_but_the_results_stay(run: Callable[..., Echo]) -> None:
    def complain(*_: object) -> None:
        raise RuntimeError("hook")

    node = run()
    node.register_run_hook(complain)
    with pytest.raises(RuntimeError, match="hook"):
        node.run()

    assert node.storage.load_results(node.key) == "hello"
    assert node.storage.find_runs()[0]["run_state"] == "completed"


def test_setup_is_called_when_the_node_is_made(storage: savethat.Storage) -> None:
    class Prepared(Echo):
        def setup(self) -> None:
            self.ready = self.args.word

    assert Prepared("key", EchoArgs("yes"), storage).ready == "yes"


def test_log_lines_of_a_nested_run_reach_both_logs(run: Callable[..., Echo]) -> None:
    inner: list[Echo] = []

    def nest(node: Echo) -> None:
        node.logger.info("outer before")
        Echo.do = staticmethod(lambda n: n.logger.info("inner line"))  # type: ignore[assignment]
        inner.append(Echo(f"{node.key}/inner", node.args, node.storage))
        inner[0].run()
        node.logger.info("outer after")

    node = run(nest)
    node.run()

    outer_log = (node.output_dir / "output.log").read_text()
    inner_log = (inner[0].output_dir / "output.log").read_text()
    assert [word in outer_log for word in ("outer before", "inner line", "outer after")] == [
        True,
        True,
        True,
    ]
    assert "inner line" in inner_log
    assert "outer" not in inner_log


def test_each_line_of_output_jsonl_is_json(run: Callable[..., Echo]) -> None:
    node = run(lambda n: n.logger.bind(step=3).info("loss {}", 0.5))
    node.run()

    lines = (node.output_dir / "output.jsonl").read_text().splitlines()
    records = [json.loads(line)["record"] for line in lines]
    assert ("loss 0.5", 3) in [(r["message"], r["extra"].get("step")) for r in records]


def test_join_runs_both_below_one_run(storage: savethat.Storage) -> None:
    joined = savethat.join(Echo, Echo, lambda _, result: EchoArgs(result + "!"))

    node = savethat.create_node(joined, {"word": "hi"}, storage=storage)

    assert node.run() == "hi!"
    assert storage.load_results(f"{node.key}/Echo") == "hi"
    assert [found["run_key"] for found in storage.find_runs()] == [node.key]


def test_logging_is_as_before_after_a_run(run: Callable[..., Echo]) -> None:
    from loguru import logger

    before, root = repr(logger), list(logging.getLogger().handlers)
    run().run()

    assert (repr(logger), list(logging.getLogger().handlers)) == (before, root)
