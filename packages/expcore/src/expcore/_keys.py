"""What a key may look like, so that every file system and every store keeps it as it is."""

from __future__ import annotations

import re
import unicodedata
from contextlib import contextmanager
from typing import TYPE_CHECKING

from expcore.errors import InvalidKey

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

MAX_KEY_BYTES = 1024
# CON, AUX.txt, "COM1 .log": reserved on Windows in every folder and with every extension.
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"\\|?*]')
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{16}\.tmp", re.DOTALL)
"""Names of files that are being written (:mod:`expcore._atomic`)."""


def check_key(key: str) -> str:
    """Return ``key`` if it can be one.

    Raises:
        InvalidKey: With the rule that the name breaks.

    >>> check_key("runs/2024-05-01/results.pickle")
    'runs/2024-05-01/results.pickle'
    >>> check_key("../etc/passwd")
    Traceback (most recent call last):
    expcore.errors.InvalidKey: '../etc/passwd' cannot be a key: '..' would leave the storage
    """
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidKey(repr(key), f"a key is a string, not {type(key).__name__}")
    if not key:
        raise InvalidKey(key, "it is empty")
    _check_text(key)
    for part in key.split("/"):
        _check_part(key, part)
    return key


def check_parts(key: str, most_bytes: int) -> str:
    """Return a key if a store that limits its parts takes it.

    Raises:
        InvalidKey: A part takes more bytes.
    """
    for part in key.split("/"):
        if len(part.encode()) > most_bytes:
            raise InvalidKey(key, f"{part[:20]}… is longer than {most_bytes} bytes")
    return key


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if a key could start with it: it may be empty or end anywhere.

    Raises:
        InvalidKey: With the rule that the name breaks.
    """
    if not isinstance(prefix, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidKey(repr(prefix), f"a prefix is a string, not {type(prefix).__name__}")
    if prefix:
        _check_text(prefix)
        *parts, last = prefix.split("/")
        for part in parts:
            _check_part(prefix, part)
        if last == "..":
            raise InvalidKey(prefix, "'..' would leave the storage")
    return prefix


def _check_text(key: str) -> None:
    try:
        data = key.encode()
    except UnicodeEncodeError:
        raise InvalidKey(key, "it holds a lone surrogate, which is not text") from None
    if len(data) > MAX_KEY_BYTES:
        raise InvalidKey(key, f"it takes {len(data)} bytes, and stores keep {MAX_KEY_BYTES}")
    if found := _FORBIDDEN.search(key):
        raise InvalidKey(key, f"{found.group()!r} is not allowed in file names everywhere")
    if not unicodedata.is_normalized("NFC", key):
        raise InvalidKey(key, "it is not in Unicode's NFC form; use unicodedata.normalize")


def _check_part(key: str, part: str) -> None:
    if not part:
        reason = "it starts with '/'" if key.startswith("/") else "it has an empty part"
        raise InvalidKey(key, f"{reason}; keys are relative, parts are separated by one '/'")
    if part == "..":
        raise InvalidKey(key, "'..' would leave the storage")
    if part[-1] in ". ":
        raise InvalidKey(key, f"Windows drops the end of {part!r}")
    if _RESERVED.fullmatch(part):
        raise InvalidKey(key, f"{part!r} is a device on Windows")
    if TEMPORARY.fullmatch(part):
        raise InvalidKey(key, f"{part!r} is how a file is called while it is being written")


@contextmanager
def refused_at_the_end() -> Generator[Callable[[str], bool]]:
    """Tell names that can be keys from others while a storage is listed, and raise afterwards.

    One odd name, which another program has made, so hides no key from whoever can do without it;
    who needs all of a listing is refused as before.

    Raises:
        InvalidKey: Of the first name that cannot be a key, when the block has come to its end.
    """
    refused: list[InvalidKey] = []

    def is_key(name: str) -> bool:
        try:
            check_key(name)
        except InvalidKey as error:
            refused.append(error)
            return False
        return True

    yield is_key
    if refused:
        raise refused[0]
