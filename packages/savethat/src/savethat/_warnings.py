"""What is warned about, as types; :mod:`savethat.errors` draws the tree."""

from __future__ import annotations


class SavethatWarning(UserWarning):
    """Base of all warnings of this package."""


class SavethatPluginWarning(SavethatWarning):
    """A plugin failed; the run went on without it."""


class BrokenModuleWarning(SavethatWarning):
    """A module of the project cannot be imported, so its nodes are missing."""


class NotSyncedWarning(SavethatWarning):
    """The run is kept locally, but not (yet) remotely."""
