"""Alerts on leads, from a pull over real HTTP to the digest, on both databases."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from sync.alerts.channels.console import ConsoleChannel
from sync.errors import SafetyStop
from sync.jobs import chain
from sync.jobs.lead_alert import planned_leads
from sync.mirror import schema
from sync.mirror.engine import reading, writing
from tests.leads.conftest import FUNNEL, Build, House, after, contact

PULLED = (*FUNNEL, chain.LEAD_SCORE)
TOLD = (chain.LEAD_ALERTS, chain.DELIVER_ALERTS)
BOTH = {"rules": ["lead_unanswered", "lead_forgotten"], "leads": {"forgotten_score": 20}}


def people() -> list[Any]:
    """Now is day 70.04."""
    called = (30, "contacted_at", after(30).isoformat())
    return [
        contact("waits", (68, "stage", "lead")),
        contact("today", (69.5, "stage", "lead")),
        contact("ancient", (0, "stage", "lead")),
        contact("answered", (68, "stage", "lead"), (68.5, "contacted_at", after(68.5).isoformat())),
        contact("good", (29, "stage", "lead"), called, (40, "submissions", "2")),
    ]


def opened(house_of: Build, contacts: list[Any] | None = None, **alerts: Any) -> House:
    return house_of(people() if contacts is None else contacts).reopened(alerts={**BOTH, **alerts})


def told(house: House, *jobs: Any) -> str:
    """What the digests of this cycle say."""
    stream = io.StringIO()
    house.ctx = replace(house.ctx, channels=[ConsoleChannel("console", stream)])
    house.run(*(jobs or (*PULLED, *TOLD)))
    return stream.getvalue()


def link(house: House, key: str) -> str:
    return f"/record/0-1/{house.contacts.ids[key]}\n"


def touch(house: House, key: str) -> None:
    at = house.clock.now().isoformat()
    house.contacts.set(house.contacts.ids[key], {"notes_last_contacted": at})


def alerts(house: House) -> list[tuple[str, str]]:
    alert = schema.alert.c
    with reading(house.app.engine) as snapshot:
        query = select(alert.rule, alert.state).order_by(alert.id)
        return [(row.rule, row.state) for row in snapshot.execute(query)]


def test_who_waits_and_who_is_forgotten_are_told_once(house_of: Build) -> None:
    house = opened(house_of)
    said = told(house)
    assert said.startswith("2 leads need Kari Nordmann\n- 1 new lead that nobody has answered\n")
    assert "  Waiting for 49 hours.\n" in said
    assert "- 1 lead with a score of 20, without contact\n" in said
    assert "  Nobody has been in touch for 40 days.\n" in said
    assert link(house, "waits") in said
    assert link(house, "good") in said
    assert said.count("/record/") == 2
    assert "Solberg" not in said
    assert "sigrid" not in said.lower()
    for _ in range(2):
        house.clock.advance(minutes=15)
        assert told(house) == ""


def test_only_who_came_since_is_told_and_an_answer_ends_it(house_of: Build) -> None:
    house = opened(house_of)
    told(house)
    touch(house, "waits")
    house.clock.advance(minutes=12 * 60)
    said = told(house)
    assert said.startswith("1 lead needs Kari Nordmann\n- 1 new lead that nobody has answered\n")
    assert link(house, "today") in said
    assert sorted(alerts(house)) == [
        ("lead_forgotten", "raised"),
        ("lead_unanswered", "raised"),
        ("lead_unanswered", "resolved"),
    ]


def test_who_is_forgotten_again_is_told_again(house_of: Build) -> None:
    house = opened(house_of, rules=["lead_forgotten"])
    assert link(house, "good") in told(house)
    touch(house, "good")
    house.clock.advance(days=13)
    assert told(house) == ""
    house.clock.advance(days=2)
    assert "Nobody has been in touch for 15 days" in told(house)
    assert alerts(house) == [("lead_forgotten", "resolved"), ("lead_forgotten", "raised")]


def test_while_leads_cannot_be_read_nobody_is_said_to_wait(house_of: Build) -> None:
    house = opened(house_of, rules=["lead_unanswered"])
    told(house)
    house.clock.advance(minutes=20 * 60)
    unread = (chain.FUNNEL, chain.LEAD_SCORE, *TOLD)
    assert told(house, *unread) == ""
    assert link(house, "today") in told(house)


def test_an_answer_before_the_digest_takes_it_back(house_of: Build) -> None:
    house = opened(house_of, rules=["lead_unanswered"])
    told(house, *PULLED, chain.LEAD_ALERTS)
    touch(house, "waits")
    house.clock.advance(minutes=15)
    assert told(house) == ""


def test_switched_off_nothing_is_told_and_what_stands_is_resolved(house_of: Build) -> None:
    house = opened(house_of)
    told(house, *PULLED, chain.LEAD_ALERTS)
    quiet = house.reopened()
    assert told(quiet) == ""
    assert {state for _, state in alerts(quiet)} == {"resolved"}

    house = opened(house_of)
    told(house, *PULLED, chain.LEAD_ALERTS)
    house.installation.connection = {"leads": {"enabled": False}}
    assert told(house.reopened(alerts=BOTH), chain.DELIVER_ALERTS) == ""


def test_deals_and_leads_have_their_own_brake_and_their_own_rules(house_of: Build) -> None:
    house = opened(house_of, rules=["stale", *BOTH["rules"]], mass_alert_limit=1)
    told(house, *PULLED)
    with pytest.raises(SafetyStop, match=r"2 would be new at once.*alerts\.leads\.new_for_days"):
        house.run(chain.LEAD_ALERTS)
    assert alerts(house) == []
    house.ctx = replace(house.ctx, allow_mass_alert=True)
    house.run(chain.LEAD_ALERTS)
    house.run(chain.ASSESS, chain.RAISE_ALERTS)  # leaves those on leads alone
    assert {state for rule, state in alerts(house) if rule.startswith("lead_")} == {"raised"}


def test_what_was_told_of_an_erased_lead_goes_with_it(house_of: Build) -> None:
    house = opened(house_of)
    told(house)
    house.contacts.erase(house.contacts.ids["waits"])
    house.clock.advance(days=1, minutes=1)
    house.run(chain.LEADS)
    assert alerts(house) == [("lead_forgotten", "raised")]
    with reading(house.app.engine) as snapshot:
        query = select(func.count()).select_from(schema.alert_delivery)
        assert snapshot.execute(query).scalar_one() == 1


def test_the_plan_shows_them_and_stores_nothing(house_of: Build) -> None:
    house = opened(house_of)
    house.run(*PULLED)
    done = house.installation.run("alerts", "plan", "--format", "json")
    assert done.returncode == 0, done.stderr
    (report,) = json.loads(done.stdout)
    rows = {row["rule"]: row for row in report["rows"]}
    assert rows["lead_unanswered"]["lead_id"] == house.contacts.ids["waits"]
    assert rows["lead_unanswered"]["owner"] == "Kari Nordmann"
    assert rows["lead_forgotten"]["action"] == "raise"
    assert alerts(house) == []
    house.run(chain.LEAD_ALERTS)
    assert planned_leads(house.ctx) == []
    touch(house, "waits")
    house.clock.advance(minutes=15)
    house.run(*PULLED)
    (row,) = planned_leads(house.ctx)
    assert (row["action"], row["why"]) == ("resolve", "fixed")


def test_a_deal_of_the_same_id_is_another_matter(house_of: Build) -> None:
    """Ids of deals and of contacts are of two series."""
    house = opened(house_of)
    house.run(*PULLED)
    with writing(house.app.engine) as database:
        row = database.execute(select(schema.deal)).mappings().one()
        same = {**row, "deal_id": house.contacts.ids["waits"], "name": "Acme"}
        database.execute(insert(schema.deal), [same])
    said = told(house, *TOLD)
    assert said.startswith("2 leads need Kari Nordmann\n")
    assert "Acme" not in said


def test_the_whole_cycle_raises_and_tells_them(house_of: Build) -> None:
    house = opened(house_of)
    said = told(house, *chain.cycle(house.settings), chain.DELIVER_ALERTS)
    assert "- 1 new lead that nobody has answered\n" in said
