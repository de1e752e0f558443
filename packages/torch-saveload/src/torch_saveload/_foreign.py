"""Read files that ``torch.save`` wrote: the originals' checkpoints, and state_dicts.

The original ``save_load`` decorators wrote a dictionary of ``model``, ``config`` (pickled
arguments) and ``version``. Trainers like Lightning write one with a ``state_dict``. Tensors come
in by ``weights_only=True``; pickled arguments, and files that need more than that, only with
``trust=True``.
"""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from ._bytes import dtype_name
from ._stored import Stored, StoredTensor
from .errors import FormatError, UntrustedError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def read_foreign(path: Path, *, trust: bool) -> Stored:
    """Read a file that torch.save wrote.

    Raises:
        FormatError: It holds no state_dict.
        UntrustedError: It needs pickle, and ``trust`` is not set.
    """
    tree = _load(path, trust=trust)
    if not isinstance(tree, dict):
        raise FormatError(str(path), f"holds a {type(tree).__name__}, not a state_dict")
    key = next((key for key in ("model", "state_dict") if isinstance(tree.get(key), dict)), None)
    state: Any = tree if key is None else tree[key]
    beside: dict[str, object] = tree if key == "model" else {}
    tensors, values = _split(state, str(path))
    call, reason = None, "it holds a state_dict without the arguments of the class"
    config, version = beside.get("config"), beside.get("version")
    if isinstance(config, bytes):
        reason = "its arguments are pickled"
        if trust:
            call = _arguments(config, str(path))
    return Stored(
        path=str(path),
        tensors=tensors,
        values=values,
        version=version if isinstance(version, str) else None,
        call=call,
        metadata=dict(getattr(state, "_metadata", {})),
        without_config=reason,
    )


def _load(path: Path, *, trust: bool) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("\n")[0]
        raise UntrustedError(str(path), f"torch reads it only by unpickling ({reason})") from error
    except Exception as error:  # torch raises whatever the damage leads to
        raise FormatError(str(path), f"torch cannot read it: {error}") from error


def _split(state: dict[Any, Any], path: str) -> tuple[dict[str, StoredTensor], dict[str, Any]]:
    import torch

    tensors: dict[str, StoredTensor] = {}
    values: dict[str, Any] = {}
    for name, value in state.items():
        if not isinstance(name, str):
            raise FormatError(path, f"holds no state_dict: {name!r} is no name")
        if isinstance(value, torch.Tensor):
            if value.layout is not torch.strided or value.is_meta or value.is_nested:
                raise FormatError(path, f"tensor {name!r} is no ordinary one: it cannot be copied")
            tensors[name] = _stored_tensor(value)
        else:
            values[name] = value
    if not tensors and values:
        raise FormatError(path, "holds no state_dict: there is no tensor in it")
    return tensors, values


def _stored_tensor(tensor: Tensor) -> StoredTensor:
    return StoredTensor(
        dtype=dtype_name(tensor.dtype),
        shape=tuple(tensor.shape),
        same=(tensor.untyped_storage().data_ptr(), tensor.storage_offset(), tensor.stride()),
        grad=None,
        get=lambda: tensor,
    )


def _arguments(config: bytes, path: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    try:
        args, kwargs = pickle.loads(config)
    except Exception as error:
        raise FormatError(path, f"its pickled arguments cannot be read: {error}") from error
    if not isinstance(args, tuple) or not isinstance(kwargs, dict):
        raise FormatError(path, "its pickled arguments are not (args, kwargs)")
    return args, kwargs
