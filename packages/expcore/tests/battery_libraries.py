"""The same as ``battery.py`` for values of numpy, scipy, torch, pandas, polars, jax and attrs.

A name starts with the packages it needs.
"""
# One pair to a line reads best here.
# ruff: noqa: E501, PLC3002

from __future__ import annotations

from typing import Any


def np_() -> Any:
    import numpy

    return numpy


def numpy(make: Any) -> Any:
    return lambda: make(np_())


def scipy(make: Any) -> Any:
    def made() -> Any:
        from scipy import sparse

        return make(sparse)

    return made


def torch(make: Any) -> Any:
    def made() -> Any:
        import torch

        return make(torch)

    return made


def pandas(make: Any) -> Any:
    def made() -> Any:
        import pandas

        return make(pandas)

    return made


def polars(make: Any) -> Any:
    def made() -> Any:
        import polars

        return make(polars)

    return made


def jax(make: Any) -> Any:
    def made() -> Any:
        import jax

        return make(jax)

    return made


def ml_dtypes(make: Any) -> Any:
    def made() -> Any:
        import ml_dtypes

        return make(ml_dtypes, np_())

    return made


def pydantic(make: Any) -> Any:
    def made() -> Any:
        from pydantic import BaseModel

        class Model(BaseModel):
            x: int = 1
            names: set[str] = {"a", "b"}

        return make(Model)

    return made


def attrs(make: Any) -> Any:
    def made() -> Any:
        import attrs

        return make(attrs.make_class("Point", ["x", "y"]), attrs)

    return made


def hashed(attrs: Any) -> Any:
    kind = attrs.make_class("Kept", ["x"], frozen=True, cache_hash=True, slots=False)
    used, fresh = kind("a"), kind("a")
    hash(used)
    return used, fresh


def padded(np: Any, junk: int) -> Any:
    dtype = np.dtype([("a", "u1"), ("b", "<i4")], align=True)
    array = np.frombuffer(bytes([junk]) * dtype.itemsize * 2, dtype).copy()
    array["a"], array["b"] = [1, 2], [3, 4]
    return array


def long_doubles(np: Any, junk: int) -> Any:
    array = np.frombuffer(bytes([junk]) * 64, np.longdouble).copy()
    for i in range(4):
        array[i] = np.longdouble(i)
    return array


def masked(np: Any, hidden: float) -> Any:
    return np.ma.masked_array([1.0, hidden, 3.0], [False, True, False])


def mapped(np: Any) -> Any:
    import tempfile

    with tempfile.NamedTemporaryFile(delete=False) as file:
        np.arange(100.0).tofile(file)
    return np.memmap(file.name, mode="r", dtype=float)


def entries(sparse: Any, *order: int, last: float = 3.0) -> Any:
    rows, columns, values = [0, 1, 1], [2, 0, 1], [1.0, 2.0, last]
    picked = [[part[i] for i in order] for part in (rows, columns, values)]
    return sparse.coo_matrix((picked[2], (picked[0], picked[1])), shape=(2, 3))


def keyed(sparse: Any, *places: tuple[int, int]) -> Any:
    matrix = sparse.dok_matrix((2, 3))
    for row, column in places:
        matrix[row, column] = row + 1
    return matrix


def tagged_matrix(sparse: Any, tag: str) -> Any:
    """Return a matrix of a derived class with an attribute of its own."""
    matrix = type("Tagged", (sparse.csr_matrix,), {"__module__": __name__})((2, 3))
    matrix.tag = tag
    return matrix


def used(matrix: Any) -> Any:
    """Let a matrix remember what it has found out of itself."""
    assert matrix.has_sorted_indices
    assert matrix.has_canonical_format
    return matrix


def big(np: Any, **nan: Any) -> Any:
    array = np.zeros(2_000_000)
    array[1_234_567] = nan.get("value", np.nan)
    return array


def tagged(torch: Any, tag: str) -> Any:
    class Tagged(torch.Tensor):
        pass

    tensor = torch.zeros(3).as_subclass(Tagged)
    tensor.tag = tag
    return tensor


def jagged(torch: Any, value: float) -> Any:
    parts = [torch.ones(2), torch.full((3,), value)]
    return torch.nested.nested_tensor(parts, layout=torch.jagged)


def wrapped(torch: Any, value: float) -> Any:
    from torch.testing._internal.two_tensor import TwoTensor

    return TwoTensor(torch.ones(4), torch.full((4,), float(value)))


def traced(torch: Any, change: float = 1.0) -> Any:
    class Net(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            for _ in range(30):
                x = x + x.relu() * change
            return x

    return torch.fx.symbolic_trace(Net())


def linear(torch: Any, seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, 40, **options), torch.nn.Dropout(0.1))


def trained(module: Any) -> Any:
    module(__import__("torch").ones(1, 3)).sum().backward()
    return module


def frame(pd: Any) -> Any:
    return pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": [0.5, float("nan"), 1.5]})


def hooked(torch: Any) -> Any:
    module = linear(torch)
    module.register_forward_hook(print, with_kwargs=True)
    return module


def normed(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))


def recurrent(torch: Any, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.LSTM(2, 3)


def categories(pd: Any, changed: str = "a500") -> Any:
    return pd.CategoricalDtype([changed if i == 500 else f"a{i}" for i in range(1000)])


EQUAL: dict[str, Any] = {
    "numpy: order": numpy(lambda np: (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)))),
    "numpy: order, large": numpy(lambda np: (np.arange(10**6).reshape(1000, -1) * 1.0, np.asfortranarray(np.arange(10**6).reshape(1000, -1) * 1.0))),
    "numpy: strides": numpy(lambda np: (np.arange(10)[::2], np.array([0, 2, 4, 6, 8]))),
    "numpy: negative strides": numpy(lambda np: (np.arange(5)[::-1], np.array([4, 3, 2, 1, 0]))),
    "numpy: broadcast": numpy(lambda np: (np.broadcast_to(np.ones(3), (2, 3)), np.ones((2, 3)))),
    "numpy: read-only": numpy(lambda np: ((lambda a: (a.setflags(write=False), a)[1])(np.ones(3)), np.ones(3))),
    "numpy: unaligned": numpy(lambda np: (np.frombuffer(b"x" + np.arange(3).tobytes(), int, offset=1), np.arange(3))),
    "numpy: nan": numpy(lambda np: (np.array([np.nan, 1]), np.array([-np.nan, 1]))),
    "numpy: nan, large": numpy(lambda np: (np.full(10**5, np.nan), np.full(10**5, -np.nan))),
    "numpy: nan, very large": numpy(lambda np: (big(np), big(np, value=-np.nan))),
    "numpy: nan, float16": numpy(lambda np: (np.full(9, np.nan, "f2"), np.full(9, -np.nan, "f2"))),
    "numpy: nan, complex": numpy(lambda np: (np.array([complex(np.nan, 1)] * 50), np.array([complex(-np.nan, 1)] * 50))),
    "numpy: nan, scalar": numpy(lambda np: (np.float32(np.nan), -np.float32(np.nan))),
    "numpy: padding": numpy(lambda np: (padded(np, 0), padded(np, 255))),
    "numpy: padding of long doubles": numpy(lambda np: (long_doubles(np, 0), long_doubles(np, 255))),
    "numpy: memmap": numpy(lambda np: (mapped(np), np.arange(100.0))),
    "numpy: objects": numpy(lambda np: (np.array([{"a": 1, "b": 2}, None]), np.array([{"b": 2, "a": 1}, None]))),
    "numpy: masked": numpy(lambda np: (masked(np, 2.0), masked(np, 9.0))),
    "numpy: masked, no mask": numpy(lambda np: (np.ma.masked_array([1]), np.ma.masked_array([1], [False]))),
    "numpy: datetime": numpy(lambda np: (np.array(["2024-01-01"], "M8[D]"), np.array([19723], "M8[D]"))),
    "numpy: strings": numpy(lambda np: (np.array(["a", "b"]), np.array(["a", "bb"]).astype("U1"))),
    "numpy: c type": numpy(lambda np: (np.zeros(3, np.int64), np.zeros(3, np.longlong))),
    "numpy: dtype": numpy(lambda np: (np.dtype("f8"), np.dtype(float))),
    "numpy: generator": numpy(lambda np: (np.random.default_rng(0), np.random.default_rng(0))),
    "numpy: random state": numpy(lambda np: (np.random.RandomState(0), np.random.RandomState(0))),
    "numpy: ufunc": numpy(lambda np: (np.add, np.add)),
    "numpy: function": numpy(lambda np: (np.mean, np.mean)),
    "numpy: record array": numpy(lambda np: (np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]))),
    "numpy: structured": numpy(lambda np: (np.array([(1, 2.0)] * 99, [("a", "i4"), ("b", "f8")]), np.array([(1, 2.0)] * 99, [("a", "i4"), ("b", "f8")])[::-1])),
    "numpy: masked, structured": numpy(lambda np: (np.ma.masked_array([(1, 2.0)], [(0, 1)], [("a", "i4"), ("b", "f8")]), np.ma.masked_array([(1, 9.0)], [(0, 1)], [("a", "i4"), ("b", "f8")]))),
    "numpy: dtypes": numpy(lambda np: ([np.zeros(3, name) for name in ["i1", "u2", "<i4", ">i8", "f2", "<f4", ">f8", "c8", "c16", "?", "U3", "S3", "V3", "M8[ns]", "m8[D]"]], [np.zeros((3, 2), name)[:, 1] for name in ["i1", "u2", "<i4", ">i8", "f2", "<f4", ">f8", "c8", "c16", "?", "U3", "S3", "V3", "M8[ns]", "m8[D]"]])),
    "numpy: not a time": numpy(lambda np: (np.array(["NaT", "2024-01-01"], "M8[s]"), np.array(["2024-01-01", "NaT"], "M8[s]")[::-1])),
    "numpy: empty": numpy(lambda np: (np.zeros((0, 3)), np.empty((0, 3)))),
    "scipy: order": scipy(lambda sp: (entries(sp, 0, 1, 2), entries(sp, 2, 0, 1))),
    "scipy: what it remembers": scipy(lambda sp: (used(entries(sp, 0, 1, 2).tocsr()), sp.csr_matrix(entries(sp, 0, 1, 2).toarray()))),
    "scipy: width of indices": scipy(lambda sp: (sp.csr_matrix(([1.0], [2], [0, 1])), sp.csr_matrix(([1.0], np_().array([2], "i8"), np_().array([0, 1], "i8"))))),
    "scipy: duplicates": scipy(lambda sp: (sp.csc_matrix(([2.0], ([0], [1]))), sp.csc_matrix(([1.0, 1.0], ([0, 0], [1, 1]))))),
    "scipy: keys": scipy(lambda sp: (keyed(sp, (0, 1), (1, 0)), keyed(sp, (1, 0), (0, 1)))),
    "scipy: lists": scipy(lambda sp: (entries(sp, 0, 1, 2).tolil(), entries(sp, 2, 1, 0).tolil())),
    "torch: strides": torch(lambda t: (t.arange(6).reshape(2, 3).t(), t.tensor([[0, 3], [1, 4], [2, 5]]))),
    "torch: storage": torch(lambda t: (t.arange(9)[3:5], t.tensor([3, 4]))),
    "torch: bfloat16": torch(lambda t: (t.ones(300, dtype=t.bfloat16), t.ones(300).bfloat16())),
    "torch: nan": torch(lambda t: (t.full((9,), float("nan")), -t.full((9,), float("nan")))),
    "torch: nan, bfloat16": torch(lambda t: (t.full((9,), float("nan")).bfloat16(), -t.full((9,), float("nan")).bfloat16())),
    "torch: nan, float8": torch(lambda t: (t.tensor([0x7F] * 9, dtype=t.uint8).view(t.float8_e4m3fn), t.tensor([0xFF] * 9, dtype=t.uint8).view(t.float8_e4m3fn))),
    "torch: conjugate": torch(lambda t: (t.tensor([1 + 2j]).conj(), t.tensor([1 - 2j]))),
    "torch: parameter": torch(lambda t: (t.nn.Parameter(t.ones(3)), t.nn.Parameter(t.ones(3)))),
    "torch: jagged": torch(lambda t: (jagged(t, 1.0), jagged(t, 1.0))),
    "torch: sparse": torch(lambda t: (t.eye(3).to_sparse(), t.eye(3).to_sparse().t())),
    "torch: module": torch(lambda t: (linear(t), linear(t))),
    "torch: module, gradients": torch(lambda t: (linear(t), trained(linear(t)))),
    "torch: dtype": torch(lambda t: (t.float32, t.float)),
    "torch: csr": torch(lambda t: (t.eye(3).to_sparse_csr(), t.eye(3).to_sparse().to_sparse_csr())),
    "torch: float8": torch(lambda t: (t.ones(9).to(t.float8_e4m3fn), t.ones(3, 3).to(t.float8_e4m3fn).reshape(9))),
    "torch: device": torch(lambda t: (t.device("cpu"), t.device(type="cpu"))),
    "torch: size": torch(lambda t: (t.ones(2, 3).shape, t.Size([2, 3]))),
    "torch: state dict": torch(lambda t: (linear(t).state_dict(), linear(t).state_dict())),
    "torch: optimizer": torch(lambda t: (t.optim.Adam(linear(t).parameters()), t.optim.Adam(linear(t).parameters()))),
    "torch: generator": torch(lambda t: (t.Generator().manual_seed(1), t.Generator().manual_seed(1))),
    "torch: module, hook": torch(lambda t: (hooked(t), hooked(t))),
    "torch: module, recurrent": torch(lambda t: (recurrent(t), recurrent(t))),
    "torch: module, parametrization": torch(lambda t: (normed(t), normed(t))),
    "pandas: categorical dtype": pandas(lambda pd: (categories(pd), categories(pd))),
    "pandas: frame": pandas(lambda pd: (frame(pd), frame(pd).copy())),
    "pandas: blocks": pandas(lambda pd: (pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [1]}).assign(b=2))),
    "pandas: range index": pandas(lambda pd: (pd.Series([1, 2]), pd.Series([1, 2], index=pd.Index([0, 1])))),
    "pandas: nan": pandas(lambda pd: (pd.Series([float("nan")]), pd.Series([-float("nan")]))),
    "pandas: nullable": pandas(lambda pd: (pd.array([1, None], "Int64"), pd.array([1, pd.NA], "Int64"))),
    "pandas: categories": pandas(lambda pd: (pd.Categorical(["a", "b"]), pd.Categorical.from_codes([0, 1], ["a", "b"]))),
    "pandas: timestamps": pandas(lambda pd: (pd.Timestamp("2024-01-01"), pd.Timestamp(2024, 1, 1))),
    "pandas: multi index": pandas(lambda pd: (pd.MultiIndex.from_product([[1, 2], ["a", "b"]]), pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a"), (2, "b")]))),
    "pandas: strings": pandas(lambda pd: (pd.Series(["a", None], dtype="string"), pd.Series(["a", pd.NA], dtype="string"))),
    "polars: frame": polars(lambda pl: (pl.DataFrame({"a": [1, None], "b": ["x", "y"]}), pl.DataFrame({"a": [1, None], "b": ["x", "y"]}))),
    "polars: chunks": polars(lambda pl: (pl.concat([pl.Series([1]), pl.Series([2])], rechunk=False), pl.Series([1, 2]))),
    "polars: categories": polars(lambda pl: (pl.Series(["b", "a"], dtype=pl.Categorical), pl.Series(["a", "b", "a"], dtype=pl.Categorical)[1:])),
    "polars: nested": polars(lambda pl: (pl.Series([[1, 2], None]), pl.Series([[1, 2], None]))),
    "jax: array": jax(lambda jax: (jax.numpy.arange(5.0), jax.numpy.array([0.0, 1, 2, 3, 4]))),
    "jax: key": jax(lambda jax: (jax.random.key(1), jax.random.key(1))),
    "torch: traced": torch(lambda t: (traced(t), traced(t))),
    "torch: wrapped": torch(lambda t: (wrapped(t, 1), wrapped(t, 1))),
    "torch: attribute of a tensor": torch(lambda t: (tagged(t, "a"), tagged(t, "a"))),
    "ml_dtypes: nan": ml_dtypes(lambda ml, np: (np.full(9, np.nan, ml.bfloat16), np.full(9, -np.nan, ml.bfloat16))),
    "ml_dtypes: nan, large": ml_dtypes(lambda ml, np: (np.full(999, np.nan, ml.float8_e4m3fn), np.full(999, -np.nan, ml.float8_e4m3fn))),
    "ml_dtypes: called as long doubles are": ml_dtypes(lambda ml, np: (np.ones(999, ml.float8_e4m3fnuz), np.ones(1998, ml.float8_e4m3fnuz)[::2])),
    "pydantic: class": pydantic(lambda Model: (Model, type(Model(x=3)))),
    "attrs: cached hash": attrs(lambda _, attrs: hashed(attrs)),
    "attrs: object": attrs(lambda Point, _: (Point(1, 2), Point(1, y=2))),
}  # fmt: skip

DIFFER: dict[str, Any] = {
    "numpy: dtype": numpy(lambda np: (np.zeros(3, "i4"), np.zeros(3, "f4"))),
    "numpy: width": numpy(lambda np: (np.zeros(4, "i4"), np.zeros(4, "i8"))),
    "numpy: signed": numpy(lambda np: (np.zeros(4, "i4"), np.zeros(4, "u4"))),
    "numpy: byte order": numpy(lambda np: (np.arange(3, dtype="<i4"), np.arange(3, dtype=">i4"))),
    "numpy: shape": numpy(lambda np: (np.zeros((2, 3)), np.zeros((3, 2)))),
    "numpy: shape of nothing": numpy(lambda np: (np.zeros((0, 3)), np.zeros((3, 0)))),
    "numpy: dimension": numpy(lambda np: (np.zeros(6), np.zeros((1, 6)))),
    "numpy: transposed": numpy(lambda np: (np.arange(4).reshape(2, 2), np.arange(4).reshape(2, 2).T)),
    "numpy: list": numpy(lambda np: (np.array([1, 2]), [1, 2])),
    "numpy: scalar": numpy(lambda np: (np.int64(1), 1)),
    "numpy: float scalar": numpy(lambda np: (np.float64(1), 1.0)),
    "numpy: scalar width": numpy(lambda np: (np.int64(1), np.int32(1))),
    "numpy: scalar array": numpy(lambda np: (np.float64(1), np.array(1.0))),
    "numpy: bool": numpy(lambda np: (np.True_, True)),
    "numpy: str": numpy(lambda np: (np.str_("a"), "a")),
    "numpy: bytes": numpy(lambda np: (np.bytes_(b"a"), b"a")),
    "numpy: negative zero": numpy(lambda np: (np.array([0.0]), np.array([-0.0]))),
    "numpy: negative zero, large": numpy(lambda np: (np.zeros(10**5), -np.zeros(10**5))),
    "numpy: last value": numpy(lambda np: (big(np, value=1.0), big(np, value=2.0))),
    "numpy: nan place": numpy(lambda np: (np.array([np.nan, 1]), np.array([1, np.nan]))),
    "numpy: nan number": numpy(lambda np: (big(np), big(np, value=0.0))),
    "numpy: real complex": numpy(lambda np: (np.ones(3), np.ones(3, complex))),
    "numpy: datetime unit": numpy(lambda np: (np.zeros(1, "M8[D]"), np.zeros(1, "M8[s]"))),
    "numpy: datetime timedelta": numpy(lambda np: (np.zeros(1, "M8[s]"), np.zeros(1, "m8[s]"))),
    "numpy: string width": numpy(lambda np: (np.array(["a"], "U1"), np.array(["a"], "U2"))),
    "numpy: string bytes": numpy(lambda np: (np.array(["a"]), np.array([b"a"]))),
    "numpy: fields": numpy(lambda np: (np.zeros(1, [("a", "i4")]), np.zeros(1, [("b", "i4")]))),
    "numpy: fields, value": numpy(lambda np: (np.zeros(1, [("a", "i4")]), np.ones(1, [("a", "i4")]))),
    "numpy: objects": numpy(lambda np: (np.array([1, None]), np.array([1.0, None]))),
    "numpy: objects, numbers": numpy(lambda np: (np.array([1], object), np.array([1]))),
    "numpy: mask": numpy(lambda np: (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [1, 0]))),
    "numpy: masked, value": numpy(lambda np: (masked(np, 1.0), np.ma.masked_array([1.0, 1.0, 4.0], [0, 1, 0]))),
    "numpy: masked, plain": numpy(lambda np: (np.ma.masked_array([1]), np.array([1]))),
    "numpy: matrix": numpy(lambda np: (np.ones((2, 2)).view(np.recarray), np.ones((2, 2)))),
    "numpy: generator": numpy(lambda np: (np.random.default_rng(0), np.random.default_rng(1))),
    "numpy: ufunc": numpy(lambda np: (np.add, np.subtract)),
    "numpy: dtype, str": numpy(lambda np: (np.dtype("f8"), "f8")),
    "numpy: bytes of an array": numpy(lambda np: (np.zeros(2, "u1"), b"\0\0")),
    "torch: dtype": torch(lambda t: (t.zeros(3), t.zeros(3).double())),
    "torch: csr": torch(lambda t: (t.eye(3).to_sparse_csr(), t.eye(3).to_sparse_csc())),
    "torch: half": torch(lambda t: (t.zeros(3).half(), t.zeros(3).bfloat16())),
    "torch: shape": torch(lambda t: (t.zeros(2, 3), t.zeros(3, 2))),
    "torch: value": torch(lambda t: (t.zeros(300), t.ones(300))),
    "torch: value, bfloat16": torch(lambda t: (t.zeros(300).bfloat16(), t.ones(300).bfloat16())),
    "torch: parameter": torch(lambda t: (t.nn.Parameter(t.ones(3)), t.ones(3, requires_grad=True))),
    "torch: requires grad": torch(lambda t: (t.ones(3), t.ones(3, requires_grad=True))),
    "torch: negative zero": torch(lambda t: (t.zeros(3), -t.zeros(3))),
    "torch: sparse": torch(lambda t: (t.eye(3), t.eye(3).to_sparse())),
    "torch: sparse value": torch(lambda t: (t.eye(3).to_sparse(), (2 * t.eye(3)).to_sparse())),
    "torch: sparse layout": torch(lambda t: (t.eye(3).to_sparse(), t.eye(3).to_sparse_coo().to_dense().to_sparse(1))),
    "torch: meta": torch(lambda t: (t.empty(3, device="meta"), t.empty(4, device="meta"))),
    "torch: meta, zero": torch(lambda t: (t.empty(3, device="meta"), t.zeros(3))),
    "torch, numpy: array": torch(lambda t: (t.ones(3), t.ones(3).numpy())),
    "torch: scalar": torch(lambda t: (t.tensor(1.0), 1.0)),
    "torch: module, weights": torch(lambda t: (linear(t), linear(t, seed=1))),
    "torch: module, mode": torch(lambda t: (linear(t), linear(t).eval())),
    "torch: module, hook": torch(lambda t: (hooked(t), linear(t))),
    "torch: module, recurrent": torch(lambda t: (recurrent(t), recurrent(t, seed=1))),
    "torch: module, bias": torch(lambda t: (t.nn.Linear(2, 2, bias=False), t.nn.Linear(2, 2))),
    "torch: module, option": torch(lambda t: (t.nn.Dropout(0.1), t.nn.Dropout(0.2))),
    "torch: module, class": torch(lambda t: (t.nn.ReLU(), t.nn.Tanh())),
    "torch: module, order": torch(lambda t: (t.nn.ModuleDict({"a": t.nn.ReLU(), "b": t.nn.ReLU()}), t.nn.ModuleDict({"b": t.nn.ReLU(), "a": t.nn.ReLU()}))),
    "torch: module, frozen": torch(lambda t: (linear(t), linear(t).requires_grad_(False))),
    "torch: dtype, str": torch(lambda t: (t.float32, "torch.float32")),
    "torch: size": torch(lambda t: (t.Size([2]), (2,))),
    "torch: generator": torch(lambda t: (t.Generator().manual_seed(1), t.Generator().manual_seed(2))),
    "pandas: value": pandas(lambda pd: (pd.Series([1, 2]), pd.Series([1, 3]))),
    "pandas: dtype": pandas(lambda pd: (pd.Series([1, 2]), pd.Series([1.0, 2.0]))),
    "pandas: nullable": pandas(lambda pd: (pd.Series([1, 2]), pd.Series([1, 2], dtype="Int64"))),
    "pandas: nullable value": pandas(lambda pd: (pd.Series([1, None], dtype="Int64"), pd.Series([2, None], dtype="Int64"))),
    "pandas: name": pandas(lambda pd: (pd.Series([1], name="a"), pd.Series([1], name="b"))),
    "pandas: index": pandas(lambda pd: (pd.Series([1], index=["a"]), pd.Series([1], index=["b"]))),
    "pandas: index name": pandas(lambda pd: (pd.Index([1], name="a"), pd.Index([1]))),
    "pandas: columns": pandas(lambda pd: (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]}))),
    "pandas: column order": pandas(lambda pd: (pd.DataFrame({"a": [1], "b": [1]}), pd.DataFrame({"b": [1], "a": [1]}))),
    "pandas: row order": pandas(lambda pd: (frame(pd), frame(pd)[::-1])),
    "pandas: frame series": pandas(lambda pd: (pd.Series([1], name="a"), pd.DataFrame({"a": [1]}))),
    "pandas: categories": pandas(lambda pd: (pd.Categorical(["a"]), pd.Categorical(["a"], ["a", "b"]))),
    "pandas: categorical dtype": pandas(lambda pd: (categories(pd), categories(pd, "b"))),
    "pandas: ordered": pandas(lambda pd: (pd.Categorical(["a"]), pd.Categorical(["a"], ordered=True))),
    "pandas: category object": pandas(lambda pd: (pd.Series(["a"]), pd.Series(["a"], dtype="category"))),
    "pandas: zone": pandas(lambda pd: (pd.Series(pd.to_datetime(["2024"])), pd.Series(pd.to_datetime(["2024"]).tz_localize("UTC")))),
    "pandas: timestamp": pandas(lambda pd: (pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-02"))),
    "pandas: period": pandas(lambda pd: (pd.Period("2024", "M"), pd.Period("2024", "Y"))),
    "pandas: missing": pandas(lambda pd: (pd.NA, pd.NaT)),
    "pandas: none nan": pandas(lambda pd: (pd.Series([None], dtype=object), pd.Series([float("nan")], dtype=object))),
    "pandas: missing strings": pandas(lambda pd: (pd.Series(["a"], dtype=pd.StringDtype(na_value=pd.NA)), pd.Series(["a"], dtype=pd.StringDtype(na_value=float("nan"))))),
    "pandas: missing none": pandas(lambda pd: (pd.NA, None)),
    "polars: dtype": polars(lambda pl: (pl.Series([1]), pl.Series([1.0]))),
    "polars: null": polars(lambda pl: (pl.Series([1, None]), pl.Series([1, 0]))),
    "polars: null place": polars(lambda pl: (pl.Series([1, None]), pl.Series([None, 1]))),
    "polars: name": polars(lambda pl: (pl.Series("a", [1]), pl.Series("b", [1]))),
    "polars: frame": polars(lambda pl: (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [2]}))),
    "polars: column order": polars(lambda pl: (pl.DataFrame({"a": [1], "b": [1]}), pl.DataFrame({"b": [1], "a": [1]}))),
    "polars: string": polars(lambda pl: (pl.Series(["a"]), pl.Series(["a"], dtype=pl.Categorical))),
    "polars, pandas: frames": polars(lambda pl: (pl.DataFrame({"a": [1]}), __import__("pandas").DataFrame({"a": [1]}))),
    "jax: dtype": jax(lambda jax: (jax.numpy.arange(3), jax.numpy.arange(3.0))),
    "jax: value": jax(lambda jax: (jax.numpy.arange(3), jax.numpy.arange(3) + 1)),
    "jax: bfloat16": jax(lambda jax: (jax.numpy.ones(3, "bfloat16"), jax.numpy.ones(3, "float16"))),
    "jax, numpy: array": jax(lambda jax: (jax.numpy.ones(3, "float32"), np_().ones(3, "float32"))),
    "jax: key": jax(lambda jax: (jax.random.key(1), jax.random.key(2))),
    "jax: key, data": jax(lambda jax: (jax.random.key(1), jax.random.key_data(jax.random.key(1)))),
    "ml_dtypes: dtype": ml_dtypes(lambda ml, np: (np.zeros(9, ml.float8_e4m3fn), np.zeros(9, ml.float8_e5m2))),
    "ml_dtypes: integers": ml_dtypes(lambda ml, np: (np.ones(9, ml.int4), np.ones(9, ml.uint4))),
    "ml_dtypes: negative zero": ml_dtypes(lambda ml, np: (np.zeros(9, ml.bfloat16), -np.zeros(9, ml.bfloat16))),
    "pydantic: value": pydantic(lambda Model: (Model(x=1), Model(x=2))),
    "pydantic: class and object": pydantic(lambda Model: (Model, Model())),
    "torch: jagged": torch(lambda t: (jagged(t, 1.0), jagged(t, 2.0))),
    "scipy: attribute": scipy(lambda sp: (tagged_matrix(sp, "a"), tagged_matrix(sp, "b"))),
    "scipy: value": scipy(lambda sp: (entries(sp, 0, 1, 2), entries(sp, 0, 1, 2, last=4.0))),
    "scipy: place": scipy(lambda sp: (entries(sp, 0, 1, 2), entries(sp, 0, 1, 2).tocsr()[::-1].tocoo())),
    "scipy: shape": scipy(lambda sp: (sp.csr_matrix((2, 3)), sp.csr_matrix((2, 4)))),
    "scipy: dtype": scipy(lambda sp: (sp.csr_matrix((2, 3), dtype="f4"), sp.csr_matrix((2, 3), dtype="f8"))),
    "scipy: format": scipy(lambda sp: (sp.csr_matrix((2, 2)), sp.csc_matrix((2, 2)))),
    "scipy: array": scipy(lambda sp: (sp.csr_matrix((2, 2)), sp.csr_array((2, 2)))),
    "torch: traced": torch(lambda t: (traced(t), traced(t, 2.0))),
    "torch: wrapped": torch(lambda t: (wrapped(t, 1), wrapped(t, 2))),
    "torch: attribute of a tensor": torch(lambda t: (tagged(t, "a"), tagged(t, "b"))),
    "attrs: value": attrs(lambda Point, _: (Point(1, 2), Point(1, 3))),
    "attrs: class": attrs(lambda Point, attrs: (Point(1, 2), attrs.make_class("Place", ["x", "y"])(1, 2))),
}  # fmt: skip

if __name__ == "__main__":
    import json
    import sys
    import warnings

    from expcore import digest

    warnings.simplefilter("ignore")
    packages = sys.argv[1:]
    print(
        json.dumps(
            {
                name: digest(make()[0])
                for name, make in EQUAL.items()
                if name.partition(":")[0] in packages
            }
        )
    )
