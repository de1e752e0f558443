"""Results that version 0.0.7 stored: found and read, never written.

There, ``N.pkl`` is one pickle: a dictionary from keys to results. A key is the tuple of the
arguments' ``(name, value)`` pairs, sorted by name, without those skipped or grouped by; of
dictionaries that were to be expanded, each item is a pair ``("name|key", value)``, and of an
``argparse.Namespace`` the value is its JSON. N is the MD5 of the pickled (protocol 3) or
JSON-encoded key, modulo hashsize.

Before this version writes to such a file it renames it to ``N.old.pkl``.
"""

from __future__ import annotations

import inspect
import logging
import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from expcore import UndigestableError, digest, write_file
from persist_to_disk._frames import OLD_PICKLE
from persist_to_disk._guard import check_owner
from persist_to_disk._open_files import open_file
from persist_to_disk._reading import BINARY, read_at
from persist_to_disk.errors import UnsafePathError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from persist_to_disk._options import Options

log = logging.getLogger("persist_to_disk")

NOTHING: Final = object()
CODE_FILE = ".old.code"


def set_aside(path: Path) -> None:
    """Rename a file of version 0.0.7, which this version does not write to."""
    number, target = 0, path.with_suffix(".old.pkl")
    while target.exists():
        number += 1
        target = path.with_suffix(f".old-{number}.pkl")
    path.rename(target)


def is_old(path: Path) -> bool:
    """Say whether a file is a bucket of version 0.0.7."""
    try:
        return _read(path, 1) == OLD_PICKLE
    except OSError:  # it is not there, no file, or not to be read
        return False


def _read(path: Path, size_bytes: int | None = None) -> bytes:
    descriptor = open_file(path, os.O_RDONLY | BINARY)
    try:
        return read_at(descriptor, size_bytes or os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)


class OldStore:
    """What version 0.0.7 stored for one function.

    Args:
        folder: The folder that it used for the function.
        options: What the function is decorated with.
        hashsize: How many buckets it used.
    """

    def __init__(self, folder: Path, options: Options, hashsize: int) -> None:
        self._folder, self._options, self._hashsize = folder, options, hashsize
        self._has_some: bool | None = None

    def find(self, named: Mapping[str, Any], code: str) -> Any:
        """Return the result of a call, or NOTHING.

        Args:
            named: The arguments that count, by name.
            code: The digest of the function's code: old results count for the first code only
                that asks for them, as version 0.0.7 did not look at it.

        Raises:
            UnsafePathError: Others may write to a file.
        """
        if self._is_empty():
            return NOTHING
        arguments = dict(named)
        folder = self._group_folder(arguments)
        if folder is None:
            return NOTHING
        key = tuple(sorted(_plain(arguments).items(), key=lambda pair: pair[0]))
        try:
            hash(key)
            buckets = {self._bucket(variant) for variant in _variants(key)}
            wanted = digest(key)
        except (TypeError, ValueError, AttributeError, pickle.PicklingError, UndigestableError):
            return NOTHING
        for bucket in buckets:
            for path in self._files(folder, bucket):
                entries = self._entries(path)
                # 1 and True are one key of a dictionary, and two calls.
                for found in (old for old in entries if old == key and digest(old) == wanted):
                    if self._is_for(code):
                        return entries[found]
        return NOTHING

    def _group_folder(self, arguments: dict[str, Any]) -> Path | None:
        """Take the arguments that are grouped by out, and return their folder."""
        options = self._options
        names = set(arguments) if options.expand == "all" else set(options.expand)
        for name in names & set(arguments):
            items = _items(arguments[name])
            if items is not None:
                del arguments[name]
                expanded = _flat(items) if options.expand == "all" else items
                arguments |= {f"{name}|{key}": item for key, item in expanded.items()}
        parts: list[str] = []
        for group in options.groupby:
            group_names = (group,) if isinstance(group, str) else group
            if not set(group_names) <= set(arguments):
                return None
            part = "$$".join(str(arguments.pop(name)) for name in group_names)
            if part in ("", ".", "..") or not _is_one_part(part):
                return None
            parts.append(part)
        return self._folder.joinpath(*parts)

    def _is_empty(self) -> bool:
        if self._has_some is None:
            found = (Path(top, name) for top, _, names in os.walk(self._folder) for name in names)
            self._has_some = any(path.suffix == ".pkl" and is_old(path) for path in found)
        return not self._has_some

    def _bucket(self, key: tuple[tuple[str, Any], ...]) -> int:
        import hashlib
        import json

        if self._options.hash_method == "json":
            data = json.dumps(
                dict(key),
                default=_class_name,
                ensure_ascii=False,
                sort_keys=True,
                separators=(",", ":"),
            ).encode()
        else:
            data = pickle.dumps(key, protocol=3)
        found = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return int(found, 16) % self._hashsize

    def _files(self, folder: Path, bucket: int) -> list[Path]:
        try:
            return [folder / f"{bucket}.pkl", *folder.glob(f"{bucket}.old*.pkl")]
        except OSError:  # a group's value is too long for a name
            return []

    def _entries(self, path: Path) -> dict[Any, Any]:
        if not is_old(path):
            return {}
        try:
            if not self._options.trust:
                check_owner(path, path.stat())
            entries = _items(pickle.loads(_read(path)))
        except UnsafePathError:
            raise
        except Exception as error:
            log.warning("%s: cannot be read: %s", path, error)
            return {}
        return entries or {}

    def _is_for(self, code: str) -> bool:
        path = self._folder / CODE_FILE
        try:
            if not path.exists():
                write_file(path, code.encode(), overwrite=False)
            return path.read_text() == code
        except OSError as error:  # a cache that cannot be written to still gives its results
            log.info("%s: %s", path, error)
            return True


def _plain(arguments: dict[str, Any]) -> dict[str, Any]:
    import argparse
    import json

    return {
        name: json.dumps(vars(value)) if isinstance(value, argparse.Namespace) else value
        for name, value in arguments.items()
    }


def _flat(nested: Mapping[Any, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        items = _items(value)
        if items is None:
            flat[key] = value
        else:
            flat |= {f"{key}|{inner}": item for inner, item in _flat(items).items()}
    return flat


def _items(value: Any) -> dict[Any, Any] | None:
    return value if issubclass(type(value), dict) else None


def _variants(key: Any) -> Iterator[Any]:
    """Yield a key with its texts as they are, all shared, and none shared.

    The pickle tells whether two equal texts are one object, so the old bucket depends on it.
    """
    texts: dict[str, str] = {}

    def share(text: str) -> str:
        return texts.setdefault(text, text)

    yield key
    yield _with_texts(key, share)
    yield _with_texts(key, _copied)


def _with_texts(value: object, change: Callable[[str], str]) -> Any:
    kind = type(value)
    if kind is tuple:
        return tuple(_with_texts(item, change) for item in cast("tuple[Any, ...]", value))
    return change(cast("str", value)) if kind is str else value


def _copied(text: str) -> str:
    return "".join(list(text))


def _class_name(value: Any) -> str:
    if inspect.isclass(value):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON")


def _is_one_part(part: str) -> bool:
    return "\0" not in part and not {os.sep, os.altsep or os.sep} & set(part)
