"""What was known of an account at one instant, and nothing later."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from forecasting.deals import DEAL_SCHEMA, INSTANT
from forecasting.history import pipeline_by_stage, status_by_stage
from forecasting.moves_then import MovesThen
from forecasting.reached import first_reached
from forecasting.tracks import NEVER, Floats, Ints, Track, Tracks, micros, micros_of

_NOT_KNOWN_THEN = (
    "stage_probability",
    "loss_reason",
    "next_activity_at",
    "last_activity_at",
    "contact_count",
    "company_count",
    "last_contacted_at",
    "contact_attempts",
    "last_reply_at",
    "contact_roles",
)
_TOLD_BY_HISTORY = (
    "stage_id",
    "pipeline_id",
    "owner_id",
    "status",
    "amount",
    "close_date",
    "forecast_category",
    "next_step",
    "rep_probability",
    "rep_amount",
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An account as it stood at `as_of`.

    `deals`: DEAL_SCHEMA and `history_complete` (false where the history does not tell stage,
    status, owner or amount of that instant); deals created later are absent, deals closed later
    are open. `row`: their rows in `history`. `today`: the account's day of `as_of`. `history`
    reaches beyond `as_of`: ask it through `past`, which does not.
    """

    deals: pl.DataFrame
    row: Ints
    stages: pl.DataFrame
    owners: pl.DataFrame
    as_of: datetime
    zone: str
    history: "History"

    @property
    def today(self) -> date:
        return self.as_of.astimezone(ZoneInfo(self.zone)).date()

    @property
    def past(self) -> "Past":
        return Past(self.history, micros_of(self.as_of))


def snapshot_now(
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    stages: pl.DataFrame,
    owners: pl.DataFrame,
    *,
    as_of: datetime,
    zone: str,
) -> Snapshot:
    """The account as `deals` state it: nothing is rebuilt, so `as_of` is now."""
    history = History(deals, changes, stages, owners, zone=zone)
    return history.present(as_of)


class History:
    """An account's deals and changes, sorted once, from which any past state is looked up.

    A field without any history in the whole account: owner, team and pipeline are taken as never
    changed; stage, amount, close date, category and the rep's figures of a past instant are
    unknown, for CRMs overwrite these on closing. Status then follows from the closing instant.
    """

    def __init__(
        self,
        deals: pl.DataFrame,
        changes: pl.DataFrame,
        stages: pl.DataFrame,
        owners: pl.DataFrame,
        *,
        zone: str,
    ) -> None:
        self.stages = stages
        self.owners = owners
        self.zone = zone
        self.tracks = Tracks(deals, changes, zone)
        self.deals = self.tracks.deals
        self.created = self.tracks.created
        self.closed = micros(self.deals["closed_at"])
        self._by_stage = status_by_stage(stages)
        self._factor = self._factors()
        self.moves = MovesThen(self.tracks, stages)
        self._outcomes: tuple[int, pl.DataFrame] | None = None
        self._reached: pl.DataFrame | None = None
        self.kept: dict[int, object] = {}

    def snapshot(self, as_of: datetime) -> Snapshot:
        """The account at a past instant; deals whose state then nobody can tell are absent."""
        at = micros_of(as_of)
        outcomes = self.outcomes_of_all(at)
        row = outcomes["row"].to_numpy()
        states = self._states(row, at, outcomes, self.tracks["stage"].position(row, at))
        if states["status"].null_count():
            states = states.filter(pl.col("status").is_not_null())
            row = states["row"].to_numpy()
        frame = self._frame(row, states)
        return Snapshot(frame, row, self.stages, self.owners, as_of, self.zone, self)

    def present(self, as_of: datetime) -> Snapshot:
        """The account as its deal frame states it."""
        outcomes = self.outcomes_of_all(micros_of(as_of))
        row = outcomes["row"].to_numpy()
        deals = self.deals.gather(row) if row.size < self.deals.height else self.deals
        deals = deals.with_columns(outcomes["history_complete"])
        return Snapshot(deals, row, self.stages, self.owners, as_of, self.zone, self)

    def states(self, row: Ints, at: Ints | int) -> pl.DataFrame:
        """What stood in each deal at each instant: row, stage_id, pipeline_id, owner_id, status,
        amount (home currency), close_date, forecast_category, next_step, rep_probability,
        rep_amount, entered (into the stage) and closed (microseconds, NEVER where unknown or
        not closed), history_complete. `status` is null where nobody can tell it.
        """
        stage_at = self.tracks["stage"].position(row, at)
        return self._states(row, at, self.outcomes(row, at, stage_at), stage_at)

    def _states(
        self, row: Ints, at: Ints | int, outcomes: pl.DataFrame, stage_at: Ints
    ) -> pl.DataFrame:
        tracks, stage = self.tracks, self.tracks["stage"]
        others = ("close_date", "forecast_category", "next_step", "rep_probability", "rep_amount")
        return outcomes.with_columns(
            stage.value(stage_at).alias("stage_id"),
            self.pipelines(row, at).alias("pipeline_id"),
            self._constant("owner", "owner_id", row, at).alias("owner_id"),
            pl.Series("entered", stage.time(stage_at)),
            *(
                tracks[field].value(tracks[field].position(row, at)).alias(field)
                for field in others
            ),
        )

    def outcomes(self, row: Ints, at: Ints | int, stage_at: Ints | None = None) -> pl.DataFrame:
        """Of `states` only row, status, amount, closed and history_complete. `stage_at`: where in
        the stage's track each deal then stood, if already looked up.
        """
        stage = self.tracks["stage"]
        stage_at = stage.position(row, at) if stage_at is None else stage_at
        status, closed = self._status(row, at, stage, stage_at)
        amount, amount_known = self._amount(row, at, status.is_in(["won", "lost"]))
        known = (
            (pl.Series(stage_at >= 0) | ~pl.Series([("stage" in self.tracks)]))
            & status.is_not_null()
            & amount_known
        )
        return pl.DataFrame(
            {
                "row": row,
                "status": status,
                "amount": amount,
                "closed": closed,
                "history_complete": known,
            }
        )

    def outcomes_of_all(self, at: int) -> pl.DataFrame:
        """`outcomes` of every deal created by then; the last ones asked for are kept, for the
        snapshot and what is learned from it ask for the same.
        """
        if self._outcomes is None or self._outcomes[0] != at:
            self._outcomes = (at, self.outcomes(np.flatnonzero(self.created <= at), at))
        return self._outcomes[1]

    def stages_first_reached(self) -> pl.DataFrame:
        """As `reached.first_reached`, made once: a back-test asks at every origin."""
        if self._reached is None:
            own = pipeline_by_stage(self.stages)
            self._reached = first_reached(self.tracks["stage"], own, self._pipelines_told)
        return self._reached

    @property
    def factor(self) -> Floats:
        """Per deal what one unit of its own currency is worth at home now; NaN where unknown."""
        return self._factor

    def pipelines(self, row: Ints, at: Ints | int) -> pl.Series:
        """As pipeline_id of `states`."""
        return self._constant("pipeline", "pipeline_id", row, at)

    def _pipelines_told(self, row: Ints, at: Ints) -> pl.Series:
        """The pipeline of each deal at each instant; its present one where nobody tells."""
        then = self.pipelines(row, at)
        return pl.select(pl.coalesce(then, self.deals["pipeline_id"].gather(row))).to_series()

    def _status(
        self, row: Ints, at: Ints | int, stage: Track, stage_at: Ints
    ) -> tuple[pl.Series, Ints]:
        """What the status history says, else the closing instant, else the stage."""
        track = self.tracks["status"]
        position = track.position(row, at)
        closed = self.closed[row]
        by_then = closed <= at
        final = self.deals["status"].gather(row)
        frame = pl.DataFrame(
            {
                "told": track.value(position),
                "final": final,
                "by_then": by_then,
                "dated": closed != NEVER,
                "stage": stage.value(stage_at),
            }
        ).with_columns(
            by_stage=pl.col("stage").replace_strict(
                self._by_stage, default=None, return_dtype=pl.String
            )
        )
        status = frame.select(
            pl.coalesce(
                "told",
                pl.when(pl.col("by_then")).then("final"),
                "by_stage",
                # decided, but nobody wrote down when: open or not at that instant is unknown
                pl.when(pl.col("dated") | (pl.col("final") == "open")).then(pl.lit("open")),
            )
        ).to_series()
        decided = status.is_in(["won", "lost"]).fill_null(False).to_numpy()
        turned = np.where(position >= 0, track.time(position), stage.time(stage_at))
        return status, np.where(decided, np.where(by_then, closed, turned), NEVER)

    def _amount(self, row: Ints, at: Ints | int, decided: pl.Series) -> tuple[pl.Series, pl.Series]:
        """The amount in home currency at today's rate, and whether the history tells it."""
        track = self.tracks["amount"]
        position = track.position(row, at)
        frame = pl.DataFrame(
            {
                "then": track.value(position),
                "factor": self._factor[row],
                "told": position >= 0,
                "final": self.deals["amount"].gather(row),
                "decided": decided,
            }
        )
        amount = pl.when("told").then(pl.col("then") * pl.col("factor").fill_nan(None))
        # an amount without history is known once the deal is decided: nothing changes it after
        told = frame.select(amount.otherwise(pl.when("decided").then("final"))).to_series()
        return told, frame.select(pl.col("told") | pl.col("decided").fill_null(False)).to_series()

    def _constant(self, field: str, column: str, row: Ints, at: Ints | int) -> pl.Series:
        if field not in self.tracks:
            return self.deals[column].gather(row)
        track = self.tracks[field]
        return track.value(track.position(row, at))

    def _factors(self) -> np.ndarray:
        """Per deal what one unit of its own currency is worth at home; NaN where unknown."""
        track = self.tracks["amount"]
        last = track.value(
            track.position(np.arange(self.deals.height), np.full(self.deals.height, NEVER))
        )
        own = pl.col("amount") / pl.when(pl.col("last") != 0).then("last")
        usual = pl.col("own").median().over("currency")
        alone = pl.when(pl.col("currency").is_null()).then(1.0)
        unpriced = pl.col("amount_problem").fill_null("") == "no_rate"
        return (
            self.deals.select("amount", "currency", "amount_problem", last=last)
            .with_columns(own=pl.when(own.is_finite() & (own > 0)).then(own))
            .select(pl.when(~unpriced).then(pl.coalesce("own", usual, alone)).fill_null(np.nan))
            .to_series()
            .to_numpy()
        )

    def _frame(self, row: Ints, states: pl.DataFrame) -> pl.DataFrame:
        """The states in the shape of a deal frame."""
        base = self.deals.select(pl.exclude(_TOLD_BY_HISTORY))
        base = base.gather(row) if len(row) < base.height else base
        teams = self.owners.unique(("connection", "owner_id"), keep="first")
        now = pl.col("closed") != NEVER
        replaced = states.select(
            *_TOLD_BY_HISTORY,
            "history_complete",
            pl.when(pl.col("entered") != NEVER)
            .then(pl.from_epoch("entered", "us"))
            .dt.replace_time_zone("UTC")
            .cast(INSTANT)
            .alias("stage_entered_at"),
            pl.when(now)
            .then(pl.from_epoch("closed", "us"))
            .dt.replace_time_zone("UTC")
            .cast(INSTANT)
            .alias("closed_at"),
        )
        same = pl.col("closed_at").eq_missing(pl.col("final_at"))
        moved = pl.col("closed_at").dt.convert_time_zone(self.zone).dt.date()
        frame = (
            base.with_columns(final_at=pl.col("closed_at"), final_on=pl.col("closed_on"))
            .with_columns(pl.lit(None, DEAL_SCHEMA[name]).alias(name) for name in _NOT_KNOWN_THEN)
            .with_columns(replaced.iter_columns())
            .with_columns(closed_on=pl.when(same).then("final_on").otherwise(moved))
            .with_columns(
                amount_problem=pl.when(pl.col("amount").is_not_null())
                .then(None)
                .otherwise(pl.coalesce("amount_problem", pl.lit("missing")))
            )
        )
        if teams.height and "owner" in self.tracks:
            frame = frame.drop("team").join(
                teams.select("connection", "owner_id", "team"),
                on=("connection", "owner_id"),
                how="left",
                maintain_order="left",
            )
        return frame.select(*DEAL_SCHEMA, "history_complete")


class Past:
    """A history seen from one instant: asking for anything later is a ValueError."""

    def __init__(self, history: History, until: int) -> None:
        self.history = history
        self.until = until

    def states(self, row: Ints, at: Ints) -> pl.DataFrame:
        """As `History.states`."""
        if at.size and int(at.max()) > self.until:
            raise ValueError("a snapshot knows nothing of what came after it")
        return self.history.states(row, at)

    def outcomes(self) -> pl.DataFrame:
        """As `History.outcomes_of_all`, at the instant that this is seen from."""
        return self.history.outcomes_of_all(self.until)

    def stages_reached(self) -> pl.DataFrame:
        """row, pipeline_id, stage_id (categories): the stages a deal had been in by then."""
        reached = self.history.stages_first_reached()
        return reached.filter(pl.col("at") <= self.until).drop("at")
