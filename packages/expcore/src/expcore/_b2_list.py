"""From the pages of a listing of B2 to keys and prefixes."""

# b2sdk tells no types of what passes through here.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expcore._b2_claims import CLAIMS
from expcore._b2_connection import known_digest
from expcore._storage import Prefix, Stat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def listed(
    page_from: Callable[[str], Any],
    root: str,
    prefix: str,
    delimiter: str | None,
    is_key: Callable[[str], bool],
) -> Iterator[Stat | Prefix]:
    """Yield what is listed, in the order of the keys.

    Args:
        page_from: Returns the reply to ``b2_list_file_names`` from a name on.
        root: Of the storage, with its slash; keys are what follows it.
        prefix: See :meth:`Storage.list`.
        delimiter: See there.
        is_key: Says whether a name can be a key; others are left out.
    """
    start: str | None = root + prefix
    group = None
    while start is not None:
        page = page_from(start)
        start = page["nextFileName"]
        for file in page["files"]:
            key: str = file["fileName"].removeprefix(root)
            if key.startswith(CLAIMS) or key.endswith("/"):  # markers: ours, of folders
                continue
            if not is_key(key):
                continue
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if delimiter is None or end < 0:
                digest = known_digest(file["contentSha1"], file["fileInfo"])
                yield Stat(key, file["contentLength"], file["uploadTimestamp"] / 1000, digest)
            elif (head := key[: end + len(delimiter)]) != group:
                group = head
                yield Prefix(head)
        if group is not None and start is not None and start.startswith(root + group):
            # The rest of the group need not be looked at: its last name sorts before this.
            start = f"{root}{group[:-1]}{chr(ord(group[-1]) + 1)}"
