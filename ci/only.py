"""Fail unless the only distributions of ours are the one named and expcore, from wheels.

Run before pytest is installed, which brings packages that one of ours might use undeclared.
"""

from __future__ import annotations

import importlib
import sys
from importlib import metadata

OURS = {"expcore", "codesave", "persist_to_disk", "savethat", "ckpt", "torch-saveload"}


def main(distribution: str) -> None:
    """Check what is installed, then import every module of the package."""
    wanted = {distribution, "expcore"}
    names = {found.metadata["Name"]: found for found in metadata.distributions()}
    found = {name: names[name] for name in names.keys() & OURS}
    if set(found) != wanted:
        sys.exit(f"installed {sorted(found)}, wanted {sorted(wanted)}")
    for name, installed in found.items():
        origin = installed.read_text("direct_url.json") or ""
        if "editable" in origin:
            sys.exit(f"{name} is an editable install: {origin}")
    package = importlib.import_module(distribution.replace("-", "_"))
    for name in package.__all__:
        getattr(package, name)  # a name that needs an undeclared library fails here


if __name__ == "__main__":
    main(sys.argv[1])
