"""A key is refused before anything is touched, whatever is wrong with it."""

from __future__ import annotations

import pickle
import unicodedata

import pytest

from expcore import InvalidKey, LocalStorage, MemoryStorage
from expcore._keys import check_key, check_prefix

GOOD = ["a", "a/b/c.txt", ".hidden", "a b", "é/ü", "console", "com10", "a..b", "x" * 255, "日本"]
BAD = [
    "", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "a/./b", "a\0b", "a\\b", "c:a",
    "con", "CON", "a/aux.txt", "nul", "COM1", "lpt9.log", "com¹", "conin$", "a.", "a /b",
    "a\nb", "what?", "a*", "<a", 'a"', "a|b", "x" * 1025, unicodedata.normalize("NFD", "é"),
    "\ud800", ".a.0123456789abcdef.tmp",
]  # fmt: skip


@pytest.mark.parametrize("key", GOOD)
def test_ordinary_names_are_keys(key: str) -> None:
    assert check_key(key) == key
    assert check_prefix(key + "/") == key + "/"


@pytest.mark.parametrize("key", BAD, ids=ascii)
def test_other_names_are_refused_by_every_method(key: str, tmp_path) -> None:
    for storage in (MemoryStorage(), LocalStorage(tmp_path / "store")):
        for use in (storage.read, storage.stat, storage.exists, storage.delete):
            with pytest.raises(InvalidKey):
                use(key)
        for put in (storage.write, storage.write_new):
            with pytest.raises(InvalidKey):
                put(key, b"")

    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("prefix", ["", "a", "a/", "a/b", "."])
def test_a_prefix_may_end_anywhere(prefix: str) -> None:
    assert check_prefix(prefix) == prefix


@pytest.mark.parametrize("prefix", ["/", "../", "..", "a//", "\0"])
def test_a_prefix_cannot_leave_the_storage(prefix: str) -> None:
    with pytest.raises(InvalidKey):
        check_prefix(prefix)


@pytest.mark.parametrize("name", [b"a", 1, None])
def test_a_key_is_a_string(name: object) -> None:
    with pytest.raises(InvalidKey, match="is a string"):
        check_key(name)  # type: ignore[arg-type]
    with pytest.raises(InvalidKey, match="is a string"):
        check_prefix(name)  # type: ignore[arg-type]


def test_the_error_says_which_rule_and_is_a_value_error() -> None:
    with pytest.raises(ValueError, match=r"'a/\.\./b' cannot be a key: '\.\.' would leave"):
        check_key("a/../b")


def test_the_error_pickles() -> None:
    error = pickle.loads(pickle.dumps(InvalidKey("a", "why")))

    assert (error.key, error.reason, str(error)) == ("a", "why", "'a' cannot be a key: why")
