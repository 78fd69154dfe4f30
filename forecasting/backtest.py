"""Back-test: what each method would have said at past origins, and how right it was.

At each origin every method is fitted afresh and asked about the same snapshot, which holds nothing
from after the origin. What became of it is read from the final deals, for scoring alone. An
origin's result never changes once made: keep it under `Definition.hash`, skip it next time.
Protocol and scores: docs/methods/backtest.md.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

import polars as pl

from forecasting.combination import (
    LAST,
    RECORD_SCHEMA,
    How,
    MethodKey,
    Weights,
    able_methods,
    combine,
    residuals,
    weigh,
)
from forecasting.history import KEY
from forecasting.intervals import Shock, common_shock, regularity, with_intervals
from forecasting.methods.base import TOTALS_SCHEMA, ForecastMethod
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.segments import ALL_SEGMENTS, SEGMENT_OF, SegmentKind
from forecasting.snapshot import History

VERSION: Final = 8
"""Of what an origin's result means; raised when methods or this module change their figures."""

YEAR: Final = 52
"""Finished weekly origins that tell how regular a business is, which changes slowly."""

PeriodsOf = Callable[[date], Sequence[Period]]
_PERIOD: Final = ("period_kind", "period_start", "period_end")


@dataclass(frozen=True, slots=True)
class Definition:
    """What was tested: methods with their parameters, segments, and the version of the figures."""

    methods: tuple[tuple[str, str, str], ...]
    segments: tuple[SegmentKind, ...]
    version: int = VERSION

    @classmethod
    def of(
        cls, methods: Iterable[ForecastMethod], segments: Sequence[SegmentKind] = ALL_SEGMENTS
    ) -> "Definition":
        told = (
            (m.name, m.variant, json.dumps(dict(m.parameters), sort_keys=True)) for m in methods
        )
        return cls(tuple(sorted(told)), tuple(sorted(segments)))

    @property
    def hash(self) -> str:
        """16 hex digits; the same for the same methods, parameters, segments and version."""
        told = json.dumps([self.version, self.methods, self.segments])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class OriginResult:
    """`totals`: method, variant and TOTALS_SCHEMA of every method at `origin`; `deals`: its open
    deals' chances (None unless asked for): method, variant, the period, win_probability,
    win_probability_by, won_by (won before period_end), won (null while undecided).
    """

    origin: date
    as_of: datetime
    definition: str
    totals: pl.DataFrame
    deals: pl.DataFrame | None


def origins(first: date, last: date, every: Literal["week", "month"] = "week") -> list[date]:
    """Mondays, or first days of months, from `first` to `last`, both included."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [day for day in days if (day.weekday() == 0 if every == "week" else day.day == 1)]


def windows(*lengths: int) -> PeriodsOf:
    """The next 7 days, the next 28 days, ...: a window from the origin on for each length."""
    return lambda origin: [
        Period(origin, origin + timedelta(days=length), PeriodKind.WINDOW) for length in lengths
    ]


def calendar(*kinds: PeriodKind) -> PeriodsOf:
    """The current and the next period of each kind."""

    def periods(origin: date) -> list[Period]:
        current = [period_of(origin, kind) for kind in kinds]
        return [period for first in current for period in (first, first.next())]

    return periods


def start_of(day: date, zone: str) -> datetime:
    """The instant at which the account's day begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def run(
    history: History,
    methods: Sequence[ForecastMethod],
    origins: Iterable[date],
    periods_of: PeriodsOf,
    *,
    segments: Sequence[SegmentKind] = ALL_SEGMENTS,
    stored: Collection[date] = (),
    with_deals: bool = False,
) -> Iterator[OriginResult]:
    """Each origin's result as it is made, in order; origins in `stored` are skipped.

    Origins are days; a snapshot is of the day's first instant in the account's zone. An origin
    without a single deal gives no result.
    """
    definition = Definition.of(methods, segments).hash
    for origin in sorted(set(origins) - set(stored)):
        as_of = start_of(origin, history.zone)
        snapshot = history.snapshot(as_of)
        if snapshot.deals.height == 0:
            continue
        periods = periods_of(origin)
        totals, chances = [], []
        for method in methods:
            fitted = method.fit(snapshot)
            named = _named(method)
            totals.append(fitted.totals(snapshot, periods, segments).select(*named, *TOTALS_SCHEMA))
            if with_deals:
                told = fitted.deals(snapshot, periods)
                chances.append(_with_outcome(told, history.deals).select(*named, pl.all()))
        yield OriginResult(
            origin, as_of, definition, pl.concat(totals), pl.concat(chances) if chances else None
        )


def _named(method: ForecastMethod) -> list[pl.Expr]:
    return [pl.lit(method.name).alias("method"), pl.lit(method.variant).alias("variant")]


def _with_outcome(told: pl.DataFrame, final: pl.DataFrame) -> pl.DataFrame:
    """The chances with what came of them; ids are dropped, a back-test holds millions of these."""
    won = pl.col("status") == "won"
    return told.join(final.select(*KEY, "status", "closed_on"), on=KEY, how="inner").select(
        *_PERIOD,
        "win_probability",
        "win_probability_by",
        (won & (pl.col("closed_on") < pl.col("period_end"))).fill_null(False).alias("won_by"),
        pl.when(pl.col("status") != "open").then(won).alias("won"),
    )


def actuals(
    deals: pl.DataFrame,
    periods: Iterable[Period],
    *,
    until: date,
    segments: Sequence[SegmentKind] = ALL_SEGMENTS,
) -> pl.DataFrame:
    """What was won in each period that is over by `until` (the first day not watched any more).

    `deals`: the final deal frame. Columns: the period, segment_kind, segment, actual, actual_deals.
    A segment without a won deal has no row, except the total.
    """
    won = deals.filter((pl.col("status") == "won") & pl.col("closed_on").is_not_null())
    measures = (
        pl.col("amount").sum().alias("actual"),
        pl.len().cast(pl.Int64).alias("actual_deals"),
    )
    parts = [
        _cut(
            won.filter(pl.col("closed_on").is_between(p.start, p.last_day)), kind, measures
        ).select(
            pl.lit(p.kind.value).alias("period_kind"),
            pl.lit(p.start).alias("period_start"),
            pl.lit(p.end).alias("period_end"),
            pl.lit(kind).alias("segment_kind"),
            pl.all(),
        )
        for p in sorted(set(periods))
        if p.end <= until
        for kind in segments
    ]
    empty = pl.DataFrame(schema=_ACTUAL_SCHEMA)
    return pl.concat([empty, *parts])


def _cut(won: pl.DataFrame, kind: SegmentKind, measures: Sequence[pl.Expr]) -> pl.DataFrame:
    if kind == "total":
        return won.select(pl.lit("").alias("segment"), *measures)
    return won.group_by(SEGMENT_OF[kind].alias("segment")).agg(*measures).sort("segment")


_ACTUAL_SCHEMA: Final = {
    "period_kind": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "segment_kind": pl.String,
    "segment": pl.String,
    "actual": pl.Float64,
    "actual_deals": pl.Int64,
}


def record(results: pl.DataFrame, actual: pl.DataFrame) -> pl.DataFrame:
    """RECORD_SCHEMA from `results` (`origin` and the totals' columns, of many origins)."""
    became = actual.filter(pl.col("segment_kind") == "total").select(*_PERIOD, "actual")
    return (
        results.filter(pl.col("segment_kind") == "total")
        .join(became, on=_PERIOD, how="left")
        .with_columns(
            expected_rest=pl.col("open_expected") + pl.col("new_expected"),
            variance_rest=pl.col("open_variance") + pl.col("new_variance"),
        )
        .select(*RECORD_SCHEMA)
    )


def gathered(results: Iterable[OriginResult]) -> pl.DataFrame:
    """The totals of many origins, each with its `origin`."""
    parts = [r.totals.select(pl.lit(r.origin).alias("origin"), pl.all()) for r in results]
    if not parts:
        schema = {"origin": pl.Date, "method": pl.String, "variant": pl.String, **TOTALS_SCHEMA}
        return pl.DataFrame(schema=schema)
    return pl.concat(parts)


def verdict(
    record: pl.DataFrame, totals: pl.DataFrame, origin: date, *, how: How = "weighted"
) -> dict[Period, Weights]:
    """Per period in `totals` (all methods at `origin`) which methods to use, by what `record` shows
    of origins finished before.
    """
    return {
        period: weigh(record, able_methods(totals, period), period=period, origin=origin, how=how)
        for period in periods_in(totals)
    }


def forecast(
    record: pl.DataFrame, totals: pl.DataFrame, origin: date, *, how: How = "weighted"
) -> pl.DataFrame:
    """The combination of `totals` at `origin` with its intervals, by what `record` shows: method,
    variant, TOTALS_SCHEMA, p10, p50, p90, shock_sd, shock_sample, interval_note.
    """
    weights = verdict(record, totals, origin, how=how)
    combined = combine(totals, weights)
    parts = {period: chosen.parts for period, chosen in weights.items()}
    return with_intervals(combined, _shocks(record, combined, origin, parts))


def shocks(
    record: pl.DataFrame, totals: pl.DataFrame, origin: date, method: MethodKey
) -> Mapping[Period, Shock]:
    """The common shock of each period in `totals`, from that method's own finished forecasts."""
    alone = {period: {method: 1.0} for period in periods_in(totals)}
    return _shocks(record, totals, origin, alone)


def _shocks(
    record: pl.DataFrame,
    totals: pl.DataFrame,
    origin: date,
    parts: Mapping[Period, Mapping[MethodKey, float]],
) -> Mapping[Period, Shock]:
    """The shocks of the methods weighted by `parts`."""
    found: dict[Period, Shock] = {}
    for period in periods_in(totals):
        weights = parts[period]
        recent, year = (
            residuals(record, period, origin, weights, last=last) for last in (LAST, YEAR)
        )
        fitted = max(len(weights) - 1, 0)
        shock = common_shock(recent, days_left=(period.end - origin).days, fitted=fitted)
        found[period] = replace(shock, regularity=regularity(year, shock.sd))
    return found


def combined(results: pl.DataFrame, actual: pl.DataFrame, *, how: How = "weighted") -> pl.DataFrame:
    """The combination as it would have been at each origin in `results`, one after the other, each
    knowing only what was finished by then: `origin` and the columns of `forecast`.
    """
    known = record(results, actual)
    parts: list[pl.DataFrame] = []
    for (origin,), totals in results.group_by("origin", maintain_order=True):
        assert isinstance(origin, date)
        made = forecast(known, totals.drop("origin"), origin, how=how)
        parts.append(made.select(pl.lit(origin).alias("origin"), pl.all()))
    return pl.concat(parts) if parts else results.clear()


def intervals_of(
    results: pl.DataFrame, actual: pl.DataFrame, method: tuple[str, str]
) -> pl.DataFrame:
    """One method's own forecasts with the intervals that its own record gives at each origin."""
    own = results.filter((pl.col("method") == method[0]) & (pl.col("variant") == method[1]))
    known = record(own, actual)
    parts = [
        with_intervals(totals, shocks(known, totals, origin, method))
        for (origin,), totals in own.group_by("origin", maintain_order=True)
        if isinstance(origin, date)
    ]
    return pl.concat(parts) if parts else own


def periods_in(totals: pl.DataFrame) -> list[Period]:
    """The periods that a frame of totals speaks of, in order."""
    rows = totals.select(*_PERIOD).unique().sort(*_PERIOD)
    return [Period(start, end, PeriodKind(kind)) for kind, start, end in rows.iter_rows()]
