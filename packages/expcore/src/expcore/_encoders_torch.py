"""torch: tensors by class, dtype, shape, device type and bytes; modules by class and state."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import torch

from expcore._encoders_objects import REMEDY, class_name, state_of
from expcore._leaves import content_digest
from expcore.errors import UndigestableError

try:
    from expcore._encoders_numpy import flat_digest
    from expcore._nan import bits_with_one_nan
except ImportError:  # torch may be there without numpy
    flat_digest = bits_with_one_nan = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk

INLINE_BYTES = 256
_HOOKS = ("_hooks", "_hooks_with_kwargs", "_hooks_always_called")
_ORDINARY: Any = torch.Tensor
_PLAIN = {torch.Tensor, torch.nn.Parameter}
# What follows from the rest of a module; recurrent ones keep their weights in a list once more.
_DERIVED = {
    "_is_full_backward_hook", "_compiled_call_impl", "_flat_weights", "_flat_weight_refs"
}  # fmt: skip


def _tensor(value: Any, walk: Walk) -> bytes:
    shape = None if value.is_nested else tuple(value.shape)  # those of its parts follow
    parts: list[Any] = [
        class_name(type(value)), value.dtype, shape, value.device.type,
        value.requires_grad, str(value.layout),
    ]  # fmt: skip
    encoded = [walk.encode(part) for part in parts]
    kind: Any = type(value)
    if value.is_nested:
        return walk.join("tensor", [*encoded, _content(value.detach(), walk)])
    if kind.__torch_dispatch__ is not _ORDINARY.__torch_dispatch__:
        return walk.join("tensor", [*encoded, _wrapped(value, walk)])
    plain = value.detach()
    own: dict[str, Any] = {}
    if kind not in _PLAIN:
        plain, own = plain.as_subclass(torch.Tensor), state_of(value)
    encoded.append(_content(plain, walk))
    if own:
        encoded.append(walk.attributes(own))
    return walk.join("tensor", encoded)


def _wrapped(value: Any, walk: Walk) -> bytes:
    """Encode a tensor that has no memory of its own by the tensors that it is made of."""
    if not hasattr(value, "__tensor_flatten__"):
        raise UndigestableError(
            "", class_name(type(value)), f"it has no memory that could be read; {REMEDY}"
        )
    names, context = value.__tensor_flatten__()
    inner = {name: getattr(value, name) for name in names}
    return walk.join("wrapped", [walk.attributes(inner), walk.encode(context)])


def _content(value: Any, walk: Walk) -> bytes:
    if value.device.type == "meta":
        return walk.compose("meta")
    if value.is_nested:
        return walk.join("nested", [_tensor(part, walk) for part in value.unbind()])
    if value.layout == torch.sparse_coo:
        value = value.coalesce()
        return walk.compose("coo", value.indices(), value.values())
    if value.layout in {torch.sparse_csr, torch.sparse_bsr}:
        return walk.compose("csr", value.crow_indices(), value.col_indices(), value.values())
    if value.layout in {torch.sparse_csc, torch.sparse_bsc}:
        return walk.compose("csc", value.ccol_indices(), value.row_indices(), value.values())
    if value.layout != torch.strided:
        raise UndigestableError("", class_name(type(value)), "convert it with to_dense() first")
    if value.is_quantized:
        return _quantized(value, walk)
    return _dense(value, walk)


def _quantized(value: Any, walk: Walk) -> bytes:
    scheme = value.qscheme()
    if scheme in {torch.per_tensor_affine, torch.per_tensor_symmetric}:
        parts: tuple[Any, ...] = (value.q_scale(), value.q_zero_point())
    else:
        parts = (
            value.q_per_channel_scales(),
            value.q_per_channel_zero_points(),
            value.q_per_channel_axis(),
        )
    return walk.compose("quantized", str(scheme), value.int_repr(), *parts)


def _dense(value: Any, walk: Walk) -> bytes:
    value = value.resolve_conj().resolve_neg().cpu().contiguous()
    size = value.numel() * value.element_size()
    if (
        flat_digest is not None
        and size > INLINE_BYTES
        and (numbers := _numbers(value)) is not None
    ):
        one_nan = bits_with_one_nan if value.dtype == torch.bfloat16 else None
        return walk.encode(flat_digest(numbers.reshape(-1), walk, one_nan))
    if value.is_floating_point() or value.is_complex():
        # The maximum of numbers with a NaN among them is one: no copy where there is none.
        real = torch.view_as_real(value) if value.is_complex() else value
        nan = _isnan(real)
        if nan is not None:
            # Not masked_fill, which eight-bit floats do not have.
            real = torch.where(nan, torch.full((), float("nan"), dtype=real.dtype), real)
            value = torch.view_as_complex(real) if value.is_complex() else real
    memory = (ctypes.c_char * size).from_address(value.data_ptr()) if size else b""
    if size <= INLINE_BYTES:
        return walk.encode(bytes(memory))
    return walk.encode(content_digest(walk.hasher, memory))


def _numbers(value: Any) -> Any:
    """Return a tensor's memory as an array of numpy's, or None if that has no such dtype."""
    try:
        if value.dtype == torch.bfloat16:
            return value.view(torch.int16).numpy().view("u2")
        return value.numpy()
    except (RuntimeError, TypeError):
        return None


def _isnan(value: Any) -> Any:
    """Return where the NaNs are, or None if there are none."""
    if not value.numel():
        return None
    if value.element_size() < 2:  # noqa: PLR2004 -- eight-bit floats have no arithmetic
        value = value.to(torch.float32)
    if not bool(torch.isnan(value.max())):
        return None
    return torch.isnan(value)


def _module(value: Any, walk: Walk) -> bytes:
    known = walk.enter(value)
    if known is not None:
        return known
    own = vars(value)
    # Of a module's own tables only those that hold something: their number depends on torch.
    state = {
        name: part
        for name, part in own.items()
        if not (name.startswith("_") and isinstance(part, (dict, set)) and not part)
        and name not in _DERIVED
    }
    # Hooks are kept under numbers that count all hooks of the process.
    tables: dict[str, dict[int, Any]] = {
        name: part
        for name, part in state.items()
        if name.endswith(_HOOKS) and isinstance(part, dict)
    }
    numbers = sorted({number for table in tables.values() for number in table})
    for name, table in tables.items():
        state[name] = {numbers.index(number): hook for number, hook in table.items()}
    for name in ("_parameters", "_buffers", "_modules"):
        state[name] = dict(own.get(name, {}))
    order = list(state["_modules"])
    name = class_name(type(value))
    return walk.leave(value, walk.join("module", [
        walk.encode(name), walk.encode(order), _attributes(state, walk)
    ]))  # fmt: skip


def _attributes(state: dict[str, Any], walk: Walk) -> bytes:
    # Errors name submodules as Python does: `model.0.lock`, not `model._modules['0'].lock`.
    parts = [
        walk.encode(f"{table}{'+' if state[table] else ''}") + walk.attributes(state.pop(table))
        for table in ("_parameters", "_buffers", "_modules")
    ]
    return walk.join("state", [*parts, walk.attributes(state)])


def _graph(value: Any, walk: Walk) -> bytes:
    # Its nodes lead to each other; what they do is this.
    return walk.compose("fx graph", value.python_code("self").src)


def _by_repr(value: Any, walk: Walk) -> bytes:
    return walk.compose(class_name(type(value)), str(value))


def _generator(value: Any, walk: Walk) -> bytes:
    return walk.compose("torch.Generator", value.device.type, value.get_state())


ENCODERS: dict[type, Encoder] = {
    torch.Tensor: _tensor,
    torch.nn.Module: _module,
    torch.fx.Graph: _graph,
    torch.dtype: _by_repr,
    torch.layout: _by_repr,
    torch.memory_format: _by_repr,
    torch.qscheme: _by_repr,
    torch.device: _by_repr,
    torch.Generator: _generator,
}
