"""Rewrite a bucket file without the entries that do not count any more.

The new file takes the old one's name; who still reads the old one, reads it to the end. Writers
open the file under its lock and so find the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expcore import open_atomic
from persist_to_disk import _frames as frames
from persist_to_disk._guard import PRIVATE_FILE

if TYPE_CHECKING:
    from collections.abc import Container

    from persist_to_disk._bucket import Bucket
    from persist_to_disk._locks import Lock

WORTH_IT_BYTES = 1 << 20


def compact(bucket: Bucket, lock: Lock, *, trust: bool, without: Container[bytes] = ()) -> int:
    """Drop replaced entries, and those of some keys; return how many bytes that freed.

    Args:
        bucket: The file, which need not exist.
        lock: Of its writers; not held yet.
        trust: Let others read the file, as far as the umask says.
        without: Keys whose entries go too.

    Raises:
        OSError: The new file cannot be written; the old one is still there.
    """
    try:
        lock.acquire()
        current = list(bucket.current())
        if not bucket.path.exists():
            return 0
        size = bucket.path.stat().st_size
        wanted = [frame for frame in current if frame.key not in without]
        if size <= frames.HEADER_BYTES + sum(frames.frame_bytes(f.length) for f in wanted):
            return 0
        entries = [bucket.find(frame.key) for frame in wanted]
        salt, header = frames.new_header()
        with open_atomic(bucket.path) as file:
            file.write(header)
            for entry in entries:
                if entry is not None:  # else it is damaged, and lost already
                    data = (entry.key, entry.payload, entry.flags, entry.written_ns)
                    file.write(frames.encode_frame(*data, salt))
        if not trust:
            bucket.path.chmod(PRIVATE_FILE)
        return size - bucket.path.stat().st_size
    finally:
        lock.release()


def is_worth_it(bucket: Bucket) -> bool:
    """Say whether more than half of a large bucket is replaced entries."""
    try:
        size = bucket.path.stat().st_size
    except FileNotFoundError:
        return False
    if size < WORTH_IT_BYTES:
        return False
    return size > 2 * sum(frames.frame_bytes(frame.length) for frame in bucket.current())
