"""The forecast methods. Importing this package fills the register."""

from forecasting.methods.base import METHODS, ForecastMethod, NotFittedError, weighted_amount
from forecasting.methods.opportunity_stage import OpportunityStage

__all__ = ["METHODS", "ForecastMethod", "NotFittedError", "OpportunityStage", "weighted_amount"]
