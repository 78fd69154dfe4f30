"""What people see: `dealpulse funnel` and `dealpulse leads`, from a pull over real HTTP on."""

import json
from typing import Any

from tests.leads.conftest import FUNNEL, Build, House, after, contact


def reports(house: House, *command: str) -> list[dict[str, Any]]:
    done = house.installation.run(*command, "--format", "json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def people() -> list[Any]:
    return [
        contact(
            "a", (0, "stage", "lead"), (4, "stage", "marketingqualifiedlead"), source="PAID_SEARCH"
        ),
        contact("b", (0, "stage", "lead"), (1, "contacted_at", after(1).isoformat())),
        contact("c", (40, "stage", "lead")),
        contact("d"),
    ]


def test_every_figure_says_what_it_rests_on(house_of: Build) -> None:
    house = house_of(people())
    house.run(*FUNNEL)
    (report,) = reports(house, "funnel", "--by", "source")
    rows = {(row["segment"], row["stage"]): row for row in report["rows"]}
    assert rows["PAID_SEARCH", "lead"]["went_on"] == 1
    assert rows["REFERRALS", "lead"]["entered"] == 2
    assert report["definition_version"] == 1
    assert report["sample"] == 4
    assert report["left_out"]["never_in_funnel"] == 1
    assert "within 90 days" in report["definition"]
    assert report["as_of"].startswith("2026-03-16T09:00")


def test_untouched_leads_are_listed_with_their_owner(house_of: Build) -> None:
    house = house_of(people())
    house.run(*FUNNEL)
    (report,) = reports(house, "leads", "--untouched")
    ids = house.contacts.ids
    assert [row["lead_id"] for row in report["rows"]] == [ids["a"], ids["c"]]
    assert {row["owner"] for row in report["rows"]} == {"Kari Nordmann"}


def test_the_table_of_untouched_leads_says_how_many_it_leaves_out(house_of: Build) -> None:
    house = house_of(people())
    house.run(*FUNNEL)
    ids = house.contacts.ids
    first = house.installation.run("leads", "--untouched", "--top", "1").stdout
    assert ids["a"] in first
    assert ids["c"] not in first
    assert "1 more not shown" in first
    every = house.installation.run("leads", "--untouched", "--top", "0").stdout
    assert ids["c"] in every
    assert "not shown" not in every


def test_a_new_definition_is_a_new_version_and_past_figures_keep_theirs(house_of: Build) -> None:
    house = house_of(people())
    house.run(*FUNNEL)
    (first,) = reports(house, "funnel")
    stages = [
        {"name": "lead", "among": ["lead", "marketingqualifiedlead"]},
        {"name": "customer", "among": ["customer"]},
    ]
    other = {"funnel": {"stages": stages}}
    changed = house.reopened(**other)
    changed.run(*FUNNEL)
    (second,) = reports(changed, "funnel")
    assert (first["definition_version"], second["definition_version"]) == (1, 2)
    assert {row["stage"] for row in second["rows"]} == {"lead"}
    (kept,) = reports(changed, "funnel", "--version", "1")
    assert kept["rows"] == first["rows"]

    back = house.reopened()
    back.run(*FUNNEL)
    assert reports(back, "funnel")[0]["definition_version"] == 1


def test_without_a_run_it_says_what_to_do(house_of: Build) -> None:
    house = house_of([], enabled=False)
    done = house.installation.run("funnel")
    assert done.returncode == 2
    assert "leads.enabled" in done.stderr


def test_a_funnel_that_contradicts_itself_is_refused(house_of: Build) -> None:
    house = house_of([])
    house.installation.extra = {"funnel": {"answered_from": "nirvana"}}
    done = house.installation.write().run("funnel")
    assert done.returncode == 2
    assert "answered_from has to be one of the stages" in done.stderr
