"""Show a URL to people."""

from __future__ import annotations

import re

_CHAIN = re.compile(r"::(?=[a-zA-Z][\w+.-]*:)")  # a password may hold "::", too
_USER = re.compile(r"^([a-zA-Z][\w+.-]*://)(?:[^/?#]*|[^/]*:[^/]*)@")
_QUERY = re.compile(r"[?#].*", re.DOTALL)


def without_credentials(url: str) -> str:
    """Return a URL without users, passwords, queries and fragments: each may be a token.

    >>> without_credentials("https://me:ghp_secret@example.org/me/code.git?token=x")
    'https://example.org/me/code.git'
    >>> without_credentials("simplecache::s3://key:secret@bucket/prefix")
    'simplecache::s3://bucket/prefix'
    >>> without_credentials("https://me:a::b?c#d@example.org/x#access_token=y")
    'https://example.org/x'
    >>> without_credentials("git@example.org:me/code.git")
    'git@example.org:me/code.git'
    """
    return "::".join(map(_without_credentials, _CHAIN.split(url)))


def _without_credentials(url: str) -> str:
    return _QUERY.sub("", _USER.sub(r"\1", url)) if "://" in url else url
