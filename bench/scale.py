"""How time and memory grow with the number of deals: 10k, 100k, 1M with eight years of history.

The account is generated as whole columns, seeded. Each piece of work runs in a process of its own
that reads the frames from files. Beside it the same conversion table (stage x time in stage, won
within 28 days) as a first script would make it in pandas, from the stage changes alone.
"""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.table import Table

from bench import assess
from bench.findings import findings
from bench.forecast import lineup
from bench.measure import measured
from forecasting import backtest
from forecasting.deals import CHANGE_SCHEMA, DEAL_SCHEMA, OWNER_SCHEMA, STAGE_SCHEMA
from forecasting.intervals import Shock, with_intervals
from forecasting.periods import PeriodKind
from forecasting.snapshot import History
from forecasting.stage_chain import AGES

UNTIL = datetime(2026, 1, 5, tzinfo=UTC)
YEARS = 8
STAGES = ("qualified", "meeting", "proposal", "negotiation")
ADVANCE = 0.72  # of each stage into the next, the last one into won
MEAN_STAY_DAYS = 16.0
OWNERS = 40
ZONE = "Europe/Oslo"
FRAMES = ("deals", "changes", "stages", "owners")
_READ = ("deal_id", "field", "new", "changed_at")


def generate(count: int, *, seed: int = 1) -> dict[str, pl.DataFrame]:
    """Deals created evenly over eight years, each with its stages, close date and amount over time;
    about 9 change rows a deal.
    """
    rng = np.random.default_rng(seed)
    end = int(UNTIL.timestamp())
    born = np.sort(rng.integers(end - int(YEARS * 365.25 * 86_400), end, count))
    stays = rng.exponential(MEAN_STAY_DAYS * 86_400, (count, len(STAGES))).astype(np.int64) + 3600
    went_on = rng.random((count, len(STAGES))) < ADVANCE
    reached = np.cumprod(went_on, axis=1).sum(axis=1)  # stages passed; all four = won
    entered = born[:, None] + np.concatenate(
        [np.zeros((count, 1), np.int64), np.cumsum(stays, axis=1)], axis=1
    )
    closed = entered[np.arange(count), np.minimum(reached, len(STAGES) - 1) + 1]
    won = reached == len(STAGES)
    amount = np.round(np.exp(rng.normal(10.5, 0.9, count)), -2) + 100
    facts = {
        "id": np.arange(count),
        "born": born,
        "closed": closed,
        "won": won,
        "amount": amount,
        "owner": rng.integers(0, OWNERS, count),
        "expected": born + rng.integers(20, 120, count) * 86_400,
    }
    table = pl.DataFrame(facts)
    passed = [
        pl.DataFrame({"id": facts["id"], "at": entered[:, n]})
        .with_columns(pl.lit("stage").alias("field"), pl.lit(name).alias("new"))
        .filter(pl.Series(reached >= n) & (pl.col("at") < end))
        for n, name in enumerate(STAGES)
    ]
    return _frames(table, passed, end)


def _frames(table: pl.DataFrame, passed: list[pl.DataFrame], end: int) -> dict[str, pl.DataFrame]:
    over = pl.col("closed") < end
    outcome = pl.when(over & pl.col("won")).then(pl.lit("won")).when(over).then(pl.lit("lost"))
    table = table.with_columns(outcome.otherwise(pl.lit("open")).alias("status"))
    at_birth = [
        _rows(table, "status", pl.lit("open"), "born"),
        _rows(table, "amount", pl.col("amount").cast(pl.String), "born"),
        _rows(table, "owner", pl.format("o{}", "owner"), "born"),
        _rows(table, "close_date", _iso("expected"), "born"),
    ]
    ended = table.filter(pl.col("status") != "open")
    pushed = table.filter(
        (pl.col("expected") < end)
        & (pl.col("expected") > pl.col("born"))
        & (pl.col("expected") < pl.col("closed"))
    )
    later = [
        _rows(ended, "status", pl.col("status"), "closed"),
        _rows(ended, "stage", pl.col("status"), "closed"),
        _rows(ended, "close_date", _iso("closed"), "closed"),
        _rows(pushed, "close_date", _iso("closed"), "expected"),
    ]
    changes = (
        pl.concat(
            [rows.select("id", "field", "new", "at") for rows in (*passed, *at_birth, *later)]
        )
        .select(
            pl.lit("scale").alias("connection"),
            pl.format("d{}", "id").alias("deal_id"),
            "field",
            pl.lit(None, pl.String).alias("old"),
            "new",
            pl.from_epoch("at", "s").dt.replace_time_zone("UTC").alias("changed_at"),
            pl.lit(0, pl.Int64).alias("ordinal"),
            pl.lit("human").alias("source"),
        )
        .cast(pl.Schema(CHANGE_SCHEMA))
        .sort("deal_id", "changed_at", "field", "ordinal")  # as the mirror gives them
    )
    stage = (
        pl.concat(passed)
        .sort("at")
        .group_by("id", maintain_order=True)
        .agg(pl.col("new").last().alias("stage"), pl.col("at").last().alias("entered"))
    )
    return {
        "deals": _deals(table.join(stage, on="id", how="left", maintain_order="left")),
        "changes": changes,
        "stages": _stages(),
        "owners": pl.DataFrame(
            [("scale", f"o{n}", f"Owner {n}", f"team {n % 5}", True) for n in range(OWNERS)],
            schema=OWNER_SCHEMA,
            orient="row",
        ),
    }


def _rows(table: pl.DataFrame, field: str, new: pl.Expr, at: str) -> pl.DataFrame:
    return table.select(
        "id", pl.lit(field).alias("field"), new.cast(pl.String).alias("new"), pl.col(at).alias("at")
    )


def _iso(column: str) -> pl.Expr:
    return pl.from_epoch(column, "s").dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _deals(table: pl.DataFrame) -> pl.DataFrame:
    is_open = pl.col("status") == "open"

    def instant(column: str) -> pl.Expr:
        return pl.from_epoch(column, "s").dt.replace_time_zone("UTC")

    def day(at: pl.Expr) -> pl.Expr:
        return at.dt.convert_time_zone(ZONE).dt.date()

    closed = pl.when(~is_open).then(instant("closed"))
    pushed = pl.col("expected") < int(UNTIL.timestamp())
    expected = pl.when(is_open & pushed).then(instant("closed")).otherwise(instant("expected"))
    known = {
        "connection": pl.lit("scale"),
        "deal_id": pl.format("d{}", "id"),
        "name": pl.format("Deal {}", "id"),
        "pipeline_id": pl.lit("sales"),
        "stage_id": pl.when(is_open).then("stage").otherwise("status"),
        "owner_id": pl.format("o{}", "owner"),
        "team": pl.format("team {}", pl.col("owner") % 5),
        "deal_type": pl.when(pl.col("id") % 3 == 0)
        .then(pl.lit("new"))
        .otherwise(pl.lit("renewal")),
        "status": pl.col("status"),
        "amount": pl.col("amount"),
        "currency": pl.lit("NOK"),
        "close_date": pl.when(is_open).then(day(expected)).otherwise(day(instant("closed"))),
        "closed_on": day(closed),
        "created_on": day(instant("born")),
        "created_at": instant("born"),
        "closed_at": closed,
        "stage_entered_at": pl.when(is_open).then(instant("entered")).otherwise(instant("closed")),
    }
    return table.select(
        known.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in DEAL_SCHEMA.items()
    ).sort("deal_id")


def _stages() -> pl.DataFrame:
    stages = [
        *((name, False, False) for name in STAGES),
        ("won", True, True),
        ("lost", True, False),
    ]
    rows = [
        ("scale", "sales", name, "Sales", name, n, None, closed, won, True)
        for n, (name, closed, won) in enumerate(stages)
    ]
    return pl.DataFrame(rows, schema=STAGE_SCHEMA, orient="row")


def run(count: int) -> dict[str, Any]:
    """Seconds and peak memory of every step with `count` deals."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        begun = time.perf_counter()
        frames = generate(count)
        for frame, rows in frames.items():
            rows.write_parquet(folder / f"{frame}.parquet")
        assess.fill(folder, frames, UNTIL, ZONE)
        made = time.perf_counter() - begun
        steps = {}
        for label, work in (
            ("forecast now", _forecast),
            ("findings, scores, velocity", _findings),
            ("assess, from the mirror and back", _assess),
            ("24 origins", _backtest),
            ("the table in pandas", _pandas),
        ):
            m = measured(work, str(folder))
            steps[label] = m.result | {"peak_mb": round(m.peak_mb), "cpu_s": round(m.cpu_s, 2)}
    return {"deals": count, "generated_s": round(made, 1), "steps": steps}


def _read(folder: str) -> dict[str, pl.DataFrame]:
    return {name: pl.read_parquet(Path(folder) / f"{name}.parquet") for name in FRAMES}


def _forecast(folder: str) -> dict[str, Any]:
    """History, snapshot, then fit, chances and totals with intervals of every method."""
    clock = _Clock()
    history = History(**_read(folder), zone=ZONE)
    clock.lap("read, history")
    snapshot = history.present(UNTIL)
    clock.lap("snapshot")
    periods = backtest.calendar(PeriodKind.MONTH, PeriodKind.QUARTER)(snapshot.today)
    shocks = dict.fromkeys(periods, Shock(0.1, 0))
    for method in lineup():
        name = f"{method.name} {method.variant}"
        method.fit(snapshot)
        clock.lap(f"{name}: fit")
        method.deals(snapshot, periods)
        clock.lap(f"{name}: deals")
        with_intervals(method.totals(snapshot, periods), shocks)
        clock.lap(f"{name}: totals")
    return clock.told(opened=int((snapshot.deals["status"] == "open").sum()))


def _findings(folder: str) -> dict[str, Any]:
    """What an assessment asks beside the forecast, for each open deal."""
    frames = _read(folder)
    clock = _Clock()
    counts = findings(frames, UNTIL, ZONE, clock.lap)
    return clock.told(**counts)


def _assess(folder: str) -> dict[str, Any]:
    """The whole job as the daemon runs it."""
    clock = _Clock()
    counts = assess.assessed(Path(folder), UNTIL)
    clock.lap("assess")
    return clock.told(**counts)


def _backtest(folder: str) -> dict[str, Any]:
    clock = _Clock()
    history = History(**_read(folder), zone=ZONE)
    clock.lap("read, history")
    origins = [UNTIL.date() - timedelta(weeks=4 + n) for n in range(24)]
    results = backtest.gathered(backtest.run(history, lineup(), origins, backtest.windows(28)))
    clock.lap("methods")
    actual = backtest.actuals(history.deals, backtest.periods_in(results), until=UNTIL.date())
    backtest.combined(results, actual)
    clock.lap("combination")
    return clock.told(origins=len(origins))


def _pandas(folder: str) -> dict[str, Any]:
    """Of the deals open on each Monday of two years, by stage and days in it, how many were won
    within 28 days.
    """
    import pandas as pd  # here: it would weigh on the memory of the other steps

    told = pl.read_parquet(Path(folder) / "changes.parquet", columns=list(_READ)).filter(
        pl.col("field") == "stage"
    )
    moves = pd.DataFrame({name: told[name].to_numpy() for name in _READ if name != "field"})
    clock = _Clock()
    moves = moves.sort_values(["deal_id", "changed_at"])
    moves["left_at"] = moves.groupby("deal_id")["changed_at"].shift(-1)
    won_at = moves[moves["new"] == "won"].set_index("deal_id")["changed_at"]
    moves["won_at"] = moves["deal_id"].map(won_at)
    stays = moves[~moves["new"].isin(["won", "lost"])]
    seen = []
    for weeks in range(107, 3, -1):
        monday = pd.Timestamp(UNTIL).tz_localize(None) - pd.Timedelta(weeks=weeks)
        here = stays[(stays["changed_at"] <= monday) & ~(stays["left_at"] <= monday)]
        days = (monday - here["changed_at"]) / pd.Timedelta(days=1)
        won = here["won_at"] < monday + pd.Timedelta(days=28)
        age = np.searchsorted(AGES, days, "right")
        seen.append(pd.DataFrame({"stage": here["new"], "age": age, "won": won}))
    table = pd.concat(seen).groupby(["stage", "age"])["won"].agg(["size", "sum"])
    clock.lap("table")
    return clock.told(cells=len(table), rows=int(table["size"].sum()), won=int(table["sum"].sum()))


class _Clock:
    """Seconds and processor seconds between laps."""

    def __init__(self) -> None:
        self._last = (time.perf_counter(), time.process_time())
        self._laps: dict[str, dict[str, float]] = {}

    def lap(self, name: str) -> None:
        now = (time.perf_counter(), time.process_time())
        wall, cpu = (
            round(after - before, 2) for after, before in zip(now, self._last, strict=True)
        )
        self._laps[name] = {"seconds": wall, "cpu_s": cpu}
        self._last = now

    def told(self, **counts: int) -> dict[str, Any]:
        seconds = sum(lap["seconds"] for lap in self._laps.values())
        return {"seconds": round(seconds, 2), "laps": self._laps, **counts}


def tables(found: dict[str, Any]) -> Iterator[Table]:
    table = Table(title=f"{found['deals']:,} deals, {YEARS} years", title_justify="left")
    for heading in ("step", "part", "seconds", "CPU s", "peak MB"):
        table.add_column(heading, justify="left" if heading in ("step", "part") else "right")
    for step, figures in found["steps"].items():
        seconds, cpu = f"{figures['seconds']:.2f}", f"{figures['cpu_s']:.1f}"
        table.add_row(step, "", seconds, cpu, f"{figures['peak_mb']:,}")
        for part, lap in figures["laps"].items():
            table.add_row("", part, f"{lap['seconds']:.2f}", f"{lap['cpu_s']:.1f}", "")
    yield table
