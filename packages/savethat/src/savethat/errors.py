# ruff: noqa: PLC0414 - the warnings are part of this module
"""What can go wrong, as types.

::

    SavethatError
    ├── ConfigError (ValueError)              the TOML says something that cannot be
    ├── ConfigNotFound (FileNotFoundError)    there is no such TOML
    ├── Refused (RuntimeError)                a command that is not carried out
    ├── ArgumentsError (ValueError)           values that do not fit a node's arguments
    ├── NodeDefinitionError (TypeError)       a node class without an arguments class
    ├── NodeNotFound (LookupError)            no node, or several, of that name
    ├── RunNotFound (LookupError)             no run of that key, here or remotely
    ├── BrokenRun (ValueError)                a file of a run does not hold what it should
    ├── CodeNotFound (LookupError)            the code of a run cannot be brought back
    ├── ArtifactsDiffer (ValueError)          files of a run are not as it wrote them
    ├── NodeAlreadyRan (RuntimeError)         a node object runs once
    ├── RunStillRunning (RuntimeError)        what is going on is not removed
    ├── NotSynced (OSError)                   runs that the remote does not have
    ├── NotInStorage (ValueError)             a path that is not below the storage
    ├── NotWritable (OSError)                 no run can be kept in the local folder
    ├── ResultsNeedCode (ImportError)         the classes of what ``_run`` returned are missing
    ├── ResultsNotSaved (TypeError)           what ``_run`` returned cannot be pickled
    └── UnsafeFolder (PermissionError)        others can write where a pickle would be read

    SavethatWarning (UserWarning)
    ├── SavethatPluginWarning                 a plugin failed; the run went on without it
    ├── BrokenModuleWarning                   a module of the project cannot be imported
    └── NotSyncedWarning                      the run is kept here, but not (yet) remotely

Every error is also the builtin it is, keeps its facts as fields, and pickles.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from savethat._warnings import BrokenModuleWarning as BrokenModuleWarning
from savethat._warnings import NotSyncedWarning as NotSyncedWarning
from savethat._warnings import SavethatPluginWarning as SavethatPluginWarning
from savethat._warnings import SavethatWarning as SavethatWarning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class SavethatError(Exception):
    """Base of all errors of this package."""


class ConfigError(SavethatError, ValueError):
    """The configuration says something that cannot be."""

    def __init__(self, file: Path | None, problem: str) -> None:
        super().__init__(file, problem)
        self.file, self.problem = file, problem

    def __str__(self) -> str:
        return f"{self.file or 'configuration'}: {self.problem}"


class ConfigNotFound(SavethatError, FileNotFoundError):
    """There is no such configuration file."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return (
            f"no configuration at {self.file}; write one with the line "
            "'local_path = \"${PROJECT_ROOT}/data_storage\"', or correct the path"
        )


class Refused(SavethatError, RuntimeError):
    """A command is not carried out; the message says why."""


class ArgumentsError(SavethatError, ValueError):
    """Values that do not fit a node's arguments."""

    def __init__(self, args_class: str, name: str, problem: str) -> None:
        super().__init__(args_class, name, problem)
        self.args_class, self.name, self.problem = args_class, name, problem

    def __str__(self) -> str:
        where = f"{self.args_class}.{self.name}" if self.name else self.args_class
        return f"{where}: {self.problem}"


class NodeDefinitionError(SavethatError, TypeError):
    """A node class does not say what its arguments are."""

    def __init__(self, node: str) -> None:
        super().__init__(node)
        self.node = node

    def __str__(self) -> str:
        name = self.node.rpartition(".")[2]
        return (
            f"{self.node} has no arguments class; write "
            f"`class {name}(savethat.Node[{name}Args, Result])` with a frozen dataclass {name}Args"
        )


class NodeNotFound(SavethatError, LookupError):
    """No node has that name, or several have."""

    def __init__(self, name: str, nodes: Sequence[str]) -> None:
        super().__init__(name, nodes)
        self.name, self.nodes = name, tuple(nodes)

    def __str__(self) -> str:
        found = [node for node in self.nodes if node.rpartition(".")[2] == self.name]
        if len(found) > 1:
            return f"several nodes are called {self.name!r}; say which: {', '.join(found)}"
        there = ", ".join(self.nodes) or "none at all"
        return f"no node is called {self.name!r}; there are: {there}"


class RunNotFound(SavethatError, LookupError):
    """No run or file has that key."""

    def __init__(self, key: str, places: Sequence[str]) -> None:
        super().__init__(key, places)
        self.key, self.places = key, tuple(places)

    def __str__(self) -> str:
        return f"nothing is kept under {self.key!r} in {' or '.join(self.places)}; see `ls`"


class BrokenRun(SavethatError, ValueError):
    """A file of a run does not hold what it should: it was damaged, or others made it."""

    def __init__(self, key: str, name: str, problem: str) -> None:
        super().__init__(key, name, problem)
        self.key, self.name, self.problem = key, name, problem

    def __str__(self) -> str:
        return (
            f"{self.key}/{self.name} cannot be read: {self.problem}. If it was damaged and there "
            "is a good copy of the run, `download` that"
        )


class CodeNotFound(SavethatError, LookupError):
    """The code of a run cannot be brought back."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(key, reason)
        self.key, self.reason = key, reason

    def __str__(self) -> str:
        return (
            f"the code of {self.key} is not at hand: {self.reason}. Give a folder that has it by "
            "--code FOLDER; with the package codesave installed, runs keep their code"
        )


class ArtifactsDiffer(SavethatError, ValueError):
    """Files of a run are not as it wrote them."""

    def __init__(self, key: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
        super().__init__(key, found, expected)
        self.key, self.found, self.expected = key, dict(found), dict(expected)

    def __str__(self) -> str:
        files = "; ".join(
            f"{path} is {digest}, was {self.expected[path]}" for path, digest in self.found.items()
        )
        return (
            f"files of {self.key} are not as it wrote them: {files}. If there is a remote copy, "
            "move the local one away, and `download` the run"
        )


class NodeAlreadyRan(SavethatError, RuntimeError):
    """A node object runs once; a second run is a second node."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"{self.key} has been run; create another node to run it again"


class RunStillRunning(SavethatError, RuntimeError):
    """A run that is going on is not removed."""

    def __init__(self, key: str, host: str, pid: int, job: str = "") -> None:
        super().__init__(key, host, pid, job)
        self.key, self.host, self.pid, self.job = key, host, pid, job

    def __str__(self) -> str:
        if self.job:
            scheduler, _, name = self.job.partition(" ")
            how = f"`scancel --name {name}`" if scheduler == "slurm" else "wait until it has begun"
            return f"{self.key} waits in the queue of {scheduler}, so it is not removed; {how}"
        return (
            f"{self.key} is running on {self.host} as process {self.pid}, so it is not removed; "
            "end it first"
        )


class NotSynced(SavethatError, OSError):
    """Runs that could not be uploaded; they are kept, and stay pending."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(problems)
        self.problems = dict(problems)

    def __str__(self) -> str:
        runs = "; ".join(f"{key} ({problem})" for key, problem in self.problems.items())
        return f"not uploaded, and still pending: {runs}. Mend that, and `sync` again"


class NotInStorage(SavethatError, ValueError):
    """A path is not below the storage."""

    def __init__(self, path: str, folder: Path) -> None:
        super().__init__(path, folder)
        self.path, self.folder = path, folder

    def __str__(self) -> str:
        return f"{self.path!r} is not below {self.folder}; give a key, as `ls` shows them"


class NotWritable(SavethatError, OSError):
    """No run can be kept in the local folder, so none is begun."""

    def __init__(self, folder: Path, problem: str) -> None:
        super().__init__(folder, problem)
        self.folder, self.problem = folder, problem

    def __str__(self) -> str:
        return f"no run can be kept in {self.folder}: {self.problem}; see local_path"


class ResultsNeedCode(SavethatError, ImportError):
    """What ``_run`` returned is of classes that cannot be imported here."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(key, problem)
        self.key, self.problem = key, problem

    def __str__(self) -> str:
        return (
            f"the results of {self.key} need its code: {self.problem}. Import what defines their "
            "classes under the same name, or have its code back: `reproduce` runs it, and with "
            "codesave, UniqueCodebase('code.zip').loads() reads results.pickle"
        )


class ResultsNotSaved(SavethatError, TypeError):
    """What ``_run`` returned cannot be pickled, so the run counts as failed."""

    def __init__(self, key: str, kind: str, reason: str) -> None:
        super().__init__(key, kind, reason)
        self.key, self.kind, self.reason = key, kind, reason

    def __str__(self) -> str:
        return (
            f"the results of {self.key}, a {self.kind}, cannot be pickled ({self.reason}); "
            "everything else of the run is kept. Return plain data, or objects of classes "
            "defined at the top of a module"
        )


class UnsafeFolder(SavethatError, PermissionError):
    """Unpickling runs code, and others can write to the folder of the pickle."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return (
            f"{self.folder} can be written to by other users, and reading results.pickle would "
            f"run their code; `chmod go-w {self.folder}`, or pass trust=True"
        )
