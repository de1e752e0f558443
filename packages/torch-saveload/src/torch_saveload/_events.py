"""What others can listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expcore import Signal

if TYPE_CHECKING:
    from pathlib import Path

saved: Signal[Path] = Signal("torch_saveload.saved")
"""Sent with the path of each model file, once it is safely there."""
