"""What calculations are given: the mirror as frames, the account's day, and the methods."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

import polars as pl

from forecasting import boosting
from forecasting.backtest import Definition
from forecasting.combination import ON_TRIAL, ORDER
from forecasting.history import KEY
from forecasting.methods import METHODS, ForecastMethod
from forecasting.snapshot import History
from sync.config.model import Config
from sync.errors import ConfigError
from sync.jobs.context import JobContext
from sync.mirror import frames, read


@dataclass(frozen=True, slots=True)
class Inputs:
    """One account as the mirror has it now; amounts in `currency`, days in `zone`."""

    deals: pl.DataFrame
    changes: pl.DataFrame
    stages: pl.DataFrame
    owners: pl.DataFrame
    as_of: datetime
    today: date
    zone: str
    currency: str

    def history(self) -> History:
        return History(self.deals, self.changes, self.stages, self.owners, zone=self.zone)

    def with_changes_of_open_deals(self) -> "Inputs":
        """Without most of what weighs most, for what looks at open deals alone: a history that was
        made before keeps what it needs of all.
        """
        opened = self.deals.filter(pl.col("status") == "open").select(KEY)
        return replace(self, changes=self.changes.join(opened, on=KEY, how="semi"))


def read_inputs(ctx: JobContext) -> Inputs:
    """Raises ConfigError where the connection has never been pulled."""
    account = read.account(ctx.engine, ctx.connection)
    if account is None:
        raise ConfigError(f"{ctx.connection} has never been pulled: run `dealpulse sync` first.")
    zone = ctx.config.time_zone or account.time_zone
    now = ctx.clock.now()
    return Inputs(
        deals=frames.deal_frame(
            ctx.engine,
            ctx.connection,
            zone=zone,
            home_currency=account.home_currency,
            rates=ctx.rates,
            rates_win=ctx.config.exchange_rates_win,
        ),
        changes=frames.change_frame(ctx.engine, ctx.connection),
        stages=frames.stage_frame(ctx.engine, ctx.connection),
        owners=frames.owner_frame(ctx.engine, ctx.connection),
        as_of=now,
        today=now.astimezone(ZoneInfo(zone)).date(),
        zone=zone,
        currency=account.home_currency,
    )


_VARIANT: Final = {
    "opportunity_stage": "probabilities",
    "intuitive": "reading",
    "historical": "model",
    "multivariable": "learned",
}
"""What each method calls the choice of its variant."""


def methods_of(config: Config) -> list[ForecastMethod]:
    """Every method with its variants, by the configuration; those on trial where installed."""
    prior = {"prior_deals": config.forecast.prior_deals}
    return [
        METHODS[name](**{_VARIANT[name]: variant}, **(prior if name == "opportunity_stage" else {}))
        for name, variant in (*ORDER, *(sorted(ON_TRIAL) if boosting.available() else ()))
        if name in METHODS
    ]


def definition_of(methods: Sequence[ForecastMethod], inputs: Inputs, config: Config) -> str:
    """What a back-test tests, as 16 hex digits: methods, parameters and the version of their
    figures, and what amounts and days are reckoned in. A change of any makes a new record.
    """
    rates = {currency: str(rate) for currency, rate in config.exchange_rates.items()}
    told = [Definition.of(methods).hash, inputs.zone, inputs.currency, sorted(rates.items())]
    if config.exchange_rates_win:
        told.append("exchange_rates_win")
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
