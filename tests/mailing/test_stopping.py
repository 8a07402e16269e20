"""Ctrl-C: once asks, twice insists, and afterwards it means what it meant before."""

import signal

import pytest

from newsletter.sending.stopping import StopOnSignal


def ignore(number: int, frame: object) -> None:
    """Stands for a handler that was there before."""


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def number(request: pytest.FixtureRequest) -> signal.Signals:
    return request.param


def test_the_first_signal_asks_and_the_second_interrupts(number: signal.Signals) -> None:
    with StopOnSignal() as stop:
        assert not stop()
        signal.raise_signal(number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


def test_afterwards_the_signals_mean_what_they_meant(number: signal.Signals) -> None:
    before = signal.signal(number, ignore)
    try:
        with StopOnSignal():
            assert signal.getsignal(number) is not ignore
        assert signal.getsignal(number) is ignore
    finally:
        signal.signal(number, before)
