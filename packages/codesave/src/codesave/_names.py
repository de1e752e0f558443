"""Names of members: the one that is ours, and which are the same to some file system."""

from __future__ import annotations

MANIFEST_NAME = ".codesave.json"
"""The one name in the zip that is ours; a file of the user's by that name is not saved."""


def as_one(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    if name.isascii():
        return name.lower()
    import unicodedata

    return unicodedata.normalize("NFC", name).casefold()
