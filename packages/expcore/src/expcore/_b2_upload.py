"""Send a value to B2: in one request, or in parts if it is large."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expcore._b2_connection import DIGEST_INFO, listener
from expcore._data import is_stream, read_all
from expcore._digest import digest_bytes, digest_file

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from typing_extensions import Buffer

    from expcore._data import Data

KIND = "application/octet-stream"


@contextmanager
def of_known_length(data: Data) -> Generator[Buffer | Path]:
    """Put what a stream holds into a file: B2 wants to know the length first.

    A large file is also sent by several threads, which a stream could not be.
    """
    if isinstance(data, Path) or not is_stream(data):
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="expcore-") as folder:
        path = Path(folder, "value")
        with path.open("wb") as file:
            shutil.copyfileobj(data, file, 1 << 20)
        yield path


def send(
    bucket: Any,
    name: str,
    data: Buffer | Path,
    progress: Callable[[int], object] | None = None,
) -> Any:
    """Make a new version of a file.

    Args:
        bucket: Of b2sdk.
        name: The file's.
        data: The bytes, or a file that holds them.
        progress: Called with the number of bytes sent since its last call.

    Returns:
        The version, as b2sdk describes it.
    """
    size = data.stat().st_size if isinstance(data, Path) else memoryview(data).nbytes
    if size < bucket.api.account_info.get_recommended_part_size():
        sent = _send_at_once(bucket, name, read_all(data))
        if progress is not None:
            progress(size)
        return sent
    # B2 has no digest of a file sent in parts, unless it is told one before: SHA-1 would take as
    # long as sending.
    options: dict[str, Any] = {"content_type": KIND}
    if isinstance(data, Path):
        options["file_info"] = {DIGEST_INFO: digest_file(data)}
        options["progress_listener"] = listener(progress)
        return bucket.upload_local_file(str(data), name, **options)
    options["file_info"] = {DIGEST_INFO: digest_bytes(data)}
    return bucket.upload_bytes(bytes(data), name, **options)


def _send_at_once(bucket: Any, name: str, value: bytes) -> Any:
    # One request by the session: b2sdk's upload queue is shorter than the number of transfers
    # that make up for a slow line, and tries again without waiting.
    api = bucket.api
    sha1 = digest_bytes(value, algorithm="sha1").partition(":")[2]
    try:
        reply = api.session.upload_file(
            bucket.id_, name, len(value), KIND, sha1, {}, io.BytesIO(value)
        )
    except Exception:
        api.account_info.clear_bucket_upload_data(bucket.id_)
        raise
    return api.file_version_factory.from_api_response(reply)
