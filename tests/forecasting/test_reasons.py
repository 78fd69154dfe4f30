"""Reasons add up to the chance they explain, in both languages; calls follow from the chances."""

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
import pytest

from forecasting.features import open_facts
from forecasting.history import stage_stays
from forecasting.methods import Multivariable
from forecasting.outlook import outlook
from forecasting.process import stage_norms
from forecasting.reasons import REASONS, calls, contributions, reasons
from forecasting.snapshot import History
from forecasting.stage_chain import GRID
from forecasting.wording import LANGUAGES, Language
from tests.contract.test_methods import BUSY, busy
from tests.forecasting.frames import AS_OF, OWNERS, STAGES, TODAY, ZONE, deals, now

SNAPSHOT = now(*BUSY)
METHOD = Multivariable("additive").fit(SNAPSHOT)
NORMS = stage_norms(stage_stays(BUSY[1], BUSY[0], STAGES, AS_OF), STAGES)


@pytest.mark.parametrize("horizon", [28.0, 700.0])
def test_base_rate_and_contributions_are_the_stated_probability(horizon: float) -> None:
    told = contributions(METHOD, SNAPSHOT, horizon)
    summed = told.group_by("deal_id").agg(
        (pl.col("base_rate").first() + pl.col("points").sum()).alias("sum"),
        pl.col("win_probability").first(),
    )
    facts = open_facts(SNAPSHOT)
    assert summed.height == facts.height > 5
    assert ((summed["sum"] - summed["win_probability"]).abs() < 1e-9).all()
    stated = dict(zip(facts["deal_id"], METHOD.chances(facts, horizon), strict=True))
    for deal_id, chance in summed.select("deal_id", "win_probability").iter_rows():
        assert chance == pytest.approx(stated[deal_id])


def test_points_are_shared_out_by_log_odds() -> None:
    """What lifts the odds twice as much has twice the points; what lowers them takes some away."""
    told = contributions(METHOD, SNAPSHOT, 28.0)
    facts = open_facts(SNAPSHOT)
    table, base = METHOD.table_.chances(facts, 28.0), METHOD.table_.usual(28.0)
    adjustment = METHOD.adjustment(28.0)
    assert adjustment is not None
    parts = adjustment.contributions(facts, 28.0)
    parts["stage"] = np.log(table / (1 - table)) - np.log(base / (1 - base))
    worth = (METHOD.chances(facts, 28.0) - base) / sum(parts.values())
    assert (worth > 0).all()
    for name, effect in parts.items():
        points = told.filter(pl.col("attribute") == name).sort("deal_id")["points"]
        assert points.to_list() == pytest.approx((effect * worth).tolist(), abs=1e-9)
    assert np.ptp(parts["stage"]) > 0.1
    assert facts["deal_id"].is_sorted()


@pytest.mark.parametrize("language", LANGUAGES)
def test_printed_points_add_up(language: Language) -> None:
    told = reasons(METHOD, SNAPSHOT, NORMS, language)
    assert told.height > 5
    for text in told["reasons"]:
        chance, base = (int(each) for each in re.findall(r"(\d+) %", text)[:2])
        points = [int(each) for each in re.findall(r"[,;] ([+-]\d+) ", text)]
        assert base + sum(points) == chance, text
        assert len(points) <= 4
    assert told["reasons"].str.contains("Proposal|Qualified").any()


def test_every_reason_is_told_in_both_languages() -> None:
    for texts in REASONS.values():
        assert set(texts) == set(LANGUAGES)
        fields = [set(re.findall(r"{(\w+)", text)) for text in texts.values()]
        assert fields[0] == fields[1]
        assert texts["en"] != texts["nb"]


POINTS: Final = re.compile(r"([+-]\d+) ([^;]+?)(?:;|\.$)")


def named() -> list[tuple[str, list[tuple[int, str]]]]:
    """Per deal the points and words of its sentence, but for what is summed."""
    told = reasons(METHOD, SNAPSHOT, NORMS, "en")
    return [
        (deal_id, [(int(n), words) for n, words in POINTS.findall(text) if words != REST])
        for deal_id, text in told.select("deal_id", "reasons").iter_rows()
    ]


REST: Final = "everything else"


def test_the_three_largest_are_told_the_largest_first() -> None:
    """Of those that have words: the overall level has none."""
    parts = contributions(METHOD, SNAPSHOT).filter(pl.col("attribute") != "general")
    largest = {
        deal_id: rows["points"].abs().max()
        for (deal_id,), rows in parts.group_by("deal_id", maintain_order=True)
    }
    assert max(len(told) for _, told in named()) == 3
    for deal_id, told in named():
        sizes = [abs(points) for points, _ in told]
        # the first takes what rounding leaves
        assert all(one >= other - 1 for one, other in pairwise(sizes))
        if told and largest[deal_id] >= 0.02:
            assert sizes[0] == pytest.approx(100 * largest[deal_id], abs=2)


def test_the_norm_is_told_of_stays_that_are_longer() -> None:
    norms = {row["stage"]: round(row["median_days"]) for row in NORMS.iter_rows(named=True)}
    stays = re.compile(r"(\d+) days? in (\w+)(?:, won deals leave after (\d+))?")
    found = [match for _, told in named() for _, words in told if (match := stays.match(words))]
    for match in found:
        days, norm = int(match[1]), norms[match[2]]
        assert match[3] is None or int(match[3]) == norm
        assert (match[3] is not None) == (days >= norm) or days == norm
    assert {match[3] is None for match in found} == {True, False}


def test_the_call_is_for_the_quarter_whatever_the_month() -> None:
    """Where nearly all is won: in two weeks hardly, in eleven likely."""
    frame, history = BUSY
    won = frame.with_columns(pl.col("status", "stage_id").replace("lost", "won"))
    january = AS_OF.replace(month=1)
    snapshot = History(
        won, history.with_columns(pl.col("new").replace("lost", "won")), STAGES, OWNERS, zone=ZONE
    ).snapshot(january)
    method = Multivariable("additive").fit(snapshot)
    by_month, by_quarter = (
        calls(method, snapshot, end)["call"].to_list()
        for end in (date(2026, 2, 1), date(2026, 4, 1))
    )
    assert by_month != by_quarter
    assert outlook(method, snapshot)["call"].to_list() == by_quarter


def test_the_predicted_day_is_the_middle_of_those_on_which_it_would_be_won() -> None:
    facts = open_facts(SNAPSHOT)
    told = calls(METHOD, SNAPSHOT, TODAY)["predicted_close_date"].to_list()
    for place, day in enumerate(told):
        deal = facts[place]
        (ever,) = METHOD.table_.chances(deal, 728.0)
        begins, ends = (METHOD.days_to(day + timedelta(days=n), SNAPSHOT) for n in (0, 1))
        before, after = GRID[begins > GRID], GRID[ends <= GRID]
        assert not before.size or METHOD.table_.chances(deal, float(before[-1]))[0] < ever / 2
        assert not after.size or METHOD.table_.chances(deal, float(after[0]))[0] >= ever / 2


def test_calls_are_the_likeliest_outcome() -> None:
    end = TODAY.replace(day=28)
    told = calls(METHOD, SNAPSHOT, end)
    for row in told.iter_rows(named=True):
        by, ever = row["win_probability_by"], row["win_probability"]
        chances = {"WIN": by, "LOSE": 1 - ever, "SLIP": ever - by}
        assert chances[row["call"]] == pytest.approx(max(chances.values()))
        assert row["predicted_close_date"] >= TODAY
    assert told["close_date"].null_count() == 0


def test_where_nothing_is_learned_nothing_is_claimed() -> None:
    snapshot = now(deals({}))
    method = Multivariable().fit(snapshot)
    assert contributions(method, snapshot).height == 0
    assert reasons(method, snapshot, NORMS, "en").height == 0
    row = calls(method, snapshot, TODAY).row(0, named=True)
    assert (row["call"], row["predicted_close_date"]) == (None, None)


def test_the_same_deals_have_the_same_reasons() -> None:
    frame, history = busy()
    again = now(frame.reverse(), history.reverse())
    method = Multivariable("additive").fit(again)
    one = reasons(METHOD, SNAPSHOT, NORMS, "nb")
    other = reasons(method, again, NORMS, "nb")
    assert one["reasons"].to_list() == other["reasons"].to_list()
