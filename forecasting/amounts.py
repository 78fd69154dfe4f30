"""What a deal brings if it is won: its amount as history corrects it, or what such deals bring."""

from typing import Final, Self

import numpy as np
import polars as pl

from forecasting.features import Landmarks
from forecasting.history import KEY
from forecasting.snapshot import Snapshot

PRIOR_DEALS: Final = 10.0
"""How many deals' worth of "as stated", or of the account's average, are mixed in."""

_MOMENTS: Final = ("m1", "m2", "m3")


class Amounts:
    """Learned from won deals. After `fit`: `ratio_` (won amount / amount while open, by sum),
    `spread_` (variance of that ratio relative to its square), `won_` (won deals with an amount)
    and `by_type_`, the moments of won amounts per type, and `account_`, those of all; null where
    no won deal has an amount.
    """

    def fit(self, snapshot: Snapshot, known: Landmarks) -> Self:
        won = snapshot.deals.filter((pl.col("status") == "won") & (pl.col("amount") > 0)).select(
            *KEY, "deal_type", "amount"
        )
        self.won_ = won.height
        moments = [pl.col("amount").pow(power).mean().alias(f"m{power}") for power in (1, 2, 3)]
        self.account_ = won.select(*moments).row(0, named=True)
        self.by_type_ = (
            won.group_by("deal_type")
            .agg(pl.len().alias("deals"), *moments)
            .select(
                "deal_type",
                *(
                    (
                        (
                            pl.col("deals") * pl.col(name)
                            + PRIOR_DEALS * (self.account_[name] or 0.0)
                        )
                        / (pl.col("deals") + PRIOR_DEALS)
                    ).alias(name)
                    for name in _MOMENTS
                ),
            )
        )
        self._learn_ratio(known)
        return self

    def _learn_ratio(self, known: Landmarks) -> None:
        """From each won deal once: its mean amount while open against what it was won for."""
        pairs = (
            pl.DataFrame({"row": known.row, "then": known.facts["amount"], "won": known.amount_won})
            .with_columns(pl.col("won").fill_nan(None))
            .filter((pl.col("then") > 0) & (pl.col("won") > 0))
            .group_by("row")
            .agg(pl.col("then").mean(), pl.col("won").first())
        )
        then, won = pairs["then"].to_numpy(), pairs["won"].to_numpy()
        typical = (float(np.median(then)) if then.size else 1.0) * PRIOR_DEALS
        self.ratio_ = float((won.sum() + typical) / (then.sum() + typical))
        ratios = won / then
        # a typing error of three zeros is no spread of amounts
        inside = np.clip(ratios, 0, 5)
        spread = float(((inside / self.ratio_ - 1) ** 2).sum()) if inside.size else 0.0
        self.spread_ = spread / (inside.size + PRIOR_DEALS)

    def of(self, facts: pl.DataFrame) -> pl.DataFrame:
        """Per deal m1, m2, m3 (moments of its amount if won; null where nothing states one) and
        amount_source: deal | imputed | none. `facts` needs amount, amount_problem, deal_type.
        """
        priced = pl.col("amount").is_not_null()
        unpriced = ~priced & (pl.col("amount_problem").fill_null("") == "no_rate")
        own = pl.col("amount") * self.ratio_
        factors = {"m1": 1.0, "m2": 1 + self.spread_, "m3": 1 + 3 * self.spread_}
        usual = facts.select("deal_type").join(
            self.by_type_, on="deal_type", how="left", nulls_equal=True, maintain_order="left"
        )
        return (
            facts.select("amount", "amount_problem")
            .with_columns(usual.select(_MOMENTS).iter_columns())
            .select(
                *(
                    pl.when(priced)
                    .then(own.pow(power) * factors[f"m{power}"])
                    .when(~unpriced)
                    .then(pl.coalesce(f"m{power}", pl.lit(self.account_[f"m{power}"], pl.Float64)))
                    .alias(f"m{power}")
                    for power in (1, 2, 3)
                ),
                pl.when(priced)
                .then(pl.lit("deal"))
                .when(unpriced | (pl.lit(self.won_) == 0))
                .then(pl.lit("none"))
                .otherwise(pl.lit("imputed"))
                .alias("amount_source"),
            )
        )
