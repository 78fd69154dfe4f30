"""The past of deals that were loaded without it."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from sync.crm.base import Field
from sync.crm.hubspot.backfill import stage_dates_differing
from sync.crm.hubspot.in_flight import in_flight
from sync.errors import TransientError
from sync.jobs import chain
from sync.jobs.context import Stopped
from sync.jobs.saving import save
from sync.mirror import history_reads, schema
from sync.mirror.engine import writing
from sync.sandbox.company import CompanyDeal, Event
from tests.crm.conftest import CREATED, deal
from tests.jobs.conftest import Build, House


def moved(key: str, amount: int, **more: object) -> CompanyDeal:
    """Moved on after three days."""
    later = Event(CREATED + timedelta(days=3), "stage", "offer")
    return deal(key, later, values={"amount": str(amount)}, **more)


def reads(house: House) -> int:
    return sum(r.path.endswith("/batch/read") and "deals" in r.path for r in house.sandbox.requests)


def test_after_the_first_pull_every_deal_has_its_past(house_of: Build) -> None:
    house = house_of(moved(str(n), n) for n in range(120))
    counts = house.pull()
    assert counts["histories"] == 120
    assert counts["stage_dates_differ"] == 0
    assert {tuple(house.history(i, "stage")) for i in house.living()} == {("new", "offer")}
    assert all(row.history_read_at is not None for row in house.living().values())
    house.clock.advance(minutes=15)
    assert house.pull().get("histories", 0) == 0, "once"


def test_the_most_valuable_open_deals_come_first(house_of: Build) -> None:
    lost = deal("lost", values={"stage": "lost", "amount": "9000"})
    house = house_of([lost, *(deal(str(n), values={"amount": str(n)}) for n in (5, 70, 600))])
    house.pull()
    history_reads.forget_histories(house.app.engine, "portal")
    order = [house.crm.id_of(key) for key in ("600", "70", "5", "lost")]
    assert history_reads.unread_ids(house.app.engine, "portal", 10) == order
    assert history_reads.unread_ids(house.app.engine, "portal", 2) == order[:2]


def test_stopped_half_way_it_goes_on_where_it_was(house_of: Build) -> None:
    house = house_of(moved(str(n), n) for n in range(1200))
    seen: list[int] = []

    class Shown:
        def step(self, what: str, done: int, total: int | None) -> None:
            if what == "histories":
                seen.append(done)
                assert total == 1200

    stopping = house.restarted(progress=Shown(), should_stop=lambda: bool(seen))
    with pytest.raises(Stopped):
        chain.PULL.run(stopping, 0)
    assert seen == [500]
    assert history_reads.history_unread(house.app.engine, "portal") == 700
    before = reads(house)
    counts = house.pull()
    assert counts["histories"] == 700
    assert reads(house) - before <= 700 // 50 + 1
    assert history_reads.history_unread(house.app.engine, "portal") == 0


def test_reading_the_past_forgets_no_people_and_no_companies(house_of: Build) -> None:
    house = house_of([moved("a", 1, contacts=2, companies=1)])
    house.pull()
    (row,) = house.living().values()
    assert (row.contact_count, row.company_count) == (2, 1)


def test_a_deal_that_went_meanwhile_is_asked_for_once_a_pull_until_the_sweep(
    house_of: Build,
) -> None:
    house = house_of([moved("a", 1), moved("b", 2)])
    house.pull()
    history_reads.forget_histories(house.app.engine, "portal")
    house.crm.purge(house.crm.id_of("b"))
    house.clock.advance(minutes=15)
    house.sent()
    house.pull()
    assert len([sent for sent in house.sent() if "deals/batch/read" in sent]) == 1
    house.clock.advance(minutes=15)
    house.sweep()
    assert history_reads.history_unread(house.app.engine, "portal") == 0


def test_a_deal_archived_while_histories_are_read_has_its_past_once_it_is_back(
    house_of: Build,
) -> None:
    """Between two pulls, so that no bin ever showed it; and its restoring moves no date."""
    house = house_of([moved("a", 1), moved("b", 2)])
    b = house.crm.id_of("b")
    house.sandbox.meanwhile("/batch/read", lambda: house.crm.archive(b))
    house.pull()
    assert house.history(b, "stage") == []
    house.crm.restore(b)
    house.clock.advance(minutes=15)
    house.pull()
    assert house.history(b, "stage") == ["new", "offer"]


def test_backfill_reads_every_past_again_and_loses_no_change(house_of: Build) -> None:
    """What changed between the last pull and the reading of states is in the history too."""
    house = house_of([moved("a", 1), moved("b", 2)])
    house.pull()
    a = house.crm.id_of("a")
    house.clock.advance(minutes=5)
    house.crm.edit(a, {"dealstage": "won"})
    with writing(house.app.engine) as transaction:
        transaction.execute(schema.sync_cursor.delete())
    house.pull()
    assert house.history(a, "stage") == ["new", "offer", "won"]


def test_hubspots_own_stage_date_is_a_check_only(house_of: Build) -> None:
    house = house_of([moved("a", 1)])
    house.pull()
    entered = CREATED + timedelta(days=3)
    records = [
        {"id": "1", "properties": {"hs_v2_date_entered_current_stage": value}}
        for value in (
            entered.isoformat(),
            (entered + timedelta(hours=2)).isoformat(),
            None,
            "never",
        )
    ]
    (change,) = [
        c
        for c in house.ctx.source.read([house.crm.id_of("a")], history=True).changes
        if c.field is Field.STAGE and c.new == "offer"
    ]
    one = type(change)("1", change.field, change.old, change.new, change.changed_at, change.source)
    assert [stage_dates_differing([record], [one]) for record in records] == [0, 1, 0, 0]


def test_histories_of_an_account_on_a_small_tier_need_no_stage_properties(house_of: Build) -> None:
    house = house_of([moved("a", 1)], lists_stage_properties=False)
    counts = house.pull()
    assert (counts["histories"], counts["stage_dates_differ"]) == (1, 0)


def test_several_requests_are_on_their_way_at_once_in_order() -> None:
    together = threading.Barrier(4, timeout=30)

    def work(number: int) -> int:
        if number < 4:
            together.wait()  # passes only when four are there
        return number * 2

    assert [result for _, result in in_flight(work, range(20), threads=4)] == list(range(0, 40, 2))


def test_the_first_error_ends_it_and_nothing_more_begins() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise TransientError("away")
        return number

    results = in_flight(work, range(1000), threads=2)
    with pytest.raises(TransientError):
        list(results)
    assert len(begun) <= 3 + 2 * 2 + 1


def test_who_stops_asking_ends_it() -> None:
    begun: list[int] = []
    work: Callable[[int], None] = begun.append
    results = in_flight(work, range(1000), threads=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 4


def test_a_deal_read_without_its_past_still_waits_for_it(house_of: Build) -> None:
    house = house_of([moved("a", 1)])
    house.pull()
    ids, engine = list(house.living()), house.app.engine
    history_reads.forget_histories(engine, "portal")
    ctx = house.app.context(house.app.config.connections[0])
    save(ctx, "hinted", ctx.source.read(ids))
    assert history_reads.unread_ids(engine, "portal", 10) == ids
    save(ctx, "hinted", ctx.source.read(ids, history=True))
    assert history_reads.unread_ids(engine, "portal", 10) == []
    assert house.history(ids[0], "stage") == ["new", "offer"]
