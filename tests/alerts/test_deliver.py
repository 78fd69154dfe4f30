"""Delivery: each digest once, whatever fails, on both databases."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from sync.alerts import store
from sync.alerts.channels.base import Channel, DeliveryUncertain
from sync.alerts.deliver import GIVE_UP_AFTER, LEASE, DeliveryReport, deliver
from sync.alerts.digest import Message
from sync.alerts.store import KEEP_TRYING, MIN_ATTEMPTS
from sync.errors import PermanentError, RecordsRejected, TransientError
from tests.alerts.conftest import CONNECTION, Book
from tests.alerts.digests import sentence


class Desk:
    """A channel of this process: a list of what arrived. `answer` may raise instead."""

    def __init__(self, name: str = "desk") -> None:
        self.name = name
        self.arrived: list[Message] = []
        self.tries = 0
        self.answer: Callable[[Message], None] = lambda message: None

    def deliver(self, message: Message) -> None:
        self.tries += 1
        self.answer(message)
        self.arrived.append(message)

    def fail_with(self, error: Exception) -> None:
        def answer(message: Message) -> None:
            raise error

        self.answer = answer


@pytest.fixture
def desk() -> Desk:
    return Desk()


def send(
    book: Book, *channels: Channel, by: str = "host:1", retries: bool = False
) -> DeliveryReport:
    return deliver(
        book.engine,
        CONNECTION,
        channels,
        clock=book.clock,
        claimed_by=by,
        language="en",
        sentence=sentence,
        only_retries=retries,
    )


def test_each_owner_gets_one_digest_per_channel(book: Book, desk: Desk) -> None:
    mail = Desk("mail")
    for deal_id, owner in (("1", "kari"), ("2", "kari"), ("3", "ola"), ("4", None)):
        book.add_deal(deal_id, owner_id=owner)
    book.raise_and_resolve("desk", "mail")
    assert send(book, desk, mail) == DeliveryReport(digests=6, sent=8)
    for channel in (desk, mail):
        assert sorted((m.headline, len(m.alert_ids)) for m in channel.arrived) == [
            ("1 deal needs Ola Borte (deactivated)", 1),
            ("1 deal needs an owner", 1),
            ("2 deals need Kari Nordmann", 2),
        ]
    (kari,) = [m for m in desk.arrived if m.to == "kari@example.com"]
    assert "stale for 21 days [en]" in kari.text
    assert "https://crm.example.com/deal/2?x={y}" in kari.text


def test_nothing_is_sent_twice(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    send(book, desk)
    book.clock.advance(days=3)
    book.raise_and_resolve()
    assert send(book, desk) == DeliveryReport()
    assert len(desk.arrived) == 1


def test_what_passes_is_tried_again_until_it_is_given_up(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    desk.fail_with(TransientError("desk: closed"))
    for attempt in range(2 * MIN_ATTEMPTS):
        report = send(book, desk, retries=attempt > 0)
        assert (report.put_back, [*map(str, report.errors)]) == (1, ["desk: closed"])
        assert book.deliveries() == ["pending"]
    book.clock.advance(days=KEEP_TRYING.days)
    send(book, desk, retries=True)
    assert book.deliveries() == ["failed"]
    send(book, desk)
    assert desk.tries == 2 * MIN_ATTEMPTS + 1


def test_an_old_alert_is_tried_several_times_too(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    book.clock.advance(days=KEEP_TRYING.days)
    desk.fail_with(TransientError("desk: closed"))
    for attempt in range(1, MIN_ATTEMPTS + 1):
        send(book, desk, retries=attempt > 1)
        assert book.deliveries() == ["pending" if attempt < MIN_ATTEMPTS else "failed"]


def test_a_retry_arrives_with_what_is_new(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    desk.fail_with(TransientError("desk: closed"))
    send(book, desk)
    desk.answer = lambda message: None
    book.add_deal("2")
    book.raise_and_resolve()
    assert send(book, desk, retries=True).sent == 1
    assert send(book, desk).sent == 1
    assert [len(message.alert_ids) for message in desk.arrived] == [1, 1]
    assert book.deliveries() == ["sent", "sent"]


@pytest.mark.parametrize(
    ("error", "state", "count"),
    [
        (PermanentError("desk: gone"), "failed", "failed"),
        (DeliveryUncertain("desk: silence"), "uncertain", "uncertain"),
    ],
)
def test_what_does_not_pass_is_not_tried_again_by_itself(
    book: Book, desk: Desk, error: Exception, state: str, count: str
) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    desk.fail_with(error)
    report = send(book, desk)
    assert getattr(report, count) == 1
    assert report.errors == [error]
    assert book.deliveries() == [state]
    assert send(book, desk) == DeliveryReport()
    assert desk.tries == 1


def test_a_part_that_is_refused_is_told_apart(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    error = RecordsRejected("desk", ["the task on deal 1 (archived)"], "Correct it.")
    desk.fail_with(error)
    report = send(book, desk)
    assert (report.failed, report.errors, report.refused) == (1, [], [error])
    assert book.deliveries() == ["failed"]


def test_a_person_may_send_failed_ones_again(book: Book, desk: Desk) -> None:
    for deal_id in ("1", "2"):
        book.add_deal(deal_id)
    book.raise_and_resolve()
    desk.fail_with(PermanentError("desk: gone"))
    send(book, desk)
    book.fix("2")
    book.raise_and_resolve()
    desk.answer = lambda message: None
    assert store.send_again(book.engine, CONNECTION) == 1
    assert send(book, desk).sent == 1
    assert book.deliveries() == ["sent", "failed"]


def test_uncertain_ones_are_sent_again_only_when_named(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()
    desk.fail_with(DeliveryUncertain("desk: silence"))
    send(book, desk)
    assert store.send_again(book.engine, CONNECTION) == 0
    assert store.send_again(book.engine, CONNECTION, failed=False, uncertain=True) == 1
    assert book.deliveries() == ["pending"]


def test_one_failing_channel_or_digest_does_not_hinder_the_others(book: Book, desk: Desk) -> None:
    mail = Desk("mail")
    book.add_deal("1")
    book.add_deal("2", owner_id="ola")
    book.raise_and_resolve("desk", "mail")

    def refuse_kari(message: Message) -> None:
        if message.to == "kari@example.com":
            raise PermanentError("desk: not Kari")

    desk.answer = refuse_kari
    report = send(book, desk, mail)
    assert (report.sent, report.failed) == (3, 1)
    assert len(mail.arrived) == 2


def test_a_channel_that_keeps_failing_is_left_for_the_next_run(book: Book, desk: Desk) -> None:
    for number in range(GIVE_UP_AFTER + 2):
        book.add_deal(str(number), owner_id=f"owner {number}")
    book.raise_and_resolve()
    desk.fail_with(TransientError("desk: closed"))
    assert send(book, desk).put_back == GIVE_UP_AFTER
    desk.fail_with(TransientError("desk: wait", retry_after=timedelta(seconds=30)))
    assert send(book, desk).put_back == 1


def test_what_is_fixed_before_it_is_sent_is_withdrawn(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.add_deal("2")
    book.raise_and_resolve()
    book.fix("1")
    book.raise_and_resolve()
    assert send(book, desk).sent == 1
    assert [message.headline for message in desk.arrived] == ["1 deal needs Kari Nordmann"]
    assert book.deliveries() == ["withdrawn", "sent"]


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


def test_a_process_that_dies_while_sending_leaves_it_uncertain(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.raise_and_resolve()

    def arrive_and_die(message: Message) -> None:
        desk.arrived.append(message)
        raise Killed

    desk.answer = arrive_and_die
    with pytest.raises(Killed):
        send(book, desk)
    desk.answer = lambda message: None
    assert send(book, desk, by="host:2") == DeliveryReport()  # it may still be at it
    book.clock.advance(seconds=LEASE.total_seconds() + 1)
    assert send(book, desk, by="host:2") == DeliveryReport(expired=1)
    assert book.deliveries() == ["uncertain"]
    assert len(desk.arrived) == 1


def test_asked_to_stop_it_leaves_the_rest_waiting(book: Book, desk: Desk) -> None:
    book.add_deal("1")
    book.add_deal("2", owner_id="ola")
    book.raise_and_resolve()
    deliver(
        book.engine,
        CONNECTION,
        [desk],
        clock=book.clock,
        claimed_by="host:1",
        language="en",
        sentence=sentence,
        should_stop=lambda: len(desk.arrived) == 1,
    )
    assert sorted(book.deliveries()) == ["pending", "sent"]


def test_two_senders_at_once_send_each_alert_once(book: Book) -> None:
    for number in range(24):
        book.add_deal(str(number), owner_id=f"owner {number % 8}")
    book.raise_and_resolve()
    desks = [Desk(), Desk(), Desk()]
    start = threading.Barrier(len(desks), timeout=30)

    def work(number: int) -> DeliveryReport:
        start.wait()
        return send(book, desks[number], by=f"host:{number}")

    with ThreadPoolExecutor(len(desks)) as pool:
        reports = list(pool.map(work, range(len(desks))))
    assert sum(report.sent for report in reports) == 24
    sent = [alert for desk in desks for message in desk.arrived for alert in message.alert_ids]
    assert len(sent) == len(set(sent)) == 24
    assert book.deliveries() == ["sent"] * 24
