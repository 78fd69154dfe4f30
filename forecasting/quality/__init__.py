"""Data quality: rules over open deals and those decided lately, their findings, and a score."""

from forecasting.quality.rules import (
    FINDING_SCHEMA,
    RESULT_SCHEMA,
    RULES,
    Examined,
    examine,
    find,
)
from forecasting.quality.score import score, segment_scores, weights_in_force
from forecasting.quality.settings import QualitySettings
from forecasting.staleness import silence

__all__ = [
    "FINDING_SCHEMA",
    "RESULT_SCHEMA",
    "RULES",
    "Examined",
    "QualitySettings",
    "examine",
    "find",
    "score",
    "segment_scores",
    "silence",
    "weights_in_force",
]
