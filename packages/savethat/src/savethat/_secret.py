"""Arguments that are written nowhere."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")
HIDDEN = "***"
_texts: list[str] = []


class Secret(Generic[T]):
    """A value that appears in no file, log or repr of a run.

    As the type of an argument (``token: Secret[str]``) it is given like any other; its value is
    :attr:`value`. In ``args.json``, logs and ``reproducible.json`` its text is replaced by three
    asterisks, and pickled it loses its value.

    >>> token = Secret("hunter2")
    >>> token, f"{token}", token.value
    (Secret(***), '***', 'hunter2')
    """

    __slots__ = ("_kept",)

    def __init__(self, value: T) -> None:
        self._kept: tuple[T] | tuple[()] = (value,)

    @property
    def value(self) -> T:
        """The value.

        Raises:
            LookupError: The secret was pickled, or read from a run's ``args.json``.
        """
        if not self._kept:
            raise LookupError("this secret was not kept with the run; give it again")
        return self._kept[0]

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        return self._kept == other._kept if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._kept)

    def __reduce__(self) -> tuple[Any, ...]:
        return lost_secret, ()


def lost_secret() -> Secret[Any]:
    """A secret whose value is not known any more."""
    secret = Secret[Any](None)
    secret._kept = ()
    return secret


def secrets_in(value: object) -> list[str]:
    """The texts that must not be written, of the secrets among some arguments."""
    if isinstance(value, Secret):
        return [str(value.value)] if value._kept and str(value.value) else []
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts: list[object] = [getattr(value, f.name) for f in dataclasses.fields(value)]
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    else:
        return []
    return [text for part in parts for text in secrets_in(part)]


def keep_secret(texts: Iterable[str]) -> list[str]:
    """Note texts that no run of this process may write.

    What one run was given may be on the command line of all, and in the log of the run around it.

    Returns:
        All such texts; the list grows when there are more.
    """
    _texts.extend(text for text in texts if text not in _texts)
    return _texts


def redact(value: T, secrets: Sequence[str]) -> T:
    """The same plain data without the secrets in its texts.

    >>> redact({"argv": ["--token=sesame"], "step": 2}, ["sesame"])
    {'argv': ['--token=***'], 'step': 2}
    """
    found: Any = value
    if not secrets:
        return value
    if isinstance(value, str):
        found = _hide(value, secrets)
    elif isinstance(value, dict):
        items: dict[Any, Any] = value
        found = {redact(name, secrets): redact(item, secrets) for name, item in items.items()}
    elif isinstance(value, list | tuple):
        found = [redact(item, secrets) for item in value]
    return cast("T", found)


def _hide(text: str, secrets: Sequence[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        # As it is, and as JSON and Python write it between quotes.
        inner = json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]
        for form in (secret, *inner, repr(secret)[1:-1]):
            text = text.replace(form, HIDDEN)
    return text
