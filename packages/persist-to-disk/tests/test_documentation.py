"""What the documentation of the package says, line by line."""

from __future__ import annotations

import configparser
import os
import stat
import sys

import pytest

import persist_to_disk as ptd

TRAIN = """
import persist_to_disk as ptd

@ptd.persistf({parameters})
def train_a_model(dataset, model_cls, model_kwargs, lr, epochs, device='cpu'):
    print("training")
    return dataset, epochs

if __name__ == '__main__':
    {before}
    for dataset, epochs in [('MNIST', 20), ('MNIST', 10), ('CIFAR10', 30)]:
        train_a_model(dataset, dict, {{'width': 8}}, 1e-3, epochs)
"""


@pytest.fixture
def train(project, python):
    """Run the documentation's script as ``python -m pipeline.train`` and return its prints."""
    (project / "pipeline").mkdir()

    def train(parameters="expand_dict_kwargs=['model_kwargs']", before="pass"):
        source = TRAIN.format(parameters=parameters, before=before)
        (project / "pipeline/train.py").write_text(source)
        return python("-m", "pipeline.train").split()

    return train


def test_a_second_run_reads_what_the_first_stored(train):
    assert train() == ["training"] * 3
    assert train() == []


def test_the_tree_is_project_module_function_bucket(train, tree, cache):
    train()

    assert tree() == {"project-1/pipeline/train/train_a_model"}
    assert all(0 <= int(path.stem) < 500 for path in cache.rglob("*.pkl"))


def test_set_project_path_shortens_the_tree(train, tree):
    train(before="ptd.config.set_project_path('./pipeline')")

    assert tree() == {"pipeline-1/train/train_a_model"}


def test_groupby_adds_folders(train, tree):
    train("groupby=['dataset', 'epochs'], expand_dict_kwargs=['model_kwargs']")

    base = "project-1/pipeline/train/train_a_model"
    assert tree() == {f"{base}/MNIST/20", f"{base}/MNIST/10", f"{base}/CIFAR10/30"}


def test_set_persist_path_moves_the_root_only(train, project, tmp_path):
    train(before=f"ptd.config.set_persist_path({str(tmp_path / 'elsewhere')!r})")

    folder = tmp_path / "elsewhere/project-1/pipeline/train/train_a_model"
    assert len(list(folder.glob("*.pkl"))) == 3


@pytest.mark.parametrize("expand", [["options"], "all", None])
def test_dictionaries_count_by_their_contents(load, expand):
    module = load(f"""
        calls = []
        @ptd.persistf(expand_dict_kwargs={expand!r})
        def f(options):
            calls.append(options)
            return options["a"]
    """)

    assert module.f({"a": 1, "b": {"c": 2}}) == 1
    assert module.f(options={"b": {"c": 2}, "a": 1}) == 1
    assert module.f({"a": 1, "b": {"c": 3}}) == 1
    assert len(module.calls) == 2


def test_skipped_arguments_do_not_count(load):
    module = load("""
        @ptd.persistf(skip_kwargs=["device"])
        def f(x, device="cpu"):
            return device
    """)

    assert module.f(1) == "cpu"
    assert module.f(1, device="cuda:0") == "cpu"


@pytest.mark.parametrize("name", ["hashsize", "hash_size"])
def test_hashsize_by_either_name_bounds_the_bucket_files(load, cache, name):
    module = load(f"""
        @ptd.persistf({name}=3)
        def f(x):
            return x
    """)

    for x in range(30):
        module.f(x)
    assert {int(path.stem) for path in cache.rglob("*.pkl")} == {0, 1, 2}


def test_generate_config_writes_the_settings_in_force(home):
    path = ptd.config.generate_config()

    assert path == home / "config.ini"
    parser = configparser.ConfigParser()
    parser.read(path)
    assert dict(parser["global_settings"]) == {
        "persist_path": str(home / "cache"),
        "hashsize": "500",
        "lock_granularity": "call",
    }


def test_generate_config_keeps_what_the_user_wrote(home, tmp_path):
    home.mkdir()
    (home / "config.ini").write_text(
        f"[global_settings]\npersist_path = {tmp_path}/50%\nhashsize = 7\n"
    )

    ptd.config.generate_config()
    assert ptd.config.get_hashsize() == 7
    assert ptd.config.get_persist_path() == tmp_path / "50%"


@pytest.mark.parametrize("granularity", ["call", "func", "global"])
def test_each_lock_granularity_serves(load, home, granularity):
    home.mkdir()
    (home / "config.ini").write_text(f"[global_settings]\nlock_granularity = {granularity}\n")
    module = load("""
        @ptd.persistf()
        def f(n):
            return n if n < 2 else f(n - 1) + f(n - 2)
    """)

    assert module.f(20) == 6765
    assert module.f.cache_info().entries == 21


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("hashsize = many", "hashsize in .*config.ini is 'many'; it must be an integer"),
        ("hashsize = 0", "it must be an integer of at least 1"),
        ("lock_granularity = file", "must be 'call', 'func' or 'global'"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(load, home, line, message):
    home.mkdir()
    (home / "config.ini").write_text(f"[global_settings]\n{line}\n")
    module = load("""
        @ptd.persistf()
        def f(x):
            return x
    """)

    with pytest.raises(ptd.ConfigError, match=message):
        module.f(1)


def test_projects_and_their_numbers_are_listed(home, tmp_path):
    ptd.config.set_project_path(tmp_path / "a/proj")
    first = ptd.config.get_project_persist_path()
    ptd.config.set_project_path(tmp_path / "b/proj")
    second = ptd.config.get_project_persist_path()

    assert (first.name, second.name) == ("proj-1", "proj-2")
    assert (home / "project_to_pids.txt").read_text() == (
        f"{tmp_path}/a/proj||1\n{tmp_path}/b/proj||2\n"
    )


def test_the_default_home_is_a_folder_of_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("PERSIST_TO_DISK_HOME")

    assert ptd.config.get_persist_path() == tmp_path / ".persist_to_disk" / "cache"


def test_importing_makes_no_folder_and_prints_nothing(python, tmp_path):
    before = sorted(tmp_path.rglob("*"))

    assert python("-c", "import persist_to_disk") == ""
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_worker_processes_share_the_cache(project, python, tmp_path, method):
    if method == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    (project / "job.py").write_text(f"""
import multiprocessing
import persist_to_disk as ptd

@ptd.persistf()
def square(x):
    with open("calls", "a") as file:
        file.write("x")
    return x * x

if __name__ == "__main__":
    ptd.config.set_persist_path({str(tmp_path / "elsewhere")!r})
    with multiprocessing.get_context({method!r}).Pool(3) as pool:
        print(pool.map(square, [3, 4] * 10))
    print(square(3))
""")

    assert python("job.py") == f"{[9, 16] * 10}\n9\n"
    assert (project / "calls").read_text() == "xx"
    assert len(list((tmp_path / "elsewhere").rglob("*.pkl"))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_folders_and_files_are_for_their_owner_alone(load, home):
    module = load("""
        @ptd.persistf(groupby=["x"])
        def f(x, size):
            return bytes(size)
    """)
    old = os.umask(0)
    module.f(1, 10)
    module.f(1, 2 << 20)
    os.umask(old)

    for path in [home, *home.rglob("*")]:
        if path.name not in ("project_to_pids.txt",):
            assert stat.S_IMODE(path.stat().st_mode) in (0o700, 0o600), path
