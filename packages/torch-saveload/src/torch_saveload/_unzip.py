"""Find the stored members of a zip and read them, believing nothing of it.

A member with thousands of others beside it is found several times faster than by :mod:`zipfile`,
and what is refused is known exactly: compressed or encrypted members, names that occur twice, a
directory or a member past the end of the file, a local header of another name.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from expcore import crc32

from .errors import CorruptError, FormatError

if TYPE_CHECKING:
    from typing import BinaryIO

_LIMIT = 0xFFFFFFFF
_END_BYTES = 22
_COMMENT_BYTES = 0xFFFF
_ENTRY = struct.Struct("<4s4xHH4xIIIHHH8xI")
_ENTRY_BYTES = 46
_LOCAL = struct.Struct("<4s22xHH")
_LOCAL_BYTES = 30
_ENCRYPTED = 1


class _Member(NamedTuple):
    """What the directory says of a member."""

    signature: bytes
    flags: int
    method: int
    crc: int
    packed: int
    """Bytes in the file."""
    size: int
    length: int
    """Bytes of its name, and then of its extra field and comment in the directory."""
    extra: int
    comment: int
    header: int
    """Where its local header begins."""


class ZipReader:
    """The members of a zip; every oddity is a :class:`FormatError`."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        """Read the directory.

        Args:
            file: Stays open for as long as members are read.
            path: Its name, for the errors.

        Raises:
            FormatError: It is no zip, or a damaged one.
        """
        self._file, self._path = file, path
        try:
            self._members = _directory(file)
        except (ValueError, struct.error) as error:
            raise FormatError(path, f"not a zip file, so no model file ({error})") from error
        self._folder = next(iter(self._members), b"").partition(b"/")[0]

    def __contains__(self, name: str) -> bool:
        return self._full(name) in self._members

    def read(self, name: str) -> bytes:
        """Read a stored member, checking its CRC.

        Raises:
            CorruptError: Its bytes are not those that were written.
            FormatError: There is none, or it is compressed.
        """
        start, size = self.place(name)
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size or crc32(data) != self._members[self._full(name)].crc:
            raise CorruptError(self._path, f"member {name!r} is not what was saved")
        return data

    def place(self, name: str) -> tuple[int, int]:
        """Return where the data of a stored member begins, and its bytes.

        Raises:
            FormatError: There is none, or it is compressed.
        """
        full = self._full(name)
        member = self._members.get(full)
        if member is None:
            raise FormatError(self._path, f"has no member {name!r}")
        self._refuse_compressed(full, member)
        self._file.seek(member.header)
        local = self._file.read(_LOCAL_BYTES + len(full))
        if len(local) == _LOCAL_BYTES + len(full):
            signature, length, extra = _LOCAL.unpack_from(local)
            if signature == b"PK\x03\x04" and local[_LOCAL_BYTES:] == full and length == len(full):
                return member.header + len(local) + extra, member.size
        raise FormatError(self._path, f"member {name!r} is not where the directory says")

    def refuse_compressed(self) -> None:
        """Raise a :class:`FormatError` if a member is compressed: it may be a bomb.

        torch.save never writes such members, and torch's reader unpacks them whatever they hold.
        """
        for name, member in self._members.items():
            self._refuse_compressed(name, member)

    def _refuse_compressed(self, name: bytes, member: _Member) -> None:
        if member.method or member.packed != member.size or member.flags & _ENCRYPTED:
            raise FormatError(
                self._path,
                f"member {name.decode(errors='replace')!r} is compressed; members are stored",
            )

    def _full(self, name: str) -> bytes:
        return self._folder + b"/" + name.encode()


def _directory(file: BinaryIO) -> dict[bytes, _Member]:
    """Return the members by name.

    Raises:
        ValueError: There is no directory, or a damaged one; or struct.error.
    """
    begin, size, count = _end(file)
    file.seek(begin)
    data = file.read(size)
    found: dict[bytes, _Member] = {}
    at, entry = 0, _ENTRY.unpack_from
    while at < size:
        member = _Member._make(entry(data, at))
        start = at + _ENTRY_BYTES
        end = start + member.length
        at = end + member.extra + member.comment
        if member.signature != b"PK\x01\x02" or at > size:
            raise ValueError("its directory is damaged")
        name = data[start:end]
        if name in found:
            raise ValueError(f"the name {name.decode(errors='replace')!r} occurs twice in it")
        if member.extra:
            member = _wide(member, data[end : end + member.extra])
        if member.header + member.packed > begin:
            raise ValueError(f"member {name.decode(errors='replace')!r} goes past its end")
        found[name] = member
    if len(found) != count:
        raise ValueError(f"its directory lists {len(found)} members where {count} belong")
    return found


def _end(file: BinaryIO) -> tuple[int, int, int]:
    """Return where the directory begins, its bytes, and how many members it lists."""
    end = file.seek(0, 2)
    start = max(0, end - _END_BYTES - _COMMENT_BYTES)
    file.seek(max(start, end - _END_BYTES))
    tail = file.read()
    if not tail.startswith(b"PK\x05\x06"):  # a comment follows
        file.seek(start)
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise ValueError("it has no end record")
    count, size, begin, comment = struct.unpack_from("<10xHIIH", tail, at)
    if at + _END_BYTES + comment != len(tail):
        raise ValueError("its end record is damaged")
    at += end - len(tail)
    file.seek(max(0, at - 20))
    locator = file.read(20)
    if locator.startswith(b"PK\x06\x07"):
        file.seek(min(struct.unpack_from("<8xQ", locator)[0], at))
        wide = file.read(56)
        if not wide.startswith(b"PK\x06\x06"):
            raise ValueError("it has no Zip64 end record")
        count, size, begin = struct.unpack_from("<32xQQQ", wide)
    if begin + size > at:
        raise ValueError("its directory is not where it says")
    return begin, size, count


def _wide(member: _Member, extra: bytes) -> _Member:
    """Return a member with the 64-bit numbers that the extra field has for it."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == 1:
            numbers = list(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            given = {"size": member.size, "packed": member.packed, "header": member.header}
            fields = [name for name, value in given.items() if value == _LIMIT]
            return member._replace(**dict(zip(fields, numbers, strict=False)))
        at += 4 + length
    return member
