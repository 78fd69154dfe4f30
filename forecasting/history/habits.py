"""How the time between two instants was kept: wins nobody saw coming, dates that slipped."""

from dataclasses import dataclass

import polars as pl

from forecasting.periods import Period


@dataclass(frozen=True, slots=True)
class Habits:
    """How the time between two instants was kept.

    won: deals won in it; unseen: of these, created after its start, so that no earlier pipeline
    held them; early: of these, expected after its end. due: deals open at the start whose date fell
    into it; slipped: of these, still open at the end. pushed: deals open at both ends whose date
    is later now.
    """

    won: list[str]
    unseen: list[str]
    early: list[str]
    due: int
    slipped: int
    pushed: int

    @property
    def slip_rate(self) -> float | None:
        """None where nothing was due."""
        return self.slipped / self.due if self.due else None


def habits(then: pl.DataFrame, now: pl.DataFrame, span: Period) -> Habits:
    """Of the days in `span`; `then` and `now`: STANDING_SCHEMA at its ends."""
    pairs = then.with_columns(existed=pl.lit(True)).join(
        now, on="deal_id", how="right", suffix="_1"
    )
    was_open = (pl.col("status") == "open").fill_null(False)
    won = pairs.filter((pl.col("status_1") == "won") & (was_open | pl.col("existed").is_null()))
    due = pairs.filter(was_open & pl.col("date").is_between(span.start, span.last_day))
    still = pairs.filter(was_open & (pl.col("status_1") == "open"))
    return Habits(
        won=won["deal_id"].to_list(),
        unseen=won.filter(pl.col("existed").is_null())["deal_id"].to_list(),
        early=won.filter(pl.col("date") > span.last_day)["deal_id"].to_list(),
        due=due.height,
        slipped=due.filter(pl.col("status_1") == "open").height,
        pushed=still.filter(pl.col("date_1") > pl.col("date")).height,
    )
