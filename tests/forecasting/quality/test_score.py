import polars as pl
import pytest

from forecasting.quality import FINDING_SCHEMA, RULES, score, weights_in_force
from tests.forecasting.frames import TODAY, deals


def findings(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [("main", deal_id, rule, "{}") for deal_id, rule in rows],
        schema=FINDING_SCHEMA,
        orient="row",
    )


def test_each_finding_costs_its_weight() -> None:
    frame = deals({}, {}, {"status": "won", "closed_on": TODAY})
    found = findings(("d1", "amount_missing"), ("d1", "overdue"), ("d3", "overdue"))
    assert score(frame, found).rows() == [("main", "d1", 65), ("main", "d2", 100)]


def test_the_score_never_falls_below_zero() -> None:
    found = findings(*(("d1", rule.code) for rule in RULES))
    assert score(deals({}), found)["quality_score"].item() == 0


def test_own_weights_count_in_place_of_the_published() -> None:
    found = findings(("d1", "no_contact"), ("d1", "stale"))
    assert score(deals({}), found, {"no_contact": 0, "stale": 33.4})["quality_score"].item() == 67


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ({"no_contacts": 1}, "no_contacts"),
        ({"stale": -1}, "stale"),
        ({"stale": float("nan")}, "stale"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        weights_in_force(weights)


def test_scores_are_whole_numbers_within_bounds() -> None:
    frame = score(deals({}, {}), findings())
    assert frame.schema["quality_score"] == pl.Int64
    assert score(deals(), findings()).is_empty()
