"""Pacing: what is let through in a window, by whom it is shared, and what answers teach it."""

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.hubspot.limits import ASSOCIATIONS, GENERAL, SEARCH, declare, learn
from sync.crm.limiter import DAILY_RECHECK_S, Limiter, Window
from sync.errors import TransientError
from tests.fake_clock import FakeClock


def most_in_a_window(turns: list[float], interval_s: float) -> int:
    """The FakeClock counts whole microseconds, hence the grain of salt."""
    return max(sum(a <= b < a + interval_s - 1e-5 for b in turns) for a in turns)


@given(
    limit=st.integers(1, 20),
    interval_s=st.sampled_from([1.0, 10.0]),
    share=st.floats(0.05, 1.0),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_the_share_of_the_limit(
    limit: int, interval_s: float, share: float, pauses: list[float]
) -> None:
    clock = FakeClock()
    limiter = Limiter(share=share, clock=clock)
    limiter.declare("all", Window(limit, interval_s))
    turns = []
    for pause in pauses:
        clock.advance(seconds=pause)
        limiter.acquire("all")
        turns.append(clock.monotonic())
    assert most_in_a_window(turns, interval_s) <= max(1, int(limit * share))


def test_the_share_is_used_up_before_anybody_waits() -> None:
    clock = FakeClock()
    limiter = Limiter(share=0.5, clock=clock)
    limiter.declare("all", Window(10, 10.0))
    for _ in range(5):
        limiter.acquire("all")
    assert clock.slept == []
    limiter.acquire("all")
    assert clock.slept == [10.0]


class StillClock(FakeClock):
    """Sleepers do not move it, as if all of them came at the same instant."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_threads_share_one_window() -> None:
    clock = StillClock()
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(3, 10.0))
    threads = [threading.Thread(target=limiter.acquire, args=("all",)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(clock.slept) == [10.0, 10.0, 10.0, 20.0, 20.0, 20.0]


def test_search_has_a_window_of_its_own() -> None:
    clock = FakeClock()
    limiter = Limiter(share=0.8, clock=clock)
    declare(limiter)
    for _ in range(4):
        limiter.acquire(SEARCH)
    assert clock.slept == []
    limiter.acquire(GENERAL)
    assert clock.slept == []
    limiter.acquire(SEARCH)
    assert clock.slept == [1.0]


def test_answers_teach_the_accounts_own_limit() -> None:
    clock = FakeClock()
    limiter = Limiter(share=0.5, clock=clock)
    declare(limiter)
    headers = {
        "x-hubspot-ratelimit-max": "8",
        "x-hubspot-ratelimit-interval-milliseconds": "5000",
    }
    learn(limiter, GENERAL, headers)
    for _ in range(4):
        limiter.acquire(GENERAL)
    assert clock.slept == []
    limiter.acquire(GENERAL)
    assert clock.slept == [5.0]


def test_each_bucket_learns_its_own_limit() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    interval = {"x-hubspot-ratelimit-interval-milliseconds": "10000"}
    learn(limiter, GENERAL, interval | {"x-hubspot-ratelimit-max": "190"})
    learn(limiter, ASSOCIATIONS, interval | {"x-hubspot-ratelimit-max": "150"})
    for _ in range(190):
        limiter.acquire(GENERAL)
    for _ in range(150):
        limiter.acquire(ASSOCIATIONS)
    assert clock.slept == []
    limiter.acquire(ASSOCIATIONS)
    assert clock.slept == [10.0]


@pytest.mark.parametrize("value", ["0", "", "-5", "many", "1.5", "²"])
def test_nonsense_in_headers_teaches_nothing(value: str) -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    headers = {
        "x-hubspot-ratelimit-max": value,
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
        "x-hubspot-ratelimit-daily": value,
        "x-hubspot-ratelimit-daily-remaining": "0",
    }
    learn(limiter, GENERAL, headers)
    for _ in range(100):
        limiter.acquire(GENERAL)
    assert clock.slept == []


def test_what_is_left_of_the_day_stays_with_the_other_apps() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    limiter.learn_daily(remaining=5_001, limit=100_000)
    limiter.acquire(GENERAL)
    limiter.learn_daily(remaining=4_999, limit=100_000)
    with pytest.raises(TransientError, match="nearly used up") as refused:
        limiter.acquire(GENERAL)
    assert refused.value.retry_after == timedelta(seconds=DAILY_RECHECK_S)
    clock.advance(seconds=DAILY_RECHECK_S)
    limiter.acquire(GENERAL)  # one look whether the day has begun anew
    limiter.learn_daily(remaining=99_000, limit=100_000)
    limiter.acquire(GENERAL)


def test_being_told_to_wait_holds_everybody_back() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    limiter.close_for(GENERAL, 7.0)
    limiter.close_for(GENERAL, 2.0)  # a shorter pause does not shorten the longer one
    limiter.acquire(SEARCH)
    assert clock.slept == []
    limiter.acquire(GENERAL)
    assert clock.slept == [7.0]
