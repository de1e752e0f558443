"""Zip a codebase, import it later, several versions side by side."""

__version__ = "0.1.0"
