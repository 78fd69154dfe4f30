"""Goals that were set in the CRM: once a day, after the deals, under those of the configuration."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sync.cli.main import app
from sync.errors import ConfigError
from sync.sandbox.company import CompanyGoal, Event
from sync.sandbox.store.tokens import ALL_SCOPES
from tests.crm.conftest import CREATED, deal
from tests.jobs.conftest import Build, House

MOVED = CREATED.replace(month=3)
MARCH, APRIL = date(2026, 3, 1), date(2026, 4, 1)
SCOPE = "crm.objects.goals.read"


@pytest.fixture
def house(house_of: Build) -> House:
    """Kari has won 1000 in March, and 1000 are open to the end of April. Loaded, no goals read."""
    won = [Event(MOVED, "stage", "won"), Event(MOVED, "close_date", MOVED.isoformat())]
    house = house_of([deal("a"), deal("b", *won)])
    house.pull()
    house.sent()
    return house


def set_goal(house: House, target: int, **of: Any) -> str:
    return house.crm.goals.add(CompanyGoal(MARCH, APRIL, Decimal(target), **of))


def asked(house: House, *arguments: str) -> Any:
    installed = house.installation
    runner = CliRunner(env={**installed.environ, "DEALPULSE_CONFIG": str(installed.config)})
    return runner.invoke(app, ["goals", *arguments])


def shown(house: House) -> dict[str, Any]:
    done = asked(house, "--period", "2026-03", "--format", "json")
    assert done.exception is None, done.exception
    (report,) = json.loads(done.stdout)
    return dict(report)


def rows(house: House) -> list[tuple[Any, ...]]:
    keys = ("kind", "segment", "quota", "source", "measure", "won", "note")
    return [tuple(row[key] for key in keys) for row in shown(house)["rows"]]


def configure(house: House, **goals: object) -> None:
    house.installation.extra = {"goals": goals}
    house.installation.write()


def goal_requests(house: House) -> int:
    return sum("goal_targets" in line for line in house.sent())


def test_goals_of_the_crm_in_money_and_in_deals_with_where_they_are_from(house: House) -> None:
    set_goal(house, 5000, owner="101")
    set_goal(house, 4, team="North", in_deals=True)
    set_goal(house, 9, owner="101", about="calls")
    house.pull()
    few = "no forecast ends with it; under 5 deals: one decides"
    of_deals = "forecasts are of money; under 5 deals: one decides"
    assert rows(house) == [
        ("total", "everyone", 5000, "sum", "amount", 1000, few),
        ("total", "everyone", 4, "sum", "count", 1, f"in deals, not money; {of_deals}"),
        ("team", "North", 5000, "sum", "amount", 1000, few),
        ("team", "North", 4, "crm", "count", 1, f"in deals, not money; {of_deals}"),
        ("owner", "Kari Nordmann", 5000, "crm", "amount", 1000, few),
    ]
    told = shown(house)
    assert told["goals_of_the_crm"]["other_kind"] == "1"
    assert told["notes"][-1] == (
        "1 goal of the CRM left out: not about deals won, or about some of them only."
    )
    screen = " ".join(asked(house, "--period", "2026-03").stdout.split())
    assert "From" in screen
    assert "crm" in screen


def test_the_configuration_wins_over_a_file_and_a_file_over_the_crm(
    house: House, tmp_path: Path
) -> None:
    set_goal(house, 5000, owner="101")
    house.pull()
    file = tmp_path / "quotas.csv"
    file.write_text("owner;period;amount;count\nkari@vik.example;2026-03;6000;\n101;2026-03;;3\n")
    assert asked(house, "import", str(file)).exception is None

    def karis() -> list[tuple[float, str, str]]:
        own = [row for row in shown(house)["rows"] if row["kind"] == "owner"]
        return [(row["quota"], row["source"], row["measure"]) for row in own]

    assert karis() == [(6000, "csv", "amount"), (3, "csv", "count")]
    quota = {"who": "owner Kari Nordmann", "period": "2026-03"}
    configure(house, quotas=[{**quota, "amount": 7000}, {**quota, "count": 8}])
    assert karis() == [(7000, "config", "amount"), (8, "config", "count")]


def test_goals_are_read_once_a_day_and_follow_what_was_changed(house: House) -> None:
    first = set_goal(house, 5000, owner="101")
    house.pull()
    assert goal_requests(house) == 1
    house.crm.goals.remove(first)
    set_goal(house, 6000, owner="101")
    for _ in range(23):
        house.clock.advance(minutes=60)
        house.pull()
    assert goal_requests(house) == 0
    for _ in range(3):  # each of them reads the owners too; goals wait for one of them only
        house.clock.advance(minutes=60)
        house.pull()
    assert goal_requests(house) == 1
    assert {row[2] for row in rows(house)} == {6000}


def test_without_the_scope_it_is_named_and_everything_else_goes_on(house: House) -> None:
    set_goal(house, 5000, owner="101")
    house.pull()
    house.crm.set_scopes(house.sandbox.token, ALL_SCOPES - {SCOPE})
    house.clock.advance(days=1.1)
    house.pull()
    (note,) = house.ctx.notes
    assert note.startswith("Goals set in the CRM are left out.")
    assert SCOPE in note
    assert {row[2] for row in rows(house)} == {5000}, "what was known stays"
    assert SCOPE in shown(house)["notes"][-1]
    house.sent()
    house.clock.advance(minutes=120)
    house.pull()
    assert goal_requests(house) == 0


def test_a_new_process_asks_again_after_a_refusal(house: House) -> None:
    house.crm.set_scopes(house.sandbox.token, ALL_SCOPES - {SCOPE})
    house.pull()
    house.crm.set_scopes(house.sandbox.token, ALL_SCOPES)
    set_goal(house, 5000, owner="101")
    house.ctx = house.restarted()
    house.pull()
    assert {row[2] for row in rows(house)} == {5000}


def test_an_outage_of_goals_is_tried_again_after_an_hour_and_deals_come(house: House) -> None:
    set_goal(house, 5000, owner="101")
    house.sandbox.faults.add("server_500", times=-1, path_contains="goal_targets")
    house.pull()
    assert "Goals set in the CRM are left out." in house.ctx.notes[-1]
    assert len(house.living()) == 2
    house.sandbox.faults.clear()
    house.sent()
    house.clock.advance(minutes=30)
    house.pull()
    assert goal_requests(house) == 0
    house.clock.advance(minutes=30)
    house.pull()
    assert {row[2] for row in rows(house)} == {5000}


def test_switched_off_they_are_neither_read_nor_shown(house: House) -> None:
    set_goal(house, 5000, owner="101")
    house.pull()
    configure(house, from_crm=False)
    error = asked(house).exception
    assert isinstance(error, ConfigError)
    assert "portal has no goals: set goals.quotas" in str(error)
    config = house.ctx.config
    goals = config.goals.model_copy(update={"from_crm": False})
    house.ctx = house.restarted(config=config.model_copy(update={"goals": goals}))
    house.sent()
    house.clock.advance(days=2)
    house.pull()
    assert goal_requests(house) == 0


def test_with_no_goal_that_counts_it_is_said_why(house: House) -> None:
    set_goal(house, 9, owner="101", about="calls")
    house.pull()
    error = asked(house).exception
    assert isinstance(error, ConfigError)
    assert "1 goal of the CRM left out: not about deals won" in str(error)


def test_of_two_goals_that_say_the_same_one_counts_and_it_is_said(house: House) -> None:
    set_goal(house, 5000, owner="101")
    set_goal(house, 6000, owner="101")
    house.pull()
    assert {row[2] for row in rows(house)} == {6000}
    assert "the same is set twice" in shown(house)["notes"][-1]
