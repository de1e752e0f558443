"""Loading a model in one thread changes nothing for the others, nor for a model around it."""

from threading import Thread

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from torch_saveload import save_load
from torch_saveload._lazy import LazyBuild


@save_load()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(40, 40)


def in_a_thread(function):
    thread = Thread(target=function)
    thread.start()
    thread.join()


def test_another_thread_builds_as_ever():
    made = []
    with LazyBuild()():
        in_a_thread(lambda: made.append(nn.Linear(40, 40)))
        made.append(nn.Linear(40, 40))
    assert [layer.weight.is_meta for layer in made] == [False, True]


def test_a_load_while_another_thread_builds_a_module_does_not_break_it():
    """torch goes through a dictionary of hooks then, which must not change."""
    model = Net()
    model.save("net.pth")
    Net.load("net.pth")
    loads = [lambda: Net.load("net.pth")]

    def meanwhile(*_):
        if loads:
            in_a_thread(loads.pop())

    handles = [
        register_module_parameter_registration_hook(hook) for hook in (meanwhile, lambda *_: None)
    ]
    try:
        nn.Linear(2, 2)
    finally:
        for handle in handles:
            handle.remove()
    assert not loads


def test_a_model_may_load_a_part_of_itself_from_a_file():
    part = Net()
    part.save("part.pth")

    @save_load()
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Net.load("part.pth")
            self.head = nn.Linear(40, 40)

    whole = Whole()
    assert torch.equal(whole.part.fc.weight, part.fc.weight)
    whole.part.fc.weight.data.zero_()
    whole.save("whole.pth")
    loaded = Whole.load("whole.pth")
    assert not loaded.part.fc.weight.any()
    assert torch.equal(loaded.head.weight, whole.head.weight)
    assert torch.equal(Net.load("part.pth").fc.weight, part.fc.weight)
