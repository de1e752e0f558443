"""The ways to save and load a model: ours, and those of the peers that are installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from torch_saveload import save_load

if TYPE_CHECKING:
    from collections.abc import Callable

    from models import Big
    from torch import nn

OURS, UNVERIFIED = "torch_saveload", "torch_saveload, verify=False"
TORCH, MAPPED = "torch, construct + load + assign", "torch, the same with mmap=True"
SAFE, HUB, ORIGINAL = "safetensors", "PyTorchModelHubMixin", "original save_load"
FEW = (OURS, UNVERIFIED, TORCH, SAFE)


class Way:
    """One way to save and load."""

    def __init__(
        self, file: str, save: Callable[[Any, Path], object], load: Callable[[Path], nn.Module]
    ) -> None:
        self.file, self.save, self.load = file, save, load


def ways(
    body: type[Big], layers: int, *, built: int | None = None
) -> dict[str, tuple[nn.Module, Way]]:
    """Return a model and the way it is saved and loaded, for each peer that is installed.

    Args:
        body: What the model is.
        layers: Layers of the models in the files.
        built: Layers of the models that are returned, where other than that.
    """

    @save_load()
    class Ours(body):  # type: ignore[misc, valid-type]
        pass

    def torch_load(path: Path, *, mmap: bool = False) -> nn.Module:
        model = body(layers)
        model.load_state_dict(torch.load(path, weights_only=True, mmap=mmap), assign=True)
        return model

    def torch_save(model: nn.Module, path: Path) -> None:
        torch.save(model.state_dict(), path)

    built = layers if built is None else built
    ours, plain = Ours(built), body(built)
    found = {
        OURS: (ours, Way("ours.pth", lambda m, p: m.save(p), Ours.load)),
        UNVERIFIED: (
            ours,
            Way("also_ours.pth", lambda m, p: m.save(p), lambda p: Ours.load(p, verify=False)),
        ),
        TORCH: (plain, Way("torch.pth", torch_save, torch_load)),
        MAPPED: (plain, Way("mapped.pth", torch_save, lambda p: torch_load(p, mmap=True))),
    }
    if importlib.util.find_spec("safetensors"):
        from safetensors.torch import load_model, save_model

        def safe_load(path: Path) -> nn.Module:
            model = body(layers)
            load_model(model, path)
            return model

        found[SAFE] = plain, Way("m.safetensors", lambda m, p: save_model(m, str(p)), safe_load)
    if importlib.util.find_spec("huggingface_hub"):
        from huggingface_hub import PyTorchModelHubMixin

        class Hub(body, PyTorchModelHubMixin):  # type: ignore[misc, valid-type]
            pass

        found[HUB] = (
            Hub(built),
            Way(
                "hub/model.safetensors",
                lambda m, p: m.save_pretrained(p.parent),
                lambda p: Hub.from_pretrained(p.parent),
            ),
        )
    if original := original_decorator():

        @original()
        class Original(body):  # type: ignore[misc, valid-type]
            pass

        found[ORIGINAL] = (
            Original(built),
            Way("original.pt", lambda m, p: m.save(p), Original.init_and_load),
        )
    return found


def original_decorator() -> Any:
    """Return the original decorator from its own file: its package imports much else."""
    for folder in sys.path:
        file = Path(folder, "pytorch_custom_utils", "save_load.py")
        if file.exists():
            spec = importlib.util.spec_from_file_location("original_save_load", file)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.save_load
    return None
