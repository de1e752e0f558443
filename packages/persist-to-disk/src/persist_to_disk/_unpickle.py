"""Read results back whose classes are of the script that is run, or was run.

One and the same file is ``__main__`` when it is run, ``__mp_main__`` in the worker processes that
this spawns, and ``pipeline.train`` where it is imported. A pickle holds the name of the process
that wrote it. All these processes share results, so the name is taken for what it means here.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.machinery import ModuleSpec

MAIN = "__main__"
MAINS = (MAIN, "__mp_main__")


def is_portable(pickled: bytes, module: str) -> bool:
    """Say whether :func:`pickle.loads` itself finds all that a pickle names.

    Args:
        pickled: Of protocol 4 or 5.
        module: The module of the function whose result it is.
    """
    if pickle.STACK_GLOBAL not in pickled:  # it names nothing
        return True
    if b"__mp_main__" in pickled or (module not in MAINS and b"__main__" in pickled):
        return False
    names = _main_names()
    return not names or os.fsencode(names[-1]) + pickle.MEMOIZE not in pickled


def loads(pickled: bytes, module: str) -> Any:
    """Return what was pickled.

    Args:
        pickled: Of protocol 4 or 5.
        module: The module of the function whose result it is.

    Raises:
        Exception: Whatever unpickling raises.
    """
    if is_portable(pickled, module):
        return pickle.loads(pickled)
    return Unpickler(io.BytesIO(pickled), module).load()


class Unpickler(pickle.Unpickler):
    """Finds the classes of a function's results.

    Args:
        file: Is read from where it stands.
        module: The module of the function.
        buffers: Out-of-band buffers of the pickle.
    """

    def __init__(self, file: Any, module: str, buffers: Iterable[Any] = ()) -> None:
        super().__init__(file, buffers=buffers)
        self._module = module

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name means here.

        Raises:
            UnpicklingError: It may be of either of two modules.
            Exception: Whatever importing its module raises.
        """
        if module in MAINS:
            # The function's module was run then, or another script that is run again now.
            spaces = {MAIN} if self._module in MAINS else {self._module, MAIN}
        elif _is_main(module) and (self._module in MAINS or module not in sys.modules):
            spaces = {MAIN}
        else:
            return super().find_class(module, name)
        defined = [_defined(space, name) for space in spaces]
        found = [value for value in defined if value is not None]
        if any(value is not found[0] for value in found):
            raise pickle.UnpicklingError(f"{name} may be of {' or '.join(sorted(spaces))}")
        return found[0] if found else super().find_class(module, name)


def _defined(module: str, name: str) -> object:
    """Return the class or function that a module defines under a name, or None."""
    try:
        value = attrgetter(name)(sys.modules[module])
    except (AttributeError, KeyError):
        return None
    origin = getattr(value, "__module__", None)
    return value if origin == module or (module == MAIN and origin in MAINS) else None


def _is_main(module: str) -> bool:
    """Say whether the script that is run would be imported under this name."""
    main, parts = _main_names(), tuple(module.split("."))
    return parts == (main if _main_spec() else main[-len(parts) :])


def _main_names() -> tuple[str, ...]:
    """Return the name of the script that is run: as a module's, or as a path."""
    if (spec := _main_spec()) is not None:
        return tuple(spec.name.split("."))
    file = getattr(sys.modules.get(MAIN), "__file__", None)
    return _parts(file) if file else ()


def _main_spec() -> ModuleSpec | None:
    """Return the spec of what ``python -m`` runs."""
    return getattr(sys.modules.get(MAIN), "__spec__", None)


@cache
def _parts(file: str) -> tuple[str, ...]:
    return Path(file).with_suffix("").parts
