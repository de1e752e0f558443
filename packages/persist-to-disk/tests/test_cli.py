"""The command ``ptd``."""

from __future__ import annotations

import os
import sys

import pytest

from persist_to_disk._cli import main

SOURCE = """
    @ptd.persistf()
    def small(x):
        return x
    @ptd.persistf(groupby=["x"])
    def large(x):
        return bytes(2 << 20)
"""


@pytest.fixture
def module(load):
    """Two functions with three entries."""
    module = load(SOURCE)
    module.small(1)
    module.small(2)
    module.large(1)
    return module


@pytest.fixture
def run(capsys):
    """Run the command and return its status, its lines, and what it complains of."""

    def run(*arguments):
        status = main(arguments)
        output = capsys.readouterr()
        return status, output.out.splitlines(), output.err

    return run


def test_ls_lists_functions_with_entries_sizes_and_ages(module, run):
    status, lines, _ = run("ls")

    assert status == 0
    assert [line.split() for line in lines[1:]] == [
        ["1", "2.1", "MB", "0", "s", "0", "s", "project-1/module/large/1"],
        ["2", "272", "B", "0", "s", "0", "s", "project-1/module/small"],
    ]


def test_ls_of_a_name_lists_that_function(module, run):
    assert run("ls", "small")[1][1:] == run("ls", "project-1/module/small")[1][1:]
    assert len(run("ls", "large")[1]) == len(run("ls", "lar*")[1]) == 2


def test_stats_sums_up(module, run, cache):
    assert run("stats")[1][0] == f"{cache}: 3 entries, 2.1 MB, in 2 folders"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_stats_counts_the_hits_of_all_processes_that_ended(method, python, project, run):
    import multiprocessing

    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    (project / "job.py").write_text(f"""
import multiprocessing
import persist_to_disk as ptd

@ptd.persistf(groupby=["x"])
def f(x):
    return x

def twice(x):
    return f(x), f(x)

if __name__ == "__main__":
    f(0), f(0), f(0)
    with multiprocessing.get_context({method!r}).Pool(2) as pool:
        pool.map(twice, range(1, 5))
        pool.close()
        pool.join()
""")
    python("job.py")
    assert run("stats")[1][1:] == [
        "    hits   misses  function",
        "       6        5  project-1/job/f",
    ]
    python("job.py")
    assert run("stats", "project-1")[1][2].split()[:2] == ["17", "5"]


def test_hits_are_counted_where_they_were_even_if_a_setting_changed(python, project, run, home):
    (project / "job.py").write_text("""
import os
import persist_to_disk as ptd

@ptd.persistf()
def f(x):
    return x

f(0), f(0)
ptd.config.set_persist_path("other")
os.environ["PERSIST_TO_DISK_HOME"] = "another"
""")
    python("job.py")

    assert run("stats")[1][2] == "       1        1  project-1/job/f"
    assert [path.name for path in project.iterdir()] == ["job.py"]


def test_clear_deletes_the_named_function_only(module, run):
    assert run("clear", "large")[1] == ["cleared project-1/module/large/1: 1 entries"]
    assert not module.large.is_cached(1)
    assert module.small.is_cached(1)


def test_a_function_that_is_not_there_is_refused(module, run):
    status, lines, complaint = run("clear", "smal")

    assert (status, lines) == (1, [])
    assert "no function 'smal'" in complaint
    assert "ptd ls" in complaint


def test_clear_wants_a_name(run):
    with pytest.raises(SystemExit):
        run("clear")


def test_verify_names_what_is_damaged(module, run, cache):
    assert run("verify") == (0, ["every entry is as it was written"], "")
    path = module.small.cache_path(1)
    data = bytearray(path.read_bytes())
    data[-14] ^= 1
    path.write_bytes(data)
    (sidecar,) = [path for path in cache.rglob("*.d/*") if path.is_file()]
    sidecar.unlink()

    status, lines, complaint = run("verify")
    assert status == 1
    assert lines == [
        f"{sidecar}: No such file or directory",
        f"{path}: the entry at 64 is damaged",
    ]
    assert complaint.startswith("ptd: 2 damaged places")


def test_gc_frees_what_nobody_needs_and_nothing_else(module, run, cache):
    module.small(1, cache_switch="recache")
    path = module.small.cache_path(1)
    size = path.stat().st_size
    (sidecar,) = [path for path in cache.rglob("*.d/*") if path.is_file()]
    orphan = sidecar.with_name("0" * 32 + "-12345678")
    orphan.write_bytes(b"x" * 1000)

    status, lines, _ = run("gc")
    assert status == 0
    assert lines[-1].split() == ["1.1", "kB", "freed"]
    assert path.stat().st_size < size
    assert not orphan.exists()
    assert sidecar.exists()
    assert module.small(1) == 1
    assert module.small.cache_info()[:3] == (1, 3, 2)
    assert run("gc")[1] == ["      0 B  freed"]


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_an_unsafe_cache_is_refused(module, run, cache):
    cache.chmod(0o777)

    status, _, complaint = run("ls")
    assert status == 1
    assert "chmod go-w" in complaint
    assert run("--trust", "ls")[0] == 0
    cache.chmod(0o700)


def test_another_cache_can_be_named(module, run, tmp_path):
    (tmp_path / "empty").mkdir()

    assert run("--path", str(tmp_path / "empty"), "stats")[1][0].endswith("0 B, in 0 folders")


def test_a_named_cache_that_is_not_there_is_refused(run, tmp_path):
    status, lines, complaint = run("--path", str(tmp_path / "cahce"), "ls")

    assert (status, lines) == (1, [])
    assert "cahce'; it must be a folder" in complaint


def test_a_cache_that_nothing_was_kept_in_is_empty(run):
    assert run("ls")[:2] == (0, [" entries      size  newest  oldest  function"])


def test_the_module_is_the_command(module, python):
    assert "3 entries" in python("-m", "persist_to_disk", "stats", env=os.environ)


def test_ages_and_sizes_are_legible():
    from persist_to_disk._cli import _age, _size

    assert [_size(n) for n in (5, 1500, 2_000_000_000)] == ["5 B", "1.5 kB", "2.0 GB"]
    ages = [_age(seconds * 10**9) for seconds in (0, 59, 61, 7200, 200_000)]
    assert ages == ["0 s", "59 s", "1 m", "2 h", "2 d"]


def test_gc_leaves_what_is_not_its_own(module, run, cache):
    (sidecar,) = [path for path in cache.rglob("*.d/*") if path.is_file()]
    note = sidecar.with_name("a note of somebody")
    note.touch()

    assert run("gc")[::2] == (0, "")
    assert note.exists()
