"""``python -m my_project reproduce KEY``: run a run again, as it was, and compare.

The run is downloaded where it is only remote, and its files are compared with what it has listed.
Its code is brought back into a folder of its own, and a fresh process (:mod:`savethat._again`)
runs the node from there, with the same arguments, as a new run that says which one it reproduces.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from savethat._context import RunContext
from savethat._find import read_any_state
from savethat._layout import ARGS, REPRODUCIBLE
from savethat._reproducible import installed_packages
from savethat.errors import ArtifactsDiffer, Refused, RunNotFound

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from savethat._storage import Storage

SHOWN_PACKAGES = 8


def reproduce(
    storage: Storage, key: str, words: Sequence[str], *, code: Path | None, here: Path
) -> Iterator[str]:
    """Run a run again, and yield what there is to say.

    Args:
        storage: Where the run is, and where the new one is kept.
        key: The run.
        words: Arguments that differ, as words of a command line; secrets, which are not kept.
        code: A folder with its code, where that is known better.
        here: The project's folder as it is now, maybe in a git repository with the code.

    Raises:
        Refused: The run goes on, or has not kept what is needed; the new run failed; or its
            results differ.
        ArtifactsDiffer: Its files are not as it wrote them.
        CodeNotFound: Its code cannot be brought back.
        RunNotFound: There is no such run.
    """
    key = storage.key_of(key)
    if not (storage / key / ARGS).exists():
        yield f"downloaded   {storage.download(key)}"
    state = read_any_state(storage, key, remote=False)
    if state is not None and state.goes_on:
        raise Refused(f"{key} is {state.now}; reproduce it when it is over")
    facts = _facts(storage, key)
    then = _written(storage, key)
    yield f"files        {_check(storage / key, key, then)}"
    with TemporaryDirectory(prefix="savethat-") as scratch:
        folder, told = code, f"from {code}"
        if folder is None:
            from savethat._code import bring_back_code

            (Path(scratch) / "code").mkdir()
            run = _context(storage, key, facts, here)
            folder, told = bring_back_code(run, facts, Path(scratch) / "code")
        yield f"code         {told}"
        yield f"environment  {_environment(facts)}"
        task = {"key": key, "words": list(words), "code": folder.absolute(), **facts["node"]}
        outcome = _run_again(storage, task, Path(scratch))
    yield f"run          {outcome['key']}"
    inputs = facts.get("inputs", {}), _facts(storage, outcome["key"]).get("inputs", {})
    if changed := [name for name, digest in inputs[0].items() if inputs[1].get(name) != digest]:
        yield f"read         not the same as then: {', '.join(changed)}"
    yield from _compare(storage, key, outcome, then)


def _facts(storage: Storage, key: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((storage / key / REPRODUCIBLE).read_bytes())
    except FileNotFoundError:
        raise Refused(f"{key} has no {REPRODUCIBLE}: it ended before that was written") from None
    if "node" not in facts:
        raise Refused(f"{key} does not say which node it is of: an old version made it")
    if facts["node"]["__module__"] == "__main__":
        raise Refused(f"the node of {key} was part of a script, and cannot be imported by itself")
    return facts


def _context(storage: Storage, key: str, facts: Mapping[str, Any], here: Path) -> RunContext:
    node = f"{facts['node']['__module__']}.{facts['node']['__qualname__']}"
    return RunContext(key=key, folder=storage / key, project_dir=here, node=node)


def _written(storage: Storage, key: str) -> dict[str, str]:
    """The digests of the files that a run has written into its folder, and listed."""
    try:
        artifacts = storage.load_artifacts(key)
    except RunNotFound:
        return {}
    return {
        artifact["path"]: artifact["digest"]
        for artifact in artifacts
        # A cache entry's digest is that of the value in it.
        if artifact["use"] == "written" and artifact["kind"] != "cache entry"
        if not PurePath(artifact["path"]).is_absolute()
    }


def _check(folder: Path, key: str, written: Mapping[str, str]) -> str:
    from expcore import digest_file

    there = [path for path in written if (folder / path).exists()]
    found = {
        path: digest_file(folder / path, algorithm=cast("Any", written[path].partition(":")[0]))
        for path in there
    }
    different = {path: digest for path, digest in found.items() if digest != written[path]}
    if different:
        raise ArtifactsDiffer(key, different, written)
    gone = len(written) - len(there)
    return f"{len(there)} as they were written" + f", {gone} removed since" * bool(gone)


def _environment(facts: Mapping[str, Any]) -> str:
    now = {"Python": platform.python_version(), **installed_packages()}
    then = {"Python": facts["python"]["version"], **facts["packages"]}
    changed = [
        f"{name} {version} → {now.get(name, 'missing')}"
        for name, version in then.items()
        if now.get(name) != version
    ]
    if not changed:
        return "as it was"
    more = f", and {len(changed) - SHOWN_PACKAGES} more" * (len(changed) > SHOWN_PACKAGES)
    return ", ".join(changed[:SHOWN_PACKAGES]) + more


def _run_again(storage: Storage, task: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    """Run the node in a fresh process; what that has to say."""
    task = {**task, "origin": storage.config.origin, "outcome": scratch / "outcome.json"}
    (scratch / "task.json").write_text(json.dumps(task, default=_plain), "utf-8")
    # -P: the code of today, which may lie in the working directory, is not to be imported.
    command = [sys.executable, "-P", "-m", "savethat._again", str(scratch / "task.json")]
    with _patiently(subprocess.Popen(command)) as process:  # noqa: S603 # no shell, our own words
        status = process.wait()
    outcome: dict[str, Any] = {}
    if (scratch / "outcome.json").exists():
        outcome = json.loads((scratch / "outcome.json").read_text("utf-8"))
    if status:
        new = outcome.get("key")
        told = f"{new} failed; see {storage / new}" if new else "it could not be run again"
        raise Refused(f"{task['key']} is not reproduced: {told}")
    return outcome


def _plain(value: Any) -> Any:
    return dict(value) if not isinstance(value, PurePath) else str(value)


@contextmanager
def _patiently(process: subprocess.Popen[bytes]) -> Generator[subprocess.Popen[bytes]]:
    """Let a process that is interrupted, by Ctrl-C with this one, come to its own end."""
    try:
        yield process
    except BaseException:
        process.terminate()
        process.wait()
        raise


def _compare(
    storage: Storage, key: str, outcome: Mapping[str, Any], then: Mapping[str, str]
) -> Iterator[str]:
    now = _written(storage, outcome["key"])
    # A zip of code says in what circumstances it was made.
    paths = sorted(path for path in {**then, **now} if not path.endswith("code.zip"))
    other = [path for path in paths if then.get(path) != now.get(path)]
    if paths:
        told = f"; not so: {', '.join(other)}" if other else ""
        yield f"written      {len(paths) - len(other)} files identical{told}"
    if outcome["then"] is None:
        yield f"results      none of {key} to compare with"
    elif outcome["then"] == outcome["now"]:
        yield f"results      identical, {outcome['now']}"
    else:
        yield "results      differ"
        yield from (f"             {line}" for line in outcome["differences"])
        raise Refused(f"{outcome['key']} does not have the results of {key}")
