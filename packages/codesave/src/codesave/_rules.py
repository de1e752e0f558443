# ruff: noqa: SIM905 - a list of patterns reads best as text
"""Which files are source, which look like secrets, which are never code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatch, translate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One expression for all the globs: six thousand files are matched against each."""
    return re.compile("|".join(translate(pattern) for pattern in patterns))


_SOURCE_SUFFIXES = frozenset(
    ".py .pyi .pyx .pxd .pxi .c .h .cc .cpp .cxx .hpp .cu .cuh .f .f90 .go .java .jl .js .lua .m "
    ".pl .proto .r .rs .scala .sh .bash .sql .swift .ts".split()
)
_NEVER_CODE_NAMES = (
    ".git .hg .svn .bzr __pycache__ node_modules .venv .tox .nox .eggs .mypy_cache .pytest_cache "
    ".ruff_cache .hypothesis .ipynb_checkpoints .DS_Store *.pyc *.pyo"
).split()
_SECRET_NAMES = (
    ".env .env.* *.env *.pem *.key *.p12 *.pfx *.jks *.keystore *.kdbx *.ppk id_rsa* id_dsa* "
    "id_ecdsa* id_ed25519* .netrc _netrc .pypirc .npmrc .pgpass .htpasswd .git-credentials "
    ".b2_account_info .dockercfg credentials credentials.* *_credentials.* *-credentials.* "
    "client_secret* service_account*.json service-account*.json secrets.* secret.* kubeconfig "
    "*.kubeconfig .dockerconfigjson token token.json token.pickle *.token *_token *_token.txt "
    ".vault-token"
).split()
_SECRET_FOLDERS = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".azure"})
_HARMLESS_NAMES = (
    ".env.example",
    ".env.sample",
    ".env.template",
    ".env.dist",
    "*.pub",
    "*.example",
)

_NEVER_CODE = _any_of(_NEVER_CODE_NAMES)
_SECRET = _any_of(_SECRET_NAMES)
_HARMLESS = _any_of(_HARMLESS_NAMES)

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def parse_size(size: str | float | None) -> int | None:
    """Bytes from a number or a text such as ``"100K"``, ``"1M"`` or ``"1.5G"``.

    >>> parse_size("1.5M")
    1500000
    """
    if size is None or isinstance(size, (int, float)):
        return None if size is None else int(size)
    found = _SIZE.fullmatch(size)
    if found is None:
        raise ValueError(f"{size!r} is no size; expected bytes, or a text such as '100K' or '1M'")
    return int(float(found[1]) * _UNITS[found[2].lower()])


def is_source(name: str) -> bool:
    """Whether the file is program text, which no size limit leaves out."""
    return "." + name.rpartition(".")[2].lower() in _SOURCE_SUFFIXES


def is_secret(path: str) -> bool:
    """Whether a file at this relative path looks like a key or a password."""
    *folders, name = path.split("/")
    if is_source(name):
        return False  # a module named credentials.py is code that others import
    if any(folder in _SECRET_FOLDERS for folder in folders):
        return True
    lower = name.lower()
    return _SECRET.match(lower) is not None and _HARMLESS.match(lower) is None


def is_never_code(name: str) -> bool:
    """Whether a file or folder of this name is a by-product that is never saved."""
    return _NEVER_CODE.match(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of a folder is wanted."""

    larger_than: int | None = None
    """Files above this many bytes stay out unless they are source; None for no limit."""
    py_only: bool = False
    patterns: Sequence[str] = ()
    """Globs on the name or on the relative path of what stays out."""
    include: Sequence[str] = ()
    """Globs on the name or on the relative path of what goes in although it looks like a
    secret, is too large or is a by-product."""
    filters: Sequence[Callable[[str, list[str]], Iterable[str]]] = field(default=())
    """Functions like those of :func:`shutil.copytree`: (folder, names) to the names left out."""

    def asked_for(self, path: str) -> bool:
        """Whether ``include`` names this path."""
        return _named(path, self.include)

    def unwanted(self, path: str) -> bool:
        """Whether ``patterns`` names this path."""
        return _named(path, self.patterns)


def _named(path: str, patterns: Sequence[str]) -> bool:
    if not patterns:
        return False
    name = path.rpartition("/")[2]
    return any(
        fnmatch(name, pattern.rstrip("/")) or fnmatch(path, pattern.rstrip("/"))
        for pattern in patterns
    )
