"""Zips that no honest saver of code writes are refused before anything is written."""

from __future__ import annotations

import json
import os
import random
import stat
import struct
import sys
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest

from codesave import Codebase, Limits, UniqueCodebase, checkpoint, diff, packages, show, verify
from codesave._cache import cached
from codesave._cli import main
from codesave.errors import CodesaveError, HostileZipError, NotAZipError, UnsafeCacheError
from expcore import digest_file


def make(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o777) << 16
    return info


HOSTILE = {
    "parent": ([("../evil.py", b"")], "leads out of its folder"),
    "parent inside": ([("src/../../evil.py", b"")], "leads out of its folder"),
    "dot": ([("./a.py", b"")], "leads out of its folder"),
    "empty part": ([("a//b.py", b"")], "leads out of its folder"),
    "absolute": ([("/etc/evil.py", b"")], "absolute name"),
    "drive": ([("C:/evil.py", b"")], "absolute name"),
    "long": ([("a" * 5000, b"")], "a name of 5,000 characters and 0 folders"),
    "deep": ([("a/" * 2000, b"")], "a name of 4,000 characters and 2,000 folders"),
    "backslash": ([("..\\evil.py", b"")], "backslash"),
    "link": ([(special("link", stat.S_IFLNK), b"/etc/passwd")], "symbolic link"),
    "pipe": ([(special("pipe", stat.S_IFIFO), b"")], "device, a pipe"),
    "case": ([("Model.py", b""), ("model.py", b"")], "is one file with 'Model.py'"),
    "case of a folder": ([("Src/a.py", b""), ("src/b.py", b"")], "folder that is one with 'Src'"),
    "unicode forms": ([("\u00e9.py", b""), ("e\u0301.py", b"")], "is one file with"),
    "file and folder": ([("a", b""), ("a/b.py", b"")], "is a file and a folder at once"),
    "file and folder by case": ([("A", b""), ("a/b.py", b"")], "is one with the folder"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_members_are_refused(kind, tmp_path):
    members, problem = HOSTILE[kind]
    path = make(tmp_path / "x.zip", [("good.py", b"x = 1\n"), *members])
    before = sorted(tmp_path.rglob("*"))

    for load in (UniqueCodebase, Codebase):
        with pytest.raises(HostileZipError, match=problem):
            load(path)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_are_refused(tmp_path):
    path = make(tmp_path / "x.zip", [("a.py", b"x = 1"), ("a.py", b"x = 2")])

    with pytest.raises(HostileZipError, match="is there twice"):
        UniqueCodebase(path)


def test_a_name_cut_off_by_nul_is_refused(tmp_path):
    path = make(tmp_path / "x.zip", [("a.pyXb", b"")])
    path.write_bytes(path.read_bytes().replace(b"a.pyXb", b"a.py\0b"))

    with pytest.raises(HostileZipError, match="NUL"):
        UniqueCodebase(path)


@pytest.mark.parametrize("other", ["../../../evil.py", "/evil.py", "src/evil.py"])
def test_a_second_name_in_an_extra_field_leads_nowhere_else(other, tmp_path):
    """Since Python 3.12 zipfile prefers such a "Unicode path" to the name itself."""
    member = zipfile.ZipInfo("a.py")
    path = struct.pack("<BL", 1, zlib.crc32(b"a.py")) + other.encode()
    member.extra = struct.pack("<2H", 0x7075, len(path)) + path
    target = make(tmp_path / "x.zip", [(member, b"x = 1\n")])
    before = set(tmp_path.rglob("*"))

    with suppress(HostileZipError):
        UniqueCodebase(target)

    made = {str(path.relative_to(tmp_path).parts[0]) for path in {*tmp_path.rglob("*")} - before}
    assert made <= {"cache"}
    assert not Path("/evil.py").exists()


@pytest.mark.parametrize("use", [UniqueCodebase, verify, lambda path: list(show(path))])
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_zipfile_would_unpack_without_a_bound_are_refused(method, use, tmp_path):
    """A kilobyte of bzip2 may be gigabytes, and zipfile unpacks a megabyte of it at once."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", method) as archive:
        archive.writestr("a.py", "x = 1\n" * 100)

    with pytest.raises(NotAZipError, match=f"by method {method}"):
        use(tmp_path / "x.zip")


@pytest.mark.parametrize("use", [verify, packages, lambda path: list(show(path))])
def test_a_manifest_that_is_a_bomb_is_not_read(use, tmp_path):
    path = make(tmp_path / "x.zip", [(".codesave.json", bytes(40 << 20))])

    with pytest.raises(NotAZipError, match="would unpack to 41,943,040 bytes"):
        use(path)


def test_what_is_unpacked_is_what_was_digested(zipped, monkeypatch):
    """Another zip may be put at the path meanwhile, as by a checkpoint."""
    first, second = zipped({"a.py": "x = 1"}), zipped({"a.py": "x = 2"})
    digest = digest_file(first, algorithm="sha256")

    def replaced_meanwhile(key):
        with suppress(PermissionError):  # Windows replaces no open file
            second.replace(first)
        return cached(key)

    monkeypatch.setattr("codesave._cache.cached", replaced_meanwhile)

    assert UniqueCodebase(first, digest=digest).import_module("a").x == 1


def test_bombs_are_refused_by_ratio(tmp_path):
    path = make(tmp_path / "x.zip", [("zeros.bin", bytes(40 << 20))])

    with pytest.raises(HostileZipError, match="over 200 times its own"):
        UniqueCodebase(path)
    assert UniqueCodebase(path, limits=Limits(ratio=2000)).folder.is_dir()


def test_bombs_are_refused_by_total_and_count(tmp_path):
    path = make(tmp_path / "x.zip", [("a.txt", b"123"), ("b.txt", b"123")])

    with pytest.raises(HostileZipError, match=r"unpacks to 6 bytes \(limit 5"):
        UniqueCodebase(path, limits=Limits(total_bytes=5))
    with pytest.raises(HostileZipError, match="has 2 members"):
        UniqueCodebase(path, limits=Limits(members=1))


def test_members_that_share_their_data_are_refused(tmp_path):
    path = make(tmp_path / "x.zip", [("a.txt", b"data" * 10), ("b.txt", b"data" * 10)])
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\1\2")
    data[second + 42 : second + 46] = struct.pack("<L", 0)  # its header's place
    path.write_bytes(data)

    with pytest.raises(CodesaveError, match="overlap"):
        UniqueCodebase(path)


def test_a_damaged_member_is_refused(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", b"x = 'original'\n")
    path.write_bytes(path.read_bytes().replace(b"original", b"changed!"))

    with pytest.raises(NotAZipError, match=r"a\.py.*CRC"):
        UniqueCodebase(path)
    assert not (tmp_path / "cache").exists()


def test_a_truncated_zip_is_refused(zipped):
    path = zipped({"a.py": "x = 1\n" * 100})
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(NotAZipError, match="copied or downloaded whole"):
        UniqueCodebase(path)


def test_a_killed_extraction_is_not_used(zipped, monkeypatch, tmp_path):
    path = zipped({"a.py": "x = 1\n", "b.py": "x = 2\n"})

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("codesave._cache._extract", fail)
        with pytest.raises(KeyboardInterrupt):
            UniqueCodebase(path)

    assert list((tmp_path / "cache").iterdir()) == []
    assert UniqueCodebase(path).import_module("b").x == 2


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_a_cache_that_others_can_write_to_is_refused(zipped, tmp_path):
    path = zipped({"a.py": ""})
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(0o777)

    with pytest.raises(UnsafeCacheError, match="CODESAVE_CACHE"):
        UniqueCodebase(path)


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_a_link_in_the_place_of_the_temporary_folder_is_refused(zipped, tmp_path, monkeypatch):
    path = zipped({"a.py": ""})
    monkeypatch.delenv("CODESAVE_CACHE")
    monkeypatch.setattr("codesave._cache._can_be_written", lambda _: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = UniqueCodebase(path).folder.parents[1]
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(UnsafeCacheError, match=folder.name):
        UniqueCodebase(path)
    with pytest.raises(UnsafeCacheError, match=folder.name):
        UniqueCodebase(zipped({"b.py": ""}))


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
@pytest.mark.parametrize("owner", [0, 1001])
def test_a_temporary_folder_of_another_user_is_refused_be_it_root(
    zipped, tmp_path, monkeypatch, owner
):
    monkeypatch.delenv("CODESAVE_CACHE")
    monkeypatch.setattr("codesave._cache._can_be_written", lambda _: False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    folder = tmp_path / "codesave-4711"
    folder.mkdir(mode=0o755)
    if owner != folder.stat().st_uid:
        try:
            os.chown(folder, owner, -1)
        except PermissionError:
            pytest.skip("only root gives folders away")

    with pytest.raises(UnsafeCacheError, match=folder.name):
        UniqueCodebase(zipped({"a.py": ""}))


@pytest.mark.skipif(sys.platform == "win32", reason="mode bits mean little there")
def test_unpacked_files_are_read_only(zipped):
    folder = UniqueCodebase(zipped({"a.py": ""})).folder

    assert (folder / "a.py").stat().st_mode & 0o777 == 0o444


def test_another_codebase_of_the_same_short_digest_is_refused(zipped):
    """64 bits of a sha256 can be searched for; the whole digest decides."""
    first, second = zipped({"a.py": "x = 1"}), zipped({"a.py": "x = 2"})
    folder = UniqueCodebase(first).folder.parent
    (folder / "digest").write_text("sha256:" + folder.name + "0" * 48)

    with pytest.raises(CodesaveError, match="was asked for"):
        UniqueCodebase(first)
    assert UniqueCodebase(second).import_module("a").x == 2


def test_any_damage_is_one_error_and_a_later_checkpoint_replaces_it(zipped, tree, tmp_path):
    """Bytes changed or cut off anywhere, most of them in the directory and the manifest."""
    rng = random.Random(0)
    whole = zipped({f"m{i}.py": f"x = {i}\n" * 20 for i in range(10)}).read_bytes()
    folder, path = tree({"a.py": ""}), tmp_path / "damaged.zip"
    for attempt in range(150):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 5)):
            place = rng.randrange(len(data) // 2 if attempt % 2 else 0, len(data))
            data[place] = rng.randrange(256)
        path.write_bytes(data[: rng.randrange(len(data))] if attempt % 5 == 0 else data)

        for use in (UniqueCodebase, verify, lambda path: list(show(path))):
            with suppress(NotAZipError, HostileZipError):
                use(path)
        checkpoint(folder, path, verbose=False)
        assert verify(path) == []


def test_a_checkpoint_takes_nothing_over_by_a_damaged_directory(tree, tmp_path):
    folder, path = tree({f"m{i}.py": f"x = {i}\n" * 20 for i in range(3)}), tmp_path / "o.zip"
    whole = checkpoint(folder, path, verbose=False).path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    for place in range(start, len(whole), 3):
        data = bytearray(whole)
        data[place] ^= 0x55
        path.write_bytes(data)

        checkpoint(folder, path, verbose=False)

        assert path.read_bytes() == whole


@pytest.mark.parametrize("use", [verify, UniqueCodebase, lambda path: list(show(path))])
def test_members_before_the_beginning_of_the_file_are_damage(zipped, use):
    path = zipped({"a.py": "x = 1\n"})
    data = bytearray(path.read_bytes())
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    struct.pack_into("<L", data, len(data) - 6, start + 1000)  # where the directory is
    path.write_bytes(data)

    with pytest.raises(NotAZipError, match="outside of the file"):
        use(path)


@pytest.mark.parametrize(
    "use", [verify, UniqueCodebase, lambda path: list(show(path)), lambda p: list(diff(p, p))]
)
@pytest.mark.parametrize("offset", [1 << 40, 1 << 62, (1 << 64) - 1])
def test_members_behind_the_end_of_the_file_are_damage(offset, use, tmp_path):
    path = make(tmp_path / "x.zip", [("a.py", b"x = 1\n")])
    data = bytearray(path.read_bytes())
    entry, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    extra = struct.pack("<2HQ", 1, 8, offset)
    struct.pack_into("<L", data, entry + 42, 0xFFFFFFFF)
    struct.pack_into("<H", data, entry + 30, len(extra))
    struct.pack_into("<L", data, end + 12, end - entry + len(extra))
    path.write_bytes(data[:end] + extra + data[end:])

    with pytest.raises(NotAZipError, match="outside of the file"):
        use(path)


def test_a_member_without_a_name_is_damage(tmp_path):
    path = make(tmp_path / "x.zip", [("a.py", b"x = 1\n")])
    data = bytearray(path.read_bytes())
    entry, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    struct.pack_into("<H", data, entry + 28, 0)
    struct.pack_into("<L", data, end + 12, end - entry - 4)
    path.write_bytes(data[: entry + 46] + data[entry + 50 :])

    with pytest.raises(NotAZipError, match="has no name"):
        list(show(path))


@pytest.mark.parametrize("use", [verify, UniqueCodebase])
def test_an_encrypted_member_is_refused(tree, tmp_path, use):
    path = tmp_path / "code.zip"
    checkpoint(tree({"model.py": "x = 1\n"}), path, verbose=False)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
        in_directory = archive.start_dir
    data[first.header_offset + 6] |= 1
    data[in_directory + 8] |= 1
    path.write_bytes(data)

    with pytest.raises(CodesaveError, match="encrypted"):
        use(path)


@pytest.mark.parametrize(
    "change",
    [
        {"files": [1]},
        {"files": {"model.py": 5}},
        {"files": {"model.py": {"bytes": 1}}},
        {"left_out": 5},
        {"left_out": {"a": None}},
        {"distributions": []},
        {"python": None},
        {"python": {}},
        {"git": 7},
        {"git": {"diff": None}},
        {"packing": 1},
        "[" * 100_000,
    ],
)
def test_a_manifest_of_another_shape_is_refused_in_one_line(change, zipped, tmp_path, capsys):
    path = zipped({"model.py": "x = 1\n"})
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    if isinstance(change, dict):
        change = json.dumps({**json.loads(contents[".codesave.json"]), **change})
    contents[".codesave.json"] = change
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)

    for words in (["show", str(other)], ["verify", str(other)], ["diff", str(path), str(other)]):
        assert main(words) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("NotAZipError: ")
        assert "its manifest" in line
    assert checkpoint(tmp_path / "code0", other, verbose=False).files == 1


def test_names_in_a_zip_are_no_commands_to_the_terminal(tmp_path, capsys):
    for number in (1, 2):
        with zipfile.ZipFile(tmp_path / f"{number}.zip", "w") as archive:
            archive.writestr("a\x1b[2J.py", f"x = '\x1b]0;{number}\x07'\n")

    main(["show", str(tmp_path / "1.zip")])
    main(["diff", str(tmp_path / "1.zip"), str(tmp_path / "2.zip")])

    shown = capsys.readouterr().out
    assert r"a\x1b[2J.py" in shown
    assert r"+x = '\x1b]0;2\x07'" in shown
    assert "\x1b" not in shown
