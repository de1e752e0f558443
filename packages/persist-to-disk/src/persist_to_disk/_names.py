"""Turn any value into the name of one folder.

A plain value is its own name: ``MNIST`` becomes ``MNIST`` and ``20`` becomes ``20``. Anything
else keeps what is legible of it and gets a part of its digest: ``../../x`` becomes
``x~6b…``. Names are legal on every system, never lead out of their parent, and distinct
values have distinct names, the string ``"20"`` and the number 20 too.
"""

from __future__ import annotations

import os
import re
from numbers import Number
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from expcore import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN = re.compile(r"[A-Za-z0-9_+=@-]([A-Za-z0-9_+=@ .,-]{0,98}[A-Za-z0-9_+=@-])?")
# What Python writes for a number, True, False or None; a string of that form is not plain.
LITERAL = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|-?inf|nan|True|False|None")
# Windows keeps these for devices, with any extension.
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9]) *(\..*)?", re.IGNORECASE)
# Files and folders of this package in the same place.
TAKEN = re.compile(r".*\.(pkl|d|lock|tmp)", re.IGNORECASE)
# A bucket and its like, if the function that keeps something by hand is itself decorated.
BUCKET = re.compile(r"[0-9]+(\.old(-[0-9]+)?)?\.(pkl|d)", re.IGNORECASE)
LEGIBLE_CHARACTERS = 40
DIGEST_CHARACTERS = 16


def folder_name(value: object) -> str:
    """Return the name of the folder for a value.

    >>> folder_name("MNIST"), folder_name(20), folder_name(0.1), folder_name(True)
    ('MNIST', '20', '0.1', 'True')
    >>> folder_name("../../x")
    'x~...'
    """
    kind = type(value)
    # Other objects' texts may hold an address, which differs from process to process.
    tells = value is None or isinstance(value, (str, Number, PurePath))
    try:
        text = str(value) if tells else kind.__name__
    except Exception:  # a number of more digits than Python writes, or a class that refuses
        return f"{_legible(kind.__name__)}~{_short(value)}"
    plain = kind in (int, float, bool, type(None)) or (kind is str and not LITERAL.fullmatch(text))
    return text if plain and is_plain(text) else f"{_legible(text)}~{_short(value)}"


def joined_name(values: Iterable[object]) -> str:
    """Return the name of the folder for several values, joined by ``$$``.

    >>> joined_name(["MNIST", 20])
    'MNIST$$20'
    """
    return "$$".join(folder_name(value) for value in values)


def file_name(text: str) -> str:
    """Return the name of the file for a key that is a string: the key itself if it is plain.

    >>> file_name("20"), file_name("model.pkl")
    ('20', 'model.pkl')
    >>> file_name("../x"), file_name("7.pkl")
    ('x~...', '7-pkl~...')
    """
    safe = PLAIN.fullmatch(text) and not RESERVED.fullmatch(text) and not BUCKET.fullmatch(text)
    return text if safe else f"{_legible(text)}~{_short(text)}"


def file_of(folder: Path, text: str) -> Path:
    """Return the file for a key that is a string, of its own even where case makes no difference.

    >>> file_of(Path("folder"), "scores").as_posix()
    'folder/scores'
    """
    path = folder / file_name(text)
    twin = path.with_name(path.name.swapcase())
    # Where there is another one, or case makes no difference, the folder's own list tells.
    if twin != path and twin.exists() and path.name not in os.listdir(folder):  # noqa: PTH208
        return folder / f"{_legible(text)}~{_short(text)}"  # that one is of another key
    return path


def qualified_name(qualname: str) -> str:
    """Return the name of the folder for a function.

    >>> qualified_name("Model.fit"), qualified_name("outer.<locals>.<lambda>")
    ('Model.fit', 'outer.(locals).(lambda)')
    """
    name = qualname.replace("<", "(").replace(">", ")")
    ascii_name = name.replace("(", "_").replace(")", "_")
    safe = PLAIN.fullmatch(ascii_name) and not RESERVED.fullmatch(ascii_name)
    return name if safe else f"{_legible(name)}~{_short(qualname)}"


def is_plain(text: str) -> bool:
    """Say whether a text can be a folder's name as it is."""
    return bool(
        PLAIN.fullmatch(text) and not RESERVED.fullmatch(text) and not TAKEN.fullmatch(text)
    )


def _legible(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text[:200]).strip("-")[:LEGIBLE_CHARACTERS]


def _short(value: object) -> str:
    return digest(value).partition(":")[2][:DIGEST_CHARACTERS]
