"""Repeating and giving up, without any network: attempts are plain functions here."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.calls import OUTAGE_S, AmbiguousError, AttemptFailed, Calls
from sync.crm.limiter import Limiter, Window
from sync.errors import AuthError, PermanentError, TransientError
from tests.fake_clock import FakeClock


def calls(clock: FakeClock, *, deadline_s: float = 600, jitter: float = 1.0) -> Calls:
    limiter = Limiter(share=1.0, clock=clock)
    limiter.declare("all", Window(1_000, 1.0))
    return Calls(limiter, clock, deadline_s=deadline_s, jitter=lambda: jitter)


def failing(
    *failures: Exception | None, takes_s: float = 0, clock: FakeClock | None = None
) -> tuple[Callable[[float], str], list[float]]:
    """An attempt that fails as told and then succeeds, and the seconds it was given each time."""
    left: list[float] = []

    def attempt(seconds_left: float) -> str:
        left.append(seconds_left)
        if clock is not None:
            clock.advance(seconds=takes_s)
        failure = failures[len(left) - 1] if len(left) <= len(failures) else None
        if failure is not None:
            raise failure
        return "done"

    return attempt, left


def test_a_fault_is_repeated_with_growing_pauses() -> None:
    clock = FakeClock()
    attempt, made = failing(*[AttemptFailed("fault")] * 4)
    assert calls(clock).run(attempt, bucket="all", idempotent=True) == "done"
    assert len(made) == 5
    assert clock.slept == [0.5, 0.5, 0.5, 0.75]


def test_jitter_never_more_than_halves_a_pause() -> None:
    clock = FakeClock()
    attempt, _ = failing(*[AttemptFailed("fault")] * 3)
    calls(clock, jitter=0.0).run(attempt, bucket="all", idempotent=True)
    assert clock.slept == [0.25, 0.25, 0.25]


def test_faults_are_given_up_after_a_while() -> None:
    clock = FakeClock()
    attempt, made = failing(*[AttemptFailed("The CRM is down.")] * 99)
    with pytest.raises(TransientError) as given_up:
        calls(clock).run(attempt, bucket="all", idempotent=True)
    assert OUTAGE_S <= clock.monotonic() < OUTAGE_S + 10
    assert str(given_up.value) == f"The CRM is down. Given up after {len(made)} attempts."
    assert len(made) < 20
    assert not isinstance(given_up.value, AmbiguousError)


def test_a_slow_fault_is_tried_three_times() -> None:
    clock = FakeClock()
    attempt, made = failing(*[AttemptFailed("hangs")] * 99, takes_s=60, clock=clock)
    with pytest.raises(TransientError, match="Given up after 3 attempts"):
        calls(clock).run(attempt, bucket="all", idempotent=True)
    assert len(made) == 3


@given(outage_s=st.floats(0.1, OUTAGE_S * 0.99), jitter=st.floats(0, 1))
def test_a_call_ends_at_one_and_a_half_times_the_outage_at_the_latest(
    outage_s: float, jitter: float
) -> None:
    clock = FakeClock()

    def attempt(_: float) -> str:
        if clock.monotonic() < outage_s:
            raise AttemptFailed("down")
        return "done"

    assert calls(clock, jitter=jitter).run(attempt, bucket="all", idempotent=True) == "done"
    assert clock.monotonic() <= max(1.5 * outage_s, outage_s + 0.5) + 1e-5


def test_being_told_to_wait_is_obeyed_until_the_deadline() -> None:
    clock = FakeClock()
    attempt, made = failing(*[AttemptFailed("slow down", wait_s=10, throttled=True)] * 99)
    with pytest.raises(TransientError) as given_up:
        calls(clock, deadline_s=100).run(attempt, bucket="all", idempotent=True)
    assert len(made) == 10
    assert clock.monotonic() == 90  # another pause would have ended at the deadline
    assert given_up.value.retry_after == timedelta(seconds=10)


def test_a_pause_beyond_the_deadline_is_handed_on_at_once() -> None:
    clock = FakeClock()
    attempt, made = failing(AttemptFailed("moving house", wait_s=7200, throttled=True))
    with pytest.raises(TransientError) as given_up:
        calls(clock).run(attempt, bucket="all", idempotent=True)
    assert len(made) == 1
    assert clock.slept == []
    assert given_up.value.retry_after == timedelta(hours=2)


def test_being_told_to_wait_holds_the_next_call_back_too() -> None:
    clock = FakeClock()
    both = calls(clock, deadline_s=5)
    attempt, _ = failing(AttemptFailed("slow down", wait_s=10, throttled=True))
    with pytest.raises(TransientError):
        both.run(attempt, bucket="all", idempotent=True)
    both.run(lambda _: None, bucket="all", idempotent=True)
    assert clock.slept == [5]  # no longer than a call may take: 477 can ask for a day


def test_each_attempt_is_told_how_much_time_is_left() -> None:
    clock = FakeClock()
    attempt, left = failing(AttemptFailed("slow"), takes_s=20, clock=clock)
    calls(clock, deadline_s=100).run(attempt, bucket="all", idempotent=True)
    assert left == [100, 79.5]


@pytest.mark.parametrize("error", [AuthError("no"), PermanentError("no"), ValueError("a bug")])
def test_what_no_repetition_helps_comes_through_at_once(error: Exception) -> None:
    clock = FakeClock()
    attempt, made = failing(error)
    with pytest.raises(type(error)) as raised:
        calls(clock).run(attempt, bucket="all", idempotent=True)
    assert raised.value is error
    assert len(made) == 1


def test_what_may_have_been_carried_out_is_not_repeated_unless_it_may() -> None:
    attempt, made = failing(AttemptFailed("no answer", ambiguous=True))
    with pytest.raises(AmbiguousError, match=r"^no answer$"):
        calls(FakeClock()).run(attempt, bucket="all", idempotent=False)
    assert len(made) == 1
    attempt, made = failing(AttemptFailed("no answer", ambiguous=True))
    assert calls(FakeClock()).run(attempt, bucket="all", idempotent=True) == "done"


def test_what_was_surely_not_carried_out_is_repeated_always() -> None:
    attempt, made = failing(AttemptFailed("slow down", wait_s=1, throttled=True))
    assert calls(FakeClock()).run(attempt, bucket="all", idempotent=False) == "done"
    assert len(made) == 2


def test_one_doubtful_attempt_leaves_the_whole_call_in_doubt() -> None:
    attempt, _ = failing(
        AttemptFailed("no answer", ambiguous=True),
        AttemptFailed("daily limit", wait_s=9_999, throttled=True),
    )
    with pytest.raises(AmbiguousError):
        calls(FakeClock()).run(attempt, bucket="all", idempotent=True)


@given(
    st.lists(
        st.builds(
            AttemptFailed,
            st.just("fault"),
            wait_s=st.none() | st.floats(0, 100_000),
            throttled=st.booleans(),
            ambiguous=st.booleans(),
        ),
        max_size=40,
    ),
    st.floats(1, 1_000),
    st.booleans(),
)
def test_a_call_never_sleeps_past_its_deadline(
    failures: list[AttemptFailed], deadline_s: float, idempotent: bool
) -> None:
    clock = FakeClock()
    attempt, _ = failing(*failures)
    try:
        calls(clock, deadline_s=deadline_s).run(attempt, bucket="all", idempotent=idempotent)
    except TransientError as error:
        assert failures, error
    assert clock.monotonic() <= deadline_s
