"""The final PyTorch model in one file: a save_load decorator for nn.Module that never runs code from a file."""

__version__ = "0.1.0"
