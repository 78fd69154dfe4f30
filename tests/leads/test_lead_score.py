"""The lead score: as good as the truth allows and no better, calibrated, and honest on little."""

import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from forecasting import lead_classes, scores
from forecasting.funnel import wilson_interval
from forecasting.lead_facts import facts, standing
from forecasting.lead_reasons import explained
from forecasting.lead_score import LeadModel, learn, score
from tests.leads.drawn import DEFINITION, GOAL, UNTIL, Drawn, drawn

PAGE = Path(__file__).parents[2] / "docs" / "lead-score.md"
MANY, FEW = 1500, 40


def learned(company: Drawn) -> LeadModel:
    return learn(
        company.leads, company.changes, DEFINITION, goal=GOAL, horizon_days=90, as_of=UNTIL
    )


def now(company: Drawn) -> pl.DataFrame:
    stood = standing(company.leads, company.changes, DEFINITION, GOAL, [UNTIL])
    return facts(company.leads, company.changes, stood)


def test_on_ten_companies_it_is_calibrated_and_finds_the_truth_but_never_more() -> None:
    inside, ours, best, points = 0, [], [], []
    for seed in range(10):
        company = drawn(seed, MANY)
        model = learned(company)
        assert model.basis == "learned"
        told = score(model, now(company))
        came = company.outcome(told["lead_id"])
        chance = told["probability"].to_numpy()
        low, high = wilson_interval(int(came.sum()), len(came))
        inside += low <= chance.mean() <= high
        truth = np.array([company.chance[lead] for lead in told["lead_id"]])
        table = lead_classes.points(lead_classes.codes(now(company), model.names))
        summed = sum(table.values(), np.zeros(len(came)))
        for found, by in ((ours, chance), (best, truth), (points, summed)):
            found.append(scores.auc(came, by))
    assert inside >= 9
    # whoever sees the leads' minds is not beaten: that would mean that it has seen the future
    assert np.mean(ours) <= np.mean(best)
    assert np.mean(ours) > np.mean(best) - 0.03
    assert np.mean(ours) > np.mean(points) + 0.05


def test_nothing_after_the_cut_off_is_learned_from() -> None:
    company = drawn(1, MANY)
    cut = UNTIL - timedelta(days=200)
    past = company.changes.filter(pl.col("changed_at") <= cut)
    asked = {"goal": GOAL, "horizon_days": 90, "as_of": cut}
    whole = learn(company.leads, company.changes, DEFINITION, **asked)  # type: ignore[arg-type]
    assert whole == learn(company.leads, past, DEFINITION, **asked)  # type: ignore[arg-type]
    assert whole.basis == "learned"


def test_its_test_on_later_leads_is_told_beside_the_table() -> None:
    model = learned(drawn(2, MANY))
    ours, table = model.tested["learned"], model.tested["points"]
    assert ours.leads == table.leads > 100
    assert ours.brier_skill is not None
    assert ours.brier_skill > 0
    assert ours.brier is not None
    assert table.brier is not None
    assert ours.brier < table.brier
    assert ours.until <= UNTIL - timedelta(days=90)
    assert ours.low <= ours.said <= ours.high


def test_with_little_data_the_points_table_speaks_and_says_why() -> None:
    company = drawn(3, FEW)
    model = learned(company)
    assert (model.basis, model.why, model.table) == ("points", "few_converted", None)
    told = score(model, now(company))
    assert told["probability"].null_count() == told.height > 0
    text = explained(model, now(company), "en")
    for row, reasons in zip(told.iter_rows(named=True), text["reasons"], strict=True):
        assert reasons.startswith(f"{row['score']} of 100 points")
        assert sum(map(int, re.findall(r"\+(\d+) ", reasons))) == row["score"]


def test_enough_to_learn_but_not_to_test_stays_with_points() -> None:
    model = learned(drawn(5, 500, years=0.8))
    assert (model.basis, model.why) == ("points", "little_to_test")
    assert model.table is not None
    told = score(model, now(drawn(5, 500, years=0.8)))
    assert told["probability"].is_between(0, 1).all()


@pytest.mark.parametrize(("language", "comma"), [("en", "."), ("nb", ",")])
def test_reasons_add_up_to_the_probability(language: str, comma: str) -> None:
    company = drawn(4, MANY)
    model = learned(company)
    told = score(model, now(company))
    text = explained(model, now(company), language)  # type: ignore[arg-type]
    assert (text["lead_id"] == told["lead_id"]).all()
    rows = zip(told["probability"], text["reasons"], text["parts"], strict=True)
    for chance, reasons, parts in rows:
        assert sum(part["points"] for part in parts) == pytest.approx(chance, abs=1e-9)
        assert parts[0]["code"] == "base"
        numbers = [
            float(number.replace(comma, "."))
            for number in re.findall(rf"(?:^|: |, |; )([+-]?\d+{comma}\d)(?: %| )", reasons)
        ]
        assert numbers[0] == pytest.approx(round(chance * 100, 1))
        assert sum(numbers[1:]) == pytest.approx(numbers[0], abs=1e-6), reasons


def test_a_score_says_how_a_lead_stands_among_all() -> None:
    company = drawn(4, MANY)
    told = score(learned(company), now(company)).sort("probability")
    assert told["score"].is_sorted()
    assert told["score"].is_between(0, 100).all()
    assert told["score"].max() >= 95


def test_the_model_is_kept_as_json() -> None:
    model = learned(drawn(4, MANY))
    held = model.as_json()
    again = LeadModel.from_json(held)
    assert again.as_json() == held
    assert score(again, now(drawn(4, MANY))).equals(score(model, now(drawn(4, MANY))))


def test_an_attribute_that_is_not_known_moves_nothing() -> None:
    company = drawn(4, MANY)
    model = learned(company)
    unknown = now(company).with_columns(clicks=pl.lit(None, pl.Float64))
    parts = explained(model, unknown, "en")["parts"]
    assert all(part["code"] != "clicks" for row in parts for part in row)


def test_no_lead_no_row() -> None:
    company = drawn(3, 0)
    model = learned(company)
    assert (model.basis, model.why, model.leads) == ("points", "few_converted", 0)
    assert score(model, now(company)).is_empty()
    assert explained(model, now(company), "nb").is_empty()


def test_the_published_points_table_is_the_one_in_force() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name, table in lead_classes.POINTS.items():
        assert f"| `{name}` | {' / '.join(map(str, table))} |" in text
    assert sum(max(table) for table in lead_classes.POINTS.values()) == 100


def test_where_learning_is_no_better_the_table_speaks_and_says_why() -> None:
    """Who converts is drawn by lot, on any day as likely: plenty to test on, nothing to learn."""
    company, lot = drawn(5, MANY), np.random.default_rng(11)
    waits = [timedelta(days=float(days)) for days in lot.exponential(900, company.leads.height)]
    reached = company.leads.select(
        "lead_id",
        field=pl.lit("stage"),
        value=pl.lit(GOAL),
        changed_at=pl.col("created_at") + pl.Series(waits, dtype=pl.Duration("us")),
        ordinal=pl.lit(99, pl.Int64),
    ).filter(pl.col("changed_at") <= UNTIL)
    kept = (pl.col("field") != "stage") | (pl.col("value") == "lead")
    changes = pl.concat([company.changes.filter(kept), reached])
    aimless = Drawn(company.leads, changes, company.chance, company.came)
    model = learned(aimless)
    assert model.converted > 100
    assert (model.basis, model.why) == ("points", "points_as_good")
    ours, table = model.tested["learned"], model.tested["points"]
    assert ours.brier is not None
    assert table.brier is not None
    assert ours.brier_skill is not None
    assert ours.brier >= table.brier or ours.brier_skill <= 0
    told = score(model, now(aimless))
    points = lead_classes.points(lead_classes.codes(now(aimless), model.names))
    assert told["score"].to_list() == sum(points.values(), np.zeros(told.height)).tolist()
