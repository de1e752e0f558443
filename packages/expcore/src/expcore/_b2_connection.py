"""b2sdk as it is used here: a connection that tries once, and a download as a stream."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false, reportPrivateUsage=false

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from expcore._b2_errors import translated
from expcore._digest import HASHERS
from expcore.errors import MissingExtraError, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from expcore._credentials import B2Key

TIMEOUT_S = 60.0
CONNECTIONS = 64
PAGE_VERSIONS = 1000
BLOCK_BYTES = 256 << 10
DIGEST_INFO = "expcore_digest"
"""The file info in which a file sent in parts has its digest."""


def connect(url: str, bucket: str, key: B2Key, realm: str) -> Any:
    """Authorize and return the bucket; everything it does is tried once."""
    try:
        from b2sdk.v3 import B2Api, InMemoryAccountInfo
    except ImportError:
        raise MissingExtraError(f"the storage {url}", "b2") from None
    # In memory: the default is a file in the home folder, and it would hold the key.
    api = B2Api(InMemoryAccountInfo())
    http: Any = cast("Any", api.session.raw_api).b2_http
    http.CONNECTION_TIMEOUT = 10.0
    http.TIMEOUT = http.TIMEOUT_FOR_UPLOAD = TIMEOUT_S
    # One attempt: what comes next is decided in one place, expcore._retry.
    once: Callable[..., Any] = http._translate_and_retry
    for scheme in ("http://", "https://"):
        kind: Any = type(http.session.get_adapter(scheme))
        http.session.mount(scheme, _adapter(kind))
    http._translate_and_retry = lambda function, _tries, params=None: once(function, 1, params)
    api.authorize_account(key.key_id, key.key, realm=realm)
    return api.get_bucket_by_name(bucket)


def _adapter(kind: Any) -> Any:
    """Return a transport that has many connections and sends large pieces."""

    class Adapter(kind):  # type: ignore[misc,unused-ignore]
        def init_poolmanager(self, *args: Any, **options: Any) -> None:
            super().init_poolmanager(*args, **options, blocksize=BLOCK_BYTES)

    return Adapter(pool_maxsize=CONNECTIONS)


class Body(io.RawIOBase):
    """The body of a download, with the errors of this package."""

    def __init__(self, download: Any, url: str, key: str) -> None:
        self.found = download.download_version
        """Size, time and digest, as the reply gave them."""
        self.version = self.found.id_
        self._response = download.response
        self._left = self.found.content_length
        self._url, self._key = url, key

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        action = f"read {self._key!r}"
        with translated(self._url, action, self._key):
            piece = self._response.raw.read(len(buffer))
        if not piece and self._left and len(buffer):
            raise StorageUnavailable(self._url, action, f"{self._left} bytes are missing")
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        return len(piece)

    def close(self) -> None:
        self._response.close()
        super().close()


def superseded(bucket: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Yield name and id of each version of a file that has a newer one and is not hidden."""
    name: str | None = prefix
    id_ = seen = None
    is_shown = False
    while name is not None:
        page = bucket.api.session.list_file_versions(bucket.id_, name, id_, PAGE_VERSIONS, prefix)
        for file in page["files"]:
            if file["action"] not in {"upload", "hide"}:  # an upload that goes on
                continue
            if file["fileName"] != seen:
                seen, is_shown = file["fileName"], file["action"] == "upload"
            elif is_shown and file["action"] == "upload":
                yield file["fileName"], file["fileId"]
        name, id_ = page["nextFileName"], page["nextFileId"]


def known_digest(content_sha1: str | None, file_info: dict[str, str]) -> str | None:
    """Return the digest that B2 keeps; large files have one if they were told it."""
    own = file_info.get(DIGEST_INFO, "")
    if own.partition(":")[0] in HASHERS:  # others may have written anything there
        return own
    found = file_info.get("large_file_sha1") or content_sha1 or "none"
    return None if found == "none" else f"sha1:{found.removeprefix('unverified:')}"


def listener(progress: Callable[[int], object] | None) -> Any:
    """Return what tells of the progress of an upload, as b2sdk wants it, or None."""
    if progress is None:
        return None
    advance = progress
    from b2sdk.v3 import AbstractProgressListener

    class Listener(AbstractProgressListener):  # type: ignore[misc,unused-ignore]
        place = 0

        def set_total_bytes(self, total_byte_count: int) -> None:
            pass

        def bytes_completed(self, byte_count: int) -> None:
            advance(byte_count - self.place)
            self.place = byte_count

    return Listener()
