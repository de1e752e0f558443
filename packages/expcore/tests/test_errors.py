"""Errors carry their fields, pickle, and are the builtins that they are."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from expcore import errors

ALL: list[tuple[errors.ExpcoreError, type[Exception], str]] = [
    (errors.UndigestableError("a.b", "lock", "why"), TypeError, "cannot digest a.b (lock): why"),
    (errors.InvalidKey("a//b", "why"), ValueError, "'a//b' cannot be a key: why"),
    (errors.KeyNotFound("k", "memory:"), KeyError, "no key 'k' in memory:"),
    (errors.KeyNotFound("k", "memory:"), FileNotFoundError, "no key 'k' in memory:"),
    (errors.KeyExists("k", "memory:"), FileExistsError, "key 'k' is already taken in memory:"),
    (errors.StorageUnavailable("u", "read", "503", 2.0), ConnectionError, "read at u failed: 503"),
    (errors.AccessDenied("u", "read", "401"), PermissionError, "check the key"),
    (errors.IntegrityError("u", "read", "1 of 2"), ValueError, "nothing was put in place"),
    (errors.QuotaExceeded("u", "write", "cap"), OSError, "raise the cap"),
    (errors.SyncIncomplete({"k": ValueError("no")}, None), RuntimeError, "k: no"),
    (errors.MissingExtraError("b2://x", "b2"), ImportError, "packages/expcore[b2]"),
    (errors.UnknownSchemeError("x://y", ["file"]), ValueError, "known schemes are file"),
]


@pytest.mark.parametrize(("error", "builtin", "text"), ALL, ids=lambda value: repr(value)[:40])
def test_an_error_is_a_builtin_says_what_to_do_and_pickles(
    error: errors.ExpcoreError, builtin: type[Exception], text: str
) -> None:
    assert isinstance(error, builtin)
    assert text in str(error)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert repr(vars(again)) == repr(vars(error))  # exceptions compare by identity


def test_every_error_is_in_the_list_above() -> None:
    def below(kind: type) -> set[type]:
        return {kind, *(found for sub in kind.__subclasses__() for found in below(sub))}

    public = {kind for kind in below(errors.ExpcoreError) if kind.__module__ == errors.__name__}
    named = {type(error) for error, _, _ in ALL}
    assert {kind.__name__ for kind in public - named} == {"ExpcoreError", "_StorageTrouble"}


def test_errors_of_the_system_have_its_numbers() -> None:
    assert errors.KeyNotFound("k").errno == errno.ENOENT
    assert errors.KeyExists("k").errno == errno.EEXIST
    assert errors.AccessDenied("u", "a", "d").errno == errno.EACCES
