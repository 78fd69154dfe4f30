"""Leads of Pipedrive: inbox, archive and converted ones in the mirror, without who they are."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from sync.crm.pipedrive.leads import PipedriveLeads
from sync.crm.pipedrive.ledger import Purpose
from sync.errors import TransientError
from sync.jobs import chain
from sync.jobs.runner import run_job
from sync.mirror import schema
from sync.mirror.engine import reading
from sync.mirror.schema import metadata
from sync.report.funnel import funnel_reports, lead_reports
from sync.sandbox.company import CompanyContact
from sync.sandbox.company import Event as Fact
from sync.sandbox.pipedrive.behaviour import PipedriveBehaviour
from sync.sandbox.pipedrive.inbox import Inbox
from sync.sandbox.pipedrive.tokens import ALL_SCOPES
from tests.crm_pipedrive.conftest import CREATED, Account, Open, company, deal, oauth

Moves = list[tuple[datetime, str | None]]


def after(days: float) -> datetime:
    return CREATED + timedelta(days=days)


def contact(key: str, *moves: tuple[float, str, str | None]) -> CompanyContact:
    """Days after CREATED, field, value; it is one of 101's from a web form."""
    events = [Fact(after(0), "source", "PAID_SEARCH"), Fact(after(0), "owner", "101")]
    events += [Fact(after(day), field, value) for day, field, value in moves]
    name = ("Sigrid", f"Solberg{key}", f"sigrid{key}.solberg@hemmelig.example")
    return CompanyContact(key, CREATED, *name, events)


class House:
    """The account's leads, read and measured as the daemon's jobs do it."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.clock = account.clock
        self.notes: list[str] = []
        account.pull()

    @property
    def inbox(self) -> Inbox:
        return self.account.crm.inbox

    def read(self, scopes: Iterable[str] | None = None, **stop: Any) -> dict[str, int]:
        account = self.account
        account.reconnect(None if scopes is None else oauth(account, tuple(scopes)))
        leads = PipedriveLeads(
            account.source.reader,
            lookback=timedelta(minutes=10),
            every=timedelta(minutes=60),
            memory=account.memory,
        )
        ctx = replace(account.context(**stop), lead_source=leads)
        result = run_job(chain.LEADS, ctx)
        self.notes = list(result.notes)
        if result.error is not None:
            raise result.error
        return result.counts

    def later(self, **scopes: Any) -> dict[str, int]:
        """An hour on."""
        self.clock.advance(minutes=61)
        return self.read(**scopes)

    def leads(self) -> dict[str, Any]:
        with reading(self.account.engine) as snapshot:
            return {row.lead_id: row for row in snapshot.execute(select(schema.lead))}

    def history(self, lead_id: str, field: str = "stage") -> Moves:
        change = schema.lead_change
        query = (
            select(change.c.changed_at, change.c.value)
            .where(change.c.lead_id == lead_id, change.c.field == field)
            .order_by(change.c.changed_at, change.c.ordinal)
        )
        with reading(self.account.engine) as snapshot:
            return [(row.changed_at, row.value) for row in snapshot.execute(query)]

    def touches(self, lead_id: str, field: str = "contacted_at") -> list[datetime]:
        return [at for at, _ in self.history(lead_id, field)]

    def measure(self) -> None:
        result = run_job(chain.FUNNEL, self.account.context())
        if result.error is not None:
            raise result.error

    def stages(self) -> dict[str, dict[str, Any]]:
        self.measure()
        (report,) = funnel_reports(self.account.engine, "main", "total")
        return {row["stage"]: row for row in report.rows}


Build = Callable[..., House]


@pytest.fixture(params=["sqlite", "postgres"])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Both: comparing is the mirror's work."""
    return str(request.param)


@pytest.fixture
def house_of(account_of: Open) -> Build:
    def build(*contacts: CompanyContact, **behaviour: Any) -> House:
        known = company([deal("a")])
        known.contacts = list(contacts)
        return House(account_of(known, behaviour=PipedriveBehaviour(**behaviour)))

    return build


def test_leads_are_what_pipedrive_says_of_them(house_of: Build) -> None:
    house = house_of(
        contact("open", (0, "stage", "lead"), (2, "stage", "salesqualifiedlead")),
        contact("old", (0, "stage", "lead"), (9, "stage", None)),
        contact(
            "won", (0, "stage", "lead"), (4, "stage", "opportunity"), (20, "stage", "customer")
        ),
        contact("person", (0, "stage", "subscriber")),
    )
    assert house.read()["leads"] == 3
    ids = house.inbox.ids
    assert house.history(ids["open"]) == [(after(0), "lead"), (after(2), "lead;label:Hot")]
    assert house.history(ids["old"]) == [(after(0), "lead"), (after(9), "archived")]
    assert house.history(ids["won"]) == [
        (after(0), "lead"),
        (after(4), "deal"),
        (after(20), "won"),
    ]
    lead = house.leads()[ids["open"]]
    assert (lead.source, lead.owner_id) == ("Web forms", str(house.account.crm.user_id("101")))
    assert all(lead.known_since is not None for lead in house.leads().values())


def test_leads_equal_the_truth_after_edits(house_of: Build) -> None:
    house = house_of(*(contact(f"c{n}", (n / 9, "stage", "lead")) for n in range(8)))
    house.read()
    inbox, ids = house.inbox, house.inbox.ids
    house.clock.advance(minutes=30)
    edited = house.account.second()
    inbox.label(ids["c0"], "Hot", "Cold")
    inbox.archive(ids["c1"])
    sold = inbox.convert(ids["c2"])
    house.account.crm.win(sold)
    lost = inbox.convert(ids["c3"])
    house.account.crm.lose(lost)
    gone = inbox.convert(ids["c4"])
    inbox.assign(ids["c5"], house.account.crm.user_id("101"))
    new = inbox.create("New", source="Live chat")
    assert house.later()["leads"] == 7
    stages = {lead_id: lead.stage for lead_id, lead in house.leads().items()}
    assert stages == {
        ids["c0"]: "lead;label:Cold;label:Hot",
        ids["c1"]: "archived",
        ids["c2"]: "won",
        ids["c3"]: "lost",
        ids["c4"]: "deal",
        ids["c5"]: "lead",
        ids["c6"]: "lead",
        ids["c7"]: "lead",
        new: "lead",
    }
    assert house.history(ids["c2"])[1:] == [(edited, "deal"), (edited, "won")]
    assert house.leads()[ids["c2"]].source == "Web forms"
    assert house.leads()[new].known_since is None
    assert house.history(ids["c0"])[1:] == [(edited, "lead;label:Cold;label:Hot")]

    house.clock.advance(minutes=30)
    house.account.crm.reopen(sold)
    house.account.crm.delete(gone)
    inbox.unarchive(ids["c1"])
    assert house.later()["leads"] == 3
    leads = house.leads()
    assert [leads[ids[key]].stage for key in ("c1", "c2", "c4")] == ["lead", "deal", "deleted"]


def test_a_second_reading_with_nothing_changed_brings_nothing(house_of: Build) -> None:
    house = house_of(
        contact("a", (0, "stage", "lead"), (1, "contacted_at", after(1).isoformat())),
        contact("b", (0, "stage", "lead"), (3, "stage", "opportunity")),
        contact("c", (0, "stage", "lead"), (3, "stage", None)),
    )
    house.read()
    with reading(house.account.engine) as snapshot:
        before = set(snapshot.execute(select(schema.lead_change)).all())
    house.account.spent()
    assert house.read()["leads"] == 0
    assert house.account.spent() == {}
    counts = house.later()
    assert (counts["leads"], counts["changes"]) == (0, 0)
    assert house.account.spent() == {
        "GET /api/v1/leads": 20,
        "GET /api/v1/leads/archived": 40,
        "GET /api/v2/deals": 10,
        "GET /api/v2/activities": 10,
        "GET /api/v2/persons": 10,
    }
    with reading(house.account.engine) as snapshot:
        assert set(snapshot.execute(select(schema.lead_change)).all()) == before


def test_touches_count_where_somebody_spoke_with_the_lead(house_of: Build) -> None:
    house = house_of(*(contact(f"c{n}", (0, "stage", "lead")) for n in range(7)))
    inbox, ids, people = house.inbox, house.inbox.ids, house.inbox.people
    house.read()
    at = house.account.second()
    inbox.call(ids["c0"])
    inbox.call(ids["c1"], kind="task")
    inbox.call(ids["c2"], note="[dealpulse:stale]")
    inbox.call(None, person_id=people["c3"])
    inbox.mail(people["c4"])
    inbox.mail(people["c4"], incoming=True)
    inbox.call(ids["c5"], kind="meeting")
    inbox.convert(ids["c5"])
    house.account.crm.log_activity(inbox.convert(ids["c6"]))
    house.later()
    touched = {key for key in ids if house.touches(ids[key]) == [at]}
    assert touched == {"c0", "c3", "c4", "c5", "c6"}
    assert house.touches(ids["c4"], "replied_at") == [at]
    assert house.touches(ids["c5"], "met_at") == [at]


def test_a_mail_that_does_not_move_its_person_is_found_within_a_day(house_of: Build) -> None:
    house = house_of(contact("a", (0, "stage", "lead")), mail_moves_person=False)
    house.read()
    at = house.account.second()
    house.inbox.mail(house.inbox.people["a"])
    house.later()
    assert house.touches(house.inbox.ids["a"]) == []
    house.clock.advance(days=1)
    house.later()
    assert house.touches(house.inbox.ids["a"]) == [at]


def test_a_lead_whose_id_does_not_tell_its_age_begins_with_its_deal(house_of: Build) -> None:
    person = contact("a", (0, "stage", "lead"), (4, "stage", "opportunity"))
    house = house_of(person, lead_ids=4)
    house.read()
    (lead,) = house.leads().values()
    assert (lead.created_at, lead.known_since) == (after(4), after(4))
    assert house.history(lead.lead_id) == [(after(4), "deal")]


def test_the_funnel_of_pipedrives_leads(house_of: Build) -> None:
    house = house_of(
        contact("a", (0, "stage", "lead"), (2, "stage", "marketingqualifiedlead")),
        contact("b", (0, "stage", "lead"), (4, "stage", "opportunity"), (20, "stage", "customer")),
        contact("c", (0, "stage", "lead"), (9, "stage", None)),
        contact("d", (0, "stage", "lead"), (1, "contacted_at", after(1).isoformat())),
    )
    house.read()
    stages = house.stages()
    lead = stages["lead"]
    assert (lead["entered"], lead["went_on"], lead["fell_out"], lead["still_in"]) == (4, 2, 1, 1)
    assert (stages["mql"]["entered"], stages["opportunity"]["went_on"]) == (1, 1)
    assert stages["customer"]["entered"] == 1
    answered, waiting = lead_reports(house.account.engine, "main", untouched=False, limit=0)
    assert answered.rows[0]["median_hours"] == 24
    assert [row["lead_id"] for row in waiting.rows] == [house.inbox.ids["a"]]
    assert any("4 leads went through before" in note for note in waiting.notes)


def test_what_leaves_the_inbox_between_pages_hides_no_other(house_of: Build) -> None:
    house = house_of(*(contact(f"c{n}", (n / 999, "stage", "lead")) for n in range(700)))
    removed: list[str] = []

    def a_page_later() -> bool:
        if not removed:
            removed.extend(house.inbox.ids[f"c{n}"] for n in range(3))
            for lead_id in removed:
                house.inbox.delete(lead_id)
        return False

    house.read(should_stop=a_page_later)
    assert set(house.inbox.ids.values()) <= house.leads().keys()


def test_a_first_reading_killed_between_pages_goes_on_where_it_was(house_of: Build) -> None:
    house = house_of(*(contact(f"c{n}", (n / 999, "stage", "lead")) for n in range(700)))
    house.account.spent()
    house.read(should_stop=lambda: True)
    assert len(house.leads()) == 500
    house.read()
    assert len(house.leads()) == 700
    assert house.account.spent()["GET /api/v1/leads"] == 40


def test_who_is_deleted_is_erased_within_a_day_and_who_was_sold_to_stays(house_of: Build) -> None:
    house = house_of(*(contact(f"c{n}", (0, "stage", "lead")) for n in range(4)))
    house.read()
    ids = house.inbox.ids
    house.inbox.delete(ids["c0"])
    house.inbox.archive(ids["c1"])
    house.inbox.convert(ids["c2"])
    house.clock.advance(days=1.1)
    assert house.read()["erased"] == 1
    assert house.leads().keys() == {ids["c1"], ids["c2"], ids["c3"]}


def test_without_permission_for_persons_mails_are_left_out_by_name(house_of: Build) -> None:
    house = house_of(contact("a", (0, "stage", "lead")))
    house.inbox.mail(house.inbox.people["a"])
    at = house.account.second()
    house.read(scopes=ALL_SCOPES - {"contacts:read"})
    assert any("contacts:read" in note and "Mails" in note for note in house.notes)
    assert len(house.leads()) == 1
    house.later(scopes=ALL_SCOPES)
    assert house.touches(house.inbox.ids["a"]) == [at]
    assert house.read(scopes=ALL_SCOPES - {"leads:read"})["leads"] == 0


def test_without_permission_for_leads_they_are_left_out_by_name(house_of: Build) -> None:
    house = house_of(contact("a", (0, "stage", "lead")))
    assert house.read(scopes=ALL_SCOPES - {"leads:read"})["left_out"] == 1
    assert any("leads:read" in note for note in house.notes)


def test_a_renamed_label_is_another_label(house_of: Build) -> None:
    house = house_of(contact("a", (0, "stage", "lead"), (1, "stage", "salesqualifiedlead")))
    house.read()
    house.inbox.rename_label("Hot", "Burning; hot")
    house.later()
    house.inbox.label(house.inbox.ids["a"], "Burning; hot")
    house.later()
    assert house.history(house.inbox.ids["a"])[-1][1] == "lead;label:Burning, hot"


def test_a_day_of_leads_leaves_tokens_to_deals(house_of: Build) -> None:
    """What BEHAVIOR.md states: 24 readings of 90, the archived deals and the census once."""
    house = house_of(contact("a", (0, "stage", "lead")))
    house.read()
    house.clock.advance(days=1)
    house.account.spent()
    for _ in range(96):
        house.read()
        house.clock.advance(minutes=15)
    spent = house.account.spent()
    spent.pop("GET /api/v1/users/me", None)  # in the daemon the pull before has asked
    assert sum(spent.values()) == 24 * 90 + 20 + (20 + 40 + 10)
    ledger = house.account.client.ledger
    ledger.book(ledger.allowance(Purpose.LEADS) - ledger.spent())
    with pytest.raises(TransientError, match="daily tokens"):
        house.later()
    house.account.pull()


def test_no_name_and_no_address_of_a_lead_is_in_the_database(house_of: Build) -> None:
    house = house_of(contact("a", (0, "stage", "lead"), (1, "contacted_at", after(1).isoformat())))
    house.read()
    rows = []
    with reading(house.account.engine) as snapshot:
        for table in metadata.sorted_tables:
            query = select(text("*")).select_from(table)
            rows += [repr(row).lower() for row in snapshot.execute(query)]
    assert any(house.inbox.ids["a"] in row for row in rows)
    assert not [row for row in rows if any(w in row for w in ("sigrid", "solberg", "hemmelig"))]


def test_leads_are_in_the_cycle_where_they_are_switched_on(account_of: Open) -> None:
    on = account_of([deal("a")], leads={"enabled": True})
    assert chain.LEADS in chain.cycle(on.settings)
    assert chain.LEADS not in chain.cycle(account_of([deal("a")]).settings)
