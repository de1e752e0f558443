"""Keys to a remote: from arguments, the environment or a file, and never shown."""

from __future__ import annotations

import os
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from expcore.errors import AccessDenied


@dataclass(frozen=True, slots=True)
class B2Key:
    """A Backblaze application key; what it prints has no secret in it."""

    key_id: str = field(repr=False)
    key: str = field(repr=False)

    @classmethod
    def find(cls, url: str, key_id: str | None = None, key: str | None = None) -> B2Key:
        """Take both parts from the arguments, else the environment, else a file.

        The variables are ``B2_APPLICATION_KEY_ID`` and ``B2_APPLICATION_KEY``, as for the
        ``b2`` command. ``B2_KEY_FILE`` names a TOML file with ``key_id`` and ``key``, which
        others must not be able to read.

        Raises:
            AccessDenied: Neither is there, or the file is open to others.
        """
        key_id = key_id or os.environ.get("B2_APPLICATION_KEY_ID")
        key = key or os.environ.get("B2_APPLICATION_KEY")
        if key_id and key:
            return cls(key_id, key)
        if file := os.environ.get("B2_KEY_FILE"):
            return cls._from_file(url, Path(file))
        raise AccessDenied(
            url,
            "authorize",
            "there is no key: set B2_APPLICATION_KEY_ID and B2_APPLICATION_KEY, or B2_KEY_FILE",
        )

    @classmethod
    def _from_file(cls, url: str, path: Path) -> B2Key:
        if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise AccessDenied(url, f"read {path}", "others can read it; chmod 600 it first")
        try:
            found = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls(str(found["key_id"]), str(found["key"]))
        except (tomllib.TOMLDecodeError, KeyError):
            # Not the parser's message: it may quote the secret.
            raise AccessDenied(url, f"read {path}", "it needs `key_id` and `key`") from None
