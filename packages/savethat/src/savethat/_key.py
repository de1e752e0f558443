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
_KEY = re.compile(r"(.*)_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)([_-].*)?$")


def new_key(name: str, *, now: datetime | None = None) -> str:
    """A key for a run of the node ``name``, unlike any other.

    >>> new_key("FitOLS", now=datetime(2026, 11, 21, 8, 0, 17, tzinfo=UTC))
    'FitOLS_2026-11-21T08-00-17_...'
    """
    time = (now or datetime.now(UTC)).strftime(TIME)
    unique = "".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(6))
    return f"{name}_{time}_{unique}"


def parts_of(key: str) -> tuple[str, str, bool]:
    """The node's name and the time as they are written in a key, and whether it is unique.

    The time sorts as time does; it is empty where there is none. A key made by :func:`new_key`,
    and what is within its run, is unique.

    >>> parts_of("FitOLS_2026-11-21T08-00-17_k3v9q1")
    ('FitOLS', '2026-11-21T08-00-17', True)
    >>> parts_of("final")
    ('final', '', False)
    """
    match = _KEY.match(key)
    if match is None:
        return key, "", False
    name, time, unique = match.groups()
    return name, time, unique is not None


def date_of_time(text: str) -> datetime | None:
    """The time that :func:`parts_of` has read, in UTC; None if it is no time.

    >>> date_of_time("2026-11-21T08-00-17").isoformat()
    '2026-11-21T08:00:17+00:00'
    """
    try:
        return datetime.fromisoformat(f"{text[:10]}T{text[11:].replace('-', ':')}+00:00")
    except ValueError:  # there are no digits, or they are no date
        return None
