"""The conversion table: P(won within u days | stage, time in stage), from the account's past."""

from typing import Self

import numpy as np
import polars as pl

from forecasting.features import Landmarks
from forecasting.positions import positions
from forecasting.stage_chain import GRID, PRIOR_EXITS, StageChain
from forecasting.tracks import Floats, Ints


class ConversionTable:
    """Learned from the stays that come with landmarks; looked up by stage and time in stage.

    Deals whose stage nobody knows are a stage of their own, with the time since their creation; a
    stage that no deal of the past was in, or an unknown time in one, takes what the table says of
    the past's open deals on average: of that stage, that pipeline, or all.
    """

    def __init__(self, prior_exits: float = PRIOR_EXITS) -> None:
        self.prior_exits = prior_exits

    def fit(self, known: Landmarks) -> Self:
        self.stages_ = known.exits.stages
        self.chain_ = StageChain(self.prior_exits).fit(known.exits)
        self._past = _Placed(known.facts, self.stages_)
        self._usual: dict[float, tuple[Floats, Floats, float]] = {}
        return self

    def chances(self, facts: pl.DataFrame, horizon: float) -> Floats:
        """P(won within `horizon` paced days) per row; needs pipeline_id, stage_id, stage_paced."""
        placed = _Placed(facts, self.stages_)
        chance = np.full(facts.height, self.usual(horizon))
        by_stage, by_pipeline, _ = self._averages(horizon)
        piped = placed.pipeline >= 0
        chance[piped] = by_pipeline[placed.pipeline[piped]]
        staged = placed.stage >= 0
        chance[staged] = by_stage[placed.stage[staged]]
        timed = placed.timed
        chance[timed] = self.chain_.by(placed.stage[timed], placed.days[timed], horizon)
        return chance

    def usual(self, horizon: float) -> float:
        """P(won within `horizon` paced days) of the past's open deals on average."""
        return self._averages(horizon)[2]

    def curves(self, facts: pl.DataFrame) -> Floats:
        """`chances` within each of `GRID` days: rows x days."""
        self.chain_.foresee()
        return np.column_stack([self.chances(facts, float(days)) for days in GRID])

    def _averages(self, horizon: float) -> tuple[Floats, Floats, float]:
        """By stage, by pipeline, and of all; the wider one's where a stage has no timed row."""
        if horizon not in self._usual:
            past = self._past
            rows = np.flatnonzero(past.timed)
            chance = self.chain_.by(past.stage[rows], past.days[rows], horizon)
            overall = float(chance.mean()) if rows.size else 0.0
            by_pipeline = _means(chance, past.pipeline[rows], past.pipelines, overall)
            wider = by_pipeline[past.pipeline_of_stage]
            by_stage = _means(chance, past.stage[rows], self.stages_.height, wider)
            self._usual[horizon] = by_stage, by_pipeline, overall
        return self._usual[horizon]


class _Placed:
    """Where rows stand among known stages: numbers of stage and pipeline, -1 for none, and days.

    A row that does not tell its pipeline is in that of its stage, where one alone has it.
    """

    def __init__(self, facts: pl.DataFrame, stages: pl.DataFrame) -> None:
        pipelines = stages.select("pipeline_id").unique(maintain_order=True)
        self.pipelines = pipelines.height
        alone = stages.filter(pl.col("stage_id").is_not_null() & pl.col("stage_id").is_unique())
        place = np.append(positions(alone, stages), -1)  # -1, the last one, is of none
        by_itself = place[positions(facts, alone.select("stage_id"))]
        untold = facts["pipeline_id"].is_null().to_numpy() & (by_itself >= 0)
        self.stage = np.where(untold, by_itself, positions(facts, stages))
        self.pipeline_of_stage = positions(stages, pipelines)
        self.pipeline = np.where(
            self.stage >= 0,
            np.append(self.pipeline_of_stage, -1)[self.stage],
            positions(facts, pipelines),
        )
        days = facts["stage_paced"].fill_null(np.nan).to_numpy()
        self.timed = (self.stage >= 0) & ~np.isnan(days)
        self.days = np.maximum(np.nan_to_num(days), 0.0)


def _means(values: Floats, group: Ints, groups: int, otherwise: Floats | float) -> Floats:
    """Per group the mean of its values, `otherwise` where it has none."""
    count = np.bincount(group, minlength=groups)
    total = np.bincount(group, values, minlength=groups)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)
