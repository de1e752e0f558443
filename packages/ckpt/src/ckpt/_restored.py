"""What :meth:`ckpt.Checkpoint.restore` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ckpt._assign import Report


class Restored(tuple[int, str]):
    """Number and path of a restored checkpoint, and what became of each variable.

    >>> from ckpt import Report
    >>> idx, file = Restored(2, "logs/ckpt/0000000002.npz", Report(loaded=("w",)))
    >>> idx, file
    (2, 'logs/ckpt/0000000002.npz')
    """

    report: Report

    def __new__(cls, idx: int, path: str, report: Report) -> Restored:
        """Make the pair."""
        made = super().__new__(cls, (idx, path))
        made.report = report
        return made

    def __getnewargs__(self) -> tuple[int, str, Report]:
        return self[0], self[1], self.report

    @property
    def extra(self) -> Any:
        """The plain data given to ``save(..., extra=…)``."""
        return self.report.extra

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers given to ``save(..., metrics=…)``."""
        return self.report.metrics

    @property
    def loaded(self) -> tuple[str, ...]:
        """Names in the collection that got a value."""
        return self.report.loaded

    @property
    def missing(self) -> tuple[str, ...]:
        """Names in the collection that the file has no value for."""
        return self.report.missing

    @property
    def unused(self) -> tuple[str, ...]:
        """Names in the file that nothing asked for."""
        return self.report.unused

    @property
    def cast(self) -> Mapping[str, tuple[str, str]]:
        """For each converted value, the dtype in the file and the one here."""
        return self.report.cast


Restored.__module__ = "ckpt"
