"""Nodes are found in packages, folders and single modules; one broken module hides no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import savethat
from savethat._discover import find_node, find_nodes, node_name

if TYPE_CHECKING:
    from .conftest import Project

NODE = """
import dataclasses
import savethat

@dataclasses.dataclass(frozen=True)
class {name}Args:
    pass

class {name}(savethat.Node[{name}Args, int]):
    '''Computes one.

    In a way.
    '''

    def _run(self):
        return 1
"""
Write = Callable[[str, str], Path]


def test_a_package_is_searched_in_depth(importable: Write) -> None:
    importable("deep_pkg/__init__.py", "")
    importable("deep_pkg/a.py", NODE.format(name="A"))
    importable("deep_pkg/sub/__init__.py", "")
    importable("deep_pkg/sub/b.py", "from deep_pkg.a import A\n" + NODE.format(name="B"))
    importable("deep_pkg/__main__.py", "raise SystemExit('not to be imported')")

    assert [node_name(node) for node in find_nodes("deep_pkg")] == [
        "deep_pkg.a.A",
        "deep_pkg.sub.b.B",
    ]


def test_a_folder_of_modules_and_a_module_are_projects_too(importable: Write) -> None:
    importable("plain_folder/one.py", NODE.format(name="One"))
    importable("single_mod.py", NODE.format(name="Single"))

    assert [node_name(node) for node in find_nodes("plain_folder")] == ["plain_folder.one.One"]
    assert [node_name(node) for node in find_nodes("single_mod")] == ["single_mod.Single"]


@pytest.mark.parametrize(
    "broken", ["import no_such_module", "def (", "raise SystemExit(3)", "1/0", "assert False"]
)
def test_a_broken_module_is_named_and_hides_no_other(importable: Write, broken: str) -> None:
    importable("half_pkg/__init__.py", "")
    importable("half_pkg/bad.py", broken)
    importable("half_pkg/good.py", NODE.format(name="Good"))

    with pytest.warns(savethat.BrokenModuleWarning, match=r"half_pkg\.bad cannot be imported"):
        nodes = find_nodes("half_pkg")

    assert [node_name(node) for node in nodes] == ["half_pkg.good.Good"]


def test_a_full_name_imports_its_own_module_only(importable: Write) -> None:
    importable("lazy_pkg/__init__.py", "")
    importable("lazy_pkg/bad.py", "import no_such_module")
    importable("lazy_pkg/good.py", NODE.format(name="Good"))

    assert node_name(find_node("lazy_pkg", "lazy_pkg.good.Good")) == "lazy_pkg.good.Good"


def test_an_unknown_or_ambiguous_name_is_refused(importable: Write) -> None:
    importable("twin_pkg/__init__.py", "")
    importable("twin_pkg/a.py", NODE.format(name="Twin"))
    importable("twin_pkg/b.py", NODE.format(name="Twin"))

    with pytest.raises(savethat.NodeNotFound, match="several nodes are called 'Twin'"):
        find_node("twin_pkg", "Twin")
    with pytest.raises(savethat.NodeNotFound, match=r"no node is called 'X'; there are: twin_pkg"):
        find_node("twin_pkg", "X")


def test_abstract_nodes_are_not_listed(importable: Write) -> None:
    importable("abstract_mod.py", "import savethat\nclass Base(savethat.Node): pass\n")

    assert find_nodes("abstract_mod") == []


def test_a_joined_node_is_found_where_it_was_made(importable: Write) -> None:
    importable(
        "joined_mod.py",
        NODE.format(name="A") + "\nPipeline = savethat.join(A, A, lambda n, r: AArgs(), name='P')",
    )

    assert [node_name(n) for n in find_nodes("joined_mod")] == ["joined_mod.A", "joined_mod.P"]


def test_a_script_started_by_its_path_finds_its_own_module(project: Project) -> None:
    import subprocess
    import sys

    project.write(
        "alone.py",
        NODE.format(name="Alone")
        + "\nif __name__ == '__main__':\n    savethat.run_main('alone', 'savethat.toml')\n",
    )
    command = [sys.executable, str(project.folder / "alone.py"), "run", "Alone"]
    subprocess.run(command, cwd=project.folder, check=True, capture_output=True)
    folder = [sys.executable, str(project.folder / "my_project" / "__main__.py"), "nodes"]
    shown = subprocess.run(
        folder, cwd=project.folder.parent, check=True, capture_output=True, text=True
    ).stdout

    assert [run.name.split("_")[0] for run in project.runs()] == ["Alone"]
    assert "my_project.fit_ols.FitOLS" in shown


def test_the_first_line_of_the_docstring_is_shown(project: Project) -> None:
    project.write("my_project/one.py", NODE.format(name="One"))
    project.write("my_project/bad.py", "import no_such_module\n")

    shown = project("nodes")

    assert "    my_project.fit_ols.FitOLS  - [no docstring]\n" in shown.stdout
    assert "    my_project.one.One         - Computes one.\n" in shown.stdout
    assert "warning: the module my_project.bad cannot be imported" in shown.stderr
