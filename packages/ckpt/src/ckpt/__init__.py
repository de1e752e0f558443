"""Objax-style npz checkpoints that are always there in the morning."""

__version__ = "0.1.0"
