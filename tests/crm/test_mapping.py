"""HubSpot's JSON as the mirror's records."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.base import Deal, DealStatus, RemovalReason, Stage
from sync.crm.hubspot import definitions, mapping
from sync.crm.hubspot.mapping import Surroundings
from sync.crm.hubspot.values import Doubts
from sync.errors import PermanentError
from sync.mirror import merge_deals

PIPELINES = [
    definitions.pipeline(
        {
            "id": "default",
            "label": "Sales",
            "displayOrder": 0,
            "stages": [
                stage("won", "Never won", "true", "1.0", 2),
                stage("lost", "Closed won?", "true", "0.0", 3),
                stage("new", "Closed lost", "false", "0.8", 1),
            ],
        }
    )
    for stage in [
        lambda i, label, closed, p, at: {
            "id": i,
            "label": label,
            "displayOrder": at,
            "metadata": {"isClosed": closed, "probability": p},
        }
    ]
]
AROUND = Surroundings.of("NOK", PIPELINES, ("dealpulse_a", "dealpulse_b"))


def record(deal_id: str = "1", /, **props: Any) -> dict[str, Any]:
    """A deal in the stage `new`, as HubSpot shows one."""
    shown = {
        "dealname": "Acme",
        "pipeline": "default",
        "dealstage": "new",
        "createdate": "2026-01-05T09:00:00Z",
        "hs_lastmodifieddate": "2026-02-01T10:00:00.123Z",
        **props,
    }
    return {"id": deal_id, "properties": shown}


def mapped(shown: dict[str, Any], counts: mapping.Counts | None = None) -> Deal:
    found = mapping.deals([shown], AROUND, counts or {})
    assert len(found.deals) == 1
    return found.deals[0]


@pytest.mark.parametrize(
    ("props", "expected"),
    [
        ({"hs_is_closed_won": "true", "hs_is_closed": "true", "dealstage": "lost"}, "won"),
        ({"hs_is_closed_won": "false", "hs_is_closed": "true", "dealstage": "won"}, "lost"),
        ({"hs_is_closed_won": "false", "hs_is_closed": "false", "dealstage": "won"}, "open"),
        ({"hs_is_closed": "true", "dealstage": "won"}, "won"),
        ({"hs_is_closed": "true", "dealstage": "gone"}, "lost"),
        ({"dealstage": "won"}, "won"),
        ({"dealstage": "lost"}, "lost"),
        ({"dealstage": "new"}, "open"),
        ({"dealstage": "gone"}, "open"),
        ({"dealstage": None}, "open"),
        ({"hs_is_closed_won": "maybe", "dealstage": "won"}, "won"),
    ],
)
def test_status_is_the_deals_own_then_the_stages_and_never_the_labels(
    props: dict[str, str], expected: str
) -> None:
    assert mapped(record(**props)).status == expected


def test_a_closed_deal_closed_at_its_close_date() -> None:
    props = {"closedate": "2026-03-31T21:30:00Z"}
    close_date = datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
    still_open = mapped(record(**props))
    assert (still_open.close_date, still_open.closed_at) == (close_date, None)
    won = mapped(record(dealstage="won", **props))
    assert (won.close_date, won.closed_at) == (close_date, close_date)


@pytest.mark.parametrize(
    ("currency", "home", "expected"),
    [
        (None, None, ("NOK", Decimal(100))),
        ("", None, ("NOK", Decimal(100))),
        ("nok", None, ("NOK", Decimal(100))),
        ("EUR", "1160.00", ("EUR", Decimal(1160))),
        ("EUR", None, ("EUR", None)),
        ("EUR", "a lot", ("EUR", None)),
    ],
)
def test_no_currency_is_the_companys_and_no_rate_is_ever_made_up(
    currency: str | None, home: str | None, expected: tuple[str, Decimal | None]
) -> None:
    deal = mapped(
        record(amount="100.00", deal_currency_code=currency, amount_in_home_currency=home)
    )
    assert deal.amount == Decimal(100)
    assert (deal.currency, deal.amount_home) == expected


def test_all_that_a_deal_carries() -> None:
    deal = mapped(
        record(
            "498828505295",
            hubspot_owner_id="64492917",
            hs_deal_stage_probability="0.35",
            hs_forecast_probability="70",
            hs_forecast_amount="700.5",
            hs_manual_forecast_category="OMIT",
            dealtype="newbusiness",
            hs_analytics_source="REFERRALS",
            closed_lost_reason="",
            hs_next_step="Call back",
            notes_next_activity_date="1774992600000",
            notes_last_updated="2026-01-31",
            dealpulse_a="0.42",
            dealpulse_b=None,
            dealpulse_not_ours="x",
        ),
        {"contacts": {"498828505295": 2}},
    )
    assert deal.deal_id == "498828505295"
    assert deal.owner_id == "64492917"
    assert deal.stage_probability == Decimal("0.35")
    assert (deal.rep_probability, deal.rep_amount) == (Decimal("0.7"), Decimal("700.5"))
    assert deal.forecast_category == "OMITTED"
    assert (deal.deal_type, deal.lead_source) == ("newbusiness", "REFERRALS")
    assert (deal.loss_reason, deal.next_step) == (None, "Call back")
    assert deal.next_activity_at == datetime(2026, 3, 31, 21, 30, tzinfo=UTC)
    assert deal.last_activity_at == datetime(2026, 1, 31, tzinfo=UTC)
    assert (deal.contact_count, deal.company_count) == (2, None)
    assert deal.own == {"dealpulse_a": "0.42", "dealpulse_b": None}
    assert deal.created_at == datetime(2026, 1, 5, 9, tzinfo=UTC)
    assert deal.modified_at == datetime(2026, 2, 1, 10, 0, 0, 123000, UTC)


def test_without_a_probability_of_its_own_a_deal_has_its_stages() -> None:
    assert mapped(record()).stage_probability == Decimal("0.8")
    assert mapped(record(dealstage="gone")).stage_probability is None


def test_a_deal_not_among_the_counted_has_none() -> None:
    assert mapped(record(), {"contacts": {}, "companies": {"2": 1}}).contact_count == 0


def test_odd_records_fall_back_on_what_hubspot_does_say() -> None:
    odd = {"id": 7, "properties": {"dealname": None}, "createdAt": "2026-01-05T09:00:00Z"}
    deal = mapped(odd)
    assert deal.deal_id == "7"
    assert deal.name == ""
    assert deal.created_at == deal.modified_at == datetime(2026, 1, 5, 9, tzinfo=UTC)
    bare = mapping.deals([{"id": "8"}], AROUND, {})
    assert bare.deals[0].modified_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert [u.field for u in bare.unparsed] == ["modified_at", "created_at"]


def test_what_cannot_be_understood_is_left_empty_and_counted() -> None:
    found = mapping.deals(
        [record(amount="about 5", closedate="0000-12-31", hs_forecast_probability="250")],
        AROUND,
        {},
    )
    deal = found.deals[0]
    assert (deal.amount, deal.close_date, deal.rep_probability) == (None, None, None)
    assert [(u.field, u.raw) for u in found.unparsed] == [
        ("amount", "about 5"),
        ("close_date", "0000-12-31"),
        ("rep_probability", "250"),
    ]


@given(
    st.dictionaries(
        st.sampled_from(mapping.PROPERTIES),
        st.none() | st.text(max_size=20) | st.integers() | st.floats() | st.booleans(),
    )
)
def test_no_value_however_odd_stops_a_pull(props: dict[str, Any]) -> None:
    found = mapping.deals([{"id": "1", "properties": props}], AROUND, {})
    assert found.deals[0].created_at.tzinfo is not None
    assert found.deals[0].amount is None or found.deals[0].amount.is_finite()
    fields = [u.field for u in found.unparsed]
    assert len(fields) == len(set(fields))


VALUES = st.sampled_from(["0.4", "12", "2026-02-01T10:00:00.123Z", "true", "won", "default", "nok"])


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from((*mapping.PROPERTIES, "dealpulse_a")),
            VALUES | st.none() | st.text(max_size=5) | st.integers() | st.booleans(),
        ),
        max_size=4,
    )
)
def test_the_mirror_stores_the_columns_as_it_would_store_the_deals_made_of_them(
    several: list[dict[str, Any]],
) -> None:
    shown = [{"id": str(n), "properties": props} for n, props in enumerate(several)]
    deals = mapping.deals(shown, AROUND, {"contacts": {"1": 2}}).deals
    stored, made = merge_deals.columns(deals), merge_deals.columns(list(deals))
    assert list(map(list, stored)) == list(map(list, made))
    assert [deals[n] for n in range(len(deals))] == list(deals)
    assert list(deals[1:]) == list(deals)[1:]


NAMES = st.sampled_from((*mapping.PROPERTIES, "dealpulse_a", "dealpulse_b", "not_ours"))
SEVERAL = st.lists(st.dictionaries(NAMES, VALUES | st.none()), min_size=1, max_size=4) | st.lists(
    NAMES, unique=True
).flatmap(
    lambda names: st.lists(
        st.fixed_dictionaries(dict.fromkeys(names, VALUES | st.none())), min_size=1, max_size=4
    )
)
"""Of any properties each, or all of the same as HubSpot mostly shows them."""


@given(SEVERAL, st.permutations(range(4)))
def test_several_deals_are_read_as_each_alone_is(
    several: list[dict[str, Any]], order: list[int]
) -> None:
    shown = [{"id": str(n), "properties": props} for n, props in enumerate(several)]
    last = list(shown[-1]["properties"].items())
    turned = [last[n] for n in order if n < len(last)] + last[4:]
    for together in (shown, [*shown, {"id": "9", "properties": dict(turned)}, {"id": "10"}]):
        found = mapping.deals(together, AROUND, {})
        alone = [mapping.deals([record], AROUND, {}) for record in together]
        assert list(found.deals) == [deal for each in alone for deal in each.deals]
        assert found.unparsed == [value for each in alone for value in each.unparsed]
        assert found.removals == [removal for each in alone for removal in each.removals]


@given(SEVERAL, st.integers(0, 4))
def test_pages_joined_are_the_deals_of_one_page(several: list[dict[str, Any]], at: int) -> None:
    shown = [{"id": str(n), "properties": props} for n, props in enumerate(several)]
    counts, roles = {"contacts": {"1": 2}}, {"1": "Buyer"}
    pages = [mapping.deals(part, AROUND, {}) for part in (shown[:at], shown[at:])]
    joined = mapping.joined(pages, counts, roles)
    whole = mapping.deals(shown, AROUND, counts, roles)
    assert list(joined.deals) == list(whole.deals)
    assert (joined.unparsed, joined.removals) == (whole.unparsed, whole.removals)


def test_numbers_and_blanks_beside_others_stay_what_they_are() -> None:
    shown = [record("1", amount="100", dealtype=" "), record("2", amount="1.50", dealtype="x")]
    deals = mapping.deals(shown, AROUND, {}).deals
    assert [(deal.amount, deal.deal_type) for deal in deals] == [
        (Decimal(100), None),
        (Decimal("1.5"), "x"),
    ]


def test_the_ids_that_a_merge_retired_are_removed_the_survivor_is_not() -> None:
    found = mapping.deals([record("9", hs_merged_object_ids="51;9;;1; 1551")], AROUND, {})
    assert [(r.deal_id, r.reason, r.survivor_id) for r in found.removals] == [
        ("51", RemovalReason.MERGED, "9"),
        ("1", RemovalReason.MERGED, "9"),
        ("1551", RemovalReason.MERGED, "9"),
    ]


def test_a_deal_that_came_twice_counts_once() -> None:
    found = mapping.deals([record("9"), record("9"), record("10")], AROUND, {})
    assert [deal.deal_id for deal in found.deals] == ["9", "10"]


def test_a_contact_with_several_labels_counts_once() -> None:
    twice = [{"id": "42", "type": "deal_to_company"}, {"id": "42", "type": "x_unlabeled"}]
    listed = {"id": "1", "associations": {"companies": {"results": [*twice, {"id": "43"}]}}}
    assert mapping.listed_counts(listed, "companies") == (2, True)
    assert mapping.listed_counts(listed, "contacts") == (0, True)
    listed["associations"]["companies"]["paging"] = {"next": {"after": "44"}}
    assert mapping.listed_counts(listed, "companies") == (2, False)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"isClosed": "true", "probability": "1.0"}, (True, True)),
        ({"isClosed": "true", "probability": "0.0"}, (True, False)),
        ({"isClosed": "false", "probability": "0.0"}, (False, False)),
        ({"isClosed": "false", "probability": "1.0"}, (False, False)),
        ({"probability": "1.0"}, (True, True)),
        ({"probability": "0.0"}, (True, False)),
        ({"probability": "0.5"}, (False, False)),
        ({}, (False, False)),
    ],
)
def test_stages(metadata: dict[str, str], expected: tuple[bool, bool]) -> None:
    pipeline = definitions.pipeline({"id": "p", "stages": [{"id": "s", "metadata": metadata}]})
    stage = pipeline.stages[0]
    assert (stage.is_closed, stage.is_won) == expected


def test_stages_come_in_order_and_keep_their_ids() -> None:
    assert [stage.stage_id for stage in PIPELINES[0].stages] == ["new", "won", "lost"]
    first: Stage = PIPELINES[0].stages[0]
    assert (first.label, first.probability) == ("Closed lost", Decimal("0.8"))
    assert mapping.stage_status(first) is DealStatus.OPEN


def test_account() -> None:
    account = definitions.account(
        {
            "portalId": 62515,
            "timeZone": "Europe/Oslo",
            "companyCurrency": "NOK",
            "additionalCurrencies": ["EUR", "NOK"],
            "uiDomain": "app-eu1.hubspot.com",
        }
    )
    assert account.account_id == "62515"
    assert account.currencies == ("NOK", "EUR")
    assert account.deal_url is not None
    assert (
        account.deal_url.format(deal_id="7")
        == "https://app-eu1.hubspot.com/contacts/62515/record/0-3/7"
    )


@pytest.mark.parametrize("broken", [{"timeZone": "Nowhere/Else"}, {"companyCurrency": None}])
def test_an_account_without_zone_or_currency_is_refused(broken: dict[str, Any]) -> None:
    details = {"portalId": 1, "timeZone": "Europe/Oslo", "companyCurrency": "NOK", **broken}
    with pytest.raises(PermanentError, match="Account defaults"):
        definitions.account(details)


@pytest.mark.parametrize(
    ("shown", "name", "active", "teams"),
    [
        ({"firstName": "Kari", "lastName": "Nordmann"}, "Kari Nordmann", True, ()),
        (
            {"firstName": "", "lastName": "", "email": "k@x.no", "archived": True},
            "k@x.no",
            False,
            (),
        ),
        ({"archived": True, "userId": None}, "5", False, ()),
        (
            {
                "lastName": "Ås",
                "teams": [{"name": "B", "primary": False}, {"name": "A", "primary": True}],
            },
            "Ås",
            True,
            ("A", "B"),
        ),
    ],
)
def test_owners(shown: dict[str, Any], name: str, active: bool, teams: tuple[str, ...]) -> None:
    owner = definitions.owner({"id": 5, **shown})
    assert (owner.owner_id, owner.name, owner.active, owner.teams) == ("5", name, active, teams)


def test_an_archived_deal_without_an_instant_was_removed_when_it_was_seen() -> None:
    now = datetime(2026, 3, 16, tzinfo=UTC)
    assert mapping.archived({"id": "1", "archivedAt": "?"}, now).removed_at == now
    removal = mapping.archived({"id": "1", "archivedAt": "2026-03-01T00:00:00Z"}, now)
    assert removal.removed_at == datetime(2026, 3, 1, tzinfo=UTC)
    assert removal.reason is RemovalReason.ARCHIVED


def test_modified_falls_back() -> None:
    doubts = Doubts("1")
    at = mapping.modified({"id": "1", "updatedAt": "2026-03-01T00:00:00Z"}, doubts)
    assert at == datetime(2026, 3, 1, tzinfo=UTC)
    assert doubts.found() == []
