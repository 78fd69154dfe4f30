"""What people do in the CRM: the rules HubSpot applies, and what it works out itself."""

from datetime import timedelta
from decimal import Decimal

import pytest

from sync.sandbox.behaviour import Behaviour
from sync.sandbox.company import CompanyOwner, CompanyPipeline, CompanyStage, Event
from sync.sandbox.crm import Crm
from sync.sandbox.store.refusals import Missing, Refused
from tests.fake_clock import FakeClock
from tests.sandbox.conftest import CREATED, company, deal

DAY = timedelta(days=1)


def crm(*deals, clock: FakeClock | None = None, **behaviour) -> Crm:
    return Crm(company(*deals), clock or FakeClock(), Behaviour(**behaviour))


def test_every_field_of_a_company_arrives_under_hubspots_name() -> None:
    values = {
        "name": "Fjord pumps",
        "amount": "1234.50",
        "currency": "EUR",
        "close_date": "2026-03-31T22:30:00.120+00:00",
        "owner": "102",
        "deal_type": "GTX Plus",
        "lead_source": "Partner Referral",
        "forecast_category": "OMITTED",
        "rep_probability": "0.4",
        "next_step": "call",
        "loss_reason": "price",
    }
    made = crm(deal("a", values=values))
    shown = made.deal(made.id_of("a"))
    assert {name: shown[name] for name in (
        "dealname", "amount", "deal_currency_code", "closedate", "hubspot_owner_id", "dealtype",
        "hs_analytics_source", "hs_manual_forecast_category", "hs_forecast_probability",
        "hs_next_step", "closed_lost_reason", "pipeline", "dealstage",
    )} == {
        "dealname": "Fjord pumps",
        "amount": "1234.50",
        "deal_currency_code": "EUR",
        "closedate": "2026-03-31T22:30:00.120Z",
        "hubspot_owner_id": "102",
        "dealtype": "GTX Plus",
        "hs_analytics_source": "Partner Referral",
        "hs_manual_forecast_category": "OMIT",
        "hs_forecast_probability": "0.4",
        "hs_next_step": "call",
        "closed_lost_reason": "price",
        "pipeline": "default",
        "dealstage": "qualify",
    }  # fmt: skip
    made.edit(made.id_of("a"), {"dealtype": "GTX Plus"})  # the company's own types are options
    with pytest.raises(Refused):
        made.edit(made.id_of("a"), {"dealtype": "never used"})


def test_probability_of_the_representative_in_percent() -> None:
    made = crm(
        deal("a", values={"rep_probability": "0.4"}),
        forecast_probability="percent",
    )
    assert made.deal(made.id_of("a"))["hs_forecast_probability"] == "40"


def test_owners_without_numbers_get_some() -> None:
    sold = company(deal("a", values={"owner": "Zara Ito"}))
    sold.owners = (CompanyOwner("Zara Ito", "Zara", "Ito", "zara@fjord.example"),)
    made = Crm(sold, FakeClock(), Behaviour())
    owner = made.owner_id("Zara Ito")
    assert owner.isdigit()
    assert made.deal(made.id_of("a"))["hubspot_owner_id"] == owner


def test_a_deal_without_a_pipeline_is_in_the_one_of_its_stage() -> None:
    made = crm(deal("a", values={"pipeline": None}, stage="propose"))
    assert made.deal(made.id_of("a"))["pipeline"] == "default"


def test_the_files_close_date_stands_whatever_the_stage_did() -> None:
    won = CREATED + 30 * DAY
    made = crm(
        deal(
            "a",
            Event(won, "stage", "closedwon"),
            Event(won, "close_date", "2026-02-01T00:00:00+00:00"),
        )
    )
    shown = made.deal(made.id_of("a"))
    assert shown["closedate"] == "2026-02-01T00:00:00Z"
    assert shown["hs_lastmodifieddate"] == "2026-02-04T08:00:00Z"
    assert shown["days_to_close"] == "26"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (["closedwon"], ["2026-03-16"]),
        (["closedlost"], ["2026-03-16"]),
        (["closedwon", "closedlost"], ["2026-03-16", "2026-03-17"]),
        (["closedwon", "propose"], ["2026-03-16", "2026-03-16"]),
        (["closedwon", "propose", "closedwon"], ["2026-03-16", "2026-03-16", "2026-03-18"]),
        (["propose"], ["2026-04-30"]),
    ],
)
def test_entering_won_or_lost_rewrites_the_close_date(path: list[str], expected: list[str]) -> None:
    clock = FakeClock()
    made = crm(deal("a"), clock=clock)
    seen = []
    for stage in path:
        made.edit(made.id_of("a"), {"dealstage": stage})
        seen.append(str(made.deal(made.id_of("a"))["closedate"])[:10])
        clock.advance(days=1)
    assert seen == expected


def test_from_one_won_stage_to_another_the_close_date_stays() -> None:
    sold = company(deal("a"))
    (pipeline,) = sold.pipelines
    again = CompanyStage("renewed", "Renewed", Decimal(1), is_closed=True, is_won=True)
    sold.pipelines = (CompanyPipeline("default", "Sales", (*pipeline.stages, again)),)
    clock = FakeClock()
    made = Crm(sold, clock, Behaviour())
    made.edit(made.id_of("a"), {"dealstage": "closedwon"})
    clock.advance(days=5)
    made.edit(made.id_of("a"), {"dealstage": "renewed"})
    assert made.deal(made.id_of("a"))["closedate"] == "2026-03-16T09:00:00Z"


def test_a_person_who_chooses_no_close_date_gets_the_months_end_of_the_account() -> None:
    clock = FakeClock()
    made = crm(clock=clock)
    first = made.create({"dealname": "x"}, contacts=2)
    assert made.deal(first)["closedate"] == "2026-03-31T08:00:00Z"  # 10:00 in Oslo, summer time
    assert made.deal(first)["num_associated_contacts"] == "2"
    assert (made.deal(first)["pipeline"], made.deal(first)["dealstage"]) == ("default", "qualify")
    clock.advance(days=15, minutes=13 * 60 + 30)  # 31 March 22:30 UTC is April in Oslo
    # and the last of April, half past midnight there, is still the 29th in UTC
    assert made.deal(made.create({"dealname": "y"}))["closedate"] == "2026-04-29T22:30:00Z"
    chosen = made.create({"dealname": "z", "closedate": "2026-06-01T10:00:00Z"})
    assert made.deal(chosen)["closedate"] == "2026-06-01T10:00:00Z"
    won = made.create({"dealname": "w", "dealstage": "closedwon"})
    assert made.deal(won)["closedate"] == "2026-03-31T22:30:00Z"


def test_who_changed_it() -> None:
    made = crm(deal("a"))
    a = made.id_of("a")
    made.edit(a, {"amount": "1"})
    made.edit(a, {"amount": "2"}, source="AUTOMATION_PLATFORM")
    made.edit(a, {"dealstage": "closedlost"})
    sources = [v["sourceType"] for v in made.history(a, "amount")]
    assert sources == ["CRM_UI", "CRM_UI", "AUTOMATION_PLATFORM"]
    assert made.history(a, "closedate")[-1]["sourceType"] == "CALCULATED"
    assert made.history(a, "dealstage")[-1]["updatedByUserId"] > 0


def test_activities() -> None:
    clock = FakeClock()
    made = crm(
        deal(
            "a", activities=[CREATED + DAY, CREATED + 3 * DAY], next_activity_at=CREATED + 90 * DAY
        ),
        clock=clock,
    )
    a = made.id_of("a")
    shown = made.deal(a)
    assert shown["notes_last_updated"] == shown["notes_last_contacted"] == "2026-01-08T08:00:00Z"
    assert shown["num_contacted_notes"] == "2"
    assert shown["notes_next_activity_date"] == "2026-04-05T08:00:00Z"
    assert shown["hs_lastmodifieddate"] == "2026-01-08T08:00:00Z"
    made.log_activity(a, at=CREATED + 2 * DAY)  # written down late
    assert made.deal(a)["notes_last_updated"] == "2026-01-08T08:00:00Z"
    made.log_activity(a)
    made.schedule_activity(a, clock.now() + DAY)
    shown = made.deal(a)
    assert shown["notes_last_updated"] == "2026-03-16T09:00:00Z"
    assert shown["num_contacted_notes"] == "4"
    assert shown["notes_next_activity_date"] == "2026-03-17T09:00:00Z"


def test_money_is_worked_out_exactly() -> None:
    made = crm(
        deal("eur", values={"amount": "1234.10", "currency": "EUR"}, stage="propose"),
        deal("nok"),
        deal("usd", values={"currency": "USD"}),
        deal("none", values={"amount": None}),
        deal("won", stage="closedwon"),
    )

    def money(key: str) -> tuple[str | None, ...]:
        shown = made.deal(made.id_of(key))
        names = ("amount_in_home_currency", "hs_exchange_rate", "hs_projected_amount",
                 "hs_projected_amount_in_home_currency", "hs_closed_amount")  # fmt: skip
        return tuple(shown[name] for name in names)

    assert money("eur") == ("14192.15", "11.5", "740.46", "8515.29", "0")
    assert money("nok") == ("1000", None, "200", "200", "0")
    assert money("usd") == (None, None, "200", None, "0")
    assert money("none") == (None, None, None, None, "0")
    assert money("won") == ("1000", None, "1000", "1000", "1000")


def test_the_representatives_amount_is_worked_out_where_switched_on() -> None:
    values = {"rep_probability": "0.4"}
    for behaviour, expected in (({}, None), ({"computes_forecast_amount": True}, "400")):
        made = crm(deal("a", values=values), **behaviour)
        assert made.deal(made.id_of("a"))["hs_forecast_amount"] == expected


def test_time_in_stages_comes_from_the_history() -> None:
    made = crm(
        deal(
            "a",
            Event(CREATED + 2 * DAY, "stage", "propose"),
            Event(CREATED + 5 * DAY, "stage", "qualify"),
            Event(CREATED + 6 * DAY, "stage", "closedwon"),
        )
    )
    shown = made.deal(made.id_of("a"))
    assert shown["hs_v2_date_entered_qualify"] == "2026-01-10T08:00:00Z"
    assert shown["hs_v2_date_exited_qualify"] == "2026-01-11T08:00:00Z"
    assert shown["hs_v2_latest_time_in_qualify"] == str(86_400_000)
    assert shown["hs_v2_cumulative_time_in_qualify"] == str(3 * 86_400_000)
    assert shown["hs_v2_date_entered_propose"] == "2026-01-07T08:00:00Z"
    assert shown["hs_v2_date_entered_closedwon"] == "2026-01-11T08:00:00Z"
    assert shown["hs_v2_date_exited_closedwon"] is None
    assert shown["hs_v2_date_entered_closedlost"] is None
    assert shown["hs_v2_date_entered_current_stage"] == "2026-01-11T08:00:00Z"


@pytest.mark.parametrize(
    ("stage", "flags", "probability"),
    [
        ("propose", ("false", "false", "false"), "0.6"),
        ("closedwon", ("true", "true", "false"), "1"),
        ("closedlost", ("true", "false", "true"), "0"),
    ],
)
def test_closed_won_lost(stage: str, flags: tuple[str, ...], probability: str) -> None:
    made = crm(deal("a", stage=stage))
    shown = made.deal(made.id_of("a"))
    names = ("hs_is_closed", "hs_is_closed_won", "hs_is_closed_lost")
    assert tuple(shown[name] for name in names) == flags
    assert shown["hs_deal_stage_probability"] == probability


def test_a_stage_has_to_be_one_of_the_deals_pipeline() -> None:
    sold = company(deal("a"))
    new_business, stages = sold.pipelines[0], (CompanyStage("renew", "Renew", Decimal("0.5")),)
    sold.pipelines = (new_business, CompanyPipeline("renewals", "Renewals", stages))
    made = Crm(sold, FakeClock(), Behaviour())
    a = made.id_of("a")
    for change in ({"dealstage": "renew"}, {"pipeline": "renewals"}):
        with pytest.raises(Refused, match="not a stage of pipeline"):
            made.edit(a, change)
    made.edit(a, {"dealstage": "renew", "pipeline": "renewals"})
    assert made.deal(a)["hs_deal_stage_probability"] == "0.5"
    renewal = made.create({"dealname": "x", "dealstage": "renew"})
    assert made.deal(renewal)["pipeline"] == "renewals"


def test_people_are_refused_like_programs() -> None:
    made = crm(deal("a"))
    a = made.id_of("a")
    with pytest.raises(Refused):
        made.edit(a, {"dealstage": "nope"})
    with pytest.raises(Refused):
        made.create({"dealname": "x", "pipeline": "nope"})
    with pytest.raises(Missing):
        made.edit("77", {"amount": "1"})
    with pytest.raises(Missing):
        made.delete_stage("default", "nope")
    made.archive(a)
    with pytest.raises(Missing):
        made.edit(a, {"amount": "1"})


def test_more_than_250_merges_into_one_deal_are_refused() -> None:
    made = crm(*(deal(str(n)) for n in range(130)))
    survivor = made.id_of("0")
    merges = 0
    with pytest.raises(ValueError, match="250 identities"):
        for other in made.deal_ids()[1:]:
            survivor = made.merge(survivor, other)
            merges += 1
    assert merges == 125  # each retires two ids
