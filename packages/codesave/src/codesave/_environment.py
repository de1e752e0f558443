"""Which interpreter runs, and which distributions are installed in it."""

from __future__ import annotations

import re
import sys
from typing import TypedDict

_FIELD = {
    field: re.compile(rf"^{field}:[ \t]*(\S+)", re.MULTILINE) for field in ("Name", "Version")
}


class Interpreter(TypedDict):
    """The manifest's ``python`` entry."""

    version: str
    implementation: str
    platform: str


def interpreter() -> Interpreter:
    """Describe the running interpreter."""
    import platform

    return Interpreter(
        version=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=f"{sys.platform}-{platform.machine()}",
    )


def distributions() -> dict[str, str]:
    """Versions of the installed distributions by normalized name (PEP 503), sorted."""
    from importlib.metadata import distributions as installed

    found: dict[str, str] = {}
    for distribution in installed():
        # Parsing the whole of each METADATA as a message would take most of a checkpoint's time.
        text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
        name, version = (_FIELD[field].search(text) for field in ("Name", "Version"))
        # A half-removed distribution has no name; the first on sys.path is the one imported.
        if name and version:
            found.setdefault(re.sub(r"[-_.]+", "-", name[1]).lower(), version[1])
    return dict(sorted(found.items()))
