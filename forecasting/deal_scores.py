"""Chances of single deals scored origin by origin, so that a back-test can be resumed: each origin
leaves one small summary for each method and period, and summaries add up.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from forecasting import scores

_GROUP: Final = ("method", "variant", "period_kind", "period_start")


def summaries(chances: pl.DataFrame) -> pl.DataFrame:
    """One row per method and period of `OriginResult.deals`: `_GROUP` and `deals`, JSON with
    sample, won, auc (null where all or none were won), brier, log_loss, and bins: a list of
    [low edge, sample, mean chance, share won] (see `scores.reliability`).

    Of P(won by the period's end); deals that a method cannot place are left out.
    """
    known = chances.drop_nulls(("win_probability_by", "won_by")).sort(_GROUP)
    rows = [
        (*key, json.dumps(_summary(rows["won_by"], rows["win_probability_by"])))
        for key, rows in known.group_by(_GROUP, maintain_order=True)
    ]
    schema = {
        "method": pl.String,
        "variant": pl.String,
        "period_kind": pl.String,
        "period_start": pl.Date,
        "deals": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _summary(happened: pl.Series, probability: pl.Series) -> Mapping[str, Any]:
    came = happened.cast(pl.Float64)
    table = scores.reliability(came, probability)
    return {
        "sample": happened.len(),
        "won": int(came.sum()),
        "auc": scores.auc(came, probability),
        "brier": scores.brier(came, probability),
        "log_loss": scores.log_loss(came, probability),
        "bins": [list(row) for row in table.select("low", "sample", "said", "came").iter_rows()],
    }


def pooled(texts: Sequence[str]) -> dict[str, float | int | None]:
    """deals, auc, brier_skill, log_loss and ece over many summaries.

    AUC: within origins, weighted by the pairs compared; chances of different origins never meet.
    Skill: against the share won at each origin, which nobody could have known. None: no meaning.
    """
    known = [s for s in map(json.loads, texts) if s.get("sample")]
    sample = sum(s["sample"] for s in known)
    if not sample:
        return {"deals": 0, "auc": None, "brier_skill": None, "log_loss": None, "ece": None}
    lost = [s["won"] * (1 - s["won"] / s["sample"]) for s in known]  # of the share itself, squared
    brier = sum(s["brier"] * s["sample"] for s in known)
    pairs = [(s["auc"], s["won"] * (s["sample"] - s["won"])) for s in known if s["auc"] is not None]
    compared = sum(n for _, n in pairs)
    return {
        "deals": sample,
        "auc": sum(auc * n for auc, n in pairs) / compared if compared else None,
        "brier_skill": 1 - brier / sum(lost) if sum(lost) else None,
        "log_loss": sum(s["log_loss"] * s["sample"] for s in known) / sample,
        "ece": _calibration_error([row for s in known for row in s["bins"]], sample),
    }


def _calibration_error(bins: Sequence[Sequence[float]], sample: int) -> float:
    table = pl.DataFrame(bins, schema=["low", "sample", "said", "came"], orient="row").cast(
        pl.Float64
    )
    weighted = (pl.col("sample") * (pl.col("said") - pl.col("came"))).sum()
    gaps = table.group_by("low").agg(weighted.alias("gap"))
    return float(gaps["gap"].abs().sum()) / sample
