"""Every Python example of the README files, the docs pages and the docstrings is a test."""

from __future__ import annotations

import os
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from sybil import Region, Sybil
from sybil.evaluators.doctest import NUMBER, DocTestEvaluator
from sybil.parsers.abstract.doctest import DocTestStringParser
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sybil.document import Document

FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE | NUMBER

# How fast examples are made and pass says how much else the machine has to do.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session", autouse=True)
def home_of_their_own() -> Iterator[None]:
    """No test reads or writes the home folder of whoever runs it."""
    with TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", home)
        patch.setenv("USERPROFILE", home)
        patch.setenv("XDG_CACHE_HOME", str(Path(home, ".cache")))
        yield


class PyconBlockParser:
    """Run ``pycon`` blocks, which Sybil's own Python parser passes over."""

    def __init__(self) -> None:
        self.blocks = CodeBlockParser("pycon", lambda _: None)
        self.doctests = DocTestStringParser(DocTestEvaluator(FLAGS))

    def __call__(self, document: Document) -> Iterable[Region]:
        """Yield one example for each ``>>>``."""
        for block in self.blocks(document):
            for example in self.doctests(block.parsed, document.path):
                example.adjust(block, block.parsed)
                yield example


def enter_scratch(namespace: dict[str, object]) -> None:
    """Run a page's examples in a directory of their own."""
    scratch = TemporaryDirectory()
    namespace["_scratch"], namespace["_back"] = scratch, Path.cwd()
    os.chdir(scratch.name)


def leave_scratch(namespace: dict[str, object]) -> None:
    """Go back, and drop what the examples wrote."""
    os.chdir(str(namespace["_back"]))
    scratch = namespace["_scratch"]
    assert isinstance(scratch, TemporaryDirectory)
    scratch.cleanup()


pages = Sybil(
    parsers=[PythonCodeBlockParser(doctest_optionflags=FLAGS), PyconBlockParser(), SkipParser()],
    patterns=["README.md", "docs/*.md"],
    setup=enter_scratch,
    teardown=leave_scratch,
    fixtures=["home_of_their_own"],
)
docstrings = Sybil(
    parsers=[DocTestParser(FLAGS)],
    pattern="packages/*/src/**/*.py",
    setup=enter_scratch,
    teardown=leave_scratch,
    fixtures=["home_of_their_own"],
)
pytest_collect_file = (pages + docstrings).pytest()
