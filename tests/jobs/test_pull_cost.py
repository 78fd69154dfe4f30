"""What a cycle asks of HubSpot and writes, whatever the account's size."""

import gc
from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import select

from sync.crm.base import DealPage
from sync.jobs import chain
from sync.jobs.context import Silent
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.sandbox.company import CompanyGoal
from tests.crm.conftest import deal
from tests.fake_clock import START
from tests.jobs.conftest import Build, House

TABLES = (schema.deal, schema.deal_change, schema.owner, schema.stage, schema.unparsed_value)


def cycle(house: House, minutes: float = 15) -> list[str]:
    """The requests of the next pull of the running daemon."""
    house.clock.advance(minutes=minutes)
    house.sent()
    house.pull()
    return house.sent()


def contents(house: House) -> list[object]:
    with reading(house.app.engine) as snapshot:
        return [snapshot.execute(select(t).order_by(*t.primary_key)).all() for t in TABLES]


@pytest.mark.parametrize("binned", [0, 450])
def test_a_cycle_with_nothing_changed_costs_six_requests_and_writes_no_row(
    house_of: Build, binned: int
) -> None:
    """A full bin is paged, not listed, each cycle."""
    gone = (deal(f"gone {n}", archived_at=START) for n in range(binned))
    house = house_of([*gone, *(deal(str(n)) for n in range(120))])
    house.pull()
    cycle(house, minutes=90)  # the last of what the load itself changed
    before = contents(house)
    costs = [len(cycle(house)) for _ in range(8)]
    assert max(costs) <= 6, costs
    assert min(costs) == 3, "pipelines, search, bin"
    assert contents(house) == before


def test_the_cycle_that_reads_the_goals_of_the_day_reads_little_else(house_of: Build) -> None:
    house = house_of(deal(str(n)) for n in range(3))
    house.crm.goals.add(CompanyGoal(date(2026, 1, 1), date(2027, 1, 1), Decimal(9), team="North"))
    house.pull()
    cycles = [cycle(house) for _ in range(100)]
    costs = [len(sent) for sent in cycles if any("goal_targets" in line for line in sent)]
    assert len(costs) == 2
    assert max(costs) <= 6, "pipelines, search, bin, goals, owners for the names of teams; rates"


def test_no_cycle_of_two_days_costs_more_than_six(house_of: Build) -> None:
    """Whatever is read once an hour or a day: account, owners, rates, goals."""
    house = house_of([deal("a")])
    house.crm.goals.add(CompanyGoal(date(2026, 1, 1), date(2027, 1, 1), Decimal(9), team="North"))
    house.pull()
    cycle(house)
    sent = [cycle(house) for _ in range(200)]
    assert max(map(len, sent)) <= 6
    for once in ("account-info", "owners", "exchange-rates", "goal_targets"):
        assert sum(any(once in line for line in lines) for lines in sent) >= 2, once


def test_the_cost_of_a_quiet_cycle_does_not_grow_with_the_deals(house_of: Build) -> None:
    costs = []
    for deals in (3, 400):
        house = house_of(deal(str(n)) for n in range(deals))
        house.pull()
        costs.append(len(cycle(house)))
        house.app.engine.dispose()
        return_to_empty(house)
    assert costs[0] == costs[1]


def return_to_empty(house: House) -> None:
    """The next house of this test has another account, which one mirror refuses to mix."""
    with house.app.engine.begin() as transaction:
        for table in reversed(schema.metadata.sorted_tables):
            transaction.execute(table.delete())


def test_300_changed_deals_cost_twelve_requests(house_of: Build) -> None:
    house = house_of(deal(str(n)) for n in range(400))
    house.pull()
    cycle(house)
    for deal_id in house.crm.deal_ids()[:300]:
        house.crm.edit(deal_id, {"amount": "7"})
    requests = cycle(house)
    assert len(requests) <= 12, requests
    assert sum(row.amount == 7 for row in house.living().values()) == 300


def test_a_new_process_asks_whose_account_it_is(house_of: Build) -> None:
    house = house_of([deal("a")])
    house.pull()
    assert not any("/details" in request for request in cycle(house))
    house.ctx = house.restarted()
    assert any("/details" in request for request in cycle(house))


def test_owners_are_asked_for_once_an_hour(house_of: Build) -> None:
    house = house_of([deal("a")])
    house.pull()
    asked = [any("owners" in request for request in cycle(house)) for _ in range(8)]
    assert asked == [False, False, False, True, False, False, False, True]


def test_a_full_bin_is_gone_through_page_by_page(house_of: Build) -> None:
    """Archived deals are found, and restored ones come back, wherever in the bin they are."""
    gone = (deal(f"gone {n}", archived_at=START) for n in range(250))
    house = house_of([*gone, *(deal(str(n)) for n in range(20))])
    house.pull()
    archived, other = house.crm.id_of("3"), house.crm.id_of("4")
    for deal_id in (archived, other):
        house.crm.archive(deal_id)
    for _ in range(4):
        cycle(house)
    assert archived not in house.living()
    house.crm.restore(archived)
    house.crm.purge(other)
    for _ in range(4):
        cycle(house)
    assert archived in house.living()
    assert house.deals()[other].removed_reason == "purged"


def test_what_was_committed_of_a_load_is_let_go(house_of: Build) -> None:
    """However many deals there are: the page in hand, and the one that is being made."""
    house = house_of(deal(str(n)) for n in range(620))
    alive: list[int] = []

    class Bar(Silent):
        def step(self, what: str, done: int, total: int | None) -> None:
            alive.append(sum(type(each) is DealPage for each in gc.get_objects()))

    ctx = house.restarted(progress=Bar())
    assert house.run(chain.PULL, ctx)["created"] == 620
    assert len(alive) >= 7
    assert max(alive) <= 2
