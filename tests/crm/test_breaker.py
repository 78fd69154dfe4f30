"""An account that does not answer: left alone, said once, probed now and then."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from sync.crm.breaker import FIRST_PAUSE_S, LONGEST_PAUSE_S, OPENS_AFTER, Breaker
from sync.crm.calls import AttemptFailed, Calls
from sync.crm.limiter import Limiter, Window
from sync.errors import AuthError, TransientError
from tests.fake_clock import FakeClock


class Lines:
    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, object]]] = []

    def info(self, event: str, **values: object) -> None:
        self.said.append(("info", event, values))

    def warning(self, event: str, **values: object) -> None:
        self.said.append(("warning", event, values))


class Account:
    """One that is down until told otherwise; `asked` counts the attempts that reached it;
    `meanwhile` happens once, while the next one is on its way."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lines = Lines()
        self.down: BaseException | None = AttemptFailed("The CRM is down.")
        self.asked = 0
        self.meanwhile: Callable[[], None] = lambda: None
        limiter = Limiter(share=1.0, clock=self.clock)
        limiter.declare("all", Window(10_000, 1.0))
        breaker = Breaker("main", self.clock, self.lines)
        self._calls = Calls(limiter, self.clock, deadline_s=600, breaker=breaker)

    def call(self) -> str:
        return self._calls.run(self._attempt, bucket="all", idempotent=True)

    def fail(self, times: int) -> None:
        for _ in range(times):
            with pytest.raises(TransientError):
                self.call()

    def _attempt(self, _: float) -> str:
        self.asked += 1
        self.meanwhile, meanwhile = (lambda: None), self.meanwhile
        meanwhile()
        if self.down is not None:
            raise self.down
        return "done"


def test_after_several_failed_calls_further_ones_fail_at_once_without_a_request() -> None:
    account = Account()
    account.fail(OPENS_AFTER)
    asked, now = account.asked, account.clock.monotonic()
    with pytest.raises(TransientError, match=r"The CRM is down.*left alone for 60 s") as error:
        account.call()
    assert error.value.retry_after == timedelta(seconds=FIRST_PAUSE_S)
    assert (account.asked, account.clock.monotonic()) == (asked, now)


def test_one_probe_goes_through_and_its_failure_doubles_the_pause() -> None:
    account = Account()
    account.fail(OPENS_AFTER)
    for pause in (60, 120, 240, 480, LONGEST_PAUSE_S, LONGEST_PAUSE_S):
        account.clock.advance(seconds=pause - 1)
        asked = account.asked
        account.fail(1)
        assert account.asked == asked
        account.clock.advance(seconds=1.1)
        account.fail(5)
        assert account.asked == asked + 1, "one probe, which is not repeated"


def test_the_first_answer_lets_everything_through_again() -> None:
    account = Account()
    account.fail(OPENS_AFTER)
    account.down = None
    account.clock.advance(seconds=FIRST_PAUSE_S + 1)
    assert [account.call() for _ in range(3)] == ["done"] * 3


@pytest.mark.parametrize(
    "answer", [AuthError("no"), AttemptFailed("slow down", wait_s=700, throttled=True)]
)
def test_a_refusal_is_an_answer_too(answer: Exception) -> None:
    account = Account()
    account.fail(OPENS_AFTER)
    account.down = answer
    account.clock.advance(seconds=FIRST_PAUSE_S + 1)
    with pytest.raises((AuthError, TransientError)):
        account.call()
    account.down = None
    assert account.call() == "done"


def test_a_failure_and_a_recovery_are_each_said_once() -> None:
    account = Account()
    account.fail(OPENS_AFTER + 4)
    account.clock.advance(seconds=FIRST_PAUSE_S + 1)
    account.fail(1)
    account.down = None
    account.clock.advance(seconds=LONGEST_PAUSE_S + 1)
    account.call()
    account.call()
    assert [(level, event.split(";")[0]) for level, event, _ in account.lines.said] == [
        ("warning", "the CRM does not answer"),
        ("info", "the CRM answers again"),
    ]
    assert {values["account"] for _, _, values in account.lines.said} == {"main"}


def test_calls_that_fail_now_and_then_open_nothing() -> None:
    account = Account()
    for _ in range(10):
        account.down = AttemptFailed("down")
        account.fail(OPENS_AFTER - 1)
        account.down = None
        account.call()
    assert account.lines.said == []


def test_another_account_goes_on() -> None:
    broken, well = Account(), Account()
    well.down = None
    broken.fail(OPENS_AFTER)
    assert well.call() == "done"


def test_while_one_probes_others_fail_at_once() -> None:
    account = Account()
    account.fail(OPENS_AFTER)
    account.clock.advance(seconds=FIRST_PAUSE_S + 1)
    asked = account.asked
    others = threading.Thread(target=account.fail, args=(3,))

    def while_it_is_on_its_way() -> None:
        others.start()
        others.join()

    account.meanwhile = while_it_is_on_its_way
    account.fail(1)
    assert account.asked == asked + 1


def test_a_probe_that_ends_untold_leaves_room_for_another() -> None:
    """Such as when the process is told to stop."""
    account = Account()
    account.fail(OPENS_AFTER)
    account.clock.advance(seconds=FIRST_PAUSE_S + 1)
    account.down = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        account.call()
    account.down = None
    assert account.call() == "done"
