"""Results kept by hand."""

from __future__ import annotations

import sys

import pytest

import persist_to_disk as ptd

SOURCE = """
    def write(key, value):
        return ptd.manual_cache(key, value, write=True)
    def read(key, **options):
        return ptd.manual_cache(key, **options)
    def both(key, value):
        assert ptd.manual_cache(key) is None
        assert ptd.manual_cache(key, checkonly=True) is False
        ptd.manual_cache(key, value, write=True)
        assert ptd.manual_cache(key, checkonly=True) is True
        return ptd.manual_cache(key)
    def folder():
        return ptd.get_caller_cache_path()
    class Model:
        def fit(self):
            return ptd.get_caller_cache_path(make_if_necessary=False)
"""


def test_what_is_written_by_a_key_is_read_by_it(load):
    assert load(SOURCE).both("best", [1, 2]) == [1, 2]


@pytest.mark.parametrize("key", ["../../x", "/etc/x", "a\0b", "x" * 300, ""])
def test_a_key_never_leads_out_of_the_folder(load, cache, key):
    assert load(SOURCE).both(key, 5) == 5
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1


def test_keys_that_differ_by_case_only_are_two(load):
    module = load(SOURCE)

    assert (module.both("Best", 1), module.both("best", 2)) == (1, 2)


def test_a_key_is_never_the_name_of_a_bucket(load):
    f = load("""
        @ptd.persistf(hashsize=1)
        def f(x):
            for key in ("0.pkl", "0.old.pkl", "0.d"):
                ptd.manual_cache(key, x, write=True)
            return x
    """).f

    assert [f(1), f(2), f(1), f(2)] == [1, 2, 1, 2]
    assert f.cache_info()[:3] == (2, 2, 2)


def test_each_function_has_a_folder(load, cache):
    module = load(SOURCE)

    assert module.folder() == cache / "project-1/module/folder"
    assert module.folder().is_dir()
    assert module.Model().fit() == cache / "project-1/module/Model.fit"
    assert not module.Model().fit().exists()


def test_another_folder_can_be_given(load, tmp_path):
    module = load(SOURCE)
    module.write("k", 1)

    assert module.read("k") is None
    write = module.folder().parent / "write"
    assert module.read("k", alt_root=write) == 1
    assert module.read("k", alt_root=lambda folder: folder.parent / "write") == 1


def test_writing_and_checking_exclude_each_other():
    with pytest.raises(ptd.ConfigError, match="False when write is True"):
        ptd.manual_cache("k", write=True, checkonly=True)


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_what_others_may_write_is_refused(load):
    module = load(SOURCE)
    module.both("k", 1)
    folder = module.folder().parent / "both"
    folder.chmod(0o777)

    with pytest.raises(ptd.UnsafePathError, match="mode 0777"):
        module.read("k", alt_root=folder)
    assert module.read("k", alt_root=folder, trust=True) == 1
