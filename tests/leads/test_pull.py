"""Contacts come into the mirror with their lifecycle, at little cost, and without who they are."""

import re
from datetime import datetime
from urllib.parse import unquote

from sqlalchemy import select, text

from sync.crm.hubspot.contacts import HISTORIES, PROPERTIES
from sync.errors import SafetyStop
from sync.jobs import chain
from sync.jobs.leads import STREAM
from sync.mirror.engine import reading
from sync.mirror.schema import metadata
from sync.mirror.write import save_cursor
from sync.sandbox.company import CompanyContact
from tests.leads.conftest import FUNNEL, LEADS, Build, after, contact


def some(number: int) -> list[CompanyContact]:
    return [contact(f"c{n}", (n / 100, "stage", "lead")) for n in range(number)]


def test_lifecycle_history_is_mirrored(house_of: Build) -> None:
    person = contact(
        "a",
        (0, "stage", "lead"),
        (3, "stage", "marketingqualifiedlead"),
        (5, "page_views", "4"),
        (9, "stage", "1234567"),
    )
    house = house_of([person], history_order="shuffled")
    assert house.run(*LEADS)["leads"] == 1

    assert house.history("a", "stage") == [
        (after(0), "lead"),
        (after(3), "marketingqualifiedlead"),
        (after(9), "1234567"),
    ]
    assert house.history("a", "page_views") == [(after(5), "4")]
    (lead,) = house.leads().values()
    assert (lead.stage, lead.owner_id, lead.source) == ("1234567", "101", "REFERRALS")
    assert lead.created_at == after(0)


def test_source_and_meetings_have_a_history_too(house_of: Build) -> None:
    person = contact("a", (0, "stage", "lead"), (2, "met_at", str(after(1))), source="REFERRALS")
    house = house_of([person])
    house.run(*LEADS)
    assert house.history("a", "source") == [(after(0), "REFERRALS")]
    ((told, met),) = house.history("a", "met_at")
    assert (told, datetime.fromisoformat(met or "")) == (after(2), after(1))


def test_a_mirror_filled_when_less_was_read_is_filled_anew(house_of: Build) -> None:
    house = house_of(some(3))
    house.run(*LEADS)
    engine, name, now = house.app.engine, house.settings.name, house.clock.now()
    save_cursor(engine, name, STREAM, {"since": now.isoformat()}, at=now)
    assert house.run(chain.LEADS)["leads"] == 3
    house.clock.advance(minutes=15)
    assert house.run(chain.LEADS)["leads"] == 0


def test_a_first_load_killed_between_pages_goes_on_where_it_was(house_of: Build) -> None:
    house = house_of(some(120))
    house.run(chain.PULL)
    seen: list[int] = []

    def stop() -> bool:
        seen.append(1)
        return len(seen) == 1

    object.__setattr__(house.ctx, "should_stop", stop)
    assert house.result(chain.LEADS).stopped
    assert len(house.leads()) == 50
    house.sent()
    house.run(chain.LEADS)
    assert len(house.leads()) == 120
    assert house.sent().count("GET /crm/objects/2026-09/contacts") == 2


def test_a_cycle_with_nothing_changed_costs_one_request(house_of: Build) -> None:
    house = house_of(some(3))
    house.run(*LEADS)
    house.clock.advance(minutes=15)
    house.sent()
    house.run(chain.LEADS)
    assert house.sent() == ["POST /crm/objects/2026-09/contacts/search"]


def test_what_changed_is_read_and_nothing_else(house_of: Build) -> None:
    house = house_of(some(5))
    house.run(*LEADS)
    house.clock.advance(minutes=15)
    now = house.clock.now()
    house.contacts.set(house.contacts.ids["c2"], {"lifecyclestage": "customer"})
    house.clock.advance(minutes=15)
    assert house.run(chain.LEADS)["leads"] == 1
    assert house.history("c2", "stage") == [(after(0.02), "lead"), (now, "customer")]
    house.clock.advance(minutes=15)
    assert house.run(chain.LEADS)["leads"] == 0


def test_who_is_deleted_in_the_crm_is_erased_within_a_day(house_of: Build) -> None:
    house = house_of(some(4))
    house.run(*LEADS)
    gone = house.contacts.ids["c1"]
    house.contacts.erase(gone)
    house.clock.advance(days=1.1)
    assert house.run(chain.LEADS)["erased"] == 1
    assert gone not in house.leads()
    assert house.history("c1", "stage") == []


def test_too_many_gone_at_once_erases_nobody(house_of: Build) -> None:
    house = house_of(some(40))
    house.run(*LEADS)
    for n in range(30):
        house.contacts.erase(house.contacts.ids[f"c{n}"])
    house.clock.advance(days=1.1)
    assert isinstance(house.result(chain.LEADS).error, SafetyStop)
    assert len(house.leads()) == 40


def test_a_missing_scope_is_named_and_everything_else_goes_on(house_of: Build) -> None:
    house = house_of(some(2))
    scopes = house.sandbox.crm.tokens.get(house.sandbox.token).scopes
    house.sandbox.crm.set_scopes(house.sandbox.token, scopes - {"crm.objects.contacts.read"})
    house.run(chain.PULL)
    result = house.result(chain.LEADS)
    assert result.ok
    assert any("crm.objects.contacts.read" in note for note in result.notes)
    assert house.leads() == {}
    house.run(chain.ASSESS)


def test_off_by_default_nothing_is_asked(house_of: Build) -> None:
    house = house_of(some(2), enabled=False)
    assert chain.LEADS not in chain.cycle(house.settings)
    house.run(*chain.cycle(house.settings))
    assert not [request for request in house.sent() if "objects/2026-09/contacts" in request]


def test_no_name_and_no_address_is_in_the_database(house_of: Build) -> None:
    house = house_of([contact("a", (0, "stage", "lead"), (1, "contacted_at", str(after(1))))])
    house.run(*FUNNEL)
    house.contacts.set(house.contacts.ids["a"], {"lifecyclestage": "customer"})
    house.clock.advance(minutes=15)
    house.run(*FUNNEL)
    rows = []
    with reading(house.app.engine) as snapshot:
        for table in metadata.sorted_tables:
            query = select(text("*")).select_from(table)
            rows += [repr(row).lower() for row in snapshot.execute(query)]
    assert any(house.contacts.ids["a"] in row for row in rows)
    personal = ("sigrid", "solberg", "hemmelig")
    assert not [row for row in rows if any(word in row for word in personal)]


def test_no_name_and_no_address_is_asked_for(house_of: Build) -> None:
    house = house_of(some(2))
    house.run(*LEADS)
    (query,) = [unquote(r.query) for r in house.sandbox.requests if r.path.endswith("/contacts")]
    asked = set(re.findall(r"[a-z_]+", query))
    assert {"lifecyclestage", "hs_analytics_source"} <= asked
    assert not asked & {"firstname", "lastname", "email", "phone", "hs_full_name_or_email"}
    assert not {*PROPERTIES, *HISTORIES} & {"firstname", "lastname", "email", "phone"}
