"""How long a sale takes in each stage, learned from the deals that were won."""

from typing import Final

import polars as pl

PRIOR_STAYS: Final = 10.0
"""How many stays' worth of the wider figure are mixed into a narrower one."""

_STAGE: Final = ("connection", "pipeline_id", "stage_id")
_SHARES: Final = {"median_days": 0.5, "p75_days": 0.75, "p90_days": 0.9}
_OF_MEDIAN: Final = {"median_days": 1.0, "p75_days": 2.0, "p90_days": 3.321928094887362}
"""What a memoryless stay has for its quantiles, as multiples of its median: -log2(1 - share)."""


def stage_norms(
    stays: pl.DataFrame,
    stages: pl.DataFrame,
    *,
    default_days: float = 14.0,
    prior_stays: float = PRIOR_STAYS,
) -> pl.DataFrame:
    """Per open stage, how many days won deals stayed in it; one row per open stage of `stages`.

    `stays` as `history.stage_stays` gives them; only finished stays of won deals are read, each
    visit counted by itself. Columns: connection, pipeline_id, stage_id, pipeline, stage,
    median_days, p75_days, p90_days, won_p90_days, sample, pipeline_sample.

    The three quantiles are never null: with n stays in the stage and N in its pipeline,
    `(n q_stage + k q_pipeline) / (n + k)`, k = `prior_stays`, where q_pipeline is shrunk in the
    same way towards `default_days` as the median of a memoryless stay. `won_p90_days` is the
    stage's own, unshrunk; null where `sample` (n) is 0. ValueError unless `prior_stays` > 0.
    """
    if not prior_stays > 0:
        raise ValueError(f"prior_stays is {prior_stays}: it has to be above 0")
    open_stages = stages.filter(~pl.col("is_closed")).unique(_STAGE, keep="first")
    finished = (pl.col("outcome") == "won") & pl.col("left_at").is_not_null()
    won = (
        stays.select(*_STAGE, "days", finished=finished)
        .filter("finished")
        .join(open_stages, on=_STAGE, how="semi")
    )
    own = won.group_by(_STAGE).agg(pl.len().alias("sample"), *_quantiles("stage"))
    wider = won.group_by("connection", "pipeline_id").agg(
        pl.len().alias("pipeline_sample"), *_quantiles("pipeline")
    )
    return (
        open_stages.join(own, on=_STAGE, how="left")
        .join(wider, on=("connection", "pipeline_id"), how="left")
        .with_columns(pl.col("sample", "pipeline_sample").fill_null(0).cast(pl.Int64))
        .sort("connection", "pipeline_id", "position", "stage_id")
        .select(
            *_STAGE,
            "pipeline",
            "stage",
            *(_shrunk(name, default_days, prior_stays) for name in _SHARES),
            pl.col("stage_p90_days").alias("won_p90_days"),
            "sample",
            "pipeline_sample",
        )
    )


def _quantiles(prefix: str) -> list[pl.Expr]:
    return [
        pl.col("days").quantile(share, "linear").alias(f"{prefix}_{name}")
        for name, share in _SHARES.items()
    ]


def _shrunk(name: str, default_days: float, prior: float) -> pl.Expr:
    def towards(own: str, sample: str, wider: pl.Expr) -> pl.Expr:
        count = pl.col(sample)
        return (count * pl.col(own).fill_null(0.0) + prior * wider) / (count + prior)

    default = pl.lit(default_days * _OF_MEDIAN[name])
    pipeline = towards(f"pipeline_{name}", "pipeline_sample", default)
    return towards(f"stage_{name}", "sample", pipeline).alias(name)
