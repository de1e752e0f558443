"""Secrets that were given to a run, and that its ``args.json`` does not hold: they are asked for.

The file says of a secret that there was one, by three asterisks. Such a file is read again by
``reproduce`` and by ``--config``.
"""

from __future__ import annotations

import collections.abc
import sys
from typing import TYPE_CHECKING, Any, get_args, get_origin

from savethat._secret import HIDDEN, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from savethat._node_options import Option


def lost_secrets(options: Sequence[Option], data: Mapping[str, Any]) -> list[Option]:
    """The options whose secrets were given, but not kept."""
    return [o for o in options if _has_secret(o.type) and _is_lost(_find(data, o.name), o.type)]


def _has_secret(tp: Any) -> bool:
    return (get_origin(tp) or tp) is Secret or any(map(_has_secret, get_args(tp)))


def _find(data: Any, name: str) -> Any:
    for part in name.split("."):
        if not isinstance(data, collections.abc.Mapping) or part not in data:
            return ()
        data = data[part]
    return data


def _is_lost(found: Any, tp: Any) -> bool:
    if found is None:  # earlier versions wrote null for every secret
        return (get_origin(tp) or tp) is Secret
    if isinstance(found, collections.abc.Mapping):
        found = list(found.values())
    return found == HIDDEN or (isinstance(found, list) and HIDDEN in found)


def ask_for(option: Option) -> str | None:
    """Ask for a secret where there is a terminal, without showing it; None where there is none."""
    if not sys.stdin or not sys.stdin.isatty():
        return None
    from getpass import getpass

    return getpass(f"{option.flags[0]} (a secret, which is not kept): ")
