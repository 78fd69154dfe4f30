"""Incidents in which a value was misread, or a write was not what it seemed."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from sync.crm.base import DealWrite, PropertySpec, ValueKind, WriteResult
from sync.mirror import frames, schema
from tests.crm.conftest import deal
from tests.incidents.conftest import Build, House

DAYS = PropertySpec("dealpulse_days", ValueKind.INTEGER, "Days", "Days without activity.")
ON = PropertySpec("dealpulse_on", ValueKind.DATE, "On", "A day.")


def write(house: House, keys: Iterable[str], name: str, values: Iterable[str]) -> list[WriteResult]:
    """Writes with our own hands; outcomes in the order of the batch."""
    batch = [
        DealWrite(house.crm.id_of(key), f"trace-{key}", {name: value})
        for key, value in zip(keys, values, strict=True)
    ]
    outcomes = house.context.sink.write(batch)
    assert [(o.deal_id, o.trace_id) for o in outcomes] == [(w.deal_id, w.trace_id) for w in batch]
    return [outcome.result for outcome in outcomes]


def ready(house: House) -> House:
    house.context.sink.ensure_properties([DAYS, ON])
    house.asked()
    return house


@pytest.mark.parametrize("merged", ["omitted", "missing"])
def test_incident_10_a_write_succeeded_but_nothing_changed(house_of: Build, merged: str) -> None:
    """A deal that was merged away is left out of the answer, without an error."""
    house = ready(house_of([deal(key) for key in "abc"], merged_in_batch_update=merged))
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    house.crm.merge(a, b)
    found = write(house, "abc", "dealpulse_days", ["1", "2", "3"])
    assert found == [WriteResult.MERGED, WriteResult.MERGED, WriteResult.WRITTEN]


@pytest.mark.parametrize("path", ["/batch/read", "/associations/"])
def test_incident_11_half_a_batch_taken_for_all_or_nothing(house: House, path: str) -> None:
    """207 for trouble that may pass: what came is no reason to take the others for gone."""
    for key in "abc":
        house.crm.edit(house.crm.id_of(key), {"amount": "7"})
    house.sandbox.faults.add("half_answer_207", path_contains=path)
    result = house.try_to_pull()
    assert len(house.held()) == 3
    if result.error is not None:
        house.clock.advance(minutes=15)
        house.pull()
    assert house.difference() == {}


def test_incident_11_one_deal_of_a_batch_is_gone(house: House) -> None:
    """207 for an id that does not exist: the others are read all the same."""
    a, b = house.crm.id_of("a"), house.crm.id_of("b")
    house.crm.edit(a, {"amount": "7"})
    house.crm.edit(b, {"amount": "7"})
    house.sandbox.meanwhile("/batch/read", lambda: house.crm.archive(a))
    house.pull()
    assert house.held()[b].amount == Decimal(7)
    house.clock.advance(minutes=15)
    house.pull()
    assert house.difference() == {}


def test_incident_12_a_batch_update_by_id_property_does_nothing(house: House) -> None:
    """Ours goes by ids alone; the sandbox refuses `hs_object_id` as HubSpot does."""
    ready(house)
    assert write(house, "abc", "dealpulse_days", "123") == [WriteResult.WRITTEN] * 3
    held = [house.crm.deal(house.crm.id_of(key))["dealpulse_days"] for key in "abc"]
    assert held == ["1", "2", "3"]
    assert house.asked("idProperty") == []


def test_incident_13_records_mapped_to_the_wrong_rows(house_of: Build) -> None:
    """HubSpot answers a batch in an order of its own; some of it is refused, some is gone."""
    house = ready(house_of([deal(key) for key in "abcdef"]))
    house.crm.archive(house.crm.id_of("b"))
    found = write(house, "fbdac", "dealpulse_days", ["6", "2", "many", "1", "3"])
    assert found == [
        WriteResult.WRITTEN,
        WriteResult.MISSING,
        WriteResult.REJECTED,
        WriteResult.WRITTEN,
        WriteResult.WRITTEN,
    ]
    held = {key: house.crm.deal(house.crm.id_of(key))["dealpulse_days"] for key in "acdef"}
    assert held == {"a": "1", "c": "3", "d": None, "e": None, "f": "6"}


def test_incident_20_values_of_many_habits(house_of: Build) -> None:
    """`"false"` is not true, `""` no number, and `"1,000"` not one."""
    names = ["signed", "seats", "starts", "asked", "kinds"]
    house = house_of([deal(key) for key in "abcd"], connection={"extra_properties": names})
    house.crm.add_property("signed", "bool", "booleancheckbox")
    house.crm.add_property("seats", "number", "number")
    house.crm.add_property("starts", "date", "date")
    house.crm.add_property("asked", "datetime", "date")
    options = [{"label": name, "value": name} for name in ("a", "b")]
    house.crm.add_property("kinds", "enumeration", "checkbox", options=options)
    table = house.crm.deals.table
    odd = {
        "a": {"signed": "false", "seats": "1,000", "starts": "1780185600000", "asked": "1.7E12"},
        "b": {"signed": "", "seats": "", "starts": "", "asked": "", "kinds": ""},
        "c": {"signed": "true", "seats": "3.5", "starts": "2026-05-31", "kinds": "b;a"},
        "d": {"signed": "maybe", "seats": "a few", "starts": "0000-00-00", "asked": "soon"},
    }
    for key, values in odd.items():  # as old data hold it: no API would take it now
        table.get(house.crm.id_of(key)).values.update(values)
    table.get(house.crm.id_of("d")).values["amount"] = "about 5"
    house.pull()
    held = house.held()
    a, b, c, d = (dict(held[house.crm.id_of(key)].extra) for key in "abcd")
    assert a == {
        "signed": False,
        "seats": 1000,
        "starts": "2026-05-31",
        "asked": "2023-11-14T22:13:20Z",
    }
    assert {name: value for name, value in b.items() if value is not None} == {}
    assert c == {"signed": True, "seats": 3.5, "starts": "2026-05-31", "kinds": ["a", "b"]}
    assert {name: value for name, value in d.items() if value is not None} == {}
    assert held[house.crm.id_of("d")].amount is None
    assert {row.field for row in house.rows(schema.unparsed_value)} >= {
        "amount",
        "extra.signed",
        "extra.seats",
        "extra.starts",
        "extra.asked",
    }


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("America/Phoenix", date(2026, 3, 31)), ("UTC", date(2026, 4, 1))],
)
def test_incident_26_close_date_a_day_off(house_of: Build, zone: str, expected: date) -> None:
    """31 March at 18:09 in Arizona is stored as 1 April, and in another quarter."""
    closing = datetime(2026, 4, 1, 1, 9, tzinfo=UTC)
    house = house_of([deal("a", values={"close_date": closing.isoformat()})])
    house.pull()
    frame = frames.deal_frame(house.app.engine, "portal", zone=zone, home_currency="NOK", rates={})
    assert frame["close_date"].to_list() == [expected]


def test_incident_27_a_date_that_is_not_midnight_is_refused(house: House) -> None:
    """Days are written as days, also in the hours when it is another day in Oslo than in UTC."""
    ready(house)
    house.clock.advance(minutes=13.5 * 60)  # 23:30 UTC, half past midnight in Oslo
    assert write(house, "a", "dealpulse_on", ["2026-03-31"]) == [WriteResult.WRITTEN]
    assert house.crm.deal(house.crm.id_of("a"))["dealpulse_on"] == "2026-03-31"
