"""The fresh process in which a run is reproduced: see :mod:`savethat._reproduce`.

It is given a file that says what to run, and writes one that says what came of it: the new run's
``key``, the digests of the results ``then`` and ``now`` (null where there are none), and the
``differences`` between them.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat._config import load_config
from savethat._discover import find_node
from savethat._layout import ARGS
from savethat._script import load_script
from savethat._storage import Storage
from savethat.errors import NodeNotFound, RunNotFound, SavethatError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from savethat._node import Node


def main(file: Path) -> None:
    """Run the node that a task names, and compare its results with those of the earlier run."""
    task: dict[str, Any] = json.loads(file.read_text("utf-8"))
    file.unlink()  # it may hold secrets
    node = _make_node(task)
    outcome: dict[str, Any] = {"then": None, "now": None, "differences": []}
    try:
        node.run()
    finally:
        Path(task["outcome"]).write_text(json.dumps({**outcome, "key": node.key}), "utf-8")
    outcome |= _compare(node.storage, task["key"], node.key)
    Path(task["outcome"]).write_text(json.dumps({**outcome, "key": node.key}), "utf-8")


def _make_node(task: Mapping[str, Any]) -> Node[Any, Any]:
    from savethat._log import log_to_stderr
    from savethat._node import create_node
    from savethat._parser import parse_argv

    log_to_stderr("INFO")
    code = Path(task["code"])
    folders = [str(folder) for folder in (code, code / "src") if folder.is_dir()]
    sys.path[:0] = folders  # before a project of that name that is installed
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *([inherited] if inherited else [])])
    origin: dict[str, Any] = {**task["origin"], "default_dir": Path(task["origin"]["default_dir"])}
    config = load_config(**origin)
    storage = Storage(replace(config, project_dir=code))
    node_cls, key = _find_class(task, code), task["key"]
    program = f"reproduce {key}"
    args = parse_argv(
        node_cls.get_args_class(), task["words"], prog=program, config=storage / key / ARGS
    )
    node = create_node(node_cls, args, storage=storage)
    node.reproduces = key
    return node


def _find_class(task: Mapping[str, Any], code: Path) -> type[Node[Any, Any]]:
    module, name = task["__module__"], task["__qualname__"]
    if "script" not in task:
        return find_node(module, f"{module}.{name}")
    found: Any = load_script(code / task["script"], task["import_as"])
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise NodeNotFound(name, []) from None
    node_cls: type[Node[Any, Any]] = found
    return node_cls


def _compare(storage: Storage, old: str, new: str) -> dict[str, Any]:
    from expcore import UndigestableError, digest
    from savethat._compare import differences

    try:
        then = storage.load_results(old)
    except RunNotFound:
        return {}
    now = storage.load_results(new)
    found = differences(then, now)
    try:
        return {"then": digest(then), "now": digest(now), "differences": found}
    except UndigestableError:
        same = "by their pickles"  # there is no digest of them
        return {"then": same, "now": "" if found else same, "differences": found}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except SavethatError as error:
        raise SystemExit(f"reproduce: {error}") from error
