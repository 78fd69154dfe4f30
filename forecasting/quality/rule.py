"""What a quality rule is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from forecasting.wording import Language

Family = Literal["completeness", "timeliness", "consistency"]
Text = Mapping[Language, str]


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One thing that can be wrong with an open deal.

    `when`: over the columns of `facts.open_deal_facts`; null is no finding. `evidence`: what the
    message needs, by name. `weight`: points off the score. `message` and `brief` are templates
    over the evidence: a whole sentence, and a fragment for a list. `why`: for the documentation.
    """

    code: str
    family: Family
    weight: float
    when: pl.Expr
    title: Text
    why: str
    fix: Text
    message: Text
    brief: Text
    evidence: Mapping[str, pl.Expr] = field(default_factory=dict)
