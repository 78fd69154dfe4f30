"""Weights by hand, the fall-back order, adding up, and blindness to what is not finished."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import combination
from forecasting.combination import RECORD_SCHEMA, Weights, able_methods, combine, weigh
from forecasting.methods.base import TOTALS_SCHEMA
from forecasting.notes import Note
from forecasting.periods import Period, PeriodKind, period_of

A, B = ("historical", "seasonal"), ("multivariable", "additive")
ORIGIN = date(2026, 3, 2)


def window(origin: date, days: int = 28) -> Period:
    return Period(origin, origin + timedelta(days), PeriodKind.WINDOW)


def record(errors: Mapping[tuple[str, str], list[float]], *, days: int = 28) -> pl.DataFrame:
    """Errors at origins 28, 35, 42, ... days before ORIGIN, the latest first; actual always 100."""
    rows = []
    for (method, variant), sizes in errors.items():
        for n, error in enumerate(sizes):
            origin = ORIGIN - timedelta(28 + 7 * n)
            period = window(origin, days)
            rows.append(
                {
                    "origin": origin,
                    "method": method,
                    "variant": variant,
                    "period_kind": "window",
                    "period_start": period.start,
                    "period_end": period.end,
                    "won_amount": 10.0,
                    "forecast": 100.0 + error,
                    "expected_rest": 90.0 + error,
                    "variance_rest": 25.0,
                    "note": None,
                    "actual": 100.0,
                }
            )
    return pl.DataFrame(rows, schema=RECORD_SCHEMA)


def weighed(history: pl.DataFrame, **options: Any) -> Weights:
    return weigh(history, {A, B}, period=window(ORIGIN), origin=ORIGIN, **options)


def worth(finished: int) -> float:
    """Independent ones among so many Mondays of four weeks each."""
    return 1 + (finished - 1) / 4


def drawn(part: float, *, mixed: float, alone: float, finished: int) -> float:
    """A's part after the 4 origins of B, which is the first of the order."""
    return part * worth(finished) * alone / (worth(finished) * alone + 4 * mixed)


def test_weights_are_those_of_least_variance() -> None:
    """Mean squares of 100 and 400, a mean product of 200 / 3; a shock of 10 % of the 90 that were
    to come weighs as 4 origins beside 3.
    """
    weights = weighed(record({A: [10.0, -10.0, 10.0], B: [20.0, -20.0, -20.0]}))
    own, shared = 4 / 3 * 9.0**2, 200 / 3
    first, second = 400 + own - shared, 100 + own - shared
    part = first / (first + second)
    mixed = 100 * part**2 + 2 * shared * part * (1 - part) + 400 * (1 - part) ** 2
    expected = drawn(part, mixed=mixed, alone=400.0, finished=3)
    assert weights.parts[A] == pytest.approx(expected)
    assert sum(weights.parts.values()) == pytest.approx(1)
    assert (weights.how, weights.sample, weights.note) == ("weighted", 3, None)


def nothing_came(errors: Mapping[tuple[str, str], list[float]]) -> pl.DataFrame:
    """As `record`, of an account that has won nothing: 0 came, and `errors` were forecast."""
    return record(errors).with_columns(
        won_amount=pl.lit(0.0), actual=pl.lit(0.0), forecast=pl.col("forecast") - 100
    )


@pytest.mark.parametrize("how", ["weighted", "chosen"])
def test_where_nothing_came_and_all_said_so_no_method_is_better(how: combination.How) -> None:
    """Not equal parts of all, as if the tests had said so."""
    weights = weighed(nothing_came({A: [0.0] * 4, B: [0.0] * 4}), how=how)
    assert weights.parts == {B: 1.0}  # the first of `combination.ORDER`
    assert (weights.how, weights.sample) == ("order", 4)
    assert weights.note == Note("nothing_came")


def test_where_nothing_came_who_said_so_counts_and_the_note_tells() -> None:
    weights = weighed(nothing_came({A: [0.0] * 4, B: [5.0] * 4}))
    assert weights.parts[A] == pytest.approx(1, abs=1e-5)
    assert (weights.how, weights.note) == ("weighted", Note("nothing_came"))


def test_errors_well_below_a_tenth_of_what_is_to_come_tell_methods_hardly_apart() -> None:
    parts = weighed(record({A: [1.0, -1.0] * 4, B: [4.0, 4.0] * 4})).parts
    own = 4 / 8 * 9.0**2
    part = (own + 16) / (2 * own + 17)
    mixed = part**2 + 16 * (1 - part) ** 2
    assert parts[A] == pytest.approx(drawn(part, mixed=mixed, alone=16.0, finished=8))
    assert 0.3 < parts[A] < 0.5


def test_a_longer_record_tells_methods_further_apart() -> None:
    def part(times: int) -> float:
        return weighed(record({A: [10.0, -10.0] * times, B: [20.0, 20.0] * times})).parts[A]

    assert 0.4 < part(2) < part(13) < 400 / 500


def test_what_errs_alike_and_more_gets_nothing() -> None:
    """The mean of both errs more than the better one alone, whatever the worse one's share."""
    assert weighed(record({A: [30.0] * 20, B: [10.0] * 20})).parts == {B: 1.0}


def test_the_first_of_the_order_keeps_what_four_origins_of_its_own_precision_weigh() -> None:
    def part(finished: int, error: float) -> float:
        return weighed(record({A: [10.0] * finished, B: [error] * finished})).parts.get(B, 0.0)

    for finished in (3, 20):
        expected = 4 * 100 / (worth(finished) * 900 + 4 * 100)
        assert part(finished, 30.0) == pytest.approx(expected)
    assert part(26, 10.0) == pytest.approx((0.5 * worth(26) + 4) / (worth(26) + 4))


def test_origins_that_do_not_overlap_count_in_full() -> None:
    weekly = record({A: [10.0] * 6, B: [30.0] * 6}, days=7)
    weights = weigh(weekly, {A, B}, period=window(ORIGIN, 7), origin=ORIGIN)
    assert weights.parts[B] == pytest.approx(4 * 100 / (6 * 900 + 4 * 100))


def test_methods_are_compared_on_the_same_origins() -> None:
    """B, which did not speak in the hard weeks, errs more in those at which both spoke."""
    history = record({A: [10.0, -10.0] * 3 + [90.0] * 3, B: [12.0] * 6})
    weights = weighed(history)
    assert weights.sample == 6
    assert weights.parts[A] > 0.3
    assert weighed(history, how="chosen").parts == {A: 1.0}
    alone = weighed(record({A: [10.0, -10.0] * 3, B: [12.0] * 6}))
    assert weights.parts == pytest.approx(alone.parts)


def test_few_won_deals_teach_nothing_and_speak_last() -> None:
    noted = record({A: [1.0] * 4, B: [50.0] * 4}).with_columns(
        pl.when(pl.col("method") == A[0]).then(pl.lit("few_won_deals:3")).alias("note")
    )
    assert weighed(noted).parts == {B: 1.0}


def test_choosing_takes_the_best_alone() -> None:
    weights = weighed(record({A: [10.0] * 3, B: [9.0] * 3}), how="chosen")
    assert weights == Weights({B: 1.0}, "chosen", 3)


def test_only_the_last_origins_count() -> None:
    history = record({A: [10.0] * 26 + [1000.0] * 5, B: [10.0] * 26 + [0.0] * 5})
    weights = weighed(history)
    assert weights.parts[A] == pytest.approx(0.5 * worth(26) / (worth(26) + 4))
    assert weights.sample == 26


def test_with_two_finished_origins_the_order_speaks() -> None:
    weights = weighed(record({A: [1.0, 1.0], B: [50.0, 50.0]}))
    assert weights == Weights({B: 1.0}, "order", 2, Note("not_enough_history", "multivariable"))
    alone = weigh(record({}), {A}, period=window(ORIGIN), origin=ORIGIN)
    assert alone.parts == {A: 1.0}
    assert alone.note == Note("not_enough_history", "historical")


def test_a_method_nobody_ranked_comes_last_but_speaks() -> None:
    weights = weigh(record({}), {("zeta", "x")}, period=window(ORIGIN), origin=ORIGIN)
    assert weights.parts == {("zeta", "x"): 1.0}


def test_nobody_can_speak() -> None:
    weights = weigh(record({A: [1.0] * 9}), set(), period=window(ORIGIN), origin=ORIGIN)
    assert weights == Weights({}, "order", 9, Note("no_method"))


def test_a_method_with_a_short_record_takes_no_part() -> None:
    weights = weighed(record({A: [10.0] * 5, B: [0.1] * 2}))
    assert weights.parts == {A: 1.0}


def test_stand_ins_of_the_past_teach_nothing() -> None:
    """Six origins, of which A's first three (the oldest) were shown for want of history."""
    history = record({A: [10.0] * 3 + [900.0] * 3, B: [10.0] * 6})
    stand_in = (pl.col("method") == A[0]) & (pl.col("forecast") > 500)
    noted = history.with_columns(
        pl.when(stand_in).then(pl.lit("not_enough_history:recent_mean")).alias("note")
    )
    assert weighed(noted).parts[A] == pytest.approx(0.5 * worth(3) / (worth(3) + 4))
    assert weighed(history).parts[B] > 0.99


def test_methods_without_any_error_share() -> None:
    assert weighed(record({A: [0.0] * 3, B: [0.0] * 3})).parts == {A: 0.5, B: 0.5}


def test_what_is_not_finished_teaches_nothing() -> None:
    history = record({A: [10.0] * 3, B: [10.0] * 3})
    latest = history.filter(pl.col("origin") == pl.col("origin").max())
    later = latest.with_columns(
        pl.when(pl.col("method") == A[0]).then(500.0).otherwise("forecast").alias("forecast"),
        pl.col("origin", "period_start", "period_end") + pl.duration(days=1),
    )
    assert set(later["method"]) == {A[0], B[0]}
    assert weighed(pl.concat([history, later])) == weighed(history)


def test_periods_of_another_kind_length_or_standing_teach_nothing() -> None:
    good = record({A: [10.0] * 3, B: [20.0] * 3})
    shorter = record({A: [90.0] * 9}, days=7)
    months = good.with_columns(pl.lit("month").alias("period_kind"))
    ahead = good.with_columns(pl.col("period_start") + pl.duration(days=1), forecast=pl.lit(0.0))
    assert weighed(pl.concat([good, shorter, months, ahead])) == weighed(good)


def totals(method: tuple[str, str], forecast: dict[str, float], **other: Any) -> pl.DataFrame:
    """Owner rows and their total for the 28 days from ORIGIN."""
    period = window(ORIGIN)
    rows = []
    for kind, segment, expected in [
        ("total", "", sum(forecast.values())),
        *(("owner", owner, part) for owner, part in forecast.items()),
    ]:
        row = {
            "method": method[0],
            "variant": method[1],
            "period_kind": "window",
            "period_start": period.start,
            "period_end": period.end,
            "segment_kind": kind,
            "segment": segment,
            "won_amount": 0.0,
            "won_deals": 0,
            "open_expected": expected,
            "open_variance": expected * 2,
            "open_third_moment": expected,
            "open_deals": 3,
            "new_expected": 0.0,
            "new_variance": 0.0,
            "new_third_moment": 0.0,
            "forecast": expected,
            "sample": 40,
            "note": None,
            "left_out": "{}",
        }
        rows.append(row | other)
    return pl.DataFrame(rows, schema={"method": pl.String, "variant": pl.String, **TOTALS_SCHEMA})


@given(
    weight=st.floats(0, 1),
    first=st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e6), min_size=1),
    second=st.dictionaries(st.sampled_from("abc"), st.floats(0, 1e6), min_size=1),
)
def test_segments_add_up(weight: float, first: dict[str, float], second: dict[str, float]) -> None:
    weights = {window(ORIGIN): Weights({A: weight, B: 1 - weight}, "weighted", 5)}
    made = combine(pl.concat([totals(A, first), totals(B, second)]), weights)
    whole = made.filter(pl.col("segment_kind") == "total").row(0, named=True)
    owners = made.filter(pl.col("segment_kind") == "owner")
    for moment in ("forecast", "open_expected", "open_variance", "open_third_moment"):
        assert owners[moment].sum() == pytest.approx(whole[moment])
    expected = weight * sum(first.values()) + (1 - weight) * sum(second.values())
    assert whole["forecast"] == pytest.approx(expected)
    assert made["method"].unique().to_list() == ["combination"]


def test_the_note_travels_with_the_figure() -> None:
    note = Note("not_enough_history", "historical")
    made = combine(totals(A, {"a": 5.0}), {window(ORIGIN): Weights({A: 1.0}, "order", 1, note)})
    assert made["note"].unique().to_list() == ["not_enough_history:historical"]
    assert made["variant"].unique().to_list() == ["order"]
    assert made["sample"].unique().to_list() == [1]
    assert made.columns == ["method", "variant", *TOTALS_SCHEMA]


def test_where_no_method_can_speak_what_is_won_is_still_told() -> None:
    """And why nothing else is: by the method that needs no history."""
    stated, nothing = ("opportunity_stage", "crm"), {"open_variance": 0.0, "open_deals": 0}
    why = {"won_amount": 70.0, "left_out": '{"no_close_date": 3}', "note": "not_enough_history:x"}
    silent = totals(stated, {"a": 0.0}, **nothing, **why)
    weights = Weights({}, "order", 0, Note("no_method"))
    made = combine(pl.concat([totals(A, {"a": 5.0}), silent]), {window(ORIGIN): weights})
    assert made.height == 2
    for row in made.iter_rows(named=True):
        assert (row["forecast"], row["won_amount"]) == (70.0, 70.0)
        assert (row["note"], row["left_out"]) == ("no_method", '{"no_close_date": 3}')


def test_a_stand_in_is_not_able() -> None:
    both = pl.concat([totals(A, {"a": 1.0}), totals(B, {"a": 1.0}, note="not_enough_history:x")])
    assert able_methods(both, window(ORIGIN)) == {A}


def test_residuals_are_of_what_was_uncertain() -> None:
    rows = combination.residuals(record({A: [10.0] * 3}), window(ORIGIN), ORIGIN, {A: 1.0})
    assert rows.height == 3
    assert rows.row(-1, named=True) == {
        "period_kind": "window",
        "days_left": 28,
        "expected_rest": 100.0,
        "variance_rest": 25.0,
        "actual_rest": 90.0,
        "starts": ORIGIN - timedelta(28),
        "ends": ORIGIN,
    }
    begun = record({A: [10.0]}).with_columns(pl.col("period_start") - pl.duration(days=9))
    period = Period(ORIGIN - timedelta(1), ORIGIN + timedelta(28), PeriodKind.WINDOW)
    (row,) = combination.residuals(begun, period, ORIGIN, {A: 1.0}).iter_rows(named=True)
    assert row["starts"] == ORIGIN - timedelta(28)
    assert combination.residuals(record({A: [1.0]}), window(ORIGIN), ORIGIN, {B: 1.0}).height == 0


def test_residuals_are_those_of_todays_weights() -> None:
    """B was silent at the oldest origin, where A spoke for less than half of the weight."""
    history = record({A: [10.0, 20.0, 90.0], B: [-10.0, 0.0]})

    def expected(first: float) -> list[float]:
        parts = {A: first, B: 1 - first}
        rows = combination.residuals(history, window(ORIGIN), ORIGIN, parts)
        return rows["expected_rest"].to_list()

    assert expected(0.25) == pytest.approx([95.0, 85.0])
    assert expected(0.75) == pytest.approx([180.0, 105.0, 95.0])


def test_notes_are_stored_as_keys_and_shown_as_sentences() -> None:
    for key in ("not_enough_history:opportunity_stage", "few_finished_origins:3", "no_method"):
        assert Note.of(key).key == key
    told = Note.of("not_enough_history:opportunity_stage")
    assert told.text("en") == "Not enough history: showing opportunity stage instead."
    assert "3 avsluttede" in Note.of("few_finished_origins:3").text("nb")
    with pytest.raises(ValueError, match="no note"):
        Note.of("whatever:1")


def test_months_learn_from_months_at_a_like_distance() -> None:
    """On the 16th of March, half a month is left; the first day of February had 28 days to go."""
    march = period_of(date(2026, 3, 1), PeriodKind.MONTH)
    february = period_of(date(2026, 2, 1), PeriodKind.MONTH)
    rows = record({A: [10.0] * 2}).with_columns(
        pl.lit("month").alias("period_kind"),
        pl.lit(february.start).alias("period_start"),
        pl.lit(february.end).alias("period_end"),
        pl.Series("origin", [date(2026, 2, 2), date(2026, 1, 26)]),
    )
    found = combination.like(rows, march, date(2026, 3, 16))
    assert found["origin"].to_list() == [date(2026, 2, 2)]
    assert combination.like(rows, march, date(2026, 3, 30)).height == 0


def test_the_page_says_what_the_code_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "methods" / "combination.md").read_text("utf-8")
    page = " ".join(page.split())
    assert f"the last {combination.LAST} origins" in page
    assert f"A method needs {combination.LEAST} finished origins" in page
    listed = page[page.index("1. `multi") :]
    places = [listed.index(f"`{variant}`") for _, variant in combination.ORDER]
    assert places == sorted(places)
    assert all(f"`{method}`" in listed for method, _ in combination.ORDER)


ON_TRIAL = ("multivariable", "boosted")


def tried(errors: Mapping[tuple[str, str], list[float]], **options: Any) -> Weights:
    able = {A, B, ON_TRIAL}
    return weigh(record(errors), able, period=window(ORIGIN), origin=ORIGIN, **options)


@pytest.mark.parametrize(
    ("error", "finished", "takes_part"),
    [(9.4, 13, True), (9.5, 13, False), (1.0, 12, False), (12.0, 20, False)],
    ids=["better by a tenth", "nearly as good", "too few origins", "worse"],
)
@pytest.mark.parametrize("how", ["weighted", "chosen"])
def test_boosting_is_used_only_where_the_record_says_that_it_wins(
    error: float, finished: int, takes_part: bool, how: combination.How
) -> None:
    """The best other errs by 10: 0.9 of its mean square is that of 9.49."""
    weights = tried({A: [10.0] * 20, B: [20.0] * 20, ON_TRIAL: [error] * finished}, how=how)
    assert (ON_TRIAL in weights.parts) == takes_part
    assert sum(weights.parts.values()) == pytest.approx(1)


def test_boosting_never_speaks_first() -> None:
    assert tried({}).parts == {B: 1.0}
    alone = weigh(record({}), {ON_TRIAL}, period=window(ORIGIN), origin=ORIGIN)
    assert (alone.parts, alone.note) == ({}, Note("no_method"))
