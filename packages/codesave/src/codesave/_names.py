"""Names of members: the one that is ours, which are one to some file system, or none to it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    import os

MANIFEST_NAME = ".codesave.json"
"""The one name in the zip that is ours; a file of the user's by that name is not saved."""


def as_one(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    if name.isascii():
        return name.lower()
    return normalize("NFC", name).casefold()


def spelling(entry: os.DirEntry[str]) -> str:
    """A name as Python and git spell it; macOS may keep its accents as characters of their own."""
    name = normalize("NFC", entry.name)
    if name != entry.name:
        with suppress(OSError):
            if Path(entry.path).with_name(name).samefile(entry.path):
                return name
    return entry.name


def legible(name: str) -> str:
    """A name that may not be UTF-8, as text that is."""
    return name.encode("utf-8", "backslashreplace").decode()


def unportable(name: str) -> str:
    """Why no loader would take a member of this name; "" where it would."""
    if not name.isascii():
        try:
            name.encode("utf-8")
        except UnicodeEncodeError:
            return "has a name that is not UTF-8"
    if "\\" in name or name[1:2] == ":":
        return "has a name that means another place on Windows"
    return ""
