"""Take quantized tensors apart into integers and numbers, and put them together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._bytes import dtype_name

if TYPE_CHECKING:
    from torch import Tensor


def quantization(tensor: Tensor) -> dict[str, Any]:
    """Return what a quantized tensor is besides its integers, as plain data."""
    import torch

    dtype = dtype_name(tensor.dtype)
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return {"dtype": dtype, "scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
    points = tensor.q_per_channel_zero_points()
    return {
        "dtype": dtype,
        "scale": tensor.q_per_channel_scales().tolist(),
        "zero_point": points.tolist(),
        "floating": points.is_floating_point(),
        "axis": tensor.q_per_channel_axis(),
    }


def requantized(integers: Tensor, facts: Any) -> Any:
    """Return the quantized tensor of these integers."""
    import torch

    functions: Any = torch  # torch gives these two no public name
    if "axis" not in facts:
        scale, zero_point = facts["scale"], facts["zero_point"]
        return functions._make_per_tensor_quantized_tensor(integers, scale, zero_point)
    scale = torch.tensor(facts["scale"], dtype=torch.float64)
    kind = torch.float32 if facts["floating"] else torch.int64
    points = torch.tensor(facts["zero_point"], dtype=kind)
    return functions._make_per_channel_quantized_tensor(integers, scale, points, facts["axis"])
