"""The generated company: always the same, possible in a CRM, and true to what it says of itself."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import sqrt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.sandbox.company import FIELDS, Company, CompanyDeal, Event
from sync.sandbox.generator import CompanySettings, generate
from sync.sandbox.generator.selling import DELETED_STAGE, PROCESSES
from sync.sandbox.generator.settings import DEFAULT_SETTINGS
from sync.sandbox.generator.work_calendar import WorkCalendar

UNTIL = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)
OSLO = ZoneInfo("Europe/Oslo")
MATURE = UNTIL - timedelta(days=500)  # by then whatever will be closed is closed


def present(deal: CompanyDeal, field: str) -> str | None:
    values = [event.value for event in deal.events if event.field == field]
    return values[-1] if values else None


def set_times(deal: CompanyDeal, field: str) -> list[Event]:
    return [event for event in deal.events if event.field == field]


def status(deal: CompanyDeal) -> str:
    stage = present(deal, "stage")
    if stage in {process.won for process in PROCESSES}:
        return "won"
    return "lost" if stage in {process.lost for process in PROCESSES} else "open"


@pytest.fixture(scope="module")
def company() -> Company:
    return generate(seed=7, until=UNTIL, deals=8000)


# The same again


def test_same_arguments_make_the_same_company():
    assert generate(seed=3, until=UNTIL, deals=200) == generate(seed=3, until=UNTIL, deals=200)


def test_another_seed_makes_another_company():
    one, other = (generate(seed=seed, until=UNTIL, deals=200) for seed in (3, 4))
    assert [deal.events for deal in one.deals] != [deal.events for deal in other.deals]


def test_turning_one_setting_leaves_the_other_draws_alone():
    tidy = replace(DEFAULT_SETTINGS, no_contact=0.0)
    one = generate(seed=3, until=UNTIL, deals=300)
    other = generate(seed=3, until=UNTIL, deals=300, settings=tidy)
    assert [deal.events for deal in one.deals] == [deal.events for deal in other.deals]
    assert any(deal.contacts == 0 for deal in one.deals)
    assert all(deal.contacts > 0 for deal in other.deals)


# Possible in a CRM

instants = st.datetimes(datetime(2021, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    until=instants,
    deals=st.integers(0, 80),
    years=st.floats(0.3, 4.0),
)
def test_every_company_is_one_that_could_be(seed, until, deals, years):
    company = generate(seed=seed, until=until, deals=deals, years=years)

    assert len(company.deals) == deals
    assert len({deal.key for deal in company.deals}) == deals
    assert [d.created_at for d in company.deals] == sorted(d.created_at for d in company.deals)
    owners = {owner.id for owner in company.owners}
    assert len({owner.email for owner in company.owners}) == len(owners) >= 8
    assert sum(not owner.active for owner in company.owners) == 2
    truth = json.loads(json.dumps(company.truth))
    assert truth == company.truth
    still_open = {d.key for d in company.deals if status(d) == "open" and d.archived_at is None}
    assert set(truth["open"]) == still_open
    for deal in company.deals:
        _possible(deal, until, owners)
        _closed_consistently(deal)


def _possible(deal: CompanyDeal, until: datetime, owners: set[str]) -> None:
    ends = deal.archived_at or until
    assert deal.created_at <= ends <= until
    at = [event.at for event in deal.events]
    assert at == sorted(at)
    assert at[0] == deal.created_at
    assert at[-1] <= ends
    assert all(moment.utcoffset() == timedelta(0) for moment in at)
    assert {e.field for e in deal.events} <= set(FIELDS)
    first = {e.field for e in deal.events if e.at == deal.created_at}
    assert {"name", "pipeline", "stage", "currency", "deal_type", "lead_source"} <= first
    assert deal.activities == sorted(deal.activities)
    assert all(deal.created_at <= moment <= ends for moment in deal.activities)
    if deal.next_activity_at is not None:
        assert status(deal) == "open"
        assert until < deal.next_activity_at < until + timedelta(days=45)
    for amount in (e.value for e in deal.events if e.field == "amount"):
        assert Decimal(amount) >= 0
        assert Decimal(amount) == round(Decimal(amount), 2)
    assert {e.value for e in set_times(deal, "owner")} <= owners
    own = next(p for p in PROCESSES if p.id == present(deal, "pipeline"))
    stages = {*(s.id for s in own.open_stages), own.won, own.lost, DELETED_STAGE}
    assert {e.value for e in set_times(deal, "stage")} <= stages
    for field in FIELDS:
        values = [e.value for e in set_times(deal, field)]
        assert all(a != b for a, b in pairwise(values)), field


def _closed_consistently(deal: CompanyDeal) -> None:
    closings = [
        e for e in set_times(deal, "stage") if e.value and e.value.endswith(("won", "lost"))
    ]
    if status(deal) == "open":
        assert not closings
        assert present(deal, "loss_reason") is None
        return
    (closing,) = closings
    assert deal.events[-1].at == closing.at
    close_date = datetime.fromisoformat(present(deal, "close_date") or "")
    assert close_date == closing.at
    category = "CLOSED" if status(deal) == "won" else "OMITTED"
    assert present(deal, "forecast_category") == category


def test_work_is_done_in_office_hours_on_norwegian_working_days(company):
    holidays = {(5, 1), (5, 17), (12, 25), (12, 26), (1, 1)}
    for deal in company.deals[::7]:
        for at in [event.at for event in deal.events] + deal.activities:
            local = at.astimezone(OSLO)
            assert local.weekday() < 5
            assert 8 <= local.hour < 17
            assert (local.month, local.day) not in holidays


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_open_share_and_team_are_those_of_a_real_company(seed):
    company = generate(seed=seed, until=UNTIL)
    assert 0.08 <= len(company.truth["open"]) / len(company.deals) <= 0.15
    assert 8 <= len(company.owners) <= 12
    assert {owner.team for owner in company.owners} == {"New business", "Key accounts", "Renewals"}
    statuses = Counter(map(status, company.deals))
    assert statuses["lost"] > statuses["won"] > statuses["open"] / 2


@pytest.mark.parametrize(
    "change",
    [{"zombies": 1.5}, {"no_contact": -0.1}, {"july_pace": 0.0}, {"growth_per_year": -1.0}],
)
def test_impossible_settings_are_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        CompanySettings(**change)


def test_until_needs_a_zone():
    with pytest.raises(ValueError, match="time zone"):
        generate(seed=1, until=datetime(2026, 1, 1))  # noqa: DTZ001


# True to what it says of itself


def band(rate: float, count: int) -> float:
    """Four standard deviations of a share, and the half step of a count."""
    return 4 * sqrt(rate * (1 - rate) / count) + 0.5 / count


def mature(company: Company) -> Iterator[CompanyDeal]:
    return (d for d in company.deals if d.created_at < MATURE and d.archived_at is None)


def test_win_rates_of_the_reps_are_found_again(company):
    won, decided = Counter(), Counter()
    owners = {owner.id: owner for owner in company.owners}
    for deal in mature(company):
        owner = set_times(deal, "owner")
        if owner and status(deal) != "open":
            decided[owner[0].value] += 1
            won[owner[0].value] += status(deal) == "won"
    big = {rep: count for rep, count in decided.items() if count >= 100}
    assert len(big) >= 6
    for rep, count in big.items():
        true = company.truth["reps"][rep]["win_rate_decided"]
        assert abs(won[rep] / count - true) < band(true, count), owners[rep]
    selling = [rep for rep in big if owners[rep].team != "Renewals"]
    best, *_, worst = sorted(selling, key=lambda rep: -company.truth["reps"][rep]["skill"])
    assert won[best] / big[best] > won[worst] / big[worst]


def test_win_rates_and_durations_of_the_stages_are_found_again(company):
    reached, won, days = Counter(), Counter(), {}
    for deal in mature(company):
        moves = set_times(deal, "stage")
        for stage in {move.value for move in moves}:
            reached[stage] += 1
            won[stage] += status(deal) == "won"
        if len({move.value for move in moves}) == len(moves):  # never went back
            for here, there in pairwise(moves):
                if not there.value.endswith("lost") and there.value != DELETED_STAGE:
                    days.setdefault(here.value, []).append((there.at - here.at) / timedelta(days=1))
    for process in PROCESSES:
        for stage in process.open_stages:
            true = company.truth["stages"][process.id][stage.id]
            count = reached[stage.id]
            assert count > 150
            assert abs(won[stage.id] / count - true["win_rate"]) < band(true["win_rate"], count)
            assert true["claimed"] > true["win_rate"], "the CRM is to be over-optimistic"
            seen = days[stage.id]
            assert sum(seen) / len(seen) == pytest.approx(true["mean_days"], rel=0.15)


def test_days_in_a_stage_are_those_of_deals_that_have_come_to_it():
    young = generate(seed=1, until=UNTIL, years=0.05, deals=60)
    stages = young.truth["stages"]["sales"]
    assert stages["qualified"]["mean_days"] > 0
    assert stages["contract_sent"]["mean_days"] is None


def test_deals_are_made_by_season(company):
    calendar = WorkCalendar(
        date(2023, 3, 17), date(2026, 3, 15), OSLO, replace(DEFAULT_SETTINGS, july_pace=1.0)
    )
    open_days = Counter(
        day.month for day, pace in zip(calendar.days, calendar.pace, strict=True) if pace > 0
    )
    made = Counter(deal.created_at.astimezone(OSLO).month for deal in company.deals)
    season = {int(month): factor for month, factor in company.truth["seasonality"].items()}
    expected = {month: open_days[month] * season[month] for month in season}
    scale = len(company.deals) / sum(expected.values())
    for month in season:  # growth shifts whole years, so months only a little
        assert made[month] == pytest.approx(expected[month] * scale, rel=0.2), month


def test_the_company_grows(company):
    first, last = (
        sum(begin <= (UNTIL - d.created_at).days < begin + 365 for d in company.deals)
        for begin in (730, 0)
    )
    assert last / first == pytest.approx(1.15**2, rel=0.1)


def test_more_deals_are_signed_in_the_last_days_of_a_quarter():
    def share(rush: float) -> float:
        rushed = replace(DEFAULT_SETTINGS, quarter_end_rush=rush)
        company = generate(seed=7, until=UNTIL, deals=4000, settings=rushed)
        days = [d.events[-1].at.date() for d in company.deals if status(d) == "won"]
        last = [d for d in days if (d + timedelta(days=6)).month != d.month and d.month % 3 == 0]
        return len(last) / len(days)

    assert share(0.0) < 0.10
    assert share(0.45) > share(0.0) + 0.05


def test_people_push_their_dates_late_and_lost_deals_fall_silent(company):
    late = early = 0
    for deal in company.deals:
        dates = [e for e in set_times(deal, "close_date") if e.who == "human"]
        for old, new in pairwise(dates):
            if new.value > old.value:
                late += new.at > datetime.fromisoformat(old.value)
                early += new.at <= datetime.fromisoformat(old.value)
    assert late > early > 0
    second_half = {"won": [], "lost": []}
    for deal in mature(company):
        if status(deal) != "open" and len(deal.activities) >= 4:
            half = deal.created_at + (deal.events[-1].at - deal.created_at) / 2
            share = sum(at > half for at in deal.activities) / len(deal.activities)
            second_half[status(deal)].append(share)
    won, lost = (sum(shares) / len(shares) for shares in second_half.values())
    assert lost < won - 0.1


# The planted defects


@dataclass(frozen=True)
class Seen:
    """A deal as anybody can see it in the CRM at the end."""

    deal: CompanyDeal
    active: set[str]

    def __getattr__(self, field: str) -> str | None:
        return present(self.deal, field)

    @property
    def open(self) -> bool:
        return status(self.deal) == "open" and self.deal.archived_at is None

    @property
    def lost(self) -> bool:
        return status(self.deal) == "lost"

    @property
    def close_day(self) -> date | None:
        at = self.close_date
        return at and datetime.fromisoformat(at).astimezone(OSLO).date()


DEFECTS = {
    "amount_missing": lambda s: s.amount is None,
    "amount_zero": lambda s: s.amount == "0",
    "close_date_missing": lambda s: s.open and s.close_date is None,
    "close_date_past": lambda s: s.open and s.close_date and s.close_day < UNTIL.date(),
    "owner_missing": lambda s: s.owner is None,
    "owner_deactivated": lambda s: s.open and s.owner and s.owner not in s.active,
    "no_contact": lambda s: s.deal.contacts == 0,
    "no_company": lambda s: s.deal.companies == 0,
    "no_next_activity": lambda s: s.open and s.deal.next_activity_at is None,
    "no_next_step": lambda s: s.open and s.next_step is None,
    "loss_reason_missing": lambda s: s.lost and s.loss_reason is None,
    "stage_deleted": lambda s: s.stage == DELETED_STAGE,
    "archived": lambda s: s.deal.archived_at is not None,
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_exactly_the_planted_deals_have_the_defect(company, defect):
    active = {owner.id for owner in company.owners if owner.active}
    found = [deal.key for deal in company.deals if DEFECTS[defect](Seen(deal, active))]
    assert found
    assert company.truth["planted"][defect] == found


def test_no_stage_of_the_pipelines_is_the_deleted_one(company):
    stages = {stage.id for pipeline in company.pipelines for stage in pipeline.stages}
    assert DELETED_STAGE not in stages


def test_a_close_date_nobody_chose_is_the_end_of_the_month_and_never_changed(company):
    deals = {deal.key: deal for deal in company.deals}
    planted = company.truth["planted"]["close_date_never_chosen"]
    assert planted
    for key in planted:
        (only,) = set_times(deals[key], "close_date")
        day = datetime.fromisoformat(only.value).astimezone(OSLO).date()
        created = deals[key].created_at.astimezone(OSLO).date()
        assert only.at == deals[key].created_at
        assert (day.year, day.month) == (created.year, created.month)
        assert (day + timedelta(days=1)).day == 1


def test_pushed_dates_are_those_moved_later(company):
    found = []
    for deal in company.deals:
        dates = [e.value for e in set_times(deal, "close_date")]
        later = any(b > a for a, b in pairwise(dates))
        if later and status(deal) == "open" and deal.archived_at is None:
            found.append(deal.key)
    assert company.truth["planted"]["close_date_pushed"] == found


def test_nobody_touches_a_zombie_after_its_death(company):
    deals = {deal.key: deal for deal in company.deals}
    planted = company.truth["planted"]["zombie"]
    assert len(planted) > 100
    silence = []
    for key in planted:
        fate = company.truth["open"][key]
        assert fate["fate"] == "zombie"
        died = datetime.fromisoformat(fate["ends_at"])
        last = max([event.at for event in deals[key].events] + deals[key].activities)
        assert last <= died <= UNTIL
        silence.append((UNTIL - last).days)
    assert sorted(silence)[len(silence) // 2] > 180


def test_duplicates_are_of_one_name_and_value_within_days(company):
    deals = {deal.key: deal for deal in company.deals}
    pairs = company.truth["planted"]["duplicate"]
    assert len(pairs) > 40
    for original, double in ((deals[a], deals[b]) for a, b in pairs):
        assert present(double, "name") == present(original, "name")
        assert present(double, "currency") == present(original, "currency")
        assert timedelta(0) <= double.created_at - original.created_at < timedelta(days=30)
        assert status(double) != "won"


def test_a_tidy_company_has_no_defects():
    clean = dict.fromkeys(
        (
            "zombies", "close_date_missing", "close_date_never_chosen", "amount_missing",
            "amount_late", "amount_zero", "owner_missing", "leaver_deals_kept", "no_contact",
            "no_company", "no_next_step", "no_next_activity", "loss_reason_missing", "duplicates",
            "archived",
        ),
        0.0,
    )  # fmt: skip
    company = generate(seed=5, until=UNTIL, deals=400, settings=CompanySettings(**clean))
    counts = {name: len(keys) for name, keys in company.truth["planted"].items() if keys}
    assert counts.keys() <= {"close_date_past", "close_date_pushed", "owner_deactivated"}
