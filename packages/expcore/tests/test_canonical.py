"""A canonical digest tells values apart by type and content, and by nothing else."""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expcore import UndigestableError, digest, register
from expcore._resolve import _registered, _resolved

HERE = Path(__file__).parent
GOLDEN: dict[str, str] = json.loads((HERE / "golden" / "digests.json").read_text())
# torch about its own sparse tensors, once per process
pytestmark = pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
ALGORITHMS = ["xxh3_128", "sha256", "blake3"]


def pair_of(named: tuple[str, Any]) -> tuple[Any, Any]:
    name, make = named
    packages = name.partition(":")[0] if ":" in name else ""
    for package in filter(None, packages.split(", ")):
        pytest.importorskip(package)
    if "pandas" in name and "torch" not in name:
        pytest.importorskip("pandas")
    first, second = make()
    return first, second


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_these_are_equal(equal_pair: tuple[str, Any], algorithm: Any) -> None:
    if algorithm == "blake3":
        pytest.importorskip("blake3")
    first, second = pair_of(equal_pair)

    assert digest(first, algorithm=algorithm) == digest(second, algorithm=algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS[:2])
def test_these_differ(differ_pair: tuple[str, Any], algorithm: Any) -> None:
    first, second = pair_of(differ_pair)

    assert digest(first, algorithm=algorithm) != digest(second, algorithm=algorithm)


def test_a_digest_begins_with_its_algorithm_and_says_nothing_of_others() -> None:
    assert digest(1).startswith("xxh3_128:")
    assert digest(1, algorithm="sha256").startswith("sha256:")
    assert digest(1).partition(":")[2] not in digest(1, algorithm="sha256")


def test_a_strong_digest_holds_no_weak_one_inside() -> None:
    """Large parts are digested on their own, by the same algorithm."""
    from expcore._walk import Walk

    collapsed = Walk("sha256").encode(["x" * 10_000])

    assert len(Walk("sha256").encode("x" * 10_000)) == 1 + 32
    assert len(collapsed) == 1 + 1 + 32 + 1


def environment(**more: str) -> dict[str, str]:
    import expcore

    source = str(Path(expcore.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, **more}


def digests_by(python: str, env: dict[str, str]) -> dict[str, str]:
    command = [python, str(HERE / "battery.py")]
    done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    digests: dict[str, str] = json.loads(done.stdout)
    return digests


@pytest.mark.parametrize("seed", ["0", "1", "42", "4294967295"])
def test_digests_are_the_golden_ones_under_any_hash_seed(seed: str) -> None:
    assert digests_by(sys.executable, environment(PYTHONHASHSEED=seed)) == GOLDEN


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_digests_are_the_golden_ones_under_any_python(version: str, tmp_path: Path) -> None:
    """Where another Python with xxhash is at hand; else its own run of the tests says it."""
    import expcore

    python = shutil.which(f"python{version}")
    shutil.copytree(Path(expcore.__file__).parent, tmp_path / "expcore")
    env = environment(PYTHONPATH=str(tmp_path))
    check = [python or "", "-c", "from expcore import digest, write_file"]
    if python is None or subprocess.run(check, env=env, capture_output=True).returncode:
        pytest.skip(f"no python{version} with xxhash and filelock on PATH")

    assert digests_by(python, env) == GOLDEN


def test_digests_are_the_golden_ones_in_this_process(golden_pair: tuple[str, Any]) -> None:
    name, make = golden_pair

    assert digest(make()[0]) == GOLDEN[name]


class Locked:
    def __init__(self) -> None:
        self.loader = type("Loader", (), {})()
        self.loader._lock = threading.Lock()


class Slots:
    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Unshown(Locked):
    def __repr__(self) -> str:
        raise ValueError("not ready yet")


def closing_over(lock: Any) -> Any:
    return lambda: lock


CULPRITS: list[tuple[Any, str]] = [
    (lambda: {"model": Locked()}, r"args\['model'\]\.loader\._lock \(lock\)"),
    (lambda: [1, (2, {"k": [Slots()]})], r"args\[1\]\[1\]\['k'\]\[0\]\.lock"),
    (lambda: {1: {threading.Lock()}}, r"args\[1\]\{<unlocked"),
    (lambda: {Unshown(): 1}, r"args\[a Unshown\]\.loader\._lock \(lock\)"),
    (lambda: (i for i in ()), r"args \(generator\): it can be run only once"),
    (lambda: [iter([1])], r"args\[0\] \(list_iterator\): an iterator"),
    (lambda: map(str, []), r"args \(map\): an iterator"),
    (socket.socket, r"args \(socket\)"),
    (lambda: open(os.devnull), r"args \(TextIOWrapper\): an open file"),  # noqa: PTH123, SIM115
    (lambda: {"f": open(os.devnull, "rb", 0)}, r"args\['f'\] \(FileIO\)"),  # noqa: PTH123, SIM115
    (lambda: __import__("weakref").ref(Locked), r"args \(ReferenceType\): a weak reference"),
    (lambda: closing_over(threading.Lock()), r"args\.__closure__\.lock \(lock\)"),
    (lambda: sys._getframe(), r"args \(frame\)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "path"), CULPRITS)
def test_what_has_no_content_is_named_with_its_path(make: Any, path: str) -> None:
    value = make()
    try:
        with pytest.raises(UndigestableError, match=f"^cannot digest {path}") as caught:
            digest(value, name="args")
    finally:
        if hasattr(value, "close"):
            value.close()
        if isinstance(value, dict) and "f" in value:
            value["f"].close()
    assert isinstance(caught.value, TypeError)


def test_the_path_into_an_array_of_objects_is_an_index() -> None:
    np = pytest.importorskip("numpy")
    array = np.empty((2, 2), object)
    array[1, 0] = threading.Lock()

    with pytest.raises(UndigestableError, match=r"obj\[1, 0\] \(lock\)"):
        digest(array)


def test_the_path_into_a_module_is_an_attribute() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.ReLU())
    module[0].lock = threading.Lock()

    with pytest.raises(UndigestableError, match=r"obj\.0\.lock \(lock\)"):
        digest(module)


def test_a_value_that_failed_can_be_digested_once_it_is_mended() -> None:
    value: dict[str, Any] = {"a": [1], "b": threading.Lock()}
    with pytest.raises(UndigestableError):
        digest(value)

    value["b"] = 2

    assert digest(value) == digest({"a": [1], "b": 2})


def test_what_leads_to_each_other_in_all_directions_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("expcore._walk.MOST_TURNS", 1000)
    nodes: list[list[Any]] = [[] for _ in range(12)]
    for node in nodes:
        node.extend(nodes)

    with pytest.raises(UndigestableError, match="in too many ways; give its class"):
        digest(nodes)


def test_of_what_leads_back_there_may_be_any_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is met on many ways takes for ever; a tree that knows its parents is large."""
    monkeypatch.setattr("expcore._walk.MOST_TURNS", 10)
    root: dict[str, Any] = {}
    root["children"] = [{"parent": root} for _ in range(100)]

    assert digest(root).startswith("xxh3_128:")


def test_a_tensor_without_memory_is_refused() -> None:
    """Reading where it has none ended the process."""
    torch = pytest.importorskip("torch")
    subclasses = pytest.importorskip("torch._subclasses.fake_tensor")
    with subclasses.FakeTensorMode():
        fake = torch.ones(3)

    with pytest.raises(UndigestableError, match="no memory that could be read"):
        digest(fake)


def test_too_deep_a_value_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(UndigestableError, match="nested too deeply"):
        digest(deep)


@pytest.fixture
def registry() -> Any:
    before = dict(_registered)
    yield
    _registered.clear()
    _registered.update(before)
    _resolved.clear()


class Base:
    def __init__(self, value: Any) -> None:
        self.value, self.lock = value, threading.Lock()


class Derived(Base):
    pass


@pytest.mark.usefixtures("registry")
def test_registration_reaches_derived_classes_and_keeps_them_apart() -> None:
    register(Base, lambda base: base.value)

    assert digest(Base([1])) == digest(Base([1]))
    assert digest(Base(1)) != digest(Base(2))
    assert digest(Base(1)) != digest(Derived(1))


@pytest.mark.usefixtures("registry")
def test_registration_works_after_a_failure_and_the_nearest_class_wins() -> None:
    with pytest.raises(UndigestableError):
        digest(Derived(1))

    register(Base, lambda _: 0)
    register(Derived, lambda derived: derived.value)

    assert digest(Derived(1)) != digest(Derived(2))
    assert digest(Base(1)) == digest(Base(2))


@pytest.mark.usefixtures("registry")
def test_a_builtin_can_be_registered() -> None:
    from expcore import _walk

    before = dict(_walk.TABLE)
    try:
        register(str, lambda text: text.lower().encode())
        assert digest("A") == digest("a")
        assert digest(["A"]) == digest(["a"])
    finally:
        _walk.TABLE.update(before)


def test_only_types_can_be_registered() -> None:
    with pytest.raises(TypeError, match="takes a type"):
        register("str", str)  # type: ignore[arg-type]


def test_functions_without_source_are_told_apart_by_bytecode() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    'doc'\n    return x + 1\ndef g(x): return x + 2", space)
    exec("\n\n\ndef h(x):\n    'other'\n    return x + 1", space)

    assert digest(space["f"]) != digest(space["g"])
    assert digest(space["f"]) == digest(space["h"])


def test_a_file_that_was_edited_after_import_is_not_taken_for_the_source(tmp_path: Path) -> None:
    import linecache

    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x + 1\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    path.write_text("def f(x):\n    return x + 2\n")
    linecache.checkcache()

    stale, one_more = digest(space["f"]), digest(lambda x: x + 1)

    assert stale != digest(lambda x: x + 2)
    assert stale != one_more  # by bytecode: a cache is missed, never wrongly hit


def test_importing_and_digesting_builtins_imports_nothing_heavy() -> None:
    code = (
        "import sys, expcore; expcore.digest({'a': [1, len]})\n"
        "print([n for n in ('numpy', 'torch', 'pandas', 'jax', 'b2sdk', 'fsspec', 'tqdm') "
        "if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True
    )

    assert done.stdout == "[]\n", done.stderr


def test_a_script_and_its_import_name_classes_alike(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "from dataclasses import dataclass\nfrom expcore import digest\n"
        "@dataclass\nclass Args:\n    lr: float\nprint(digest(Args(0.1)))\n"
    )
    commands = [[str(script)], ["-c", "import train"], ["-m", "train"]]

    said = {
        subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment(), capture_output=True
        ).stdout
        for command in commands
    }

    assert len(said) == 1
    assert said.pop().startswith(b"xxh3_128:")


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.complex_numbers() | st.dates() | st.uuids() | st.decimals(allow_nan=False)
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=5)
        | st.frozensets(scalars, max_size=5)
    ),
    max_leaves=30,
)


def shape(value: Any) -> Any:
    """What a digest stands for, said in another way: types and exact contents."""
    kind = type(value).__name__
    if isinstance(value, float):
        return kind, "nan" if math.isnan(value) else value.hex()
    if isinstance(value, complex):
        return kind, shape(value.real), shape(value.imag)
    if isinstance(value, dict):
        return kind, frozenset((shape(key), shape(item)) for key, item in value.items())
    if isinstance(value, frozenset):
        return kind, tuple(sorted(map(repr, map(shape, value))))
    if isinstance(value, list | tuple):
        return kind, tuple(map(shape, value))
    if kind == "Decimal":
        return kind, "nan" if value.is_nan() else str(value)
    return kind, value


@given(values, values)
def test_digests_are_equal_exactly_when_types_and_contents_are(first: Any, second: Any) -> None:
    assert (digest(first) == digest(second)) == (shape(first) == shape(second))


@given(values)
def test_a_copy_has_the_digest_of_the_original(value: Any) -> None:
    import copy
    import pickle

    assert digest(pickle.loads(pickle.dumps(value))) == digest(value)
    assert digest(copy.deepcopy(value)) == digest(value)


@given(st.dictionaries(st.text() | st.integers(), values), st.randoms())
def test_the_order_of_a_dict_does_not_matter(value: dict[Any, Any], random: Any) -> None:
    items = list(value.items())
    random.shuffle(items)

    assert digest(dict(items)) == digest(value)


@given(st.lists(values, min_size=1), st.data())
def test_changing_one_item_changes_the_digest(value: list[Any], data: Any) -> None:
    place = data.draw(st.integers(0, len(value) - 1))
    changed = [*value[:place], ["changed", value[place]], *value[place + 1 :]]

    assert digest(changed) != digest(value)


@given(st.data())
def test_an_array_has_the_digest_of_its_values_whatever_its_strides(data: Any) -> None:
    pytest.importorskip("numpy")
    from hypothesis.extra import numpy as hnp

    array = data.draw(hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(max_dims=3)))
    import numpy as np

    wide = np.repeat(array, 2, axis=0)[::2]

    assert digest(np.asfortranarray(array)) == digest(array)
    assert digest(wide) == digest(array)
    assert digest(array.tolist()) != digest(array)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f2", ">f2", "<c8"])
@pytest.mark.parametrize("place", [None, 0, 1_000_000, -1])
def test_large_arrays_have_one_kind_of_nan(place: int | None, dtype: str) -> None:
    np = pytest.importorskip("numpy")
    plain = (np.arange(2_000_000) % 1000).astype(dtype)
    one, other = plain.copy(), plain.copy()
    if place is not None:
        one[place], other[place] = np.nan, -np.nan

    assert digest(one) == digest(other) == digest(np.repeat(one, 2)[::2])
    assert (digest(one) == digest(plain)) == (place is None)


@pytest.mark.parametrize("place", [0, 1_000_000, -1])
def test_large_tensors_have_one_kind_of_nan(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """bfloat16 is looked at by its bits; without numpy, torch looks."""
    torch = pytest.importorskip("torch")
    from expcore import _encoders_torch

    for dtype in (torch.float32, torch.bfloat16, torch.float8_e5m2):
        plain = (torch.arange(2_000_000) % 1000).to(dtype)
        one, other = plain.clone(), plain.clone()
        one[place] = torch.nan
        other[place] = -one[place].float()
        found = digest(one)

        assert digest(other) == found != digest(plain)
        if _encoders_torch.flat_digest is not None:
            with monkeypatch.context() as without_numpy:
                without_numpy.setattr(_encoders_torch, "flat_digest", None)
                assert digest(one) == digest(other) == found


def test_a_function_made_a_ufunc_is_refused_because_numpy_hides_it() -> None:
    np = pytest.importorskip("numpy")

    with pytest.raises(UndigestableError, match="frompyfunc hides the function"):
        digest(np.frompyfunc(lambda x: x + 1, 1, 1))


def test_a_module_that_was_edited_and_loaded_again_is_known_by_its_source(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    path.write_text("def f(x):\n    return x + 1\n")
    space: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    old = space["f"]
    before = digest(old)

    path.write_text("def f(x):\n    return x + 2  # edited\n")
    exec(compile(path.read_text(), str(path), "exec"), space)

    assert digest(space["f"]) == digest(lambda x: x + 2)
    assert digest(old) == before == digest(lambda x: x + 1)
