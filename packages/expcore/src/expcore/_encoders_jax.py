"""jax: arrays by dtype, shape and content, whatever device they are on."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportAttributeAccessIssue=false, reportPrivateImportUsage=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax

from expcore._encoders_numpy import array_parts
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk


def _array(value: Any, walk: Walk) -> bytes:
    if isinstance(value, jax.core.Tracer):
        raise UndigestableError("", "Tracer", "a traced array has no values yet; digest outside")
    if jax.numpy.issubdtype(value.dtype, jax.dtypes.prng_key):
        return walk.join("jax key", [
            walk.encode(str(value.dtype)), _array(jax.random.key_data(value), walk)
        ])  # fmt: skip
    return array_parts("jax.Array", value, walk)


ENCODERS: dict[type, Encoder] = {
    jax.Array: _array,
    jax.core.Tracer: _array,
    type(jax.numpy.zeros(0)): _array,
}
