"""Forecast accuracy on public data: every method beside what anyone could say without one.

Walk-forward. Origins each Monday (month starts for monthly data) from the first won deal on; only
what was dated before the origin is known. Scored are the origins that have eight finished horizons
behind them (13 on maven, three years for the monthly series), all methods on the same ones: there
the naive methods score what was published for them. The combination and every interval know
finished origins alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import numpy as np
import polars as pl
from rich.table import Table

from bench import datasets
from bench.datasets import Account
from bench.naive import NAIVE, Naive
from forecasting import accuracy, backtest
from forecasting.intervals import chance_floor
from forecasting.methods.base import METHODS, ForecastMethod
from forecasting.periods import Period, PeriodKind
from forecasting.snapshot import History

SEED = 20120314
COMBINED = ("combination", "weighted")


@dataclass(frozen=True, slots=True)
class Case:
    """One data set, its horizons and how its origins lie."""

    name: str
    account: Callable[[], Account]
    every: Literal["week", "month"]
    periods: backtest.PeriodsOf
    horizons: tuple[str, ...]
    warm_up: int = 8
    methods: tuple[str, ...] = ()


def months_ahead(count: int) -> backtest.PeriodsOf:
    """A window of `count` months from a month start."""

    def periods(origin: date) -> list[Period]:
        years, month0 = divmod(origin.month - 1 + count, 12)
        return [Period(origin, date(origin.year + years, month0 + 1, 1), PeriodKind.WINDOW)]

    return periods


def _this_month(origin: date) -> list[Period]:
    return backtest.calendar(PeriodKind.MONTH)(origin)[:1]


WEEKS = backtest.windows(7, 28)


def cases() -> Iterator[Case]:
    """The cases whose data is present."""
    present = datasets.available()
    if "bpic2012" in present:
        yield Case("bpic2012", datasets.bpic2012, "week", WEEKS, ("1 week", "4 weeks"))
        for share in (0.25, 0.5):
            name = f"bpic2012, {share:.0%} of lost deals left open"
            yield Case(name, _forgetful(share), "week", WEEKS, ("1 week", "4 weeks"))
    if "maven" in present:
        # a quarter: deals are won from March on, and the first weeks are a company's start
        yield Case("maven", datasets.maven, "week", WEEKS, ("1 week", "4 weeks"), warm_up=13)
    if "olga" in present:
        yield Case("olga", datasets.olga, "month", _this_month, ("1 month",))
    if "series" in present:
        for name in datasets.SERIES:
            yield Case(
                f"series {name}",
                _one_series(name),
                "month",
                months_ahead(3),
                ("3 months",),
                warm_up=36,
                methods=("historical",),
            )


def lineup() -> list[ForecastMethod]:
    """Every registered method in the variants that need no person's word."""
    chosen: dict[str, list[dict[str, Any]]] = {
        "opportunity_stage": [{"probabilities": "learned"}],
        "historical": [
            {"model": model} for model in ("mean", "smoothed", "last_year", "last_quarter")
        ],
        "multivariable": [{"learned": "table"}, {"learned": "additive"}],
    }
    return [METHODS[name](**told) for name in chosen if name in METHODS for told in chosen[name]]


def _forgetful(share: float) -> Callable[[], Account]:
    return lambda: datasets.left_open(datasets.bpic2012(), share, seed=SEED)


def _one_series(name: str) -> Callable[[], Account]:
    return lambda: datasets.series(name)


def run(case: Case, methods: Sequence[ForecastMethod] | None = None) -> list[dict[str, Any]]:
    """Per horizon: `totals` (a row per method), `deals`, the naive interval beside ours, the floor
    of chance, and seconds.
    """
    account = case.account()
    chosen = [m for m in methods or lineup() if m.name in case.methods or not case.methods]
    history = History(
        account.deals, account.changes, account.stages, account.owners, zone=datasets.ZONE
    )
    origins = backtest.origins(_first_win(account), account.last, case.every)
    until = account.last + timedelta(days=1)
    origins = [day for day in origins if case.periods(day)[0].end <= until]
    started = time.perf_counter()
    everyone = [*chosen, *(Naive(variant) for variant in NAIVE)]
    results, chances = _played(history, everyone, origins, case.periods)
    seconds = time.perf_counter() - started
    periods = backtest.periods_in(results)
    actual = backtest.actuals(account.deals, periods, until=until, segments=("total",))
    table = _with_all_intervals(results, actual, chosen)
    found = []
    lengths = _lengths(case, origins[0])
    for which, (days, horizon) in enumerate(zip(lengths, case.horizons, strict=True)):
        scored_from = _scored_from(case, origins, which)
        inside = pl.col("origin") >= scored_from
        rows = accuracy.scored(table.filter(inside), actual)
        rows = _told(rows.filter(_near(pl.col("days_left"), days)), table)
        length = (pl.col("period_end") - pl.col("period_start")).dt.total_days()
        found.append(
            {
                "data": case.name,
                "horizon": horizon,
                "origins": rows["origin"].n_unique(),
                "from": str(rows["origin"].min()),
                "to": str(rows["origin"].max()),
                "floor": _floor(account, rows),
                "totals": accuracy.of_totals(rows).to_dicts(),
                "naive_interval": _naive_interval(rows, results, actual, days),
                "deals": _per_deal(chances, _near(length, days), scored_from),
                "seconds": round(seconds, 1),
            }
        )
    return found


def _first_win(account: Account) -> date:
    won = account.deals.filter(pl.col("status") == "won")["closed_on"].min()
    assert isinstance(won, date)
    return won


def _scored_from(case: Case, origins: Sequence[date], which: int) -> date:
    """The first origin with `warm_up` finished forecasts of that horizon behind it."""
    over = case.periods(origins[case.warm_up - 1])[which].end
    return next((origin for origin in origins if origin >= over), origins[-1])


def _played(
    history: History,
    methods: Sequence[ForecastMethod],
    origins: Sequence[date],
    periods: backtest.PeriodsOf,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    played = list(
        backtest.run(history, methods, origins, periods, segments=("total",), with_deals=True)
    )
    chances = pl.concat(
        [
            made.deals.with_columns(pl.lit(made.origin).alias("origin"))
            for made in played
            if made.deals is not None
        ]
    )
    return backtest.gathered(played), chances


def _with_all_intervals(
    results: pl.DataFrame, actual: pl.DataFrame, methods: Sequence[ForecastMethod]
) -> pl.DataFrame:
    """Every method with intervals of its own record; the combination in both ways; the naive ones
    without.
    """
    own = results.filter(pl.col("method") != "naive")
    keys = [(method.name, method.variant) for method in methods]
    parts = [backtest.intervals_of(own, actual, key) for key in keys]
    for how in ("weighted", "chosen"):
        made = backtest.combined(own, actual, how=how)
        parts.append(made.with_columns(pl.lit(how).alias("variant")))
    parts.append(results.filter(pl.col("method") == "naive"))
    return pl.concat(parts, how="diagonal")


def _told(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Without naive forecasts that reach back before the data begin."""
    key = ("origin", "method", "variant", "period_end")
    reached = pl.col("note").fill_null("").str.starts_with("not_enough_history")
    void = table.filter(reached & (pl.col("method") == "naive")).select(key)
    return rows.join(void, on=key, how="anti")


def _lengths(case: Case, origin: date) -> list[int]:
    return [(period.end - period.start).days for period in case.periods(origin)]


def _near(days: pl.Expr, length: int) -> pl.Expr:
    """Months differ in length."""
    return days.is_between(length - 3, length + 3)


def _floor(account: Account, rows: pl.DataFrame) -> float | None:
    """What chance alone costs with as many wins in a period as the scored ones had."""
    spans = rows.select("period_start", "period_end").unique()
    won = account.deals.filter(pl.col("status") == "won").select("closed_on", "amount")
    inside = won.join_where(
        spans,
        pl.col("closed_on") >= pl.col("period_start"),
        pl.col("closed_on") < pl.col("period_end"),
    )
    if spans.height == 0:
        return None
    return chance_floor(inside["amount"].to_numpy(), inside.height / spans.height).wape


def _naive_interval(
    rows: pl.DataFrame, results: pl.DataFrame, actual: pl.DataFrame, days: int
) -> dict[str, Any] | None:
    """The best naive method with an interval of its own past errors, widened or narrowed as a whole
    until it covers what the combination's covers: only then do widths compare.
    """
    ours = rows.filter((pl.col("method") == COMBINED[0]) & (pl.col("variant") == COMBINED[1]))
    naive = accuracy.of_totals(rows.filter(pl.col("method") == "naive")).sort("wape")
    naive = naive.filter(pl.col("origins") == ours.height)
    if naive.height == 0 or ours.height == 0:
        return None
    variant = naive["variant"][0]
    past = accuracy.scored(results.filter(pl.col("variant") == variant), actual).filter(
        (pl.col("method") == "naive") & _near(pl.col("days_left"), days)
    )
    errors = (past["actual"] - past["forecast"]).to_numpy() ** 2
    origin, end = past["origin"].to_numpy(), past["period_end"].to_numpy()
    finished = end[None, :] <= origin[:, None]
    spread = np.sqrt(finished @ errors / np.maximum(finished.sum(axis=1), 1))
    told = past.select("origin", "actual", "forecast").with_columns(pl.Series("spread", spread))
    told = told.join(ours.select("origin"), on="origin", how="semi").filter(pl.col("spread") > 0)
    needed = ((told["actual"] - told["forecast"]).abs() / told["spread"]).sort().to_numpy()
    covered = accuracy.of_totals(ours)["coverage"][0]
    if not needed.size or covered is None:
        return None
    factor = needed[max(int(np.ceil(covered * needed.size)), 1) - 1]
    width = 2 * factor * told["spread"].sum() / told["actual"].sum()
    return {"variant": variant, "coverage": covered, "width": float(width), "origins": needed.size}


def _per_deal(chances: pl.DataFrame, horizon: pl.Expr, since: date) -> list[dict[str, Any]]:
    rows = chances.filter((pl.col("origin") >= since) & horizon)
    return accuracy.of_deals(rows).filter(pl.col("by_sample") > 0).to_dicts() if rows.height else []


def tables(found: dict[str, Any]) -> Iterator[Table]:
    """The totals of one horizon, best first, and the chances per deal."""
    floor = found["floor"]
    about = f"{found['origins']} origins {found['from']} to {found['to']}"
    title = f"{found['data']}, {found['horizon']}: {about}; chance alone {_figure(floor)}"
    yield _table(
        title,
        ("method", "variant", "WAPE", "bias", "pinball", "coverage", "width", "origins"),
        [
            (
                row["method"],
                row["variant"],
                *(_figure(row.get(n)) for n in ("wape", "bias", "pinball", "coverage", "width")),
                str(row["origins"]),
            )
            for row in sorted(found["totals"], key=lambda row: row["wape"] or 0.0)
        ],
    )
    if found["deals"]:
        names = ("by_auc", "by_ece", "by_brier", "by_skill", "by_log_loss", "won_auc", "won_ece")
        yield _table(
            "per deal: won by the end of the horizon, and won at all",
            ("method", "variant", "AUC", "ECE", "Brier", "skill", "log loss", "AUC won", "ECE won"),
            [
                (row["method"], row["variant"], *(_figure(row[name]) for name in names))
                for row in found["deals"]
            ],
        )


def summary(results: Sequence[dict[str, Any]]) -> Iterator[Table]:
    """WAPE of every method over all data sets and horizons, and the intervals beside those
    of the best naive method at the same coverage.
    """
    wapes: dict[tuple[str, str], dict[int, str]] = {}
    for place, found in enumerate(results):
        for row in found["totals"]:
            wapes.setdefault((row["method"], row["variant"]), {})[place] = _figure(row["wape"])
    names = [f"{found['data']}, {found['horizon']}" for found in results]
    places = range(len(names))
    floors = ("chance alone", "", *(_figure(found["floor"]) for found in results))
    order = sorted(wapes, key=lambda key: (key[0] == COMBINED[0], key[0] != "naive", key))
    yield _table(
        "WAPE of the period's total",
        ("method", "variant", *names),
        [floors, *((*key, *(wapes[key].get(n, "") for n in places)) for key in order)],
    )
    yield _table(
        "80 % intervals of the combination",
        ("data", "naive", "coverage", "width", "naive width at that coverage"),
        [
            (name, told["variant"], *map(_figure, _interval(found, told)))
            for name, found in zip(names, results, strict=True)
            if (told := found["naive_interval"]) is not None
        ],
    )


def _interval(found: dict[str, Any], naive: dict[str, Any]) -> tuple[float, float, float]:
    (ours,) = (row for row in found["totals"] if (row["method"], row["variant"]) == COMBINED)
    return ours["coverage"], ours["width"], naive["width"]


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in headings[:2] else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
