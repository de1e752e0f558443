"""The bytes of a file: numpy's, objax's, ours; and those that somebody made up."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ckpt
from ckpt._npy import encode_header
from ckpt._reader import open_npz

BF16 = np.dtype([("bfloat16", "<u2")])
GOLDEN = {
    "encoder/w": np.arange(6, dtype="<f4").reshape(2, 3),
    "step": np.array(7, "<i8"),
    "fortran": np.asfortranarray(np.arange(6, dtype="<i2").reshape(2, 3)),
    "empty": np.zeros((0, 3), "|u1"),
    "ünïcode": np.array(["a", "bc"], "<U2"),
    "bf16": np.array([0x3F80, 0x7FC1], "<u2").view(BF16),
}


def read(file) -> dict[str, np.ndarray]:
    with open_npz(file) as reader:
        return reader.read(reader.names)


def written(**arrays) -> io.BytesIO:
    file = io.BytesIO()
    ckpt.save_var_collection(file, ckpt.VarCollection(arrays))
    file.seek(0)
    return file


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes("A") == b.tobytes("A")


def test_the_golden_file_is_written_byte_by_byte(golden) -> None:
    ckpt.save_var_collection("now.npz", ckpt.VarCollection(GOLDEN))

    assert Path("now.npz").read_bytes() == (golden / "ckpt-0.1.npz").read_bytes()


def test_the_golden_file_is_read(golden) -> None:
    arrays = read(golden / "ckpt-0.1.npz")

    assert list(arrays) == list(GOLDEN)
    assert all(same(arrays[name], array) for name, array in GOLDEN.items())


def test_what_objax_wrote_is_read(golden) -> None:
    """Flag bit 3, sizes after the data, no alignment."""
    arrays = read(golden / "objax-1.8.0.npz")

    assert list(arrays)[:2] == ["(Sequential)[0](Linear).b", "(Sequential)[0](Linear).w"]
    assert arrays["(Sequential)[0](Linear).w"].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert len(arrays) == 6


def test_what_numpy_wrote_is_read() -> None:
    arrays = {str(i): array for i, array in enumerate(GOLDEN.values())}
    np.savez("numpy.npz", names=np.array(list(GOLDEN)), **arrays)

    found = read("numpy.npz")

    assert all(same(found[name], array) for name, array in GOLDEN.items())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_aligned_wherever_numpy_put_them(count, order) -> None:
    """Alone, and where several are alike."""
    values = [np.full((2, 3), i + 0.5, order=order) for i in range(count)]
    np.savez("numpy.npz", **{f"odd{i}": value for i, value in enumerate(values)})

    with open_npz("numpy.npz") as reader:
        places = {reader.place(name)[0] % 8 for name in reader.names}
    found = read("numpy.npz").values()

    assert places != {0}
    assert all(array.flags.aligned for array in found)
    assert all(same(array, value) for array, value in zip(found, values, strict=True))


def test_numpy_reads_what_was_written() -> None:
    with np.load(written(**GOLDEN), allow_pickle=False) as file:
        assert file["names"].tolist() == list(GOLDEN)
        for i, array in enumerate(GOLDEN.values()):
            assert same(file[str(i)], array)
            assert file[str(i)].flags.f_contiguous == array.flags.f_contiguous


def test_pythons_zipfile_finds_every_checksum_right() -> None:
    with zipfile.ZipFile(written(**GOLDEN)) as file:
        assert file.testzip() is None
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_every_member_and_every_array_begins_at_a_multiple_of_64() -> None:
    data = written(**GOLDEN).getvalue()
    starts = [at for at in range(len(data)) if data.startswith(b"\x93NUMPY", at)]

    assert len(starts) == len(GOLDEN) + 1
    assert all(at % 64 == 0 for at in starts)
    arrays = read(io.BytesIO(data))
    assert all(array.ctypes.data % 64 == 0 for array in arrays.values())


def test_equal_variables_give_equal_bytes() -> None:
    assert written(**GOLDEN).getvalue() == written(**GOLDEN).getvalue()


def test_no_variables_are_a_file_too() -> None:
    assert read(written()) == {}
    np.savez("none.npz", names=np.array([]))
    assert read("none.npz") == {}


@pytest.mark.parametrize(
    "name",
    ["a/b", "../../etc/passwd", "", " ", "变量", "\ud800", "n" * 5000, "x\ny", "0", "names"],
)
def test_any_name_comes_back(name) -> None:
    assert list(read(written(**{name: np.ones(1), "other": np.zeros(1)}))) == [name, "other"]


def test_a_name_that_numpy_would_cut_is_refused() -> None:
    with pytest.raises(ckpt.UnsupportedValueError, match="NUL"):
        written(**{"w\0": np.ones(1)})
    with pytest.raises(ckpt.UnsupportedValueError, match="no string"):
        ckpt.save_var_collection(io.BytesIO(), {3: ckpt.Var(1)})


def test_seventy_thousand_variables_need_zip64_and_come_back() -> None:
    arrays = {f"layer{i}": np.array(i, np.int32) for i in range(70_000)}

    file = written(**arrays)

    found = read(file)
    assert list(found) == list(arrays)
    assert found["layer69999"] == 69_999
    with zipfile.ZipFile(file) as z:
        assert len(z.namelist()) == 70_001


def test_a_file_of_numpy_itself_is_read_by_its_names() -> None:
    np.savez("plain.npz", np.ones(2), **{"encoder/ä": np.arange(3)})
    vc = ckpt.VarCollection({"encoder/ä": np.zeros(3, int)})

    report = ckpt.load_var_collection("plain.npz", vc)

    assert vc["encoder/ä"].value.tolist() == [0, 1, 2]
    assert report.unused == ("arr_0",)
    with ckpt.load("plain.npz") as arrays:
        assert arrays["arr_0"].tolist() == [1, 1]


def test_more_than_four_gib_come_back(tmp_path) -> None:
    """A sparse file stands for the disk space: the sizes are what is tested."""
    from ckpt import _zip

    size = 5 << 30
    layout = _zip.lay_out([b"a", b"b", b"c"], [size, 3, 4])
    crcs = [0, 1, 2]
    with Path("big.zip").open("wb") as file:
        for row, header in enumerate(_zip.local_headers(layout, range(3), crcs)):
            file.seek(layout.offsets[row])
            file.write(header)
        file.seek(layout.end)
        file.write(_zip.directory(layout, crcs))

    with zipfile.ZipFile("big.zip") as z:
        assert [(i.filename, i.file_size, i.CRC) for i in z.infolist()] == [
            ("a", size, 0), ("b", 3, 1), ("c", 4, 2),
        ]  # fmt: skip
        z.open("a").close()  # its local header agrees
    from ckpt._directory import read_directory
    from ckpt._source import PathSource

    source = PathSource("big.zip")
    found = read_directory(source)
    assert found.names == [b"a", b"b", b"c"]
    assert (list(found.sizes), list(found.crcs)) == ([size, 3, 4], crcs)
    for row, start in enumerate(layout.starts):
        header = source.read(found.offsets[row], 100)
        assert found.offsets[row] + found.data_start(row, header) == start
    source.file.close()


# Files that somebody made up.


def zipped(members: list[tuple[str, bytes]], **options) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as z:
        for name, data in members:
            z.writestr(name, data)
    file.seek(0)
    return file


def npy(array: np.ndarray, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


NAMES = ("names.npy", npy(np.array(["w"])))


def claiming(descr: str, shape: str, data: bytes = b"\0" * 8) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


HOSTILE = {
    "pickled objects": ([NAMES, ("0.npy", npy(np.array([{}], object)))], "pickled"),
    "objects in a field": ([NAMES, ("0.npy", claiming("[('a', '|O')]", "(1,)"))], "pickled"),
    "a bomb of zeros": ([NAMES, ("0.npy", claiming("'<f8'", "(1000000000,)"))], "claims 8000"),
    "a bomb of dimensions": (
        [NAMES, ("0.npy", claiming("'<f8'", f"({', '.join(['4096'] * 20)})"))],
        "claims",
    ),
    "many dimensions": ([NAMES, ("0.npy", claiming("'|u1'", f"({'1, ' * 99})", b"0"))], "0.npy"),
    "an empty giant": (
        [NAMES, ("0.npy", claiming("'<f8'", f"(0, {2**62}, {2**62})", b""))],
        "0.npy",
    ),
    "a negative shape": ([NAMES, ("0.npy", claiming("'<f8'", "(-1, -1)"))], "claims shape"),
    "a shape of booleans": ([NAMES, ("0.npy", claiming("'<f8'", "(True,)"))], "claims shape"),
    "no tuple for a shape": ([NAMES, ("0.npy", claiming("'<f8'", "[1]"))], "claims shape"),
    "an unknown dtype": ([NAMES, ("0.npy", claiming("'<q9'", "(1,)"))], "claims dtype"),
    "code for a dtype": ([NAMES, ("0.npy", claiming("__import__('os')", "(1,)"))], "header"),
    "a deep header": ([NAMES, ("0.npy", claiming("(" * 4000 + ")" * 4000, "(1,)"))], "header"),
    "a long header": ([NAMES, ("0.npy", claiming("'<f8'" + " " * 20_000, "(1,)"))], "more than"),
    "no npy file": ([NAMES, ("0.npy", b"hello, world, how are you")], "does not begin"),
    "an empty member": ([NAMES, ("0.npy", b"")], "does not begin"),
    "a missing member": ([NAMES], "names 1 variables but holds 0"),
    "a surplus member": (
        [NAMES, ("0.npy", npy(np.ones(1))), ("1.npy", npy(np.ones(1)))],
        "names 1 variables but holds 2",
    ),
    "a wrong number": ([NAMES, ("1.npy", npy(np.ones(1)))], "no member '0.npy'"),
    "no names": ([("0.npy", npy(np.ones(1)))], "no member 'names.npy'"),
    "names of numbers": ([("names.npy", npy(np.ones(3)))], "it is an array of float64"),
    "names beyond unicode": (
        [("names.npy", claiming("'<U1'", "(1,)", b"\xff\xff\xff\x7f"))],
        "it holds no text",
    ),
    "a name twice": (
        [
            ("names.npy", npy(np.array(["w", "w"]))),
            ("0.npy", npy(np.ones(1))),
            ("1.npy", npy(np.ones(1))),
        ],
        "one name to two variables",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_is_refused_before_memory_is_allocated(case) -> None:
    members, reason = HOSTILE[case]
    file = zipped(members)
    variable = ckpt.Var(np.full(1, 7.0))
    tracemalloc.start()
    try:
        with pytest.raises(ckpt.BrokenFileError, match=reason):
            ckpt.load_var_collection(file, {"w": variable})
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert variable.value == 7


def test_a_member_twice_is_refused() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        file = zipped([NAMES, ("0.npy", npy(np.ones(1))), ("0.npy", npy(np.zeros(1)))])

    with pytest.raises(ckpt.BrokenFileError, match="the same name"):
        read(file)


@pytest.mark.parametrize(
    ("meta", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"ckpt": 1, "metrics": [1]}', "metrics are no numbers"),
        ('{"ckpt": 1, "metrics": {"loss": "low"}}', "metrics are no numbers"),
        ('{"ckpt": 1, "metrics": {"loss": 1' + "0" * 400 + "}}", "metrics are no numbers"),
        ('{"ckpt": 1, "extra": 1' + "0" * 5000 + "}", "meta.json"),
        ('{"ckpt": 2}', "not of version 1"),
        ("[]", "not of version 1"),
        ("no json", "meta.json"),
        ("\udcff", "not of version 1|meta.json"),
    ],
)
def test_data_that_somebody_made_up_are_a_broken_file_that_ends_no_training(meta, reason) -> None:
    data = meta.encode("utf-8", "surrogatepass")
    hostile = zipped([NAMES, ("0.npy", npy(np.ones(1))), ("meta.json", data)]).getvalue()
    vc = ckpt.VarCollection({"w": np.zeros(1)})
    checkpoint = ckpt.Checkpoint("logs", keep_ckpts=2, verbose=False)
    checkpoint.save(vc, 1)
    Path("logs/ckpt/0000000002.npz").write_bytes(hostile)

    with pytest.warns(ckpt.BrokenCheckpointWarning, match=reason):
        assert checkpoint.restore(vc)[0] == 1
    checkpoint.save(vc, 3)

    assert [saved.step for saved in checkpoint.all()] == [1, 3]


def test_a_compressed_file_is_refused() -> None:
    file = zipped([NAMES, ("0.npy", npy(np.zeros(10**6)))], compression=zipfile.ZIP_DEFLATED)

    with pytest.raises(ckpt.BrokenFileError, match=r"compressed"):
        read(file)


def test_a_size_beyond_the_file_is_refused() -> None:
    data = bytearray(zipped([NAMES, ("0.npy", npy(np.ones(1)))]).getvalue())
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<2I", data, at + 20, 2**31, 2**31)

    with pytest.raises(ckpt.BrokenFileError, match="more than it has"):
        read(io.BytesIO(bytes(data)))


def test_members_that_overlap_are_refused() -> None:
    """Forty-two members of the same bytes make a bomb of a small file."""
    data = bytearray(written(a=np.zeros(100), b=np.ones(100)).getvalue())
    at = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, at + 42, 0)

    with pytest.raises(ckpt.BrokenFileError):
        read(io.BytesIO(bytes(data)))


def test_a_count_of_members_beyond_the_file_is_refused() -> None:
    data = bytearray(written(a=np.zeros(3)).getvalue())
    struct.pack_into("<2H", data, len(data) - 14, 60_000, 60_000)

    with pytest.raises(ckpt.BrokenFileError, match="contradicts"):
        read(io.BytesIO(bytes(data)))


def test_a_structure_too_wide_for_numpy_to_read_back_is_refused() -> None:
    dtype = np.dtype([(f"field{i}", "<f4") for i in range(1000)])

    with pytest.raises(ckpt.UnsupportedValueError, match="1000 fields"):
        written(wide=np.zeros(1, dtype))


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (10**6,) * 3, (1,) * 30])
def test_headers_are_as_long_as_a_multiple_of_64(shape) -> None:
    assert len(encode_header(np.dtype("<f4"), shape, fortran=False)) % 64 == 0
