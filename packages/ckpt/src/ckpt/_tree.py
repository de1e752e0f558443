"""Nested dicts and lists of arrays, and any pytree of jax, as one collection of variables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ckpt._collection import Var, VarCollection, is_variable
from ckpt.errors import UnsupportedValueError

if TYPE_CHECKING:
    from collections.abc import Callable


def tree_variables(tree: Any) -> TreeVariables:
    """The arrays and numbers in a tree, named by the keys that lead to them.

    Dicts and lists are restored in place. Whatever else jax knows as a pytree (tuples, states of
    optax, modules of equinox and flax) cannot be changed in place: take ``.tree`` afterwards.
    Variables in it, such as objax's, are taken as they are. Leaves of other kinds (None, text,
    functions) stay as they are.

    Args:
        tree: The tree; names of its keys may not contain ``/``.

    Raises:
        UnsupportedValueError: Two leaves would have one name, or one is an object with variables
            of its own, such as a module of torch.

    >>> import ckpt
    >>> params = {"encoder": {"w": np.ones(2)}, "layers": [np.zeros(1)], "name": "net"}
    >>> variables = ckpt.tree_variables(params)
    >>> sorted(variables)
    ['encoder/w', 'layers/0']
    >>> variables["encoder/w"].assign(np.zeros(2))
    >>> params["encoder"]["w"]
    array([0., 0.])
    """
    return TreeVariables(tree)


class TreeVariables(VarCollection):
    """The variables of a tree; see :func:`ckpt.tree_variables`."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self._leaves: list[Any] = []
        self._rebuild: Callable[[list[Any]], Any] | None = None
        found: list[tuple[str, Any]] = []
        if isinstance(tree, (dict, list)) and _other_node(tree) is None:
            _walk(tree, (), found)
        else:
            found = self._flatten(tree)
        super().__init__(dict(found))
        if len(self) != len(found):
            names = [name for name, _ in found]
            twice = next(name for name in names if names.count(name) > 1)
            raise UnsupportedValueError(twice, "two leaves of the tree have this name")

    @property
    def tree(self) -> Any:
        """The tree with the values that its variables have now."""
        if self._rebuild is None:
            return self._tree
        return self._rebuild([x.value if isinstance(x, Leaf) else x for x in self._leaves])

    def _flatten(self, tree: Any) -> list[tuple[str, Any]]:
        jax: Any = sys.modules.get("jax")
        if jax is None:
            path, node = _other_node(tree) or ((), tree)
            kind = type(node).__name__
            raise UnsupportedValueError(
                "/".join(path), f"a {kind} is no dict or list; for jax's trees import jax first"
            )
        leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
        named: list[tuple[str, Any]] = []
        for keys, value in leaves:
            name = "/".join(map(_key, keys)) or "value"
            leaf = value
            if _is_leaf(name, value):
                leaf = value if is_variable(value) else Leaf(value)
                named.append((name, leaf))
            self._leaves.append(leaf)
        self._rebuild = structure.unflatten
        return named


class Leaf(Var):
    """A leaf of a tree that is rebuilt."""


class Slot:
    """A place in a dict or list."""

    def __init__(self, container: Any, key: Any) -> None:
        self.container, self.key = container, key

    @property
    def value(self) -> Any:
        """What is there."""
        return self.container[self.key]

    def assign(self, tensor: Any, /) -> None:
        """Put something there."""
        self.container[self.key] = tensor


def _walk(node: Any, path: tuple[str, ...], found: list[tuple[str, Any]]) -> None:
    for key, value in _items(node):
        here = (*path, str(key))
        if isinstance(value, (dict, list)):
            _walk(value, here, found)
        elif _is_leaf(name := "/".join(here), value):
            found.append((name, value if is_variable(value) else Slot(node, key)))


def _items(node: Any) -> list[tuple[Any, Any]]:
    pairs: Any = node.items() if hasattr(node, "items") else enumerate(node)
    return list(pairs)


def _other_node(node: Any, path: tuple[str, ...] = ()) -> tuple[tuple[str, ...], Any] | None:
    """The first node of a tree that is neither dict nor list, and where; None if there is none."""
    if isinstance(node, (dict, list)):
        inner = (_other_node(value, (*path, str(key))) for key, value in _items(node))
        return next((found for found in inner if found is not None), None)
    jax: Any = None if _is_value(node) else sys.modules.get("jax")
    leaves = [] if jax is None else jax.tree_util.tree_leaves(node)
    is_node = isinstance(node, tuple) or any(leaf is not node for leaf in leaves)
    return (path, node) if is_node else None


def _is_leaf(name: str, value: Any) -> bool:
    """Whether a leaf is stored.

    Raises:
        UnsupportedValueError: It is not, though there is something to store in it.
    """
    if is_variable(value) or _is_value(value):
        return True
    owns = any(callable(getattr(value, method, None)) for method in ("state_dict", "vars"))
    if (owns and not isinstance(value, type)) or isinstance(value, (dict, list)):
        reason = "has variables of its own; collect them by ckpt.torch_variables or its vars()"
        raise UnsupportedValueError(name, f"a {type(value).__name__} {reason}")
    return False


def _is_value(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex, np.generic)) or (
        hasattr(value, "dtype") and hasattr(value, "shape")
    )


def _key(key: Any) -> str:
    for attribute in ("key", "idx", "name"):
        if hasattr(key, attribute):
            return str(getattr(key, attribute))
    return str(key)


tree_variables.__module__ = TreeVariables.__module__ = "ckpt"
