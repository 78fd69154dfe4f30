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


def call(limiter: Limiter, bucket: str) -> None:
    """One that is answered at once."""
    limiter.release(limiter.acquire(bucket))


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
        call(limiter, "all")
        turns.append(clock.monotonic())
    assert most_in_a_window(turns, interval_s) <= max(1, int(limit * share))


def test_half_the_share_goes_at_once_and_the_rest_evenly() -> None:
    clock = FakeClock()
    limiter = Limiter(share=0.5, clock=clock)
    limiter.declare("all", Window(20, 10.0))
    for _ in range(5):
        call(limiter, "all")
    assert clock.slept == []
    for _ in range(5):
        call(limiter, "all")
    assert clock.slept == pytest.approx([1.0] * 5, abs=1e-5)
    call(limiter, "all")
    assert clock.monotonic() == pytest.approx(10.0)  # when the first one's place is free
    begun = []
    for _ in range(50):
        call(limiter, "all")
        begun.append(clock.monotonic())
    assert begun[-1] == pytest.approx(10.0 + 49.0, abs=1.1)
    gaps = [later - first for first, later in zip(begun, begun[3:], strict=False)]
    assert min(gaps) > 1.0 - 1e-5, "three at once at most, where turns are caught up with"


def test_half_goes_at_once_again_when_a_full_window_is_over() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(66, 10.0))
    for _ in range(33):
        call(limiter, "all")
    clock.advance(seconds=11)
    for _ in range(33):
        call(limiter, "all")
    assert clock.slept == []


def test_what_is_used_of_the_limit_is_that_of_the_fullest_window() -> None:
    clock = FakeClock()
    limiter = Limiter(share=0.5, clock=clock)
    assert limiter.used() == 0.0
    limiter.declare("all", Window(20, 10.0))
    limiter.declare("search", Window(4, 1.0))
    for _ in range(4):
        call(limiter, "all")
    call(limiter, "search")
    assert limiter.used() == 0.25
    clock.advance(seconds=2)
    assert limiter.used() == 0.2
    clock.advance(seconds=10)
    assert limiter.used() == 0.0


class StillClock(FakeClock):
    """Sleepers do not move it, as if all of them came at the same instant."""

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def test_threads_share_one_window() -> None:
    clock = StillClock()
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(4, 10.0))
    threads = [threading.Thread(target=call, args=(limiter, "all")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(clock.slept) == pytest.approx([2.5, 5.0, 10.0, 10.5, 13.0, 15.5])


class SleepyClock(FakeClock):
    """Wakes half a second late."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds + 0.5)


def test_a_turn_counts_from_when_its_caller_woke() -> None:
    clock = SleepyClock()
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(1, 1.0))
    begun = []
    for _ in range(3):
        call(limiter, "all")
        begun.append(clock.monotonic())
    assert begun == pytest.approx([0.0, 1.5, 3.0])


def test_turns_that_nobody_took_are_caught_up_with() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(20, 10.0))
    for _ in range(10):
        call(limiter, "all")
    clock.advance(seconds=5)
    for _ in range(5):
        call(limiter, "all")
    assert clock.slept == []
    call(limiter, "all")
    assert clock.slept == pytest.approx([0.5])


def test_search_has_a_window_of_its_own() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    for _ in range(5):
        call(limiter, SEARCH)
    in_search = clock.monotonic()
    assert in_search > 0
    call(limiter, GENERAL)
    assert clock.monotonic() == in_search
    call(limiter, SEARCH)
    assert clock.monotonic() == pytest.approx(1.0)


def test_no_answer_widens_the_window_of_searches() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    burst = {
        "x-hubspot-ratelimit-max": "190",
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
    }
    learn(limiter, SEARCH, burst)
    for _ in range(6):
        call(limiter, SEARCH)
    assert clock.monotonic() == pytest.approx(1.0)


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
        call(limiter, GENERAL)
    assert clock.monotonic() < 5
    call(limiter, GENERAL)
    assert clock.monotonic() == pytest.approx(5.0)


def test_each_bucket_learns_its_own_limit() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    interval = {"x-hubspot-ratelimit-interval-milliseconds": "10000"}
    learn(limiter, GENERAL, interval | {"x-hubspot-ratelimit-max": "190"})
    learn(limiter, ASSOCIATIONS, interval | {"x-hubspot-ratelimit-max": "150"})
    for _ in range(95):
        call(limiter, GENERAL)
    for _ in range(75):
        call(limiter, ASSOCIATIONS)
    assert clock.slept == []
    call(limiter, GENERAL)
    assert clock.slept == pytest.approx([10 / 190], abs=1e-5)
    call(limiter, ASSOCIATIONS)
    assert sum(clock.slept) == pytest.approx(10 / 150, abs=1e-5)  # whole microseconds


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
    for _ in range(50):
        call(limiter, GENERAL)
    assert clock.slept == []


def test_what_is_left_of_the_day_stays_with_the_other_apps() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    limiter.learn_daily(remaining=5_001, limit=100_000)
    call(limiter, GENERAL)
    limiter.learn_daily(remaining=4_999, limit=100_000)
    with pytest.raises(TransientError, match="nearly used up") as refused:
        call(limiter, GENERAL)
    assert refused.value.retry_after == timedelta(seconds=DAILY_RECHECK_S)
    clock.advance(seconds=DAILY_RECHECK_S)
    call(limiter, GENERAL)  # one look whether the day has begun anew
    limiter.learn_daily(remaining=99_000, limit=100_000)
    call(limiter, GENERAL)


def test_being_told_to_wait_holds_everybody_back() -> None:
    clock = FakeClock()
    limiter = Limiter(share=1.0, clock=clock)
    declare(limiter)
    limiter.close_for(GENERAL, 7.0)
    limiter.close_for(GENERAL, 2.0)  # a shorter pause does not shorten the longer one
    call(limiter, SEARCH)
    assert clock.slept == []
    call(limiter, GENERAL)
    assert clock.slept == [7.0]
