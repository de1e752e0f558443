"""Where runs are kept: read from ``savethat.toml``, a credentials file and the environment.

``savethat.toml`` (the ``env_file`` of :func:`savethat.run_main`)::

    local_path = "${PROJECT_ROOT}/data_storage"   # PROJECT_ROOT is the folder of this file
    b2_key_id  = "..."                            # or B2_KEY_ID in the environment
    b2_key     = "..."                            # or B2_KEY in the environment
    b2_bucket  = "my-b2-bucket"                   # or B2_BUCKET in the environment
    b2_prefix  = "my_project"
    b2_realm   = "http://127.0.0.1:8080"          # another endpoint than Backblaze's
    remote     = "s3://bucket/prefix"             # any other storage, instead of the b2_ keys

A credentials file (``~/savethat_credentials.toml``, ``$SAVETHAT_CREDENTIALS`` or
``--credentials FILE``) holds the same keys in one table for each package, so that a project can be
shared without them. What ``savethat.toml`` says comes first, then the credentials file, then the
environment.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from savethat.errors import ConfigError, ConfigNotFound, SavethatWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = (
    "local_path",
    "remote",
    "b2_key_id",
    "b2_key",
    "b2_bucket",
    "b2_prefix",
    "b2_realm",
    "remote_path",  # b2_prefix, as released credentials files call it
    "skip_syncing",
)
ENVIRONMENT = {
    "b2_key_id": ("B2_KEY_ID", "B2_APPLICATION_KEY_ID"),
    "b2_key": ("B2_KEY", "B2_APPLICATION_KEY"),
    "b2_bucket": ("B2_BUCKET",),
}
DEFAULT_FOLDER = "data_storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Where the runs of a project are kept."""

    local_path: Path
    """The local folder; absolute."""
    project_dir: Path | None = None
    """The folder of the TOML."""
    remote: str | None = field(default=None, repr=False)
    """URL of the remote storage; None keeps runs locally only."""
    b2_key_id: str = ""
    b2_key: str = field(default="", repr=False)
    b2_realm: str = ""
    origin: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, compare=False)
    """The arguments of :func:`load_config` that load it again; empty if it was not loaded."""

    @property
    def secrets(self) -> list[str]:
        """What must not be written into a run: a key that is in the TOML may be in a diff."""
        found = [self.b2_key]
        if self.remote and "@" in self.remote:
            from urllib.parse import urlsplit

            found.append(urlsplit(self.remote).password or "")
        return [text for text in found if text]


def load_config(
    env_file: str | os.PathLike[str] | None = None,
    *,
    package: str | None = None,
    credential_file: str | os.PathLike[str] | None = None,
    default_dir: Path | None = None,
    must_exist: bool = True,
) -> Config:
    """Read the configuration of a project.

    Args:
        env_file: The project's TOML. Without one, runs are kept in ``data_storage``.
        package: Name of the project's package: its table in the credentials file.
        credential_file: Another credentials file than the user's own.
        default_dir: The project's folder where no ``env_file`` says it.
        must_exist: Whether an ``env_file`` that is not there is an error, and not just a warning.

    Raises:
        ConfigError: A key is unknown, is of the wrong type, or contradicts another.
        ConfigNotFound: The file is not there.
    """
    file = None if env_file is None else Path(env_file).absolute()
    project_dir = file.parent if file else default_dir
    values: dict[str, Any] = {}
    if file and (must_exist or file.exists()):
        content = _read(file)
        values = _own_keys(content, file, package)
    credentials = find_credential_file(credential_file)
    if package and credentials.exists():
        for key, value in _own_keys(_read(credentials), credentials, package, whole=False).items():
            values.setdefault(key, value)
    # A bucket in the environment of a project that says nothing of B2 is another program's.
    uses_b2 = any(key.startswith("b2_") for key in values) and not values.get("remote")
    for key, names in ENVIRONMENT.items():
        if not values.get(key) and (uses_b2 or key != "b2_bucket"):
            values[key] = next((os.environ[n] for n in names if os.environ.get(n)), "")
    origin = {
        "env_file": file,
        "package": package,
        "credential_file": credentials.absolute(),
        "default_dir": project_dir or Path.cwd(),
        "must_exist": must_exist,
    }
    config = replace(_check(values, file, project_dir), origin=origin)
    if file and not file.exists():
        text = f"there is no {file}: runs are kept in {config.local_path}"
        warnings.warn(text, SavethatWarning, stacklevel=3)
    return config


def find_credential_file(given: str | os.PathLike[str] | None = None) -> Path:
    """The credentials file: the one given, ``$SAVETHAT_CREDENTIALS``, or the one at home."""
    default = os.environ.get("SAVETHAT_CREDENTIALS", "~/savethat_credentials.toml")
    file = Path(default if given is None else given)
    try:
        return file.expanduser()
    except RuntimeError:  # the user of a container may have no home
        return file


def _read(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigNotFound(file) from None
    except OSError as error:  # not ours to read, a folder, ...
        raise ConfigError(file, f"cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, f"is not valid TOML: {error}") from error


def _own_keys(
    content: Mapping[str, Any], file: Path, package: str | None, *, whole: bool = True
) -> dict[str, Any]:
    """The package's table, and (``whole``) the keys outside of any table."""
    table = content.get(package) if package else None
    own = dict(table) if isinstance(table, dict) else {}
    if whole:
        own = {k: v for k, v in content.items() if not isinstance(v, dict)} | own
    for key in own:
        if key not in KEYS:
            raise ConfigError(file, f"unknown key {key!r}; the keys are {', '.join(KEYS)}")
        expected = bool if key == "skip_syncing" else str
        if not isinstance(own[key], expected):
            raise ConfigError(file, f"{key} is {own[key]!r}, expected a {expected.__name__}")
    return {key: _expand(v, file) if isinstance(v, str) else v for key, v in own.items()}


def _expand(text: str, file: Path) -> str:
    """Replace ``${PROJECT_ROOT}`` and ``${VARIABLE}``."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "PROJECT_ROOT":
            return str(file.parent)
        if name not in os.environ:
            raise ConfigError(file, f"${{{name}}} is not set in the environment")
        return os.environ[name]

    return re.sub(r"\$\{(\w+)\}", value, text)


def _check(values: Mapping[str, Any], file: Path | None, project_dir: Path | None) -> Config:
    root = project_dir or Path.cwd()
    local_path = root / Path(values.get("local_path") or DEFAULT_FOLDER).expanduser()
    b2 = [key for key in ("b2_bucket", "b2_prefix", "b2_realm") if values.get(key)]
    remote = values.get("remote") or None
    if remote and "b2_bucket" in b2:
        raise ConfigError(file, "has both 'remote' and 'b2_bucket'; one storage is remote")
    if values.get("b2_bucket"):
        prefix = (values.get("b2_prefix") or values.get("remote_path") or "").strip("/")
        remote = f"b2://{values['b2_bucket']}/{prefix}".rstrip("/")
    elif b2 and not remote and not values.get("skip_syncing"):
        raise ConfigError(file, f"has {b2[0]} but no b2_bucket, so nothing would be uploaded")
    return Config(
        local_path=local_path,
        project_dir=project_dir,
        remote=None if values.get("skip_syncing") else remote,
        b2_key_id=values["b2_key_id"],
        b2_key=values["b2_key"],
        b2_realm=values.get("b2_realm") or "",
    )
