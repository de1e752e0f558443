"""What a load did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """Which tensors a load took from the file, and which it did not."""

    path: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...] = ()
    """Names of the model that the file does not hold; they kept their values."""
    unexpected: tuple[str, ...] = ()
    """Names of the file that the model does not have."""
    differing: tuple[str, ...] = ()
    """Names of both with another shape or dtype, with both sides; they kept their values."""

    @property
    def complete(self) -> bool:
        """Whether every tensor of the model was loaded and none of the file left over."""
        return not (self.missing or self.unexpected or self.differing)

    def __str__(self) -> str:
        parts = [f"{self.path}: {len(self.loaded)} tensors loaded"]
        for what, names in (
            ("missing in the file", self.missing),
            ("not in the model", self.unexpected),
            ("different", self.differing),
        ):
            if names:
                parts.append(f"{len(names)} {what} ({', '.join(names)})")
        return "; ".join(parts)
