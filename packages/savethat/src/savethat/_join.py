"""Two nodes, one after the other, as one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from savethat._node import Node

if TYPE_CHECKING:
    from collections.abc import Callable

ARGS1 = TypeVar("ARGS1")
ARGS2 = TypeVar("ARGS2")
T1 = TypeVar("T1")
T2 = TypeVar("T2")


def join(
    first: type[Node[ARGS1, T1]],
    second: type[Node[ARGS2, T2]],
    operator: Callable[[Node[ARGS1, T1], T1], ARGS2],
    *,
    name: str = "JoinNode",
) -> type[Node[ARGS1, T2]]:
    """A node that runs one node, and then another with arguments made from the first's results.

    Both runs are kept below the run of the joined node, by the names of their classes.

    Args:
        first: Takes the joined node's arguments.
        second: Gives its results.
        operator: Makes the second's arguments of the first node and its results.
        name: The name of the joined node.
    """

    class JoinNode(Node[Any, Any]):
        @classmethod
        def get_args_class(cls) -> type[Any]:
            return first.get_args_class()

        def _run(self) -> Any:
            before = first(f"{self.key}/{first.__name__}", self.args, self.storage)
            args = operator(before, before.run())
            return second(f"{self.key}/{second.__name__}", args, self.storage).run()

    JoinNode.__name__ = JoinNode.__qualname__ = name
    JoinNode.__module__ = sys._getframe(1).f_globals.get("__name__", __name__)
    return JoinNode
