"""What every forecast method offers, and the register of them."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol, Self, TypeVar

import polars as pl

PREDICTION_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "win_probability": pl.Float64,  # 0-1; null = nothing to state it from
    "weighted_amount": pl.Float64,  # home currency; null where amount or probability is
    "probability_source": pl.String,  # where the probability comes from, see the method's page
    "sample": pl.Int64,  # decided deals it was learned from; null = not learned
    "sample_won": pl.Int64,  # how many of them were won
}
"""One row per open deal."""


class NotFittedError(ValueError):
    """`predict` was called before `fit`."""


class ForecastMethod(Protocol):
    """A way to forecast. The constructor takes parameters and does no work; what `fit` learns is
    named with a trailing underscore; frames given are never changed.
    """

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        """What the constructor was told, for the record."""

    def fit(
        self, deals: pl.DataFrame, changes: pl.DataFrame, stages: pl.DataFrame, *, as_of: datetime
    ) -> Self:
        """Learn from what was known at `as_of`."""

    def predict(self, deals: pl.DataFrame) -> pl.DataFrame:
        """The open deals among `deals`, as `PREDICTION_SCHEMA`. NotFittedError before `fit`."""


METHODS: Final[dict[str, Callable[..., ForecastMethod]]] = {}
"""Method by name; `METHODS["opportunity_stage"](probabilities="learned")` makes one."""

_Made = TypeVar("_Made", bound=Callable[..., ForecastMethod])


def register(name: str) -> Callable[[_Made], _Made]:
    """Class decorator that adds a method to `METHODS`; ValueError for a name already taken."""

    def add(method: _Made) -> _Made:
        if name in METHODS:
            raise ValueError(f"there is already a method {name!r}")
        METHODS[name] = method
        return method

    return add


_Number = TypeVar("_Number", float, pl.Expr)


def weighted_amount(amount: _Number, probability: _Number) -> _Number:
    """Amount times stated probability (0-1): 1,000 at 0.40 is 400."""
    return amount * probability
