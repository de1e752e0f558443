"""What a run has kept that is needed to run it again; anyone may have made it."""

from __future__ import annotations

from pathlib import Path, PurePath
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from savethat._layout import ARGS, REPRODUCIBLE
from savethat._reading import check_fields, decode_object, read_file
from savethat.errors import ArtifactsDiffer, BrokenRun, Refused, RunNotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from savethat._storage import Storage

TEXT_OR_NONE = (str, NoneType)


def kept_facts(storage: Storage, key: str) -> dict[str, Any]:
    """What the run's ``reproducible.json`` holds.

    Raises:
        Refused: It was not written, or does not say how to have the node back.
        BrokenRun: It does not hold what it should.
    """
    try:
        facts = decode_object(
            read_file(storage / key / REPRODUCIBLE), python=dict, packages=dict, project_dir=str
        )
        if "node" not in facts:
            raise Refused(f"{key} does not say which node it is of: an old version made it")
        _check_facts(facts)
    except FileNotFoundError:
        raise Refused(f"{key} has no {REPRODUCIBLE}: it ended before that was written") from None
    except (ValueError, OSError) as error:
        raise BrokenRun(key, REPRODUCIBLE, str(error)) from error
    if facts["node"]["__module__"] == "__main__" and "script" not in facts["node"]:
        raise Refused(
            f"the node of {key} was typed in, or part of a notebook or of a script outside of "
            "the project, and cannot be had back; put it into a module"
        )
    return facts


def _check_facts(facts: dict[str, Any]) -> None:
    check_fields(facts, node=dict, git=(dict, NoneType))
    check_fields(facts["python"], version=str)
    node, git = facts["node"], facts["git"]
    check_fields(node, __module__=str, __qualname__=str)
    if "script" in node:
        check_fields(node, script=str, import_as=str)
        if ".." in PurePath(node["script"]).parts or PurePath(node["script"]).is_absolute():
            raise ValueError(f"its script {node['script']!r} is not in the project")
    if git is not None:
        check_fields(git, root=str, commit=TEXT_OR_NONE, diff=str, remotes=dict, untracked=list)
        # Earlier versions did not write these.
        check_fields(git, inside=TEXT_OR_NONE, submodules=(dict, NoneType))
        check_fields(git, submodules_changed=(list, NoneType))
        if ".." in PurePath(git.get("inside") or "").parts:
            raise ValueError(f"its folder {git['inside']!r} is not in the repository")


def check_args(storage: Storage, key: str) -> None:
    """Raise ``BrokenRun`` if the run's ``args.json`` holds no arguments."""
    try:
        decode_object(read_file(storage / key / ARGS))
    except (ValueError, OSError) as error:
        raise BrokenRun(key, ARGS, str(error)) from error


def written_files(storage: Storage, key: str) -> dict[str, str]:
    """The digests of the files that a run has written into its folder, and listed."""
    try:
        artifacts = storage.load_artifacts(key)
    except RunNotFound:
        return {}
    fields = ("path", "digest", "use", "kind")
    return {
        artifact["path"]: artifact["digest"]
        for artifact in artifacts
        if all(isinstance(artifact.get(name), str) for name in fields)
        # A cache entry's digest is that of the value in it.
        if artifact["use"] == "written" and artifact["kind"] != "cache entry"
        if not PurePath(artifact["path"]).is_absolute()
        if ".." not in PurePath(artifact["path"]).parts
    }


def check_files(folder: Path, key: str, written: Mapping[str, str]) -> str:
    """How the files of a run are, as a line for people.

    Raises:
        ArtifactsDiffer: They are not as it wrote them.
    """
    there = [path for path in written if (folder / path).exists()]
    found = {path: _digest(folder / path, written[path]) for path in there}
    different = {path: digest for path, digest in found.items() if digest != written[path]}
    if different:
        raise ArtifactsDiffer(key, different, written)
    gone = len(written) - len(there)
    return f"{len(there)} as they were written" + f", {gone} removed since" * bool(gone)


def _digest(path: Path, like: str) -> str:
    """The digest of a file, by the algorithm of another digest."""
    from expcore import digest_file

    if not path.is_file():
        return "no file"
    try:
        return digest_file(path, algorithm=cast("Any", like.partition(":")[0]))
    except ValueError:
        return "unknown, for nobody knows that algorithm"
