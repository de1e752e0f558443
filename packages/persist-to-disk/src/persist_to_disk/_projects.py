"""The number of each project: ``project_to_pids.txt``.

One line ``path||number`` for each project path ever used, appended when a path is first seen.
A number is never given twice, and a path keeps its number.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from persist_to_disk._guard import make_folder
from persist_to_disk._locks import whole_file_lock

if TYPE_CHECKING:
    from pathlib import Path

FILE = "project_to_pids.txt"
SEPARATOR = "||"


def project_id(home: Path, project: Path) -> str:
    """Return the number of a project, giving it the next one if it has none.

    Args:
        home: The folder that holds ``project_to_pids.txt``.
        project: The absolute path of the project.

    Raises:
        OSError: The project has no number yet, and the file cannot be written.
    """
    path = home / FILE
    name = str(project).replace("\n", "%0A")
    known = _read(path)
    if name in known:
        return known[name]
    make_folder(home)
    with whole_file_lock(home / f"{FILE}.lock"):
        known = _read(path)
        if name not in known:
            known[name] = str(1 + max((int(i) for i in known.values() if i.isdigit()), default=0))
            with path.open("ab") as file:
                file.write(os.fsencode(f"{name}{SEPARATOR}{known[name]}\n"))
    return known[name]


def _read(path: Path) -> dict[str, str]:
    try:
        # Not as text: a path may hold what is no UTF-8, and what else ends a line.
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    # The last line may lack its end while another process writes it: it does not count yet.
    pairs = (os.fsdecode(line).rsplit(SEPARATOR, 1) for line in lines[:-1])
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}  # noqa: PLR2004
