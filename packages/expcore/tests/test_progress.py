"""A bar appears on a terminal and nowhere else."""

from __future__ import annotations

import io
import sys

import pytest

from expcore import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_nothing_is_written_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("copy", 10) as advance:
        advance(10)

    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm")
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    with progress_bar("copy", 10) as advance:
        advance(10)

    assert "copy" in screen.getvalue()


def test_a_terminal_without_tqdm_stays_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setitem(sys.modules, "tqdm", None)

    with progress_bar("copy", 10) as advance:
        advance(10)

    assert screen.getvalue() == ""
