"""A signal reaches every receiver and never breaks its sender."""

from __future__ import annotations

import pytest

from expcore import Signal, SignalWarning


def test_a_value_reaches_receivers_in_order_until_they_disconnect() -> None:
    signal = Signal[int]("test")
    got: list[tuple[str, int]] = []
    first = signal.connect(lambda value: got.append(("a", value)))
    signal.connect(lambda value: got.append(("b", value)))

    signal.send(1)
    first()
    first()
    signal.send(2)

    assert got == [("a", 1), ("b", 1), ("b", 2)]


def test_a_receiver_that_raises_is_warned_about_and_the_others_are_called() -> None:
    signal = Signal[int]("ckpt.saved")
    got: list[int] = []
    signal.connect(lambda value: 1 // value)
    signal.connect(got.append)

    with pytest.warns(SignalWarning, match=r"'ckpt.saved' raised ZeroDivisionError"):
        signal.send(0)

    assert got == [0]


def test_a_receiver_connected_twice_disconnects_once_at_a_time() -> None:
    signal = Signal[int]("test")
    got: list[int] = []
    disconnect = signal.connect(got.append)
    signal.connect(got.append)

    disconnect()
    signal.send(1)

    assert got == [1]
    assert repr(signal) == "<Signal test: 1 receivers>"
