"""The manifest: what is in a zip, and where it came from.

It is the member ``.codesave.json`` at the top of the zip, UTF-8 JSON with sorted keys::

    {
      "format": "codesave 1",
      "files": {"src/model.py": {"digest": "sha256:…", "bytes": 512}, …},
      "generated": ["__main__.py"],          members that codesave wrote, not the user
      "left_out": {".env": "looks like a secret", …},
      "packing": {"level", "zlib", "digest"}, how the members' bytes came about
      "git": {"commit", "branch", "remote", "diff", "untracked"} or null,
      "python": {"version", "implementation", "platform"},
      "distributions": {"numpy": "2.1.0", …}
    }

It names no time and no absolute path, so equal code in an equal environment gives equal bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypedDict, cast

from codesave._archive import RATIO, RATIO_COUNTS_ABOVE, damage
from codesave._names import MANIFEST_NAME
from codesave.errors import NotAZipError

if TYPE_CHECKING:
    import zipfile

    from codesave._environment import Interpreter
    from codesave._git import GitState
    from codesave._previous import Packing

FORMAT = "codesave 1"


class FileEntry(TypedDict):
    """One file of the zip."""

    digest: str
    bytes: int


class Manifest(TypedDict):
    """The whole manifest; see the module's docstring."""

    format: str
    files: dict[str, FileEntry]
    generated: list[str]
    left_out: dict[str, str]
    packing: Packing
    git: GitState | None
    python: Interpreter
    distributions: dict[str, str]


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes."""
    # With an indent, json encodes in Python instead of C, ten times slower.
    return json.dumps(manifest, sort_keys=True, ensure_ascii=False).encode("utf-8", "replace")


def read_manifest(archive: zipfile.ZipFile) -> Manifest | None:
    """The manifest of an open zip, or None where another program wrote the zip."""
    where = str(archive.filename)
    try:
        member = archive.getinfo(MANIFEST_NAME)
    except KeyError:
        return None
    if member.file_size > max(RATIO_COUNTS_ABOVE, RATIO * member.compress_size):
        raise NotAZipError(where, f"its manifest would unpack to {member.file_size:,} bytes")
    try:
        data = archive.read(member)
    except RuntimeError as error:  # encrypted
        raise NotAZipError(where, f"its manifest cannot be read: {error}") from error
    except damage() as error:
        raise NotAZipError(where, f"its manifest is damaged: {error}") from error
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise NotAZipError(where, f"its manifest is damaged: {error}") from error
    if not isinstance(found, dict) or cast("dict[str, object]", found).get("format") != FORMAT:
        raise NotAZipError(where, f"its manifest is not of the format {FORMAT!r}")
    if not _is_manifest(cast("dict[str, Any]", found)):
        raise NotAZipError(where, "its manifest holds something else than codesave writes")
    return cast("Manifest", found)


def _is_manifest(found: dict[str, Any]) -> bool:
    """Whether what readers take from a manifest is there, and is of its kind."""

    def texts(mapping: Any, *, of: tuple[str, ...] = ()) -> bool:
        return isinstance(mapping, dict) and all(
            isinstance(value, str)
            for value in ([mapping.get(name) for name in of] if of else mapping.values())
        )

    files, git = found.get("files"), found.get("git")
    return (
        isinstance(files, dict)
        and all(texts(entry, of=("digest",)) for entry in files.values())
        and texts(found.get("left_out"))
        and texts(found.get("distributions"))
        and texts(found.get("python"), of=("implementation", "version", "platform"))
        and isinstance(found.get("packing"), dict)
        and (git is None or (texts(git, of=("diff",)) and isinstance(git.get("untracked"), list)))
        and (git is None or {"commit", "branch", "remote"} <= git.keys())
    )
