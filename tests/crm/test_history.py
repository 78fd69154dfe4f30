"""HubSpot's property histories as changes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.crm.base import Change, ChangeSource, DealStatus, Field
from sync.crm.hubspot import history, values
from sync.crm.hubspot.values import Doubts

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
STATUSES = {"won": DealStatus.WON, "lost": DealStatus.LOST}


def changes(
    versions: dict[str, Any],
    status: DealStatus = DealStatus.OPEN,
    doubts: Doubts | None = None,
    present: dict[str, Any] | None = None,
) -> list[Change]:
    return history.changes(
        "1",
        versions,
        present=present or {},
        status=status,
        status_of=lambda stage: STATUSES.get(stage or "", DealStatus.OPEN),
        doubts=doubts or Doubts("1"),
    )


def version(value: object, hour: int = 0, source: str = "CRM_UI", **more: object) -> dict[str, Any]:
    at = values.iso(START + timedelta(hours=hour))
    return {"value": value, "timestamp": at, "sourceType": source, **more}


def of(found: list[Change], field: Field) -> list[tuple[str | None, str | None]]:
    return [(change.old, change.new) for change in found if change.field is field]


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(["a", "b", "won", "lost", ""])), max_size=12
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_changes_form_a_chain_in_order_of_time(steps: list[tuple[int, str]], shuffle: Any) -> None:
    versions = [version(stage, hour) for hour, stage in steps]
    shuffle.shuffle(versions)
    found = changes({"dealstage": versions})
    for field in (Field.STAGE, Field.STATUS):
        chain = [change for change in found if change.field is field]
        assert [c.old for c in chain] == [None, *[c.new for c in chain]][: len(chain)]
        assert all(c.old != c.new for c in chain)
        keys = [(c.changed_at, c.ordinal) for c in chain]
        assert keys == sorted(set(keys))


@given(
    st.lists(st.sampled_from(["1", "2.50", ""]), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_of_one_instant_the_present_value_is_the_last(amounts: list[str], shuffle: Any) -> None:
    """In whatever order HubSpot gives them; a bulk edit shares one with a person's."""
    now = amounts[-1]
    versions = [version("1000"), *(version(amount, 1) for amount in amounts)]
    shuffle.shuffle(versions)
    found = changes({"amount": versions}, present={"amount": now or None})
    assert found[-1].new == (values.plain(Decimal(now)) if now else None)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=8))
def test_newest_first_and_oldest_first_tell_the_same_story(stages: list[str]) -> None:
    versions = [version(stage, hour) for hour, stage in enumerate(stages)]
    assert changes({"dealstage": versions}) == changes({"dealstage": versions[::-1]})


def test_of_one_instant_the_newest_comes_first() -> None:
    found = changes({"dealstage": [version("c"), version("b"), version("a")]})
    assert of(found, Field.STAGE) == [(None, "a"), ("a", "b"), ("b", "c")]
    assert [c.ordinal for c in found if c.field is Field.STAGE] == [0, 1, 2]


def test_status_follows_the_stages_and_ends_with_the_present_one() -> None:
    stages = [version("a", 0), version("lost", 1), version("b", 2), version("won", 3)]
    found = changes({"dealstage": stages}, DealStatus.WON)
    assert of(found, Field.STATUS) == [
        (None, "open"),
        ("open", "lost"),
        ("lost", "open"),
        ("open", "won"),
    ]


def test_the_present_status_wins_over_todays_definition_of_the_stage() -> None:
    """The stage was closed-won when the deal entered it, and is deleted now."""
    found = changes({"dealstage": [version("a", 0), version("gone", 1)]}, DealStatus.WON)
    assert of(found, Field.STATUS) == [(None, "open"), ("open", "won")]
    assert [c.changed_at for c in found if c.new == "won"] == [START + timedelta(hours=1)]


def test_values_are_normalised_before_neighbours_are_compared() -> None:
    found = changes(
        {
            "amount": [version("1500.00", 0), version("1,500", 1), version("", 2)],
            "closedate": [
                version("2026-03-31T21:30:00.000Z", 0),
                version("1774992600000", 1),
                version("2026-04-01T10:00:00.500Z", 2),
            ],
            "hs_manual_forecast_category": [version("OMIT", 0), version("commit", 1)],
            "hubspot_owner_id": [version("", 0), version("77", 1)],
            "pipeline": [version("default", 0)],
        }
    )
    assert of(found, Field.AMOUNT) == [(None, "1500"), ("1500", None)]
    assert of(found, Field.CLOSE_DATE) == [
        (None, "2026-03-31T21:30:00Z"),
        ("2026-03-31T21:30:00Z", "2026-04-01T10:00:00.500Z"),
    ]
    assert of(found, Field.FORECAST_CATEGORY) == [(None, "OMITTED"), ("OMITTED", "COMMIT")]
    assert of(found, Field.OWNER) == [(None, "77")]
    assert of(found, Field.PIPELINE) == [(None, "default")]


def test_what_cannot_be_understood_is_counted_and_empty() -> None:
    doubts = Doubts("1")
    found = changes(
        {
            "amount": [version("100", 0), version("a lot", 1)],
            "closedate": [{"value": "2026-01-01", "timestamp": "long ago"}, "rubbish"],
            "pipeline": None,
        },
        doubts=doubts,
    )
    assert of(found, Field.AMOUNT) == [(None, "100"), ("100", None)]
    assert [(u.field, u.raw) for u in doubts.found()] == [
        ("history of amount", "a lot"),
        ("history of close_date", "long ago"),
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"sourceType": "CRM_UI"}, ChangeSource.HUMAN),
        ({"sourceType": "MOBILE_IOS"}, ChangeSource.HUMAN),
        ({"sourceType": "SALES"}, ChangeSource.HUMAN),
        ({"sourceType": "AUTOMATION_PLATFORM"}, ChangeSource.AUTOMATION),
        ({"sourceType": "CALCULATED"}, ChangeSource.AUTOMATION),
        ({"sourceType": "INTEGRATION", "sourceId": "userId:5"}, ChangeSource.INTEGRATION),
        ({"sourceType": "API"}, ChangeSource.INTEGRATION),
        ({"sourceType": "IMPORT"}, ChangeSource.INTEGRATION),
        ({"source": "IMPORT"}, ChangeSource.INTEGRATION),
        ({"sourceType": "NEW_SCREEN", "sourceId": "userId:5"}, ChangeSource.HUMAN),
        ({"sourceType": "NEW_SCREEN"}, ChangeSource.UNKNOWN),
        ({}, ChangeSource.UNKNOWN),
    ],
)
def test_who_made_a_change(entry: dict[str, str], expected: ChangeSource) -> None:
    assert history.source(entry) is expected
