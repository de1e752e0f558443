"""``results.pickle``: what ``_run`` returned, written whole or not at all."""

from __future__ import annotations

import os
import pickle
import stat
from typing import TYPE_CHECKING, Any

from savethat._layout import RESULTS
from savethat.errors import BrokenRun, ResultsNeedCode, ResultsNotSaved, UnsafeFolder

if TYPE_CHECKING:
    from pathlib import Path


def write_results(folder: Path, key: str, result: object) -> None:
    """Pickle a result into a run's folder.

    Raises:
        ResultsNotSaved: The result cannot be pickled.
    """
    from expcore import open_atomic

    with open_atomic(folder / RESULTS) as file:
        try:
            pickle.dump(result, file)
        except OSError:
            raise  # a full disk says nothing about the result
        except Exception as error:
            kind = f"{type(result).__module__}.{type(result).__qualname__}"
            raise ResultsNotSaved(key, kind, f"{type(error).__name__}: {error}") from error


def read_results(folder: Path, key: str, *, trust: bool = False) -> Any:
    """Unpickle the results in a run's folder.

    Args:
        folder: A folder with the run's file.
        key: The run.
        trust: Whether to read the pickle also where other users could have put it. Unpickling
            runs what the file says.

    Raises:
        ResultsNeedCode: They are of classes that cannot be imported.
        UnsafeFolder: Others can write to the folder or the file, and ``trust`` was not given.
        BrokenRun: The file is no pickle, or what it calls fails.
        FileNotFoundError: The run has no results.
    """
    file = folder / RESULTS
    if not trust and os.name == "posix":
        for path in (folder, file):
            if _others_can_write(path):
                raise UnsafeFolder(path)
    try:
        with file.open("rb") as data:
            return pickle.load(data)
    except (ImportError, AttributeError) as error:
        raise ResultsNeedCode(key, str(error)) from error
    except OSError as error:
        if file.is_dir():
            raise BrokenRun(key, RESULTS, "it is a folder") from error
        raise
    except MemoryError:
        raise
    except Exception as error:  # of the file, or of what it calls
        raise BrokenRun(key, RESULTS, f"{type(error).__name__}: {error}") from error


def _others_can_write(path: Path) -> bool:
    facts = path.stat()
    if facts.st_mode & stat.S_IWOTH or facts.st_uid not in (os.getuid(), 0):
        return True
    # Many systems give each user a group of their own, and files that this group can write.
    return bool(facts.st_mode & stat.S_IWGRP) and facts.st_gid not in (os.getgid(), 0)
