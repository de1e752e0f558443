# ruff: noqa: SIM905 - a list of patterns reads best as text
"""Which files look like secrets, by their names, and by what small files of settings say."""

from __future__ import annotations

import re
from pathlib import Path

from codesave._rules import any_of, is_source

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

_SECRET = any_of(_SECRET_NAMES)
_HARMLESS = any_of(_HARMLESS_NAMES)

SETTINGS_BYTES = 100_000
"""Settings are written by hand; what is larger is data, and not looked into."""
_SETTINGS_SUFFIXES = frozenset(".toml .ini .cfg .conf .json .yaml .yml .properties".split())
_KEY_NAMES = (
    rb"b2[_-]?key|application[_-]?key|secret|secret[_-]?key|secret[_-]?access[_-]?key"
    rb"|api[_-]?key|api[_-]?token|access[_-]?token|auth[_-]?token|hf[_-]?token"
    rb"|client[_-]?secret|password"
)
# A name, and a value too long for an example: neither "XXXXXXXXXXX" nor "${B2_KEY}" nor "<key>".
_KEY = re.compile(
    rb"""(?:^|[{,])(?:\xef\xbb\xbf)?[ \t]*(?:-[ \t]+)?["']?(?:[\w.-]*[._-])?("""
    + _KEY_NAMES
    + rb""")["']?[ \t]*[:=][ \t]*["']?(?![$<{\[*])(?!x{4})([^\s"',]{16,})""",
    re.IGNORECASE | re.MULTILINE,
)
# Without the scheme, which would be looked for from each letter of a long word.
_PASSWORD = re.compile(rb"://([^\s/@:\"']+):(?![$<{])([^\s/@\"']{8,})@")
_NO_KEY = re.compile(rb"projects/|.*(?:your|changeme|example|placeholder|os\.environ|env:)", re.I)
"""What a value says that stands for a key, or names the place of one."""
_PRIVATE_KEY = b"PRIVATE KEY-----"


def is_secret(path: str) -> bool:
    """Whether a file at this relative path looks like a key or a password."""
    *folders, name = path.split("/")
    if is_source(name):
        return False  # a module named credentials.py is code that others import
    if any(folder in _SECRET_FOLDERS for folder in folders):
        return True
    lower = name.lower()
    return _SECRET.match(lower) is not None and _HARMLESS.match(lower) is None


def key_in(path: str, size: int) -> str:
    """What a file of settings holds that is nobody else's; "" where there is no such thing.

    Args:
        path: The file.
        size: Bytes of it.
    """
    suffix = "." + path.rpartition(".")[2].lower()
    if suffix not in _SETTINGS_SUFFIXES or size > SETTINGS_BYTES:
        return ""
    try:
        text = Path(path).read_bytes()
    except OSError:
        return ""  # whoever packs it will say so
    for found in _KEY.finditer(text):
        if not _NO_KEY.match(found[2]):
            return found[1].decode().lower()
    if _PRIVATE_KEY in text:
        return "a private key"
    for found in _PASSWORD.finditer(text):
        user, password = found.groups()
        if user != password and not _NO_KEY.match(password):
            return "a password in a URL"
    return ""
