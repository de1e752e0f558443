"""What is logged and printed is in the run's logs, and still on the terminal."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import savethat

if TYPE_CHECKING:
    from .conftest import Project


@pytest.fixture
def talk(
    node_that: Callable[..., savethat.Node[Any, Any]],
) -> Callable[[Callable[[], object]], Path]:
    def run(say: Callable[[], object]) -> Path:
        node = node_that(lambda _: say())
        node.run()
        return node.output_dir

    return run


Talker = Callable[[Callable[[], object]], Path]


def records(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "output.jsonl").read_text().splitlines()
    found = [json.loads(line)["record"] for line in lines]
    return [(record["level"]["name"], record["message"]) for record in found]


def test_prints_are_in_both_logs_and_on_the_terminal(
    talk: Talker, capsys: pytest.CaptureFixture[str]
) -> None:
    def say() -> None:
        print("one", 2, end="")
        print("!")
        print("to stderr", file=sys.stderr)

    folder = talk(say)

    assert ("STDOUT", "one 2!") in records(folder)
    assert ("STDERR", "to stderr") in records(folder)
    assert "| STDOUT   | one 2!\n" in (folder / "output.log").read_text()
    shown = capsys.readouterr()
    assert shown.out == "one 2!\n"
    assert "to stderr\n" in shown.err


def test_a_last_line_without_an_end_is_logged(talk: Talker) -> None:
    folder = talk(lambda: print("no end", end=""))

    assert ("STDOUT", "no end") in records(folder)
    assert "no end\n" in (folder / "output.log").read_text()


def test_lines_of_logging_are_logged_when_its_handler_is_older_than_the_run(
    talk: Talker, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = logging.getLogger("a library")
    handler = logging.StreamHandler()  # keeps the stderr of now
    theirs.addHandler(handler)
    before = handler.stream
    try:
        folder = talk(lambda: theirs.warning("from a library"))
        assert handler.stream is before
    finally:
        theirs.removeHandler(handler)

    assert ("STDERR", "from a library") in records(folder)
    assert "from a library" in capsys.readouterr().err


def test_warnings_are_logged(project: Project) -> None:
    project.write(
        "my_project/warns.py",
        """
        import dataclasses, warnings, savethat

        @dataclasses.dataclass(frozen=True)
        class WarnsArgs:
            pass

        class Warns(savethat.Node[WarnsArgs, None]):
            def _run(self):
                warnings.warn("careful")
        """,
    )
    shown = project("run", "Warns").stderr

    assert "UserWarning: careful" in shown
    assert any("UserWarning: careful" in text for _, text in records(project.runs()[0]))


def test_a_progress_bar_leaves_its_last_state_only(talk: Talker) -> None:
    def say() -> None:
        for percent in range(0, 101, 10):
            sys.stderr.write(f"\r{percent}%")
        sys.stderr.write("\n")

    assert [text for level, text in records(talk(say)) if level == "STDERR"] == ["100%"]


def test_a_line_may_be_printed_in_pieces_and_bytes_are_refused(talk: Talker) -> None:
    def speak() -> None:
        for piece in ("a", "b\r", "c", "d", "\ne", "f"):
            print(piece, end="")
        with pytest.raises(TypeError):
            sys.stdout.write(b"")  # type: ignore[arg-type]

    assert [line for line in records(talk(speak)) if line[0] == "STDOUT"] == [
        ("STDOUT", "cd"),
        ("STDOUT", "ef"),
    ]


def test_a_line_logged_to_the_terminal_is_not_logged_twice(talk: Talker) -> None:
    folder = talk(lambda: savethat.logger.info("once"))

    assert (folder / "output.log").read_text().count("once") == 1


def test_threads_do_not_mix_their_lines(talk: Talker) -> None:
    def say() -> None:
        def chat(name: str) -> None:
            for _ in range(20):
                sys.stdout.write(name)
                sys.stdout.write(f"{name}\n")

        threads = [threading.Thread(target=chat, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    printed = [text for level, text in records(talk(say)) if level == "STDOUT"]
    assert sorted(printed) == ["aa"] * 20 + ["bb"] * 20


def test_the_streams_are_as_before_afterwards(talk: Talker) -> None:
    before = sys.stdout, sys.stderr
    talk(lambda: None)

    assert (sys.stdout, sys.stderr) == before


def test_a_node_that_replaces_the_streams_is_let(
    talk: Talker, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    mine = io.StringIO()

    def say() -> None:
        sys.stdout = mine
        print("mine")

    monkeypatch.setattr(sys, "stdout", sys.stdout)
    talk(say)

    assert sys.stdout is mine
    assert mine.getvalue() == "mine\n"


def test_a_node_that_takes_all_handlers_away_does_no_harm(talk: Talker) -> None:
    from loguru import logger

    folder = talk(lambda: logger.remove())
    logger.add(sys.stderr)

    assert (folder / "results.pickle").exists()


def test_what_cannot_be_encoded_is_still_logged(
    talk: Talker, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = talk(lambda: savethat.logger.info("bad \udcff byte"))

    assert r"bad \udcff byte" in (folder / "output.log").read_text()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set")
@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "Asia/Kolkata"])
def test_printed_and_logged_lines_have_the_same_time(
    talk: Talker, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        folder = talk(lambda: print("hello"))
    finally:
        monkeypatch.undo()
        time.tzset()

    times = [line[:19] for line in (folder / "output.log").read_text().splitlines()]
    spread = [abs(_seconds(one) - _seconds(times[0])) for one in times]
    assert max(spread) < 600


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
