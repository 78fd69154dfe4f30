"""Alerts as Pipedrive's activities."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sync.alerts.channels.activity import ActivityChannel
from sync.alerts.channels.base import Closing
from sync.alerts.digest import Message
from sync.alerts.message import Alerted, Recipient, compose
from sync.crm.base import FollowUp
from sync.crm.pipedrive.follow_ups import PipedriveFollowUps
from sync.errors import RecordsRejected, TransientError
from sync.jobs.alert import deliver_alerts, raise_alerts
from sync.jobs.assess import assess
from sync.jobs.context import Counts
from sync.mirror import job_runs
from tests.crm_pipedrive.conftest import Account


def follow_ups(account: Account) -> PipedriveFollowUps:
    account.reconnect()
    return PipedriveFollowUps(account.client, account.source.reader, account.state)


def stale(account: Account, key: str) -> FollowUp:
    why = "Nobody did anything with it for 21 days."
    return FollowUp(account.crm.id_of(key), "stale", why, (why, "Call <the> customer."))


def made(account: Account, key: str) -> list[dict[str, object]]:
    activities = account.crm.activities_of(int(account.crm.id_of(key)))
    return [
        {"done": a.done, "owner": a.owner_id, "due": a.due_date, "note": a.note, "type": a.type}
        for a in activities
    ]


def test_one_open_activity_for_each_deal_and_rule(account: Account) -> None:
    for _ in range(3):
        follow_ups(account).open(stale(account, "a"))
    (one,) = made(account, "a")
    assert one["owner"] == account.crm.user_id("101")
    assert (one["done"], one["due"], one["type"]) == (False, "2026-03-16", "task")
    assert "Call &lt;the&gt; customer." in str(one["note"])


def test_it_is_closed_when_put_right_and_opened_anew_when_it_returns(account: Account) -> None:
    both = follow_ups(account)
    both.open(stale(account, "a"))
    both.open(stale(account, "b"))
    assert both.close_others([(account.crm.id_of("b"), "stale")]) == 1
    assert [one["done"] for one in made(account, "a")] == [True]
    assert [one["done"] for one in made(account, "b")] == [False]
    assert follow_ups(account).open(stale(account, "a"))
    assert [one["done"] for one in made(account, "a")] == [True, False]


def test_what_a_person_has_done_is_left_alone(account: Account) -> None:
    follow_ups(account).open(stale(account, "a"))
    (activity,) = account.crm.activities_of(int(account.crm.id_of("a")))
    activity.done = True
    assert follow_ups(account).close_others([]) == 0
    account.crm.delete(account.crm.id_of("a"))
    assert follow_ups(account).close_others([]) == 0


def test_a_follow_up_whose_answer_is_lost_is_not_made_twice(account: Account) -> None:
    account.sandbox.faults.add("reset_after_commit", path_contains="v2/activities", method="POST")
    follow_ups(account).open(stale(account, "a"))
    follow_ups(account).open(stale(account, "a"))
    assert len(made(account, "a")) == 1


def test_without_memory_ours_is_known_by_its_mark(account: Account) -> None:
    follow_ups(account).open(stale(account, "a"))
    account.state.save("follow_ups", {})
    assert not follow_ups(account).open(stale(account, "a"))
    assert len(made(account, "a")) == 1
    assert follow_ups(account).close_others([]) == 1


def test_a_deal_of_somebody_who_left_gets_one_all_the_same(account: Account) -> None:
    account.crm.deactivate_user("101")
    assert follow_ups(account).open(stale(account, "a"))
    assert len(made(account, "a")) == 1


def test_our_follow_up_does_not_end_the_staleness_it_is_about(account: Account) -> None:
    follow_ups(account).open(stale(account, "a"))
    account.pull()
    assert account.deal("a").next_activity_at is None
    assert account.deal("a").last_activity_at is None
    follow_ups(account).close_others([])
    account.clock.advance(minutes=15)
    account.pull()
    assert account.deal("a").last_activity_at is None


def message(account: Account, *keys: str) -> Message:
    alerts = [
        Alerted(n, account.crm.id_of(key), f"Deal {key}", "stale", {}, None, None, None, None)
        for n, key in enumerate(keys)
    ]
    return compose(
        alerts,
        Recipient("Kari", None, active=True),
        connection="main",
        language="en",
        sentence=lambda *_: "Nothing happened for 21 days.",
        at=datetime(2026, 3, 16, 9, tzinfo=UTC),
    )


def test_the_channel_makes_one_for_each_alert(account: Account) -> None:
    channel = ActivityChannel("activity", follow_ups(account))
    channel.deliver(message(account, "a", "b"))
    channel.deliver(message(account, "a", "b"))
    assert [len(made(account, key)) for key in "abc"] == [1, 1, 0]
    assert isinstance(channel, Closing)
    assert channel.close_others([]) == 2


def test_a_deal_that_refuses_does_not_keep_the_others_from_being_told(account: Account) -> None:
    account.crm.archive(account.crm.id_of("a"))
    channel = ActivityChannel("activity", follow_ups(account))
    with pytest.raises(RecordsRejected, match="others went through: the task on deal") as caught:
        channel.deliver(message(account, "a", "b"))
    assert len(caught.value.records) == 1
    assert [len(made(account, key)) for key in "ab"] == [0, 1]


def test_an_outage_is_tried_again_later(account: Account) -> None:
    channel = ActivityChannel("activity", follow_ups(account))
    account.sandbox.faults.add("html_502", times=-1)
    with pytest.raises(TransientError):
        channel.deliver(message(account, "a"))
    account.sandbox.faults.clear()
    channel.deliver(message(account, "a"))
    assert len(made(account, "a")) == 1


def cycle(account: Account) -> Counts:
    """Pull, assess, raise, deliver; what raising did."""
    account.pull()
    channel = ActivityChannel("activity", follow_ups(account))
    context = replace(account.context(), channels=(channel,))
    run_id = job_runs.start_run(account.engine, "assess", "main", at=account.clock.now())
    assess(context, run_id)
    raised = raise_alerts(context, run_id)
    deliver_alerts(context, run_id)
    return raised


def test_a_stale_deal_gets_a_task_until_somebody_calls(account: Account) -> None:
    account.crm.log_activity(account.crm.id_of("b"))
    account.crm.log_activity(account.crm.id_of("c"))
    assert cycle(account)["raised"] == 1
    assert [one["done"] for one in made(account, "a")] == [False]
    account.clock.advance(minutes=15)
    cycle(account)
    assert len(made(account, "a")) == 1
    account.crm.log_activity(account.crm.id_of("a"))
    account.clock.advance(minutes=15)
    assert cycle(account)["closed"] == 1
    assert [one["done"] for one in made(account, "a")] == [True, True]
