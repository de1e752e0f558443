"""What type checkers see of the methods that ``@save_load`` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from typing import Protocol, Self, TypeVar, overload

    import torch
    from torch import Tensor

    from ._report import LoadReport

    M_co = TypeVar("M_co", covariant=True)
    F = TypeVar("F", bound=Callable[[dict[str, Any], dict[str, Tensor]], object])

    class _LoadNew(Protocol[M_co]):
        def __call__(
            self,
            path: str | os.PathLike[str],
            strict: bool = ...,
            *,
            partial: bool | None = ...,
            include: str | Iterable[str] = ...,
            rename: Mapping[str, str] | None = ...,
            map_location: str | torch.device | None = ...,
            device: str | torch.device | None = ...,
            dtype: torch.dtype | None = ...,
            verify: bool = ...,
            trust: bool = ...,
        ) -> M_co: ...

    class _LoadInto(_LoadNew[LoadReport], Protocol): ...

    class _Load:
        @overload
        def __get__(self, instance: None, owner: type[M_co]) -> _LoadNew[M_co]: ...
        @overload
        def __get__(self, instance: object, owner: type) -> _LoadInto: ...
        def __get__(self, instance: object, owner: type) -> Any: ...


class SaveLoad:
    """Makes ``save``, ``load`` and ``init_and_load`` visible to mypy, pyright and editors.

    It does nothing at run time; ``@save_load()`` adds the methods::

        @save_load()
        class MyModel(nn.Module, SaveLoad): ...
    """

    if TYPE_CHECKING:

        def save(
            self,
            path: str | os.PathLike[str],
            overwrite: bool = True,
            *,
            compress: bool | None = None,
            max_shard_size: int | str | None = None,
        ) -> None: ...

        load: _Load

        @classmethod
        def init_and_load(
            cls,
            path: str | os.PathLike[str],
            strict: bool = True,
            *,
            partial: bool | None = None,
            include: str | Iterable[str] = (),
            rename: Mapping[str, str] | None = None,
            map_location: str | torch.device | None = None,
            device: str | torch.device | None = None,
            dtype: torch.dtype | None = None,
            verify: bool = True,
            trust: bool = False,
        ) -> Self: ...

        @classmethod
        def migration(cls, *, from_: str, to: str) -> Callable[[F], F]: ...
