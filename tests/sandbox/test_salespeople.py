"""A day's work in the simulated CRM: sensible edits, each of another deal, and all of them land."""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import Company, CompanyOwner, CompanyPipeline, CompanyStage
from sync.sandbox.crm import Crm
from sync.sandbox.generator import generate
from sync.sandbox.generator.selling import PROCESSES
from sync.sandbox.salespeople import Edit, end_of_next_quarter, perform, plan_edits
from tests.fake_clock import START, FakeClock

OSLO = ZoneInfo("Europe/Oslo")
KINDS = {"moved", "raised", "pushed", "won", "merged", "archived", "touched"}


def crm_of(company: Company) -> tuple[Crm, FakeClock]:
    clock = FakeClock(START)
    return Crm(company, clock, Behaviour()), clock


@pytest.fixture(scope="module")
def worked() -> tuple[Crm, dict[str, Edit], dict[str, dict[str, str | None]], dict[str, str], list]:
    """After the day's work: the CRM, the edits by kind, the deals before, the ids after by kind,
    and the live ids before."""
    crm, clock = crm_of(generate(seed=11, until=START, deals=700))
    ids = crm.deal_ids()
    edits = {edit.kind: edit for edit in plan_edits(crm, seed=2)}
    before = {kind: crm.deal(edit.deal_id) for kind, edit in edits.items()}
    clock.advance(days=1)
    after = dict(zip(edits, perform(crm, list(edits.values())), strict=True))
    return crm, edits, before, after, ids


def test_one_edit_of_each_kind_each_of_another_deal(worked):
    _, edits, before, _, _ = worked
    assert edits.keys() == KINDS
    ids = [i for e in edits.values() for i in (e.deal_id, e.loser_id) if i]
    assert len(set(ids)) == len(ids) == len(KINDS) + 1
    for kind, edit in edits.items():
        assert before[kind]["hs_is_closed"] == "false"
        assert f'"{before[kind]["dealname"]}"' in edit.description


def test_the_moved_deal_stands_one_stage_further(worked):
    crm, _, before, after, _ = worked
    own = next(p for p in PROCESSES if p.id == before["moved"]["pipeline"])
    stages = [stage.id for stage in own.open_stages]
    now = crm.deal(after["moved"])["dealstage"]
    assert stages.index(now) == stages.index(before["moved"]["dealstage"]) + 1


def test_the_raised_amount_is_a_fifth_higher_to_the_cent(worked):
    crm, _, before, after, _ = worked
    was, now = Decimal(before["raised"]["amount"]), Decimal(crm.deal(after["raised"])["amount"])
    assert was > 0
    assert abs(now - was * Decimal("1.2")) <= Decimal("0.005")


def test_the_pushed_date_is_in_the_quarter_after_its_own(worked):
    crm, _, before, after, _ = worked
    was, now = (
        datetime.fromisoformat(deal["closedate"]).astimezone(OSLO).date()
        for deal in (before["pushed"], crm.deal(after["pushed"]))
    )
    assert was >= START.date()
    quarters = [day.year * 4 + (day.month - 1) // 3 for day in (was, now)]
    assert quarters[1] == quarters[0] + 1
    assert (now + timedelta(days=1)).day == 1


def test_the_won_deal_is_closed_by_the_crm_itself(worked):
    crm, _, before, after, _ = worked
    won = crm.deal(after["won"])
    assert won["hs_is_closed_won"] == "true"
    assert datetime.fromisoformat(won["closedate"]) == crm.clock.now()
    assert Decimal(before["won"]["amount"]) > 0


def test_the_duplicates_are_one_deal_under_a_third_id(worked):
    crm, edits, _, after, ids = worked
    merged = edits["merged"]
    assert after["merged"] not in ids
    assert after["merged"] in crm.deal_ids()
    assert not {merged.deal_id, merged.loser_id} & set(crm.deal_ids())


def test_the_archived_deal_is_gone_and_the_stale_one_touched(worked):
    crm, _, before, after, _ = worked
    assert after["archived"] not in crm.deal_ids()
    stale = before["touched"]
    last = datetime.fromisoformat(stale["notes_last_updated"])
    assert START - last > timedelta(days=90)
    now = crm.deal(after["touched"])
    assert datetime.fromisoformat(now["notes_last_updated"]) == crm.clock.now()
    assert now["dealstage"] == stale["dealstage"]


def test_nothing_else_is_touched(worked):
    crm, edits, _, _, ids = worked
    edited = {i for e in edits.values() for i in (e.deal_id, e.loser_id)}
    untouched = [i for i in ids if i not in edited]
    assert {i for i in crm.deal_ids() if i in ids} - edited == set(untouched)
    for deal_id in untouched[-40:]:
        assert datetime.fromisoformat(crm.deal(deal_id)["hs_lastmodifieddate"]) <= START


def test_planning_is_repeatable_and_changes_nothing():
    crm, _ = crm_of(generate(seed=4, until=START, deals=150))
    before = {deal_id: crm.deal(deal_id) for deal_id in crm.deal_ids()}
    first = plan_edits(crm, seed=9)
    assert plan_edits(crm, seed=9) == first
    assert {deal_id: crm.deal(deal_id) for deal_id in crm.deal_ids()} == before
    others = [plan_edits(crm, seed=seed) for seed in range(5)]
    assert any(edits != first for edits in others)


def test_real_duplicates_are_preferred_for_the_merge():
    company = generate(seed=11, until=START, deals=700)
    crm, _ = crm_of(company)
    (merge,) = [edit for edit in plan_edits(crm, seed=2) if edit.kind == "merged"]
    pairs = [{crm.id_of(a), crm.id_of(b)} for a, b in company.truth["planted"]["duplicate"]]
    assert {merge.deal_id, merge.loser_id} in pairs


def test_an_empty_crm_gives_no_work():
    stage = CompanyStage("new", "New", Decimal("0.1"))
    pipeline = CompanyPipeline("default", "Sales", (stage,))
    owner = CompanyOwner("1", "Kari", "Nordmann", "kari@example.com")
    crm, _ = crm_of(Company("Tom AS", "Europe/Oslo", "NOK", (pipeline,), (owner,), []))
    assert plan_edits(crm, seed=1) == []
    assert perform(crm, []) == []


@pytest.mark.parametrize(
    ("day", "end"),
    [
        ("2026-01-01", "2026-06-30"),
        ("2026-03-31", "2026-06-30"),
        ("2026-04-01", "2026-09-30"),
        ("2026-08-15", "2026-12-31"),
        ("2026-12-31", "2027-03-31"),
    ],
)
def test_end_of_next_quarter(day, end):
    assert str(end_of_next_quarter(datetime.fromisoformat(day).date())) == end
