"""What a quality rule is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from forecasting.rule_words import WORDS
from forecasting.rule_words.words import Words

Family = Literal["completeness", "timeliness", "consistency"]
About = Literal["open", "decided", "any"]
Effect = Literal["none", "gone", "date", "amount"]

ALWAYS = pl.lit(True)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One thing that can be wrong with a deal.

    `when`: over the columns of `facts.open_deal_facts`, or of `decided.decided_facts` for a rule
    about decided deals; null is no finding. `evidence`: what the message needs, by name.
    `weight`: points off the score of an open deal.

    `applies`: over the same columns; an account of which it is true for no deal gives the rule
    nothing to judge by, and its words say what it needs. `effect`: what a forecast does if the
    finding is true: nothing; the deal is not there at all; it closes on another date; it has
    another amount.
    """

    code: str
    family: Family
    weight: float
    when: pl.Expr
    evidence: Mapping[str, pl.Expr] = field(default_factory=dict)
    about: About = "open"
    applies: pl.Expr = ALWAYS
    effect: Effect = "none"

    @property
    def words(self) -> Words:
        return WORDS[self.code]
