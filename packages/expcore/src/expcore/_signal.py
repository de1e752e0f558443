"""A place where one package says what happened and others listen."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SignalWarning(UserWarning):
    """A receiver of a signal raised; the sender went on."""


class Signal(Generic[T]):
    """Receivers of one kind of event.

    >>> saved = Signal[str]("ckpt.saved")
    >>> disconnect = saved.connect(print)
    >>> saved.send("logs/ckpt/0000000001.npz")
    logs/ckpt/0000000001.npz
    >>> disconnect()
    >>> saved.send("nobody listens")
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._receivers: tuple[Callable[[T], object], ...] = ()

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {len(self._receivers)} receivers>"

    def connect(self, receiver: Callable[[T], object]) -> Callable[[], None]:
        """Call ``receiver`` for each value sent from now on.

        Args:
            receiver: Takes the value; what it returns is ignored. Connected twice, it is
                called twice.

        Returns:
            A function that disconnects this connection; calling it again does nothing.
        """
        # The wrapper makes each connection one of its own, and a tuple that is replaced
        # rather than changed lets receivers come and go while a value is being sent.
        entry: Callable[[T], object] = _Connection(receiver)
        self._receivers = (*self._receivers, entry)

        def disconnect() -> None:
            self._receivers = tuple(kept for kept in self._receivers if kept is not entry)

        return disconnect

    def send(self, value: T) -> None:
        """Hand ``value`` to every receiver, in the order of their connection.

        A receiver that raises is warned about (:class:`SignalWarning`); neither the other
        receivers nor the sender notice.
        """
        for receiver in self._receivers:
            try:
                receiver(value)
            except Exception as error:  # noqa: BLE001, RUF100 -- the sender must go on
                warnings.warn(
                    f"a receiver of {self.name!r} raised {type(error).__name__}: {error}",
                    SignalWarning,
                    stacklevel=2,
                )


class _Connection(Generic[T]):
    def __init__(self, receiver: Callable[[T], object]) -> None:
        self.receiver = receiver

    def __call__(self, value: T) -> object:
        return self.receiver(value)
