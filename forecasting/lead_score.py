"""The score of a lead: how likely it reaches a stage of the funnel soon, learned or by points.

Learned from how leads stood at past instants (`lead_facts`) and what became of them within the
horizon. Instants too young to know are left out for all leads alike, so nothing is learned from who
merely converted fast. It speaks only where, on later leads that it had not seen, it did better than
the published points table; else the table speaks. Definitions: docs/lead-score.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
import polars as pl

from forecasting import lead_classes, scores
from forecasting.funnel import Definition, wilson_interval
from forecasting.lead_facts import facts, standing
from forecasting.logistic import Columns, expit, fit_logistic
from forecasting.tracks import Bools, Floats

Basis = Literal["learned", "points"]
Why = Literal["learned_better", "few_converted", "little_to_test", "points_as_good"]

PRIOR_SD: Final = float(np.log(2))
"""How far one class is expected to move log-odds: by a factor of two in odds, either way."""

FEWEST_CONVERTED: Final = 20
"""Converted leads below which nothing is learned."""

FEWEST_TESTED: Final = 10
"""Converted, and not converted, leads below which a test says nothing."""

STEP: Final = timedelta(days=28)
LOOKED_BACK: Final = timedelta(days=3 * 365)
"""Past instants are so far apart, and reach so far back."""

_MOST_ROWS: Final = 40_000
_QUANTILES: Final = np.linspace(0, 1, 101)
_FLAT: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Tested:
    """How one way to score did on leads that stood open between `since` and `until`, by a fit on
    what was known before. Each lead counts once. came with low and high: the share that reached the
    goal, and its 95 % interval; said: the mean probability. None = has no meaning there.
    """

    since: datetime
    until: datetime
    leads: int
    converted: int
    auc: float | None
    brier: float | None
    brier_skill: float | None
    calibration_error: float | None
    said: float
    came: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class LeadModel:
    """What was learned as of an instant. `basis`: which way speaks, `why`: for what reason.

    names, beta, centre, intercept: the learned way. quantiles: of its probabilities among the leads
    it learned from, for the score. table: intercept and slope that make points a probability; None
    where there is too little to say. rows, leads, converted: learned from. forgotten: of the rows,
    those with a counter that the CRM no longer tells.
    """

    goal: str
    horizon_days: int
    basis: Basis
    why: Why
    as_of: datetime
    rows: int
    leads: int
    converted: int
    forgotten: int
    names: Mapping[str, Sequence[str]]
    beta: Sequence[float]
    centre: Sequence[float]
    intercept: float
    quantiles: Sequence[float]
    table: tuple[float, float] | None
    tested: Mapping[str, Tested]

    def as_json(self) -> dict[str, Any]:
        """JSON values; `from_json` gives the model back."""
        held = asdict(self) | {"as_of": self.as_of.isoformat()}
        for result in held["tested"].values():
            result |= {name: result[name].isoformat() for name in ("since", "until")}
        return held

    @staticmethod
    def from_json(held: Mapping[str, Any]) -> "LeadModel":
        tested = {
            way: Tested(
                **result
                | {name: datetime.fromisoformat(result[name]) for name in ("since", "until")}
            )
            for way, result in held["tested"].items()
        }
        table = tuple(held["table"]) if held["table"] else None
        as_of = datetime.fromisoformat(held["as_of"])
        return LeadModel(**{**held, "tested": tested, "table": table, "as_of": as_of})


@dataclass(frozen=True, slots=True)
class _Past:
    """Past standings with their facts and outcomes, in order of time and lead."""

    rows: pl.DataFrame
    reached: Bools

    def of(self, mask: Bools) -> "_Past":
        return _Past(self.rows.filter(pl.Series(mask)), self.reached[mask])

    @property
    def converted(self) -> int:
        """Leads, not rows."""
        return int(self.rows.filter(pl.Series(self.reached))["lead_id"].n_unique())


def learn(
    leads: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    *,
    goal: str,
    horizon_days: int,
    as_of: datetime,
) -> LeadModel:
    """What the account's past until `as_of` teaches about reaching `goal` within the horizon."""
    past = _past(leads, changes, definition, goal, timedelta(days=horizon_days), as_of)
    model = replace(
        _fit(past, goal, horizon_days, as_of),
        leads=past.rows["lead_id"].n_unique(),
        converted=past.converted,
    )
    if past.converted < FEWEST_CONVERTED:
        return model
    tested = _test(past, goal, horizon_days)
    if not tested:
        return replace(model, why="little_to_test")
    better = _better(tested["learned"], tested["points"])
    return replace(
        model,
        basis="learned" if better else "points",
        why="learned_better" if better else "points_as_good",
        tested=tested,
    )


def score(model: LeadModel, known: pl.DataFrame) -> pl.DataFrame:
    """lead_id, score (0-100), probability (0-1; null = unknown), in the order of `known`.

    score, learned: the share of the leads it learned from that were less likely, in percent. By
    points: their sum.
    """
    coded = lead_classes.codes(known, model.names)
    chance = chances(model, coded)
    if model.basis == "points":
        number = sum(lead_classes.points(coded).values(), np.zeros(known.height, np.int64))
    else:
        grid = np.asarray(model.quantiles)
        below = np.searchsorted(grid, chance, "left") + np.searchsorted(grid, chance, "right")
        number = np.clip(np.rint(below / 2 / (len(grid) - 1) * 100), 0, 100).astype(np.int64)
    return known.select(
        "lead_id",
        score=pl.Series(number, dtype=pl.Int64),
        probability=pl.Series(chance, dtype=pl.Float64, nan_to_null=True),
    )


def chances(model: LeadModel, coded: Mapping[str, Any]) -> Floats:
    """By the way that speaks; NaN where it has no probability."""
    if model.basis == "learned":
        return _learned(model, coded)
    return _by_points(model, coded)


def contributions(model: LeadModel, coded: Mapping[str, Any]) -> dict[str, Floats]:
    """Per attribute each lead's log-odds beside the intercept's."""
    effects = lead_classes.design(coded, model.names, model.centre) * np.asarray(model.beta)
    of = np.array(lead_classes.columns(model.names))
    return {name: effects[:, of == name].sum(axis=1) for name in dict.fromkeys(of.tolist())}


def _learned(model: LeadModel, coded: Mapping[str, Any]) -> Floats:
    effects = lead_classes.design(coded, model.names, model.centre) @ np.asarray(model.beta)
    return expit(model.intercept + np.asarray(effects, np.float64))


def _by_points(model: LeadModel, coded: Mapping[str, Any]) -> Floats:
    total = sum(lead_classes.points(coded).values(), np.zeros(len(coded["age"]), np.int64))
    if model.table is None:
        return np.full(len(total), np.nan)
    return expit(np.asarray(model.table[0] + model.table[1] * total, np.float64))


def _past(
    leads: pl.DataFrame,
    changes: pl.DataFrame,
    definition: Definition,
    goal: str,
    horizon: timedelta,
    as_of: datetime,
) -> _Past:
    known = changes.filter(pl.col("changed_at") <= as_of)
    first = known["changed_at"].min()
    latest = as_of - horizon
    instants = []
    if isinstance(first, datetime):
        reach = min(latest - first, LOOKED_BACK)
        instants = [latest - STEP * back for back in range(max(0, reach // STEP + 1))]
    stood = standing(leads, known, definition, goal, instants)
    rows = facts(leads, known, stood)
    within = rows["reached_at"] - rows["at"] <= horizon
    return _Past(rows.drop("reached_at"), within.fill_null(value=False).to_numpy())


def _fit(past: _Past, goal: str, horizon_days: int, as_of: datetime) -> LeadModel:
    """Both ways, fitted on all of `past`; which of them speaks is for others to say."""
    thin = np.zeros(len(past.reached), np.bool_)
    thin[:: max(1, -(-len(past.reached) // _MOST_ROWS))] = True
    some = past.of(thin)
    names = lead_classes.named_classes(some.rows)
    coded = lead_classes.codes(some.rows, names)
    forgotten = np.any([coded[name] < 0 for name in lead_classes.COUNTS], axis=0)
    of = lead_classes.columns(names)
    empty = LeadModel(
        goal=goal,
        horizon_days=horizon_days,
        basis="points",
        why="few_converted",
        as_of=as_of,
        rows=len(some.reached),
        leads=0,
        converted=0,
        forgotten=int(forgotten.sum()),
        names=names,
        beta=[0.0] * len(of),
        centre=[0.0] * len(of),
        intercept=0.0,
        quantiles=[],
        table=None,
        tested={},
    )
    if some.converted < FEWEST_CONVERTED:
        return empty
    # rows of one lead are not apart from each other: together they count as one
    weight = some.rows["lead_id"].n_unique() / len(some.reached)
    centre = lead_classes.centre(coded, names)
    design = lead_classes.design(coded, names, centre)
    beta = _logistic(design, some.reached, weight, PRIOR_SD**-2)
    total = sum(lead_classes.points(coded).values(), np.zeros(len(some.reached), np.int64))
    table = _logistic(total[:, None].astype(np.float64), some.reached, weight, _FLAT)
    fitted = replace(
        empty,
        beta=beta[1:].tolist(),
        centre=centre.tolist(),
        intercept=float(beta[0]),
        # more interest never counts against a lead, whatever few leads seem to say
        table=(float(table[0]), float(table[1])) if table[1] > 0 else None,
    )
    told = np.quantile(_learned(fitted, coded), _QUANTILES)
    return replace(fitted, quantiles=told.tolist())


def _logistic(columns: Floats, reached: Bools, weight: float, penalty: float) -> Floats:
    full = np.concatenate([np.ones((len(columns), 1)), columns], axis=1)
    penalties = np.array([_FLAT, *[penalty] * columns.shape[1]])
    return fit_logistic(Columns(full), reached, np.zeros(len(columns)), weight, penalties)


def _test(past: _Past, goal: str, horizon_days: int) -> dict[str, Tested]:
    """Both ways on the instants of the last horizon, fitted on those whose outcome was known before
    them; empty where there is too little of either.
    """
    horizon = timedelta(days=horizon_days)
    last = past.rows["at"].max()
    if not isinstance(last, datetime):
        return {}
    later = (past.rows["at"] > last - horizon).to_numpy()
    begin = past.rows.filter(pl.Series(later))["at"].min()
    assert isinstance(begin, datetime)
    before = past.of((past.rows["at"] <= begin - horizon).to_numpy())
    test = past.of(later)
    once = test.of(test.rows.select(pl.col("lead_id").is_first_distinct()).to_series().to_numpy())
    happened = int(once.reached.sum())
    if before.converted < FEWEST_CONVERTED or not (
        FEWEST_TESTED <= happened <= len(once.reached) - FEWEST_TESTED
    ):
        return {}
    model = _fit(before, goal, horizon_days, begin)
    coded = lead_classes.codes(once.rows, model.names)
    base = float(before.reached.mean())
    ways = {"learned": _learned(model, coded), "points": _by_points(model, coded)}
    flat = np.full(len(once.reached), base)
    return {
        way: _judged(once, flat if np.isnan(told).all() else told, base, begin, last)
        for way, told in ways.items()
    }


def _judged(once: _Past, told: Floats, base: float, since: datetime, until: datetime) -> Tested:
    happened = once.reached.astype(np.float64)
    low, high = wilson_interval(int(happened.sum()), len(happened))
    return Tested(
        since=since,
        until=until,
        leads=len(happened),
        converted=int(happened.sum()),
        auc=scores.auc(happened, told),
        brier=scores.brier(happened, told),
        brier_skill=scores.brier_skill(happened, told, base),
        calibration_error=scores.calibration_error(happened, told, by="count"),
        said=float(told.mean()),
        came=float(happened.mean()),
        low=low,
        high=high,
    )


def _better(learned: Tested, table: Tested) -> bool:
    """Whether the learned way was closer to what came than the table, and than the plain share."""
    if learned.brier is None or table.brier is None or learned.brier_skill is None:
        return False
    return learned.brier < table.brier and learned.brier_skill > 0
