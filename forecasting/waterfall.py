"""What changed between two instants: every deal's part in it, exact to the cent.

Start plus all moves is the end, for each deal and so for every sum of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import polars as pl

from forecasting.periods import Period

STANDING_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "deal_id": pl.String,
    "status": pl.String,  # open | won | lost | removed | merged; null = nobody can tell
    "amount": pl.Float64,  # in the deal's own currency; null = none
    "rate": pl.Float64,  # one unit of it in home currency; null = no rate
    "date": pl.Date,  # expected close while open, the closing day once decided
    "stage_id": pl.String,
    "chance": pl.Float64,  # of winning, as stated then; null = none stated
    "amount_known": pl.Boolean,  # false: nobody wrote down what the amount was then
    "date_known": pl.Boolean,
}
"""How one account's deals stood at an instant: a row per deal created by then."""


class Measure(StrEnum):
    """OPEN: amounts of open deals. WEIGHTED: times their chance. EXPECTED: of a period, what was
    won in it plus every open deal's amount times its chance of being won in it.
    """

    OPEN = "open"
    WEIGHTED = "weighted"
    EXPECTED = "expected"


MOVES: Final = (
    "created",
    "reopened",
    "pulled_in",
    "pushed_in",
    "date_set",
    "increased",
    "decreased",
    "stage_moved",
    "re_estimated",
    "currency",
    "pushed_out",
    "pulled_out",
    "date_cleared",
    "lost",
    "won",
    "removed",
    "merged",
    "unrecorded",
)
"""In the order in which they are shown; docs/changes.md defines them."""

MOVE_SCHEMA: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "deal_id": pl.String,
    "move": pl.String,
    "cents": pl.Int64,
}

_LEAVING: Final = ("won", "lost", "removed", "merged")


@dataclass(frozen=True, slots=True)
class Waterfall:
    """start_cents + the sum of `moves` (MOVE_SCHEMA, none of them 0) = end_cents, in home currency.

    left_out: reason -> deals that count 0 at either end: no_amount, no_rate, no_chance.
    """

    measure: Measure
    start_cents: int
    end_cents: int
    start_deals: int
    end_deals: int
    moves: pl.DataFrame
    left_out: dict[str, int]

    def totals(self) -> pl.DataFrame:
        """move, deals, cents: a row per move that there was, in the order of `MOVES`."""
        order = {move: place for place, move in enumerate(MOVES)}
        return (
            self.moves.group_by("move")
            .agg(pl.len().cast(pl.Int64).alias("deals"), pl.col("cents").sum())
            .sort(pl.col("move").replace_strict(order, return_dtype=pl.Int64))
        )


def waterfall(
    then: pl.DataFrame, now: pl.DataFrame, measure: Measure, period: Period | None = None
) -> Waterfall:
    """What took the measure from `then` to `now`, both STANDING_SCHEMA of one account.

    `period`: only deals whose date is in it; of EXPECTED, the period that chances are of.
    ValueError for EXPECTED without one.
    """
    if measure is Measure.EXPECTED and period is None:
        raise ValueError("what is expected is expected in a period: give one")
    before, after = _valued(then, measure, period), _valued(now, measure, period)
    pairs = before.with_columns(existed=pl.lit(True)).join(
        after, on="deal_id", how="full", coalesce=True, suffix="_1"
    )
    pairs = _chained(pairs.with_columns(pl.col("existed").fill_null(False)), measure)
    parts = [
        pairs.select("deal_id", label.alias("move"), cents.cast(pl.Int64).alias("cents"))
        for label, cents in _parts()
    ]
    moves = (
        pl.concat(parts)
        .filter(pl.col("cents") != 0)
        .group_by("deal_id", "move")
        .agg(pl.col("cents").sum())
        .filter(pl.col("cents") != 0)
        .cast(pl.Schema(MOVE_SCHEMA))
        .sort("deal_id", "move")
    )
    return Waterfall(
        measure=measure,
        start_cents=int(before["value"].sum()),
        end_cents=int(after["value"].sum()),
        start_deals=int(before["counts"].sum()),
        end_deals=int(after["counts"].sum()),
        moves=moves,
        left_out=_left_out(before, after, measure),
    )


def _cents(amount: str, rate: str, share: str) -> pl.Expr:
    product = pl.col(amount) * pl.col(rate) * pl.col(share) * 100
    return product.fill_null(0.0).round().cast(pl.Int64)


def _valued(standing: pl.DataFrame, measure: Measure, period: Period | None) -> pl.DataFrame:
    """`standing` with `inside` (its date is in the period), `share` (of its amount that counts),
    `value` (cents) and `counts` (whether it is one of the measured deals).
    """
    if period is None:
        inside = pl.lit(True)
        standing = standing.with_columns(date_known=pl.lit(True))
    else:
        inside = pl.col("date").is_between(period.start, period.last_day).fill_null(False)
    is_open = (pl.col("status") == "open").fill_null(False)
    is_won = (pl.col("status") == "won").fill_null(False)
    share: pl.Expr = pl.lit(1.0)
    counts = is_open & pl.col("inside")
    if measure is Measure.WEIGHTED:
        share = pl.col("chance").fill_null(0.0)
    elif measure is Measure.EXPECTED:
        share = pl.when(is_won).then(1.0).otherwise(pl.col("chance").fill_null(0.0))
        counts = is_open | (is_won & pl.col("inside"))
    return (
        standing.with_columns(inside=inside)
        .with_columns(counts=counts)
        .with_columns(share=pl.when("counts").then(share).otherwise(0.0))
        .with_columns(value=_cents("amount", "rate", "share"))
    )


def _chained(pairs: pl.DataFrame, measure: Measure) -> pl.DataFrame:
    """`pairs` with what each deal was worth step by step: `value` at first, `chanced` with the
    later chance, `priced` with the later amount too, `kept` with the later rate, `value_1` in the
    end. A deal that was open and was won is worth its amount until it leaves the open pipeline.
    """
    status, later = pl.col("status"), pl.col("status_1")
    won_from_open = (later == "won") & (~pl.col("existed") | (status == "open").fill_null(True))
    passed_by = (later == "lost") & ~pl.col("existed")
    through = pl.lit(False)
    if measure is Measure.OPEN:
        through = ((won_from_open | passed_by) & pl.col("inside_1")).fill_null(False)
        in_time = won_from_open & ~pl.col("inside_1")
    else:
        in_time = pl.lit(False)
    stays = (later == "open").fill_null(False)
    if measure is Measure.EXPECTED:
        stays = stays | (later == "won").fill_null(False)
    pairs = pairs.with_columns(
        target=pl.when(through).then(1.0).otherwise(pl.col("share_1").fill_null(0.0)),
        moves=(stays | through | in_time).fill_null(False),
    )
    keeps_won = pl.lit(measure is Measure.EXPECTED) & pl.col("inside_1")
    return pairs.with_columns(
        pl.col("value", "value_1").fill_null(0),
        won_here=((later == "won") & keeps_won).fill_null(False),
        chanced=_cents("amount", "rate", "target"),
        priced=_cents("amount_1", "rate", "target"),
        kept=_cents("amount_1", "rate_1", "target"),
    ).with_columns(kept=pl.when("moves").then("kept").otherwise("value"))


def _parts() -> list[tuple[pl.Expr, pl.Expr]]:
    """Label and cents of each part; what a row's kind of move does not have is 0."""
    status, later = pl.col("status"), pl.col("status_1")
    whole = _whole()
    chained = whole.is_null() & pl.col("moves")
    priced = pl.col("priced") - pl.col("chanced")

    def where(condition: pl.Expr, cents: pl.Expr) -> pl.Expr:
        return pl.when(condition).then(cents).otherwise(0)

    chance = (
        pl.when((status == "open") & pl.col("won_here")).then(pl.lit("won")).otherwise(_date_move())
    )
    leaving = pl.when(later.is_in(_LEAVING)).then(later).otherwise(pl.lit("unrecorded"))
    return [
        (whole, where(whole.is_not_null() & pl.col("moves"), pl.col("kept") - pl.col("value"))),
        (chance, where(chained, pl.col("chanced") - pl.col("value"))),
        (
            pl.when(priced > 0).then(pl.lit("increased")).otherwise(pl.lit("decreased")),
            where(chained, priced),
        ),
        (pl.lit("currency"), where(chained, pl.col("kept") - pl.col("priced"))),
        (leaving, pl.col("value_1") - pl.col("kept")),
    ]


def _whole() -> pl.Expr:
    """The one move of deals that did not exist, were decided or are not known; else null."""
    status, later = pl.col("status"), pl.col("status_1")
    decided = status.is_in(["won", "lost"])
    unknown = ~pl.col("amount_known") | ~pl.col("date_known") | status.is_null()
    return (
        pl.when(~pl.col("existed"))
        .then(pl.when("won_here").then(pl.lit("won")).otherwise(pl.lit("created")))
        .when(decided & (later == "open"))
        .then(pl.lit("reopened"))
        .when((status == "lost") & pl.col("won_here"))
        .then(pl.lit("won"))
        .when(status.is_in(["removed", "merged"]) | unknown.fill_null(True))
        .then(pl.lit("unrecorded"))
    )


def _date_move() -> pl.Expr:
    """Why another share of the same amount counts: another period, else stage, else estimate."""
    day, later = pl.col("date"), pl.col("date_1")
    came, left = ~pl.col("inside") & pl.col("inside_1"), pl.col("inside") & ~pl.col("inside_1")
    return (
        pl.when(came)
        .then(
            pl.when(day.is_null())
            .then(pl.lit("date_set"))
            .when(day > later)
            .then(pl.lit("pulled_in"))
            .otherwise(pl.lit("pushed_in"))
        )
        .when(left)
        .then(
            pl.when(later.is_null())
            .then(pl.lit("date_cleared"))
            .when(later > day)
            .then(pl.lit("pushed_out"))
            .otherwise(pl.lit("pulled_out"))
        )
        .when(pl.col("stage_id").ne_missing(pl.col("stage_id_1")))
        .then(pl.lit("stage_moved"))
        .otherwise(pl.lit("re_estimated"))
    )


def _left_out(before: pl.DataFrame, after: pl.DataFrame, measure: Measure) -> dict[str, int]:
    counted = pl.concat([before, after]).filter("counts")
    reasons = {
        "no_amount": pl.col("amount").is_null(),
        "no_rate": pl.col("amount").is_not_null() & pl.col("rate").is_null(),
    }
    if measure is not Measure.OPEN:
        is_open = pl.col("status") == "open"
        reasons["no_chance"] = is_open & pl.col("chance").is_null()
    found = {why: counted.filter(which)["deal_id"].n_unique() for why, which in reasons.items()}
    return {why: deals for why, deals in found.items() if deals}
