"""What is known of open deals that bears on their outcome: today's, and those of past instants.

Past instants are landmarks: the account as it stood each day or week before, every deal then open
being a lesson in what became of it. A landmark row knows nothing dated after its instant.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from forecasting.findings_then import findings_then
from forecasting.history import KEY
from forecasting.pace import Pace, learn
from forecasting.snapshot import History, Past, Snapshot
from forecasting.stage_exits import StageExits, stage_exits
from forecasting.tracks import DAY_US, NEVER, Bools, Floats, Ints, micros

WINDOW_DAYS: Final = 728
"""How far back lessons are taken from: two years, so that every season is seen twice."""

MOST_ROWS: Final = 100_000
"""Above this, landmarks are spaced wider, then deals are sampled: more rows teach little more."""

_SPACINGS: Final = (1, 7, 28)

_LONGEST: Final = 3653
"""Days of the past that a pace is counted over: what lies ten years back is one long ago."""

_UP_TO: Final = np.array([*(f" after {count}" for count in range(12)), " after 12 or more"])


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Deals as they stood open at past instants, and what became of them by now.

    `row`: of the history's deals; `at`: the instant. `facts`: of `facts_of`. `days`: paced days
    (see `pace`) from the instant to the closing, or to now where still open.
    `won`, `lost`: how it ended; neither = still open. `followed`: paced days from it to now.
    `amount_won`: of won deals, NaN otherwise. `spacing`: days between a deal's landmarks. `exits`:
    the deals' stays in their stages, over the same time.
    """

    row: Ints
    at: Ints
    facts: pl.DataFrame
    days: Floats
    won: Bools
    lost: Bools
    followed: Floats
    amount_won: Floats
    spacing: int
    pace: Pace
    exits: StageExits

    def weight(self, horizon: float) -> float:
        """What a row counts for in lessons about `horizon` days: overlapping ones count once."""
        return min(1.0, self.spacing / max(horizon, 1.0))


def landmarks(snapshot: Snapshot) -> Landmarks:
    """The landmark rows that `snapshot` may learn from; the latest are kept with its history, for
    several methods learn from the same.
    """
    history, now = snapshot.history, snapshot.past.until
    if now not in history.kept:
        history.kept.clear()
        history.kept[now] = _landmarks(snapshot.past, MOST_ROWS)
    kept = history.kept[now]
    assert isinstance(kept, Landmarks)
    return kept


def _landmarks(past: Past, most_rows: int) -> Landmarks:
    history, now = past.history, past.until
    pace = _pace(past)
    exits = stage_exits(past, pace, WINDOW_DAYS)
    end_states = past.outcomes().filter(pl.col("status").is_not_null())
    everyone = end_states["row"].to_numpy()
    closed = end_states["closed"].to_numpy()
    spacing, order, at = _grid(history.created[everyone], np.minimum(closed, now), now, most_rows)
    row = everyone[order]
    states = past.states(row, at)
    opened = (states["status"] == "open").fill_null(False).to_numpy()
    row, at, order = row[opened], at[opened], order[opened]
    states = states.filter(pl.Series(opened))
    status = end_states["status"].gather(order)
    ended = np.minimum(closed[order], now)
    won = (status == "won").to_numpy()
    amount = end_states["amount"].gather(order).fill_null(np.nan).to_numpy()
    return Landmarks(
        row=row,
        at=at,
        facts=facts_of(history, row, at, states, pace),
        days=pace.between(at, ended),
        won=won,
        lost=(status == "lost").to_numpy(),
        followed=pace.between(at, now),
        amount_won=np.where(won, amount, np.nan),
        spacing=spacing,
        pace=pace,
        exits=exits,
    )


def _pace(past: Past) -> Pace:
    """Of the deals' moves between stages; of their closings where no moves are known."""
    history, until = past.history, past.until
    track = history.tracks["stage"]
    moved = np.ones(len(track.at), np.bool_)
    born = track.first[:-1]
    moved[born[born < len(moved)]] = False
    events = track.at[moved & (track.at <= until)]
    if not events.size:
        events = history.closed[history.closed <= until]
    today = datetime.fromtimestamp(until // 1_000_000, ZoneInfo(history.zone)).date()
    known = history.created[history.created <= until]
    earliest = int(known.min()) if known.size else until
    # with a day to spare for zones west of Greenwich
    first = datetime.fromtimestamp(earliest // 1_000_000, UTC).date() - timedelta(days=1)
    told = past.outcomes()
    lives = history.created[told["row"].to_numpy()], told["closed"].to_numpy()
    begins = max(first, today - timedelta(days=_LONGEST))
    return learn(events, begins, today, history.zone, lives)


def _grid(created: Ints, ended: Ints, now: int, most_rows: int) -> tuple[int, Ints, Ints]:
    """Spacing in days, deal and instant of every landmark between creation and end, as many as
    allowed.
    """
    for spacing in _SPACINGS:
        step = spacing * DAY_US
        latest = np.maximum((now - ended) // step + 1, 1)  # strictly before the end
        earliest = np.minimum((now - created) // step, WINDOW_DAYS * DAY_US // step)
        count = np.maximum(earliest - latest + 1, 0)
        if count.sum() <= most_rows:
            break
    deal = np.arange(len(created))
    if count.sum() > most_rows:
        kept = _spread(deal) < most_rows / count.sum()
        deal, count, latest = deal[kept], count[kept], latest[kept]
    which = np.repeat(deal, count)
    nth = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    at = now - (np.repeat(latest, count) + nth) * step
    return spacing, which, at


def _spread(deal: Ints) -> Floats:
    """A number in 0-1 per deal, evenly spread and always the same (golden ratio sequence)."""
    return np.asarray((deal * 0.6180339887498949) % 1.0)


def open_facts(snapshot: Snapshot) -> pl.DataFrame:
    """The deals open now: connection, deal_id and the columns of `facts_of`, sorted by deal."""
    history, now = snapshot.history, snapshot.past.until
    is_open = snapshot.deals["status"] == "open"
    opened = snapshot.deals.filter(is_open)
    row = snapshot.row[is_open.to_numpy()]
    told = history.tracks["stage"]
    position = told.position(row, now)
    entered = micros(opened["stage_entered_at"])
    same = (told.value(position) == opened["stage_id"]).fill_null(False).to_numpy()
    states = opened.select(
        "stage_id",
        "pipeline_id",
        "owner_id",
        "amount",
        "close_date",
        "forecast_category",
        "next_step",
    ).with_columns(
        entered=np.where(entered <= now, entered, np.where(same, told.time(position), NEVER))
    )
    facts = facts_of(history, row, np.full(len(row), now), states, landmarks(snapshot).pace)
    return pl.concat([opened.select(*KEY, "amount_problem", "team"), facts], how="horizontal")


def facts_of(
    history: History, row: Ints, at: Ints, states: pl.DataFrame, pace: Pace
) -> pl.DataFrame:
    """Per deal and instant: stage_id, pipeline_id, owner_id, deal_type, lead_source, amount,
    forecast_category, next_step (whether there is one), stage_days and age_days (since entering
    the stage and since creation; stage_days null where unknown), stage_paced (paced days since
    entering the stage, since creation where nobody knows the stage), due_days (to the close date,
    negative = overdue), pushes, moves (between stages), route (the stage and how many
    moves it took to get there), quiet_days (since a person changed
    something; null where the history names no people), and what `findings_then` gives.
    """
    tracks = history.tracks
    created = history.created[row]
    entered = states["entered"].to_numpy()
    inside = entered <= at
    since = np.where(states["stage_id"].is_null().to_numpy(), created, entered)
    people = tracks["human_change"]
    touched = np.maximum(people.time(people.position(row, at), missing=0), created)
    moves = np.maximum(tracks["stage"].ordinal(row, at) - 1, 0)
    local = pl.Series(at).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(history.zone)
    return states.select(
        "stage_id", "pipeline_id", "owner_id", "amount", "forecast_category"
    ).with_columns(
        history.deals["deal_type"].gather(row),
        history.deals["lead_source"].gather(row),
        (states["next_step"].fill_null("").str.strip_chars() != "").alias("next_step"),
        pl.Series("stage_days", np.where(inside, (at - entered) / DAY_US, np.nan)).fill_nan(None),
        pl.Series(
            "stage_paced", np.where(since <= at, pace.between(np.minimum(since, at), at), np.nan)
        ).fill_nan(None),
        pl.Series("age_days", (at - created) / DAY_US),
        (states["close_date"] - local.dt.date()).dt.total_days().cast(pl.Float64).alias("due_days"),
        pl.Series("pushes", history.moves.pushes(row, at)),
        pl.Series("moves", moves),
        (pl.col("stage_id") + pl.Series(_UP_TO[np.minimum(moves, len(_UP_TO) - 1)])).alias("route"),
        (
            pl.Series("quiet_days", (at - touched) / DAY_US)
            if len(people.at)
            else pl.Series("quiet_days", [None] * len(row), pl.Float64)
        ),
        *findings_then(history, row, at, states),
    )
