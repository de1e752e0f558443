"""Claims of keys on B2, which has no conditional write.

Who claims a key holds a marker file, ``.expcore-claims/<digest of the key>``, of which B2 keeps
all versions: the claimant goes on when it sees no version but its own. Versions an hour older than
its own are leftovers of killed claimants.
"""

# b2sdk tells no types of what passes through here.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from expcore._b2_errors import translated
from expcore._b2_upload import send
from expcore._digest import digest_bytes
from expcore.errors import KeyExists, KeyNotFound, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Generator

CLAIMS = ".expcore-claims/"
LIFE_S = 3600.0
WAIT_S = 60.0


@contextmanager
def claimed(bucket: Any, prefix: str, key: str, url: str) -> Generator[None]:
    """Hold the marker of a key; of several claimants one goes on and the others lose.

    Args:
        bucket: Of b2sdk.
        prefix: Of the storage, with its slash.
        key: The key.
        url: The storage, named in errors.

    Raises:
        KeyExists: Another claims it.
        StorageUnavailable: The claim of another does not end.
    """
    action = f"claim {key!r}"
    name = prefix + CLAIMS + digest_bytes(key.encode()).partition(":")[2]
    with translated(url, action):
        mine = send(bucket, name, secrets.token_bytes(8))
    try:
        deadline = time.monotonic() + WAIT_S
        while others := _others(bucket, name, mine, url, action):
            if min(others) < (mine.upload_timestamp, mine.id_):
                raise KeyExists(key, url)
            # Ours is the oldest, so the others give way; wait until they have.
            if time.monotonic() > deadline:
                raise StorageUnavailable(url, action, "another claim does not end")
            time.sleep(0.05)
        yield
    finally:
        with suppress(KeyNotFound), translated(url, action, name):
            bucket.delete_file_version(mine.id_, name)


def _others(bucket: Any, name: str, mine: Any, url: str, action: str) -> set[tuple[int, str]]:
    oldest = mine.upload_timestamp - LIFE_S * 1000
    with translated(url, action):
        return {
            (version.upload_timestamp, version.id_)
            for version in bucket.list_file_versions(name)
            if version.id_ != mine.id_ and version.upload_timestamp >= oldest
        }
