"""Saving and loading one file, as the documentation of objax describes it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import ckpt


class Var:
    """A variable as objax has them: assigning checks the shape, and the value is read-only."""

    def __init__(self, value):
        self._value = value

    @property
    def value(self):
        return self._value

    def assign(self, tensor, check=True):
        assert tensor.shape == self._value.shape
        self._value = tensor


class Ref:
    """A reference as objax has them."""

    def __init__(self, ref):
        self.ref = ref

    @property
    def value(self):
        return self.ref.value

    def assign(self, tensor):
        raise AssertionError("a reference must never be assigned through")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_may_be_a_string_or_a_path(net, kind) -> None:
    file = kind("net.npz")
    ckpt.save_var_collection(file, net)
    net["w"].assign(net["w"].value + 1)

    ckpt.load_var_collection(file, net)

    assert net["w"].value.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_path_is_taken_as_it_is(net) -> None:
    """numpy would append .npz."""
    ckpt.save_var_collection("net.weights", net)

    assert [path.name for path in Path().iterdir()] == ["net.weights"]


def test_a_file_object_is_written_and_read_and_left_open(net) -> None:
    with Path("net.npz").open("wb") as file:
        ckpt.save_var_collection(file, net)
        assert not file.closed
    net["b"].assign(net["b"].value + 1)

    with Path("net.npz").open("rb") as file:
        ckpt.load_var_collection(file, net)
        assert not file.closed

    assert net["b"].value.tolist() == [0, 0, 0]


def test_bytes_in_memory_are_a_file(net) -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, net)
    net["b"].assign(net["b"].value + 1)

    ckpt.load_var_collection(file, net)

    assert net["b"].value.tolist() == [0, 0, 0]


def test_a_file_object_that_cannot_seek_can_be_written(net) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.got = bytearray()

        def writable(self):
            return True

        def write(self, data):
            taken = bytes(data)[:7]  # as a pipe may
            self.got += taken
            return len(taken)

    pipe = Pipe()
    ckpt.save_var_collection(pipe, net)

    whole = io.BytesIO()
    ckpt.save_var_collection(whole, net)
    assert bytes(pipe.got) == whole.getvalue()


def test_a_path_and_a_file_object_get_the_same_bytes(net) -> None:
    file = io.BytesIO()
    ckpt.save_var_collection(file, net)
    ckpt.save_var_collection("net.npz", net)

    assert Path("net.npz").read_bytes() == file.getvalue()


def test_a_checkpoint_may_follow_other_bytes_in_a_file(net) -> None:
    file = io.BytesIO()
    file.write(b"a header of somebody's own")
    ckpt.save_var_collection(file, net)
    net["b"].assign(net["b"].value + 1)

    ckpt.load_var_collection(file, net)

    assert net["b"].value.tolist() == [0, 0, 0]


def test_a_dict_of_variables_is_a_collection() -> None:
    variable = Var(np.ones(2))
    ckpt.save_var_collection("v.npz", {"v": variable})
    variable.assign(np.zeros(2))

    ckpt.load_var_collection("v.npz", {"v": variable})

    assert variable.value.tolist() == [1, 1]


def test_references_and_aliases_are_stored_once() -> None:
    shared = Var(np.ones(2))
    vc = {"opt.ref": Ref(shared), "w": shared, "tied": shared, "other": Var(np.zeros(1))}

    ckpt.save_var_collection("v.npz", vc)

    with np.load("v.npz") as file:
        assert file["names"].tolist() == ["opt.ref", "other"]
        assert file.files == ["names", "0", "1"]


def test_an_alias_is_found_under_any_of_its_names() -> None:
    saved = Var(np.ones(2))
    ckpt.save_var_collection("v.npz", {"encoder.w": saved, "decoder.w": saved})
    tied = Var(np.zeros(2))

    ckpt.load_var_collection("v.npz", {"decoder.w": tied, "encoder.w": Ref(tied)})

    assert tied.value.tolist() == [1, 1]


def test_a_renamer_maps_names_in_the_file_to_names_here(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"new.w": np.zeros((2, 3), np.float32)})

    ckpt.load_var_collection("net.npz", other, renamer=lambda name: f"new.{name}")

    assert other["new.w"].value.sum() == 15


def test_what_the_file_holds_beyond_the_collection_is_passed_over(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    part = ckpt.VarCollection({"b": np.ones(3, np.float32)})

    ckpt.load_var_collection("net.npz", part)

    assert part["b"].value.tolist() == [0, 0, 0]


def test_a_missing_variable_is_a_value_error_naming_missing_and_unused(net, values) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"w": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)})
    before = values(other)

    with pytest.raises(ValueError, match=r"'bias'.*'b', which nothing asked for") as caught:
        ckpt.load_var_collection("net.npz", other)

    assert caught.value.missing == ("bias",)
    assert caught.value.unused == ("b",)
    assert np.array_equal(values(other)["w"], before["w"])


def test_a_wrong_shape_is_named_with_both_shapes_and_nothing_is_assigned(net, values) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"w": np.ones((2, 3), np.float32), "b": np.zeros(4, np.float32)})

    with pytest.raises(AssertionError, match=r"'b' has shape \(4,\), but \(3,\)") as caught:
        ckpt.load_var_collection("net.npz", other)

    assert isinstance(caught.value, ValueError)
    assert values(other)["w"].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_where_shapes_and_names_are_wrong_it_is_an_assertion_error_as_in_objax(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"new": np.ones(2), "b": np.zeros(4, np.float32)})

    with pytest.raises(AssertionError, match=r"'b' has shape \(4,\)"):
        ckpt.load_var_collection("net.npz", other)


def test_a_variable_that_refuses_its_value_leaves_the_others_as_they_were(net) -> None:
    class Picky(ckpt.Var):
        def assign(self, tensor, /) -> None:
            raise RuntimeError("not today")

    ckpt.save_var_collection("net.npz", net)
    vc = {"w": ckpt.Var(np.ones((2, 3), np.float32)), "b": Picky(np.ones(3, np.float32))}

    with pytest.raises(RuntimeError, match="not today"):
        ckpt.load_var_collection("net.npz", vc)

    assert vc["w"].value.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_another_dtype_is_refused_and_nothing_is_assigned(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"w": np.ones((2, 3), np.float32), "b": np.ones(3, np.float16)})

    with pytest.raises(ckpt.DtypeMismatchError, match="'b' has dtype float16, but float32"):
        ckpt.load_var_collection("net.npz", other)

    assert other["w"].value.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_two_stored_variables_renamed_to_one_wanted_are_refused(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    other = ckpt.VarCollection({"x": np.zeros(3, np.float32)})

    with pytest.raises(ckpt.AmbiguousNameError, match="'w', 'b' are all called 'x'"):
        ckpt.load_var_collection("net.npz", other, renamer=lambda name: "x")


@pytest.mark.parametrize("vc", [[np.zeros(2)], None, {"w": np.zeros(2)}, 3])
def test_what_is_no_collection_is_a_type_error_and_an_assertion_error(vc) -> None:
    with pytest.raises(TypeError, match="expected a mapping from names to variables") as caught:
        ckpt.save_var_collection("net.npz", vc)

    assert isinstance(caught.value, AssertionError)
    assert not Path("net.npz").exists()


def test_python_objects_are_never_stored() -> None:
    vc = ckpt.VarCollection({"fn": np.array([print], dtype=object)})

    with pytest.raises(ckpt.UnsupportedValueError, match=r"'fn' cannot be stored: .* pickle"):
        ckpt.save_var_collection("net.npz", vc)

    assert list(Path().iterdir()) == []


def test_a_missing_file_is_a_file_not_found_error(net) -> None:
    with pytest.raises(FileNotFoundError):
        ckpt.load_var_collection("net.npz", net)


def test_a_failed_save_leaves_the_old_file(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    before = Path("net.npz").read_bytes()

    class Failing:
        @property
        def value(self):
            raise RuntimeError("the device is gone")

        def assign(self, tensor):
            raise AssertionError("nothing is restored here")

    with pytest.raises(RuntimeError, match="the device is gone"):
        ckpt.save_var_collection("net.npz", {"w": net["w"], "x": Failing()})

    assert Path("net.npz").read_bytes() == before
    assert len(list(Path().iterdir())) == 1


def test_numbers_keep_their_kind() -> None:
    vc = ckpt.VarCollection({"epoch": 3, "lr": 0.1, "done": False, "best": np.float32(0.5)})
    ckpt.save_var_collection("v.npz", vc)
    for name in vc:
        vc[name].assign(type(vc[name].value)(0))

    ckpt.load_var_collection("v.npz", vc)

    assert [repr(v.value) for v in vc.values()] == ["3", "0.1", "False", repr(np.float32(0.5))]


def test_two_collections_add_up_and_a_shared_name_is_refused(net) -> None:
    both = net + {"step": ckpt.Var(3)}
    ckpt.save_var_collection("v.npz", both)
    both["step"].assign(0)

    ckpt.load_var_collection("v.npz", both)

    assert both["step"].value == 3
    assert len(both) == 3
    with pytest.raises(ValueError, match="two variables are called 'w'"):
        len(net + {"w": np.zeros(1)})


def test_restored_arrays_are_writable_and_independent(net) -> None:
    ckpt.save_var_collection("net.npz", net)
    ckpt.load_var_collection("net.npz", net)

    net["w"].value += 1

    assert net["b"].value.tolist() == [0, 0, 0]
