"""Pulls of Pipedrive into a real mirror, as the daemon makes them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from sync.crm.base import DealStatus
from sync.crm.pipedrive.position import Position
from sync.errors import PermanentError
from sync.jobs.context import Stopped
from sync.sandbox.company import Event
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from tests.crm_pipedrive.conftest import CREATED, Account, Open, deal
from tests.fake_clock import START, FakeClock


@pytest.mark.parametrize("days", [1, -1])
def test_a_machine_whose_date_was_wrong_for_a_while_loses_nothing(
    account_of: Open, days: float
) -> None:
    account = account_of([deal("a"), deal("b")])
    there, ours = account.clock, FakeClock(START + timedelta(days=days))

    def later() -> None:
        for clock in {there, ours, account.clock}:
            clock.advance(minutes=15)

    account.clock = ours
    account.restart()
    account.pull()
    account.crm.edit(account.crm.id_of("b"), {"value": 6})
    later()  # longer than lists reach back
    account.clock = there  # its date is put right
    account.restart()
    account.pull()
    account.crm.edit(account.crm.id_of("a"), {"value": 7})
    later()
    account.pull()
    assert (account.deal("a").amount, account.deal("b").amount) == (7, 6)


def test_instants_that_are_yet_to_come_are_of_a_clock_that_was_ahead() -> None:
    now, ahead = START, START + timedelta(days=30)
    position = Position(ahead, archived=ahead, deleted=now, activities=ahead, until=ahead)
    assert position.by(now) == Position(now, archived=now, deleted=now, activities=now, until=now)
    behind = Position.first(now - timedelta(hours=1))
    assert behind.by(now) == behind


def test_a_first_load_brings_what_is_there(account_of: Open) -> None:
    moved = CREATED + timedelta(days=10)
    account = account_of(
        [
            deal("a", Event(moved, "stage", "offer"), contacts=2, companies=1),
            deal("w", Event(moved, "stage", "won")),
            deal("l", Event(moved, "stage", "lost"), Event(moved, "loss_reason", "price")),
        ]
    )
    account.pull()
    found = account.deal("a")
    assert found.name == "Deal a"
    assert found.stage_id == str(account.crm.stage_id("offer"))
    assert found.owner_id == str(account.crm.user_id("101"))
    assert (found.amount, found.currency, found.amount_home) == (1000, "NOK", 1000)
    assert found.stage_probability == Decimal("0.6")
    assert found.close_date is not None
    assert f"{found.close_date.astimezone(ZoneInfo('Europe/Oslo')):%F}" == "2026-04-30"
    assert (found.contact_count, found.company_count) == (2, 1)
    assert account.deal("w").status is DealStatus.WON
    assert account.deal("w").closed_at == moved
    assert account.deal("l").status is DealStatus.LOST
    assert account.deal("l").loss_reason == "price"


def test_every_kind_of_edit_arrives_with_the_next_pull(account: Account) -> None:
    account.pull()
    a, b, c = (account.crm.id_of(key) for key in "abc")
    account.clock.advance(minutes=15)
    account.crm.edit(a, {"value": 2500.5, "expected_close_date": "2026-05-31"})
    account.crm.move(b, "offer")
    account.crm.win(c)
    account.pull()
    assert account.deal("a").amount == Decimal("2500.5")
    assert account.deal("b").stage_id == str(account.crm.stage_id("offer"))
    assert account.deal("c").status is DealStatus.WON
    account.clock.advance(minutes=15)
    account.crm.reopen(c)
    account.pull()
    assert account.deal("c").status is DealStatus.OPEN
    assert account.deal("c").closed_at is None


def test_an_edit_in_the_second_of_the_pull_is_not_lost(account: Account) -> None:
    account.pull()
    account.crm.edit(account.crm.id_of("a"), {"value": 1})
    account.pull()
    account.crm.edit(account.crm.id_of("a"), {"value": 2})
    account.pull()
    assert account.deal("a").amount == 2


def test_windows_are_in_whole_seconds(account: Account) -> None:
    account.clock.advance(seconds=0.123)
    account.pull()
    account.clock.advance(seconds=900.456)
    account.crm.move(account.crm.id_of("a"), "offer")
    account.pull()
    queries = [entry.query for entry in account.sandbox.requests if "updated_since" in entry.query]
    assert queries
    assert not [query for query in queries if "." in query.split("updated_since=")[1][:30]]
    assert account.deal("a").stage_id == str(account.crm.stage_id("offer"))


def test_a_list_that_ignores_the_window_is_noticed(account: Account) -> None:
    account.pull()
    account.clock.advance(days=1)
    filtered = account.crm.add_filter([account.crm.id_of("a")])
    reader = account.source.reader
    ask = reader.deal_query
    reader.deal_query = lambda: {**ask(), "filter_id": str(filtered)}  # type: ignore[method-assign]
    cursor = {"since": "2026-03-17T08:00:00Z", "rescanned": "2026-03-17T08:00:00Z"}
    with pytest.raises(PermanentError, match="updated_since"):
        list(account.source.deals(cursor, started_at=account.clock.now(), known=lambda _: {}))


def test_deleted_deals_leave_and_restored_ones_return(account: Account) -> None:
    account.pull()
    a = account.crm.id_of("a")
    account.clock.advance(minutes=15)
    account.crm.delete(a)
    account.pull()
    assert account.removals() == {a: "archived"}
    for _ in range(2):
        account.clock.advance(minutes=15)
        account.pull()
    assert account.removals() == {a: "archived"}
    account.crm.restore(a)
    account.pull()
    assert account.removals() == {}
    assert account.deal("a").amount == 1000


def test_a_deal_deleted_for_a_month_is_gone_for_good(account: Account) -> None:
    account.pull()
    a = account.crm.id_of("a")
    account.crm.delete(a)
    account.pull()
    account.clock.advance(days=31)
    account.pull()
    assert account.removals() == {a: "purged"}


def test_archived_open_deals_leave_and_archived_sales_stay(account: Account) -> None:
    account.pull()
    a, b = account.crm.id_of("a"), account.crm.id_of("b")
    account.clock.advance(minutes=15)
    account.crm.win(b)
    account.crm.archive(a)
    account.crm.archive(b)
    account.pull()
    assert account.removals() == {a: "archived"}
    assert account.deal("b").status is DealStatus.WON
    account.clock.advance(minutes=15)
    account.crm.unarchive(a)
    account.pull()
    assert account.removals() == {}


def test_sales_archived_before_the_first_load_are_read(account: Account) -> None:
    a, b = account.crm.id_of("a"), account.crm.id_of("b")
    account.crm.win(a)
    account.crm.archive(a)
    account.crm.archive(b)
    account.pull()
    assert account.deal("a").status is DealStatus.WON
    assert b not in account.deals()


def test_a_merged_deal_leaves(account: Account) -> None:
    account.pull()
    a, b = account.crm.id_of("a"), account.crm.id_of("b")
    account.clock.advance(minutes=15)
    account.crm.merge(a, b)
    account.pull()
    assert set(account.removals()) == {b}


def test_an_interrupted_first_load_goes_on(account_of: Open) -> None:
    account = account_of([deal(f"d{n}") for n in range(1200)])
    asked = []

    def after_one_page() -> bool:
        asked.append(1)
        return len(asked) == 1

    with pytest.raises(Stopped):
        account.pull(after_one_page)
    assert len(account.deals()) == 500
    account.spent()
    account.pull()
    assert len(account.deals()) == 1200
    assert account.spent()["GET /api/v2/deals"] <= 60  # two pages, and the open ones once more


def test_a_place_that_pipedrive_forgot_begins_the_walk_anew(account: Account) -> None:
    now = account.clock.now()
    cursor = {"since": "2026-03-16T09:00:00Z", "until": "2026-03-16T09:00:00Z"}
    cursor |= {"loading": "yes", "after": "bm9uc2Vuc2U"}
    found = list(account.source.deals(cursor, started_at=now, known=lambda _: {}))
    assert {d.deal_id for page in found for d in page.deals} == set(account.crm.deal_ids())


def test_activities_count_where_people_did_something(account: Account) -> None:
    done, planned = datetime(2026, 3, 10, 9, tzinfo=UTC), datetime(2026, 3, 20, 9, tzinfo=UTC)
    account.crm.log_activity(account.crm.id_of("a"), done)
    account.crm.schedule_activity(account.crm.id_of("a"), planned)
    account.pull()
    assert account.deal("a").last_activity_at == done
    next_at = account.deal("a").next_activity_at
    assert next_at is not None
    assert next_at.date() == planned.date()
    assert account.deal("b").last_activity_at is None


def test_an_activity_arrives_though_the_deal_does_not_look_changed(account_of: Open) -> None:
    account = account_of(
        [deal("a"), deal("b")], behaviour=PipedriveBehaviour(activity_moves_deal=False)
    )
    account.pull()
    account.clock.advance(minutes=15)
    account.crm.log_activity(account.crm.id_of("a"))
    called, before = account.second(), account.deal("a").modified_at
    account.pull()
    assert account.deal("a").last_activity_at == called
    assert account.deal("a").modified_at == before


def test_our_own_follow_ups_are_no_activity(account: Account) -> None:
    a = account.crm.id_of("a")
    done = datetime(2026, 3, 10, 9, tzinfo=UTC)
    account.crm.log_activity(a, done)
    client = account.client
    body = {"subject": "Follow up", "deal_id": int(a), "due_date": "2026-03-18"}
    made = client.post(
        "/api/v2/activities", {**body, "note": "<p>Why</p> [dealpulse:stale]"}, what="a follow-up"
    )
    account.pull()
    assert account.deal("a").last_activity_at == done
    assert account.deal("a").next_activity_at is None
    account.clock.advance(minutes=15)
    client.patch(f"/api/v2/activities/{made['data']['id']}", {"done": True}, what="it")
    account.pull()
    assert account.deal("a").last_activity_at == done


def test_open_deals_are_read_again_every_few_hours(account: Account) -> None:
    account.pull()
    account.clock.advance(minutes=15)
    account.pull()
    account.spent()
    account.clock.advance(minutes=15)
    account.pull()
    usual = account.spent()["GET /api/v2/deals"]
    account.clock.advance(minutes=6 * 60)
    account.pull()
    assert account.spent()["GET /api/v2/deals"] == usual + 10


def test_users_are_active_or_not(account: Account) -> None:
    owners = {owner.owner_id: owner for owner in account.source.owners()}
    kari, per = (owners[str(account.crm.user_id(key))] for key in ("101", "102"))
    assert (kari.name, kari.email, kari.active) == ("Kari Nordmann", "kari@vik.example", True)
    assert not per.active
    account.crm.deactivate_user("101")
    account.clock.advance(minutes=60)
    assert not any(o.active for o in account.source.owners() if o.owner_id == kari.owner_id)


def test_stages_are_as_they_are_now(account: Account) -> None:
    account.source.pipelines()
    account.crm.rename_stage("offer", "Tilbud")
    account.crm.set_probability("offer", 55)
    account.clock.advance(minutes=60)
    (pipeline,) = account.source.pipelines()
    assert [(s.label, s.probability) for s in pipeline.stages] == [
        ("New", Decimal("0.2")),
        ("Tilbud", Decimal("0.55")),
        ("Signing", Decimal("0.9")),
    ]
    assert not any(stage.is_closed for stage in pipeline.stages)


def test_a_deal_of_a_deleted_stage_stays_in_it(account: Account) -> None:
    account.crm.move(account.crm.id_of("a"), "offer")
    account.pull()
    account.crm.delete_stage("offer")
    account.clock.advance(minutes=15)
    account.pull()
    assert account.deal("a").stage_id == str(account.crm.stage_id("offer"))


def test_a_deals_own_probability_wins_where_the_pipeline_lets_it(account_of: Open) -> None:
    for allowed, expected in ((True, Decimal("0.35")), (False, Decimal("0.2"))):
        account = account_of([deal("a")], behaviour=PipedriveBehaviour(deal_probability=allowed))
        account.crm.edit(account.crm.id_of("a"), {"probability": 35})
        page = account.source.read([account.crm.id_of("a")])
        assert page.deals[0].stage_probability == expected
        assert page.deals[0].rep_probability == (Decimal("0.35") if allowed else None)


def test_amounts_in_other_currencies_take_pipedrives_own_rate(account_of: Open) -> None:
    account = account_of([deal("a", values={"currency": "EUR", "amount": "200"}), deal("b")])
    account.pull()
    found = account.deal("a")
    assert (found.amount, found.currency, found.amount_home) == (200, "EUR", 2300)
    assert account.spent()["GET /api/v1/deals/summary"] == 40
    account.clock.advance(minutes=15)
    account.pull()
    assert "GET /api/v1/deals/summary" not in account.spent()


def test_the_customers_own_rate_wins_and_costs_nothing(account_of: Open) -> None:
    euro = deal("a", values={"currency": "EUR", "amount": "200"})
    account = account_of([euro], rates={"EUR": Decimal("11.25")})
    account.pull()
    assert account.deal("a").amount_home == 2250
    assert "GET /api/v1/deals/summary" not in account.spent()


def test_the_account_says_where_and_in_what_it_counts(account: Account) -> None:
    found = account.source.account()
    assert (found.time_zone, found.home_currency) == ("Europe/Oslo", "NOK")
    assert found.deal_url is not None
    assert found.deal_url.endswith(".pipedrive.com/deal/{deal_id}")


def test_the_bin_can_be_asked_for_without_a_pull(account: Account) -> None:
    assert list(account.source.removed(started_at=account.clock.now())) == [[]]
    assert account.client.requests == 0  # before the first load there is nothing to know
    account.pull()
    account.reconnect()
    a, b = account.crm.id_of("a"), account.crm.id_of("b")
    account.crm.delete(a)
    account.crm.archive(b)
    pages = list(account.source.removed(started_at=account.clock.now()))
    assert {removal.deal_id for page in pages for removal in page} == {a, b}


@pytest.mark.parametrize("what", ["edit", "archive", "delete", "activity"])
def test_what_is_shown_late_is_found_by_reaching_back(account_of: Open, what: str) -> None:
    account = account_of(
        [deal("a")], behaviour=PipedriveBehaviour(activity_moves_deal=False), history_per_pull=0
    )
    account.pull()
    a = account.crm.id_of("a")
    if what == "edit":
        account.crm.edit(a, {"value": 5})
    elif what == "archive":
        account.crm.archive(a)
    elif what == "delete":
        account.crm.delete(a)
    else:
        account.crm.log_activity(a)
        account.crm.activities_of(int(a))[0].update_time -= 300
    if what != "activity":
        account.crm.deals.get(a).update_time -= 300  # before the pull that did not show it
    account.pull()
    if what in ("archive", "delete"):
        assert account.removals() == {a: "archived"}
    elif what == "edit":
        assert account.deal("a").amount == 5
    else:
        assert account.deal("a").last_activity_at is not None
