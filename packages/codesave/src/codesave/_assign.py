"""Bind names in the code that called, as an import statement would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codesave.errors import CannotAssignError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

_OPTIMIZED = 0x1
"""The flag of a function's code, :data:`inspect.CO_OPTIMIZED`, without the import of inspect."""


def assign(frame: FrameType, call: str, values: Mapping[str, Any]) -> None:
    """Bind the names in the module or class body that the frame runs.

    A function's local variables are fixed when it is compiled, so there nothing can be bound.
    That is an error if the function drops what the call returns, for then it wanted the binding.

    Args:
        frame: The calling frame.
        call: The name of the method called, for the error.
        values: What to bind.

    Raises:
        CannotAssignError: The caller is a function and ignores the result.
    """
    if not frame.f_code.co_flags & _OPTIMIZED:
        frame.f_locals.update(values)
    elif _drops_result(frame):
        raise CannotAssignError(list(values), frame.f_code.co_name, call)


def _drops_result(frame: FrameType) -> bool:
    """Whether the caller's next instruction throws the result of its current call away."""
    import dis

    # During a call f_lasti is the call's offset, or that of its last inline cache.
    following = (i for i in dis.get_instructions(frame.f_code) if i.offset > frame.f_lasti)
    return next(following).opname == "POP_TOP"
