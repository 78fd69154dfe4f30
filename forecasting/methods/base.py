"""What every forecast method offers, and the register of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol, Self, TypeVar

import polars as pl

from forecasting.periods import Period
from forecasting.segments import ALL_SEGMENTS, SegmentKind
from forecasting.snapshot import Snapshot

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

DEALS_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "connection": pl.String,
    "deal_id": pl.String,
    "period_kind": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,  # the first day after
    "win_probability": pl.Float64,  # won at all; null = the method does not say
    "win_probability_by": pl.Float64,  # won before period_end; null = the deal cannot be placed
    "amount": pl.Float64,  # home currency, expected if it is won; null = nothing to state it from
    "amount_source": pl.String,  # deal | rep | imputed | none
}
"""One row per open deal and period."""

TOTALS_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "period_kind": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,  # the first day after
    "segment_kind": pl.String,
    "segment": pl.String,  # id or name, empty for the total and for deals without one
    "won_amount": pl.Float64,  # won inside the period by the instant of the snapshot
    "won_deals": pl.Int64,
    "open_expected": pl.Float64,  # from deals open then
    "open_variance": pl.Float64,
    "open_third_moment": pl.Float64,  # central
    "open_deals": pl.Int64,  # those that take part, however small their chance
    "new_expected": pl.Float64,  # from deals not yet created; 0 where the method leaves them out
    "new_variance": pl.Float64,
    "new_third_moment": pl.Float64,
    "forecast": pl.Float64,  # won + open + new
    "sample": pl.Int64,  # what it was learned from, in deals (historical: in past periods)
    "note": pl.String,  # null, or why it is not what was asked: "not_enough_history:<variant>"
    "left_out": pl.String,  # JSON, reason -> deals
}
"""One row per period and segment. Means, variances and third moments of segments of one kind add
up to those of the total: the parts are independent given the method.
"""


class NotFittedError(ValueError):
    """A method was asked before `fit`."""


class ForecastMethod(Protocol):
    """A way to forecast. The constructor takes parameters and does no work; what `fit` learns is
    named with a trailing underscore; frames given are never changed. Nothing looks past the
    snapshot's `as_of`.
    """

    @property
    def name(self) -> str: ...

    @property
    def variant(self) -> str: ...

    @property
    def parameters(self) -> Mapping[str, float | int | str]:
        """What the constructor was told, for the record."""

    def fit(self, snapshot: Snapshot) -> Self:
        """Learn from what was known then, from decided deals and from those still open."""

    def deals(self, snapshot: Snapshot, periods: Sequence[Period]) -> pl.DataFrame:
        """The open deals as `DEALS_SCHEMA`. NotFittedError before `fit`."""

    def totals(
        self,
        snapshot: Snapshot,
        periods: Sequence[Period],
        segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    ) -> pl.DataFrame:
        """The forecast of each period and segment as `TOTALS_SCHEMA`. NotFittedError before `fit`.

        A period that has begun counts what is won in it already and what is still to come.
        ValueError where the snapshot holds several connections.
        """


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
