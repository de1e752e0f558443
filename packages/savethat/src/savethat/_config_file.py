"""A file with the arguments of a node: ``--config fit.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from savethat._reading import decode_json
from savethat.errors import ArgumentsError

if TYPE_CHECKING:
    from pathlib import Path


def read_config(file: Path) -> dict[str, Any]:
    """Read arguments from a TOML, YAML or JSON file, by its ending.

    Raises:
        ArgumentsError: The file does not hold a mapping, or cannot be parsed.
        FileNotFoundError: There is no such file.
    """
    text = file.read_text("utf-8")
    try:
        match file.suffix.lower():
            case ".toml":
                import tomllib

                data: Any = tomllib.loads(text)
            case ".yaml" | ".yml":
                data = _read_yaml(file, text)
            case _:
                data = decode_json(text)
    except ValueError as error:  # of tomllib and json; YAML's are made one
        raise ArgumentsError(str(file), "", f"cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise ArgumentsError(str(file), "", "does not hold a mapping of arguments")
    return data


def _read_yaml(file: Path, text: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError:
        raise ArgumentsError(
            str(file), "", "is YAML, and PyYAML is not installed; install it, or write TOML"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error
