"""What every forecast method keeps, in every variant, on accounts as odd as they come."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from forecasting.methods import METHODS, ForecastMethod, NotFittedError
from forecasting.methods.base import DEALS_SCHEMA, TOTALS_SCHEMA
from forecasting.notes import Note
from forecasting.periods import Period, PeriodKind, period_of
from forecasting.segments import ALL_SEGMENTS
from forecasting.snapshot import History, Snapshot
from tests.forecasting.frames import (
    AS_OF,
    NO_CHANGES,
    OWNERS,
    STAGES,
    TODAY,
    ZONE,
    change,
    changes,
    deals,
    now,
    stage,
    stages,
    won_stays,
)

VARIANTS: dict[str, dict[str, list[str]]] = {
    "opportunity_stage": {"probabilities": ["crm", "learned", "category"]},
    "intuitive": {"reading": ["stated", "recalibrated"]},
    "historical": {"model": ["last_year", "last_quarter", "smoothed", "mean"]},
    "multivariable": {"learned": ["table", "additive", "boosted"]},
}
MAKERS: dict[str, Callable[[], ForecastMethod]] = {
    f"{name} {value}": (lambda name=name, key=key, value=value: METHODS[name](**{key: value}))  # type: ignore[misc]
    for name, told in VARIANTS.items()
    for key, values in told.items()
    for value in values
}
PERIODS = [
    period_of(TODAY, PeriodKind.MONTH),
    period_of(TODAY, PeriodKind.MONTH).next(),
    period_of(TODAY, PeriodKind.QUARTER),
    Period(TODAY, TODAY + timedelta(days=28), PeriodKind.WINDOW),
    Period(TODAY + timedelta(days=7), TODAY + timedelta(days=14), PeriodKind.WINDOW),
    Period(TODAY - timedelta(days=40), TODAY - timedelta(days=10), PeriodKind.WINDOW),
]
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def busy(count: int = 160, seed: int = 3) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A year and a half of deals with stages, close dates, owners and categories, some open."""
    random = np.random.default_rng(seed)
    rows, moves = [], []
    for number in range(count):
        created = AS_OF - timedelta(days=float(random.uniform(1, 540)))
        deal_id, life = f"b{number}", float(random.gamma(2, 25))
        won = bool(random.random() < 0.4)
        first = created + timedelta(days=life * 0.4)
        closing = created + timedelta(days=life)
        ended = closing < AS_OF
        owner = str(random.integers(1, 4))
        amount = None if number % 9 == 0 else float(round(random.lognormal(8, 1)))
        moves.append(change("stage", "qualified", created, deal_id=deal_id))
        moves.append(change("owner", owner, created, deal_id=deal_id))
        moves.append(change("forecast_category", "PIPELINE", created, deal_id=deal_id))
        moves.append(change("close_date", f"{closing:%Y-%m-%d}", created, deal_id=deal_id))
        if amount is not None:
            moves.append(change("amount", str(amount), created, deal_id=deal_id))
        stage_id, category = "qualified", "PIPELINE"
        if first < AS_OF:
            stage_id, category = "proposal", "COMMIT" if won else "BEST_CASE"
            moves.append(change("stage", "proposal", first, deal_id=deal_id))
            moves.append(change("forecast_category", category, first, deal_id=deal_id))
        if ended:
            stage_id = "won" if won else "lost"
            moves.append(change("stage", stage_id, closing, deal_id=deal_id))
        rows.append(
            {
                "deal_id": deal_id,
                "created_at": created,
                "status": stage_id if ended else "open",
                "closed_at": closing if ended else None,
                "stage_id": stage_id,
                "owner_id": owner,
                "team": "north" if owner == "1" else None,
                "deal_type": ["new", "renewal", None][number % 3],
                "amount": amount,
                "amount_problem": "missing" if amount is None else None,
                "close_date": closing.date(),
                "forecast_category": category,
            }
        )
    return deals(*rows), changes(*moves)


BUSY = busy()
LOST = [{"status": "lost", "stage_id": "lost", "closed_on": TODAY - timedelta(1)}] * 4
YESTERDAY = AS_OF - timedelta(days=1)

ACCOUNTS: dict[str, tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]] = {
    "empty": (deals(), NO_CHANGES, stages()),
    "one deal": (deals({}), NO_CHANGES, STAGES),
    "all open": (deals({}, {"stage_id": "qualified"}, {"amount": None}), NO_CHANGES, STAGES),
    "all lost": (deals(*LOST), NO_CHANGES, STAGES),
    "no won yet": (deals(*LOST, {}, {"stage_id": "qualified"}), NO_CHANGES, STAGES),
    "amounts missing": (
        BUSY[0].with_columns(
            amount=pl.when(pl.col("deal_id").str.ends_with("7")).then("amount"),
            amount_problem=pl.lit("missing"),
        ),
        BUSY[1].filter(pl.col("field") != "amount"),
        STAGES,
    ),
    "no rate": (
        BUSY[0].with_columns(
            amount=pl.lit(None, pl.Float64),
            amount_problem=pl.lit("no_rate"),
            currency=pl.lit("SEK"),
        ),
        BUSY[1],
        STAGES,
    ),
    "unknown stage": (BUSY[0].with_columns(stage_id=pl.lit("gone")), BUSY[1], stages()),
    "history starts yesterday": (
        BUSY[0],
        BUSY[1].filter(pl.col("changed_at") > YESTERDAY),
        STAGES,
    ),
    "no history": (BUSY[0], NO_CHANGES, stages()),
    "far dates": (
        deals(
            {"created_at": LONG_AGO, "close_date": date(1970, 1, 1)},
            {"close_date": date(2099, 12, 31)},
            {
                "created_at": LONG_AGO,
                "status": "won",
                "closed_at": LONG_AGO,
                "closed_on": date(1970, 1, 1),
            },
        ),
        NO_CHANGES,
        STAGES,
    ),
    "one stage": (
        deals(
            {"stage_id": "only"},
            *({"status": "won", "stage_id": "only", "closed_on": TODAY},) * 3,
        ),
        changes(change("stage", "only", AS_OF - timedelta(days=9))),
        stages(stage("only", None)),
    ),
    "won without a day": (deals({"status": "won"}, {}), NO_CHANGES, STAGES),
    "few won": (deals({}, *won_stays(5, 9)[0]), changes(*won_stays(5, 9)[1]), STAGES),
    "busy": (*BUSY, STAGES),
}
AMOUNTS = [name for name in TOTALS_SCHEMA if TOTALS_SCHEMA[name] == pl.Float64]


def past(account: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], as_of: datetime) -> Snapshot:
    return History(*account, OWNERS, zone=ZONE).snapshot(as_of)


def told(maker: Callable[[], ForecastMethod], snapshot: Snapshot) -> list[pl.DataFrame]:
    fitted = maker().fit(snapshot)
    return [fitted.deals(snapshot, PERIODS), fitted.totals(snapshot, PERIODS)]


def sensible(per_deal: pl.DataFrame, totals: pl.DataFrame) -> None:
    assert dict(per_deal.schema) == DEALS_SCHEMA
    assert dict(totals.schema) == TOTALS_SCHEMA
    for frame in (per_deal, totals):
        for column in frame.iter_columns():
            if column.dtype.is_float():
                assert not column.is_nan().any(), column.name
                assert not column.is_infinite().any(), column.name
    for name in ("win_probability", "win_probability_by"):
        assert per_deal[name].drop_nulls().is_between(0, 1).all()
    assert (per_deal["amount"].is_null() == (per_deal["amount_source"] == "none")).all()
    assert sum(totals[name].null_count() for name in AMOUNTS) == 0
    assert (totals["open_variance"] >= -1e-6).all()
    parts = totals["won_amount"] + totals["open_expected"] + totals["new_expected"]
    assert ((parts - totals["forecast"]).abs() <= 1e-6 * (1 + parts.abs())).all()
    for note in totals["note"].drop_nulls().unique():
        assert Note.of(note).text("nb")


def test_every_registered_method_is_held_to_this() -> None:
    assert set(VARIANTS) == set(METHODS)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
class TestMethod:
    def test_it_has_to_be_fitted(self, maker: Callable[[], ForecastMethod]) -> None:
        for ask in (maker().deals, maker().totals):
            with pytest.raises(NotFittedError, match="fit"):
                ask(now(deals({})), PERIODS)

    @pytest.mark.parametrize("account", ACCOUNTS.values(), ids=ACCOUNTS)
    def test_odd_accounts_have_labelled_answers(
        self, maker: Callable[[], ForecastMethod], account: tuple[pl.DataFrame, ...]
    ) -> None:
        frame, history, known = account
        sensible(*told(maker, now(frame, history, known)))
        sensible(*told(maker, past((frame, history, known), AS_OF - timedelta(days=30))))

    def test_nothing_comes_from_nothing(self, maker: Callable[[], ForecastMethod]) -> None:
        for name in ("empty", "all lost"):
            totals = told(maker, now(*ACCOUNTS[name]))[1]
            assert totals["forecast"].sum() == 0

    def test_frames_given_are_not_changed(self, maker: Callable[[], ForecastMethod]) -> None:
        frames = ACCOUNTS["busy"]
        before = [frame.clone() for frame in frames]
        snapshot = now(*frames)
        held = snapshot.deals.clone()
        told(maker, snapshot)
        for frame, copy in zip((*frames, snapshot.deals), (*before, held), strict=True):
            assert_frame_equal(frame, copy)

    def test_segments_add_up(self, maker: Callable[[], ForecastMethod]) -> None:
        totals = told(maker, now(*ACCOUNTS["busy"]))[1]
        summed = (
            totals.group_by("period_kind", "period_start", "period_end", "segment_kind")
            .agg(pl.col(*AMOUNTS, "won_deals", "open_deals").sum())
            .sort("period_kind", "period_start", "period_end")
        )
        whole = summed.filter(pl.col("segment_kind") == "total").drop("segment_kind")
        assert (whole["forecast"] >= whole["won_amount"] - 1e-9).all()
        for kind in ALL_SEGMENTS:
            part = summed.filter(pl.col("segment_kind") == kind).drop("segment_kind")
            assert_frame_equal(part, whole, rel_tol=1e-9, abs_tol=1e-6)

    def test_the_order_of_rows_means_nothing(self, maker: Callable[[], ForecastMethod]) -> None:
        frame, history, known = ACCOUNTS["busy"]
        straight = told(maker, now(frame, history, known))
        backwards = told(maker, now(frame.reverse(), history.reverse(), known.reverse()))
        for one, other in zip(straight, backwards, strict=True):
            keys = [name for name in one.columns if one.schema[name] in (pl.String, pl.Date)]
            assert_frame_equal(one.sort(keys), other.sort(keys), rel_tol=1e-6, abs_tol=1e-6)

    @settings(
        max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(days=st.integers(20, 300), seed=st.integers(0, 99))
    def test_what_comes_later_alters_nothing(
        self, maker: Callable[[], ForecastMethod], days: int, seed: int
    ) -> None:
        frame, history, known = ACCOUNTS["busy"]
        as_of = AS_OF - timedelta(days=days)
        plain = told(maker, past((frame, history, known), as_of))
        altered = told(maker, past((*rewritten(frame, history, as_of, seed), known), as_of))
        for one, other in zip(plain, altered, strict=True):
            assert_frame_equal(one, other)

    def test_parameters_are_told_and_fit_returns_itself(
        self, maker: Callable[[], ForecastMethod]
    ) -> None:
        method = maker()
        before = dict(method.parameters)
        assert method.fit(now(deals({}))) is method
        assert dict(method.parameters) == before
        assert METHODS[method.name](**before).variant == method.variant

    def test_several_accounts_are_never_added(self, maker: Callable[[], ForecastMethod]) -> None:
        snapshot = now(deals({}, {"status": "won", "closed_on": TODAY}))
        both = pl.concat([snapshot.deals, snapshot.deals.with_columns(connection=pl.lit("b"))])
        fitted = maker().fit(snapshot)
        with pytest.raises(ValueError, match="one connection"):
            fitted.totals(replace(snapshot, deals=both), PERIODS)

    def test_nonsense_parameters_are_refused(self, maker: Callable[[], ForecastMethod]) -> None:
        method = maker()
        told_name = next(iter(VARIANTS[method.name]))
        wrong: dict[str, Any] = {told_name: "guess"}
        with pytest.raises(ValueError, match="guess"):
            METHODS[method.name](**wrong).fit(now(deals({})))


def rewritten(
    frame: pl.DataFrame, history: pl.DataFrame, as_of: datetime, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The account with another future: other outcomes, amounts and changes after `as_of`."""
    random = np.random.default_rng(seed)
    later = (pl.col("closed_at") > as_of) | pl.col("closed_at").is_null()
    swapped = pl.Series(random.random(frame.height) < 0.5)
    outcome = pl.when(swapped).then(pl.lit("won")).otherwise(pl.lit("lost"))
    ending = pl.lit(as_of + timedelta(days=5, hours=int(random.integers(0, 99))))
    altered = frame.with_columns(
        status=pl.when(later).then(outcome).otherwise("status"),
        closed_at=pl.when(later).then(ending.cast(pl.Datetime("us", "UTC"))).otherwise("closed_at"),
        closed_on=pl.when(later).then(ending.dt.date()).otherwise("closed_on"),
        close_date=pl.lit(date(2031, 1, 1)),
        stage_id=pl.when(later).then(pl.lit("qualified")).otherwise("stage_id"),
        forecast_category=pl.lit("OMITTED"),
        rep_probability=pl.lit(0.99),
        next_step=pl.lit("Call"),
        last_activity_at=pl.lit(AS_OF).cast(pl.Datetime("us", "UTC")),
    )
    kept = history.filter(pl.col("changed_at") <= as_of)
    moved = history.filter(pl.col("changed_at") > as_of).with_columns(
        changed_at=pl.col("changed_at") + pl.duration(days=3)
    )
    return altered, pl.concat([kept, moved.head(int(random.integers(0, moved.height + 1)))])
