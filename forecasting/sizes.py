"""Size classes of deals, by amount."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import polars as pl

_THIRDS: Final = (1 / 3, 2 / 3)


def size_bounds(deals: pl.DataFrame, configured: Sequence[float] = ()) -> list[float]:
    """Where one size class ends and the next begins, ascending, in home currency.

    As `configured`, else thirds of the amounts above 0, rounded to two digits. Empty where all
    amounts are alike, or none is known.
    """
    if configured:
        return sorted({float(bound) for bound in configured})
    amounts = deals.filter(pl.col("amount") > 0)["amount"]
    if amounts.is_empty():
        return []
    found = {
        float(f"{quantile:.2g}")
        for share in _THIRDS
        if (quantile := amounts.quantile(share, "linear")) is not None
    }
    low, high = amounts.min(), amounts.max()
    return sorted(bound for bound in found if low < bound <= high)  # type: ignore[operator]


def with_size_class(deals: pl.DataFrame, bounds: Sequence[float]) -> pl.DataFrame:
    """`deals` with size_class: "1" for the smallest, and so on; null without an amount.

    A deal as large as a bound belongs to the class above it.
    """
    reached = [(pl.col("amount") >= bound).cast(pl.Int64) for bound in bounds]
    number = pl.sum_horizontal(reached) + 1 if reached else pl.lit(1, pl.Int64)
    return deals.with_columns(
        size_class=pl.when(pl.col("amount").is_not_null()).then(number.cast(pl.String))
    )


def size_names(bounds: Sequence[float]) -> dict[str, str]:
    """`size_class` to its range, as in `50,000 - 200,000`; "" is that of deals without one."""

    def told(amount: float) -> str:
        return f"{amount:,.0f}"

    if not bounds:
        return {"1": "any amount", "": "(no amount)"}
    names = {"1": f"below {told(bounds[0])}"}
    for number, (low, high) in enumerate(pairwise(bounds), 2):
        names[str(number)] = f"{told(low)} - {told(high)}"
    names[str(len(bounds) + 1)] = f"{told(bounds[-1])} and above"
    return names | {"": "(no amount)"}
