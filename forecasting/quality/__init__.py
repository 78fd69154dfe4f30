"""Data quality: rules over open deals, their findings, and a score."""

from forecasting.quality.activity import stale_days
from forecasting.quality.rules import FINDING_SCHEMA, RULES, find, fix, messages
from forecasting.quality.score import score, weights_in_force
from forecasting.quality.settings import QualitySettings

__all__ = [
    "FINDING_SCHEMA",
    "RULES",
    "QualitySettings",
    "find",
    "fix",
    "messages",
    "score",
    "stale_days",
    "weights_in_force",
]
