"""A disk-memoising decorator for expensive results, safe across processes."""

__version__ = "0.1.0"
