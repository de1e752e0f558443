"""Typed nodes run from the command line; every run kept, found and had back."""

__version__ = "0.1.0"
