"""The conversion table: P(won within u days | stage, time in stage), from the account's own past.

Aalen-Johansen estimates with two ways out, won and lost: a deal still open counts for as long as it
was watched, and no longer. Thin cells take part of their stage's curve, thin stages part of their
pipeline's, a pipeline part of the account's.
"""

from typing import Final, Self

import numpy as np
import polars as pl

from forecasting.features import Landmarks
from forecasting.tracks import Floats, Ints

FOLLOWED: Final = np.concatenate(
    [np.arange(0, 28), np.arange(28, 182, 7), np.arange(182, 729, 28)]
).astype(float)
"""Days after the landmark at which the curves are known; straight lines between."""

AGES: Final = np.array([0, 0.5, 1, 2, 3, 5, 7, 10, 14, 21, 28, 42, 60, 90, 135, 200, 365])
"""Where the classes of time in stage begin, in days: each about half as long again."""

PRIOR_DEALS: Final = 10.0
"""How many deals' worth of the wider curve are mixed into a narrower one."""


class Curves:
    """Cumulative chances of being won and of being lost, one row per cell, on `FOLLOWED`."""

    def __init__(self, won: Floats, lost: Floats) -> None:
        self.won = won
        self.lost = lost

    def by(self, cell: Ints, days: float) -> Floats:
        """P(won within `days`) of each `cell`; flat after the last day that is known."""
        upper = int(np.searchsorted(FOLLOWED, days, "left"))
        if upper >= len(FOLLOWED):
            return np.asarray(self.won[cell, -1])
        if upper == 0:
            return np.zeros(len(cell))
        share = (days - FOLLOWED[upper - 1]) / (FOLLOWED[upper] - FOLLOWED[upper - 1])
        before, after = self.won[cell, upper - 1], self.won[cell, upper]
        return np.asarray(before * (1 - share) + after * share)


def curves(
    cell: Ints,
    cells: int,
    days: Floats,
    won: np.ndarray,
    lost: np.ndarray,
    deals: Floats,
    wider: "Curves | None" = None,
    wider_cell: Ints | None = None,
    prior: float = PRIOR_DEALS,
) -> Curves:
    """Aalen-Johansen curves per cell. `deals`: per cell how many deals its rows are of, in which
    unit the `wider` curves are mixed in.
    """
    bins = len(FOLLOWED) - 1
    place = np.clip(np.searchsorted(FOLLOWED, days, "right") - 1, 0, bins)
    size = cells * (bins + 1)

    def counted(which: np.ndarray, parts: Floats | None = None) -> Floats:
        flat = np.bincount(cell[which] * (bins + 1) + place[which], parts, minlength=size)
        return flat.reshape(cells, bins + 1).astype(float)

    still = ~(won | lost)
    wins, losses, open_still = counted(won), counted(lost), counted(still)
    ends = wins + losses + open_still
    at_risk = ends[:, ::-1].cumsum(1)[:, ::-1]
    # where the watching stops within a step, the deal was at risk for that part of it
    reached = place[still]
    width = np.append(np.diff(FOLLOWED), 1.0)[reached]
    watched = np.minimum((days[still] - FOLLOWED[reached]) / width, 1.0)
    exposed = (at_risk - open_still + counted(still, watched))[:, :bins]
    rows = np.maximum(at_risk[:, :1], 1e-12)
    scale = (deals[:, None] / rows) if wider is not None else np.ones((cells, 1))
    won_in, lost_in, exposed = wins[:, :bins] * scale, losses[:, :bins] * scale, exposed * scale
    if wider is not None and wider_cell is not None:
        before = 1 - wider.won[wider_cell, :-1] - wider.lost[wider_cell, :-1]
        won_in = won_in + prior * np.diff(wider.won[wider_cell], axis=1)
        lost_in = lost_in + prior * np.diff(wider.lost[wider_cell], axis=1)
        exposed = exposed + prior * np.maximum(before, 0)
    exposed = np.maximum(exposed, 1e-12)
    hazard_won, hazard_lost = won_in / exposed, lost_in / exposed
    left = np.maximum(1 - hazard_won - hazard_lost, 0)
    alive = np.concatenate([np.ones((cells, 1)), np.cumprod(left, 1)], 1)[:, :-1]
    start = np.zeros((cells, 1))
    return Curves(
        np.concatenate([start, np.cumsum(alive * hazard_won, 1)], 1),
        np.concatenate([start, np.cumsum(alive * hazard_lost, 1)], 1),
    )


def shifted(known: Curves, days: float) -> Curves:
    """What the curves say of a deal that is still open after `days`."""
    past = np.array([days])
    cells = np.arange(len(known.won))

    def after(which: Floats) -> Floats:
        at = np.minimum(FOLLOWED + past, FOLLOWED[-1])
        return np.array([np.interp(at, FOLLOWED, row) for row in which]).reshape(which.shape)

    won, lost = after(known.won), after(known.lost)
    still = np.maximum(1 - won[cells, :1] - lost[cells, :1], 1e-9)
    return Curves((won - won[:, :1]) / still, (lost - lost[:, :1]) / still)


class ConversionTable:
    """Learned from landmarks; looked up by stage and time in stage.

    After `fit`: `curves_` with a row per cell. Cells of one stage lean on each other: a class of
    time in stage takes as its wider curve what the class before it says of deals that are still
    open, for long stays are rare and those of dead deals are not yet followed for long. Deals whose
    stage nobody knows are a stage of their own, with the time since their creation; a stage never
    seen before, or an unknown time in one, takes the next wider curve.
    """

    def __init__(self, prior_deals: float = PRIOR_DEALS) -> None:
        self.prior_deals = prior_deals

    def fit(self, known: Landmarks) -> Self:
        self._found: list[Curves] = []
        frame = known.facts.select("pipeline_id", "stage_id").with_columns(row=known.row)
        account = self._level(known, np.zeros(frame.height, np.int64), 1, frame)
        self.pipelines_, pipeline = _index(frame, ["pipeline_id"])
        wider = np.zeros(self.pipelines_.height, np.int64)
        found = self._level(known, pipeline, self.pipelines_.height, frame, account, wider)
        self.stages_, stage = _index(frame, ["pipeline_id", "stage_id"])
        wider = _index_of(self.stages_, self.pipelines_)
        found = self._level(known, stage, self.stages_.height, frame, found, wider)
        same = np.arange(self.stages_.height)
        age = _age_class(known.facts)
        for number, begins in enumerate(AGES):
            if number:
                found = shifted(found, float(begins - AGES[number - 1]))
            inside = np.where(age == number, stage, -1)
            found = self._level(known, inside, self.stages_.height, frame, found, same)
        self.curves_ = Curves(
            np.concatenate([each.won for each in self._found]),
            np.concatenate([each.lost for each in self._found]),
        )
        return self

    def _level(
        self,
        known: Landmarks,
        cell: Ints,
        cells: int,
        frame: pl.DataFrame,
        wider: Curves | None = None,
        wider_cell: Ints | None = None,
    ) -> Curves:
        """The curves of one level, kept after those of the levels before; -1 = in no cell."""
        inside = np.flatnonzero(cell >= 0)
        each = np.unique(cell[inside] * (len(frame) + known.row.max() + 1) + known.row[inside])
        deals = np.bincount(each // (len(frame) + known.row.max() + 1), minlength=cells)
        found = curves(
            cell[inside],
            cells,
            known.days[inside],
            known.won[inside],
            known.lost[inside],
            deals.astype(float),
            wider,
            wider_cell,
            self.prior_deals,
        )
        self._found.append(found)
        return found

    def cells(self, facts: pl.DataFrame) -> Ints:
        """The narrowest cell that each deal belongs to."""
        pipelines, stages = self.pipelines_.height, self.stages_.height
        pipeline = _index_of(facts, self.pipelines_)
        stage = _index_of(facts, self.stages_)
        age = _age_class(facts)
        by_pipeline = np.where(pipeline >= 0, 1 + pipeline, 0)
        by_stage = 1 + pipelines + stage + np.where(age >= 0, (1 + age) * stages, 0)
        return np.asarray(np.where(stage >= 0, by_stage, by_pipeline))


def _age_class(facts: pl.DataFrame) -> Ints:
    """Which class of time in stage, -1 where it is unknown."""
    days = facts["stage_paced"].fill_null(np.nan).to_numpy()
    classes = np.searchsorted(AGES, np.nan_to_num(days, nan=0.0), "right") - 1
    return np.asarray(np.where(np.isnan(days), -1, np.maximum(classes, 0)))


def _index(frame: pl.DataFrame, keys: list[str]) -> tuple[pl.DataFrame, Ints]:
    """The different values of `keys`, sorted, and which of them each row has."""
    index = frame.select(keys).unique().sort(keys)
    return index, _index_of(frame, index)


def _index_of(frame: pl.DataFrame, index: pl.DataFrame) -> Ints:
    """Which row of `index` each row of `frame` is of, -1 for none."""
    keys = index.columns
    numbered = index.with_row_index("number")
    found = frame.select(keys).join(
        numbered, on=keys, how="left", nulls_equal=True, maintain_order="left"
    )
    return found["number"].cast(pl.Int64).fill_null(-1).to_numpy()
