"""Where results lie, wherever the code is."""

from __future__ import annotations

import os
import sys
import zipfile

import pytest

import persist_to_disk as ptd
from persist_to_disk._names import file_name, folder_name

FUNCTION = """
import persist_to_disk as ptd
@ptd.persistf()
def f(x):
    print("computing")
    return x
"""

NASTY = [
    "../../x",
    "/etc/passwd",
    "a\0b",
    "x" * 300,
    "",
    "$$",
    "a$$b",
    1,
    "1",
    1.0,
    True,
    "True",
    None,
    "None",
    "ünïcode",
    "CON",
    "nul.txt",
    ".",
    "..",
    "a.",
    "a ",
    "12.pkl",
    "12.d",
    ".lock",
    (1, 2),
    [1, 2],
]


def test_any_group_value_is_a_folder_of_its_own_below_the_function(load, cache):
    module = load("""
        @ptd.persistf(groupby=["x"])
        def f(x):
            return x
    """)

    for value in NASTY:
        assert module.f(value) == value
    paths = {module.f.cache_path(value).parent for value in NASTY}
    assert len({str(path).casefold() for path in paths}) == len(NASTY)
    assert {path.parent for path in paths} == {cache / "project-1/module/f"}
    assert all(path.is_dir() for path in paths)
    assert module.f.cache_info().entries == len(NASTY)


@pytest.mark.parametrize("value", ["MNIST", "cifar-10", "v1.2_final", 20, 0.5, True, None, -1])
def test_a_plain_value_is_its_own_folder(value):
    assert folder_name(value) == str(value)


def test_a_name_tells_no_address():
    assert folder_name(object).startswith("type~")
    assert file_name("a/b").startswith("a-b~")


def test_several_names_make_one_folder(load, cache):
    module = load("""
        @ptd.persistf(groupby=[("data", "n"), "options|lr"], expand_dict_kwargs=["options"])
        def f(data, n, options):
            return n
    """)

    path = module.f.cache_path("MNIST", 20, {"lr": 0.1})
    assert path.parent == cache / "project-1/module/f/MNIST$$20/0.1"
    with pytest.raises(ptd.ConfigError, match=r"'options\|lr'; it must be an argument"):
        module.f("MNIST", 20, {})


@pytest.mark.parametrize(
    "how", [["-m", "pkg.mod"], ["pkg/mod.py"], ["-c", "import pkg.mod as m; m.f(1)"]]
)
def test_a_script_a_module_and_an_import_share_results(project, python, tree, how):
    (project / "pkg").mkdir()
    (project / "pkg/mod.py").write_text(FUNCTION + "\nif __name__ == '__main__': f(1)")
    python("-m", "pkg.mod")

    assert python(*how, env={**os.environ, "PYTHONPATH": "."}) == ""
    assert tree() == {"project-1/pkg/mod/f"}


def test_code_without_a_file_is_interactive(python, tree):
    code = FUNCTION.replace('print("computing")', "pass") + "\nf(1)\nprint(f.cache_info().hits)\n"

    assert python("-c", code) == "0\n"
    assert python("-c", code) == "1\n"
    python("-", input=code)
    assert python("-", input=code) == "1\n"
    assert tree() == {"project-1/(interactive)/f"}


def test_the_repl_works(python):
    code = FUNCTION.replace('print("computing")', "pass").replace("return x", "return x\n")

    assert python("-i", "-q", input=code + "\nf(1)\nf.cache_info().hits\nf(1)\nexit()\n")


def test_nested_functions_and_lambdas_have_legal_names(load, tree):
    module = load("""
        def outer():
            return ptd.persistf()(lambda x: x)
    """)
    module.outer()(1)

    assert tree() == {"project-1/module/outer.(locals).(lambda)"}


def test_a_file_outside_the_project_has_a_place_too(project, python, tree, tmp_path):
    outside = tmp_path / "lib"
    outside.mkdir()
    (outside / "tools.py").write_text(FUNCTION)
    code = f"import sys; sys.path.insert(0, {str(outside)!r}); import tools; tools.f(1)"

    assert python("-c", code) == "computing\n"
    assert python("-c", code) == ""
    (place,) = tree()
    assert place.startswith("project-1/(outside)/tools~")


def test_code_in_a_zip_is_placed_by_what_the_zip_holds(project, python, tree, tmp_path):
    for name, body in (("a.zip", "1"), ("b.zip", "2")):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("pkg/__init__.py"), "")
            source = f"def helper(): return {body}\n" + FUNCTION.replace(
                "return x", "return helper()"
            )
            archive.writestr(zipfile.ZipInfo("pkg/mod.py"), source)
    (tmp_path / "moved").mkdir()
    code = "import sys; sys.path.insert(0, {!r}); import pkg.mod; print(pkg.mod.f(1))"

    assert python("-c", code.format(str(tmp_path / "a.zip"))) == "computing\n1\n"
    (tmp_path / "a.zip").rename(tmp_path / "moved/a.zip")
    assert python("-c", code.format(str(tmp_path / "moved/a.zip"))) == "1\n"
    assert python("-c", code.format(str(tmp_path / "b.zip"))) == "computing\n2\n"
    assert len(tree()) == 2


def test_a_later_change_of_directory_changes_nothing(load, tree, tmp_path, monkeypatch):
    module = load("""
        @ptd.persistf()
        def f(x):
            return x
    """)
    monkeypatch.chdir(tmp_path)
    module.f(1)

    assert tree() == {"project-1/module/f"}


def test_local_results_go_to_the_local_folder(load, tmp_path):
    ptd.config.set_persist_path_local(tmp_path / "local")
    module = load("""
        @ptd.persistf(local=True)
        def f(x):
            return x
    """)

    assert module.f.cache_path(1).is_relative_to(tmp_path / "local")


@pytest.mark.skipif(sys.platform == "win32", reason="cloudpickle's use here is on clusters")
def test_a_function_of_main_travels_by_value(project, python):
    pytest.importorskip("cloudpickle")
    (project / "job.py").write_text(
        FUNCTION + "import cloudpickle, sys\nsys.stdout.buffer.write(cloudpickle.dumps(f))"
    )
    code = (
        "import subprocess, sys, pickle;"
        "data = subprocess.run([sys.executable, 'job.py'], capture_output=True).stdout;"
        "f = pickle.loads(data); print(f(1), f(1), f.cache_info().hits)"
    )

    assert python("-c", code) == "computing\n1 1 1\n"
