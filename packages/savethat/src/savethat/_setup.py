"""``python -m my_project setup_b2``: ask for credentials, and keep them out of the project."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from savethat.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def setup_credentials(
    package: str,
    file: Path,
    *,
    default_local: Path,
    ask: Callable[[str], str],
) -> Iterator[str]:
    """Ask for a package's credentials, and append its table to the credentials file.

    Args:
        package: The project's package.
        file: The credentials file. What it holds already stays as it is, to the letter.
        default_local: The local folder that is proposed.
        ask: Asks one question, like :func:`input`.

    Yields:
        What there is to say.

    Raises:
        ConfigError: The file has a table for the package already, or there is no home for it.
    """
    import tomllib

    from expcore import write_file

    if file.parts[:1] == ("~",):
        reason = "is in no home, for you have none; set SAVETHAT_CREDENTIALS to a file"
        raise ConfigError(file, reason)
    old = file.read_text("utf-8") if file.exists() else ""
    try:
        tables = tomllib.loads(old)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(file, f"is not valid TOML: {error}") from error
    if package in tables:
        raise ConfigError(file, f"has a table [{package}] already; edit it, or remove it first")
    values: dict[str, str | bool] = {}
    if ask("Do you want to set up remote syncing? [y/n] ").strip().lower() in ("y", "yes"):
        values["b2_key_id"] = ask("Enter your B2 account KEY ID: ").strip()
        values["b2_key"] = ask("Enter your B2 account KEY: ").strip()
        values["b2_bucket"] = ask("Enter your B2 bucket name: ").strip()
        prefix = ask(f"Enter your B2 bucket prefix [{package}]: ").strip()
        values["remote_path"] = prefix or package
    else:
        values["skip_syncing"] = True
        yield "Your runs will not be synced to the cloud."
    local = ask(f"Path of the local data storage [{default_local}]: ").strip()
    values["local_path"] = local or str(default_local)
    # JSON's strings and booleans are TOML's.
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    gap = "\n" if old and not old.endswith("\n") else ""
    table = f"{gap}\n[{package}]\n" if old else f"[{package}]\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)
    mode = file.stat().st_mode & 0o600
    write_file(file, (old + table + "\n".join(lines) + "\n").encode())
    os.chmod(file, mode)  # noqa: PTH101 # it holds a key: nobody else reads it
    yield f"Wrote [{package}] to {file}."
