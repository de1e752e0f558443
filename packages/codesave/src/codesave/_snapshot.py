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

    path: Path
    """The zip file."""
    files: int
    """How many files went in, those that codesave generates not counted."""
    size: int
    """Bytes of these files."""
    left_out: tuple[Skipped, ...]
    """What stayed out, with the reason; ignored files and by-products are not listed."""
    largest: tuple[tuple[str, int], ...]
    """Names and bytes of the biggest files, the biggest first."""

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def digest(self) -> str:
        """The sha256 of the zip, ``sha256:…``: what ``UniqueCodebase(zip, digest=…)`` pins."""
        from expcore import digest_file

        return digest_file(self.path, algorithm="sha256")

    def summary(self) -> str:
        """What went in and what stayed out, in a few lines."""
        packed = self.path.stat().st_size
        lines = [f"{self.path}: {self.files} files, {self.size:,} bytes, {packed:,} zipped"]
        if self.largest:
            biggest = ", ".join(f"{name} ({size:,})" for name, size in self.largest)
            lines.append(f"biggest: {biggest}")
        lines.extend(f"left out: {skipped}" for skipped in self.left_out)
        return "\n".join(lines)
