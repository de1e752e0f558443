"""Atomic files, canonical digests and one small storage interface (local, B2, any fsspec URL)."""

__version__ = "0.1.0"
