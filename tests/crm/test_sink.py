"""Writing to HubSpot: our properties, and their values, one outcome for each record."""

from collections.abc import Sequence
from typing import Any

import pytest

from sync.crm.base import (
    DealWrite,
    PropertySpec,
    PropertyStatus,
    ValueKind,
    WriteResult,
)
from sync.errors import AuthError, PermanentError, TransientError
from tests.crm.conftest import Open, Portal, deal

SPECS = (
    PropertySpec("dealpulse_probability", ValueKind.PROBABILITY, "Chance", "How likely."),
    PropertySpec("dealpulse_expected", ValueKind.AMOUNT, "Expected", "Amount times chance."),
    PropertySpec("dealpulse_days", ValueKind.INTEGER, "Days", "Days without activity."),
    PropertySpec("dealpulse_on", ValueKind.DATE, "On", "A day."),
    PropertySpec("dealpulse_at", ValueKind.DATETIME, "At", "An instant."),
    PropertySpec(
        "dealpulse_findings",
        ValueKind.CHOICES,
        "To put right",
        "What is wrong.",
        (("stale", "Stale"), ("overdue", "Overdue")),
    ),
    PropertySpec("dealpulse_why", ValueKind.TEXT, "Why", "In one sentence."),
)
VALUES = {
    "dealpulse_probability": "0.42",
    "dealpulse_expected": "1234.5",
    "dealpulse_days": "7",
    "dealpulse_on": "2026-03-31",
    "dealpulse_at": "2026-03-16T09:00:00Z",
    "dealpulse_findings": "overdue;stale",
    "dealpulse_why": "Fordi kunden svarte i går; 42 %.",
}


@pytest.fixture
def ready(portal: Portal) -> Portal:
    """Three deals a, b, c and our properties."""
    return prepared(portal)


def prepared(portal: Portal) -> Portal:
    portal.sink.ensure_properties(SPECS)
    portal.sent()
    return portal


def writes(portal: Portal, *keys: str, **values: str | None) -> list[DealWrite]:
    return [
        DealWrite(portal.crm.id_of(key), f"trace-{key}", values or {"dealpulse_days": "7"})
        for key in keys
    ]


def results(portal: Portal, batch: Sequence[DealWrite]) -> list[WriteResult]:
    outcomes = portal.sink.write(batch)
    assert [o.trace_id for o in outcomes] == [w.trace_id for w in batch]
    assert [o.deal_id for o in outcomes] == [w.deal_id for w in batch]
    return [outcome.result for outcome in outcomes]


def held(portal: Portal, key: str) -> str | None:
    return portal.crm.deal(portal.crm.id_of(key))["dealpulse_days"]


def statuses(portal: Portal) -> dict[str, PropertyStatus]:
    return {state.name: state.status for state in portal.sink.property_states(SPECS)}


# properties


def test_properties_are_created_once_with_their_group(portal: Portal) -> None:
    assert set(statuses(portal).values()) == {PropertyStatus.MISSING}
    before = portal.sink.ensure_properties(SPECS)
    assert [state.status for state in before] == [PropertyStatus.MISSING] * 7
    assert set(statuses(portal).values()) == {PropertyStatus.PRESENT}
    portal.sent()
    portal.sink.ensure_properties(SPECS)
    assert [line.split(" ")[0] for line in portal.sent()] == ["GET"]
    created = portal.client.get(portal.client.paths.property_list, what="x")["results"]
    shapes = {
        p["name"]: (p["type"], p["fieldType"], p["groupName"], p["formField"], p["description"])
        for p in created
        if p["name"].startswith("dealpulse_")
    }
    assert shapes == {
        "dealpulse_probability": ("number", "number", "dealpulse", False, "How likely."),
        "dealpulse_expected": ("number", "number", "dealpulse", False, "Amount times chance."),
        "dealpulse_days": ("number", "number", "dealpulse", False, "Days without activity."),
        "dealpulse_on": ("date", "date", "dealpulse", False, "A day."),
        "dealpulse_at": ("datetime", "date", "dealpulse", False, "An instant."),
        "dealpulse_findings": ("enumeration", "checkbox", "dealpulse", False, "What is wrong."),
        "dealpulse_why": ("string", "textarea", "dealpulse", False, "In one sentence."),
    }


def test_labels_descriptions_and_options_are_put_right(ready: Portal) -> None:
    ready.client.patch(
        ready.client.paths.writing("deals").property_named("dealpulse_findings"),
        {
            "label": "Renamed",
            "options": [
                {"value": "stale", "label": "Stale", "displayOrder": 0, "hidden": False},
                {"value": "theirs", "label": "Theirs", "displayOrder": 1, "hidden": False},
            ],
        },
        what="x",
    )
    [state] = [s for s in ready.sink.property_states(SPECS) if s.status is PropertyStatus.DIFFERS]
    assert (state.name, state.detail) == ("dealpulse_findings", "label, options")
    ready.sink.ensure_properties(SPECS)
    assert set(statuses(ready).values()) == {PropertyStatus.PRESENT}
    there = ready.client.get(
        ready.client.paths.writing("deals").property_named("dealpulse_findings"),
        what="x",
        expect="name",
    )
    assert there["label"] == "To put right"
    assert [o["value"] for o in there["options"]] == ["stale", "overdue", "theirs"]


@pytest.mark.parametrize(
    "there",
    [
        {"name": "dealpulse_days", "type": "string", "fieldType": "text"},
        {"name": "dealpulse_findings", "type": "enumeration", "fieldType": "select"},
    ],
)
def test_another_type_under_our_name_stops_before_anything_is_created(
    portal: Portal, there: dict[str, str]
) -> None:
    theirs: dict[str, Any] = {"label": "Theirs", "groupName": "dealinformation", **there}
    if there["type"] == "enumeration":
        theirs["options"] = [
            {"value": "stale", "label": "Stale", "displayOrder": 0, "hidden": False}
        ]
    paths = portal.client.paths
    portal.client.post(paths.property_list, theirs, what="x", idempotent=False)
    assert statuses(portal)[there["name"]] is PropertyStatus.CONFLICT
    with pytest.raises(PermanentError, match=there["name"]):
        portal.sink.ensure_properties(SPECS)
    listed = portal.client.get(paths.property_list, what="x")["results"]
    assert [p["name"] for p in listed if p["name"].startswith("dealpulse_")] == [there["name"]]


def test_a_property_in_the_recycle_bin_is_named(ready: Portal) -> None:
    ready.crm.remove_property("dealpulse_days")
    with pytest.raises(PermanentError, match=r"dealpulse_days exists.+Archived properties"):
        ready.sink.ensure_properties(SPECS)


@pytest.mark.parametrize(
    "fault", ["reset_after_commit", "truncated_json", "html_200", "empty_body"]
)
@pytest.mark.parametrize("path", ["properties", "groups"])
def test_a_creation_whose_answer_is_lost_is_neither_lost_nor_repeated(
    portal: Portal, fault: str, path: str
) -> None:
    portal.sandbox.faults.add(fault, method="POST", path_contains=path)  # type: ignore[arg-type]
    portal.sink.ensure_properties(SPECS)
    assert portal.sandbox.faults.pending() == []
    assert set(statuses(portal).values()) == {PropertyStatus.PRESENT}
    created = [line for line in portal.sent() if line.startswith("POST")]
    assert len(created) == 1 + len(SPECS)


def test_a_creation_that_never_happened_is_said_so(portal: Portal) -> None:
    portal.sandbox.faults.add("reset_before", method="POST")
    with pytest.raises(TransientError, match="group"):
        portal.sink.ensure_properties(SPECS)
    portal.sink.ensure_properties(SPECS)
    assert set(statuses(portal).values()) == {PropertyStatus.PRESENT}


def test_the_scope_for_creating_properties_is_named(portal: Portal) -> None:
    portal.crm.set_scopes(portal.sandbox.token, ["crm.objects.deals.read"])
    with pytest.raises(AuthError) as error:
        portal.sink.ensure_properties(SPECS)
    assert error.value.missing_scopes == ("crm.schemas.deals.write",)


# values


def test_values_arrive_as_they_were_written_and_can_be_cleared(ready: Portal) -> None:
    assert results(ready, writes(ready, "a", **VALUES)) == [WriteResult.WRITTEN]
    there = ready.crm.deal(ready.crm.id_of("a"))
    assert {name: there[name] for name in VALUES} == VALUES
    assert results(ready, writes(ready, "a", **dict.fromkeys(VALUES))) == [WriteResult.WRITTEN]
    there = ready.crm.deal(ready.crm.id_of("a"))
    assert {there[name] for name in VALUES} == {None}


def test_one_request_writes_a_hundred(portal_of: Open) -> None:
    portal = prepared(portal_of(deal(str(n)) for n in range(100)))
    batch = writes(portal, *(str(n) for n in range(100)))
    assert results(portal, batch) == [WriteResult.WRITTEN] * 100
    assert len(portal.sent()) == 1
    assert portal.sink.batch_size == 100


def test_more_than_a_batch_or_one_deal_twice_is_a_mistake(ready: Portal) -> None:
    [once] = writes(ready, "a")
    with pytest.raises(ValueError, match="each deal and trace id once"):
        ready.sink.write([once, once])
    with pytest.raises(ValueError, match="at most 100"):
        ready.sink.write([DealWrite(str(n), str(n), {}) for n in range(101)])
    assert ready.sink.write([]) == []
    assert ready.sent() == []


def spoilt(portal: Portal) -> list[DealWrite]:
    """Six writes: fine, archived, fine, merged away, refused for its value, never existed."""
    crm = portal.crm
    batch = writes(portal, "a", "b", "c", "d")
    crm.archive(crm.id_of("b"))
    crm.merge(crm.id_of("d"), crm.id_of("e"))
    refused = DealWrite(crm.id_of("f"), "trace-f", {"dealpulse_days": "many"})
    return [*batch, refused, DealWrite("123", "trace-x", {"dealpulse_days": "7"})]


EXPECTED = [
    WriteResult.WRITTEN,
    WriteResult.MISSING,
    WriteResult.WRITTEN,
    WriteResult.MERGED,
    WriteResult.REJECTED,
    WriteResult.MISSING,
]


@pytest.mark.parametrize("batch_errors", ["partial", "atomic"])
@pytest.mark.parametrize("merged", ["omitted", "missing"])
def test_each_record_has_its_own_outcome_however_hubspot_answers(
    portal_of: Open, batch_errors: str, merged: str
) -> None:
    portal = prepared(
        portal_of(
            (deal(key) for key in "abcdef"),
            batch_errors=batch_errors,
            merged_in_batch_update=merged,
        )
    )
    batch = spoilt(portal)
    survivor = portal.crm.deal_ids()[-1]
    outcomes = portal.sink.write(batch)
    assert [outcome.result for outcome in outcomes] == EXPECTED
    assert outcomes[3].detail == f"merged into {survivor}"
    assert "many" in outcomes[4].detail
    assert (held(portal, "a"), held(portal, "c"), held(portal, "f")) == ("7", "7", None)


def test_a_deal_that_breaks_the_admins_rules_is_refused_alone(portal_of: Open) -> None:
    """Only the newest API enforces them, and on every write."""
    portal = prepared(
        portal_of([deal("a"), deal("b")], required_by_stage={"offer": ("closed_won_reason",)})
    )
    portal.crm.edit(portal.crm.id_of("b"), {"dealstage": "offer"})
    outcomes = portal.sink.write(writes(portal, "a", "b"))
    if portal.api_version == "2026-09":
        assert [o.result for o in outcomes] == [WriteResult.WRITTEN, WriteResult.REJECTED]
        assert "closed_won_reason" in outcomes[1].detail
    else:
        assert [o.result for o in outcomes] == [WriteResult.WRITTEN, WriteResult.WRITTEN]


@pytest.mark.parametrize(
    "fault", ["reset_after_commit", "truncated_json", "html_502", "reset_before"]
)
def test_a_write_whose_answer_is_lost_is_sent_again(ready: Portal, fault: str) -> None:
    ready.sandbox.faults.add(fault, path_contains="batch/update")  # type: ignore[arg-type]
    assert results(ready, writes(ready, "a", "b")) == [WriteResult.WRITTEN] * 2
    assert len(ready.sent()) == 2
    versions = ready.crm.history(ready.crm.id_of("a"), "dealpulse_days")
    assert [version["value"] for version in versions] == ["7"]


def test_no_answer_at_all_leaves_the_batch_in_doubt(ready: Portal) -> None:
    ready.sandbox.faults.add("reset_after_commit", times=-1, path_contains="batch/update")
    outcomes = ready.sink.write(writes(ready, "a", "b"))
    assert [outcome.result for outcome in outcomes] == [WriteResult.UNKNOWN] * 2
    assert "connection to HubSpot broke" in outcomes[0].detail
    assert held(ready, "a") == "7"  # in doubt it was rightly


def test_a_batch_that_surely_was_not_written_is_no_outcome(ready: Portal) -> None:
    ready.sandbox.faults.add("migration_477", retry_after_s=7200)
    with pytest.raises(TransientError, match="data centre"):
        ready.sink.write(writes(ready, "a"))
    assert held(ready, "a") is None


def test_a_property_that_was_deleted_stops_the_batch(ready: Portal) -> None:
    """Not a hundred refusals: the next write-back creates it again."""
    ready.crm.remove_property("dealpulse_days")
    with pytest.raises(PermanentError, match="no longer has one of the properties"):
        ready.sink.write(writes(ready, "a", "b"))
    assert len(ready.sent()) < 4


def test_the_scope_for_writing_is_named(ready: Portal) -> None:
    ready.crm.set_scopes(ready.sandbox.token, ["crm.objects.deals.read"])
    with pytest.raises(AuthError) as error:
        ready.sink.write(writes(ready, "a"))
    assert error.value.missing_scopes == ("crm.objects.deals.write",)


def test_ours_and_nothing_else_is_touched(ready: Portal) -> None:
    deal_id = ready.crm.id_of("a")
    before = ready.crm.deal(deal_id)
    ready.clock.advance(minutes=1)
    ready.sink.write(writes(ready, "a", **VALUES))
    after = ready.crm.deal(deal_id)
    changed = {name for name in after if after[name] != before[name]}
    moving = {"hs_lastmodifieddate"} | {name for name in changed if name.startswith("hs_v2_")}
    assert changed - moving == set(VALUES)
