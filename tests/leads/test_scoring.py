"""The lead score from a pull over real HTTP to the ranking on screen, on both databases."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from sync.jobs import chain
from sync.mirror import lead_scores, schema
from sync.mirror.engine import reading
from sync.sandbox.company import CompanyContact
from sync.sandbox.generator import generate
from tests.fake_clock import FakeClock
from tests.leads.conftest import LEADS, Build, House, contact
from tests.leads.test_reports import reports

SCORED = (*LEADS, chain.LEAD_SCORE)


def people(clock: FakeClock, number: int, years: float = 2) -> list[CompanyContact]:
    company = generate(seed=5, until=clock.now(), years=years, deals=0, leads=number)
    return company.contacts


def models(house: House) -> int:
    with reading(house.app.engine) as snapshot:
        query = select(func.count()).select_from(schema.lead_model)
        return int(snapshot.execute(query).scalar_one())


def ranking(house: House) -> dict[str, Any]:
    (report,) = reports(house, "leads", "--scores")
    return report


def test_the_ranking_says_score_reasons_method_sample_and_cut_off(
    house_of: Build, clock: FakeClock
) -> None:
    house = house_of(people(clock, 700))
    counts = house.run(*SCORED)
    assert counts["learned"] == 1
    report = ranking(house)
    rows = report["rows"]
    assert len(rows) == counts["scored"] == report["leads"] > 400
    assert (report["method"], report["why"]) == ("learned", "learned_better")
    assert report["sample"]["leads"] > 400
    assert report["sample"]["converted"] >= 20
    assert report["cut_off"] == report["as_of"]
    assert report["tested"]["learned"]["leads"] > 100
    chances = [row["probability"] for row in rows]
    assert chances == sorted(chances, reverse=True)
    for row in rows[:50]:
        assert abs(sum(part["points"] for part in row["parts"]) - row["probability"]) < 1e-9
        assert "chance of becoming opportunity within 90 days" in row["reasons"]


def test_with_few_leads_points_are_shown_and_why(house_of: Build) -> None:
    house = house_of(
        [
            contact("a", (0, "stage", "lead"), (30, "submissions", "2"), (31, "page_views", "4")),
            contact("b", (0, "stage", "lead")),
            contact("c", (0, "stage", "opportunity")),
        ]
    )
    house.run(*SCORED)
    report = ranking(house)
    assert (report["method"], report["why"]) == ("points", "few_converted")
    ids = house.contacts.ids
    assert [(row["lead_id"], row["score"]) for row in report["rows"]] == [
        (ids["a"], 20),
        (ids["b"], 0),
    ]
    assert report["rows"][0]["reasons"] == "20 of 100 points: +20 sent a form twice."
    screen = house.installation.run("leads", "--scores").stdout
    assert "fewer than 20 leads are known" in " ".join(screen.split())


def test_in_norwegian(house_of: Build) -> None:
    house = house_of([contact("a", (0, "stage", "lead"), (30, "submissions", "2"))])
    norwegian = house.reopened(language="nb")
    norwegian.run(*SCORED)
    (row,) = ranking(norwegian)["rows"]
    assert row["reasons"] == "20 av 100 poeng: +20 sendte skjema 2 ganger."


def test_it_learns_once_a_day_and_scores_each_cycle(house_of: Build) -> None:
    house = house_of([contact("a", (0, "stage", "lead"))])
    assert house.run(*SCORED)["learned"] == 1
    house.clock.advance(minutes=15)
    house.contacts.set(house.contacts.ids["a"], {"num_conversion_events": "1"})
    house.clock.advance(minutes=15)
    assert house.run(*SCORED)["learned"] == 0
    assert [row["score"] for row in ranking(house)["rows"]] == [15]  # a form, seen today
    house.clock.advance(days=1)
    assert house.run(*SCORED)["learned"] == 1
    assert models(house) == 2


def test_another_goal_is_learned_at_once(house_of: Build) -> None:
    house = house_of([contact("a", (0, "stage", "lead"))])
    house.run(*SCORED)
    other = house.reopened(lead_score={"goal": "customer", "horizon_days": 30})
    assert other.run(*SCORED)["learned"] == 1
    report = ranking(other)
    assert (report["goal"], report["horizon_days"]) == ("customer", 30)


def test_a_goal_outside_of_the_funnel_is_refused(house_of: Build) -> None:
    house = house_of([])
    house.installation.extra = {"lead_score": {"goal": "nirvana"}}
    done = house.installation.write().run("leads")
    assert done.returncode == 2
    assert "lead_score.goal has to be a stage of the funnel" in done.stderr


def test_who_reached_the_goal_or_is_erased_has_no_score(house_of: Build) -> None:
    house = house_of([contact(key, (0, "stage", "lead")) for key in "abc"])
    house.run(*SCORED)
    ids = house.contacts.ids
    house.contacts.set(ids["a"], {"lifecyclestage": "opportunity"})
    house.contacts.erase(ids["b"])
    house.clock.advance(days=1.1)
    house.run(*LEADS)
    scored = lead_scores.scores(house.app.engine, house.settings.name)
    assert ids["b"] not in scored["lead_id"]
    house.run(chain.LEAD_SCORE)
    scored = lead_scores.scores(house.app.engine, house.settings.name)
    assert scored["lead_id"].to_list() == [ids["c"]]
    assert scored["as_of"][0] - house.clock.now() < timedelta(seconds=1)


def test_without_a_run_it_says_what_to_do(house_of: Build) -> None:
    done = house_of([], enabled=False).installation.run("leads", "--scores")
    assert done.returncode == 2
    assert "leads.enabled" in done.stderr
