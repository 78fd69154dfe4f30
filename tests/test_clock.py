"""Waiting ends when the process is asked to stop."""

import threading
import time

import pytest

from sync.clock import Interrupted, StoppableClock
from sync.crm.calls import AttemptFailed, Calls
from sync.crm.limiter import Limiter, Window

MINUTES = 600.0


def test_a_sleep_in_progress_is_cut_short() -> None:
    stopping = threading.Event()
    threading.Timer(0.05, stopping.set).start()
    begun = time.monotonic()
    with pytest.raises(Interrupted):
        StoppableClock(stopping).sleep(MINUTES)
    assert time.monotonic() - begun < MINUTES / 10


def test_no_long_sleep_is_begun_any_more_but_a_short_one_is_finished() -> None:
    stopping = threading.Event()
    stopping.set()
    clock = StoppableClock(stopping)
    clock.sleep(0.001)
    with pytest.raises(Interrupted):
        clock.sleep(MINUTES)


def test_a_call_that_was_told_to_wait_ends_with_the_process() -> None:
    stopping = threading.Event()
    clock = StoppableClock(stopping)
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(100, 1.0))
    attempts: list[float] = []

    def told_to_wait(seconds_left: float) -> None:
        attempts.append(seconds_left)
        stopping.set()
        raise AttemptFailed("moving house", wait_s=MINUTES / 2, throttled=True)

    with pytest.raises(Interrupted):
        Calls(limiter, clock, deadline_s=MINUTES).run(told_to_wait, bucket="all", idempotent=True)
    assert len(attempts) == 1
