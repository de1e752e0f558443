"""What a checkpoint reports: what went in, what stayed out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from codesave._choose import Skipped


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What :func:`codesave.checkpoint` wrote; usable wherever a path is."""

    path: Path | str
    """The zip file: its path, or its URL in a storage."""
    digest: str
    """The zip's sha256, ``sha256:…``: what ``UniqueCodebase(zip, digest=…)`` pins."""
    files: int
    """How many files went in, those that codesave generates not counted."""
    size: int
    """Bytes of these files."""
    zipped: int
    """Bytes of the zip."""
    left_out: tuple[Skipped, ...]
    """What stayed out, with the reason; ignored files and by-products are not listed."""
    largest: tuple[tuple[str, int], ...]
    """Names and bytes of the biggest files, the biggest first."""

    def __fspath__(self) -> str:
        return str(self.path)

    def summary(self) -> str:
        """What went in and what stayed out, in a few lines."""
        lines = [f"{self.path}: {self.files} files, {self.size:,} bytes, {self.zipped:,} zipped"]
        if self.largest:
            biggest = ", ".join(f"{name} ({size:,})" for name, size in self.largest)
            lines.append(f"biggest: {biggest}")
        lines.extend(f"left out: {skipped}" for skipped in self.left_out)
        return "\n".join(lines)
