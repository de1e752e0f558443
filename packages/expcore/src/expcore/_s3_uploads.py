"""Uploads in parts to S3 that were never finished: they are not listed, and are paid for."""

# s3fs has no types.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any


def discard_uploads(file_system: Any, prefix: str) -> None:
    """Abort the uploads of all keys that start with a prefix.

    Args:
        file_system: Of s3fs.
        prefix: ``bucket/start of the keys``.
    """
    bucket, _, start = prefix.partition("/")
    place: dict[str, str] = {}
    while True:
        page = file_system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=start, **place)
        for upload in page.get("Uploads", ()):
            if upload["Key"].startswith(start):  # not everything that speaks S3 looks at it
                file_system.call_s3(
                    "abort_multipart_upload",
                    Bucket=bucket,
                    Key=upload["Key"],
                    UploadId=upload["UploadId"],
                )
        if not page.get("IsTruncated"):
            return
        place = {
            "KeyMarker": page["NextKeyMarker"],
            "UploadIdMarker": page.get("NextUploadIdMarker", ""),
        }
