"""Boosted trees: the same each time, explained to the last digit, and no more than was learned."""

import sys
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from forecasting import boosting
from forecasting.attributes import ATTRIBUTES
from forecasting.conversion import ConversionTable
from forecasting.features import landmarks, open_facts
from forecasting.logistic import expit, logit
from forecasting.methods import Multivariable
from forecasting.scores import auc
from forecasting.tracks import Floats
from sync.config.model import Config
from sync.jobs.inputs import methods_of
from tests.contract.test_methods import BUSY
from tests.forecasting.frames import STAGES, now

pytest.importorskip("lightgbm", reason="LightGBM is not installed: dealpulse[boost]")

HORIZON = 28.0


def fitted(frame: pl.DataFrame = BUSY[0]) -> tuple[Multivariable, pl.DataFrame]:
    snapshot = now(frame, BUSY[1], STAGES)
    return Multivariable("boosted").fit(snapshot), open_facts(snapshot)


def test_the_same_account_gives_the_same_chances_to_the_last_digit() -> None:
    (one, facts), (other, same) = fitted(), fitted()
    assert np.array_equal(one.chances(facts, HORIZON), other.chances(same, HORIZON))


def test_contributions_add_up_to_the_chance() -> None:
    method, facts = fitted()
    learned = method.adjustment(HORIZON)
    assert isinstance(learned, boosting.Boosting)
    parts = learned.contributions(facts, HORIZON)
    table = method.table_.chances(facts, HORIZON)
    summed = expit(logit(table) + np.sum(list(parts.values()), axis=0))
    assert summed == pytest.approx(method.chances(facts, HORIZON), abs=1e-9)


def test_chances_are_as_often_right_as_they_say() -> None:
    """Over all lessons the mean chance is the share won, and they rank better than the table."""
    snapshot = now(*BUSY, STAGES)
    known = landmarks(snapshot)
    rows = np.flatnonzero(known.followed >= HORIZON)
    facts, won = known.facts.gather(rows), known.won[rows] & (known.days[rows] <= HORIZON)
    boosted = fitted()[0].chances(facts, HORIZON)
    table = Multivariable("table").fit(snapshot).chances(facts, HORIZON)
    assert boosted.mean() == pytest.approx(won.mean(), abs=0.03)
    ranked, plain = (auc(pl.Series(won), pl.Series(chances)) for chances in (boosted, table))
    assert ranked is not None
    assert plain is not None
    assert ranked > plain


def test_trees_that_only_remember_are_given_little_weight() -> None:
    """Facts that belong to other deals: what trees find in some rows does not hold for others."""
    known = landmarks(now(*BUSY, STAGES))
    kept = known.facts.select("pipeline_id", "stage_id", "stage_paced")  # the table's own
    others = known.facts.drop(kept.columns).sample(fraction=1, shuffle=True, seed=1)
    shuffled = replace(known, facts=pl.concat([kept, others], how="horizontal"))
    found = boosting.learn(shuffled, ConversionTable().fit(shuffled), HORIZON)
    informed = boosting.learn(known, ConversionTable().fit(known), HORIZON)
    assert found is not None
    assert informed is not None
    assert 0 <= found.slope < informed.slope / 2


def features(numbers: Floats) -> Floats:
    """A table in which all is unknown but the deals' age."""
    table = np.full((len(numbers), len(ATTRIBUTES)), np.nan)
    table[:, ATTRIBUTES.index("age")] = numbers
    return table


def test_trees_are_judged_by_deals_that_they_were_not_shown() -> None:
    """300 deals, won or not by a coin, each told 20 times: whoever was shown some of the 20 knows
    the others.
    """
    rng = np.random.default_rng(3)
    row = np.repeat(np.arange(300), 20)
    won = rng.random(300)[row] < 0.5
    own = features(rng.permutation(300)[row].astype(float))
    _, slope = boosting._kept(own, won, np.zeros(len(row)), row, 20, 1 / 20)
    assert slope < 0.2


def test_trees_add_nothing_to_a_table_that_tells_all() -> None:
    """Young deals are won at odds of e^2, old ones at e^-2, as the table says."""
    rng = np.random.default_rng(5)
    old = rng.random(4000) < 0.5
    offset = np.where(old, -2.0, 2.0)
    trees = boosting._grown(
        features(old.astype(float)), rng.random(4000) < expit(offset), offset, 20
    )
    added = np.asarray(trees.predict(features(np.array([0.0, 1.0])), raw_score=True))
    assert np.abs(added).max() < 0.3


def test_it_is_tested_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.model_validate({"connections": [{"name": "main", "kind": "hubspot"}]})
    variants = {method.variant for method in methods_of(config)}
    assert "boosted" in variants
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.setattr("forecasting.boosting.find_spec", lambda _: None)
    assert {method.variant for method in methods_of(config)} == variants - {"boosted"}
    with pytest.raises(ImportError, match=r"dealpulse\[boost\]"):
        Multivariable("boosted").fit(now(*BUSY, STAGES))
