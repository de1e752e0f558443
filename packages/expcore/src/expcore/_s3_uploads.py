"""Uploads in parts to S3: taken up again where an earlier attempt ended, or discarded.

What S3 was sent of an upload that did not end is not listed among the values, and is paid for.
An attempt leaves it to the next one, which sends the parts that are missing: it goes on with an
upload only if all that S3 has of it are parts of this very file, by their MD5. So an upload of
something else to the same key is left alone; and which of two attempts ends first does not
matter, because S3 puts a value together of the parts that the one who ends it has named.
"""

# s3fs has no types.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import os
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO

from expcore._digest import digest_bytes
from expcore._threads import for_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PART_BYTES = 16 << 20
MOST_PARTS = 10_000
STREAMS = 4


def upload_parts(
    file_system: Any, path: Path, target: str, progress: Callable[[int], object]
) -> None:
    """Store the contents of a file.

    Args:
        file_system: Of s3fs.
        path: The file.
        target: ``bucket/key``.
        progress: Called with the number of bytes that arrived since its last call, from
            several threads; at first with those that an earlier attempt has sent.

    Raises:
        OSError: The file cannot be read, or S3 did not take it.
    """
    bucket, _, key = target.partition("/")
    with path.open("rb") as file:
        parts = _Parts(file_system, {"Bucket": bucket, "Key": key}, file, progress)
        parts.begin()
        for_each(parts.send, parts.missing(), STREAMS, "expcore-upload")
        parts.complete()


def discard_uploads(file_system: Any, prefix: str) -> None:
    """Abort the uploads to all keys that start with a prefix.

    Args:
        file_system: Of s3fs.
        prefix: ``bucket/start of the keys``.
    """
    bucket, _, start = prefix.partition("/")
    for upload in _begun(file_system, bucket, start):
        file_system.call_s3("abort_multipart_upload", **_named(bucket, upload))


class _Parts:
    """The parts of one file, and the upload they go to."""

    def __init__(
        self,
        file_system: Any,
        target: dict[str, str],
        file: BinaryIO,
        progress: Callable[[int], object],
    ) -> None:
        self._call = file_system.call_s3
        self._file_system, self._file, self._progress = file_system, file, progress
        self._lock = Lock()
        self._size = os.fstat(file.fileno()).st_size
        self._length = max(PART_BYTES, -(-self._size // MOST_PARTS))
        self._count = -(-self._size // self._length)
        self._upload = target
        """What S3 wants to be told with each part."""
        self._tags: dict[int, str] = {}
        """What S3 has called the parts that it has."""

    def begin(self) -> None:
        """Find an upload to go on with, or begin one."""
        bucket, key = self._upload["Bucket"], self._upload["Key"]
        with suppress(OSError):  # who may write is not always allowed to look
            for upload in _begun(self._file_system, bucket, key):
                if upload["Key"] == key and (tags := self._alike(_named(bucket, upload))):
                    self._upload, self._tags = _named(bucket, upload), tags
                    break
        if "UploadId" not in self._upload:
            self._upload = _named(bucket, self._call("create_multipart_upload", **self._upload))
        for number in self._tags:
            self._progress(self._length_of(number))

    def missing(self) -> list[int]:
        """Return the numbers of the parts that S3 does not have."""
        return [number for number in range(1, self._count + 1) if number not in self._tags]

    def send(self, number: int) -> None:
        """Send one part."""
        reply = self._call(
            "upload_part", **self._upload, PartNumber=number, Body=self._read(number)
        )
        self._tags[number] = reply["ETag"]
        self._progress(self._length_of(number))

    def complete(self) -> None:
        """Have S3 put the value together."""
        parts = [{"PartNumber": n, "ETag": tag} for n, tag in sorted(self._tags.items())]
        self._call("complete_multipart_upload", **self._upload, MultipartUpload={"Parts": parts})

    def _alike(self, upload: dict[str, str]) -> dict[int, str]:
        """Return the parts of an upload, by number; nothing if one is no part of this file."""
        tags: dict[int, str] = {}
        for part in _pages(self._call, "list_parts", "Parts", ("PartNumberMarker",), upload):
            number = int(part["PartNumber"])
            if number > self._count or part["Size"] != self._length_of(number):
                return {}
            digest = digest_bytes(self._read(number), algorithm="md5").partition(":")[2]
            if part["ETag"].strip('"') != digest:
                return {}
            tags[number] = part["ETag"]
        return tags

    def _length_of(self, number: int) -> int:
        return min(self._length, self._size - (number - 1) * self._length)

    def _read(self, number: int) -> bytes:
        length = self._length_of(number)
        with self._lock:
            self._file.seek((number - 1) * self._length)
            data = self._file.read(length)
        if len(data) < length:
            raise OSError(f"{self._file.name} became shorter while it was sent")
        return data


def _begun(file_system: Any, bucket: str, prefix: str) -> Iterator[Any]:
    """Yield the uploads that were begun to keys with a prefix and are not complete."""
    markers = ("KeyMarker", "UploadIdMarker")
    where = {"Bucket": bucket, "Prefix": prefix}
    call = file_system.call_s3
    for upload in _pages(call, "list_multipart_uploads", "Uploads", markers, where):
        if upload["Key"].startswith(prefix):  # not everything that speaks S3 looks at it
            yield upload


def _named(bucket: str, upload: Any) -> dict[str, str]:
    return {"Bucket": bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]}


def _pages(
    call: Callable[..., Any], method: str, items: str, markers: tuple[str, ...], ask: Any
) -> Iterator[Any]:
    place: dict[str, Any] = {}
    while True:
        page = call(method, **ask, **place)
        yield from page.get(items, ())
        if not page.get("IsTruncated"):
            return
        place = {marker: page[f"Next{marker}"] for marker in markers}
