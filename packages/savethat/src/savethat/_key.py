"""Names of runs: ``FitOLS_2026-11-21T08-00-17_k3v9q1``.

The class's name, the time in UTC to the second, and six random characters. The keys of released
versions, which end with the time, are read as well.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # without i, l, o and u: easily misread
TIME = "%Y-%m-%dT%H-%M-%S"
_KEY = re.compile(r"(?P<name>.*)_(?P<time>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)(?P<unique>[_-].*)?$")


def new_key(name: str, *, now: datetime | None = None) -> str:
    """A key for a run of the node ``name``, unlike any other.

    >>> new_key("FitOLS", now=datetime(2026, 11, 21, 8, 0, 17, tzinfo=UTC))
    'FitOLS_2026-11-21T08-00-17_...'
    """
    time = (now or datetime.now(UTC)).strftime(TIME)
    unique = "".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(6))
    return f"{name}_{time}_{unique}"


def is_unique(key: str) -> bool:
    """Whether the key, or that of the run it is within, was made by :func:`new_key`.

    >>> is_unique("FitOLS_2026-11-21T08-00-17_k3v9q1"), is_unique("final")
    (True, False)
    """
    match = _KEY.match(key.partition("/")[0])
    return match is not None and match["unique"] is not None


def date_of_key(key: str) -> datetime | None:
    """When the run was made, in UTC; None where the key does not say.

    >>> date_of_key("FitOLS_2026-11-21T08-00-17_k3v9q1").isoformat()
    '2026-11-21T08:00:17+00:00'
    """
    match = _KEY.match(key)
    try:
        return datetime.strptime(match["time"], TIME).replace(tzinfo=UTC) if match else None
    except ValueError:  # the digits are no date
        return None


def is_selected(key: str, selection: str) -> bool:
    """Whether ``ls SELECTION`` lists the run.

    A selection is the start of a key, but a class's name is taken whole.

    >>> is_selected("FitOLS_2026-11-21T08-00-17_k3v9q1", "FitOLS")
    True
    >>> is_selected("FitOLS_2026-11-21T08-00-17_k3v9q1", "FitOLS_2026-11")
    True
    >>> is_selected("FitOLSBig_2026-11-21T08-00-17_k3v9q1", "FitOLS")
    False
    """
    if not key.startswith(selection):
        return False
    match = _KEY.match(key)
    name = match["name"] if match else key
    return not selection or len(selection) >= len(name) or selection.endswith(("_", "-"))
