import pickle

import pytest
from torch import nn

from torch_saveload import DecorationError, save_load


def decorate(**parameters):
    @save_load(**parameters)
    class Net(nn.Module):
        attribute = 1

        def encode(self): ...

    return Net


def test_the_class_stays_the_class_it_is():
    class Net(nn.Module):
        """Doc."""

        def __init__(self, width: int = 3) -> None:
            """Make it wide."""
            super().__init__()

    before = Net
    init = Net.__init__
    after = save_load()(Net)

    assert after is before
    assert after.__doc__ == "Doc."
    assert after.__init__.__wrapped__ is init
    assert after.__init__.__doc__ == "Make it wide."


def test_a_misspelt_parameter_is_refused():
    with pytest.raises(TypeError, match="verison"):
        decorate(verison="1.0")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"save_method_name": "forward"}, "'forward' would hide .*Net.forward"),
        ({"load_method_name": "encode"}, "'encode' would hide .*Net.encode"),
        ({"load_method_name": "state_dict"}, "would hide"),
        ({"init_and_load_classmethod_name": "train"}, "would hide"),
        ({"config_instance_var_name": "attribute"}, "would hide"),
        ({"save_method_name": "a b"}, "'a b' is no name"),
        ({"save_method_name": "class"}, "'class' is no name"),
        ({"save_method_name": None}, "None is no name"),
        ({"save_method_name": "training"}, "'training' would hide"),
        ({"config_instance_var_name": "_parameters"}, "'_parameters' would hide"),
        ({"save_method_name": "migration"}, "'migration' would hide"),
        ({"load_method_name": "__save_load__"}, "would hide"),
        ({"save_method_name": "x", "load_method_name": "x"}, "the same name"),
        ({"pre_save_hook": 3}, "pre_save_hook=3 cannot be called"),
        ({"version": "one"}, "'one' is no version"),
        ({"version": 1.0}, "is no version"),
    ],
)
def test_parameters_that_cannot_work_are_refused(parameters, message):
    with pytest.raises(DecorationError, match=message):
        decorate(**parameters)


def test_a_subclass_may_be_decorated_again_but_not_over_its_own_method():
    @save_load()
    class Parent(nn.Module): ...

    @save_load(save_method_name="store")
    class Child(Parent): ...

    @save_load(version="1.0")
    class GrandChild(Child): ...

    assert {"save", "store", "load"} <= set(dir(GrandChild))

    class Own(Parent):
        def save(self, path): ...

    with pytest.raises(DecorationError, match=r"'save' would hide .*Own\.save"):
        save_load()(Own)


@save_load(load_method_name="from_file")
class Sent(nn.Module): ...


def test_methods_have_the_names_that_they_were_given():
    """So a pool of processes can be sent ``Net.load``."""
    for method in (Sent.from_file, Sent().from_file, Sent().save, Sent.init_and_load):
        assert getattr(Sent, method.__name__)
        again = pickle.loads(pickle.dumps(method))
        assert again.__func__ is method.__func__


def test_only_modules_are_decorated():
    with pytest.raises(DecorationError, match=r"torch\.nn\.Module, not <class"):

        @save_load()
        class NoModule: ...


def test_forgotten_parentheses_are_told():
    with pytest.raises(DecorationError, match=r"write @save_load\(\)"):

        @save_load
        class Net(nn.Module): ...


def test_every_error_pickles():
    from torch_saveload import errors

    samples = [
        errors.UnsaveableError("Net", "argument f", "a lock", "leave it out"),
        errors.FormatError("p", "bad"),
        errors.CorruptError("p", "bad", ["w"]),
        errors.UntrustedError("p", "pickled"),
        errors.ConfigError("Net", "argument x", "gone"),
        errors.ClassMismatchError("p", "A", "B"),
        errors.VersionMismatchError("p", "Net", "1", "2"),
        errors.StateMismatchError("p", "Net", ["w: missing"]),
    ]
    for error in samples:
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert vars(again) == vars(error)
