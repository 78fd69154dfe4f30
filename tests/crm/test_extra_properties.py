"""The customer's own properties: which are meant, what their values are, how many get through."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sync.crm.base import ExtraValue, FieldDefinition, FieldKind
from sync.crm.hubspot import extra, selection
from sync.crm.hubspot.selection import ADDRESS_CHARS, PER_REQUEST, Selection
from sync.crm.hubspot.source import HubSpotSource
from sync.crm.hubspot.values import Doubts
from tests.crm.conftest import LOOKBACK, Open, Portal, deal

names = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)


def listed(*defined: str, **more: Any) -> list[dict[str, Any]]:
    plain = {"type": "string", "fieldType": "text"}
    return [{"name": name, "label": f"The {name}", **plain, **more} for name in defined]


def source_of(portal: Portal, *patterns: str) -> HubSpotSource:
    return HubSpotSource(
        "main",
        portal.client,
        lookback=LOOKBACK,
        own_properties=(),
        extra_properties=patterns,
        clock=portal.clock,
    )


class TestWhichAreMeant:
    KNOWN = listed("amount", "dealname", "region", "x_one", "x_two", "xylophone")
    TAKEN = ("amount", "dealname")

    @pytest.mark.parametrize(
        ("patterns", "expected"),
        [
            ((), []),
            (("region",), ["region"]),
            (("x_*",), ["x_one", "x_two"]),
            (("x*", "x_one"), ["x_one", "x_two", "xylophone"]),
            (("*",), ["region", "x_one", "x_two", "xylophone"]),
            (("amount",), ["amount"]),
        ],
    )
    def test_exact_by_prefix_or_all(self, patterns: tuple[str, ...], expected: list[str]) -> None:
        found = extra.chosen(patterns, self.KNOWN, self.TAKEN)
        assert list(found.fields) == expected
        assert found.left_out == ()

    def test_what_is_not_there_is_named_with_what_is_near(self) -> None:
        found = extra.chosen(["regions", "zz_*", "qqqq", "x_two"], self.KNOWN, self.TAKEN)
        assert list(found.fields) == ["x_two"]
        near, prefix, far = found.left_out
        assert "'regions'" in near
        assert "did you mean 'region'?" in near
        assert "begins with 'zz_'" in prefix
        assert "'qqqq'" in far
        assert "did you mean" not in far

    def test_archived_ones_are_not_there(self) -> None:
        found = extra.chosen(["region"], listed("region", archived=True), ())
        assert found.fields == {}
        assert len(found.left_out) == 1


@pytest.mark.parametrize(
    ("value_type", "field_type", "kind", "raw", "expected"),
    [
        ("number", "number", FieldKind.NUMBER, "1500.00", 1500),
        ("number", "number", FieldKind.NUMBER, "1,000", 1000),
        ("number", "number", FieldKind.NUMBER, "0.1", 0.1),
        ("number", "number", FieldKind.NUMBER, "12345678901234567.25", "12345678901234567.25"),
        ("bool", "booleancheckbox", FieldKind.BOOL, "false", False),
        ("enumeration", "booleancheckbox", FieldKind.BOOL, "true", True),
        ("enumeration", "select", FieldKind.CHOICE, "a;b", "a;b"),
        ("enumeration", "checkbox", FieldKind.CHOICES, "b;a;;b", ["a", "b"]),
        ("date", "date", FieldKind.DATE, "2026-05-31", "2026-05-31"),
        ("date", "date", FieldKind.DATE, "1780185600000", "2026-05-31"),
        ("datetime", "date", FieldKind.DATETIME, "2026-05-31T10:00:00Z", "2026-05-31T10:00:00Z"),
        ("datetime", "date", FieldKind.DATETIME, "1.7E12", "2023-11-14T22:13:20Z"),
        ("string", "textarea", FieldKind.TEXT, " Sør ", " Sør "),
        ("object_coordinates", "text", FieldKind.TEXT, "[1]", "[1]"),
    ],
)
def test_types_come_from_the_definitions(
    value_type: str, field_type: str, kind: FieldKind, raw: str, expected: ExtraValue
) -> None:
    fields = extra.chosen(["x"], listed("x", type=value_type, fieldType=field_type), ()).fields
    assert fields["x"].kind is kind
    found = extra.values_of({"x": raw}, fields, Doubts("1"))
    assert found == {"x": expected}
    assert type(found["x"]) is type(expected)
    for empty in (None, ""):
        assert extra.values_of({"x": empty}, fields, Doubts("1")) == {"x": None}


def test_what_does_not_fit_its_type_is_empty_and_counted_and_what_is_not_told_is_left_out() -> None:
    fields = {
        "n": FieldDefinition("n", "N", FieldKind.NUMBER),
        "gone": FieldDefinition("gone", "Gone", FieldKind.TEXT),
    }
    doubts = Doubts("1")
    assert extra.values_of({"n": "a few"}, fields, doubts) == {"n": None}
    assert [(u.field, u.raw) for u in doubts.found()] == [("extra.n", "a few")]


@given(st.lists(names, max_size=400, unique=True))
@example([f"a_property_of_some_length_{n:03}" for n in range(400)])
def test_no_address_grows_too_long(found: list[str]) -> None:
    chosen = Selection(
        ("dealname",), {name: FieldDefinition(name, name, FieldKind.TEXT) for name in found}
    )
    assert sum(len(name) + 3 for name in chosen.listed) <= ADDRESS_CHARS
    assert sum(len(name) + 3 for name in chosen.shown) <= ADDRESS_CHARS
    assert chosen.shown == chosen.names[: len(chosen.shown)]
    assert chosen.shown == chosen.names or not chosen.fits_an_address
    assert {*chosen.listed, *chosen.unlisted} == {*chosen.names} == {"dealname", *found}
    assert not set(chosen.listed) & set(chosen.unlisted)


def test_nine_hundred_properties_come_by_post_in_parts(portal_of: Open) -> None:
    portal = portal_of([deal("a"), deal("b")])
    for n in range(900):
        portal.crm.add_property(f"a_property_of_some_length_{n:03}")
    a = portal.crm.id_of("a")
    portal.crm.edit(a, {"a_property_of_some_length_899": "x"})
    source = source_of(portal, "a_property_*")
    [page] = list(source.deals(None, started_at=portal.clock.now(), known=portal.mirror.known))
    assert page.deals[0].extra["a_property_of_some_length_899"] == "x"
    assert len(page.deals[0].extra) == 900
    requests = list(portal.sandbox.requests)
    assert max(len(r.path) + len(r.query) for r in requests) < ADDRESS_CHARS
    reads = [r for r in requests if r.path.endswith("/batch/read") and "associ" not in r.path]
    assert len(reads) == -(-900 // PER_REQUEST)


def test_a_deal_that_changes_between_two_parts_is_read_again(portal_of: Open) -> None:
    portal = portal_of([deal("a")])
    for n in range(PER_REQUEST + 10):
        portal.crm.add_property(f"p_{n:03}")
    a = portal.crm.id_of("a")
    before = portal.crm.deal(a)["hs_lastmodifieddate"]
    source = source_of(portal, "p_*")
    source.extra_fields()

    def somebody_works() -> None:
        portal.clock.advance(minutes=1)
        portal.crm.edit(a, {f"p_{PER_REQUEST + 9:03}": "late"})

    chosen = Selection(("dealname",), {field.name: field for field in source.extra_fields()})
    # the first part is asked for, and only then somebody changes the deal
    portal.sandbox.meanwhile(
        "/batch/read", lambda: portal.sandbox.meanwhile("/batch/read", somebody_works)
    )
    [record] = selection.read_by_id(portal.client, [a], chosen)
    assert record["properties"][f"p_{PER_REQUEST + 9:03}"] == "late"
    assert record["properties"]["hs_lastmodifieddate"] == before


def test_a_deal_that_goes_between_two_parts_keeps_what_it_has(portal_of: Open) -> None:
    portal = portal_of([deal("a"), deal("b")])
    for n in range(PER_REQUEST + 10):
        portal.crm.add_property(f"p_{n:03}")
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    fields = source_of(portal, "p_*").extra_fields()
    chosen = Selection(("dealname",), {field.name: field for field in fields})
    portal.sandbox.meanwhile(
        "/batch/read",
        lambda: portal.sandbox.meanwhile("/batch/read", lambda: portal.crm.archive(a)),
    )
    found = {r["id"]: r["properties"] for r in selection.read_by_id(portal.client, [a, b], chosen)}
    assert found[a]["dealname"] == "Deal a"
    assert f"p_{PER_REQUEST + 9:03}" not in found[a]
    assert f"p_{PER_REQUEST + 9:03}" in found[b]


def test_definitions_are_read_once_in_six_hours_and_never_where_none_is_wanted(
    portal: Portal,
) -> None:
    portal.crm.add_property("region")
    nobody, somebody = source_of(portal), source_of(portal, "region")
    assert nobody.extra_fields() == []
    assert portal.sent() == []
    for _ in range(3):
        assert [field.name for field in somebody.extra_fields()] == ["region"]
    assert len(portal.sent()) == 1
    portal.clock.advance(seconds=timedelta(hours=6).total_seconds())
    portal.crm.remove_property("region")
    assert somebody.extra_fields() == []


@pytest.mark.parametrize("merged", ["survivor", "missing", "omitted"])
def test_a_merged_id_brings_its_survivor_with_all_properties(portal_of: Open, merged: str) -> None:
    portal = portal_of([deal("a"), deal("b")], merged_in_batch_read=merged)
    for n in range(300):
        portal.crm.add_property(f"a_property_of_some_length_{n:03}")
    a, b = portal.crm.id_of("a"), portal.crm.id_of("b")
    portal.crm.edit(a, {"a_property_of_some_length_299": "kept"})
    survivor = portal.crm.merge(a, b)
    [found] = source_of(portal, "a_property_*").read([b]).deals
    assert found.deal_id == survivor
    assert found.extra["a_property_of_some_length_299"] == "kept"
