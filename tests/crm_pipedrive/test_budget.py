"""What calls cost, judged by the sandbox's own ledger; and history within what is left."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import pytest

from sync.crm.base import DealStatus, Field
from sync.crm.pipedrive.ledger import Ledger, Purpose
from sync.crm.pipedrive.state import ProcessState
from sync.errors import TransientError
from sync.jobs import chain
from sync.jobs.runner import run_chain
from sync.mirror import read
from sync.sandbox.company import CompanyDeal, CompanyGoal, Event
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.goals import in_v1
from tests.crm_pipedrive.conftest import CREATED, Account, Open, deal, oauth
from tests.fake_clock import FakeClock

MOVED = CREATED + timedelta(days=10)


def many(count: int, currencies: Sequence[str] = ("NOK",)) -> list[CompanyDeal]:
    """One in five open, each of them with a call and a plan; the others won or lost."""
    ends = [None, "won", "lost", "won", "lost"]
    return [
        deal(
            f"d{n}",
            *([Event(MOVED, "stage", end)] if (end := ends[n % 5]) else []),
            activities=[] if end else [MOVED],
            values={"amount": str(1000 + n), "currency": currencies[n % len(currencies)]},
        )
        for n in range(count)
    ]


def test_a_first_load_of_10000_deals_stays_below_a_hundredth_of_the_smallest_budget(
    account_of: Open,
) -> None:
    """In the dearest case: several currencies, hundreds of fields, old sales in the archive."""
    account = account_of(
        many(10_000, ("NOK", "EUR", "SEK")), behaviour=PipedriveBehaviour(field_cap=1000)
    )
    for number in range(600):
        account.crm.fields.add(f"Field {number}", "text", [], "")
    for n in range(2, 1000, 5):
        account.crm.archive(account.crm.id_of(f"d{n}"))
    account.pull()
    assert account.sandbox.ledger.budget == 30_000
    assert account.sandbox.ledger.total < 300
    assert account.client.ledger.session == account.sandbox.ledger.total
    account.clock.advance(minutes=15)
    account.pull()
    assert read.deal_count(account.engine, "main") == 10_000
    assert account.deal("d0").last_activity_at == MOVED
    assert account.deal("d2").status is DealStatus.LOST
    assert account.deal("d1").amount_home == Decimal("11511.5")


def test_what_the_first_load_leaves_for_later_comes_with_the_second_pull(account_of: Open) -> None:
    account = account_of(many(50), behaviour=PipedriveBehaviour(daily_budget=5000))
    for n in (2, 7):
        account.crm.archive(account.crm.id_of(f"d{n}"))
    account.pull()
    assert account.sandbox.ledger.total <= 52
    assert len(account.deals()) == 48
    account.clock.advance(minutes=15)
    account.pull()
    assert len(account.deals()) == 50
    assert account.deal("d0").last_activity_at == MOVED


def test_a_day_of_pulls_on_the_smallest_plan(account_of: Open) -> None:
    """The sum that BEHAVIOR.md states: a pull each quarter of an hour, and what an hour keeps."""
    account = account_of(many(100), history_per_pull=0)
    everyones = CompanyGoal(date(2026, 1, 1), date(2027, 1, 1), Decimal(9))
    account.crm.add_goal(in_v1(account.crm, everyones))

    def cycle() -> None:
        account.reconnect()
        (result,) = run_chain([chain.PULL], account.context())
        assert result.ok
        account.clock.advance(minutes=15)

    for _ in range(2):
        cycle()
    account.clock.advance(days=1)
    account.spent()
    for _ in range(96):
        cycle()
    pulls = {"GET /api/v1/users/me": 2, "GET /api/v2/deals": 20, "GET /api/v2/activities": 10}
    pulls |= {"GET /api/v2/deals/archived": 20}
    hours = {"GET /api/v1/users": 20, "GET /api/v2/pipelines": 5, "GET /api/v2/stages": 5}
    hours |= {"GET /api/v2/dealFields": 10}
    goals = {"GET /api/v1/goals/find": 40, "GET /api/v1/currencies": 20}
    rescans = {"GET /api/v2/deals": 10}
    expected = Counter[str]()
    for times, costs in ((96, pulls), (24, hours), (4, rescans), (1, goals)):
        expected.update({name: times * tokens for name, tokens in costs.items()})
    assert account.spent() == expected
    assert expected.total() == 6052
    assert expected.total() < account.sandbox.ledger.budget * account.settings.daily_budget_share


def test_a_stage_and_an_owner_that_are_new_are_asked_for_at_once(account: Account) -> None:
    account.pull()
    stage = account.crm.add_stage("default", "Contract", probability=70)
    user = account.crm.add_user("Ola Ny", "ola@vik.example")
    account.clock.advance(minutes=15)
    account.crm.edit(account.crm.id_of("a"), {"stage_id": int(stage), "owner_id": int(user)})
    account.pull()
    assert account.deal("a").stage_probability == Decimal("0.7")
    account.clock.advance(minutes=15)
    account.spent()
    account.pull()
    assert account.spent()["GET /api/v1/users"] == 20
    assert "Ola Ny" in {owner.name for owner in account.source.owners()}
    account.clock.advance(minutes=15)
    account.pull()
    account.clock.advance(minutes=15)
    account.pull()
    assert not account.spent().keys() & {"GET /api/v1/users", "GET /api/v2/stages"}


def test_a_stage_that_was_deleted_is_not_asked_for_again_and_again(account: Account) -> None:
    account.crm.move(account.crm.id_of("a"), "offer")
    account.crm.delete_stage("offer")
    account.pull()
    account.spent()
    for _ in range(3):
        account.clock.advance(minutes=15)
        account.crm.edit(account.crm.id_of("a"), {"title": f"at {account.clock.now()}"})
        account.pull()
    assert "GET /api/v2/stages" not in account.spent()


def moved_deals(count: int) -> list[CompanyDeal]:
    return [
        deal(
            f"d{n}",
            Event(MOVED, "stage", "offer"),
            Event(MOVED + timedelta(days=5), "stage", "sign"),
            values={"amount": str(1000 + n)},
        )
        for n in range(count)
    ]


def test_history_is_read_over_days_most_valuable_deals_first(account_of: Open) -> None:
    account = account_of(
        moved_deals(100),
        behaviour=PipedriveBehaviour(daily_budget=3000),
        daily_budget_share=0.4,
        rescan_open_hours=1000,
    )
    complete: list[int] = []
    for _ in range(21):
        account.pull()
        complete.append(sum(len(account.history(f"d{n}", "stage")) == 3 for n in range(100)))
        account.clock.advance(minutes=12 * 60)
    assert 0 == complete[0] < complete[3] < complete[-1] == 100
    assert max(account.sandbox.ledger.by_day().values()) <= 0.4 * 3000
    spent_on = [e.path for e in account.sandbox.requests if e.path.endswith("/changelog")]
    assert spent_on == [
        f"/api/v1/deals/{account.crm.id_of(f'd{n}')}/changelog" for n in range(99, -1, -1)
    ]


def test_a_changelog_replaces_what_was_guessed_before(account_of: Open) -> None:
    account = account_of(moved_deals(1))
    account.pull()
    new, offer, sign = (str(account.crm.stage_id(key)) for key in ("new", "offer", "sign"))
    second = MOVED + timedelta(days=5)
    assert account.history("d0", "stage") == [(None, sign, second, "unknown")]
    account.clock.advance(minutes=15)
    account.pull()
    assert account.history("d0", "stage") == [
        (None, new, CREATED, "unknown"),
        (new, offer, MOVED, "human"),
        (offer, sign, second, "human"),
    ]
    account.clock.advance(minutes=15)
    account.crm.move(account.crm.id_of("d0"), "offer")
    at = account.second()
    account.crm.edit(account.crm.id_of("d0"), {"value": 5}, source="workflow")
    account.pull()
    assert account.history("d0", "stage")[3:] == [(sign, offer, at, "human")]
    assert account.history("d0", "amount")[-1] == ("1000", "5", at, "automation")


def test_without_tokens_for_history_changes_are_found_by_comparing(account_of: Open) -> None:
    account = account_of([deal("a")], history_per_pull=0)
    account.pull()
    account.clock.advance(minutes=15)
    account.crm.move(account.crm.id_of("a"), "offer")
    moved = account.second()
    account.pull()
    new, offer = (str(account.crm.stage_id(key)) for key in ("new", "offer"))
    assert account.history("a", "stage") == [
        (None, new, CREATED, "unknown"),
        (new, offer, moved, "diff"),
    ]
    assert account.history("a", "status") == [(None, "open", CREATED, "unknown")]


def test_several_moves_between_two_pulls_are_all_found(account: Account) -> None:
    account.pull()
    account.clock.advance(minutes=5)
    account.crm.move(account.crm.id_of("a"), "offer")
    account.crm.move(account.crm.id_of("a"), "sign")
    account.clock.advance(minutes=5)
    account.crm.win(account.crm.id_of("a"))
    account.pull()
    stages = [str(account.crm.stage_id(key)) for key in ("new", "offer", "sign")]
    assert [new for _, new, _, _ in account.history("a", "stage")] == stages
    assert [new for _, new, _, _ in account.history("a", "status")] == ["open", "won"]


def test_a_pull_stops_before_its_share_is_passed(account_of: Open) -> None:
    account = account_of(many(50), daily_budget_share=0.01)
    with pytest.raises(TransientError, match="daily_budget_share") as error:
        for _ in range(10):
            account.pull()
            account.clock.advance(minutes=1)
    assert account.sandbox.ledger.total <= 300
    assert error.value.retry_after is not None
    account.clock.advance(seconds=error.value.retry_after.total_seconds())
    account.pull()


def test_tokens_spent_are_remembered_by_the_next_process(clock: FakeClock) -> None:
    state = ProcessState()
    first = Ledger(share=0.5, clock=clock, state=state, budget_tokens=1000)
    first.admit(400, Purpose.READ)
    first.book(400)
    second = Ledger(share=0.5, clock=clock, state=state, budget_tokens=1000)
    with pytest.raises(TransientError, match="400 of 500"):
        second.admit(101, Purpose.READ)
    second.admit(100, Purpose.READ)


def test_two_processes_do_not_forget_each_others_tokens(clock: FakeClock) -> None:
    state = ProcessState()
    one = Ledger(share=1, clock=clock, state=state)
    two = Ledger(share=1, clock=clock, state=state)
    one.book(100)
    two.book(50)
    one.book(100)
    assert Ledger(share=1, clock=clock, state=state).spent() == 250


def test_no_24_hours_hold_more_than_our_share(clock: FakeClock) -> None:
    """Pipedrive's day begins when it does; ours is any 24 hours."""
    ledger = Ledger(share=0.5, clock=clock, state=ProcessState(), budget_tokens=1000)
    spent: list[tuple[float, int]] = []
    for _ in range(400):
        try:
            ledger.admit(50, Purpose.READ)
        except TransientError:
            pass
        else:
            ledger.book(50)
            spent.append((clock.monotonic(), 50))
        clock.advance(minutes=17)
    for since, _ in spent:
        within = sum(cost for at, cost in spent if since <= at < since + 86_400)
        assert within <= 500
    assert sum(cost for _, cost in spent) > 4 * 450


def test_patient_calls_leave_tokens_to_the_urgent_ones(clock: FakeClock) -> None:
    ledger = Ledger(share=1, clock=clock, state=ProcessState(), budget_tokens=1000)
    ledger.book(600)
    assert ledger.room(Purpose.HISTORY) == 0
    assert ledger.room(Purpose.WRITE) == 250
    assert ledger.room(Purpose.READ) == 400


def test_the_budget_is_what_pipedrive_says_else_what_was_configured(account_of: Open) -> None:
    behaviour = PipedriveBehaviour(plan="growth", seats=3)
    account = account_of([deal("a")], behaviour=behaviour, daily_budget_tokens=50_000)
    assert account.client.ledger.budget == 50_000
    account.source.account()
    assert account.client.ledger.budget == 180_000
    silent = PipedriveBehaviour(plan="growth", seats=3, daily_headers=False)
    account = account_of([deal("a")], behaviour=silent, daily_budget_tokens=50_000)
    account.source.account()
    assert account.client.ledger.budget == 50_000


def test_pipedrives_word_on_a_calls_cost_counts(account: Account) -> None:
    account.source.account()
    account.source.owners()
    account.source.pipelines()
    assert account.client.ledger.spent() == account.sandbox.ledger.total == 32


def test_missing_permission_for_changelogs_leaves_history_out(account_of: Open) -> None:
    account = account_of(moved_deals(3))
    account.pull()
    account.clock.advance(minutes=15)
    account.reconnect(oauth(account, scopes=("base", "deals:full", "activities:full")))
    cursor = {
        "since": "2026-03-16T09:00:00Z",
        "backlog": "1:5",
        "rescanned": "2026-03-16T09:00:00Z",
    }
    pages = list(account.source.deals(cursor, started_at=account.clock.now(), known=lambda _: {}))
    assert "recents:read" in " ".join(text for page in pages for text in page.left_out)
    assert "history_after" in pages[-1].cursor
    assert Field.STAGE not in {c.field for page in pages for c in page.changes if c.old}
