"""What a deal should have before it leaves a stage: how often that was missed, and what became of
such deals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from forecasting.comparison import Comparison, compare
from forecasting.deals import INSTANT
from forecasting.fields_then import FIELDS, filled_then, judged_now
from forecasting.history import KEY
from forecasting.passages import days

CONTACT_ROLE: Final = "contact_role"


@dataclass(frozen=True, slots=True)
class ExitCriterion:
    """`required`: names of `fields_then.FIELDS` that have to be filled on leaving the stage.
    `contact_roles`: a contact has to have one of them, whatever its capitals.
    """

    pipeline_id: str
    stage_id: str
    required: tuple[str, ...]
    contact_roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = [name for name in self.required if name not in FIELDS]
        if unknown or not (self.required or self.contact_roles):
            raise ValueError(
                f"exit criteria of stage {self.stage_id}: {', '.join(unknown) or 'nothing'} "
                f"cannot be required; choose from {', '.join(FIELDS)}"
            )


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """`passed`: deals that left the stage upwards in the window; `missed`: those that lacked
    something then; `missed_by`: how many lacked each field, or a `contact_role`. `not_known`: deals
    left out, for nobody told their contacts' roles. `comparison`: deals that missed against
    the others, from leaving the stage on. `judged_now`: fields known only as they are today, which
    makes the comparison a hint: deals that live longer get more filled in.
    """

    criterion: ExitCriterion
    passed: int
    missed: int
    missed_by: dict[str, int]
    not_known: int
    judged_now: tuple[str, ...]
    comparison: Comparison


def check(
    criteria: Sequence[ExitCriterion],
    passed: pl.DataFrame,
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    *,
    since: datetime,
    as_of: datetime,
) -> list[CriterionResult]:
    """Each criterion, over `passages.passages` that went on between `since` and `as_of`."""
    return [_check(each, passed, deals, changes, since, as_of) for each in criteria]


def _check(
    criterion: ExitCriterion,
    passed: pl.DataFrame,
    deals: pl.DataFrame,
    changes: pl.DataFrame,
    since: datetime,
    as_of: datetime,
) -> CriterionResult:
    left = passed.filter(
        (pl.col("pipeline_id") == criterion.pipeline_id)
        & (pl.col("stage_id") == criterion.stage_id)
        & (pl.col("outcome") == "won")
        & pl.col("until").is_between(since, as_of)
    ).with_columns(at="until")
    asked = criterion.required
    judged, left_out = filled_then(left, deals, changes, asked), 0
    if criterion.contact_roles:
        judged, left_out = _with_role(judged, deals, criterion.contact_roles)
        asked = (*asked, CONTACT_ROLE)
    judged = judged.with_columns(missed=~pl.all_horizontal(f"has_{name}" for name in asked))
    only_now = judged_now(changes, criterion.required)
    return CriterionResult(
        criterion=criterion,
        passed=judged.height,
        missed=int(judged["missed"].sum()),
        missed_by={name: int((~judged[f"has_{name}"]).sum()) for name in asked},
        not_known=left_out,
        judged_now=(*only_now, *asked[len(criterion.required) :]),
        comparison=compare(afterwards(judged, as_of), "missed"),
    )


def _with_role(
    rows: pl.DataFrame, deals: pl.DataFrame, roles: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """With has_contact_role, and how many rows were left out because nobody knows."""
    wanted = [" ".join(role.lower().split()) for role in roles]
    told = rows.join(deals.select(*KEY, "contact_roles"), on=KEY, how="left")
    known = told.filter(pl.col("contact_roles").is_not_null())
    has = (
        pl.col("contact_roles")
        .str.to_lowercase()
        .str.split("\n")
        .list.eval(pl.element().is_in(wanted))
    )
    judged = known.with_columns(has.list.any().alias(f"has_{CONTACT_ROLE}"))
    return judged.drop("contact_roles"), rows.height - judged.height


def afterwards(judged: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Rows with at, deal_outcome and closed_at as spells from `at` to the deal's end."""
    ended = pl.col("deal_outcome").is_in(("won", "lost")) & (pl.col("closed_at") <= as_of)
    end = pl.when(ended).then("closed_at").otherwise(pl.lit(as_of, INSTANT))
    return judged.with_columns(
        from_days=pl.lit(0.0),
        to_days=days(end - pl.col("at")).clip(lower_bound=0.0),
        outcome=pl.when(ended).then("deal_outcome").otherwise(pl.lit("open")),
    ).sort(*KEY)
