"""Which interpreter runs, and which distributions are installed in it."""

from __future__ import annotations

import re
import sys
from typing import TypedDict


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
        # A half-removed distribution has no name; the first on sys.path is the one imported.
        name = distribution.metadata["Name"]
        if name:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    return dict(sorted(found.items()))
