"""The forecast methods. Importing this package fills the register."""

from forecasting.methods.base import METHODS, ForecastMethod, NotFittedError, weighted_amount
from forecasting.methods.historical import Historical
from forecasting.methods.intuitive import Intuitive
from forecasting.methods.multivariable import Multivariable
from forecasting.methods.opportunity_stage import OpportunityStage

__all__ = [
    "METHODS",
    "ForecastMethod",
    "Historical",
    "Intuitive",
    "Multivariable",
    "NotFittedError",
    "OpportunityStage",
    "weighted_amount",
]
