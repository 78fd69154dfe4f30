"""The score onto the contact and back, over real HTTP, on both databases."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from sync.errors import SafetyStop
from sync.jobs import chain
from sync.mirror import leads, retention, schema
from sync.mirror.engine import reading
from sync.sandbox.company import CompanyContact
from sync.writeback import journal
from sync.writeback.journal import State
from sync.writeback.lead_fields import LEAD_KINDS, LEAD_NAMES, LEAD_SCORE, lead_specs
from tests.leads.conftest import LEADS, Build, House, contact
from tests.leads.test_scoring import SCORED

WRITTEN = (*SCORED, chain.LEAD_WRITE_BACK)


def people() -> list[CompanyContact]:
    return [
        contact("a", (0, "stage", "lead"), (30, "submissions", "2"), (31, "page_views", "4")),
        contact("b", (0, "stage", "lead")),
        contact("c", (0, "stage", "customer")),
    ]


def opened(house_of: Build, contacts: list[CompanyContact] | None = None) -> House:
    house = house_of(people() if contacts is None else contacts)
    house.installation.connection = {"leads": {"enabled": True, "write_back": True}}
    return house.reopened()


def held(house: House, key: str) -> dict[str, str]:
    found = {name: house.contacts.value(house.contacts.ids[key], name) for name in LEAD_NAMES}
    return {name: value for name, value in found.items() if value}


def writes(house: House) -> int:
    return sum("contacts/batch/update" in request for request in house.sent())


def test_the_score_comes_onto_the_contact_and_a_second_cycle_writes_nothing(
    house_of: Build,
) -> None:
    house = opened(house_of)
    counts = house.run(*WRITTEN)
    assert (counts["written"], counts["confirmed"]) == (2, 2)
    assert held(house, "a") == {
        "dealpulse_lead_score": "20",
        "dealpulse_lead_reasons": "20 of 100 points: +20 sent a form twice.",
        "dealpulse_lead_computed_at": "2026-03-16T09:00:00Z",
    }
    assert held(house, "b")["dealpulse_lead_score"] == "0"
    assert held(house, "c") == {}
    house.sent()
    for _ in range(2):
        house.clock.advance(minutes=15)
        house.run(*WRITTEN)
        assert writes(house) == 0
    # what we wrote was read back with the contact
    (own,) = [row.own for row in house.leads().values() if row.own.get(LEAD_SCORE) == "20"]
    assert own["dealpulse_lead_reasons"] == "20 of 100 points: +20 sent a form twice."


def test_what_moved_is_written_and_who_converted_is_emptied(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*WRITTEN)
    house.clock.advance(minutes=15)
    ids = house.contacts.ids
    house.contacts.set(ids["b"], {"num_conversion_events": "1"})
    house.contacts.set(ids["a"], {"lifecyclestage": "opportunity"})
    house.clock.advance(minutes=15)
    counts = house.run(*WRITTEN)
    assert (counts["written"], counts["cleared"]) == (2, 1)
    assert held(house, "b")["dealpulse_lead_score"] == "15"
    assert held(house, "a") == {}
    first, second = journal.history(house.app.engine, house.settings.name, ids["a"], of_lead=True)
    assert second.before == first.after
    assert set(second.after.values()) == {None}


def test_the_plan_shows_it_and_writes_nothing(house_of: Build) -> None:
    house = house_of(people())
    house.run(*SCORED)
    house.sent()
    done = house.installation.run("writeback", "plan", "--format", "json")
    _, report = json.loads(done.stdout)
    assert (report["leads"], report["enabled"]) == (2, False)
    rows = {(row["lead_id"], row["property"]): row["after"] for row in report["rows"]}
    assert rows[house.contacts.ids["a"], "dealpulse_lead_score"] == "20"
    assert house.sent() == []
    screen = house.installation.run("writeback", "plan").stdout
    assert "leads.write_back" in screen
    assert house.contacts.ids["a"] in screen


def test_apply_writes_leads_where_only_they_are_switched_on(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*SCORED)
    done = house.installation.run("writeback", "apply")
    assert done.returncode == 0, done.stderr
    assert held(house, "a")["dealpulse_lead_score"] == "20"


def test_off_by_default_nothing_is_written(house_of: Build) -> None:
    house = house_of(people())
    house.run(*chain.cycle(house.settings))
    assert writes(house) == 0
    assert held(house, "a") == {}


@pytest.mark.parametrize("missing", ["crm.objects.contacts.write", "crm.schemas.contacts.write"])
def test_a_missing_scope_is_named_and_everything_else_goes_on(
    house_of: Build, missing: str
) -> None:
    house = opened(house_of)
    scopes = house.sandbox.crm.tokens.get(house.sandbox.token).scopes
    house.sandbox.crm.set_scopes(house.sandbox.token, scopes - {missing})
    house.run(*SCORED)
    result = house.result(chain.LEAD_WRITE_BACK)
    assert result.ok
    assert any(missing in note for note in result.notes)
    assert held(house, "a") == {}
    house.sandbox.crm.set_scopes(house.sandbox.token, scopes)
    house.clock.advance(minutes=15)
    house.run(*WRITTEN)
    assert held(house, "a")["dealpulse_lead_score"] == "20"


def test_check_names_the_scopes(house_of: Build) -> None:
    house = opened(house_of)
    house.run(chain.PULL)
    shown = " ".join(house.installation.run("check").stdout.split())
    assert "crm.schemas.contacts.write" in shown
    assert "crm.objects.contacts.write" in shown


def test_a_property_that_a_person_deleted_is_made_and_filled_again(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*WRITTEN)
    kind = house.contacts.kind
    for name in LEAD_NAMES:
        kind.definitions.archive(name, house.sandbox.crm.now())
        kind.definitions.purge(name)
        for record in kind.table.records():
            record.values.pop(name, None)
    house.clock.advance(minutes=15)
    assert house.run(*WRITTEN)["written"] == 2
    assert held(house, "a")["dealpulse_lead_score"] == "20"


def test_a_killed_write_is_looked_up_and_not_written_twice(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*WRITTEN)
    with house.app.engine.begin() as transaction:
        transaction.execute(schema.write_journal.update().values(state="sending", settled_at=None))
    house.sent()
    house.clock.advance(minutes=1)
    counts = house.run(chain.LEAD_WRITE_BACK)
    assert counts == {"reconciled": 2}
    assert writes(house) == 0
    with reading(house.app.engine) as snapshot:
        states = set(snapshot.execute(select(schema.write_journal.c.state)).scalars())
    assert states == {State.CONFIRMED.value}


def test_far_too_many_changes_stop_it(house_of: Build) -> None:
    house = opened(house_of, [contact(f"c{n}", (0, "stage", "lead")) for n in range(60)])
    house.run(*WRITTEN)
    house.clock.advance(minutes=15)
    for key in house.contacts.ids.values():
        house.contacts.set(key, {"num_conversion_events": "1"})
    house.clock.advance(minutes=15)
    house.run(*SCORED)
    error = house.result(chain.LEAD_WRITE_BACK).error
    assert isinstance(error, SafetyStop)
    assert "60 of the 60 leads" in str(error)


def test_what_is_held_of_an_erased_lead_goes_with_it(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*WRITTEN)
    engine, name = house.app.engine, house.settings.name
    gone = house.contacts.ids["a"]
    assert journal.history(engine, name, gone, of_lead=True)
    house.contacts.erase(gone)
    house.clock.advance(days=1.1)
    house.run(*LEADS)
    assert not journal.history(engine, name, gone, of_lead=True)
    assert gone not in leads.actual_values(engine, name)


def test_a_deal_and_a_lead_of_one_id_are_two(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*WRITTEN)
    engine, name = house.app.engine, house.settings.name
    (entry,) = journal.history(engine, name, house.contacts.ids["a"], of_lead=True)
    with engine.begin() as transaction:  # a later write to a deal of the same id
        row: dict[str, Any] = {
            "job_run_id": entry.job_run_id,
            "connection": name,
            "deal_id": entry.deal_id,
            "trace_id": "another",
            "before": {},
            "after": {},
            "state": "confirmed",
            "planned_at": house.clock.now(),
        }
        transaction.execute(schema.write_journal.insert().values(row))
    assert len(journal.history(engine, name, entry.deal_id)) == 1
    house.clock.advance(days=1)
    assert retention.forget_journal(engine, name, before=house.clock.now()) == 0
    assert journal.history(engine, name, entry.deal_id, of_lead=True) == [entry]


def test_properties_are_labelled_in_both_languages() -> None:
    for language in ("en", "nb"):
        specs = lead_specs(language)  # type: ignore[arg-type]
        assert [spec.name for spec in specs] == list(LEAD_KINDS)
        assert all(spec.label.startswith("dealpulse: ") and spec.description for spec in specs)
