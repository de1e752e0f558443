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
from typing import TYPE_CHECKING, Any

from savethat._context import RunContext
from savethat._find import read_any_state
from savethat._kept import check_args, check_files, kept_facts, written_files
from savethat._layout import ARGS, RESULTS
from savethat._reproducible import installed_packages
from savethat.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from savethat._storage import Storage

SHOWN = 8
"""At most so many packages or files are named."""


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
        BrokenRun: What it has kept cannot be read.
        CodeNotFound: Its code cannot be brought back.
        RunNotFound: There is no such run.
    """
    key = storage.key_of(key)
    if not (storage / key / ARGS).exists():
        yield f"downloaded   {storage.download(key)}"
    state = read_any_state(storage, key, remote=False)
    if state is not None and state.goes_on:
        raise Refused(f"{key} is {state.now}; reproduce it when it is over")
    facts = kept_facts(storage, key)
    check_args(storage, key)
    then = written_files(storage, key)
    yield f"files        {check_files(storage / key, key, then)}"
    with TemporaryDirectory(prefix="savethat-") as scratch:
        folder, told = code, f"from {code}"
        if folder is None:
            from savethat._code import bring_back_code

            (Path(scratch) / "code").mkdir()
            run = _context(storage, key, facts, here)
            folder, told = bring_back_code(run, facts, Path(scratch) / "code")
        yield f"code         {told}"
        yield f"environment  {_environment(facts)}"
        task = {**facts["node"], "key": key, "words": list(words), "code": folder.absolute()}
        outcome = _run_again(storage, task, Path(scratch))
    yield f"run          {outcome['key']}"
    inputs = facts.get("inputs", {}), kept_facts(storage, outcome["key"]).get("inputs", {})
    if changed := [name for name, digest in inputs[0].items() if inputs[1].get(name) != digest]:
        yield f"read         not the same as then: {_some(changed)}"
    yield from _compare(storage, key, outcome, then)


def _context(storage: Storage, key: str, facts: Mapping[str, Any], here: Path) -> RunContext:
    node = f"{facts['node']['__module__']}.{facts['node']['__qualname__']}"
    return RunContext(key=key, folder=storage / key, project_dir=here, node=node)


def _environment(facts: Mapping[str, Any]) -> str:
    now = {"Python": platform.python_version(), **installed_packages()}
    then = {"Python": facts["python"]["version"], **facts["packages"]}
    changed = [
        f"{name} {version} → {now.get(name, 'missing')}"
        for name, version in then.items()
        if now.get(name) != version
    ]
    return _some(changed) or "as it was"


def _some(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return ", ".join(names[:SHOWN]) + more


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
        if new and (storage / new / RESULTS).exists():
            told = f"its results cannot be compared with those of {new}"
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
    now = written_files(storage, outcome["key"])
    # A zip of code says in what circumstances it was made.
    paths = sorted(path for path in {**then, **now} if not path.endswith("code.zip"))
    other = [path for path in paths if then.get(path) != now.get(path)]
    if paths:
        told = f"; not so: {_some(other)}" if other else ""
        yield f"written      {len(paths) - len(other)} files identical{told}"
    if outcome["then"] is None:
        yield f"results      none of {key} to compare with"
    elif outcome["then"] == outcome["now"]:
        yield f"results      identical, {outcome['now']}"
    else:
        yield "results      differ"
        yield from (f"             {line}" for line in outcome["differences"])
        raise Refused(f"{outcome['key']} does not have the results of {key}")
